/* Where things stand: textual ordinals inside a definition, and the keys of random draws.
 *
 * The key of a draw is hash64 of
 *     PATH '#' EVALUATION { '/' CALL [ '@' ITERATION { ',' ITERATION } ] }
 * PATH: the innermost instance ("net.dropout1"), the parameter being initialised, or the block or
 * export. EVALUATION: how often that instance was evaluated before in this entry. Then one step per
 * call from the instance's body down to the draw: the call's number among the calls and pipes of
 * the definition it stands in (from 1, in textual order), with the iterations of the `repeat`s
 * around it. No node id enters, so no optimisation can move a draw; `show` and
 * `is_number` are no calls here, so looking and asking do not either. */
#include "compiler/sema/elaborate.h"

bool ptrmap_get(const PtrMap *m, const void *key, uint32_t *value) {
    if (!m->cap) return false;
    uint32_t at = (uint32_t)(((uintptr_t)key >> 4) * 2654435761u) & (m->cap - 1);
    for (; m->keys[at]; at = (at + 1) & (m->cap - 1))
        if (m->keys[at] == key) {
            *value = m->values[at];
            return true;
        }
    return false;
}

void ptrmap_put(Sema *s, PtrMap *m, const void *key, uint32_t value) {
    if (2 * (m->len + 1) > m->cap) {
        PtrMap old = *m;
        m->cap = old.cap ? old.cap * 2 : 64;
        m->len = 0;
        m->keys = ARENA_ARRAY(s->arena, const void *, m->cap);
        m->values = ARENA_ARRAY(s->arena, uint32_t, m->cap);
        for (uint32_t i = 0; i < old.cap; i++)
            if (old.keys[i]) ptrmap_put(s, m, old.keys[i], old.values[i]);
    }
    uint32_t at = (uint32_t)(((uintptr_t)key >> 4) * 2654435761u) & (m->cap - 1);
    while (m->keys[at] && m->keys[at] != key) at = (at + 1) & (m->cap - 1);
    if (!m->keys[at]) m->len++;
    m->keys[at] = key;
    m->values[at] = value;
}

typedef struct Numbering {
    uint32_t calls;
    PtrMap names; /* Sym -> occurrences */
} Numbering;

static bool only_looks(const Node *node) {
    const Node *f = node_kid(node, node->kind == NODE_PIPE ? 1 : 0);
    if (node->kind == NODE_PIPE && f && f->kind == NODE_CALL) f = node_kid(f, 0);
    return f && f->kind == NODE_NAME &&
           (strcmp(f->name->text, "show") == 0 || strcmp(f->name->text, "is_number") == 0);
}

static void number(Sema *s, const Node *node, Numbering *n) {
    if (!node) return;
    if ((node->kind == NODE_CALL || node->kind == NODE_PIPE) && !only_looks(node))
        ptrmap_put(s, &s->sites, node, ++n->calls);
    if (node->kind == NODE_LAMBDA) ptrmap_put(s, &s->numbered, node, 1);
    if (node->kind == NODE_NAME) {
        uint32_t count = 0;
        ptrmap_get(&n->names, node->name, &count);
        ptrmap_put(s, &n->names, node->name, count + 1);
        ptrmap_put(s, &s->sites, node, count + 1);
    }
    for (uint32_t i = 0; i < node->count; i++) number(s, node->kids[i], n);
}

void sites_number(Sema *s, const Node *def) {
    uint32_t done;
    if (ptrmap_get(&s->numbered, def, &done)) return;
    ptrmap_put(s, &s->numbered, def, 1);
    Numbering n = {.calls = 0};
    for (uint32_t i = 0; i < def->count; i++) number(s, def->kids[i], &n);
}

uint32_t site_ordinal(Sema *s, const Node *node) {
    uint32_t value = 0;
    if (node) ptrmap_get(&s->sites, node, &value);
    return value;
}

const char *owner_path(Sema *s) {
    if (!s->frame) return "";
    if (s->frame->owner) return s->frame->owner->path;
    return s->frame->root ? s->frame->root : "";
}

static void call_text(Sema *s, Text *t, const Node *call, const Frame *in) {
    text_printf(t, "/%u", site_ordinal(s, call));
    for (uint32_t i = 0; i < in->iteration_count; i++)
        text_printf(t, "%c%u", i ? ',' : '@', in->iterations[i]);
}

static void chain_text(Sema *s, Text *t, const Frame *f) {
    if (!f || f->base || !f->up) return;
    chain_text(s, t, f->up);
    call_text(s, t, f->call, f->up);
}

const char *site_path(Sema *s) {
    Text t = {.arena = s->arena};
    text_printf(&t, "%s#%u", owner_path(s), s->frame->evaluation);
    chain_text(s, &t, s->frame);
    return text_str(&t);
}

uint64_t site_key(Sema *s, const Node *call) {
    Text t = {.arena = s->arena};
    text_add(&t, site_path(s));
    call_text(s, &t, call, s->frame);
    return hash64(text_str(&t), t.len);
}
