/* Events as JSON lines. Keys and their order are a public format: docs/runtime.md lists them. */
#include <stdbool.h>
#include <string.h>

#include "runtime/train/textout.h"
#include "runtime/train/train.h"

/* Bytes of the valid UTF-8 sequence at `at`; 0: not valid. */
static size_t utf8_length(const unsigned char *at) {
    static const struct {
        unsigned char from, to, second_from, second_to, length;
    } leads[] = {{0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
                 {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3},
                 {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
                 {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};
    if (*at < 0x80) return 1;
    for (size_t i = 0; i < sizeof leads / sizeof *leads; i++) {
        if (*at < leads[i].from || *at > leads[i].to) continue;
        if (at[1] < leads[i].second_from || at[1] > leads[i].second_to) return 0;
        for (size_t k = 2; k < leads[i].length; k++)
            if ((at[k] & 0xc0) != 0x80) return 0;
        return leads[i].length;
    }
    return 0;
}

static void put_string(BmrtTextOut *t, const char *text) {
    const unsigned char *at = (const unsigned char *)text;
    bmrt_textout_put(t, "\"");
    while (*at) {
        const size_t n = utf8_length(at);
        if (n == 0)
            bmrt_textout_put(t, "\xef\xbf\xbd");
        else if (*at == '"' || *at == '\\')
            bmrt_textout_format(t, "\\%c", *at);
        else if (*at == '\n')
            bmrt_textout_put(t, "\\n");
        else if (*at < 0x20 || *at == 0x7f)
            bmrt_textout_format(t, "\\u%04x", *at);
        else
            bmrt_textout_bytes(t, (const char *)at, n);
        at += n ? n : 1;
    }
    bmrt_textout_put(t, "\"");
}

size_t bmrt_json_string(const char *text, char *out, size_t size) {
    BmrtTextOut t = bmrt_textout(out, size);
    put_string(&t, text ? text : "");
    return t.used;
}

static void put_metrics(BmrtTextOut *t, const char *key, const BmrtMetric *metrics,
                        uint32_t count) {
    bmrt_textout_format(t, ",\"%s\":{", key);
    for (uint32_t i = 0; i < count; i++) {
        if (i) bmrt_textout_put(t, ",");
        put_string(t, metrics[i].name);
        bmrt_textout_put(t, ":");
        bmrt_textout_exact(t, metrics[i].value);
    }
    bmrt_textout_put(t, "}");
}

/* Milliseconds are enough, and steady in width. */
static void put_seconds(BmrtTextOut *t, double seconds) {
    bmrt_textout_put(t, ",\"seconds\":");
    bmrt_textout_exact(t, (double)(int64_t)(seconds * 1000 + 0.5) / 1000);
}

static void put_key_string(BmrtTextOut *t, const char *key, const char *text) {
    bmrt_textout_format(t, ",\"%s\":", key);
    put_string(t, text ? text : "");
}

static void put_counts(BmrtTextOut *t, const BmrtEvent *e) {
    put_key_string(t, "name", e->name);
    bmrt_textout_format(t, ",\"rows\":%lld,\"dropped\":%lld,\"duplicates\":%lld,\"missing\":{",
                        (long long)e->rows, (long long)e->dropped, (long long)e->duplicates);
    bool any = false;
    for (uint32_t f = 0; f < e->field_count; f++) {
        if (e->missing[f] == 0) continue;
        if (any) bmrt_textout_put(t, ",");
        any = true;
        put_string(t, e->fields[f].name);
        bmrt_textout_format(t, ":%lld", (long long)e->missing[f]);
    }
    bmrt_textout_put(t, "}");
}

size_t bmrt_event_json(const BmrtEvent *e, char *out, size_t size) {
    static const char *const names[] = {"begin", "tick",  "epoch", "test", "saved", "warning",
                                        "fold",  "folds", "data",  "show", "best",  "end"};
    BmrtTextOut t = bmrt_textout(out, size);
    if (!e) return 0;
    if (e->kind == BMRT_EVENT_BEGIN || e->kind == BMRT_EVENT_TICK) return 0;
    bmrt_textout_format(&t, "{\"event\":\"%s\"", names[e->kind]);
    switch (e->kind) {
    case BMRT_EVENT_EPOCH:
        if (e->name) put_key_string(&t, "name", e->name);
        bmrt_textout_format(&t, ",\"epoch\":%lld,\"step\":%lld", (long long)e->epoch,
                            (long long)e->step);
        put_metrics(&t, "train", e->metrics, e->metric_count);
        if (e->valid) put_metrics(&t, "valid", e->valid, e->valid_count);
        put_seconds(&t, e->seconds);
        break;
    case BMRT_EVENT_TEST:
        put_key_string(&t, "name", e->name ? e->name : "test");
        put_metrics(&t, "metrics", e->metrics, e->metric_count);
        break;
    case BMRT_EVENT_SAVED: put_key_string(&t, "path", e->path); break;
    case BMRT_EVENT_BEST:
        if (e->name) put_key_string(&t, "name", e->name);
        bmrt_textout_format(&t, ",\"epoch\":%lld", (long long)e->epoch);
        put_metrics(&t, "valid", e->metrics, e->metric_count);
        break;
    case BMRT_EVENT_SHOW:
    case BMRT_EVENT_WARNING: put_key_string(&t, "message", e->message); break;
    case BMRT_EVENT_DATA: put_counts(&t, e); break;
    case BMRT_EVENT_FOLD:
    case BMRT_EVENT_FOLDS:
        if (e->name) put_key_string(&t, "name", e->name);
        if (e->kind == BMRT_EVENT_FOLD)
            bmrt_textout_format(&t, ",\"fold\":%lld", (long long)e->epoch);
        bmrt_textout_format(&t, ",\"folds\":%lld", (long long)e->epochs);
        put_metrics(&t, e->kind == BMRT_EVENT_FOLD ? "valid" : "mean", e->metrics, e->metric_count);
        if (e->kind == BMRT_EVENT_FOLDS) put_metrics(&t, "deviation", e->valid, e->valid_count);
        break;
    default:
        bmrt_textout_format(&t, ",\"steps\":%lld", (long long)e->steps);
        put_seconds(&t, e->seconds);
        put_key_string(&t, "weights_sha256", e->weights_sha256);
    }
    bmrt_textout_put(&t, "}");
    return t.used;
}
