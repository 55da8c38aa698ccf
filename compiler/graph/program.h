/* What one .bm file means: slots, entries (each a graph), and the plain data that the runtime needs
 * to read data and train. Made by sema, carried through every later stage, written out by codegen.
 * The recipe structs are the runtime's own (bmrt.h), so that there is one definition of each. */
#ifndef BMC_GRAPH_PROGRAM_H
#define BMC_GRAPH_PROGRAM_H

#include "compiler/graph/extern.h"
#include "runtime/include/bmrt.h"

typedef struct Entry {
    const char *name; /* "init", "step", "fashion.rows", "predict" ... unique */
    BmrtEntryKind kind;
    Graph *graph;
    Span span;
    /* Per input and output: 1 + the vocabulary that turns strings into its numbers; 0: no strings.
     * NULL: none has. */
    const uint32_t *input_strings, *output_strings;
    uint32_t show_count; /* the graph's last outputs are what `show` shows; they have no strings */
} Entry;

/* Outputs that a caller sees. */
static inline uint32_t entry_outputs(const Entry *e) {
    return e->graph ? e->graph->outputs.len - e->show_count : 0;
}

/* One row of `bmc explain`. */
typedef struct LayerInfo {
    const char *path; /* "net.dense1" */
    const char *what; /* "dense(256, relu)" */
    DType dtype;
    Shape shape; /* of its output */
    int64_t params, param_bytes;
    double flops; /* forward, of one row of the batch */
    Span span;
} LayerInfo;

typedef struct Program {
    Context *ctx;
    const char *stem; /* a C identifier: prefix of all symbols */
    const char *source;
    DimTable *dims;
    VEC(Slot) slots;
    ExternTable externs;
    VEC(Entry) entries;
    VEC(BmrtData) data;
    VEC(BmrtTrain) train;
    VEC(BmrtTest) test;
    VEC(BmrtStatistic) statistics;
    VEC(BmrtVocabulary) vocabularies;
    VEC(LayerInfo) layers;
    int32_t init_entry;
} Program;

#endif
