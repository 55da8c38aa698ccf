/* Settings of blocks: their names, their values, and the little languages of `stop` and `save`. */
#include "compiler/sema/blocks.h"

/* ------------------------------------------------------------------ settings */

const Node *block_setting(const Node *block, const char *name) {
    for (uint32_t i = 0; i < block->count; i++)
        if (block->kids[i]->kind == NODE_SETTING && strcmp(block->kids[i]->name->text, name) == 0)
            return block->kids[i];
    return NULL;
}

bool check_settings(Sema *s, const Node *block, const SettingSpec *specs, const char *what) {
    Text all = {.arena = s->arena};
    bool known = true;
    for (const SettingSpec *p = specs; p->name; p++)
        text_printf(&all, "%s%s", p == specs ? "" : " ", p->name);
    for (uint32_t i = 0; i < block->count; i++) {
        const Node *entry = block->kids[i];
        if (entry->kind != NODE_SETTING) continue;
        const SettingSpec *p = specs;
        Nearest near = {.wanted = entry->name->text};
        for (; p->name && strcmp(p->name, entry->name->text) != 0; p++)
            nearest_offer(&near, p->name);
        if (!p->name) {
            known = false;
            Diag *d = sema_error(s, E_SETTING, entry->name_span, "%s has no setting `%s`", what,
                                 entry->name->text);
            if (near.best) propose_name(d, entry->name_span, near.best);
            diag_help(d, "settings here: %s", text_str(&all));
        } else if (!p->supported) {
            sema_unsupported(s, entry->span, arena_printf(s->arena, "the setting `%s`", p->name));
        }
        const Node *first = block_setting(block, entry->name->text);
        if (first == entry) continue;
        Diag *d = sema_error(s, E_BLOCK, entry->name_span, "`%s` is set twice", entry->name->text);
        diag_label(d, first->name_span, "first here");
    }
    return known;
}

bool setting_int(Sema *s, const Node *block, const char *name, int64_t low, int64_t *out) {
    const Node *setting = block_setting(block, name);
    if (!setting) return true;
    if (!eval_static_int(s, node_kid(setting, 0), out,
                         arena_printf(s->arena, "the setting `%s`", name)))
        return false;
    if (*out >= low) return true;
    sema_error(s, E_BLOCK, setting->span, "`%s` must be at least %lld, got %lld", name,
               (long long)low, (long long)*out);
    return false;
}

bool setting_batch(Sema *s, const Node *block, int64_t *out) {
    const Node *setting = block_setting(block, "batch");
    if (!setting) return true;
    Value v = eval(s, node_kid(setting, 0));
    if (v.kind == V_ALL) {
        *out = 0;
        return true;
    }
    return !value_is_poison(v) && setting_int(s, block, "batch", 1, out);
}

/* `data: NAME` or `data: NAME.valid`. False: reported; *d NULL: the block has none. */
bool setting_data(Sema *s, const Node *block, DataBlock **d, int32_t *split) {
    const Node *setting = block_setting(block, "data");
    *d = NULL;
    if (!setting) return true;
    Value v = eval(s, node_kid(setting, 0));
    if (value_is_poison(v)) return false;
    if (v.kind != V_DATA) {
        sema_error(s, E_BLOCK, setting->span, "`data` wants the name of a data block, got %s",
                   value_kind_name(v.kind));
        return false;
    }
    *d = v.as.data.block;
    if (v.as.data.split >= 0) *split = v.as.data.split;
    return data_entries(s, *d);
}

const Node *find_step(const Node *node) {
    for (uint32_t i = 0; i < node->count; i++)
        if (node->kids[i]->kind == NODE_STEP) return node->kids[i];
    return NULL;
}

/* ------------------------------------------------------------------ stop and save */

/* `lowest = valid.loss` or `highest = valid.accuracy` among the arguments of a call. */
static bool metric_choice(Sema *s, const Node *call, const BlockRun *run, bool has_valid,
                          const char **metric, int *highest) {
    const Node *chosen = NULL;
    for (uint32_t i = 1; i < call->count; i++) {
        const Node *arg = call->kids[i];
        if (!arg->name) continue;
        bool high = strcmp(arg->name->text, "highest") == 0;
        if (!high && strcmp(arg->name->text, "lowest") != 0) continue;
        if (chosen) {
            sema_error(s, E_BLOCK, arg->span, "either `highest` or `lowest`, not both");
            return false;
        }
        chosen = arg;
        *highest = high;
    }
    const Node *e = chosen ? node_kid(chosen, 0) : NULL;
    const Node *of = e && e->kind == NODE_MEMBER ? node_kid(e, 0) : NULL;
    if (!of || of->kind != NODE_NAME || strcmp(of->name->text, "valid") != 0) {
        Diag *d = sema_error(s, E_METRIC, e ? e->span : call->span,
                             "a metric of the valid split is needed here");
        diag_help(d, "`lowest = valid.loss` or `highest = valid.accuracy`");
        return false;
    }
    if (!has_valid) {
        Diag *d = sema_error(s, E_METRIC, e->span, "there is no valid split");
        diag_help(d, "add `split: random(valid = 0.1, seed = 1)` to the data block");
        return false;
    }
    Nearest near = {.wanted = e->name->text};
    if (!run->ok) return false;
    for (uint32_t i = 0; i < run->build.g->outputs.len; i++) {
        *metric = run->build.g->outputs.data[i].name->text;
        if (strcmp(*metric, e->name->text) == 0) return true;
        nearest_offer(&near, *metric);
    }
    Diag *d = sema_error(s, E_METRIC, e->name_span, "there is no metric `%s`", e->name->text);
    if (near.best) propose_name(d, e->name_span, near.best);
    return false;
}

static const char *callee_text(const Node *e) {
    const Node *callee = e && e->kind == NODE_CALL ? node_kid(e, 0) : NULL;
    return callee && callee->kind == NODE_NAME ? callee->name->text : "";
}

static bool positional(Sema *s, const Node *call, Value *out) {
    const Node *arg = call->count > 1 ? call->kids[1] : NULL;
    if (!arg || arg->name) return false;
    *out = eval(s, node_kid(arg, 0));
    return true;
}

void read_stop(Sema *s, const BlockRun *run, bool has_valid, BmrtTrain *train) {
    const Node *setting = block_setting(run->node, "stop");
    if (!setting) return;
    const Node *e = node_kid(setting, 0);
    Value n = POISON;
    if (strcmp(callee_text(e), "patience") != 0 || !positional(s, e, &n) ||
        !value_is_int(n, &train->patience) || train->patience < 1) {
        Diag *d = sema_error(s, E_BLOCK, setting->span, "no such way to stop");
        diag_help(d, "`stop: patience(3, lowest = valid.loss)`");
        return;
    }
    metric_choice(s, e, run, has_valid, &train->patience_metric, &train->patience_highest);
}

static bool every_part(Sema *s, const Node *arg, BmrtTrain *train) {
    const char *name = arg->name ? arg->name->text : "";
    int64_t *to = strcmp(name, "epochs") == 0  ? &train->save_every_epochs
                  : strcmp(name, "steps") == 0 ? &train->save_every_steps
                                               : NULL;
    if (!to) return false;
    return eval_static_int(s, node_kid(arg, 0), to, "`every`") && *to > 0;
}

/* What stands in braces in a file's name is filled in: `{step}`, `{fold}`; nothing else is. */
static bool file_name_fits(Sema *s, const char *path, Span span) {
    for (const char *at = path; (at = strchr(at, '{')) != NULL; at++) {
        if (strncmp(at, "{step}", 6) == 0 || strncmp(at, "{fold}", 6) == 0) continue;
        int length = (int)strcspn(at, "}") + 1;
        Diag *d = sema_error(s, E_BLOCK, span, "`%.*s` in a file name is not filled in",
                             length > 40 ? 40 : length, at);
        diag_help(d, "`{step}` and `{fold}` are: `every(\"f-{step}.safetensors\", epochs = 1)`");
        return false;
    }
    return true;
}

void read_save(Sema *s, const BlockRun *run, bool has_valid, BmrtTrain *train) {
    const Node *setting = block_setting(run->node, "save");
    if (!setting) return;
    const Node *e = node_kid(setting, 0);
    const char *kind = callee_text(e);
    Value path = POISON;
    bool call = e->kind == NODE_CALL;
    if (call ? !positional(s, e, &path) : !(path = eval(s, e)).kind) path = POISON;
    if (path.kind == V_STR) train->save_path = path.as.str;
    if (path.kind == V_STR && !file_name_fits(s, path.as.str, setting->span)) return;
    if (path.kind == V_STR && !call) return;
    if (path.kind == V_STR && strcmp(kind, "last") == 0) return;
    if (path.kind == V_STR && strcmp(kind, "best") == 0 && strstr(path.as.str, "{step}")) {
        Diag *d = sema_error(s, E_BLOCK, setting->span, "`best` keeps one file, without `{step}`");
        diag_help(d, "`every(\"%s\", epochs = 1)` writes a file each time", path.as.str);
        return;
    }
    if (path.kind == V_STR && strcmp(kind, "best") == 0) {
        train->save = BMRT_SAVE_BEST;
        metric_choice(s, e, run, has_valid, &train->save_metric, &train->save_highest);
        return;
    }
    if (path.kind == V_STR && strcmp(kind, "every") == 0 && e->count == 3 &&
        every_part(s, e->kids[2], train)) {
        train->save = BMRT_SAVE_EVERY;
        return;
    }
    Diag *d = sema_error(s, E_BLOCK, setting->span, "no such way to save");
    diag_help(d,
              "`save: \"f.safetensors\"`, `best(\"f.safetensors\", highest = valid.accuracy)` or "
              "`every(\"f.safetensors\", epochs = 1)`");
}
