/* bmc as a library: compile a model into this process.
 *
 *   BmcOptions options = {.size_bytes = sizeof options, .level = 2, .on_diagnostic = show};
 *   BmcModel *model;
 *   if (bmc_compile_file("mlp.bm", &options, &model) == BMC_OK) {
 *       BmrtHandle *h;
 *       bmrt_open(&h, bmc_model(model), "mlp.safetensors", 0, 0);    // bmrt.h: call, step, save
 *       ...
 *       bmrt_close(h);
 *   }
 *   bmc_close(model);
 *
 * No globals: several threads may compile at once. Nothing here prints or exits; a bug of bmc
 * aborts. Every struct argument starts with its size, so that later versions can add members. */
#ifndef BMC_H
#define BMC_H

#include "runtime/include/bmrt.h"

#ifdef __cplusplus
extern "C" {
#endif
#ifdef __GNUC__ /* bmc is built with hidden symbols; these stay visible in libbmc.so */
#pragma GCC visibility push(default)
#endif

typedef enum BmcStatus {
    BMC_OK = 0,
    BMC_ARGUMENT, /* a NULL, or a struct of unknown size */
    BMC_INPUT,    /* the model is wrong: see the diagnostics */
    BMC_MEMORY
} BmcStatus;

typedef struct BmcDiagnostic {
    int is_error;               /* else a warning */
    const char *code, *message; /* "E0004", "unknown name `widht`" */
    const char *file;           /* NULL: no place */
    uint32_t line, column;      /* from 1; columns count characters */
    const char *text;           /* all of it, as bmc prints it: source line, carets, notes, help */
} BmcDiagnostic;
/* Called for each diagnostic, on the calling thread; its texts are valid during the call. */
typedef void (*BmcDiagnosticFn)(void *user, const BmcDiagnostic *diagnostic);

typedef struct BmcDefine { /* -D name=value */
    const char *name, *value;
} BmcDefine;

typedef struct BmcExtern { /* a C function of this program that models may call (`extern fn name`)
                            */
    const char *name;
    BmrtExternFn function;
} BmcExtern;

typedef struct BmcOptions { /* zero it, set size_bytes, then what you need */
    size_t size_bytes;
    const BmcDefine *defines;
    uint32_t define_count;
    const char *cpu; /* as -march; NULL: this machine */
    int level;       /* as -O: 0 to 3; negative: the default. 0 in a zeroed struct is -O0 */
    BmcDiagnosticFn on_diagnostic;
    void *user;
    int debug; /* as --debug: `show` is told to bmrt_set_show */
    const BmcExtern
        *externs; /* `extern fn`: these, then those of the libraries; neither: refused */
    uint32_t extern_count;
    const char *const *libraries; /* as --allow-extern: "./libfast.so" */
    uint32_t library_count;
} BmcOptions;

typedef struct BmcModel BmcModel;

/* *out is NULL unless BMC_OK is returned. `name` stands in messages; its stem names the model. */
BmcStatus bmc_compile_text(const char *name, const char *text, size_t len,
                           const BmcOptions *options, BmcModel **out);
BmcStatus bmc_compile_file(const char *path, const BmcOptions *options, BmcModel **out);
/* What the runtime drives; valid until bmc_close. Close its handles first. */
const BmrtModel *bmc_model(const BmcModel *model);
void bmc_close(BmcModel *model); /* NULL is allowed */

#ifdef __GNUC__
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
