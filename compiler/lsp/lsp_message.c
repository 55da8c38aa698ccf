/* Reading and writing framed messages. A length is checked before anything is allocated. */
#include "compiler/lsp/lsp_message.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_LINE_MAX = 256, BODY_MAX = 64 << 20 };

/* Header names are compared without case, as in HTTP. */
static bool is_length(const char *line, long *length) {
    static const char name[] = "content-length:";
    for (size_t i = 0; i < sizeof name - 1; i++)
        if (tolower((unsigned char)line[i]) != name[i]) return false;
    char *end;
    *length = strtol(line + sizeof name - 1, &end, 10);
    return end != line + sizeof name - 1;
}

/* The headers up to the empty line. */
static MessageRead read_headers(FILE *in, long *length) {
    char line[HEADER_LINE_MAX];
    *length = -1;
    for (bool first = true; fgets(line, sizeof line, in); first = false) {
        if (strcmp(line, "\r\n") == 0 || strcmp(line, "\n") == 0) {
            if (first) continue;
            return *length >= 0 && *length <= BODY_MAX ? MESSAGE_OK : MESSAGE_BAD;
        }
        is_length(line, length);
    }
    return MESSAGE_END;
}

MessageRead message_read(FILE *in, json_t **out) {
    long length;
    *out = NULL;
    MessageRead read = read_headers(in, &length);
    if (read != MESSAGE_OK) return read;
    char *body = malloc((size_t)length + 1);
    if (!body) return MESSAGE_BAD;
    if (fread(body, 1, (size_t)length, in) != (size_t)length) {
        free(body);
        return MESSAGE_END;
    }
    *out = json_loadb(body, (size_t)length, JSON_DISABLE_EOF_CHECK, NULL);
    free(body);
    return *out ? MESSAGE_OK : MESSAGE_BAD;
}

bool message_write(FILE *out, const json_t *message) {
    char *body = json_dumps(message, JSON_COMPACT);
    if (!body) return false;
    int written = fprintf(out, "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
    free(body);
    return written > 0 && fflush(out) == 0;
}
