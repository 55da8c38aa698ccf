/* The way of one model through the compiler. The rows of passes.def are run in order by one loop,
 * which also verifies, times and prints; a pass does its own work only. */
#ifndef BMC_DRIVER_PIPELINE_H
#define BMC_DRIVER_PIPELINE_H

#include "compiler/codegen/codegen.h"
#include "compiler/driver/cli_session.h"
#include "compiler/driver/object_cache.h"
#include "compiler/driver/passes.h"
#include "compiler/schedule/schedule.h"

typedef struct Pipeline {
    Session *session;
    Context *ctx;
    /* what is asked for */
    uint32_t file;
    SemaOptions sema;
    CodegenOptions codegen;
    int64_t static_batch;     /* 0: any */
    bool wants_cache;         /* objects are kept from run to run */
    const char *cache_folder; /* NULL: the user's */
    ObjectCache *cache;       /* NULL: not opened yet */
    VEC(void *) libraries;    /* opened, of --allow-extern */
    const char *library_path; /* `link` writes it */
    /* the program in its forms; NULL until it has that form */
    Node *tree;
    Program *program;
    CodeTarget target;
    LoopProgram **loops; /* one per program->entries */
    CodeModule *module;
    bool multiversion;
    CodeModule *version; /* of --multiversion: the entries for the better processor */
    CodeJit *jit;
    /* the loop's own */
    PassId next;
    double pass_us[PASS_COUNT];
    const char *printed; /* the text of the last form shown, for "(unchanged)" */
} Pipeline;

/* For a file that the context has already; the options of the session say the rest. */
void pipeline_begin(Pipeline *p, Session *s, uint32_t file, const char *stem, uint32_t roots);
/* Reads the file; the options of the session say the rest. False with diagnostics. `path` also
 * names the model: its stem is the prefix of all symbols unless -o gives another. */
bool pipeline_open(Pipeline *p, Session *s, const char *path, uint32_t roots);
/* Runs every pass up to and including `last` that was not run yet. False when the program is wrong.
 */
bool pipeline_run(Pipeline *p, PassId last);
/* Opens the cache, if one is wanted, and gives it to code generation. */
void pipeline_cache(Pipeline *p);
/* The program as text, in the form it has now. */
void pipeline_print(Pipeline *p, Text *out);
/* Frees what lives outside the context's arena; --time-passes prints here. */
void pipeline_close(Pipeline *p);

/* One function a row of passes.def (pass_steps.c). */
#define PASS(name, from, to, help) bool pass_##name(Pipeline *p);
#include "compiler/driver/passes.def"
#undef PASS

#endif
