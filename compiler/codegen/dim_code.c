/* Code for sizes: polynomials over the run-time symbols, and the opaque quotients among them. */
#include "compiler/codegen/codegen_internal.h"
#include "compiler/graph/scan.h"

enum { QUOTIENT_DEPTH = 100 };

typedef struct Symbols {
    const DimTable *dims;
    Arena *arena;
    EntrySymbols *out;
    uint32_t depth;
} Symbols;

static void symbols_visit(void *user, int64_t coefficient, const uint32_t *symbols,
                          uint32_t count) {
    Symbols *s = user;
    (void)coefficient;
    for (uint32_t i = 0; i < count; i++) {
        DimId a, b;
        if (dim_quotient(s->dims, symbols[i], &a, &b)) {
            if (++s->depth > QUOTIENT_DEPTH) BUG("quotients of sizes nested too deeply");
            dim_terms(s->dims, a, symbols_visit, s);
            dim_terms(s->dims, b, symbols_visit, s);
            s->depth--;
            continue;
        }
        bool known = false;
        for (uint32_t j = 0; j < s->out->table.len; j++)
            known |= s->out->table.data[j] == symbols[i];
        if (!known) vec_push(s->arena, &s->out->table, symbols[i]);
    }
}

void dim_symbols(const DimTable *dims, DimId d, Arena *arena, EntrySymbols *out) {
    Symbols s = {dims, arena, out, 0};
    dim_terms(dims, d, symbols_visit, &s);
}

typedef struct DimCode {
    LLVMBuilderRef b;
    LLVMContextRef c;
    const DimTable *dims;
    SymbolValue value;
    void *user;
    LLVMValueRef sum;
    uint32_t depth;
} DimCode;

static LLVMValueRef dim_sum(const DimCode *outer, DimId d);

static void code_visit(void *user, int64_t coefficient, const uint32_t *symbols, uint32_t count) {
    DimCode *d = user;
    LLVMTypeRef i64 = LLVMInt64TypeInContext(d->c);
    LLVMValueRef product = LLVMConstInt(i64, (uint64_t)coefficient, 1);
    for (uint32_t i = 0; i < count; i++) {
        DimId over, under;
        LLVMValueRef factor;
        if (dim_quotient(d->dims, symbols[i], &over, &under))
            factor = LLVMBuildUDiv(d->b, dim_sum(d, over), dim_sum(d, under), "");
        else
            factor = d->value(d->user, symbols[i]);
        product = LLVMBuildMul(d->b, product, factor, "");
    }
    d->sum = LLVMBuildAdd(d->b, d->sum, product, "");
}

static LLVMValueRef dim_sum(const DimCode *outer, DimId d) {
    DimCode inner = *outer;
    inner.sum = LLVMConstInt(LLVMInt64TypeInContext(outer->c), 0, 0);
    if (++inner.depth > QUOTIENT_DEPTH) BUG("quotients of sizes nested too deeply");
    dim_terms(inner.dims, d, code_visit, &inner);
    return inner.sum;
}

LLVMValueRef dim_code(LLVMBuilderRef b, LLVMContextRef c, const DimTable *dims, DimId d,
                      SymbolValue value, void *user) {
    DimCode outer = {.b = b, .c = c, .dims = dims, .value = value, .user = user};
    return dim_sum(&outer, d);
}

/* ------------------------------------------------------------------ symbols of an entry */

static void shape_symbols(const Program *p, const Shape *shape, EntrySymbols *out) {
    for (uint32_t i = 0; i < shape->rank; i++)
        dim_symbols(p->dims, shape->dims[i], p->ctx->arena, out);
}

/* In order of first appearance: inputs, outputs, then the rest of the graph. It must not depend on
 * how the graph was scheduled, because the header (made without schedule) names them too. */
static void nodes_symbols(const Program *p, const Graph *g, EntrySymbols *out);

void graph_symbols(const Program *p, const Graph *g, EntrySymbols *out) {
    *out = (EntrySymbols){0};
    for (uint32_t i = 0; i < g->inputs.len; i++) shape_symbols(p, &g->inputs.data[i].shape, out);
    for (uint32_t i = 0; i < g->outputs.len; i++) {
        Shape shape = graph_shape(g, g->outputs.data[i].node);
        shape_symbols(p, &shape, out);
    }
    nodes_symbols(p, g, out);
}

/* Bodies nest at most as deep as the language lets loops nest. */
static void nodes_symbols(const Program *p, const Graph *g, EntrySymbols *out) {
    uint32_t size = graph_size(g);
    bool *live = ARENA_ARRAY(p->ctx->arena, bool, size);
    graph_live(g, live);
    for (uint32_t i = 0; i < size; i++) {
        if (!live[i]) continue;
        const GNode *n = graph_node(g, (NodeId){i});
        Shape shape = graph_shape(g, (NodeId){i});
        shape_symbols(p, &shape, out);
        for (uint32_t a = 0; a < n->nattr; a++)
            if (op_attribute_is_dim(n->op, a))
                dim_symbols(p->dims, (DimId){(uint32_t)n->attr[a]}, p->ctx->arena, out);
        if (n->op == OP_SCAN) nodes_symbols(p, scan_of(g, (NodeId){i}).body, out);
    }
    uint32_t checks;
    const GraphCheck *check = graph_size_checks(g, &checks);
    for (uint32_t i = 0; i < checks; i++) dim_symbols(p->dims, check[i].value, p->ctx->arena, out);
}

void entry_symbols(const LoopProgram *p, EntrySymbols *out) {
    const DimTable *dims = p->program->dims;
    *out = (EntrySymbols){0};
    if (p->entry->graph) graph_symbols(p->program, p->entry->graph, out);
    for (uint32_t i = 0; i < p->buffers.len; i++)
        dim_symbols(dims, p->buffers.data[i].count, p->ctx->arena, out);
    for (uint32_t i = 0; i < p->kernels.len; i++) {
        const Kernel *k = p->kernels.data[i];
        dim_symbols(dims, k->extent, p->ctx->arena, out);
        for (uint32_t x = 0; x < k->exprs.len; x++)
            if (k->exprs.data[x].kind == EXPR_DIM)
                dim_symbols(dims, k->exprs.data[x].dim, p->ctx->arena, out);
    }
    uint32_t kept = 0; /* an iteration's number is no argument of the entry */
    for (uint32_t i = 0; i < out->table.len; i++)
        if (!loop_counts(p, out->table.data[i])) out->table.data[kept++] = out->table.data[i];
    out->table.len = kept;
}

uint32_t entry_symbol_index(const EntrySymbols *s, uint32_t symbol) {
    for (uint32_t i = 0; i < s->table.len; i++)
        if (s->table.data[i] == symbol) return i;
    BUG("symbol %u is not among the entry's", symbol);
}
