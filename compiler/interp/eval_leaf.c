/* Leaves: what enters a graph. */
#include "compiler/interp/interp_internal.h"

static bool borrow(Eval *e, const Tensor *from) {
    Tensor *t = &e->out->tensor;
    INVARIANT(from->dtype == t->dtype && from->rank == t->rank);
    for (uint32_t i = 0; i < t->rank; i++) INVARIANT(from->dims[i] == t->dims[i]);
    t->data = from->data;
    e->out->borrowed = true;
    return true;
}

bool eval_INPUT(Eval *e) {
    return borrow(e, &e->run->run->inputs[e->n->attr[0]]);
}

bool eval_READ(Eval *e) {
    return borrow(e, &e->run->run->slots[e->n->attr[0]]);
}

bool eval_CONST(Eval *e) {
    for (size_t i = 0; i < e->count; i++)
        store_word(&e->out->tensor, i, e->n->attr[e->n->nattr == 1 ? 0 : i]);
    return true;
}

bool eval_IOTA(Eval *e) {
    Tensor *t = &e->out->tensor;
    for (size_t i = 0; i < e->count; i++) {
        int64_t index[RANK_MAX];
        position_split(t->dims, t->rank, i, index);
        store_word(t, i, dtype_word_from_int(t->dtype, index[e->n->attr[0]]));
    }
    return true;
}

static bool draw(Eval *e, uint64_t site) {
    const InterpRun *run = e->run->run;
    for (size_t i = 0; i < e->count; i++)
        store_f32(&e->out->tensor, i,
                  philox_uniform(run->seed, site, run->step, (uint32_t)e->n->attr[1], i));
    return true;
}

bool eval_RANDOM(Eval *e) {
    return draw(e, (uint64_t)e->n->attr[0]);
}

bool eval_RANDOM_AT(Eval *e) {
    int64_t iteration = load_int(&e->args[0]->tensor, 0);
    return draw(e, philox_site_at((uint64_t)e->n->attr[0], iteration));
}

bool eval_SIZE(Eval *e) {
    int64_t size = run_dim(e->run, (DimId){(uint32_t)e->n->attr[0]});
    store_word(&e->out->tensor, 0, dtype_word_from_int(e->n->dtype, size));
    return true;
}

bool eval_CLOCK(Eval *e) {
    const InterpRun *run = e->run->run;
    const double clocks[] = {run->progress, run->epoch, run->iteration};
    store_word(&e->out->tensor, 0, dtype_word_from_f64(e->n->dtype, clocks[e->n->attr[0]]));
    return true;
}

bool eval_GRAD(Eval *e) {
    BUG("grad reached the evaluator (%u operands): autodiff has not run", e->n->nargs);
}
