/* Topics of `bmc help` that are more than a table printed. */
#ifndef BMC_DRIVER_HELP_TOPICS_H
#define BMC_DRIVER_HELP_TOPICS_H

#include "compiler/driver/cli_session.h"
#include "compiler/syntax/ast.h"

/* Looks `name` up in the prelude; appends its signature and comment. Offers all names to `near`. */
bool help_definition(Session *s, Text *t, const char *name, Nearest *near);
/* A file of the prelude by its stem ("losses"): its definitions, one line each; "prelude": the
 * files.
 */
bool help_subject(Session *s, Text *t, const char *name, Nearest *near);
/* "`glorot`, `he`": the definitions whose comments have the word; NULL: none. */
const char *help_mentions(Session *s, const char *word);
/* The whole prelude as one Markdown page. */
void help_page(Session *s, Text *t);

/* ------------------------------------------------------------------ shell_pages.c */
void help_exit_codes(Text *t);
void help_man_page(Text *t); /* roff, for man(1) */
void help_completion_bash(Text *t);
void help_completion_zsh(Text *t);
void help_completion_fish(Text *t);

#endif
