/* bmc MODEL.bm -o X.so|X.a|X.o|X.ll|X.s, and --emit. */
#include "compiler/driver/embed_weights.h"
#include "compiler/driver/file_output.h"
#include "compiler/driver/pipeline.h"

typedef enum OutputKind {
    OUTPUT_LIBRARY,
    OUTPUT_ARCHIVE,
    OUTPUT_OBJECT,
    OUTPUT_LLVM,
    OUTPUT_ASSEMBLY
} OutputKind;

static const struct {
    const char *suffix;
    OutputKind kind;
} OUTPUTS[] = {{".so", OUTPUT_LIBRARY},
               {".a", OUTPUT_ARCHIVE},
               {".o", OUTPUT_OBJECT},
               {".ll", OUTPUT_LLVM},
               {".s", OUTPUT_ASSEMBLY}};

static bool output_kind(Session *s, const char *path, OutputKind *kind) {
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof OUTPUTS / sizeof *OUTPUTS; i++) {
        if (strcmp(dot, OUTPUTS[i].suffix) != 0) continue;
        *kind = OUTPUTS[i].kind;
        return true;
    }
    Diag *d = session_error(s, E_OPTION, "`-o %s`: the suffix does not say what to write", path);
    diag_help(d, "end it with .so, .a, .o, .ll or .s");
    return false;
}

/* mlp.so -> mlp.h */
static bool write_header(Pipeline *p, const char *path, HeaderFor what) {
    size_t stem = (size_t)(strrchr(path, '.') - path);
    const char *header = arena_printf(p->ctx->arena, "%.*s.h", (int)stem, path);
    Text text = {.arena = p->ctx->arena};
    const HeaderOptions options = {.what = what,
                                   .single_thread = p->codegen.single_thread,
                                   .memory_bytes = codegen_memory(p->module),
                                   .static_batch = p->static_batch,
                                   .workspace_bytes = codegen_workspace(p->module)};
    codegen_header(&text, p->program, &options);
    return file_replace(p->ctx, header, text_str(&text), text.len);
}

static bool write_output(Pipeline *p, const char *path, OutputKind kind) {
    static const CodeFile FILES[] = {[OUTPUT_OBJECT] = CODE_OBJECT,
                                     [OUTPUT_LLVM] = CODE_LLVM,
                                     [OUTPUT_ASSEMBLY] = CODE_ASSEMBLY};
    if (kind == OUTPUT_LIBRARY) {
        p->library_path = path;
        return pipeline_run(p, PASS_link) && write_header(p, path, HEADER_LIBRARY);
    }
    if (kind == OUTPUT_ARCHIVE)
        return codegen_archive(p->module, path) && write_header(p, path, HEADER_ARCHIVE);
    if (!codegen_write(p->module, FILES[kind], path)) return false;
    return kind != OUTPUT_OBJECT || write_header(p, path, HEADER_OBJECT);
}

/* Options about the runtime's part, for what has one. */
static bool suits_runtime(Session *s, const char *path, OutputKind kind) {
    static const struct {
        OptionId option;
        const char *why;
    } ROWS[] = {
        {OPTION_single_thread, "`--single-thread` leaves threads out of the runtime"},
        {OPTION_multiversion, "`--multiversion` chooses the code by means of the runtime"},
    };
    if (option_given(&s->options, OPTION_freestanding) && kind != OUTPUT_ARCHIVE) {
        Diag *d = session_error(s, E_OPTION, "`--freestanding` makes archives, not `%s`", path);
        diag_help(d, "`-o MODEL.a`");
        return false;
    }
    if (kind == OUTPUT_LIBRARY || kind == OUTPUT_ARCHIVE) return true;
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        if (!option_given(&s->options, ROWS[i].option)) continue;
        Diag *d = session_error(s, E_OPTION, "%s, which is not in `%s` anyway", ROWS[i].why, path);
        diag_help(d, "write a .so or an .a, which carry the runtime");
        return false;
    }
    return true;
}

static bool suits_versions(Session *s) {
    static const struct {
        OptionId option;
        const char *name, *why;
    } ROWS[] = {
        {OPTION_freestanding, "--freestanding",
         "without an operating system there is nobody to ask for the processor"},
        {OPTION_march, "-march",
         "`--multiversion` has code for `x86-64-v3` and `x86-64-v4`; `-march=CPU` for one"},
        {OPTION_tune, "--tune", "what is measured here says nothing of the other version"},
    };
    const char *target = s->options.value[OPTION_target];
    if (!option_given(&s->options, OPTION_multiversion)) return true;
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        if (!option_given(&s->options, ROWS[i].option)) continue;
        Diag *d = session_error(s, E_OPTION, "`--multiversion` and `%s` exclude each other",
                                ROWS[i].name);
        diag_help(d, "%s", ROWS[i].why);
        return false;
    }
    if (!target || strncmp(target, "x86_64", 6) == 0) return true;
    Diag *d = session_error(
        s, E_OPTION, "`--multiversion` is about levels of x86-64, which `%s` is not", target);
    diag_help(d, "leave it out: `-march` is the one processor that the code is for");
    return false;
}

static ExitCode build_output(Pipeline *p, const char *path) {
    Session *s = p->session;
    OutputKind kind;
    if (!output_kind(s, path, &kind) || !suits_runtime(s, path, kind) || !suits_versions(s))
        return EXIT_CODE_USAGE;
    if (!file_writable(s->ctx, path)) return EXIT_CODE_RUN; /* said before the work, not after */
    const char *weights = s->options.value[OPTION_embed_weights];
    if (!pipeline_run(p, PASS_elaborate)) return EXIT_CODE_INPUT;
    if (weights && !embed_weights(p, weights)) return EXIT_CODE_RUN;
    if (!pipeline_run(p, kind == OUTPUT_LLVM ? PASS_emit : PASS_object)) return EXIT_CODE_INPUT;
    return write_output(p, path, kind) ? EXIT_CODE_OK : EXIT_CODE_RUN;
}

static ExitCode emit_pass(Pipeline *p, PassId last) {
    if (last >= PASS_link) last = PASS_object;
    if (!pipeline_run(p, last)) return EXIT_CODE_INPUT;
    Text text = {.arena = p->ctx->arena};
    pipeline_print(p, &text);
    return session_write(p->session, text_str(&text), text.len);
}

ExitCode command_build(Session *s) {
    if (!session_words(s, 1, 1)) return EXIT_CODE_USAGE;
    const char *emit = s->options.value[OPTION_emit], *output = s->options.value[OPTION_output];
    if (emit == NULL && output == NULL) {
        Diag *d = session_error(s, E_OPTION, "nothing to write: `bmc build` wants `-o FILE`");
        diag_help(d, "`bmc %s -o %s.so`", s->options.words.data[0],
                  session_stem(s, s->options.words.data[0]));
        diag_help(d, "to train it: `bmc train %s`", s->options.words.data[0]);
        return EXIT_CODE_USAGE;
    }
    Pipeline p;
    ExitCode code = EXIT_CODE_INPUT;
    uint32_t roots = option_given(&s->options, OPTION_no_train) ? SEMA_EXPORTS : SEMA_ALL;
    if (pipeline_open(&p, s, s->options.words.data[0], roots))
        code = emit ? emit_pass(&p, pass_find(emit)) : build_output(&p, output);
    pipeline_close(&p);
    return code;
}
