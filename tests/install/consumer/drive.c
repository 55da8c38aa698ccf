/* Compiles a model in memory through libbmc and trains it through the runtime that libbmc exports.
 */
#include <bmc.h>
#include <bmrt_train.h>
#include <stdio.h>
#include <string.h>

static const char MODEL[] =
    "model line(x[B, 2]) -> [B] {\n  param w[2] init zeros\n  return x @ w\n}\n"
    "train {\n  step(x[B, 2], y[B]) {\n    loss = mse(line(x), y)\n"
    "    minimize loss over line with sgd(0.1)\n    metric loss = loss\n  }\n}\n";

int main(void) {
    BmcOptions options = {.size_bytes = sizeof options, .level = 2};
    BmcModel *model;
    if (bmc_compile_text("line.bm", MODEL, strlen(MODEL), &options, &model) != BMC_OK) return 1;
    BmrtHandle *h;
    if (bmrt_open(&h, bmc_model(model), NULL, 0, 1) != BMRT_OK) return 2;
    float x[8] = {1, 0, 0, 1, 1, 1, 1, -1}, y[4] = {2, -3, -1, 5}, loss = 0, w[2];
    int64_t rows = 4;
    uint32_t step = (uint32_t)bmc_model(model)->train[0].step_entry;
    for (int i = 0; i < 500; i++)
        if (bmrt_step(h, step, &rows, (const void *[]){x, y}, (void *[]){&loss}) != BMRT_OK)
            return 3;
    if (bmrt_get(h, "line.w", w, sizeof w) != BMRT_OK) return 4;
    printf("w = %.3f %.3f, loss %.6f\n", (double)w[0], (double)w[1], (double)loss);
    bmrt_close(h);
    bmc_close(model);
    return 0;
}
