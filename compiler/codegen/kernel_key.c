/* Equal kernels share one function. What tells kernels apart is written out as bytes (the key);
 * what may differ between them (which buffers, which symbols, which random sites) becomes an
 * argument and enters the key only as an argument number. */
#include "compiler/codegen/codegen_internal.h"

static uint32_t symbol_number(Arena *arena, KernelSignature *s, uint32_t symbol) {
    for (uint32_t i = 0; i < s->symbols.len; i++)
        if (s->symbols.data[i] == symbol) return i;
    vec_push(arena, &s->symbols, symbol);
    return s->symbols.len - 1;
}

static bool expr_has_site(const Expr *x) {
    return x->kind == EXPR_SITE || (x->kind == EXPR_RANDOM && x->nargs == 1);
}

void kernel_signature(const LoopProgram *p, const Kernel *k, KernelSignature *out) {
    Arena *arena = p->ctx->arena;
    *out = (KernelSignature){0};
    for (uint32_t i = 0; i < k->exprs.len; i++) {
        const Expr *x = &k->exprs.data[i];
        if (x->kind == EXPR_DIM) {
            EntrySymbols symbols = {0};
            dim_symbols(p->program->dims, x->dim, arena, &symbols);
            for (uint32_t j = 0; j < symbols.table.len; j++)
                symbol_number(arena, out, symbols.table.data[j]);
        } else if (expr_has_site(x)) {
            bool known = false;
            for (uint32_t j = 0; j < out->keys.len; j++) known |= out->keys.data[j] == x->imm;
            if (!known) vec_push(arena, &out->keys, x->imm);
        }
    }
}

static void put(Text *out, uint64_t value) {
    text_add_n(out, (const char *)&value, sizeof value);
}

typedef struct DimKey {
    Text *out;
    const DimTable *dims;
    const KernelSignature *s;
    uint32_t depth;
} DimKey;

static void dim_key(DimKey *key, DimId d);

static void dim_key_term(void *user, int64_t coefficient, const uint32_t *symbols, uint32_t count) {
    DimKey *key = user;
    put(key->out, (uint64_t)coefficient);
    put(key->out, count);
    for (uint32_t i = 0; i < count; i++) {
        DimId a, b;
        if (dim_quotient(key->dims, symbols[i], &a, &b)) {
            INVARIANT(key->depth < 100);
            key->depth++;
            put(key->out, UINT64_MAX);
            dim_key(key, a);
            dim_key(key, b);
            key->depth--;
            continue;
        }
        for (uint32_t j = 0; j < key->s->symbols.len; j++)
            if (key->s->symbols.data[j] == symbols[i]) put(key->out, j);
    }
}

static void dim_key(DimKey *key, DimId d) {
    dim_terms(key->dims, d, dim_key_term, key);
    put(key->out, UINT64_MAX - 1);
}

static void expr_key(const LoopProgram *p, const KernelSignature *s, const Expr *x, Text *out) {
    put(out, (uint64_t)x->kind | (uint64_t)x->op << 8 | (uint64_t)x->dtype << 16 |
                 (uint64_t)x->nargs << 24);
    put(out, (uint64_t)x->buffer << 32 | x->var.id);
    put(out, x->reg.id);
    for (uint32_t i = 0; i < x->nargs; i++) put(out, x->args[i].id);
    if (expr_has_site(x)) {
        for (uint32_t i = 0; i < s->keys.len; i++)
            if (s->keys.data[i] == x->imm) put(out, i);
    } else {
        put(out, x->imm);
    }
    put(out, x->imm2);
    DimKey key = {.out = out, .dims = p->program->dims, .s = s};
    if (x->kind == EXPR_DIM) dim_key(&key, x->dim);
}

static void stmt_key(const LoopProgram *p, const Stmt *s, Text *out) {
    put(out, (uint64_t)s->kind | (uint64_t)s->loop << 8 | (uint64_t)s->count << 32);
    put(out, (uint64_t)s->var.id << 32 | s->reg.id);
    put(out, (uint64_t)s->from.id << 32 | s->to.id);
    put(out, (uint64_t)s->limit.id << 32 | s->index.id);
    put(out, (uint64_t)s->value.id << 32 | s->pred.id);
    put(out, (uint64_t)s->buffer << 32 | s->bits);
    put(out, (uint64_t)s->step);
    put(out, s->source);
    put(out, (uint64_t)s->source_step);
    put(out, s->rounds);
    put(out, (uint64_t)s->target_step);
    put(out, s->body.len);
    for (uint32_t i = 0; i < s->body.len; i++) put(out, s->body.data[i].id);
    if (s->kind == STMT_CALL) { /* by name: the number is another in another program */
        const GraphExtern *callee = &p->program->externs.items.data[s->callee];
        const char *name = (s->gradient ? callee->gradient : callee->name)->text;
        put(out, s->gradient);
        put(out, strlen(name));
        text_add_n(out, name, strlen(name));
    }
    put(out, s->arrays.len);
    for (uint32_t i = 0; i < s->arrays.len; i++) {
        const LoopArray *a = &s->arrays.data[i];
        put(out, (uint64_t)a->buffer << 32 | a->offset.id);
        put(out, (uint64_t)a->dtype << 32 | a->rank);
        for (uint32_t d = 0; d < a->rank; d++) put(out, a->dims[d].id);
    }
}

/* A load is moved out of its loop when the buffer's size is a constant that covers it, so that a
 * constant size is part of the code. */
static void buffer_key(const LoopProgram *p, const Kernel *k, uint32_t position, Text *out) {
    const LoopBuffer *b = &p->buffers.data[k->buffers.data[position]];
    const DimTable *dims = p->program->dims;
    put(out, (uint64_t)b->dtype | (uint64_t)k->writes.data[position] << 8);
    put(out, dim_is_const(dims, b->count) ? (uint64_t)dim_value(dims, b->count) : UINT64_MAX);
}

void kernel_canonical(const LoopProgram *p, const Kernel *k, const KernelSignature *s, Text *out) {
    put(out, k->buffers.len);
    for (uint32_t i = 0; i < k->buffers.len; i++) buffer_key(p, k, i, out);
    put(out, k->parallel ? (uint64_t)kernel_row_multiple(k) : 0);
    put(out, s->symbols.len);
    put(out, s->keys.len);
    put(out, k->vars.len);
    put(out, k->regs.len);
    for (uint32_t i = 0; i < k->regs.len; i++) {
        const LoopReg *r = &k->regs.data[i];
        put(out, (uint64_t)r->dtype << 32 | r->nvars);
        for (uint32_t v = 0; v < r->nvars; v++) put(out, r->vars[v].id);
    }
    put(out, k->exprs.len);
    for (uint32_t i = 0; i < k->exprs.len; i++) expr_key(p, s, &k->exprs.data[i], out);
    put(out, k->stmts.len);
    for (uint32_t i = 0; i < k->stmts.len; i++) stmt_key(p, &k->stmts.data[i], out);
    for (uint32_t i = 0; i < k->body.len; i++) put(out, k->body.data[i].id);
}
