/* bmc help: everything it prints comes from the tables. */
#include "compiler/driver/cli_session.h"
#include "compiler/driver/help_topics.h"
#include "compiler/driver/passes.h"
#include "compiler/sema/word_table.h"

static void add_option(Text *t, const OptionInfo *o) {
    Text left = {.arena = t->arena};
    if (o->short_spelling) text_printf(&left, "%s, ", o->short_spelling);
    text_add(&left, o->spelling);
    if (o->argument && o->kind == KIND_OPTIONAL)
        text_printf(&left, "[=%s]", o->argument);
    else if (o->argument)
        text_printf(&left, "%s%s", o->kind == KIND_LEVEL ? "" : "=", o->argument);
    text_printf(t, "  %-26s %s\n", text_str(&left), o->help);
}

static void help_overview(Text *t) {
    text_add(t, "bmc compiles models, described as text, to native training and inference code.\n\n"
                "usage: bmc MODEL.bm -o FILE [option...]\n"
                "       bmc COMMAND [argument...] [option...]\n\ncommands\n");
    for (uint32_t i = 0; i < COMMAND_COUNT; i++)
        text_printf(t, "  %-8s %s\n", command_info((CommandId)i)->name,
                    command_info((CommandId)i)->summary);
    text_add(t,
             "\nbmc help COMMAND tells more; other topics: options, passes, codes, exit-codes,\n"
             "an error code such as E0007, words (of the language), one of them such as sum, csv\n"
             "or '|>', prelude, a subject of it such as losses, or a definition such as dense.\n"
             "`bmc help man` is the manual page; completion-bash, completion-zsh and\n"
             "completion-fish are for your shell's completions.\n");
}

static void help_of_command(Text *t, CommandId id) {
    const CommandInfo *c = command_info(id);
    text_printf(t, "usage: bmc %s %s\n\n%s", c->name, c->arguments, c->text);
    text_add(t, "\noptions\n");
    for (uint32_t i = 0; i < OPTION_COUNT; i++)
        if (option_info((OptionId)i)->commands >> id & 1u) add_option(t, option_info((OptionId)i));
}

static void help_options(Text *t) {
    for (uint32_t i = 0; i < OPTION_COUNT; i++) {
        const OptionInfo *o = option_info((OptionId)i);
        add_option(t, o);
        text_printf(t, "  %-26s   for:", "");
        if (o->commands == (1u << COMMAND_COUNT) - 1u)
            text_add(t, " every command");
        else
            for (uint32_t c = 0; c < COMMAND_COUNT; c++)
                if (o->commands >> c & 1u) text_printf(t, " %s", command_info((CommandId)c)->name);
        text_char(t, '\n');
    }
}

static void help_passes(Text *t) {
    text_add(t, "passes, in order (--emit=NAME, --print-after=NAME)\n");
    for (uint32_t i = 0; i < PASS_COUNT; i++) {
        const PassInfo *p = pass_info((PassId)i);
        text_printf(t, "  %-14s %-7s-> %-8s %s\n", p->name, form_info(p->from)->name,
                    form_info(p->to)->name, p->help);
    }
    text_add(t, "\nforms of the program (--emit=NAME: after the last pass that gives it)\n");
    for (uint32_t i = 0; i < FORM_COUNT; i++)
        text_printf(t, "  %-14s %s\n", form_info((Form)i)->name, form_info((Form)i)->help);
}

static void help_codes(Text *t) {
    for (uint32_t i = 0; i < CODE_COUNT; i++)
        text_printf(t, "  %s  %s\n", code_info((Code)i)->id, code_info((Code)i)->title);
}

void help_exit_codes(Text *t) {
    text_add(
        t, "  0    done\n"
           "  1    the model or its settings are wrong (or, with fmt --check, files would change)\n"
           "  2    the command line is wrong\n"
           "  3    something failed while running: reading data, a loss that is not finite,\n"
           "       writing a file\n"
           "  4    a bug of bmc\n"
           "  130  interrupted; what was learnt so far is saved\n");
}

static void help_of_code(Text *t, Code code) {
    const CodeInfo *c = code_info(code);
    text_printf(t, "%s: %s\n", c->id, c->title);
    if (*c->page) text_printf(t, "\n%s\n", c->page);
}

static void help_words(Text *t) {
    text_add(
        t, "The words of the language; `bmc help WORD` explains one, `bmc help prelude` lists the\n"
           "definitions of the standard library.\n\n");
    word_list(t);
}

static bool help_word(Text *t, const char *name, Nearest *near) {
    const WordInfo *word = word_find(name);
    for (uint32_t i = 0; word_at_number(i) && !word; i++) {
        nearest_offer(near, word_at_number(i)->name);
        if (word_at_number(i)->other) nearest_offer(near, word_at_number(i)->other);
    }
    if (word) word_page(t, word);
    return word != NULL;
}

static bool help_topic(Session *s, Text *t, const char *topic) {
    static const struct {
        const char *name;
        void (*write)(Text *t);
    } TOPICS[] = {{"options", help_options},
                  {"passes", help_passes},
                  {"codes", help_codes},
                  {"words", help_words},
                  {"exit-codes", help_exit_codes},
                  {"man", help_man_page},
                  {"completion-bash", help_completion_bash},
                  {"completion-zsh", help_completion_zsh},
                  {"completion-fish", help_completion_fish}};
    CommandId command = command_find(topic);
    if (command != COMMAND_COUNT) {
        help_of_command(t, command);
        if (word_find(topic)) {
            text_add(t, "\nin the language\n\n");
            word_page(t, word_find(topic));
        }
        return true;
    }
    Nearest near = {.wanted = topic};
    for (size_t i = 0; i < sizeof TOPICS / sizeof *TOPICS; i++) {
        nearest_offer(&near, TOPICS[i].name);
        if (strcmp(TOPICS[i].name, topic) != 0) continue;
        TOPICS[i].write(t);
        return true;
    }
    Code code = code_find(topic);
    if (code != CODE_COUNT) {
        help_of_code(t, code);
        return true;
    }
    for (uint32_t i = 0; i < COMMAND_COUNT; i++)
        nearest_offer(&near, command_info((CommandId)i)->name);
    if (help_definition(s, t, topic, &near) || help_word(t, topic, &near) ||
        help_subject(s, t, topic, &near))
        return true;
    Diag *d = session_error(s, E_OPTION, "there is no help on `%s`", topic);
    if (near.best) diag_help(d, "did you mean `%s`?", near.best);
    const char *mentions = help_mentions(s, topic);
    if (mentions) diag_note(d, "the word is in the help on %s", mentions);
    diag_help(d, "`bmc help` lists the topics, `bmc help words` the language, `bmc help "
                 "prelude` the standard library");
    return false;
}

ExitCode command_help(Session *s) {
    if (!session_words(s, 0, 1)) return EXIT_CODE_USAGE;
    Text t = {.arena = s->ctx->arena};
    if (s->options.words.len == 0)
        help_overview(&t);
    else if (!help_topic(s, &t, s->options.words.data[0]))
        return EXIT_CODE_USAGE;
    fputs(text_str(&t), s->out);
    return EXIT_CODE_OK;
}

ExitCode command_version(Session *s) {
    if (!session_words(s, 0, 0)) return EXIT_CODE_USAGE;
    fprintf(s->out, "bmc %s (LLVM %s)\n", BMC_VERSION, BMC_LLVM_VERSION);
    return EXIT_CODE_OK;
}
