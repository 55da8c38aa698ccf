/* Makes the data of the linear regression example and solves it in closed form.
 *
 *   cc -O2 -o make_houses make_houses.c -lm && ./make_houses [FOLDER]
 *
 * Writes area.npy, rooms.npy and price.npy (float32, 200 houses) into FOLDER (default: here) and
 * prints the least-squares solution in double precision:
 *
 *   price = c0 + c1 * area + c2 * rooms
 *
 * The numbers are the same on every machine. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOUSES = 200, FEATURES = 3 };

/* A small generator of uniform numbers in [0, 1). */
static double uniform(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(*state >> 40) / 16777216.0;
}

/* .npy, version 1: magic, version, header length, header padded to 128 bytes, elements. */
static void write_npy(const char *folder, const char *name, const float *data) {
    char path[4096], header[118];
    snprintf(path, sizeof path, "%s/%s.npy", folder, name);
    FILE *f = fopen(path, "wb");
    if (f == NULL) {
        perror(path);
        exit(1);
    }
    memset(header, ' ', sizeof header);
    int n = snprintf(header, sizeof header,
                     "{'descr': '<f4', 'fortran_order': False, 'shape': (%d,), }", HOUSES);
    header[n] = ' ';
    header[sizeof header - 1] = '\n';
    fwrite("\x93NUMPY\x01\x00\x76\x00", 1, 10, f);
    fwrite(header, 1, sizeof header, f);
    fwrite(data, sizeof *data, HOUSES, f);
    if (fclose(f) != 0) {
        perror(path);
        exit(1);
    }
}

/* Solves a * x = b by Gaussian elimination with pivoting. */
static void solve(double a[FEATURES][FEATURES + 1], double x[FEATURES]) {
    for (int c = 0; c < FEATURES; c++) {
        int pivot = c;
        for (int r = c + 1; r < FEATURES; r++)
            if (fabs(a[r][c]) > fabs(a[pivot][c])) pivot = r;
        for (int k = 0; k <= FEATURES; k++) {
            double t = a[c][k];
            a[c][k] = a[pivot][k];
            a[pivot][k] = t;
        }
        for (int r = 0; r < FEATURES; r++) {
            if (r == c) continue;
            double factor = a[r][c] / a[c][c];
            for (int k = c; k <= FEATURES; k++) a[r][k] -= factor * a[c][k];
        }
    }
    for (int c = 0; c < FEATURES; c++) x[c] = a[c][FEATURES] / a[c][c];
}

int main(int argc, char **argv) {
    const char *folder = argc > 1 ? argv[1] : ".";
    static float area[HOUSES], rooms[HOUSES], price[HOUSES];
    uint64_t state = 20240117;
    double normal[FEATURES][FEATURES + 1] = {{0}}, c[FEATURES];
    for (int i = 0; i < HOUSES; i++) {
        area[i] = (float)(40 + floor(uniform(&state) * 160));
        rooms[i] = (float)(1 + floor((double)area[i] / 35 + uniform(&state) * 2));
        double noise = uniform(&state) + uniform(&state) + uniform(&state) - 1.5;
        price[i] = (float)(20 + 2.5 * (double)area[i] + 12 * (double)rooms[i] + 15 * noise);
        const double row[FEATURES + 1] = {1, (double)area[i], (double)rooms[i], (double)price[i]};
        for (int r = 0; r < FEATURES; r++)
            for (int k = 0; k <= FEATURES; k++) normal[r][k] += row[r] * row[k];
    }
    write_npy(folder, "area", area);
    write_npy(folder, "rooms", rooms);
    write_npy(folder, "price", price);
    solve(normal, c);
    printf("price = %.9g + %.9g * area + %.9g * rooms\n", c[0], c[1], c[2]);
    return 0;
}
