/* Events as lines and as a progress bar, for people. */
#include <stdbool.h>
#include <string.h>

#include "runtime/train/textout.h"
#include "runtime/train/train.h"

enum { BAR_CELLS = 20 };

#define BOLD  "\x1b[1m"
#define DIM   "\x1b[2m"
#define GREEN "\x1b[32m"
#define AMBER "\x1b[33m"
#define RESET "\x1b[0m"

static void paint(BmrtTextOut *t, int color, const char *code) {
    if (color) bmrt_textout_put(t, code);
}

/* "4.2 s", "3 min 05 s", "2 h 07 min" */
static void put_duration(BmrtTextOut *t, double seconds) {
    const long long whole = seconds > 0 && seconds < 1e9 ? (long long)(seconds + 0.5) : 0;
    if (seconds < 9.95)
        bmrt_textout_format(t, "%lld.%lld s", (long long)(seconds * 10 + 0.5) / 10,
                            (long long)(seconds * 10 + 0.5) % 10);
    else if (whole < 60)
        bmrt_textout_format(t, "%lld s", whole);
    else if (whole < 3600)
        bmrt_textout_format(t, "%lld min %02lld s", whole / 60, whole % 60);
    else
        bmrt_textout_format(t, "%lld h %02lld min", whole / 3600, whole / 60 % 60);
}

static void put_metrics(BmrtTextOut *t, const BmrtMetric *metrics, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        bmrt_textout_format(t, "  %s ", metrics[i].name);
        bmrt_textout_number(t, metrics[i].value);
    }
}

static void put_epoch(BmrtTextOut *t, const BmrtEvent *e, int color) {
    paint(t, color, BOLD);
    if (e->name) bmrt_textout_format(t, "%s: ", e->name);
    bmrt_textout_format(t, "epoch %lld", (long long)e->epoch);
    if (e->epochs > 0)
        bmrt_textout_format(t, "/%lld", (long long)e->epochs);
    else
        bmrt_textout_format(t, " (step %lld/%lld)", (long long)e->step, (long long)e->steps);
    paint(t, color, RESET);
}

/* "films: 100000 rows, 12 dropped, 3 duplicates, missing cells: age 40, income 9" */
static void put_counts(BmrtTextOut *t, const BmrtEvent *e) {
    bool any = false;
    bmrt_textout_format(t, "%s: %lld rows", e->name, (long long)e->rows);
    if (e->dropped) bmrt_textout_format(t, ", %lld dropped", (long long)e->dropped);
    if (e->duplicates) bmrt_textout_format(t, ", %lld duplicates", (long long)e->duplicates);
    for (uint32_t f = 0; f < e->field_count; f++) {
        if (e->missing[f] == 0) continue;
        bmrt_textout_put(t, any ? ", " : ", missing cells: ");
        bmrt_textout_put(t, e->fields[f].name);
        bmrt_textout_format(t, " %lld", (long long)e->missing[f]);
        any = true;
    }
}

size_t bmrt_event_line(const BmrtEvent *e, int color, char *out, size_t size) {
    BmrtTextOut t = bmrt_textout(out, size);
    if (!e) return 0;
    switch (e->kind) {
    case BMRT_EVENT_EPOCH:
        put_epoch(&t, e, color);
        put_metrics(&t, e->metrics, e->metric_count);
        if (e->valid) {
            paint(&t, color, GREEN);
            bmrt_textout_put(&t, "  valid:");
            put_metrics(&t, e->valid, e->valid_count);
            paint(&t, color, RESET);
        }
        bmrt_textout_put(&t, "  ");
        paint(&t, color, DIM);
        put_duration(&t, e->seconds);
        paint(&t, color, RESET);
        break;
    case BMRT_EVENT_TEST:
        paint(&t, color, BOLD);
        for (uint32_t i = 0; i < e->metric_count; i++) {
            bmrt_textout_put(&t, i ? "\nTest " : "Test ");
            if (e->name) bmrt_textout_format(&t, "%s ", e->name);
            bmrt_textout_format(&t, "%s: ", e->metrics[i].name);
            bmrt_textout_number(&t, e->metrics[i].value);
        }
        paint(&t, color, RESET);
        break;
    case BMRT_EVENT_SAVED: bmrt_textout_format(&t, "saved %s", e->path); break;
    case BMRT_EVENT_BEST:
        bmrt_textout_format(
            &t, "on with the weights of epoch %lld, the best by valid:", (long long)e->epoch);
        put_metrics(&t, e->metrics, e->metric_count);
        break;
    case BMRT_EVENT_WARNING:
        paint(&t, color, AMBER);
        bmrt_textout_put(&t, "warning: ");
        paint(&t, color, RESET);
        bmrt_textout_put(&t, e->message);
        break;
    case BMRT_EVENT_SHOW: bmrt_textout_put(&t, e->message); break;
    case BMRT_EVENT_DATA: put_counts(&t, e); break;
    case BMRT_EVENT_FOLD:
        bmrt_textout_format(&t, "fold %lld/%lld  valid:", (long long)e->epoch,
                            (long long)e->epochs);
        put_metrics(&t, e->metrics, e->metric_count);
        break;
    case BMRT_EVENT_FOLDS:
        bmrt_textout_format(&t, "%lld folds, mean ± deviation:", (long long)e->epochs);
        for (uint32_t i = 0; i < e->metric_count; i++) {
            put_metrics(&t, &e->metrics[i], 1);
            bmrt_textout_put(&t, " ± ");
            bmrt_textout_number(&t, e->valid[i].value);
        }
        break;
    case BMRT_EVENT_END:
        bmrt_textout_format(&t, "%lld steps in ", (long long)e->steps);
        put_duration(&t, e->seconds);
        break;
    default: break;
    }
    return t.used;
}

static void put_bar(BmrtTextOut *t, double part, int unicode) {
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    const int fine = (int)(part * BAR_CELLS * 8), full = fine / 8;
    int cells = 0;
    bmrt_textout_put(t, unicode ? "│" : "[");
    for (; cells < full; cells++) bmrt_textout_put(t, unicode ? "█" : "#");
    if (unicode && cells < BAR_CELLS && fine % 8) {
        bmrt_textout_put(t, eighths[fine % 8]);
        cells++;
    }
    for (; cells < BAR_CELLS; cells++) bmrt_textout_put(t, unicode ? " " : ".");
    bmrt_textout_put(t, unicode ? "│" : "]");
}

/* Columns of UTF-8 text without escapes: the bar uses none wider than one. */
static int columns(const char *text) {
    int count = 0;
    for (; *text; text++) count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

/* Adds `part` if it still fits the line. */
static void put_if_fits(BmrtTextOut *t, const char *part, int width, int *used) {
    const int wide = columns(part);
    if (*used + wide >= width) {
        *used = width; /* nothing after it either: no gaps */
        return;
    }
    bmrt_textout_put(t, part);
    *used += wide;
}

size_t bmrt_progress_bar(const BmrtEvent *e, int width, int color, int unicode, char *out,
                         size_t size) {
    char text[256];
    BmrtTextOut t = bmrt_textout(out, size), part;
    int used = 0;
    if (!e) return 0;
    const double done = e->epoch_steps > 0 ? (double)e->epoch_step / (double)e->epoch_steps : 0;
    const double rate = e->seconds > 0 ? (double)(e->step - e->first_step) / e->seconds : 0;
    if (e->kind != BMRT_EVENT_TICK && e->kind != BMRT_EVENT_BEGIN) return 0;
    bmrt_textout_put(&t, "\r");
    part = bmrt_textout(text, sizeof text);
    put_epoch(&part, e, 0);
    bmrt_textout_put(&part, " ");
    put_if_fits(&t, text, width, &used);
    part = bmrt_textout(text, sizeof text);
    put_bar(&part, done < 1 ? done : 1, unicode);
    bmrt_textout_format(&part, " %3d%%", (int)(done * 100));
    paint(&t, color, GREEN);
    put_if_fits(&t, text, width, &used);
    paint(&t, color, RESET);
    if (rate > 0) {
        part = bmrt_textout(text, sizeof text);
        if (rate >= 10)
            bmrt_textout_format(&part, "  %lld step/s", (long long)(rate + 0.5));
        else {
            bmrt_textout_put(&part, "  ");
            bmrt_textout_number(&part, rate);
            bmrt_textout_put(&part, " step/s");
        }
        put_if_fits(&t, text, width, &used);
        part = bmrt_textout(text, sizeof text);
        bmrt_textout_put(&part, "  ETA ");
        put_duration(&part, (double)(e->steps - e->step) / rate);
        put_if_fits(&t, text, width, &used);
    }
    for (uint32_t i = 0; i < e->metric_count && e->kind == BMRT_EVENT_TICK; i++) {
        part = bmrt_textout(text, sizeof text);
        put_metrics(&part, &e->metrics[i], 1);
        put_if_fits(&t, text, width, &used);
    }
    bmrt_textout_put(&t, "\x1b[K");
    return t.used;
}

const char *bmrt_progress_clear(void) {
    return "\r\x1b[K";
}
