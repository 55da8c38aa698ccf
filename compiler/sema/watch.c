/* What editors want to know of an elaboration: values as they are computed, and the names that only
 * the compiler knows. */
#include "compiler/sema/blocks.h"

static const char *watch_text(Sema *s, Value v) {
    if (v.kind == V_SLOT) {
        const Slot *slot = &s->program->slots.data[v.as.slot];
        Text t = {.arena = s->arena};
        text_printf(&t, "%s[", dtype_name(slot->dtype));
        for (uint32_t i = 0; i < slot->rank; i++)
            text_printf(&t, i ? ", %lld" : "%lld", (long long)slot->dims[i]);
        text_printf(&t, "]  (`%s`)", slot->path->text);
        return text_str(&t);
    }
    if (v.kind != V_TENSOR) return value_string(s, v);
    return arena_printf(s->arena, "%s%s", dtype_name(tensor_dtype(s, v)), value_shape_string(s, v));
}

void watch_value(Sema *s, Span span, Value v) {
    const SemaWatch *watch = s->options->watch;
    if (!watch || span.file == 0 || v.kind == V_POISON || v.kind == V_NONE) return;
    if (v.kind == V_TENSOR && v.as.tensor.graph != (s->build ? s->build->g : NULL)) return;
    if (span_in_prelude(s, span)) return;
    watch->value(watch->user, span, watch_text(s, v));
}

void sema_builtins(void (*visit)(void *user, const char *name), void *user) {
    static const char *const words[] = {"training", "all", "pi", "inf"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) visit(user, words[i]);
    for (uint32_t t = 0; t < DTYPE_COUNT; t++) visit(user, dtype_name((DType)t));
    builtin_each(visit, user);
}

void sema_settings(NodeKind block, void (*visit)(void *user, const char *name), void *user) {
    const SettingSpec *specs = block == NODE_DATA    ? DATA_SETTINGS
                               : block == NODE_TRAIN ? TRAIN_SETTINGS
                                                     : TEST_SETTINGS;
    for (; specs->name; specs++) visit(user, specs->name);
}
