/* Trains the compiled model from C and predicts with it; mlp.h and mlp.so are all it needs.
 *     zcat DIR/train-images-idx3-ubyte.gz >images; zcat DIR/train-labels-idx1-ubyte.gz >labels;
 * ./host */
#include "mlp.h"
#include <stdio.h>

enum { ROWS = 60000, PIXELS = 28 * 28, BATCH = 128, STEPS = 2 * (ROWS / BATCH) };
static uint8_t images[ROWS * PIXELS], labels[ROWS];

static int read_file(const char *path, long header, uint8_t *to, size_t bytes) {
    FILE *f = fopen(path, "rb");
    return f && fseek(f, header, SEEK_SET) == 0 && fread(to, 1, bytes, f) == bytes && !fclose(f);
}

int main(void) {
    static float x[BATCH * PIXELS], loss, accuracy, out[10];
    static int32_t y[BATCH];
    mlp *m;
    if (!read_file("images", 16, images, sizeof images) || !read_file("labels", 8, labels, ROWS))
        return puts("no images and labels here"), 1;
    if (mlp_open(&m, NULL) != 0) return puts(m ? mlp_error(m) : "out of memory"), 1;
    for (int step = 0; step < STEPS; step++) {
        int first = step % (ROWS / BATCH) * BATCH;
        for (int i = 0; i < BATCH * PIXELS; i++) x[i] = (float)images[first * PIXELS + i] / 255;
        for (int i = 0; i < BATCH; i++) y[i] = labels[first + i];
        if (mlp_train_step(m, BATCH, x, y, &loss, &accuracy) != 0) return puts(mlp_error(m)), 1;
        if (step % 100 == 0) printf("step %3d  loss %.4f  accuracy %.4f\n", step, loss, accuracy);
    }
    if (mlp_predict(m, 1, images, out) != 0) return puts(mlp_error(m)), 1;
    printf("the first image is a %d with probability %.3f\n", labels[0], out[labels[0]]);
    mlp_close(m);
}
