/* Choices as words, and who is asked for them. */
#include "compiler/schedule/choice.h"
#include <stdio.h>

static const Choice AS_FOUND = {0};

bool choice_same(const Choice *a, const Choice *b) {
    return a->rows == b->rows && a->vectors == b->vectors && a->k_block == b->k_block &&
           a->panels == b->panels && a->row_panels == b->row_panels && a->near == b->near;
}

const char *choice_text(Arena *arena, const Choice *c) {
    return arena_printf(arena, "tile %ux%u k %u panels %u rows %u near %u", c->rows, c->vectors,
                        c->k_block, (uint32_t)c->panels, (uint32_t)c->row_panels,
                        (uint32_t)c->near);
}

bool choice_parse(const char *text, size_t len, Choice *out) {
    uint32_t panels, rows, near;
    char whole[96];
    int end = 0;
    if (len >= sizeof whole || memchr(text, '-', len) || memchr(text, '+', len)) return false;
    memcpy(whole, text, len);
    whole[len] = '\0';
    *out = AS_FOUND;
    int read = sscanf(whole, "tile %2ux%2u k %5u panels %1u rows %1u near %1u%n", &out->rows,
                      &out->vectors, &out->k_block, &panels, &rows, &near, &end);
    if (read != 6 || (size_t)end != len || panels > WAY_ALWAYS || rows > WAY_ALWAYS ||
        near > WAY_ALWAYS)
        return false;
    out->panels = (Way)panels;
    out->row_panels = (Way)rows;
    out->near = (Way)near;
    return true;
}

const Choice *choice_of(const Sched *s, NodeId contract) {
    const ScheduleChoices *choices = s->options.choices;
    if (!choices || !choices->find) return &AS_FOUND;
    NodePlan *p = plan_of(s, contract);
    if (!p->choice) {
        const Choice *said = choices->find(choices->user, choice_problem(s, contract));
        p->choice = said ? said : &AS_FOUND;
    }
    return p->choice;
}

/* ------------------------------------------------------------------ the problem */

static void size_text(const Sched *s, DimId size, Text *t) {
    if (dim_is_const(s->dims, size))
        text_printf(t, " %lld", (long long)dim_value(s->dims, size));
    else
        text_printf(t, " <=%lld", (long long)dim_bound(s->dims, size));
}

/* Where the operand comes from: the views between it and the array in memory, and that. */
static void source_text(const Sched *s, NodeId id, Text *t) {
    for (;;) {
        const GNode *n = node_of(s, id);
        const NodePlan *p = plan_of(s, id);
        bool given = node_is_given(s, id) || n->nargs == 0;
        if (p->stored || given || p->slab) {
            text_add(t, p->slab ? " slab" : " array");
            for (uint32_t i = 0; i < n->rank; i++) size_text(s, n->dims[i], t);
            return;
        }
        text_printf(t, " %s(", op_info(n->op)->name);
        for (uint32_t i = 0; i < n->nattr; i++) text_printf(t, " %lld", (long long)n->attr[i]);
        text_add(t, " )");
        if (n->nargs != 1) return;
        id = n->args[0];
    }
}

const char *choice_problem(const Sched *s, NodeId contract) {
    const GNode *n = node_of(s, contract);
    Text t = {.arena = s->arena};
    text_printf(&t, "%u x %u: %s%s", s->options.vector_registers, s->options.vector_bytes,
                dtype_name(n->dtype), s->body ? " looped" : "");
    for (uint32_t i = 0; i < n->rank; i++) size_text(s, n->dims[i], &t);
    uint32_t first = 1;
    for (uint32_t which = 0; which < 2; which++) {
        const GNode *x = node_of(s, n->args[which]);
        bool captured = s->body && x->op == OP_INPUT && !node_counts(s, n->args[which]) &&
                        x->attr[0] >= scan_capture_input(&s->body->scan, 0);
        text_printf(&t, "; %s%s", dtype_name(x->dtype), captured ? " captured" : "");
        for (uint32_t i = 0; i < x->rank; i++) {
            text_printf(&t, " %lld:", (long long)n->attr[first + i]);
            size_text(s, x->dims[i], &t);
        }
        text_add(&t, " of");
        source_text(s, n->args[which], &t);
        first += x->rank;
    }
    return text_str(&t);
}
