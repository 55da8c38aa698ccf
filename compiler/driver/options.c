/* Reading the command line. */
#include "compiler/driver/options.h"
#include "compiler/driver/passes.h"
#include <errno.h>
#include <stdlib.h>

#define ON(command) (1u << COMMAND_##command)
#define ANYWHERE    ((1u << COMMAND_COUNT) - 1u)

static const CommandInfo COMMANDS[] = {
#define COMMAND(name, arguments, summary, text) {#name, arguments, summary, text},
#include "compiler/driver/commands.def"
#undef COMMAND
};

static const OptionInfo OPTIONS[] = {
#define OPTION(id, spelling, short, argument, kind, commands, help)                                \
    {spelling, short, argument, kind, commands, help},
#include "compiler/driver/options.def"
#undef OPTION
};

const CommandInfo *command_info(CommandId id) {
    return &COMMANDS[id];
}

CommandId command_find(const char *name) {
    uint32_t i = 0;
    while (i < COMMAND_COUNT && strcmp(COMMANDS[i].name, name) != 0) i++;
    return (CommandId)i;
}

const OptionInfo *option_info(OptionId id) {
    return &OPTIONS[id];
}

uint64_t option_number(const Options *o, OptionId id, uint64_t fallback) {
    return o->value[id] ? strtoull(o->value[id], NULL, 10) : fallback;
}

/* ---- values */

#define option_error(ctx, ...) ctx_error((ctx), E_OPTION, ((Span){0}), __VA_ARGS__)

static bool value_number(Context *ctx, const OptionInfo *o, const char *value, uint64_t low,
                         uint64_t high) {
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(value, &end, 10);
    bool digits = *value >= '0' && *value <= '9' && *end == '\0';
    if (digits && errno == 0 && number >= low && number <= high) return true;
    Diag *d = option_error(ctx, "`%s` wants a whole number, got `%s`", o->spelling, value);
    diag_note(d, "allowed: %llu to %llu", (unsigned long long)low, (unsigned long long)high);
    return false;
}

static bool value_define(Context *ctx, const OptionInfo *o, const char *value, Options *out) {
    const char *equals = strchr(value, '=');
    if (equals == NULL || equals == value || equals[1] == '\0') {
        Diag *d = option_error(ctx, "`%s` wants NAME=VALUE, got `%s`", o->short_spelling, value);
        diag_help(d, "`-D width=512` gives `let width` the value 512");
        return false;
    }
    Define define = {arena_strndup(ctx->arena, value, (size_t)(equals - value)), equals + 1};
    vec_push(ctx->arena, &out->defines, define);
    return true;
}

static bool value_rename(Context *ctx, const OptionInfo *o, const char *value, Options *out) {
    const char *equals = strchr(value, '=');
    if (!equals || equals == value || equals[1] == '\0') {
        Diag *d = option_error(ctx, "`%s` wants OLD=NEW, got `%s`", o->spelling, value);
        diag_help(d, "`--rename net.out=net.head`: net.out.w of the file becomes net.head.w");
        return false;
    }
    const char *old = arena_strndup(ctx->arena, value, (size_t)(equals - value));
    vec_push(ctx->arena, &out->renames, old);
    vec_push(ctx->arena, &out->renames, equals + 1);
    return true;
}

static bool value_pass(Context *ctx, const OptionInfo *o, const char *value) {
    bool all = o == &OPTIONS[OPTION_print_after] && strcmp(value, "all") == 0;
    if (all || pass_find(value) != PASS_COUNT) return true;
    Nearest near = {.wanted = value};
    for (uint32_t i = 0; i < PASS_COUNT; i++) nearest_offer(&near, pass_info((PassId)i)->name);
    for (uint32_t i = 0; i < FORM_COUNT; i++) nearest_offer(&near, form_info((Form)i)->name);
    Diag *d = option_error(ctx, "`%s`: there is no pass or form `%s`", o->spelling, value);
    if (near.best) diag_help(d, "did you mean `%s`?", near.best);
    diag_help(d, "`bmc help passes` lists them");
    return false;
}

static bool value_color(Context *ctx, const OptionInfo *o, const char *value) {
    if (!strcmp(value, "auto") || !strcmp(value, "always") || !strcmp(value, "never")) return true;
    option_error(ctx, "`%s` is auto, always or never, not `%s`", o->spelling, value);
    return false;
}

static bool value_level(Context *ctx, const OptionInfo *o, const char *value) {
    if (value[0] >= '0' && value[0] <= '3' && value[1] == '\0') return true;
    option_error(ctx, "`%s` is followed by 0, 1, 2 or 3, not by `%s`", o->spelling, value);
    return false;
}

static bool value_accept(Context *ctx, OptionId id, const char *value, Options *out) {
    const OptionInfo *o = &OPTIONS[id];
    out->value[id] = value;
    if (o->kind != KIND_FLAG && *value == '\0') {
        option_error(ctx, "`%s` wants %s, got nothing", o->spelling, o->argument);
        return false;
    }
    switch (o->kind) {
    case KIND_DEFINE: return value_define(ctx, o, value, out);
    case KIND_RENAME: return value_rename(ctx, o, value, out);
    case KIND_PATHS: vec_push(ctx->arena, &out->only, value); break;
    case KIND_LIBRARY: vec_push(ctx->arena, &out->libraries, value); break;
    case KIND_LEVEL: return value_level(ctx, o, value);
    case KIND_PASS: return value_pass(ctx, o, value);
    case KIND_THREADS: return value_number(ctx, o, value, 1, 1024);
    case KIND_COUNT: return value_number(ctx, o, value, 1, 1u << 30);
    case KIND_SEED: return value_number(ctx, o, value, 0, UINT64_MAX);
    case KIND_COLOR: return value_color(ctx, o, value);
    case KIND_TEXT:
    case KIND_OPTIONAL:
    case KIND_FLAG: break;
    }
    return true;
}

/* ---- spellings */

typedef struct Match {
    OptionId id;       /* OPTION_COUNT: none */
    const char *value; /* NULL: in the next word */
} Match;

/* `--name`, `--name=V`, `-n`, `-nV` (options with a value only), `-O2`. */
static bool match_one(const OptionInfo *o, const char *word, const char **value) {
    const char *spellings[2] = {o->spelling, o->short_spelling};
    for (int i = 0; i < 2; i++) {
        const char *spelling = spellings[i];
        size_t len = spelling ? strlen(spelling) : 0;
        if (len == 0 || strncmp(word, spelling, len) != 0) continue;
        const char *rest = word + len;
        if (*rest == '\0' && o->kind != KIND_LEVEL) {
            *value = NULL;
            return true;
        }
        bool glued = o->kind == KIND_LEVEL || (len == 2 && o->kind != KIND_FLAG);
        if (!glued && *rest != '=') continue;
        *value = glued ? rest : rest + 1;
        return true;
    }
    return false;
}

static Match match_option(const char *word) {
    Match m = {OPTION_COUNT, NULL};
    for (uint32_t i = 0; i < OPTION_COUNT; i++) {
        if (match_one(&OPTIONS[i], word, &m.value)) {
            m.id = (OptionId)i;
            return m;
        }
    }
    return m;
}

static void unknown_option(Context *ctx, const char *word) {
    const char *name = arena_strndup(ctx->arena, word, strcspn(word, "="));
    Nearest near = {.wanted = name};
    for (uint32_t i = 0; i < OPTION_COUNT; i++) nearest_offer(&near, OPTIONS[i].spelling);
    Diag *d = option_error(ctx, "unknown option `%s`", name);
    if (near.best) diag_help(d, "did you mean `%s`?", near.best);
    diag_help(d, "`bmc help options` lists all options");
}

/* Consumes one option and, when it stands apart, its value. */
static bool take_option(Context *ctx, int argc, char *const *argv, int *i, Options *out) {
    const char *word = argv[*i];
    Match m = match_option(word);
    if (m.id == OPTION_COUNT) {
        unknown_option(ctx, word);
        return false;
    }
    const OptionInfo *o = &OPTIONS[m.id];
    if (o->kind == KIND_FLAG || (o->kind == KIND_OPTIONAL && m.value == NULL)) {
        if (m.value) {
            option_error(ctx, "`%s` takes no value, got `%s`", o->spelling, m.value);
            return false;
        }
        out->value[m.id] = "";
        return true;
    }
    if (m.value == NULL && *i + 1 >= argc) {
        option_error(ctx, "`%s` wants %s", word, o->argument);
        return false;
    }
    return value_accept(ctx, m.id, m.value ? m.value : argv[++*i], out);
}

/* ---- the command */

static bool looks_like_file(const char *word) {
    size_t len = strlen(word);
    return strchr(word, '/') || (len > 3 && strcmp(word + len - 3, ".bm") == 0);
}

static bool choose_command(Context *ctx, Options *out) {
    bool help = option_given(out, OPTION_help);
    if (out->words.len == 0) {
        out->command = option_given(out, OPTION_version) ? COMMAND_version : COMMAND_help;
        return true;
    }
    const char *first = out->words.data[0];
    CommandId command = command_find(first);
    if (command == COMMAND_COUNT && looks_like_file(first)) {
        out->command = COMMAND_build;
    } else if (command == COMMAND_COUNT) {
        Nearest near = {.wanted = first};
        for (uint32_t i = 0; i < COMMAND_COUNT; i++) nearest_offer(&near, COMMANDS[i].name);
        Diag *d = option_error(ctx, "unknown command `%s`", first);
        if (near.best) diag_help(d, "did you mean `bmc %s`?", near.best);
        diag_help(d, "`bmc help` lists the commands; a model file ends in .bm");
        return false;
    } else if (help && command != COMMAND_help) { /* `bmc train --help` is `bmc help train` */
        out->words.len = 1;
        out->command = COMMAND_help;
        return true;
    } else {
        out->command = command;
        memmove(out->words.data, out->words.data + 1, (out->words.len - 1) * sizeof(char *));
        out->words.len--;
    }
    if (help) {
        out->words.data[0] = COMMANDS[out->command].name;
        out->words.len = 1;
        out->command = COMMAND_help;
    }
    return true;
}

static bool check_applies(Context *ctx, const Options *out) {
    bool fine = true;
    for (uint32_t i = 0; i < OPTION_COUNT; i++) {
        if (out->value[i] == NULL || (OPTIONS[i].commands >> out->command & 1u)) continue;
        Diag *d = option_error(ctx, "`bmc %s` has no option `%s`", COMMANDS[out->command].name,
                               OPTIONS[i].spelling);
        Text where = {.arena = ctx->arena};
        for (uint32_t c = 0; c < COMMAND_COUNT; c++)
            if (OPTIONS[i].commands >> c & 1u) text_printf(&where, " %s", COMMANDS[c].name);
        diag_note(d, "it belongs to:%s", text_str(&where));
        fine = false;
    }
    return fine;
}

bool options_parse(Context *ctx, int argc, char *const *argv, Options *out) {
    *out = (Options){.command = COMMAND_help};
    bool fine = true, only_words = false;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (!only_words && strcmp(word, "--") == 0)
            only_words = true;
        else if (!only_words && word[0] == '-' && word[1] != '\0')
            fine = take_option(ctx, argc, argv, &i, out) && fine;
        else
            vec_push(ctx->arena, &out->words, word);
    }
    if (!fine) return false; /* the rest would only repeat the mistake */
    return choose_command(ctx, out) && check_applies(ctx, out);
}
