/* A writer of one-line JSON objects, with commas and escapes kept right. Depth is the caller's. */
#ifndef BMC_SUPPORT_JSON_H
#define BMC_SUPPORT_JSON_H

#include "compiler/support/text.h"

/* key NULL: inside an array. */
void json_open(Text *t, const char *key, char bracket);      /* '{' or '[' */
void json_close(Text *t, char bracket);                      /* '}' or ']' */
void json_text(Text *t, const char *key, const char *value); /* invalid UTF-8 becomes U+FFFD */
void json_integer(Text *t, const char *key, int64_t value);
/* Opens a member whose value the caller writes as JSON text itself. */
void json_member(Text *t, const char *key);
/* Shortest decimal; JSON has no nan or inf, so those are the texts "nan", "inf", "-inf". */
void json_number(Text *t, const char *key, double value);

#endif
