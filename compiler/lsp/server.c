/* Requests and notifications, one at a time. Diagnostics are sent whenever a text changed. What the
 * server does not know it refuses as the protocol says; a notification it does not know is ignored.
 */
#include "compiler/lsp/server.h"
#include "compiler/lsp/features.h"
#include "compiler/lsp/lsp_message.h"
#include "compiler/lsp/text_position.h"

#include <setjmp.h>

enum { PARSE_ERROR = -32700, NO_METHOD = -32601, BAD_PARAMS = -32602, NOT_INITIALIZED = -32002 };

typedef struct Server {
    FILE *out;
    Standard standard;
    Document *documents;
    const char *version;
    const UseFiles *files;
    bool initialized, shut_down, failed;
} Server;

static void send(Server *s, json_t *message) {
    if (!message || !message_write(s->out, message)) s->failed = true;
    json_decref(message);
}

static void answer(Server *s, const json_t *id, json_t *result) {
    send(s, json_pack("{s:s,s:O,s:o}", "jsonrpc", "2.0", "id", id, "result", result));
}

static void refuse(Server *s, json_t *id, int code, const char *message) {
    send(s, json_pack("{s:s,s:O,s:{s:i,s:s}}", "jsonrpc", "2.0", "id", id, "error", "code", code,
                      "message", message));
}

/* ------------------------------------------------------------------ documents */

static const char *uri_of(const json_t *params) {
    return json_string_value(json_object_get(json_object_get(params, "textDocument"), "uri"));
}

static Document **document_find(Server *s, const char *uri) {
    Document **at = &s->documents;
    while (*at && strcmp((*at)->uri, uri) != 0) at = &(*at)->next;
    return at;
}

static void publish(Server *s, const char *uri, json_t *diagnostics) {
    send(s, json_pack("{s:s,s:s,s:{s:s,s:o}}", "jsonrpc", "2.0", "method",
                      "textDocument/publishDiagnostics", "params", "uri", uri, "diagnostics",
                      diagnostics));
}

static void refresh(Server *s, Document *d) {
    document_analyse(d, s->files);
    publish(s, d->uri, document_diagnostics(d));
}

static void on_open(Server *s, const json_t *params) {
    const char *uri = uri_of(params);
    const json_t *text = json_object_get(json_object_get(params, "textDocument"), "text");
    if (!uri || !json_is_string(text)) return;
    Document **at = document_find(s, uri);
    if (*at) {
        document_change(*at, json_string_value(text), json_string_length(text));
    } else {
        *at = document_open(uri, json_string_value(text), json_string_length(text));
    }
    if (*at) refresh(s, *at);
}

/* The server asks for whole texts, so the last change is the text. */
static void on_change(Server *s, const json_t *params) {
    const char *uri = uri_of(params);
    const json_t *changes = json_object_get(params, "contentChanges");
    Document *d = uri ? *document_find(s, uri) : NULL;
    size_t count = json_array_size(changes);
    if (!d || count == 0) return;
    const json_t *text = json_object_get(json_array_get(changes, count - 1), "text");
    if (!json_is_string(text)) return;
    if (document_change(d, json_string_value(text), json_string_length(text))) refresh(s, d);
}

static void on_close(Server *s, const json_t *params) {
    const char *uri = uri_of(params);
    Document **at = uri ? document_find(s, uri) : NULL;
    if (!at || !*at) return;
    Document *d = *at;
    *at = d->next;
    publish(s, uri, json_array());
    document_close(d);
}

/* ------------------------------------------------------------------ life */

static void on_initialize(Server *s, json_t *id) {
    s->initialized = true;
    json_t *capabilities = json_pack(
        "{s:{s:b,s:i},s:b,s:b,s:b,s:b,s:{s:[s,s]}}", "textDocumentSync", "openClose", 1, "change",
        1, "hoverProvider", 1, "definitionProvider", 1, "documentFormattingProvider", 1,
        "documentSymbolProvider", 1, "completionProvider", "triggerCharacters", ">", ".");
    answer(s, id,
           json_pack("{s:o,s:{s:s,s:s}}", "capabilities", capabilities, "serverInfo", "name", "bmc",
                     "version", s->version));
}

static const struct {
    const char *method;
    Feature feature;
    bool wants_position;
} FEATURES[] = {{"textDocument/hover", feature_hover, true},
                {"textDocument/definition", feature_definition, true},
                {"textDocument/completion", feature_completion, true},
                {"textDocument/formatting", feature_formatting, false},
                {"textDocument/documentSymbol", feature_symbols, false}};

static const struct {
    const char *method;
    void (*take)(Server *s, const json_t *params);
} NOTIFICATIONS[] = {{"textDocument/didOpen", on_open},
                     {"textDocument/didChange", on_change},
                     {"textDocument/didClose", on_close}};

/* null when memory is short: the next request may have more. */
static json_t *feature_answer(Server *s, const Document *d, size_t which, uint32_t offset) {
    jmp_buf recovery;
    if (!d->ctx || setjmp(recovery)) return json_null();
    arena_on_oom(d->ctx->arena, &recovery);
    arena_on_oom(s->standard.ctx->arena, &recovery);
    return FEATURES[which].feature(&s->standard, d, offset);
}

static void on_feature(Server *s, json_t *id, size_t which, const json_t *params) {
    const char *uri = uri_of(params);
    Position p = {0, 0};
    Document *d = uri ? *document_find(s, uri) : NULL;
    if (!d) {
        refuse(s, id, BAD_PARAMS, "the document is not open");
        return;
    }
    if (FEATURES[which].wants_position && !position_read(json_object_get(params, "position"), &p)) {
        refuse(s, id, BAD_PARAMS, "a position is missing");
        return;
    }
    answer(s, id, feature_answer(s, d, which, position_offset(d->text, d->length, p)));
}

static void on_request(Server *s, json_t *id, const char *method, const json_t *params) {
    if (strcmp(method, "initialize") == 0) {
        on_initialize(s, id);
        return;
    }
    if (!s->initialized) {
        refuse(s, id, NOT_INITIALIZED, "`initialize` comes first");
        return;
    }
    if (strcmp(method, "shutdown") == 0) {
        s->shut_down = true;
        answer(s, id, json_null());
        return;
    }
    for (size_t i = 0; i < sizeof FEATURES / sizeof *FEATURES; i++)
        if (strcmp(method, FEATURES[i].method) == 0) {
            on_feature(s, id, i, params);
            return;
        }
    refuse(s, id, NO_METHOD, "bmc does not know this method");
}

/* False: the client said `exit`. */
static bool take(Server *s, const json_t *message) {
    const char *method = json_string_value(json_object_get(message, "method"));
    json_t *id = json_object_get(message, "id");
    const json_t *params = json_object_get(message, "params");
    if (!method) return true; /* an answer: the server asks nothing */
    if (id) {
        on_request(s, id, method, params);
        return true;
    }
    if (strcmp(method, "exit") == 0) return false;
    for (size_t i = 0; i < sizeof NOTIFICATIONS / sizeof *NOTIFICATIONS && s->initialized; i++)
        if (strcmp(method, NOTIFICATIONS[i].method) == 0) NOTIFICATIONS[i].take(s, params);
    return true;
}

int lsp_serve(FILE *in, FILE *out, const char *version, const UseFiles *files) {
    Server server = {.out = out, .version = version, .files = files};
    json_t *message;
    if (!standard_open(&server.standard)) return 1;
    for (bool on = true; on && !server.failed;) {
        MessageRead read = message_read(in, &message);
        if (read == MESSAGE_END) break;
        if (read == MESSAGE_BAD)
            refuse(&server, json_null(), PARSE_ERROR, "this is no message of the protocol");
        else
            on = take(&server, message);
        json_decref(message);
    }
    for (Document *d = server.documents, *next; d; d = next) {
        next = d->next;
        document_close(d);
    }
    standard_close(&server.standard);
    return server.shut_down && !server.failed ? 0 : 1;
}
