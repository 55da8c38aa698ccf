/* What an installed bmc gives a shell: the manual page (roff) and completions for bash, zsh and
 * fish. All of it is written from the tables of commands and options, so it cannot fall behind. */
#include "compiler/driver/help_topics.h"

/* ------------------------------------------------------------------ manual page */

/* roff reads a line that starts with . or ' as a request, \ as an escape, - as a hyphen. */
static void roff_text(Text *t, const char *text) {
    bool line_start = true;
    for (const char *c = text; *c; c++) {
        if (line_start && (*c == '.' || *c == '\'')) text_add(t, "\\&");
        line_start = *c == '\n';
        if (*c == '\\')
            text_add(t, "\\e");
        else if (*c == '-')
            text_add(t, "\\-");
        else
            text_char(t, *c);
    }
}

static void roff_option(Text *t, const OptionInfo *o) {
    text_add(t, ".TP\n.B ");
    if (o->short_spelling) {
        roff_text(t, o->short_spelling);
        text_add(t, ", ");
    }
    roff_text(t, o->spelling);
    if (o->argument) {
        const char *equals = o->kind == KIND_LEVEL ? "" : "=";
        bool optional = o->kind == KIND_OPTIONAL;
        text_printf(t, "%s%s\\fI%s\\fR%s", optional ? "[" : "", equals, o->argument,
                    optional ? "]" : "");
    }
    text_char(t, '\n');
    roff_text(t, o->help);
    text_char(t, '\n');
}

static void roff_command(Text *t, const CommandInfo *c) {
    text_add(t, ".SS ");
    roff_text(t, c->name);
    text_add(t, "\n.B bmc ");
    roff_text(t, c->name);
    text_char(t, ' ');
    roff_text(t, c->arguments);
    text_add(t, "\n.PP\n.nf\n");
    roff_text(t, c->text);
    text_add(t, ".fi\n");
}

void help_man_page(Text *t) {
    text_printf(t, ".TH BMC 1 \"\" \"bmc %s\" \"User Commands\"\n", BMC_VERSION);
    text_add(t, ".SH NAME\nbmc \\- compile neural networks, written as text, to native code\n"
                ".SH SYNOPSIS\n.B bmc\n.I MODEL.bm\n.B \\-o\n.I FILE\n.RI [ option ...]\n.br\n"
                ".B bmc\n.I COMMAND\n.RI [ argument ...]\n.RI [ option ...]\n"
                ".SH DESCRIPTION\nA model file describes layers, loss, optimizer and data. bmc "
                "differentiates it\nand compiles forward pass, backward pass and update into one "
                "native function:\nto train, test and run it from the command line, or as a "
                "library that needs\nnothing else.\n.SH COMMANDS\n");
    for (uint32_t i = 0; i < COMMAND_COUNT; i++) roff_command(t, command_info((CommandId)i));
    text_add(t, ".SH OPTIONS\n");
    for (uint32_t i = 0; i < OPTION_COUNT; i++) roff_option(t, option_info((OptionId)i));
    text_add(t, ".SH EXIT STATUS\n.nf\n");
    Text codes = {.arena = t->arena};
    help_exit_codes(&codes);
    roff_text(t, text_str(&codes));
    text_add(t,
             ".fi\n.SH ENVIRONMENT\n.TP\n.B NO_COLOR\nmessages have no colour when it is set and "
             "not empty\n");
}

/* ------------------------------------------------------------------ completions */

static bool names_files(const OptionInfo *o) {
    return o->argument && (strcmp(o->argument, "FILE") == 0 || strcmp(o->argument, "LIB") == 0 ||
                           strcmp(o->argument, "DIR") == 0);
}

static bool belongs(const OptionInfo *o, CommandId command) {
    return o->commands >> command & 1u;
}

static void bash_options(Text *t, CommandId command) {
    for (uint32_t i = 0; i < OPTION_COUNT; i++) {
        const OptionInfo *o = option_info((OptionId)i);
        if (!belongs(o, command)) continue;
        text_printf(t, " %s", o->spelling);
        if (o->short_spelling) text_printf(t, " %s", o->short_spelling);
    }
}

void help_completion_bash(Text *t) {
    text_add(t, "# bash completion of bmc; written by `bmc help completion-bash`\n"
                "_bmc() {\n"
                "    local word=${COMP_WORDS[COMP_CWORD]} command=build options=\"\" i\n"
                "    COMPREPLY=()\n"
                "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
                "        case ${COMP_WORDS[i]} in\n            ");
    for (uint32_t i = 0; i < COMMAND_COUNT; i++)
        text_printf(t, "%s%s", i ? " | " : "", command_info((CommandId)i)->name);
    text_add(t, ") command=${COMP_WORDS[i]}; break ;;\n        esac\n    done\n"
                "    case $command in\n");
    for (uint32_t i = 0; i < COMMAND_COUNT; i++) {
        text_printf(t, "        %s) options=\"", command_info((CommandId)i)->name);
        bash_options(t, (CommandId)i);
        text_add(t, "\" ;;\n");
    }
    text_add(t, "    esac\n"
                "    if [[ $word == -* ]]; then\n"
                "        COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n"
                "    elif ((COMP_CWORD == 1)); then\n"
                "        COMPREPLY=($(compgen -W \"");
    for (uint32_t i = 0; i < COMMAND_COUNT; i++)
        text_printf(t, "%s ", command_info((CommandId)i)->name);
    text_add(t, "\" -- \"$word\") $(compgen -f -X '!*.bm' -- \"$word\"))\n"
                "    else\n"
                "        COMPREPLY=($(compgen -f -- \"$word\"))\n"
                "    fi\n"
                "}\n"
                "complete -o filenames -F _bmc bmc\n");
}

/* In single quotes; a quote inside becomes '\'' (the string ends, a quote, the string goes on).
 * `special` characters get a backslash. */
static void quoted(Text *t, const char *text, const char *special) {
    for (const char *c = text; *c; c++) {
        if (*c == '\'')
            text_add(t, "'\\''");
        else {
            if (strchr(special, *c)) text_char(t, '\\');
            text_char(t, *c);
        }
    }
}

static void zsh_option(Text *t, const OptionInfo *o, const char *spelling) {
    text_printf(t, "        '%s", spelling);
    if (o->argument && o->kind != KIND_OPTIONAL) text_add(t, spelling[1] == '-' ? "=" : "+");
    text_char(t, '[');
    quoted(t, o->help, "[]");
    text_char(t, ']');
    if (o->argument && o->kind != KIND_OPTIONAL)
        text_printf(t, ":%s:%s", o->argument, names_files(o) ? "_files" : "");
    text_add(t, "'\n");
}

void help_completion_zsh(Text *t) {
    text_add(t, "#compdef bmc\n# zsh completion of bmc; written by `bmc help completion-zsh`\n"
                "_bmc() {\n    local -a commands options\n    commands=(\n");
    for (uint32_t i = 0; i < COMMAND_COUNT; i++) {
        const CommandInfo *c = command_info((CommandId)i);
        text_printf(t, "        '%s:", c->name);
        quoted(t, c->summary, ":");
        text_add(t, "'\n");
    }
    text_add(t, "    )\n    if ((CURRENT == 2)) && [[ $words[2] != -* ]]; then\n"
                "        _describe command commands\n        _files -g '*.bm'\n        return\n"
                "    fi\n    case $words[2] in\n");
    for (uint32_t i = 0; i < COMMAND_COUNT; i++) {
        /* a file in the command's place: build */
        text_printf(t, "    %s) options=(\n",
                    i == COMMAND_build ? "build | *.bm | -*" : command_info((CommandId)i)->name);
        for (uint32_t k = 0; k < OPTION_COUNT; k++) {
            const OptionInfo *o = option_info((OptionId)k);
            if (!belongs(o, (CommandId)i)) continue;
            zsh_option(t, o, o->spelling);
            if (o->short_spelling) zsh_option(t, o, o->short_spelling);
        }
        text_add(t, "    ) ;;\n");
    }
    text_add(t, "    esac\n    _arguments $options '*:file:_files'\n}\n_bmc \"$@\"\n");
}

static void fish_option(Text *t, const OptionInfo *o) {
    text_add(t, "complete -c bmc");
    /* -march, -O: fish calls one dash and several letters "old style" */
    const char *spellings[] = {o->spelling, o->short_spelling};
    for (int i = 0; i < 2; i++) {
        const char *s = spellings[i];
        if (s == NULL) continue;
        if (s[1] == '-')
            text_printf(t, " -l %s", s + 2);
        else
            text_printf(t, " -%c %s", s[2] ? 'o' : 's', s + 1);
    }
    if (o->commands != (1u << COMMAND_COUNT) - 1u) {
        text_add(t, " -n '");
        if (belongs(o, COMMAND_build)) text_add(t, "__fish_use_subcommand; or ");
        text_add(t, "__fish_seen_subcommand_from");
        for (uint32_t c = 0; c < COMMAND_COUNT; c++)
            if (belongs(o, (CommandId)c)) text_printf(t, " %s", command_info((CommandId)c)->name);
        text_char(t, '\'');
    }
    if (o->argument && o->kind != KIND_OPTIONAL) text_add(t, names_files(o) ? " -r -F" : " -x");
    text_add(t, " -d '");
    quoted(t, o->help, "");
    text_add(t, "'\n");
}

void help_completion_fish(Text *t) {
    text_add(t, "# fish completion of bmc; written by `bmc help completion-fish`\n");
    for (uint32_t i = 0; i < COMMAND_COUNT; i++) {
        const CommandInfo *c = command_info((CommandId)i);
        text_printf(t, "complete -c bmc -n __fish_use_subcommand -a %s -d '", c->name);
        quoted(t, c->summary, "");
        text_add(t, "'\n");
    }
    for (uint32_t i = 0; i < OPTION_COUNT; i++) fish_option(t, option_info((OptionId)i));
}
