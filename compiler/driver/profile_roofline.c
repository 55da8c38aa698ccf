/* The roofline as a drawing (Williams, Waterman, Patterson 2009): a kernel's work per byte to the
 * right, its rate upwards, both logarithmic; under the machine's own lines. Area of a dot: share of
 * the step. The bytes are what a kernel touches, once: traffic that caches save is counted, so a
 * kernel on data in cache may lie above the memory's line. */
#include "compiler/driver/file_output.h"
#include "compiler/driver/profile.h"
#include <math.h>

enum { WIDTH = 960, HEIGHT = 560, LEFT = 70, RIGHT = 330, TOP = 50, BOTTOM = 60, NAMED = 14 };

typedef struct Axes { /* powers of two */
    double x_low, x_high, y_low, y_high;
} Axes;

static double x_at(const Axes *a, double intensity) {
    return LEFT + (log2(intensity) - a->x_low) / (a->x_high - a->x_low) * (WIDTH - LEFT - RIGHT);
}
static double y_at(const Axes *a, double gflops) {
    return HEIGHT - BOTTOM -
           (log2(gflops) - a->y_low) / (a->y_high - a->y_low) * (HEIGHT - TOP - BOTTOM);
}

static bool drawn(const KernelRow *k) {
    return k->kernel && k->flops > 0 && k->bytes > 0 && k->ms > 0;
}
static double intensity(const KernelRow *k) {
    return k->flops / k->bytes;
}
static double gflops(const KernelRow *k) {
    return k->flops / k->ms * 1e-6;
}

static Axes axes_for(const Profile *f, const ProfileResult *r) {
    Axes a = {-4, 8, 0, ceil(log2(f->peak.fma_gflops)) + 1};
    for (uint32_t i = 0; i < r->rows.len; i++) {
        const KernelRow *k = &r->rows.data[i];
        if (!drawn(k)) continue;
        a.x_low = fmin(a.x_low, floor(log2(intensity(k))) - 1);
        a.x_high = fmax(a.x_high, ceil(log2(intensity(k))) + 1);
        a.y_low = fmin(a.y_low, floor(log2(gflops(k))) - 1);
        a.y_high = fmax(a.y_high, ceil(log2(gflops(k))) + 1);
    }
    a.x_low = fmax(a.x_low, -20);
    a.y_low = fmax(a.y_low, -20);
    return a;
}

static void add_escaped(Text *t, const char *text) {
    for (; *text; text++) {
        if (*text == '<')
            text_add(t, "&lt;");
        else if (*text == '>')
            text_add(t, "&gt;");
        else if (*text == '&')
            text_add(t, "&amp;");
        else
            text_char(t, *text);
    }
}

static void add_text(Text *t, double x, double y, const char *class, const char *text) {
    text_printf(t, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", x, y, class);
    add_escaped(t, text);
    text_add(t, "</text>\n");
}

static void add_head(Text *t) {
    text_printf(t,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
                "height=\"%d\" role=\"img\" aria-label=\"roofline\">\n",
                WIDTH, HEIGHT, WIDTH, HEIGHT);
    text_add(
        t,
        "<style>\n"
        ".page{fill:#fff}.grid{stroke:#ddd}.roof{stroke:#c33;fill:none;stroke-width:2}\n"
        ".cache{stroke:#b80;fill:none;stroke-width:2;stroke-dasharray:6 4}\n"
        ".dot{fill:#26c;fill-opacity:.55;stroke:#26c}.step{fill:none;stroke:#26c;stroke-width:2}\n"
        "text{font:12px sans-serif;fill:#222}.title{font:15px sans-serif}.end{text-anchor:end}\n"
        ".mid{text-anchor:middle}.small{font:11px sans-serif}\n"
        "@media(prefers-color-scheme:dark){.page{fill:#16181d}.grid{stroke:#333}"
        "text{fill:#ddd}.roof{stroke:#f77}.cache{stroke:#fc6}.dot{fill:#7af;stroke:#7af}"
        ".step{stroke:#7af}}\n"
        "</style>\n");
    text_printf(t, "<rect class=\"page\" width=\"%d\" height=\"%d\"/>\n", WIDTH, HEIGHT);
}

static const char *power_text(Arena *arena, double exponent) {
    const double value = exp2(exponent);
    return value >= 1 ? arena_printf(arena, "%.0f", value)
                      : arena_printf(arena, "1/%.0f", 1 / value);
}

static void add_grid(Text *t, const Axes *a, Arena *arena) {
    for (double e = a->x_low; e <= a->x_high; e++) {
        const double x = x_at(a, exp2(e));
        text_printf(t, "<path class=\"grid\" d=\"M%.1f %d V%d\"/>\n", x, TOP, HEIGHT - BOTTOM);
        if (fmod(e, 2) == 0) add_text(t, x, HEIGHT - BOTTOM + 18, "mid", power_text(arena, e));
    }
    for (double e = a->y_low; e <= a->y_high; e++) {
        const double y = y_at(a, exp2(e));
        text_printf(t, "<path class=\"grid\" d=\"M%d %.1f H%d\"/>\n", LEFT, y, WIDTH - RIGHT);
        add_text(t, LEFT - 8, y + 4, "end", power_text(arena, e));
    }
    add_text(t, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 14, "mid", "FLOP per byte touched");
    add_text(t, 14, TOP - 12, "", "GFLOP/s");
}

/* Up along the bandwidth, then level at the peak. */
static void add_roof(Text *t, const Axes *a, double gbs, double peak, const char *class) {
    const double low = fmax(exp2(a->x_low), exp2(a->y_low) / gbs), knee = peak / gbs;
    const double start = fmin(low, knee);
    text_printf(t, "<path class=\"%s\" d=\"M%.1f %.1f L%.1f %.1f H%d\"/>\n", class, x_at(a, start),
                y_at(a, start * gbs), x_at(a, knee), y_at(a, peak), WIDTH - RIGHT);
}

/* The file's last part is enough beside a dot. */
static const char *short_place(const KernelRow *k, Arena *arena) {
    const char *place = profile_place(k, arena), *slash = strrchr(place, '/');
    return slash ? slash + 1 : place;
}

static void add_dots(Text *t, const Axes *a, const ProfileResult *r, Arena *arena) {
    uint32_t named = 0;
    for (uint32_t i = 0; i < r->rows.len; i++) {
        const KernelRow *k = &r->rows.data[i];
        if (!drawn(k)) continue;
        const double x = x_at(a, intensity(k)), y = y_at(a, fmax(gflops(k), exp2(a->y_low)));
        text_printf(t, "<circle class=\"dot\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"><title>", x, y,
                    3 + 26 * sqrt(fmax(k->share, 0)));
        add_escaped(t, k->kernel->name);
        text_printf(t, " %s: %.1f GFLOP/s, %.1f %%</title></circle>\n", profile_place(k, arena),
                    gflops(k), 100 * k->share);
        if (named == NAMED) continue;
        add_text(t, x, y + 4, "mid small", arena_printf(arena, "%u", ++named));
        add_text(t, WIDTH - RIGHT + 18, TOP + 26 + 32.0 * (named - 1), "",
                 arena_printf(arena, "%u  %.38s", named, k->kernel->name));
        add_text(t, WIDTH - RIGHT + 36, TOP + 40 + 32.0 * (named - 1), "small",
                 arena_printf(arena, "%.1f %%, %.1f GFLOP/s  %s", 100 * k->share, gflops(k),
                              short_place(k, arena)));
    }
}

bool profile_roofline(const Profile *f, const ProfileResult *r, const char *path) {
    Arena *arena = f->p->ctx->arena;
    Text t = {.arena = arena};
    const Axes a = axes_for(f, r);
    add_head(&t);
    add_grid(&t, &a, arena);
    add_text(&t, LEFT, 24, "title",
             arena_printf(arena, "%s: %.4g ms a step on %d thread%s", r->entry, r->step_ms,
                          f->peak.threads, f->peak.threads == 1 ? "" : "s"));
    add_roof(&t, &a, f->peak.cache_gbs, f->peak.fma_gflops, "cache");
    add_roof(&t, &a, f->peak.memory_gbs, f->peak.fma_gflops, "roof");
    add_text(&t, WIDTH - RIGHT - 4, y_at(&a, f->peak.fma_gflops) - 6, "end",
             arena_printf(arena, "%.0f GFLOP/s", f->peak.fma_gflops));
    add_text(&t, LEFT + 8, HEIGHT - BOTTOM - 24, "",
             arena_printf(arena, "memory %.0f GB/s (solid), cache %.0f GB/s (dashed)",
                          f->peak.memory_gbs, f->peak.cache_gbs));
    const double whole = r->flops / r->step_ms * 1e-6;
    if (r->flops > 0 && log2(whole) > a.y_low) {
        text_printf(&t, "<path class=\"step\" d=\"M%d %.1f H%d\"/>\n", LEFT, y_at(&a, whole),
                    LEFT + 24);
        add_text(&t, LEFT + 30, y_at(&a, whole) + 4, "",
                 arena_printf(arena, "the whole step: %.0f GFLOP/s", whole));
    }
    add_dots(&t, &a, r, arena);
    text_add(&t, "</svg>\n");
    return file_replace(f->p->ctx, path, text_str(&t), t.len);
}
