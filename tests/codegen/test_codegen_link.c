/* A training step as a shared library: linked, opened, called through its typed functions, and
 * equal bit for bit to the same step in memory. And what a library must be: small, closed, hidden.
 */
#include "compiler/schedule/schedule.h"
#include "runtime/include/bmrt.h"
#include "tests/codegen/codegen_kit.h"
#include "tests/kit/random.h"
#include "tests/schedule/step_sample.h"
#include <dlfcn.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BATCH = 20, IN = 37, HIDDEN = 24, OUT = 10, STEPS = 4 };

typedef struct Built {
    Context *ctx;
    StepSample *sample;
    LoopProgram *loops;
    CodeModule *module;
    char path[256], folder[128];
} Built;

static Built b;

static void setup(void) {
    b.ctx = context_create();
    StepSpec spec = {
        .batch = 16, .width = {IN, HIDDEN, OUT}, .layers = 2, .dropout = true, .dtype = DTYPE_F32};
    b.sample = step_sample(b.ctx, &spec);
    BmrtTrain train = {.data = -1,
                       .epochs = 1,
                       .batch = 16,
                       .step_entry = 0,
                       .valid = {.eval_entry = -1, .finish_entry = -1}};
    vec_push(b.ctx->arena, &b.sample->program.train, train);
    CodegenOptions options = {.level = 2, .debug_verify = true};
    CodeTarget target;
    ck_assert(codegen_target(b.ctx, &options, &target));
    ScheduleOptions how;
    schedule_options_default(&how);
    how.vector_bytes = target.vector_bytes;
    how.vector_registers = target.vector_registers;
    b.loops = schedule_entry(b.ctx, &b.sample->program, &b.sample->program.entries.data[0], &how);
    ck_assert_ptr_nonnull(b.loops);
    b.module = codegen_module(b.ctx, &b.sample->program, &b.loops, 1, &options);
    ck_assert_ptr_nonnull(b.module);
    snprintf(b.folder, sizeof b.folder, "/tmp/bmc-link-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(b.folder));
    snprintf(b.path, sizeof b.path, "%s/step.so", b.folder);
}

static void teardown(void) {
    unlink(b.path);
    rmdir(b.folder);
    codegen_destroy(b.module);
    context_destroy(b.ctx);
}

typedef int (*OpenFn)(void **, const char *);
typedef void (*CloseFn)(void *);
typedef int (*GetFn)(void *, const char *, void *, size_t);
typedef int (*SetFn)(void *, const char *, const void *, size_t);
typedef int (*StepFn)(void *, int64_t, const float *, const int32_t *, float *, float *);

static void *symbol(void *library, const char *name) {
    void *f = dlsym(library, name);
    ck_assert_msg(f != NULL, "the library lacks %s", name);
    return f;
}

/* Conversion of dlsym's result, which ISO C does not allow directly. */
#define FUNCTION(type, variable, library, name)                                                    \
    type variable;                                                                                 \
    do {                                                                                           \
        void *address = symbol(library, name);                                                     \
        memcpy(&variable, &address, sizeof address);                                               \
    } while (0)

static void batch_make(uint32_t step, float *x, int32_t *y) {
    Random r = {step};
    for (int i = 0; i < BATCH * IN; i++) x[i] = (float)random_between(&r, -1, 1);
    for (int i = 0; i < BATCH; i++) y[i] = (int32_t)random_below(&r, OUT);
}

static void weights_make(const BmrtSlot *slot, float *to) {
    Random r = {(uint64_t)slot->offset};
    for (int64_t i = 0; i < slot->bytes / 4; i++)
        to[i] = slot->kind == BMRT_SLOT_PARAM ? (float)random_between(&r, -0.2, 0.2) : 0;
}

START_TEST(library_equals_jit) {
    CodeJit *jit = codegen_jit(b.module);
    const BmrtModel *model = codegen_jit_model(jit);
    ck_assert(codegen_link(b.module, b.path));
    void *library = dlopen(b.path, RTLD_NOW | RTLD_LOCAL);
    ck_assert_msg(library != NULL, "%s", dlerror());
    FUNCTION(OpenFn, open_model, library, "step_open");
    FUNCTION(CloseFn, close_model, library, "step_close");
    FUNCTION(GetFn, get, library, "step_get");
    FUNCTION(SetFn, set, library, "step_set");
    FUNCTION(StepFn, train_step, library, "step_train_step");
    void *m;
    BmrtHandle *h;
    ck_assert_int_eq(open_model(&m, NULL), 0);
    ck_assert_int_eq(bmrt_open(&h, model, NULL, 0, 2), BMRT_OK);
    static float buffer[IN * HIDDEN + 64], other[IN * HIDDEN + 64], x[BATCH * IN];
    int32_t y[BATCH];
    for (uint32_t i = 0; i < model->slot_count; i++) {
        weights_make(&model->slots[i], buffer);
        size_t bytes = (size_t)model->slots[i].bytes;
        ck_assert_int_eq(set(m, model->slots[i].path, buffer, bytes), 0);
        ck_assert_int_eq(bmrt_set(h, model->slots[i].path, buffer, bytes), BMRT_OK);
    }
    for (uint32_t step = 0; step < STEPS; step++) {
        float loss[2], accuracy[2];
        int64_t rows = step == 2 ? 7 : BATCH; /* beyond the bound of 16, and a short one */
        const void *inputs[] = {x, y};
        void *outputs[] = {&loss[1], &accuracy[1]};
        batch_make(step, x, y);
        ck_assert_int_eq(train_step(m, rows, x, y, &loss[0], &accuracy[0]), 0);
        ck_assert_msg(bmrt_step(h, 0, &rows, inputs, outputs) == BMRT_OK, "%s", bmrt_error(h));
        ck_assert_mem_eq(&loss[0], &loss[1], sizeof loss[0]);
        ck_assert_mem_eq(&accuracy[0], &accuracy[1], sizeof loss[0]);
        ck_assert(loss[0] > 0 && loss[0] < 10);
    }
    bool moved = false;
    for (uint32_t i = 0; i < model->slot_count; i++) {
        size_t bytes = (size_t)model->slots[i].bytes;
        ck_assert_int_eq(get(m, model->slots[i].path, buffer, bytes), 0);
        ck_assert_int_eq(bmrt_get(h, model->slots[i].path, other, bytes), BMRT_OK);
        ck_assert_mem_eq(buffer, other, bytes);
        weights_make(&model->slots[i], other);
        moved |= memcmp(buffer, other, bytes) != 0;
    }
    ck_assert(moved);
    close_model(m);
    bmrt_close(h);
    dlclose(library);
    codegen_jit_destroy(jit);
}
END_TEST

static void command_output(const char *command, char *out, size_t size) {
    FILE *p = popen(command, "r");
    ck_assert_ptr_nonnull(p);
    size_t len = fread(out, 1, size - 1, p);
    out[len] = '\0';
    ck_assert_int_eq(pclose(p), 0);
}

typedef const char *(*ErrorFn)(void *);
typedef int64_t (*WorkspaceFn)(void *, const char *, const int64_t *);
typedef int (*ThreadsFn)(void *, int32_t);
typedef int (*ScheduleFn)(void *, int64_t, int64_t);
typedef int (*SaveFn)(void *, const char *, int);
typedef int (*LoadFn)(void *, const char *);

START_TEST(every_function_does_its_part) {
    ck_assert(codegen_link(b.module, b.path));
    void *library = dlopen(b.path, RTLD_NOW | RTLD_LOCAL);
    ck_assert_msg(library != NULL, "%s", dlerror());
    FUNCTION(OpenFn, open_model, library, "step_open");
    FUNCTION(CloseFn, close_model, library, "step_close");
    FUNCTION(GetFn, get, library, "step_get");
    FUNCTION(SetFn, set, library, "step_set");
    FUNCTION(StepFn, train_step, library, "step_train_step");
    FUNCTION(ErrorFn, error, library, "step_error");
    FUNCTION(WorkspaceFn, workspace, library, "step_workspace");
    FUNCTION(ThreadsFn, set_threads, library, "step_set_threads");
    FUNCTION(ScheduleFn, set_schedule, library, "step_set_schedule");
    FUNCTION(SaveFn, save, library, "step_save");
    FUNCTION(LoadFn, load, library, "step_load");
    symbol(library, "step_set_seed");
    void *m, *none;
    ck_assert_int_eq(open_model(&m, NULL), 0);
    ck_assert_str_eq(error(m), "");
    int64_t small = 4, large = 4000;
    ck_assert_int_gt(workspace(m, "step", &small), 0);
    ck_assert_int_gt(workspace(m, "step", &large), workspace(m, "step", &small));
    ck_assert_int_lt(workspace(m, "stop", &small), 0);
    ck_assert_int_eq(set_threads(m, 1), 0);
    ck_assert_int_eq(set_schedule(m, 100, 10), 0);
    float w[IN * HIDDEN] = {0.5f}, read[IN * HIDDEN], loss, accuracy;
    ck_assert_int_eq(set(m, "net.dense1.w", w, sizeof w), 0);
    ck_assert_int_eq(set(m, "net.dense1.w", w, 4), BMRT_ARGUMENT);
    ck_assert_str_ne(error(m), "");
    ck_assert_int_eq(train_step(m, -1, w, (int32_t[]){0}, &loss, &accuracy), BMRT_SHAPE);
    ck_assert_int_eq(train_step(m, 1, NULL, (int32_t[]){0}, &loss, &accuracy), BMRT_ARGUMENT);
    char path[300];
    snprintf(path, sizeof path, "%s/w.safetensors", b.folder);
    ck_assert_int_eq(save(m, path, 1), 0);
    w[0] = 7;
    ck_assert_int_eq(set(m, "net.dense1.w", w, sizeof w), 0);
    ck_assert_int_eq(load(m, path), 0);
    ck_assert_int_eq(get(m, "net.dense1.w", read, sizeof read), 0);
    ck_assert(read[0] == 0.5f);
    ck_assert_int_eq(open_model(&none, "/nonexistent.safetensors"), BMRT_IO);
    ck_assert_str_ne(error(none), "");
    close_model(none);
    close_model(m);
    unlink(path);
    dlclose(library);
}
END_TEST

START_TEST(library_is_small_closed_and_hidden) {
    char command[1200], text[65536];
    struct stat info;
    ck_assert(codegen_link(b.module, b.path));
    ck_assert_int_eq(stat(b.path, &info), 0);
    ck_assert_msg(info.st_size < 200 * 1024, "%lld bytes", (long long)info.st_size);
    /* exported: the model's own names and nothing else */
    snprintf(command, sizeof command, "nm -D --defined-only %s", b.path);
    command_output(command, text, sizeof text);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        const char *name = strrchr(line, ' ');
        ck_assert_msg(name && strncmp(name + 1, "step_", 5) == 0, "exported: %s", line);
    }
    /* Linking it into a program with nothing but the C library, mathematics and threads succeeds
     * only when no other symbol is missing. */
    snprintf(command, sizeof command,
             "echo 'extern int step_open(void*,const char*); int main(void){return !step_open;}' "
             "| cc -x c - -x none -o %s.exe %s -lm -lpthread 2>&1; echo $?; rm -f %s.exe",
             b.path, b.path, b.path);
    command_output(command, text, sizeof text);
    ck_assert_str_eq(text, "0\n");
    snprintf(command, sizeof command, "readelf -lW %s | grep GNU_STACK", b.path);
    command_output(command, text, sizeof text);
    ck_assert_ptr_null(strstr(text, "RWE"));
}
END_TEST

START_TEST(no_page_is_writable_and_executable) {
    CodeJit *jit = codegen_jit(b.module);
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    uintptr_t run = (uintptr_t)codegen_jit_model(jit)->entries[0].run;
    bool found = false;
    ck_assert_ptr_nonnull(maps);
    while (fgets(line, sizeof line, maps)) {
        unsigned long from, to;
        char rights[8];
        ck_assert_int_eq(sscanf(line, "%lx-%lx %7s", &from, &to, rights), 3);
        ck_assert_msg(rights[1] != 'w' || rights[2] != 'x', "%s", line);
        if (run >= from && run < to) {
            found = true;
            ck_assert_str_eq(rights, "r-xp");
        }
    }
    ck_assert(found);
    fclose(maps);
    codegen_jit_destroy(jit);
}
END_TEST

START_TEST(header_compiles_as_c_and_cpp) {
    Text header = {.arena = b.ctx->arena};
    char path[300], command[900], out[4096];
    codegen_header(&header, &b.sample->program, &(HeaderOptions){.what = HEADER_LIBRARY});
    ck_assert_ptr_nonnull(strstr(text_str(&header), "int step_train_step(step *m, int64_t B, const "
                                                    "float *x, const int32_t *y, float *loss, "
                                                    "float *accuracy);"));
    snprintf(path, sizeof path, "%s/step.h", b.folder);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text_str(&header), f);
    fclose(f);
    snprintf(command, sizeof command,
             "(cc -std=c99 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -x c %s && "
             "c++ -std=c++11 -Wall -Wextra -Werror -fsyntax-only -x c++ %s) 2>&1; echo $?",
             path, path);
    command_output(command, out, sizeof out);
    ck_assert_str_eq(out, "0\n");
    unlink(path);
}
END_TEST

START_TEST(no_linker_says_what_to_install) {
    setenv("PATH", "/nonexistent", 1);
    ck_assert(!codegen_link(b.module, b.path));
    const Diag *d = diags_get(b.ctx->diags, 0);
    ck_assert_int_eq(d->code, E_LINK);
    ck_assert_uint_ge(d->helps.len, 1);
    ck_assert_ptr_nonnull(strstr(d->helps.data[0], "lld"));
    ck_assert_int_ne(access(b.path, F_OK), 0);
    /* nothing is left behind */
    ck_assert_int_eq(rmdir(b.folder), 0);
    ck_assert_ptr_nonnull(mkdtemp(strcpy(b.folder, "/tmp/bmc-link-XXXXXX")));
}
END_TEST

START_TEST(unwritable_library_is_reported) {
    ck_assert(!codegen_link(b.module, "/nonexistent/folder/step.so"));
    ck_assert_int_eq(diags_get(b.ctx->diags, 0)->code, E_FILE);
    ck_assert(!codegen_write(b.module, CODE_OBJECT, "/nonexistent/folder/step.o"));
    ck_assert_uint_eq(diags_errors(b.ctx->diags), 2);
}
END_TEST

START_TEST(text_is_the_same_before_and_after_code_generation) {
    Text before = {.arena = b.ctx->arena}, after = {.arena = b.ctx->arena};
    ck_assert(codegen_text(b.module, CODE_LLVM, &before));
    CodeJit *jit = codegen_jit(b.module);
    ck_assert(codegen_text(b.module, CODE_LLVM, &after));
    ck_assert_str_eq(text_str(&before), text_str(&after));
    codegen_jit_destroy(jit);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("codegen_link");
    TCase *t = tcase_create("link");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, library_equals_jit);
    tcase_add_test(t, every_function_does_its_part);
    tcase_add_test(t, library_is_small_closed_and_hidden);
    tcase_add_test(t, no_page_is_writable_and_executable);
    tcase_add_test(t, header_compiles_as_c_and_cpp);
    tcase_add_test(t, no_linker_says_what_to_install);
    tcase_add_test(t, unwritable_library_is_reported);
    tcase_add_test(t, text_is_the_same_before_and_after_code_generation);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
