/* bmc help NAME: the prelude's own comments. */
#include "compiler/driver/help_topics.h"

bool help_definition(Session *s, Text *t, const char *name, Nearest *near) {
    (void)s, (void)t, (void)name, (void)near;
    return false;
}
