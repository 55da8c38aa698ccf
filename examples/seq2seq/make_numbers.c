/* make_numbers FOLDER [ROWS]: rows of 6 random digits and the same digits sorted: numbers.npy and
 * sorted.npy, int32 [ROWS, 6]. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { LENGTH = 6, ROWS_MAX = 100000 };

static int by_value(const void *a, const void *b) {
    return *(const int32_t *)a - *(const int32_t *)b;
}

static int write_npy(const char *folder, const char *name, int32_t (*x)[LENGTH], int rows) {
    char path[4096], header[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    if (!f) return 0;
    snprintf(header, sizeof header, "{'descr': '<i4', 'fortran_order': False, 'shape': (%d, %d), }",
             rows, LENGTH);
    fwrite("\x93NUMPY\x01\x00\x76\x00", 1, 10, f);
    fprintf(f, "%-117s\n", header);
    int ok = fwrite(x, sizeof *x, (size_t)rows, f) == (size_t)rows;
    return fclose(f) == 0 && ok;
}

int main(int argc, char **argv) {
    static int32_t numbers[ROWS_MAX][LENGTH], sorted[ROWS_MAX][LENGTH];
    const char *folder = argc > 1 ? argv[1] : ".";
    int rows = argc > 2 ? atoi(argv[2]) : 12000;
    uint64_t state = 1;
    if (rows < 1 || rows > ROWS_MAX) {
        fprintf(stderr, "make_numbers: 1 to %d rows\n", ROWS_MAX);
        return 2;
    }
    for (int i = 0; i < rows; i++) {
        for (int j = 0; j < LENGTH; j++) {
            state = state * 6364136223846793005u + 1442695040888963407u; /* Knuth's constants */
            numbers[i][j] = sorted[i][j] = (int32_t)(state >> 33) % 10;
        }
        qsort(sorted[i], LENGTH, sizeof sorted[i][0], by_value);
    }
    if (write_npy(folder, "numbers.npy", numbers, rows) &&
        write_npy(folder, "sorted.npy", sorted, rows))
        return 0;
    perror(folder);
    return 1;
}
