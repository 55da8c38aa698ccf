/* Definitions that use themselves: elaboration would not end. */
#include "compiler/sema/cycles.h"

typedef struct Cycle {
    Sema *s;
    const Node *file;
    uint8_t *color; /* 0 new, 1 on the way, 2 done */
    uint32_t *stack, depth;
} Cycle;

static void report_cycle(Cycle *c, uint32_t at) {
    Text chain = {.arena = c->s->arena};
    uint32_t from = c->depth;
    while (from > 0 && c->stack[from - 1] != at) from--;
    for (uint32_t i = from ? from - 1 : 0; i < c->depth; i++)
        text_printf(&chain, "%s -> ", c->file->kids[c->stack[i]]->name->text);
    const Node *def = c->file->kids[at];
    text_add(&chain, def->name->text);
    Diag *d = sema_error(c->s, E_RECURSION, def->name_span, "`%s` uses itself", def->name->text);
    diag_note(d, "%s", text_str(&chain));
    diag_help(d, "there is no recursion; `repeat` unrolls at compile time");
}

/* Depth-first over definitions with a stack of our own: names may chain as long as the file. */
bool cycles_report(Sema *s, const Node *file, const Edge *edges, uint32_t edge_count) {
    const uint32_t items = file->count;
    Cycle c = {.s = s,
               .file = file,
               .color = ARENA_ARRAY(s->arena, uint8_t, items),
               .stack = ARENA_ARRAY(s->arena, uint32_t, items + 1)};
    uint32_t *next = ARENA_ARRAY(s->arena, uint32_t, items + 1);
    uint32_t *first = ARENA_ARRAY(s->arena, uint32_t, items + 2);
    for (uint32_t i = 0; i < edge_count; i++) first[edges[i].from + 1]++;
    for (uint32_t i = 0; i < items; i++) first[i + 1] += first[i];
    bool found = false;
    for (uint32_t root = 0; root < items; root++) {
        if (c.color[root]) continue;
        c.stack[c.depth++] = root;
        c.color[root] = 1;
        next[root] = first[root];
        while (c.depth) {
            uint32_t at = c.stack[c.depth - 1];
            if (next[at] == first[at + 1]) {
                c.color[at] = 2;
                c.depth--;
                continue;
            }
            uint32_t to = edges[next[at]++].to; /* edges come in order of `from` */
            if (c.color[to] == 1) {
                report_cycle(&c, to);
                found = true;
            } else if (c.color[to] == 0) {
                c.color[to] = 1;
                next[to] = first[to];
                c.stack[c.depth++] = to;
            }
        }
    }
    return found;
}
