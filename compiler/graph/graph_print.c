/* Canonical text of a graph. Nodes are renumbered in order of first use from the roots (outputs,
 * guard, writes; operands first), so that two equal graphs print alike however they were built;
 * nodes that no root reaches are left out. Nothing here depends on addresses or on insertion order.
 *
 *   graph {
 *     input x: f32[B, 784]
 *     %0 = input x : f32[B, 784]
 *     %1 = read net.dense1.w : f32[256, 784]
 *     %2 = contract %0[a, c], %1[b, c] sum c : f32[B, 256]
 *     output loss = %9
 *     write net.dense1.w = %12
 *     guard %9
 *   } */
#include "compiler/graph/extern.h"
#include "compiler/graph/scan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- values */

static void print_float(Text *out, DType t, double value) {
    if (isnan(value)) {
        text_add(out, "nan");
    } else if (isinf(value)) {
        text_add(out, value < 0 ? "-inf" : "inf");
    } else if (t == DTYPE_F64) {
        text_number(out, value);
    } else { /* shortest that reads back in the narrower type */
        char buffer[40];
        for (int digits = 1; digits <= 9; digits++) {
            snprintf(buffer, sizeof buffer, "%.*g", digits, value);
            if (dtype_word_from_f64(t, strtod(buffer, NULL)) == dtype_word_from_f64(t, value))
                break;
        }
        text_add(out, buffer);
    }
}

static void print_word(Text *out, DType t, int64_t word) {
    if (dtype_is_float(t))
        print_float(out, t, dtype_word_to_f64(t, word));
    else if (t == DTYPE_BOOL)
        text_add(out, word ? "true" : "false");
    else if (dtype_is_signed(t))
        text_printf(out, "%lld", (long long)dtype_word_to_int(t, word));
    else
        text_printf(out, "%llu", (unsigned long long)word);
}

static void print_dim_attr(Text *out, const Graph *g, int64_t attr) {
    dim_print(out, g->dims, (DimId){(uint32_t)attr});
}

static void print_list(Text *out, const int64_t *values, uint32_t count) {
    text_char(out, '[');
    for (uint32_t i = 0; i < count; i++)
        text_printf(out, i ? ", %lld" : "%lld", (long long)values[i]);
    text_char(out, ']');
}

/* ---- attributes, by op */

static void print_const(Text *out, const GNode *n) {
    enum { SHOWN = 8 };
    if (n->nattr == 1) {
        print_word(out, n->dtype, n->attr[0]);
        return;
    }
    text_char(out, '[');
    for (uint32_t i = 0; i < n->nattr && i < SHOWN; i++) {
        if (i) text_add(out, ", ");
        print_word(out, n->dtype, n->attr[i]);
    }
    if (n->nattr > SHOWN) { /* the hash keeps texts of different constants different */
        uint64_t hash = hash64((const char *)n->attr, n->nattr * sizeof *n->attr);
        text_printf(out, ", ... %u words, hash %016llx", n->nattr, (unsigned long long)hash);
    }
    text_char(out, ']');
}

static void print_broadcast(Text *out, const GNode *n) {
    text_char(out, '[');
    for (uint32_t i = 0; i < n->nattr; i++) {
        if (i) text_add(out, ", ");
        if (n->attr[i] < 0)
            text_char(out, '_');
        else
            text_printf(out, "%lld", (long long)n->attr[i]);
    }
    text_char(out, ']');
}

static void print_slice(Text *out, const Graph *g, const GNode *n) {
    text_char(out, '[');
    for (uint32_t i = 0; i < n->rank; i++) {
        if (i) text_add(out, ", ");
        print_dim_attr(out, g, n->attr[2 * i]);
        if (n->attr[2 * i + 1] != 1) text_printf(out, " step %lld", (long long)n->attr[2 * i + 1]);
    }
    text_char(out, ']');
}

static void print_pad(Text *out, const Graph *g, const GNode *n) {
    text_char(out, '[');
    for (uint32_t i = 0; i < n->rank; i++) {
        if (i) text_add(out, ", ");
        print_dim_attr(out, g, n->attr[3 * i]);
        text_add(out, " : ");
        print_dim_attr(out, g, n->attr[3 * i + 1]);
        if (n->attr[3 * i + 2]) text_printf(out, " interior %lld", (long long)n->attr[3 * i + 2]);
    }
    text_char(out, ']');
}

static void print_window(Text *out, const GNode *n) {
    for (uint32_t i = 0; i < window_count(n); i++) {
        WindowAxis w = window_axis(n, i);
        text_printf(out, "%s{axis %lld, size %lld, stride %lld, dilation %lld, low %lld, high %lld",
                    i ? ", " : "", (long long)w.axis, (long long)w.size, (long long)w.stride,
                    (long long)w.dilation, (long long)w.low, (long long)w.high);
        if (w.spacing != 1) text_printf(out, ", spacing %lld", (long long)w.spacing);
        text_char(out, '}');
    }
}

/* The body itself follows the node in graph_print. */
static void print_scan(Text *out, const Graph *g, const GNode *n) {
    text_add(out, "trip ");
    print_dim_attr(out, g, n->attr[6]);
    text_printf(out, ", carries %lld, sequences ", (long long)n->attr[1]);
    print_list(out, n->attr + 7, (uint32_t)n->attr[2]);
    text_add(out, ", yields ");
    print_list(out, n->attr + 7 + n->attr[2], (uint32_t)n->attr[4]);
    if (n->attr[5] & SCAN_REVERSE) text_add(out, ", reverse");
    if (n->attr[5] & SCAN_SEGMENTS) text_add(out, ", segments");
    if (n->attr[5] & SCAN_ONCE) text_add(out, n->attr[5] & SCAN_AGAIN ? ", again" : ", once");
}

static void print_attr(Text *out, const Graph *g, const GNode *n) {
    static const char *const clocks[] = {"progress", "epoch", "iteration"};
    switch (n->op) {
    case OP_INPUT: text_add(out, g->inputs.data[n->attr[0]].name->text); break;
    case OP_READ: text_add(out, g->slots[n->attr[0]].path->text); break;
    case OP_CONST: print_const(out, n); break;
    case OP_IOTA: text_printf(out, "axis %lld", (long long)n->attr[0]); break;
    case OP_SCAN: print_scan(out, g, n); break;
    case OP_RANDOM:
    case OP_RANDOM_AT:
        text_printf(out, "site %016llx draw %lld", (unsigned long long)n->attr[0],
                    (long long)n->attr[1]);
        if (n->nattr > 2) text_printf(out, " again %lld", (long long)n->attr[2]);
        break;
    case OP_SIZE: print_dim_attr(out, g, n->attr[0]); break;
    case OP_CLOCK: text_add(out, clocks[n->attr[0]]); break;
    case OP_BROADCAST: print_broadcast(out, n); break;
    case OP_SLICE: print_slice(out, g, n); break;
    case OP_PAD: print_pad(out, g, n); break;
    case OP_WINDOW: print_window(out, n); break;
    case OP_EXTERN:
        text_add(out, extern_is_gradient(n) ? extern_of(g, n)->gradient->text
                                            : extern_of(g, n)->name->text);
        break;
    case OP_CONTRACT: break; /* labels stand with the operands */
    default:
        if (n->nattr) print_list(out, n->attr, n->nattr);
    }
}

/* ---- nodes */

static void print_type(Text *out, const Graph *g, DType dtype, const DimId *dims, uint32_t rank) {
    text_printf(out, "%s[", dtype_name(dtype));
    for (uint32_t i = 0; i < rank; i++) {
        if (i) text_add(out, ", ");
        dim_print(out, g->dims, dims[i]);
    }
    text_char(out, ']');
}

static char label_letter(int64_t label) {
    return (char)('a' + label); /* at most 2·RANK_MAX = 24 labels */
}

static void print_labels(Text *out, const int64_t *labels, uint32_t count) {
    text_char(out, '[');
    for (uint32_t i = 0; i < count; i++)
        text_printf(out, i ? ", %c" : "%c", label_letter(labels[i]));
    text_char(out, ']');
}

static void print_operands(Text *out, const Graph *g, const GNode *n, const uint32_t *number) {
    uint32_t label = 1;
    for (uint32_t i = 0; i < n->nargs; i++) {
        uint32_t id = n->args[i].id;
        text_printf(out, i ? ", %%%u" : " %%%u", number ? number[id] : id);
        if (n->op != OP_CONTRACT) continue;
        uint32_t rank = graph_node(g, n->args[i])->rank;
        print_labels(out, n->attr + label, rank);
        label += rank;
    }
    if (n->op == OP_CONTRACT && n->attr[0] > 0) {
        text_add(out, " sum");
        for (int64_t i = 0; i < n->attr[0]; i++)
            text_printf(out, i ? ", %c" : " %c", label_letter(n->rank + i));
    }
}

static void print_node(Text *out, const Graph *g, NodeId id, const uint32_t *number) {
    const GNode *n = graph_node(g, id);
    text_printf(out, "%%%u = %s", number ? number[id.id] : id.id, op_info(n->op)->name);
    print_operands(out, g, n, number);
    if (n->nattr && n->op != OP_CONTRACT) {
        text_char(out, ' ');
        print_attr(out, g, n);
    }
    text_add(out, " : ");
    print_type(out, g, n->dtype, n->dims, n->rank);
}

void graph_print_node(Text *out, const Graph *g, NodeId id) {
    print_node(out, g, id, NULL);
}

/* ---- canonical order: depth first from each root, operands left to right. An explicit stack,
 * because a graph can be as deep as it has nodes. */

typedef struct Order {
    uint32_t *number; /* UINT32_MAX: not yet */
    NodeId *nodes;    /* by number */
    uint32_t count;
    struct Visit {
        uint32_t node, next;
    } * stack;
} Order;

static void order_from(const Graph *g, Order *order, NodeId root) {
    uint32_t depth = 0;
    if (order->number[root.id] != UINT32_MAX) return;
    order->stack[depth++] = (struct Visit){root.id, 0};
    while (depth > 0) {
        struct Visit *top = &order->stack[depth - 1];
        const GNode *n = &g->nodes.data[top->node];
        if (top->next < n->nargs) {
            uint32_t arg = n->args[top->next++].id;
            if (order->number[arg] == UINT32_MAX) order->stack[depth++] = (struct Visit){arg, 0};
            continue;
        }
        if (order->number[top->node] == UINT32_MAX) {
            order->number[top->node] = order->count;
            order->nodes[order->count++] = (NodeId){top->node};
        }
        depth--;
    }
}

static Order order_graph(const Graph *g) {
    Arena *arena = g->ctx->arena;
    uint32_t size = g->nodes.len;
    Order order = {.number = ARENA_ARRAY(arena, uint32_t, size),
                   .nodes = ARENA_ARRAY(arena, NodeId, size)};
    /* An operand is pushed only while it has no number, and a path visits ascending depths of a
     * graph whose ids fall, so the stack never holds a node twice. */
    order.stack = arena_array(arena, (size_t)size + 1, sizeof *order.stack);
    for (uint32_t i = 0; i < size; i++) order.number[i] = UINT32_MAX;
    for (uint32_t i = 0; i < g->outputs.len; i++) order_from(g, &order, g->outputs.data[i].node);
    if (!node_is_none(g->guard)) order_from(g, &order, g->guard);
    for (uint32_t slot = 0; slot < g->slot_count; slot++) /* slot order, not insertion order */
        for (uint32_t i = 0; i < g->writes.len; i++)
            if (g->writes.data[i].slot == slot) order_from(g, &order, g->writes.data[i].node);
    return order;
}

/* A scan's body, indented below it. As deep as loops are nested. */
static void print_body(Text *out, const Graph *g, NodeId id) {
    const GNode *n = graph_node(g, id);
    if (n->op != OP_SCAN) return;
    Text body = {.arena = g->ctx->arena};
    graph_print(&body, g->bodies.data[n->attr[0]]);
    for (const char *line = text_str(&body); *line;) {
        size_t length = strcspn(line, "\n");
        text_printf(out, "    %.*s\n", (int)length, line);
        line += length + (line[length] == '\n');
    }
}

void graph_print(Text *out, const Graph *g) {
    Order order = order_graph(g);
    text_add(out, "graph {\n");
    for (uint32_t i = 0; i < g->inputs.len; i++) {
        const GraphInput *in = &g->inputs.data[i];
        text_printf(out, "  input %s: ", in->name->text);
        print_type(out, g, in->dtype, in->shape.dims, in->shape.rank);
        text_add(out, in->is_index ? " index\n" : "\n");
    }
    for (uint32_t i = 0; i < order.count; i++) {
        text_add(out, "  ");
        print_node(out, g, order.nodes[i], order.number);
        text_char(out, '\n');
        print_body(out, g, order.nodes[i]);
    }
    for (uint32_t i = 0; i < g->outputs.len; i++)
        text_printf(out, "  output %s = %%%u\n", g->outputs.data[i].name->text,
                    order.number[g->outputs.data[i].node.id]);
    for (uint32_t slot = 0; slot < g->slot_count; slot++)
        for (uint32_t i = 0; i < g->writes.len; i++)
            if (g->writes.data[i].slot == slot)
                text_printf(out, "  write %s = %%%u\n", g->slots[slot].path->text,
                            order.number[g->writes.data[i].node.id]);
    if (!node_is_none(g->guard)) text_printf(out, "  guard %%%u\n", order.number[g->guard.id]);
    text_add(out, "}\n");
}
