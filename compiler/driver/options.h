/* The command line as data. What exists stands in commands.def and options.def; nothing here knows
 * a single option by name except -D, which may be repeated. */
#ifndef BMC_DRIVER_OPTIONS_H
#define BMC_DRIVER_OPTIONS_H

#include "compiler/sema/sema.h"

typedef enum CommandId {
#define COMMAND(name, arguments, summary, text) COMMAND_##name,
#include "compiler/driver/commands.def"
#undef COMMAND
    COMMAND_COUNT
} CommandId;

typedef struct CommandInfo {
    const char *name, *arguments, *summary, *text;
} CommandInfo;
const CommandInfo *command_info(CommandId id);
CommandId command_find(const char *name); /* COMMAND_COUNT: none */

typedef enum OptionKind {
    KIND_FLAG,     /* no value */
    KIND_TEXT,     /* anything but nothing */
    KIND_OPTIONAL, /* as a flag, or with "=VALUE"; "" when there is none */
    KIND_DEFINE,   /* NAME=VALUE, collected in Options.defines */
    KIND_PATHS,    /* paths of weights, collected in Options.only */
    KIND_RENAME,   /* OLD=NEW, collected in Options.renames */
    KIND_LIBRARY,  /* shared libraries, collected in Options.libraries */
    KIND_LEVEL,    /* glued: 0, 1, 2, 3 */
    KIND_PASS,     /* a pass, a form, or `all` */
    KIND_THREADS,  /* 1 .. 1024 */
    KIND_COUNT,    /* 1 .. 2^30 */
    KIND_SEED,     /* unsigned 64 bit */
    KIND_COLOR     /* auto, always, never */
} OptionKind;

typedef enum OptionId {
#define OPTION(id, spelling, short, argument, kind, commands, help) OPTION_##id,
#include "compiler/driver/options.def"
#undef OPTION
    OPTION_COUNT
} OptionId;

typedef struct OptionInfo {
    const char *spelling, *short_spelling, *argument;
    OptionKind kind;
    uint32_t commands; /* bit i: command i */
    const char *help;
} OptionInfo;
const OptionInfo *option_info(OptionId id);

typedef struct Options {
    CommandId command;
    const char *value[OPTION_COUNT]; /* NULL: not given; a flag's value is "" */
    VEC(Define) defines;
    VEC(const char *) only;
    VEC(const char *) libraries;
    VEC(const char *) renames; /* pairs: old, new */
    VEC(const char *) words;   /* what is neither a command nor an option */
} Options;

/* Reads argv. False, with E_OPTION diagnostics, when it is not understood; `out` then still holds
 * what was read, so that --json and --color rule how the mistake is shown. */
bool options_parse(Context *ctx, int argc, char *const *argv, Options *out);

static inline bool option_given(const Options *o, OptionId id) {
    return o->value[id] != NULL;
}
/* The value as a number; `fallback` when not given. options_parse has checked its range. */
uint64_t option_number(const Options *o, OptionId id, uint64_t fallback);

#endif
