/* The text of a loop program: deterministic (no pointers, no hash order), meant for people and for
 * golden tests. Operators are written as calls, so no precedence needs to be known; what is used
 * more than once or nests deeply gets a name (%7) and a line of its own above the kernel's body. */
#include "compiler/loop/loop_internal.h"
#include <inttypes.h>

enum { INLINE_HEIGHT = 12 };

typedef struct Print {
    Text *out;
    const LoopProgram *p;
    const Kernel *k;
    uint32_t *uses;   /* per expression */
    uint32_t *height; /* levels that would be printed inline */
} Print;

static const char *const loop_words[] = {"for", "unroll", "vector"};
static const char *const storage_words[] = {"arena", "slot", "input", "output", "const"};
static const char *const clock_words[] = {"progress", "epoch", "iteration"};

static const char *buffer_name(const Print *pr, uint32_t position) {
    return pr->p->buffers.data[pr->k->buffers.data[position]].name;
}

static void print_const(Text *out, const Expr *e) {
    double wide;
    float narrow;
    uint32_t bits32 = (uint32_t)e->imm;
    if (e->dtype == DTYPE_F64) {
        memcpy(&wide, &e->imm, sizeof wide);
        text_number(out, wide);
    } else if (e->dtype == DTYPE_F32) {
        memcpy(&narrow, &bits32, sizeof narrow);
        text_number(out, narrow);
    } else if (dtype_is_float(e->dtype)) {
        text_printf(out, "0x%04" PRIx64, e->imm);
    } else if (e->dtype == DTYPE_BOOL) {
        text_add(out, e->imm ? "true" : "false");
    } else {
        text_printf(out, "%" PRId64, (int64_t)e->imm);
    }
    if (e->dtype != DTYPE_I64 && e->dtype != DTYPE_BOOL)
        text_printf(out, ":%s", dtype_name(e->dtype));
}

static bool is_leaf(const Expr *e) {
    return e->nargs == 0;
}
static bool is_named(const Print *pr, uint32_t id) {
    const Expr *e = &pr->k->exprs.data[id];
    return !is_leaf(e) && (pr->uses[id] > 1 || pr->height[id] >= INLINE_HEIGHT);
}

static void print_expr(const Print *pr, ExprId id);

static void print_args(const Print *pr, const Expr *e) {
    text_char(pr->out, '(');
    for (uint32_t i = 0; i < e->nargs; i++) {
        if (i) text_add(pr->out, ", ");
        print_expr(pr, e->args[i]);
    }
    text_char(pr->out, ')');
}

static void print_load(const Print *pr, const Expr *e) {
    text_printf(pr->out, "%s[", buffer_name(pr, e->buffer));
    print_expr(pr, e->args[0]);
    text_char(pr->out, ']');
    if (e->nargs == 1) return;
    text_add(pr->out, " where ");
    print_expr(pr, e->args[1]);
    text_add(pr->out, " else ");
    print_expr(pr, e->args[2]);
}

static void print_definition(const Print *pr, const Expr *e) {
    Text *out = pr->out;
    const Kernel *k = pr->k;
    switch (e->kind) {
    case EXPR_CONST: print_const(out, e); break;
    case EXPR_VAR: text_add(out, k->vars.data[e->var.id].name); break;
    case EXPR_LO: text_add(out, "LO"); break;
    case EXPR_HI: text_add(out, "HI"); break;
    case EXPR_DIM: dim_print(out, pr->p->program->dims, e->dim); break;
    case EXPR_LOAD: print_load(pr, e); break;
    case EXPR_REG: text_add(out, k->regs.data[e->reg.id].name); break;
    case EXPR_IDIV: text_add(out, "idiv"); break;
    case EXPR_IMOD: text_add(out, "imod"); break;
    case EXPR_CLOCK: text_printf(out, "%s:%s", clock_words[e->imm], dtype_name(e->dtype)); break;
    case EXPR_OP:
        text_add(out, op_info(e->op)->name);
        if (e->op == OP_CAST) text_printf(out, "<%s>", dtype_name(e->dtype));
        break;
    case EXPR_RANDOM:
        if (e->nargs == 2)
            text_printf(out, "random<%" PRIu64 ">", e->imm2);
        else
            text_printf(out, "random<%" PRIx64 ",%" PRIu64 ">", e->imm, e->imm2);
        break;
    case EXPR_SITE: text_printf(out, "site<%" PRIx64 ">", e->imm); break;
    case EXPR_TREE:
        text_printf(out, "tree_%s(%s over %s)", op_info(e->op)->name, k->regs.data[e->reg.id].name,
                    k->vars.data[e->var.id].name);
        break;
    }
    if (e->nargs > 0 && e->kind != EXPR_LOAD) print_args(pr, e);
}

/* Recursion ends at named expressions, so its depth is at most INLINE_HEIGHT. */
static void print_expr(const Print *pr, ExprId id) {
    if (is_named(pr, id.id))
        text_printf(pr->out, "%%%u", id.id);
    else
        print_definition(pr, &pr->k->exprs.data[id.id]);
}

static void indent(Text *out, uint32_t depth) {
    for (uint32_t i = 0; i < depth; i++) text_add(out, "  ");
}

static void print_for(const Print *pr, const Stmt *s) {
    text_printf(pr->out, "%s %s ", loop_words[s->loop], pr->k->vars.data[s->var.id].name);
    if (s->loop == LOOP_SERIAL) {
        text_add(pr->out, "from ");
        print_expr(pr, s->from);
        text_add(pr->out, " to ");
        print_expr(pr, s->to);
        if (s->step != 1) text_printf(pr->out, " step %" PRId64, s->step);
    } else {
        text_printf(pr->out, "%u", s->count);
        if (s->step != 0) text_printf(pr->out, " from %" PRId64, s->step);
        if (!expr_is_none(s->limit) && s->loop == LOOP_VECTOR) {
            text_add(pr->out, " limit ");
            print_expr(pr, s->limit);
        }
    }
    text_char(pr->out, '\n');
}

/* call name(x[B, 3], y + 4[8]) -> z[B] */
static void print_call(const Print *pr, const Stmt *s) {
    const GraphExtern *e = &pr->p->program->externs.items.data[s->callee];
    text_printf(pr->out, "call %s(", (s->gradient ? e->gradient : e->name)->text);
    for (uint32_t i = 0; i < s->arrays.len; i++) {
        const LoopArray *a = &s->arrays.data[i];
        if (i) text_add(pr->out, i == s->count ? ") -> " : ", ");
        text_printf(pr->out, "%s + ", buffer_name(pr, a->buffer));
        print_expr(pr, a->offset);
        text_char(pr->out, '[');
        for (uint32_t d = 0; d < a->rank; d++) {
            if (d) text_add(pr->out, ", ");
            print_expr(pr, a->dims[d]);
        }
        text_char(pr->out, ']');
    }
    text_char(pr->out, '\n');
}

static void print_transpose(const Print *pr, const Stmt *s) {
    text_printf(pr->out, "%s[", buffer_name(pr, s->buffer));
    print_expr(pr, s->index);
    text_printf(pr->out, " by %" PRId64 "] = transposed %s%s[", s->target_step,
                s->rounds ? "bf16 of " : "", buffer_name(pr, s->source));
    print_expr(pr, s->value);
    text_printf(pr->out, " by %" PRId64 "], ", s->source_step);
    print_expr(pr, s->from);
    text_add(pr->out, " rows, ");
    print_expr(pr, s->to);
    text_add(pr->out, " columns\n");
}

static void print_effect(const Print *pr, const Stmt *s) {
    if (s->kind == STMT_TRANSPOSE) {
        print_transpose(pr, s);
        return;
    }
    if (s->kind == STMT_CALL) {
        print_call(pr, s);
        return;
    }
    if (s->kind == STMT_SET) {
        text_printf(pr->out, "%s = ", pr->k->regs.data[s->reg.id].name);
    } else if (s->kind == STMT_STORE) {
        text_printf(pr->out, "%s[", buffer_name(pr, s->buffer));
        print_expr(pr, s->index);
        text_add(pr->out, "] = ");
    } else if (s->kind == STMT_PREFETCH) {
        text_printf(pr->out, "soon %s at ", buffer_name(pr, s->buffer));
    } else {
        text_printf(pr->out, "flag %u if ", s->bits);
    }
    print_expr(pr, s->value);
    if (s->kind == STMT_STORE && !expr_is_none(s->pred)) {
        text_add(pr->out, " where ");
        print_expr(pr, s->pred);
    }
    text_char(pr->out, '\n');
}

/* Nesting is bounded by loop_verify. */
static void print_list(const Print *pr, const StmtId *ids, uint32_t count, uint32_t depth) {
    for (uint32_t i = 0; i < count; i++) {
        const Stmt *s = &pr->k->stmts.data[ids[i].id];
        indent(pr->out, depth);
        if (s->kind != STMT_FOR) {
            print_effect(pr, s);
            continue;
        }
        print_for(pr, s);
        print_list(pr, s->body.data, s->body.len, depth + 1);
    }
}

/* An expression counts when a statement reaches it. Ids descend from user to used, so one pass from
 * the highest id down carries reachability to the leaves. */
static void count_uses(Print *pr) {
    const Kernel *k = pr->k;
    for (uint32_t i = 0; i < k->stmts.len; i++) {
        const Stmt *s = &k->stmts.data[i];
        ExprId roots[] = {s->from, s->to, s->limit, s->index, s->value, s->pred};
        for (uint32_t r = 0; r < sizeof roots / sizeof roots[0]; r++) {
            bool serial_only = r < 2, vector_only = r == 2;
            if (s->kind == STMT_FOR ? (serial_only && s->loop != LOOP_SERIAL) ||
                                          (vector_only && s->loop != LOOP_VECTOR) || r > 2
                                    : r == 2 || (r < 2 && s->kind != STMT_TRANSPOSE))
                continue;
            if (roots[r].id < k->exprs.len) pr->uses[roots[r].id]++;
        }
        for (uint32_t a = 0; a < s->arrays.len; a++) {
            pr->uses[s->arrays.data[a].offset.id]++;
            for (uint32_t d = 0; d < s->arrays.data[a].rank; d++)
                pr->uses[s->arrays.data[a].dims[d].id]++;
        }
    }
    for (uint32_t id = k->exprs.len; id-- > 0;)
        for (uint32_t i = 0; pr->uses[id] > 0 && i < k->exprs.data[id].nargs; i++)
            pr->uses[k->exprs.data[id].args[i].id]++;
    for (uint32_t id = 0; id < k->exprs.len; id++)
        for (uint32_t i = 0; i < k->exprs.data[id].nargs; i++) {
            uint32_t a = k->exprs.data[id].args[i].id;
            uint32_t below = is_named(pr, a) ? 0 : pr->height[a];
            if (below + 1 > pr->height[id]) pr->height[id] = below + 1;
        }
}

static void print_regs(const Print *pr) {
    for (uint32_t i = 0; i < pr->k->regs.len; i++) {
        const LoopReg *r = &pr->k->regs.data[i];
        text_printf(pr->out, "  reg %s: %s", r->name, dtype_name(r->dtype));
        for (uint32_t v = 0; v < r->nvars; v++)
            text_printf(pr->out, "%s%s", v ? ", " : " over ", pr->k->vars.data[r->vars[v].id].name);
        text_char(pr->out, '\n');
    }
}

static void print_kernel(Text *out, const LoopProgram *p, uint32_t number) {
    const Kernel *k = p->kernels.data[number];
    Print print = {.out = out, .p = p, .k = k}, *pr = &print;
    pr->uses = ARENA_ARRAY(p->ctx->arena, uint32_t, k->exprs.len);
    pr->height = ARENA_ARRAY(p->ctx->arena, uint32_t, k->exprs.len);
    count_uses(pr);
    text_printf(out, "kernel %u \"%s\" ", number, k->name);
    if (k->parallel) {
        text_add(out, "over ");
        dim_print(out, p->program->dims, k->extent);
        text_printf(out, " by %" PRId64 "\n", k->grain);
    } else {
        text_add(out, "once\n");
    }
    for (uint32_t i = 0; i < k->buffers.len; i++)
        text_printf(out, "  %s %s\n", k->writes.data[i] ? "writes" : "reads", buffer_name(pr, i));
    print_regs(pr);
    for (uint32_t id = 0; id < k->exprs.len; id++) {
        if (pr->uses[id] == 0 || !is_named(pr, id)) continue;
        text_printf(out, "  %%%u = ", id);
        print_definition(pr, &k->exprs.data[id]);
        text_char(out, '\n');
    }
    print_list(pr, k->body.data, k->body.len, 1);
}

static void print_loop(Text *out, const LoopProgram *p, uint32_t at) {
    const Order *o = &p->order.data[at];
    const OrderLoop *loop = &p->loops.data[o->number];
    if (o->kind == ORDER_LOOP_END) {
        text_printf(out, "%u: end of loop %u\n", at, o->number);
        return;
    }
    text_printf(out, "%u: loop %u %s from ", at, o->number,
                dim_symbol_name(p->program->dims, loop->symbol)->text);
    text_add(out, loop->reverse ? "the last of " : "the first of ");
    dim_print(out, p->program->dims, loop->trip);
    text_char(out, '\n');
}

static void print_order(Text *out, const LoopProgram *p) {
    for (uint32_t i = 0; i < p->order.len; i++) {
        const Order *o = &p->order.data[i];
        if (o->together > 1)
            text_printf(out, "%u to %u: %" PRId64 " rows at a time\n", i, i + o->together - 1,
                        o->rows);
        if (o->kind == ORDER_RUN)
            text_printf(out, "%u: run %u \"%s\"\n", i, o->number, p->kernels.data[o->number]->name);
        else if (o->kind == ORDER_BARRIER)
            text_printf(out, "%u: barrier\n", i);
        else if (o->kind == ORDER_LOOP_BEGIN || o->kind == ORDER_LOOP_END)
            print_loop(out, p, i);
        else
            text_printf(out, "%u: guard %s\n", i, p->buffers.data[o->number].name);
    }
}

static void print_program(Text *out, const LoopProgram *p) {
    text_printf(out, "program %s arena %" PRId64 " bytes, at least %" PRId64 "\n",
                p->entry ? p->entry->name : "?", p->arena_bytes, p->live_bytes_max);
    for (uint32_t i = 0; i < p->buffers.len; i++) {
        const LoopBuffer *b = &p->buffers.data[i];
        text_printf(out, "buffer %s: %s %u, %s[", b->name, storage_words[b->storage], b->number,
                    dtype_name(b->dtype));
        dim_print(out, p->program->dims, b->count);
        text_char(out, ']');
        if (b->storage == STORAGE_ARENA)
            text_printf(out, " at %" PRId64 " live %u-%u", b->offset, b->first, b->last);
        text_char(out, '\n');
    }
    for (uint32_t i = 0; i < p->kernels.len; i++) print_kernel(out, p, i);
    print_order(out, p);
}

void loop_print(Text *out, const LoopProgram *p) {
    print_program(out, p);
    for (uint32_t i = 0; i < p->variants.len; i++) {
        const LoopVariant *v = &p->variants.data[i];
        text_printf(out, "where %s = %" PRId64 "%s\n",
                    dim_symbol_name(p->program->dims, v->symbol)->text, v->value,
                    v->alone ? ", by one thread" : "");
        print_program(out, v->program);
    }
}
