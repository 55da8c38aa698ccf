/* JSON writing. A comma is due exactly when the last character ends a value. */
#include "compiler/support/json.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Length of the UTF-8 sequence at s, or 0 when it is not one (overlong forms and surrogates
 * included). */
static size_t utf8_length(const unsigned char *s) {
    if (s[0] < 0x80) return 1;
    size_t n = s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : 4;
    if (s[0] < 0xc2 || s[0] > 0xf4) return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    if (s[0] == 0xe0 && s[1] < 0xa0) return 0;
    if (s[0] == 0xed && s[1] > 0x9f) return 0;
    if (s[0] == 0xf0 && s[1] < 0x90) return 0;
    if (s[0] == 0xf4 && s[1] > 0x8f) return 0;
    return n;
}

static void json_quote(Text *t, const char *value) {
    text_char(t, '"');
    for (const unsigned char *s = (const unsigned char *)value; *s;) {
        size_t n = utf8_length(s);
        if (n == 0)
            text_add(t, "\\ufffd");
        else if (*s == '"' || *s == '\\')
            text_printf(t, "\\%c", *s);
        else if (*s == '\n')
            text_add(t, "\\n");
        else if (*s < 0x20 || *s == 0x7f)
            text_printf(t, "\\u%04x", *s);
        else
            text_add_n(t, (const char *)s, n);
        s += n ? n : 1;
    }
    text_char(t, '"');
}

static void json_key(Text *t, const char *key) {
    char last = t->len ? t->data[t->len - 1] : '{';
    if (last != '{' && last != '[' && last != '\n') text_char(t, ',');
    if (key == NULL) return;
    json_quote(t, key);
    text_char(t, ':');
}

void json_member(Text *t, const char *key) {
    json_key(t, key);
}

void json_open(Text *t, const char *key, char bracket) {
    json_key(t, key);
    text_char(t, bracket);
}

void json_close(Text *t, char bracket) {
    text_char(t, bracket);
}

void json_text(Text *t, const char *key, const char *value) {
    json_key(t, key);
    json_quote(t, value);
}

void json_integer(Text *t, const char *key, int64_t value) {
    json_key(t, key);
    text_printf(t, "%" PRId64, value);
}

void json_number(Text *t, const char *key, double value) {
    json_key(t, key);
    if (isnan(value))
        text_add(t, "\"nan\"");
    else if (isinf(value))
        text_add(t, value < 0 ? "\"-inf\"" : "\"inf\"");
    else
        text_number(t, value);
}
