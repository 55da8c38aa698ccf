/* extern: the C function itself is the reference; it sees what compiled code would show it. */
#include "compiler/graph/extern.h"
#include "compiler/interp/interp_internal.h"

#include <stdlib.h>

static BmrtExternArray array_of(const Tensor *t, void *data) {
    return (BmrtExternArray){.data = data, .dims = t->dims, .rank = t->rank, .dtype = t->dtype};
}

bool eval_EXTERN(Eval *e) {
    const GNode *n = e->n;
    const GraphExtern *f = extern_of(e->g, n);
    BmrtExternFn call = extern_is_gradient(n) ? f->call_gradient : f->call;
    ExternResult *results;
    uint32_t count = extern_results(e->g, n, &results);
    Tensor *value = &e->out->tensor;
    INVARIANT(call);
    BmrtExternArray *arrays = scratch_alloc(n->nargs + count, sizeof *arrays);
    if (!arrays) return false;
    for (uint32_t i = 0; i < n->nargs; i++)
        arrays[i] = array_of(&e->args[i]->tensor, e->args[i]->tensor.data);
    for (uint32_t i = 0; i < count; i++) {
        const Tensor *like =
            results[i].like == UINT32_MAX ? value : &e->args[results[i].like]->tensor;
        size_t at = (size_t)run_dim(e->run, results[i].offset) * dtype_bytes(value->dtype);
        arrays[n->nargs + i] = array_of(like, (char *)value->data + at);
    }
    call(arrays, n->nargs, arrays + n->nargs);
    free(arrays);
    return true;
}
