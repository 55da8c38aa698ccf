/* Runs a target on files: every file of the folders given, and, since a corpus is small, every
 * damaged version of each that a simple rule makes: prefixes, and bytes changed one at a time.
 * Usage: NAME FOLDER... (BMC_REPLAY=n: at most n damaged versions a file, 400 unless said) */
#include "tests/fuzz/fuzz_memory.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Bytes {
    uint8_t *data;
    size_t size;
} Bytes;

static Bytes read_bytes(const char *path) {
    Bytes out = {NULL, 0};
    FILE *f = fopen(path, "rb");
    if (!f) return out;
    fseek(f, 0, SEEK_END);
    const long size = ftell(f);
    rewind(f);
    out.data = malloc((size_t)size + 1);
    if (out.data) out.size = fread(out.data, 1, (size_t)size, f);
    fclose(f);
    return out;
}

/* In memory of its own size, so that the address sanitizer sees a read past its end. */
static void run(const uint8_t *data, size_t size) {
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy) abort();
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static size_t run_file(const char *path, size_t most) {
    static const uint8_t flips[] = {0x01, 0x80, 0xff, 0x20};
    const Bytes file = read_bytes(path);
    if (!file.data) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    size_t runs = 1;
    run(file.data, file.size);
    const size_t step = 1 + 2 * file.size / (most ? most : 1);
    for (size_t at = 0; most && at < file.size; at += step, runs += 2) {
        run(file.data, at);
        file.data[at] ^= flips[(at / step) % sizeof flips];
        run(file.data, file.size);
        file.data[at] ^= flips[(at / step) % sizeof flips];
    }
    free(file.data);
    return runs;
}

int main(int argc, char **argv) {
    const char *wanted = getenv("BMC_REPLAY");
    const size_t most = wanted && *wanted ? strtoul(wanted, NULL, 10) : 400;
    size_t files = 0, runs = 0;
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        if (!folder) {
            fprintf(stderr, "cannot open %s\n", argv[i]);
            return 1;
        }
        for (struct dirent *e; (e = readdir(folder));) {
            char path[4096];
            if (e->d_name[0] == '.') continue;
            snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
            runs += run_file(path, most);
            files++;
        }
        closedir(folder);
    }
    printf("%zu files, %zu inputs\n", files, runs);
    return files > 0 ? 0 : 1;
}
