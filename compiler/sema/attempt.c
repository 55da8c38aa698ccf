/* Trying a change before proposing it. A help that says "write this instead" is shown only when the
 * changed expression has been elaborated without a mistake: quietly, into nodes that nothing uses.
 *
 * An attempt must not bind names or make instances: it evaluates operands that were evaluated
 * before, in another order or shape. */
#include "compiler/sema/elaborate.h"

bool sema_try(Sema *s, bool (*attempt)(Sema *s, void *user), void *user) {
    if (s->quiet) return false; /* no proposals for proposals */
    Scope *scope = s->scope;
    Frame *frame = s->frame;
    bool doubt = s->doubt;
    s->quiet = true;
    s->quiet_failed = false;
    bool works = attempt(s, user) && !s->quiet_failed;
    s->quiet = false;
    s->doubt = doubt;
    s->scope = scope;
    s->frame = frame;
    return works;
}

Node *node_replaced(Sema *s, const Node *root, const Node *old, Node *replacement) {
    if (root == old) return replacement;
    Node *copy = NULL;
    for (uint32_t i = 0; root && i < root->count; i++) {
        Node *kid = root->kids[i] ? node_replaced(s, root->kids[i], old, replacement) : NULL;
        if (kid == root->kids[i] || (copy && !kid)) continue;
        if (!copy) {
            copy = ARENA_NEW(s->arena, Node);
            *copy = *root;
            copy->kids = ARENA_ARRAY(s->arena, Node *, root->count);
            memcpy(copy->kids, root->kids, root->count * sizeof *root->kids);
        }
        copy->kids[i] = kid;
    }
    return copy ? copy : (Node *)(uintptr_t)root;
}

/* ------------------------------------------------------------------ dropping a last axis of 1 */

typedef struct Squeeze {
    Value a, b;
    Span span;
    const char *what;
} Squeeze;

static bool ends_in_one(Sema *s, Value v) {
    if (v.kind != V_TENSOR) return false;
    Shape shape = tensor_shape(s, v);
    return shape.rank > 0 && dim_equals(s->program->dims, shape.dims[shape.rank - 1], 1);
}

static Value without_last(Sema *s, Value v, Span span) {
    Shape shape = tensor_shape(s, v);
    shape.rank--;
    return tensor_reshape(s, v, &shape, span);
}

/* The operands meet as equal shapes: a mere broadcast of the shorter one is not what was meant. */
static bool squeezed_pair(Sema *s, void *user) {
    Squeeze *q = user;
    Value a = without_last(s, q->a, q->span), b = q->b;
    if (value_is_poison(a) || tensor_shape(s, a).rank != tensor_shape(s, b).rank) return false;
    return broadcast_pair(s, q->span, q->what, &a, &b);
}

bool squeeze_would_fit(Sema *s, Value a, Value b, Span span, const char *what) {
    Squeeze q = {.a = a, .b = b, .span = span, .what = what};
    return ends_in_one(s, a) && b.kind == V_TENSOR && sema_try(s, squeezed_pair, &q);
}

const char *squeezed_text(Sema *s, const Node *e) {
    const char *text = node_text(s, e);
    bool simple = (e->flags & NODE_FLAG_PAREN) || e->kind == NODE_NAME || e->kind == NODE_CALL ||
                  e->kind == NODE_INDEX || e->kind == NODE_PIPE || e->kind == NODE_MEMBER;
    return arena_printf(s->arena, simple ? "%s |> squeeze" : "(%s) |> squeeze", text);
}
