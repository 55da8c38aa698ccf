/* make_signals FOLDER: vibration of a machine, as rows of 32 samples. Healthy:
 * a wave and its third harmonic with any phase, plus noise. Faulty: a knock, a
 * lost harmonic, a drifting pitch or a sensor that clips. Writes healthy.npy
 * [2000, 32], test_x.npy [600, 32] and test_faulty.npy [600] (1: faulty). */
#include <math.h>
#include <stdint.h>
#include <stdio.h>

enum { WIDTH = 32, HEALTHY = 2000, TEST = 600 };

static uint64_t state = 1;

static double uniform(void) { /* in (0, 1); Knuth's constants */
    state = state * 6364136223846793005u + 1442695040888963407u;
    return ((double)(state >> 11) + 0.5) / 9007199254740992.0;
}
static double normal(void) {
    return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform());
}

static void signal(float *row, int fault) { /* fault: 0 none, 1 to 4 */
    double phase = 6.283185307179586 * uniform(), size = 0.8 + 0.4 * uniform();
    double pitch = fault == 3 ? 1.35 : 1, third = fault == 2 ? 0 : 0.5;
    int knock = (int)(uniform() * WIDTH);
    for (int t = 0; t < WIDTH; t++) {
        double a = 6.283185307179586 * 2 * pitch * t / WIDTH + phase;
        double x = size * (sin(a) + third * sin(3 * a)) + 0.05 * normal();
        if (fault == 1 && t == knock) x += 2;
        if (fault == 4) x = fmax(-0.5, fmin(0.5, x));
        row[t] = (float)x;
    }
}

static int write_npy(const char *folder, const char *name, const float *x, int rows, int width) {
    char path[4096], dims[64], header[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    if (!f) return 0;
    snprintf(dims, sizeof dims, width ? "(%d, %d)" : "(%d,)", rows, width);
    snprintf(header, sizeof header, "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }",
             dims);
    fwrite("\x93NUMPY\x01\x00\x76\x00", 1, 10, f);
    fprintf(f, "%-117s\n", header);
    size_t n = (size_t)rows * (size_t)(width ? width : 1);
    int ok = fwrite(x, sizeof *x, n, f) == n;
    return fclose(f) == 0 && ok;
}

int main(int argc, char **argv) {
    static float healthy[HEALTHY][WIDTH], test[TEST][WIDTH], faulty[TEST];
    const char *folder = argc > 1 ? argv[1] : ".";
    for (int i = 0; i < HEALTHY; i++) signal(healthy[i], 0);
    for (int i = 0; i < TEST; i++) {
        int fault = i % 2 ? 1 + i / 2 % 4 : 0;
        faulty[i] = fault != 0;
        signal(test[i], fault);
    }
    if (write_npy(folder, "healthy.npy", &healthy[0][0], HEALTHY, WIDTH) &&
        write_npy(folder, "test_x.npy", &test[0][0], TEST, WIDTH) &&
        write_npy(folder, "test_faulty.npy", faulty, TEST, 0))
        return 0;
    perror(folder);
    return 1;
}
