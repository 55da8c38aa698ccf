/* Graphviz text of what the roots reach: `bmc grad MODEL.bm ENTRY --dot | dot -Tsvg`. */
#include "compiler/graph/graph.h"

static const char *fill_colour(OpClass cls) {
    static const char *const colours[] = {
        [CLASS_LEAF] = "#e8f0fe",     [CLASS_UNARY] = "#ffffff", [CLASS_BINARY] = "#ffffff",
        [CLASS_TERNARY] = "#ffffff",  [CLASS_VIEW] = "#f3f3f3",  [CLASS_REDUCE] = "#fef0d8",
        [CLASS_CONTRACT] = "#fde0dc", [CLASS_INDEX] = "#e6f4ea", [CLASS_LOOP] = "#e0f7fa",
        [CLASS_GRAD] = "#f3e5f5"};
    return colours[cls];
}

static void dot_escaped(Text *out, const char *text) {
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') text_char(out, '\\');
        text_char(out, *text);
    }
}

void graph_dot(Text *out, const Graph *g) {
    Arena *arena = g->ctx->arena;
    bool *live = ARENA_ARRAY(arena, bool, graph_size(g));
    graph_live(g, live);
    text_add(out, "digraph graph_ {\n  node [shape=box, style=filled, fontname=monospace];\n");
    for (uint32_t i = 0; i < graph_size(g); i++) {
        if (!live[i]) continue;
        const GNode *n = graph_node(g, (NodeId){i});
        Text label = {.arena = arena};
        graph_print_node(&label, g, (NodeId){i});
        text_printf(out, "  n%u [fillcolor=\"%s\", label=\"", i, fill_colour(op_info(n->op)->cls));
        dot_escaped(out, text_str(&label));
        text_add(out, "\"];\n");
        for (uint32_t k = 0; k < n->nargs; k++)
            text_printf(out, "  n%u -> n%u;\n", n->args[k].id, i);
    }
    for (uint32_t i = 0; i < g->outputs.len; i++) {
        text_printf(out, "  output%u [shape=ellipse, label=\"output ", i);
        dot_escaped(out, g->outputs.data[i].name->text);
        text_printf(out, "\"];\n  n%u -> output%u;\n", g->outputs.data[i].node.id, i);
    }
    for (uint32_t i = 0; i < g->writes.len; i++) {
        text_printf(out, "  write%u [shape=ellipse, label=\"write ", i);
        dot_escaped(out, g->slots[g->writes.data[i].slot].path->text);
        text_printf(out, "\"];\n  n%u -> write%u;\n", g->writes.data[i].node.id, i);
    }
    text_add(out, "}\n");
}
