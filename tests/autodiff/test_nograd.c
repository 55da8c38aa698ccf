/* Why a gradient does not exist: the messages, as rendered, for each way of cutting a path. */
#include "compiler/autodiff/autodiff.h"
#include "compiler/graph/scan.h"
#include "tests/kit/graph_kit.h"

typedef struct Page { /* a graph over a source text */
    Kit k;
    uint32_t file;
    const char *text;
} Page;

static Page page_open(const char *text) {
    Page p = {.k = kit_create(NULL, 0), .text = text};
    p.file = sources_add(p.k.ctx->sources, "page.bm", text, (uint32_t)strlen(text), 0);
    return p;
}

/* The span of the first place of `piece`. */
static Span at(const Page *p, const char *piece) {
    const char *found = strstr(p->text, piece);
    ck_assert_msg(found != NULL, "%s", piece);
    uint32_t begin = (uint32_t)(found - p->text);
    return (Span){p->file, begin, begin + (uint32_t)strlen(piece)};
}

static NodeId input(Page *p, const char *name, DType dtype, Shape shape) {
    return g_input(p->k.g, ctx_sym(p->k.ctx, name), dtype, &shape, at(p, name));
}

static NodeId sum_all(Page *p, NodeId x, const char *piece) {
    return g_reduce(p->k.g, OP_SUM, x, (uint32_t[]){0}, 1, at(p, piece));
}

static void check(Page *p, const char *name, uint32_t errors) {
    Graph *d = autodiff_run(p->k.g);
    ck_assert_uint_eq(diags_errors(p->k.ctx->diags), errors);
    graph_verify(d); /* also after an error */
    Text text = {.arena = p->k.ctx->arena};
    for (uint32_t i = 0; i < diags_count(p->k.ctx->diags); i++)
        diag_render(&text, p->k.ctx->sources, diags_get(p->k.ctx->diags, i), 0);
    char path[128];
    snprintf(path, sizeof path, "autodiff/golden/%s.txt", name);
    kit_golden(path, text_str(&text));
    kit_destroy(&p->k);
}

static void output_grad(Page *p, const char *name, NodeId y, NodeId x, const char *piece) {
    kit_output(&p->k, name, g_grad(p->k.g, y, x, at(p, piece)));
}

/* The language page's e06: an accuracy is not a loss. */
START_TEST(accuracy_is_no_loss) {
    Page p = page_open("fn attack(x[B, 784], y[B]: i32) -> [B, 784] {\n"
                       "  guess = argmax(net(x), axis = -1)\n"
                       "  wrong = mean(f32(guess != y))\n"
                       "  return x + 0.1 * sign(grad(wrong, x))\n"
                       "}\n");
    Kit k = p.k;
    NodeId x = input(&p, "x", DTYPE_F32, SHAPE(4, 3)), y = input(&p, "y", DTYPE_I32, SHAPE(4));
    NodeId net = g_unary(k.g, OP_TANH, x, at(&p, "net(x)"));
    NodeId guess =
        g_reduce(k.g, OP_ARGMAX, net, (uint32_t[]){1}, 1, at(&p, "argmax(net(x), axis = -1)"));
    Span unequal = at(&p, "guess != y");
    NodeId miss = g_unary(k.g, OP_NOT, g_binary(k.g, OP_EQUAL, guess, y, unequal), unequal);
    NodeId hits = g_cast(k.g, DTYPE_F32, miss, at(&p, "f32(guess != y)"));
    NodeId wrong = sum_all(&p, hits, "mean(f32(guess != y))");
    output_grad(&p, "d", wrong, x, "grad(wrong, x)");
    check(&p, "nograd_accuracy", 1);
}
END_TEST

START_TEST(stop_ends_the_gradient) {
    Page p = page_open("y = sum(stop(exp(x)))\ng = grad(y, x)\n");
    NodeId x = input(&p, "x", DTYPE_F32, kit_shape(&p.k, (int64_t[]){3}, 1));
    NodeId e = g_unary(p.k.g, OP_EXP, x, at(&p, "exp(x)"));
    NodeId s = g_unary(p.k.g, OP_STOP, e, at(&p, "stop(exp(x))"));
    output_grad(&p, "d", sum_all(&p, s, "sum(stop(exp(x)))"), x, "grad(y, x)");
    check(&p, "nograd_stop", 1);
}
END_TEST

/* Rounding to integers and back, then floor: two cuts, in the order in which they are met. */
START_TEST(casts_and_floors) {
    Page p = page_open("n = i32(x)\ny = sum(floor(f32(n)))\ng = grad(y, x)\n");
    NodeId x = input(&p, "x", DTYPE_F32, kit_shape(&p.k, (int64_t[]){3}, 1));
    NodeId n = g_cast(p.k.g, DTYPE_I32, x, at(&p, "i32(x)"));
    NodeId f = g_cast(p.k.g, DTYPE_F32, n, at(&p, "f32(n)"));
    NodeId y =
        sum_all(&p, g_unary(p.k.g, OP_FLOOR, f, at(&p, "floor(f32(n))")), "sum(floor(f32(n)))");
    output_grad(&p, "d", y, x, "grad(y, x)");
    check(&p, "nograd_cast", 1);
}
END_TEST

START_TEST(not_computed_from_it) {
    Page p = page_open("y = sum(exp(x))\nz = sin(w)\ng = grad(y, w)\nh = grad(y, z)\n");
    Kit k = p.k;
    NodeId x = input(&p, "x", DTYPE_F32, SHAPE(3)), w = input(&p, "w", DTYPE_F32, SHAPE(3));
    NodeId y = sum_all(&p, g_unary(k.g, OP_EXP, x, at(&p, "exp(x)")), "sum(exp(x))");
    NodeId z = g_unary(k.g, OP_SIN, w, at(&p, "sin(w)"));
    output_grad(&p, "g", y, w, "grad(y, w)");
    output_grad(&p, "h", y, z, "grad(y, z)"); /* z comes after y */
    check(&p, "nograd_unrelated", 2);
}
END_TEST

/* A whole model: one message, the parameters listed; those that do have a gradient are no trouble.
 */
START_TEST(several_parameters) {
    const char *text = "loss = sum(net(x))\nminimize loss over net\n";
    Context *ctx = context_create();
    DimTable *dims = dims_create(ctx->arena);
    Slot slots[10];
    for (int i = 0; i < 10; i++)
        slots[i] = (Slot){.path = ctx_sym(ctx, arena_printf(ctx->arena, "net.dense%d.w", i + 1)),
                          .dtype = DTYPE_F32,
                          .rank = 1,
                          .dims = {2}};
    Page p = {.k = {.ctx = ctx, .dims = dims, .g = graph_create(ctx, dims, slots, 10)},
              .text = text};
    p.file = sources_add(ctx->sources, "page.bm", text, (uint32_t)strlen(text), 0);
    NodeId w[10];
    for (uint32_t i = 0; i < 10; i++) w[i] = g_read(p.k.g, i, nowhere);
    NodeId y = sum_all(&p, g_unary(p.k.g, OP_EXP, w[0], at(&p, "net(x)")), "sum(net(x))");
    for (uint32_t i = 0; i < 10; i++) output_grad(&p, slots[i].path->text, y, w[i], "loss");
    check(&p, "nograd_parameters", 1);
}
END_TEST

/* The cut stands in a loop's body, behind a carry that another one feeds. */
START_TEST(inside_a_loop) {
    Page p = page_open("y = scan xt = x along T with h = h0, n = n0 {\n"
                       "  n = floor(h)\n"
                       "  h = tanh(xt)\n"
                       "  yield n\n"
                       "}\n"
                       "g = grad(sum(y), x)\n");
    Kit k = p.k;
    Shape none = {.rank = 0};
    NodeId x = input(&p, "x", DTYPE_F32, SHAPE(3));
    NodeId zero = g_const(k.g, DTYPE_F32, &none, 0, nowhere);
    Graph *body = scan_body(k.g);
    NodeId h = g_input(body, ctx_sym(k.ctx, "h"), DTYPE_F32, &none, nowhere);
    g_input(body, ctx_sym(k.ctx, "n"), DTYPE_F32, &none, nowhere);
    NodeId xt = g_input(body, ctx_sym(k.ctx, "xt"), DTYPE_F32, &none, nowhere);
    NodeId n = g_unary(body, OP_FLOOR, h, at(&p, "floor(h)"));
    graph_output(body, ctx_sym(k.ctx, "h"), g_unary(body, OP_TANH, xt, at(&p, "tanh(xt)")));
    graph_output(body, ctx_sym(k.ctx, "n"), n);
    graph_output(body, ctx_sym(k.ctx, "y"), n);
    Scan s = {.body = body,
              .carries = 2,
              .sequences = 1,
              .yields = 1,
              .trip = dim_const(k.dims, 3),
              .sequence_axis = &(int64_t){0},
              .yield_axis = &(int64_t){0}};
    NodeId operands[] = {zero, zero, x};
    NodeId y = g_take(k.g, g_scan(k.g, &s, operands, nowhere), 2, nowhere);
    output_grad(&p, "d", sum_all(&p, y, "sum(y)"), x, "grad(sum(y), x)");
    check(&p, "nograd_loop", 1);
}
END_TEST

/* The block reads c, which is computed from w outside: by w alone the gradient would be wrong. */
START_TEST(a_way_outside_the_loop) {
    Page p = page_open("c = exp(w)\n"
                       "y = scan xt = x along T {\n"
                       "  yield grad(w * c * xt, w)\n"
                       "}\n");
    Kit k = p.k;
    Shape none = {.rank = 0};
    NodeId x = input(&p, "x", DTYPE_F32, SHAPE(3)), w = input(&p, "w", DTYPE_F32, none);
    NodeId c = g_unary(k.g, OP_EXP, w, at(&p, "exp(w)"));
    Graph *body = scan_body(k.g);
    NodeId xt = g_input(body, ctx_sym(k.ctx, "xt"), DTYPE_F32, &none, nowhere);
    NodeId bw = g_input(body, ctx_sym(k.ctx, "w"), DTYPE_F32, &none, nowhere);
    NodeId bc = g_input(body, ctx_sym(k.ctx, "c"), DTYPE_F32, &none, nowhere);
    NodeId y = g_binary(body, OP_MUL, g_binary(body, OP_MUL, bw, bc, nowhere), xt, nowhere);
    graph_output(body, ctx_sym(k.ctx, "y"), g_grad(body, y, bw, at(&p, "grad(w * c * xt, w)")));
    Scan s = {.body = body,
              .sequences = 1,
              .captures = 2,
              .yields = 1,
              .trip = dim_const(k.dims, 3),
              .sequence_axis = &(int64_t){0},
              .yield_axis = &(int64_t){0}};
    NodeId operands[] = {x, w, c};
    kit_output(&p.k, "y", g_take(k.g, g_scan(k.g, &s, operands, nowhere), 0, nowhere));
    check(&p, "nograd_outside", 1);
}
END_TEST

/* Equal constants are one node, so the answer would count both zeros: refused, not guessed. */
START_TEST(constant_target) {
    Page p = page_open("z = zeros([3])\ny = sum(relu(z))\ng = grad(y, z)\n");
    Kit k = p.k;
    Shape shape = SHAPE(3);
    NodeId z = g_const(k.g, DTYPE_F32, &shape, 0, at(&p, "zeros([3])"));
    NodeId y = sum_all(&p, g_binary(k.g, OP_MAX, z, z, at(&p, "relu(z)")), "sum(relu(z))");
    output_grad(&p, "g", y, z, "grad(y, z)");
    check(&p, "nograd_constant", 1);
}
END_TEST

/* Derivatives of every order until the node limit: one message, no crash. */
START_TEST(node_limit) {
    Page p = page_open("y = sum(exp(tanh(x)))\n");
    Kit k = p.k;
    k.ctx->node_limit = 3000;
    NodeId x = input(&p, "x", DTYPE_F64, SHAPE(3));
    NodeId y = sum_all(&p, g_unary(k.g, OP_EXP, g_unary(k.g, OP_TANH, x, nowhere), nowhere), "sum");
    for (int order = 0; order < 12; order++)
        y = sum_all(&p, g_grad(k.g, y, x, at(&p, "sum")), "sum");
    kit_output(&p.k, "y", y);
    graph_verify(autodiff_run(k.g));
    ck_assert_uint_eq(diags_errors(k.ctx->diags), 1);
    ck_assert_int_eq(diags_get(k.ctx->diags, 0)->code, E_LIMIT);
    kit_destroy(&p.k);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("no gradient");
    TCase *tests = tcase_create("messages");
    tcase_add_test(tests, accuracy_is_no_loss);
    tcase_add_test(tests, stop_ends_the_gradient);
    tcase_add_test(tests, casts_and_floors);
    tcase_add_test(tests, not_computed_from_it);
    tcase_add_test(tests, several_parameters);
    tcase_add_test(tests, inside_a_loop);
    tcase_add_test(tests, a_way_outside_the_loop);
    tcase_add_test(tests, constant_target);
    tcase_add_test(tests, node_limit);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
