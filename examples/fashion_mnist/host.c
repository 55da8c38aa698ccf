/* Trains and uses the compiled model from C; mlp.h and mlp.so are all it needs (README.md).
 *     ./host /usr/share/datasets/fashion-mnist */
#define _POSIX_C_SOURCE 200809L
#include "mlp.h"
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 60000, TESTS = 10000, PIXELS = 28 * 28, BATCH = 128, EPOCHS = 2 };

static uint8_t *load(const char *folder, const char *name, size_t header, size_t bytes) {
    char command[4096];
    snprintf(command, sizeof command, "zcat '%s/%s'", folder, name);
    uint8_t *data = malloc(header + bytes);
    FILE *f = popen(command, "r");
    if (!data || !f || fread(data, 1, header + bytes, f) != header + bytes) exit(1);
    pclose(f);
    return data + header;
}

int main(int argc, char **argv) {
    const char *folder = argc > 1 ? argv[1] : "/usr/share/datasets/fashion-mnist";
    const uint8_t *images = load(folder, "train-images-idx3-ubyte.gz", 16, (size_t)ROWS * PIXELS);
    const uint8_t *labels = load(folder, "train-labels-idx1-ubyte.gz", 8, ROWS);
    const uint8_t *test = load(folder, "t10k-images-idx3-ubyte.gz", 16, (size_t)TESTS * PIXELS);
    const uint8_t *truth = load(folder, "t10k-labels-idx1-ubyte.gz", 8, TESTS);
    static float x[BATCH * PIXELS], out[TESTS * 10];
    static int32_t y[BATCH];
    float loss = 0, accuracy = 0;
    mlp *m;
    if (mlp_open(&m, NULL) != 0) return fprintf(stderr, "%s\n", m ? mlp_error(m) : "memory"), 1;
    for (int step = 0; step < EPOCHS * (ROWS / BATCH); step++) {
        int first = step % (ROWS / BATCH) * BATCH;
        for (int i = 0; i < BATCH * PIXELS; i++) x[i] = (float)images[first * PIXELS + i] / 255;
        for (int i = 0; i < BATCH; i++) y[i] = labels[first + i];
        if (mlp_train_step(m, BATCH, x, y, &loss, &accuracy) != 0) return puts(mlp_error(m)), 1;
        if (step % 100 == 0) printf("step %4d  loss %.4f\n", step, (double)loss);
    }
    if (mlp_predict(m, TESTS, test, out) != 0) return puts(mlp_error(m)), 1;
    int right = 0;
    for (int i = 0; i < TESTS; i++) {
        int best = 0;
        for (int k = 1; k < 10; k++) best = out[i * 10 + k] > out[i * 10 + best] ? k : best;
        right += best == truth[i];
    }
    printf("Test accuracy: %.4f\n", right / (double)TESTS);
    mlp_close(m);
    return 0;
}
