/* Shared by the syntax tests: files, a compilation of one text, golden files (BMC_BLESS=1 renews
 * them), and the list of .bm files of a folder. */
#ifndef TESTS_SYNTAX_HELPER_H
#define TESTS_SYNTAX_HELPER_H

#include "compiler/syntax/syntax.h"
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define CORPUS BMC_SOURCE_DIR "/tests/syntax/corpus"

typedef struct FileText {
    char *data;
    uint32_t len;
} FileText;

static inline FileText read_file(const char *path) {
    FileText text = {NULL, 0};
    FILE *file = fopen(path, "rb");
    if (!file) return text;
    char buffer[4096];
    for (size_t got; (got = fread(buffer, 1, sizeof buffer, file)) > 0;) {
        text.data = realloc(text.data, text.len + got + 1);
        memcpy(text.data + text.len, buffer, got);
        text.len += (uint32_t)got;
    }
    fclose(file);
    if (!text.data) text.data = calloc(1, 1);
    text.data[text.len] = 0;
    return text;
}

/* The paths of a folder's files with this ending, sorted; the caller frees with free_paths. */
typedef struct Paths {
    char **data;
    size_t count;
} Paths;

static inline int compare_paths(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static inline Paths list_files(const char *folder, const char *ending) {
    Paths paths = {NULL, 0};
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        size_t len = strlen(entry->d_name), tail = strlen(ending);
        if (len < tail || strcmp(entry->d_name + len - tail, ending) != 0) continue;
        size_t size = strlen(folder) + len + 2;
        char *path = malloc(size);
        snprintf(path, size, "%s/%s", folder, entry->d_name);
        paths.data = realloc(paths.data, (paths.count + 1) * sizeof *paths.data);
        paths.data[paths.count++] = path;
    }
    if (dir) closedir(dir);
    if (paths.count) qsort(paths.data, paths.count, sizeof *paths.data, compare_paths);
    return paths;
}

static inline void free_paths(Paths paths) {
    for (size_t i = 0; i < paths.count; i++) free(paths.data[i]);
    free(paths.data);
}

static inline uint32_t add_text(Context *ctx, const char *path, const char *text, uint32_t len) {
    const char *slash = strrchr(path, '/');
    return sources_add(ctx->sources, slash ? slash + 1 : path, text, len, 0);
}

static inline const char *rendered(Context *ctx) {
    Text out = {.arena = ctx->arena};
    for (uint32_t i = 0; i < diags_count(ctx->diags); i++)
        diag_render(&out, ctx->sources, diags_get(ctx->diags, i), 0);
    return text_str(&out);
}

/* Compares with PATH minus its ending plus `ending`; writes it when BMC_BLESS is set. */
static inline void check_golden(const char *path, const char *ending, const char *actual) {
    char golden[1024];
    snprintf(golden, sizeof golden, "%.*s%s", (int)(strrchr(path, '.') - path), path, ending);
    if (getenv("BMC_BLESS")) {
        FILE *file = fopen(golden, "wb");
        ck_assert_ptr_nonnull(file);
        fwrite(actual, 1, strlen(actual), file);
        fclose(file);
        return;
    }
    FileText expected = read_file(golden);
    ck_assert_msg(expected.data, "%s is missing (BMC_BLESS=1 writes it)", golden);
    ck_assert_msg(!strcmp(expected.data, actual), "%s\n--- expected\n%s--- got\n%s", golden,
                  expected.data, actual);
    free(expected.data);
}

static inline int run_suite(Suite *suite) {
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
