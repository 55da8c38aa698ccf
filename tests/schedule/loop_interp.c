/* See loop_interp.h. Vectors run lane by lane, which their rules allow; expressions are evaluated
 * once a statement. */
#include "loop_interp.h"
#include "compiler/graph/mathfn.h"
#include <math.h>
#include <setjmp.h>
#include <stdlib.h>

typedef struct Touch { /* of one element's byte */
    uint32_t owner;    /* buffer that wrote it + 1; 0: nobody */
    uint32_t write_phase, write_thread, read_phase, read_thread; /* threads: + 1 */
    bool read_many;
} Touch;

typedef struct Memory {
    char *data;
    Touch *touch; /* per byte */
    int64_t count;
} Memory;

typedef struct Thread { /* where it stands */
    uint32_t at;        /* position in the order */
    int64_t *done;      /* per loop: iterations finished */
    int64_t *symbols;   /* with the numbers of its iterations */
} Thread;

typedef struct Machine {
    const LoopProgram *p;
    LoopRun *run;
    Arena *arena;
    jmp_buf stop;
    Memory *memory; /* per buffer */
    Touch **touches;
    uint32_t *touch_count; /* not in a register: read after the jump */
    ScalarFunctions functions;
    uint32_t thread, phase;
    Thread *threads;
    int64_t *symbols; /* of the running thread */
    bool skip;
    /* of the running kernel */
    const Kernel *k;
    int64_t lo, hi;
    int64_t strip, strip_rows; /* of kernels that run together; strip < 0: alone, on all rows */
    bool strip_done;
    int64_t *vars;
    uint32_t *var_copies;
    uint64_t **regs;
    bool **reg_set;
    uint64_t *value;
    uint32_t *value_at, now;
} Machine;

static _Noreturn void stop(Machine *m, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static _Noreturn void stop(Machine *m, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const char *text = arena_vprintf(m->arena, format, args);
    va_end(args);
    m->run->problem = arena_printf(m->arena, "kernel %s, thread %u: %s", m->k ? m->k->name : "-",
                                   m->thread, text);
    longjmp(m->stop, 1);
}

/* ------------------------------------------------------------------ memory */

static Touch *element(Machine *m, uint32_t buffer, int64_t index, const char *what) {
    const LoopBuffer *b = &m->p->buffers.data[buffer];
    if (index < 0 || index >= m->memory[buffer].count)
        stop(m, "%s %s[%lld] of %lld elements", what, b->name, (long long)index,
             (long long)m->memory[buffer].count);
    return &m->memory[buffer].touch[index * dtype_bytes(b->dtype)];
}

static uint64_t memory_load(Machine *m, uint32_t buffer, int64_t index) {
    const LoopBuffer *b = &m->p->buffers.data[buffer];
    Touch *t = element(m, buffer, index, "reads");
    if (t->owner != buffer + 1)
        stop(m, "reads %s[%lld], which %s", b->name, (long long)index,
             t->owner ? "another buffer overwrote" : "was never written");
    if (t->write_phase == m->phase && t->write_thread != m->thread + 1)
        stop(m, "races: reads %s[%lld], written by thread %u", b->name, (long long)index,
             t->write_thread - 1);
    if (t->read_phase != m->phase) t->read_many = false;
    t->read_many |= t->read_phase == m->phase && t->read_thread != m->thread + 1;
    t->read_phase = m->phase;
    t->read_thread = m->thread + 1;
    uint64_t word = 0;
    memcpy(&word, m->memory[buffer].data + index * dtype_bytes(b->dtype), dtype_bytes(b->dtype));
    return word;
}

static void memory_store(Machine *m, uint32_t buffer, int64_t index, uint64_t word) {
    const LoopBuffer *b = &m->p->buffers.data[buffer];
    Touch *t = element(m, buffer, index, "writes");
    uint32_t bytes = dtype_bytes(b->dtype), me = m->thread + 1;
    for (uint32_t i = 0; i < bytes; i++) {
        if (t[i].write_phase == m->phase && t[i].write_thread != me)
            stop(m, "races: writes %s[%lld], as thread %u does", b->name, (long long)index,
                 t[i].write_thread - 1);
        if (t[i].read_phase == m->phase && (t[i].read_many || t[i].read_thread != me))
            stop(m, "races: writes %s[%lld], which another thread reads", b->name,
                 (long long)index);
        t[i].owner = buffer + 1;
        t[i].write_phase = m->phase;
        t[i].write_thread = me;
    }
    memcpy(m->memory[buffer].data + index * bytes, &word, bytes);
}

/* ------------------------------------------------------------------ expressions */

static uint64_t eval(Machine *m, ExprId e);

static uint64_t *reg_copy(Machine *m, RegId r, const VarId *instead, int64_t copy, bool **set) {
    const LoopReg *reg = &m->k->regs.data[r.id];
    int64_t at = 0;
    for (uint32_t i = 0; i < reg->nvars; i++) {
        VarId v = reg->vars[i];
        at = at * m->var_copies[v.id] + (instead && instead->id == v.id ? copy : m->vars[v.id]);
    }
    *set = &m->reg_set[r.id][at];
    return &m->regs[r.id][at];
}

static uint64_t reg_read(Machine *m, RegId r, const VarId *instead, int64_t copy) {
    bool *set;
    uint64_t *word = reg_copy(m, r, instead, copy, &set);
    if (!*set) stop(m, "reads a copy of %s before it is set", m->k->regs.data[r.id].name);
    return *word;
}

static uint64_t eval_tree(Machine *m, const Expr *e) {
    uint64_t lane[16];
    for (int i = 0; i < 16; i++) lane[i] = reg_read(m, e->reg, &e->var, i);
    for (int half = 8; half > 0; half /= 2)
        for (int i = 0; i < half; i++) {
            uint64_t args[2] = {lane[i], lane[i + half]};
            lane[i] = scalar_apply(&m->functions, e->op, e->dtype, e->dtype, args);
        }
    return lane[0];
}

static uint64_t eval_op(Machine *m, const Expr *e) {
    uint64_t args[3] = {0};
    for (uint32_t i = 0; i < e->nargs; i++) args[i] = eval(m, e->args[i]);
    DType from = m->k->exprs.data[e->args[e->op == OP_SELECT ? 1 : 0].id].dtype;
    return scalar_apply(&m->functions, e->op, e->dtype, from, args);
}

static uint64_t eval_load(Machine *m, const Expr *e) {
    if (e->nargs == 3 && !eval(m, e->args[1])) return eval(m, e->args[2]);
    return memory_load(m, m->k->buffers.data[e->buffer], (int64_t)eval(m, e->args[0]));
}

static uint64_t eval_random(Machine *m, const Expr *e) {
    uint64_t site = e->nargs == 2 ? eval(m, e->args[1]) : e->imm;
    float f =
        philox_uniform(m->run->seed, site, m->run->step, (uint32_t)e->imm2, eval(m, e->args[0]));
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static uint64_t eval_divide(Machine *m, const Expr *e) {
    int64_t a = (int64_t)eval(m, e->args[0]), b = (int64_t)eval(m, e->args[1]);
    if (a < 0 || b <= 0) stop(m, "index division of %lld by %lld", (long long)a, (long long)b);
    return (uint64_t)(e->kind == EXPR_IDIV ? a / b : a % b);
}

static uint64_t eval_new(Machine *m, const Expr *e) {
    int64_t size;
    double clock[3] = {m->run->progress, m->run->epoch, m->run->iteration};
    switch (e->kind) {
    case EXPR_CONST: return e->imm;
    case EXPR_VAR: return (uint64_t)m->vars[e->var.id];
    case EXPR_LO: return (uint64_t)m->lo;
    case EXPR_HI: return (uint64_t)m->hi;
    case EXPR_DIM:
        if (!dim_eval(m->p->program->dims, e->dim, m->symbols, &size)) stop(m, "a size overflows");
        return (uint64_t)size;
    case EXPR_LOAD: return eval_load(m, e);
    case EXPR_REG: return reg_read(m, e->reg, NULL, 0);
    case EXPR_OP: return eval_op(m, e);
    case EXPR_IDIV:
    case EXPR_IMOD: return eval_divide(m, e);
    case EXPR_RANDOM: return eval_random(m, e);
    case EXPR_SITE: return philox_site_at(e->imm, (int64_t)eval(m, e->args[0]));
    case EXPR_CLOCK: return (uint64_t)dtype_word_from_f64(e->dtype, clock[e->imm]);
    case EXPR_TREE: return eval_tree(m, e);
    }
    stop(m, "unknown expression");
}

static uint64_t eval(Machine *m, ExprId e) {
    if (m->value_at[e.id] == m->now) return m->value[e.id];
    uint64_t v = eval_new(m, &m->k->exprs.data[e.id]);
    m->value_at[e.id] = m->now;
    return m->value[e.id] = v;
}

static uint64_t eval_root(Machine *m, ExprId e) {
    m->now++;
    return eval(m, e);
}

/* ------------------------------------------------------------------ statements */

static void run_list(Machine *m, const StmtId *ids, uint32_t count);

static void run_for(Machine *m, const Stmt *s) {
    int64_t from = 0, to = s->count, step = 1;
    if (s->loop == LOOP_SERIAL) {
        from = (int64_t)eval_root(m, s->from);
        to = (int64_t)eval_root(m, s->to);
        step = s->step;
    } else if (s->loop == LOOP_VECTOR && !expr_is_none(s->limit)) {
        int64_t limit = (int64_t)eval_root(m, s->limit);
        if (limit < to) to = limit;
    } else if (s->loop == LOOP_UNROLL) {
        from = s->step;
        to = from + s->count;
    }
    for (int64_t i = from; i < to; i += step) {
        m->vars[s->var.id] = i;
        run_list(m, s->body.data, s->body.len);
    }
}

static void run_transpose(Machine *m, const Stmt *s) {
    int64_t from = (int64_t)eval(m, s->value), to = (int64_t)eval(m, s->index);
    int64_t rows = (int64_t)eval(m, s->from), columns = (int64_t)eval(m, s->to);
    uint32_t source = m->k->buffers.data[s->source], target = m->k->buffers.data[s->buffer];
    if (rows > s->count || columns > s->count)
        stop(m, "a block of %lld by %lld", (long long)rows, (long long)columns);
    /* bf16 is the upper half of an f32 */
    uint32_t shift = m->p->buffers.data[source].dtype == DTYPE_BF16 ? 16 : 0;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++) {
            uint64_t word = memory_load(m, source, from + r * s->source_step + c);
            if (s->rounds) {
                double exact = dtype_word_to_f64(DTYPE_F32, (int64_t)word);
                word = (uint64_t)dtype_word_from_f64(DTYPE_BF16, exact) << 16;
            }
            memory_store(m, target, to + c * s->target_step + r, word << shift);
        }
}

static void run_stmt(Machine *m, const Stmt *s) {
    if (s->kind == STMT_FOR) {
        run_for(m, s);
        return;
    }
    m->now++;
    if (s->kind == STMT_PREFETCH) {
        (void)eval(m, s->value);
    } else if (s->kind == STMT_TRANSPOSE) {
        run_transpose(m, s);
    } else if (s->kind == STMT_SET) {
        uint64_t v = eval(m, s->value);
        bool *set;
        *reg_copy(m, s->reg, NULL, 0, &set) = v;
        *set = true;
    } else if (s->kind == STMT_FLAG) {
        if (eval(m, s->value)) m->run->flags |= s->bits;
    } else if (expr_is_none(s->pred) || eval(m, s->pred)) {
        int64_t index = (int64_t)eval(m, s->index);
        memory_store(m, m->k->buffers.data[s->buffer], index, eval(m, s->value));
    }
}

static void run_list(Machine *m, const StmtId *ids, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) run_stmt(m, &m->k->stmts.data[ids[i].id]);
}

/* ------------------------------------------------------------------ kernels and the order */

static void kernel_registers(Machine *m) {
    const Kernel *k = m->k;
    m->vars = ARENA_ARRAY(m->arena, int64_t, k->vars.len);
    m->var_copies = ARENA_ARRAY(m->arena, uint32_t, k->vars.len);
    for (uint32_t i = 0; i < k->stmts.len; i++) {
        const Stmt *s = &k->stmts.data[i];
        if (s->kind != STMT_FOR) continue;
        uint32_t copies = s->count + (s->loop == LOOP_UNROLL ? (uint32_t)s->step : 0);
        if (copies > m->var_copies[s->var.id]) m->var_copies[s->var.id] = copies;
    }
    m->regs = ARENA_ARRAY(m->arena, uint64_t *, k->regs.len);
    m->reg_set = ARENA_ARRAY(m->arena, bool *, k->regs.len);
    for (uint32_t i = 0; i < k->regs.len; i++) {
        size_t copies = 1;
        for (uint32_t v = 0; v < k->regs.data[i].nvars; v++)
            copies *= m->var_copies[k->regs.data[i].vars[v].id];
        m->regs[i] = ARENA_ARRAY(m->arena, uint64_t, copies);
        m->reg_set[i] = ARENA_ARRAY(m->arena, bool, copies);
    }
    m->value = ARENA_ARRAY(m->arena, uint64_t, k->exprs.len);
    m->value_at = ARENA_ARRAY(m->arena, uint32_t, k->exprs.len);
    m->now = 0;
}

static void run_kernel(Machine *m, const Kernel *k) {
    m->k = k;
    if (!k->parallel && m->thread != 0) return;
    int64_t extent = 1, grains;
    if (k->parallel && !dim_eval(m->p->program->dims, k->extent, m->symbols, &extent))
        stop(m, "a size overflows");
    grains = (extent + k->grain - 1) / k->grain;
    m->lo = k->parallel ? grains * m->thread / m->run->threads * k->grain : 0;
    m->hi = k->parallel ? grains * (m->thread + 1) / m->run->threads * k->grain : 1;
    if (m->hi > extent) m->hi = extent;
    if (m->lo > extent) m->lo = extent;
    if (m->strip >= 0) { /* of the thread's rows, those of the strip */
        m->lo += m->strip;
        if (m->hi > m->lo + m->strip_rows) m->hi = m->lo + m->strip_rows;
        m->strip_done = m->lo >= m->hi;
        if (m->strip_done) return;
    }
    kernel_registers(m);
    run_list(m, k->body.data, k->body.len);
}

/* Kernels that run together: all of them on a few rows, then on the next. */
static uint32_t run_strips(Machine *m, uint32_t at) {
    const Order *o = &m->p->order.data[at];
    if (o->together < 2) {
        run_kernel(m, m->p->kernels.data[o->number]);
        return at + 1;
    }
    m->strip_rows = o->rows;
    m->strip_done = false;
    for (m->strip = 0; !m->strip_done; m->strip += o->rows)
        for (uint32_t i = 0; i < o->together; i++)
            run_kernel(m, m->p->kernels.data[m->p->order.data[at + i].number]);
    m->strip = -1;
    return at + o->together;
}

static void run_guard(Machine *m, uint32_t buffer) {
    uint64_t word = memory_load(m, buffer, 0);
    double v = dtype_word_to_f64(m->p->buffers.data[buffer].dtype, (int64_t)word);
    if (!isfinite(v)) m->run->flags |= BMRT_FLAG_NONFINITE;
    m->skip |= !isfinite(v);
}

static uint32_t loop_other_end(const LoopProgram *p, uint32_t at) {
    bool begins = p->order.data[at].kind == ORDER_LOOP_BEGIN;
    for (uint32_t i = at;; i = begins ? i + 1 : i - 1) {
        const Order *o = &p->order.data[i];
        if (o->number == p->order.data[at].number &&
            o->kind == (begins ? ORDER_LOOP_END : ORDER_LOOP_BEGIN))
            return i;
    }
}

/* Sets the iteration's number and returns where the thread goes on. */
static uint32_t run_iteration(Machine *m, Thread *t, uint32_t begin, int64_t done) {
    const Order *o = &m->p->order.data[begin];
    const OrderLoop *loop = &m->p->loops.data[o->number];
    int64_t trip;
    if (!dim_eval(m->p->program->dims, loop->trip, t->symbols, &trip)) stop(m, "a size overflows");
    t->done[o->number] = done;
    if (done >= trip) return loop_other_end(m->p, begin) + 1;
    t->symbols[loop->symbol] = loop->reverse ? trip - 1 - done : done;
    return begin + 1;
}

/* Up to the next barrier, guard or the end. */
static void run_thread(Machine *m, Thread *t) {
    const LoopProgram *p = m->p;
    m->symbols = t->symbols;
    while (t->at < p->order.len) {
        const Order *o = &p->order.data[t->at];
        if (o->kind == ORDER_BARRIER || o->kind == ORDER_GUARD) return;
        if (o->kind == ORDER_LOOP_BEGIN) {
            t->at = run_iteration(m, t, t->at, 0);
        } else if (o->kind == ORDER_LOOP_END) {
            t->at = run_iteration(m, t, loop_other_end(p, t->at), t->done[o->number] + 1);
        } else {
            t->at = run_strips(m, t->at);
        }
    }
}

static void threads_create(Machine *m) {
    const LoopProgram *p = m->p;
    uint32_t symbols = dim_symbol_count(p->program->dims);
    m->threads = ARENA_ARRAY(m->arena, Thread, m->run->threads);
    for (uint32_t i = 0; i < m->run->threads; i++) {
        Thread *t = &m->threads[i];
        t->done = ARENA_ARRAY(m->arena, int64_t, p->loops.len);
        t->symbols = (int64_t *)(uintptr_t)m->run->symbols;
        if (p->loops.len == 0) continue;
        t->symbols = ARENA_ARRAY(m->arena, int64_t, symbols);
        for (uint32_t k = 0; k < m->run->symbol_count && k < symbols; k++)
            t->symbols[k] = m->run->symbols[k];
    }
    m->symbols = m->threads[0].symbols;
}

static void run_order(Machine *m) {
    const LoopProgram *p = m->p;
    threads_create(m);
    for (;;) {
        for (m->thread = 0; m->thread < m->run->threads; m->thread++)
            run_thread(m, &m->threads[m->thread]);
        m->thread = 0;
        m->k = NULL;
        uint32_t at = m->threads[0].at;
        for (uint32_t i = 1; i < m->run->threads; i++)
            if (m->threads[i].at != at) stop(m, "thread %u waits at another barrier", i);
        if (at >= p->order.len) return;
        m->phase++;
        if (p->order.data[at].kind == ORDER_GUARD) run_guard(m, p->order.data[at].number);
        m->phase++;
        if (m->skip) return;
        for (uint32_t i = 0; i < m->run->threads; i++) m->threads[i].at++;
    }
}

/* Zeros. By calloc, because most of a plan for the largest sizes is never touched: its pages then
 * cost nothing. loop_interpret frees them. */
static Touch *touch_new(Machine *m, size_t count) {
    Touch *touch = calloc(count + 1, sizeof *touch);
    if (!touch) stop(m, "no memory");
    return m->touches[(*m->touch_count)++] = touch;
}

static void buffers_open(Machine *m) {
    const LoopProgram *p = m->p;
    char *arena = ARENA_ARRAY(m->arena, char, (size_t)p->arena_bytes + 64);
    Touch *touch = touch_new(m, (size_t)p->arena_bytes + 64);
    memset(arena, 0x5A, (size_t)p->arena_bytes);
    for (uint32_t i = 0; i < p->buffers.len; i++) {
        const LoopBuffer *b = &p->buffers.data[i];
        Memory *x = &m->memory[i];
        if (!dim_eval(p->program->dims, b->count, m->run->symbols, &x->count))
            stop(m, "the size of %s overflows", b->name);
        if (b->storage == STORAGE_ARENA) {
            x->data = arena + b->offset;
            x->touch = touch + b->offset;
            continue;
        }
        if (b->storage == STORAGE_CONST) {
            uint32_t size = dtype_bytes(b->dtype);
            x->data = ARENA_ARRAY(m->arena, char, (size_t)x->count *size);
            for (int64_t j = 0; j < x->count; j++) memcpy(x->data + j * size, &b->words[j], size);
        }
        x->data = b->storage == STORAGE_CONST    ? x->data
                  : b->storage == STORAGE_SLOT   ? m->run->slots[b->number]
                  : b->storage == STORAGE_OUTPUT ? m->run->outputs[b->number]
                                                 : (char *)(uintptr_t)m->run->inputs[b->number];
        size_t bytes = (size_t)x->count * dtype_bytes(b->dtype);
        x->touch = touch_new(m, bytes);
        for (size_t j = 0; j < bytes && b->storage != STORAGE_OUTPUT; j++)
            x->touch[j].owner = i + 1;
    }
}

void loop_interpret(const LoopProgram *p, LoopRun *run) {
    Machine m = {.p = p, .run = run, .arena = p->ctx->arena, .phase = 1, .strip = -1};
    run->problem = NULL;
    run->flags = 0;
    m.memory = ARENA_ARRAY(m.arena, Memory, p->buffers.len);
    m.functions.arena = m.arena;
    m.touches = ARENA_ARRAY(m.arena, Touch *, p->buffers.len + 1);
    m.touch_count = ARENA_ARRAY(m.arena, uint32_t, 1);
    if (!setjmp(m.stop)) {
        buffers_open(&m);
        run_order(&m);
    }
    for (uint32_t i = 0; i < *m.touch_count; i++) free(m.touches[i]);
}
