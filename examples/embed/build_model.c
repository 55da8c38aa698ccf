/* A program that makes its model by calls, not by text: a network whose depth is known only when it
 * runs, trained on y = sin(3 x) and asked what it has learnt. Nothing is read from files.
 *
 *     cc -o build_model build_model.c $(pkg-config --cflags --libs bmc) -lm
 *     ./build_model 3        three hidden layers
 *     ./build_model 3 -v     shows the model as it would be written */
#include <bmc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 64, STEPS = 400 };

static void show(void *user, const BmcDiagnostic *d) {
    (void)user;
    fprintf(stderr, "%s", d->text);
}

/* y = f(x), one argument by position */
static BmcValue apply(BmcBuilder *b, BmcValue f, BmcValue x) {
    return bmc_build_apply(b, f, &(BmcArg){NULL, x}, 1);
}

/* model net(x[B, 1]): `depth` layers of 32 with tanh, then one of 1 */
static void build_net(BmcBuilder *b, int depth) {
    const BmcDim column[] = {{"B", 0}, {NULL, 1}};
    bmc_build_begin(b, BMC_MODEL, "net");
    BmcValue h = bmc_build_input(b, "x", BMRT_F32, 2, column);
    for (int i = 0; i < depth; i++) {
        const BmcArg settings[] = {{NULL, bmc_build_integer(b, 32)},
                                   {"act", bmc_build_name(b, "tanh")}};
        h = apply(b, bmc_build_layer(b, NULL, "dense", settings, 2), h);
    }
    const BmcArg one = {NULL, bmc_build_integer(b, 1)};
    BmcValue y = apply(b, bmc_build_layer(b, NULL, "dense", &one, 1), h);
    bmc_build_return(b, &y, 1);
    bmc_build_end(b);
}

/* loss = mean((net(x) - y)^2), by operations */
static void build_step(BmcBuilder *b) {
    const BmcDim column[] = {{"B", 0}, {NULL, 1}};
    bmc_build_begin(b, BMC_STEP, NULL);
    BmcValue x = bmc_build_input(b, "x", BMRT_F32, 2, column);
    BmcValue y = bmc_build_input(b, "y", BMRT_F32, 2, column);
    BmcValue net = bmc_build_name(b, "net");
    const BmcValue both[] = {apply(b, net, x), y};
    BmcValue error = bmc_build_op(b, "sub", both, 2);
    const BmcValue squared[] = {error, error};
    const BmcArg square = {NULL, bmc_build_op(b, "mul", squared, 2)};
    BmcValue loss = bmc_build_call(b, "mean", &square, 1);
    const BmcArg rate = {"lr", bmc_build_number(b, 0.01)};
    bmc_build_minimize(b, loss, net, bmc_build_layer(b, NULL, "adam", &rate, 1));
    bmc_build_metric(b, "loss", loss);
    bmc_build_end(b);
}

static void build_export(BmcBuilder *b) {
    const BmcDim column[] = {{"B", 0}, {NULL, 1}};
    bmc_build_begin(b, BMC_EXPORT, "predict");
    BmcValue x = bmc_build_input(b, "x", BMRT_F32, 2, column);
    BmcValue y = apply(b, bmc_build_name(b, "net"), x);
    bmc_build_return(b, &y, 1);
    bmc_build_end(b);
}

static BmrtStatus train(BmrtHandle *h, const BmrtModel *model) {
    float x[ROWS], y[ROWS], loss = 0;
    const int64_t rows = ROWS;
    const void *inputs[] = {x, y};
    void *outputs[] = {&loss};
    BmrtStatus status = BMRT_OK;
    for (int i = 0; i < ROWS; i++) {
        x[i] = 2.0f * (float)i / (ROWS - 1) - 1;
        y[i] = sinf(3 * x[i]);
    }
    for (int i = 0; i < STEPS && status == BMRT_OK; i++)
        status = bmrt_step(h, (uint32_t)model->train[0].step_entry, &rows, inputs, outputs);
    printf("loss %.5f after %d steps\n", (double)loss, STEPS);
    return status;
}

static BmrtStatus ask(BmrtHandle *h, const BmrtModel *model) {
    const float x = 0.5f;
    float y = 0;
    const int64_t rows = 1;
    BmrtStatus status = bmrt_call(h, (uint32_t)bmrt_entry_find(model, "predict"), &rows,
                                  (const void *[]){&x}, (void *[]){&y});
    printf("sin(1.5) is %.3f, the network says %.3f\n", sin(1.5), (double)y);
    return status;
}

int main(int argc, char **argv) {
    const int depth = argc > 1 ? atoi(argv[1]) : 2;
    BmcBuilder *b;
    BmcModel *model = NULL;
    BmrtHandle *h = NULL;
    BmcOptions options = {.size_bytes = sizeof options, .level = 2};
    if (bmc_builder_open("built.bm", show, NULL, &b) != BMC_OK) return 1;
    build_net(b, depth);
    build_step(b);
    build_export(b);
    if (argc > 2 && strcmp(argv[2], "-v") == 0) fputs(bmc_builder_text(b), stdout);
    BmcStatus built = bmc_builder_compile(b, &options, &model); /* wrong calls were told already */
    bmc_builder_close(b);
    if (built != BMC_OK) return 1;
    BmrtStatus status = bmrt_open(&h, bmc_model(model), NULL, 1, 0);
    if (status == BMRT_OK) status = train(h, bmc_model(model));
    if (status == BMRT_OK) status = ask(h, bmc_model(model));
    if (status != BMRT_OK) fprintf(stderr, "%s\n", bmrt_error(h));
    bmrt_close(h);
    bmc_close(model);
    return status != BMRT_OK;
}
