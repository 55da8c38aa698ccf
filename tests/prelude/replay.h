/* Reads the numbers that tools/compare_torch.py wrote (tests/prelude/README.md has the format),
 * calls the compiled model with them and compares. */
#ifndef BMC_TESTS_PRELUDE_REPLAY_H
#define BMC_TESTS_PRELUDE_REPLAY_H

#include "compiler/include/bmc.h"
#include <check.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPLAY_INPUTS = 8, REPLAY_OUTPUTS = 48, REPLAY_LINE = 1 << 16 };

typedef struct Numbers {
    char name[96];
    int64_t count;
    double *values;
    double tolerance, floor;
} Numbers;

typedef struct Replay {
    const BmrtModel *model;
    BmrtHandle *handle;
    const char *group;
    char call[96];
    Numbers inputs[REPLAY_INPUTS], outputs[REPLAY_OUTPUTS];
    uint32_t input_count, output_count;
    uint32_t compared, failed;
    double worst; /* error over tolerance */
} Replay;

/* "3, 4] : 1 2 3 ...": the rest of a line after "NAME ... [". */
static inline void read_values(const char *text, Numbers *out) {
    char *end;
    out->count = 1;
    while (*text && *text != ']') {
        out->count *= strtoll(text, &end, 10);
        text = end + strspn(end, ", ");
    }
    text = strchr(text, ':');
    ck_assert_ptr_nonnull(text);
    text++;
    out->values = calloc((size_t)out->count + 1, sizeof *out->values);
    for (int64_t i = 0; i < out->count; i++) {
        out->values[i] = strtod(text, &end);
        ck_assert_msg(end != text, "%s: too few values", out->name);
        text = end;
    }
    ck_assert_msg(text[strspn(text, " \n")] == 0, "%s: too many values", out->name);
}

static inline void numbers_clear(Numbers *list, uint32_t *count) {
    for (uint32_t i = 0; i < *count; i++) free(list[i].values);
    *count = 0;
}

/* Their bytes as the model wants them; malloc. */
static inline void *numbers_bytes(const Numbers *n, BmrtDtype dtype) {
    char *out = malloc((size_t)n->count * bmrt_dtype_bytes(dtype) + 1);
    for (int64_t i = 0; i < n->count; i++) {
        double v = n->values[i];
        switch (dtype) {
        case BMRT_F32: ((float *)(void *)out)[i] = (float)v; break;
        case BMRT_F64: ((double *)(void *)out)[i] = v; break;
        case BMRT_I32: ((int32_t *)(void *)out)[i] = (int32_t)v; break;
        case BMRT_BOOL: out[i] = v != 0; break;
        default: ck_abort_msg("dtype %d", dtype);
        }
    }
    return out;
}

/* The error of one element is measured against it or the root mean square of all, whichever is
 * larger: elements that are small by cancellation are not held to more than their terms allow. */
static inline void compare_values(Replay *r, const char *what, const Numbers *want,
                                  const float *got) {
    double square = 0, worst = 0, bad_want = 0, bad_got = 0;
    for (int64_t i = 0; i < want->count; i++) square += want->values[i] * want->values[i];
    double scale = fmax(sqrt(square / (double)want->count), want->floor);
    for (int64_t i = 0; i < want->count; i++) {
        double error = fabs((double)got[i] - want->values[i]);
        error = error == 0 ? 0 : error / fmax(fabs(want->values[i]), scale);
        if (error <= worst) continue;
        worst = error;
        bad_want = want->values[i];
        bad_got = (double)got[i];
        if (isnan(error)) break;
    }
    r->compared++;
    r->worst = fmax(r->worst, worst / want->tolerance);
    if (worst <= want->tolerance) return;
    r->failed++;
    printf("%s %s: %s off by %.3g (allowed %g): %.9g wanted, %.9g got\n", r->group, r->call, what,
           worst, want->tolerance, bad_want, bad_got);
}

static inline const Numbers *find_input(const Replay *r, const char *name) {
    for (uint32_t i = 0; i < r->input_count; i++)
        if (strcmp(r->inputs[i].name, name) == 0) return &r->inputs[i];
    ck_abort_msg("%s: no input %s", r->call, name);
    return NULL;
}

static inline int64_t value_elements(const BmrtValue *v) {
    int64_t n = 1;
    for (uint32_t i = 0; i < v->rank; i++)
        n *= v->dims[i].count ? v->dims[i].terms[0].coefficient : 0;
    return n;
}

/* One call or step, compared with the `out` and `metric` lines read so far. */
static inline void replay_run(Replay *r) {
    bool stepping = strcmp(r->call, "step") == 0;
    int32_t entry = stepping ? r->model->train[0].step_entry : bmrt_entry_find(r->model, r->call);
    ck_assert_msg(entry >= 0, "no entry %s", r->call);
    const BmrtEntry *e = &r->model->entries[entry];
    const void *in[REPLAY_INPUTS];
    void *out[REPLAY_OUTPUTS];
    ck_assert_uint_eq(e->symbol_count, 0);
    ck_assert_uint_le(e->input_count, REPLAY_INPUTS);
    ck_assert_uint_le(e->output_count, REPLAY_OUTPUTS);
    for (uint32_t i = 0; i < e->input_count; i++) {
        const Numbers *n = find_input(r, e->inputs[i].name);
        ck_assert_int_eq(n->count, value_elements(&e->inputs[i]));
        in[i] = numbers_bytes(n, e->inputs[i].dtype);
    }
    for (uint32_t i = 0; i < e->output_count; i++)
        out[i] = calloc((size_t)value_elements(&e->outputs[i]) + 1, sizeof(float));
    BmrtStatus s = (stepping ? bmrt_step : bmrt_call)(r->handle, (uint32_t)entry, NULL, in, out);
    ck_assert_msg(s == BMRT_OK, "%s: %s", r->call, bmrt_error(r->handle));
    for (uint32_t i = 0; i < r->output_count; i++) {
        uint32_t at = i;
        if (stepping) /* metrics by name */
            for (at = 0; at < e->output_count && strcmp(e->outputs[at].name, r->outputs[i].name);)
                at++;
        ck_assert_msg(at < e->output_count, "%s has no output %u", r->call, i);
        ck_assert_int_eq(r->outputs[i].count, value_elements(&e->outputs[at]));
        char what[128];
        if (stepping)
            snprintf(what, sizeof what, "metric %s", r->outputs[i].name);
        else
            snprintf(what, sizeof what, i ? "gradient %u" : "value", i);
        compare_values(r, what, &r->outputs[i], out[at]);
    }
    for (uint32_t i = 0; i < e->input_count; i++) free((void *)(uintptr_t)in[i]);
    for (uint32_t i = 0; i < e->output_count; i++) free(out[i]);
    numbers_clear(r->outputs, &r->output_count);
}

static inline void set_slot(Replay *r, const Numbers *n) {
    void *bytes = numbers_bytes(n, BMRT_F32);
    BmrtStatus s = bmrt_set(r->handle, n->name, bytes, (size_t)n->count * sizeof(float));
    ck_assert_msg(s == BMRT_OK, "%s: %s", n->name, bmrt_error(r->handle));
    free(bytes);
}

static inline void check_slot(Replay *r, const Numbers *n) {
    float *got = calloc((size_t)n->count + 1, sizeof *got);
    BmrtStatus s = bmrt_get(r->handle, n->name, got, (size_t)n->count * sizeof *got);
    ck_assert_msg(s == BMRT_OK, "%s: %s", n->name, bmrt_error(r->handle));
    compare_values(r, n->name, n, got);
    free(got);
}

static inline void replay_line(Replay *r, char *text) {
    char word[16];
    int at = 0;
    Numbers n = {0};
    if (text[0] == '#' || sscanf(text, "%15s%n", word, &at) != 1) return;
    if (strcmp(word, "run") == 0) {
        replay_run(r);
        return;
    }
    if (strcmp(word, "call") == 0) {
        ck_assert_int_eq(sscanf(text + at, " %95s", r->call), 1);
        numbers_clear(r->inputs, &r->input_count);
        return;
    }
    if (strcmp(word, "schedule") == 0) {
        int64_t steps, epoch;
        ck_assert_int_eq(sscanf(text + at, "%" SCNd64 " %" SCNd64, &steps, &epoch), 2);
        ck_assert_int_eq(bmrt_set_schedule(r->handle, steps, epoch), BMRT_OK);
        return;
    }
    char *dims = strchr(text, '[');
    ck_assert_msg(dims != NULL, "%s", text);
    if (strcmp(word, "out") == 0)
        ck_assert_int_eq(sscanf(text + at, "%lf %lf", &n.tolerance, &n.floor), 2);
    else
        ck_assert_int_ge(sscanf(text + at, "%95s %lf", n.name, &n.tolerance), 1);
    read_values(dims + 1, &n);
    if (strcmp(word, "in") == 0) {
        ck_assert_uint_lt(r->input_count, REPLAY_INPUTS);
        r->inputs[r->input_count++] = n;
    } else if (strcmp(word, "out") == 0 || strcmp(word, "metric") == 0) {
        ck_assert_uint_lt(r->output_count, REPLAY_OUTPUTS);
        r->outputs[r->output_count++] = n;
    } else {
        ck_assert_msg(strcmp(word, "slot") == 0 || strcmp(word, "after") == 0, "%s", word);
        (word[0] == 's' ? set_slot : check_slot)(r, &n);
        free(n.values);
    }
}

#endif
