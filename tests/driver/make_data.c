/* Writes the small data sets of the command-line tests.
 *
 *   make_data images FILE ROWS HEIGHT WIDTH CLASSES    IDX u8; row i shows class i % CLASSES
 *   make_data labels FILE ROWS CLASSES                 IDX u8; row i is i % CLASSES
 *   make_data line x FILE ROWS COLUMNS                 npy f32, [ROWS, COLUMNS]
 *   make_data line y FILE ROWS COLUMNS                 npy f32, [ROWS]: a known linear function of
 * x A name that ends in .gz is compressed. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

typedef struct Out {
    FILE *plain;
    gzFile zipped;
} Out;

static void fail(const char *what) {
    fprintf(stderr, "make_data: %s\n", what);
    exit(1);
}

static Out out_open(const char *path) {
    size_t len = strlen(path);
    Out o = {0};
    if (len > 3 && strcmp(path + len - 3, ".gz") == 0)
        o.zipped = gzopen(path, "wb");
    else
        o.plain = fopen(path, "wb");
    if (o.plain == NULL && o.zipped == NULL) fail("cannot open the file");
    return o;
}

static void out_write(Out *o, const void *data, size_t len) {
    size_t done = o->zipped ? (size_t)gzwrite(o->zipped, data, (unsigned)len)
                            : fwrite(data, 1, len, o->plain);
    if (done != len) fail("cannot write");
}

static void out_close(Out *o) {
    if (o->zipped ? gzclose(o->zipped) != Z_OK : fclose(o->plain) != 0) fail("cannot close");
}

static void out_u32_big(Out *o, uint32_t v) {
    const uint8_t b[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
    out_write(o, b, 4);
}

/* A fixed, well mixed number for (row, column). */
static uint32_t noise(uint32_t row, uint32_t column) {
    uint32_t h = row * 0x9e3779b1u ^ column * 0x85ebca77u;
    h = (h ^ h >> 15) * 0x2c1b3c6du;
    h = (h ^ h >> 12) * 0x297a2d39u;
    return h ^ h >> 15;
}

static void images(const char *path, uint32_t rows, uint32_t height, uint32_t width,
                   uint32_t classes) {
    Out o = out_open(path);
    out_u32_big(&o, 0x0803);
    out_u32_big(&o, rows);
    out_u32_big(&o, height);
    out_u32_big(&o, width);
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t p = 0; p < height * width; p++) {
            uint32_t bright = p * classes / (height * width) == r % classes ? 150 : 0;
            uint8_t pixel = (uint8_t)(bright + noise(r, p) % 100);
            out_write(&o, &pixel, 1);
        }
    out_close(&o);
}

static void labels(const char *path, uint32_t rows, uint32_t classes) {
    Out o = out_open(path);
    out_u32_big(&o, 0x0801);
    out_u32_big(&o, rows);
    for (uint32_t r = 0; r < rows; r++) {
        uint8_t label = (uint8_t)(r % classes);
        out_write(&o, &label, 1);
    }
    out_close(&o);
}

static float line_x(uint32_t row, uint32_t column) {
    return (float)(noise(row, column) % 2001) / 1000.0f - 1.0f;
}

static void line(const char *what, const char *path, uint32_t rows, uint32_t columns) {
    char header[128] = {0};
    int is_x = strcmp(what, "x") == 0;
    char shape[48];
    snprintf(shape, sizeof shape, is_x ? "(%u, %u)" : "(%u,)", rows, columns);
    int n = snprintf(header, sizeof header,
                     "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }", shape);
    memset(header + n, ' ', sizeof header - (size_t)n);
    header[117] = '\n'; /* 10 + 118 = 128 */
    Out o = out_open(path);
    out_write(&o, "\x93NUMPY\x01\x00\x76\x00", 10);
    out_write(&o, header, 118);
    for (uint32_t r = 0; r < rows; r++) {
        float y = 0.5f;
        for (uint32_t c = 0; c < columns; c++) {
            float x = line_x(r, c);
            y += x * (float)(c + 1);
            if (is_x) out_write(&o, &x, sizeof x);
        }
        if (!is_x) out_write(&o, &y, sizeof y);
    }
    out_close(&o);
}

static uint32_t number(const char *text) {
    char *end;
    unsigned long v = strtoul(text, &end, 10);
    if (*end || v == 0 || v > 1000000) fail("a count from 1 to 1000000 is wanted");
    return (uint32_t)v;
}

int main(int argc, char **argv) {
    if (argc == 7 && !strcmp(argv[1], "images"))
        images(argv[2], number(argv[3]), number(argv[4]), number(argv[5]), number(argv[6]));
    else if (argc == 5 && !strcmp(argv[1], "labels"))
        labels(argv[2], number(argv[3]), number(argv[4]));
    else if (argc == 6 && !strcmp(argv[1], "line"))
        line(argv[2], argv[3], number(argv[4]), number(argv[5]));
    else
        fail("see the head of make_data.c");
    return 0;
}
