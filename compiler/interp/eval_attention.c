/* attention and its gradient, row by row (docs/ops.md). Parts are computed one by one, each from
 * the operands: slow and obvious. */
#include "compiler/graph/attention_op.h"
#include "compiler/interp/interp_internal.h"

#include <math.h>
#include <stdlib.h>

/* One value: where an element lies, by the roles of its axes. */
typedef struct View {
    const Tensor *tensor;
    size_t stride[RANK_MAX + ROLES];
    size_t base; /* of the batch position looked at */
} View;

typedef struct Head {
    const Eval *e;
    Attention a;
    const MathProgram *exp_, *log_;
    View q, k, v, o, d_o;
    const Tensor *sums, *mask;
    size_t t, s, d, width; /* width: e */
    size_t number;         /* of the batch position */
    float *scores;         /* [s] of a row */
} Head;

static View view_of(const Tensor *x, const Attention *a, const int64_t *roles) {
    View v = {.tensor = x};
    size_t stride[RANK_MAX];
    tensor_strides(x, stride);
    for (uint32_t i = 0; i < a->rank; i++) v.stride[roles[i]] = stride[i];
    return v;
}

static void view_move(View *v, const Attention *a, const int64_t *index) {
    v->base = 0;
    for (uint32_t i = 0; i < a->batch; i++) v->base += (size_t)index[i] * v->stride[i];
}

static size_t place(const Head *h, const View *v, uint32_t row_role, size_t row, uint32_t role,
                    size_t column) {
    return v->base + row * v->stride[h->a.batch + row_role] + column * v->stride[h->a.batch + role];
}

static float at(const Head *h, const View *v, uint32_t row_role, size_t row, uint32_t role,
                size_t column) {
    return ((const float *)v->tensor->data)[place(h, v, row_role, row, role, column)];
}

/* Pairs that a causal mask takes away do not exist. */
static size_t row_end(const Head *h, size_t i) {
    return h->a.causal ? i + 1 : h->s;
}

static bool looks(const Head *h, size_t i, size_t j) {
    return !h->mask || ((const uint8_t *)h->mask->data)[(h->number * h->t + i) * h->s + j] != 0;
}

/* scores[j] = scale Σ q k, or -inf where the mask forbids. */
static void row_scores(const Head *h, size_t i) {
    for (size_t j = 0; j < row_end(h, i); j++) {
        float acc = 0;
        for (size_t c = 0; c < h->d; c++)
            acc = fmaf(at(h, &h->q, ROLE_T, i, ROLE_D, c), at(h, &h->k, ROLE_S, j, ROLE_D, c), acc);
        h->scores[j] = looks(h, i, j) ? acc * h->a.scale : -INFINITY;
    }
}

static float maximum(float a, float b) {
    if (isnan(a) || isnan(b)) return NAN;
    if (a == b) return signbit(a) ? b : a;
    return a > b ? a : b;
}

static float lanes_tree(float *lane) {
    for (size_t width = SUM_LANE_COUNT / 2; width > 0; width /= 2)
        for (size_t i = 0; i < width; i++) lane[i] += lane[i + width];
    return lane[0];
}

/* scores become exp(score - largest); gives their sum and the logarithm. */
static float row_softmax(const Head *h, size_t i, float *logarithm) {
    float most = -INFINITY, lane[SUM_LANE_COUNT] = {0};
    row_scores(h, i);
    for (size_t j = 0; j < row_end(h, i); j++) most = maximum(most, h->scores[j]);
    for (size_t j = 0; j < row_end(h, i); j++) {
        h->scores[j] = math_run_f32(h->exp_, h->scores[j] - most, 0);
        lane[j % SUM_LANE_COUNT] += h->scores[j];
    }
    float sum = lanes_tree(lane);
    *logarithm = most + math_run_f32(h->log_, sum, 0);
    return sum;
}

static void result_rows(const Head *h, View *out) {
    float *y = out->tensor->data, logarithm;
    for (size_t i = 0; i < h->t; i++) {
        float sum = row_softmax(h, i, &logarithm);
        for (size_t c = 0; c < h->width; c++) {
            float acc = 0;
            for (size_t j = 0; j < row_end(h, i); j++)
                acc = fmaf(h->scores[j], at(h, &h->v, ROLE_S, j, ROLE_E, c), acc);
            y[place(h, out, ROLE_T, i, ROLE_E, c)] = acc / sum;
        }
    }
}

/* ------------------------------------------------------------------ gradient */

/* The weight p of pair (i, j), and with `slope` the adjoint of its score. */
static float pair_adjoint(const Head *h, size_t i, size_t j, float own, bool slope) {
    float logarithm = ((const float *)h->sums->data)[h->number * h->t + i], acc = 0;
    float p = math_run_f32(h->exp_, h->scores[j] - logarithm, 0);
    if (!slope) return p;
    for (size_t c = 0; c < h->width; c++)
        acc = fmaf(at(h, &h->d_o, ROLE_T, i, ROLE_E, c), at(h, &h->v, ROLE_S, j, ROLE_E, c), acc);
    return looks(h, i, j) ? p * (acc - own) * h->a.scale : 0;
}

/* Σ do · o of a row, which is what all its weights share. */
static float row_share(const Head *h, size_t i) {
    float lane[SUM_LANE_COUNT] = {0};
    for (size_t c = 0; c < h->width; c++)
        lane[c % SUM_LANE_COUNT] =
            fmaf(at(h, &h->d_o, ROLE_T, i, ROLE_E, c), at(h, &h->o, ROLE_T, i, ROLE_E, c),
                 lane[c % SUM_LANE_COUNT]);
    return lanes_tree(lane);
}

/* Rows ascending: every element of dk and dv is one chain over the rows that look at it. */
static void gradient_rows(const Head *h, View *out) {
    float *y = out->tensor->data;
    for (size_t i = 0; i < h->t; i++) {
        float own = row_share(h, i);
        row_scores(h, i);
        for (size_t j = 0; j < row_end(h, i); j++) {
            float pair = pair_adjoint(h, i, j, own, h->a.part != 2);
            for (size_t c = 0; c < (h->a.part == 2 ? h->width : h->d); c++) {
                size_t to = h->a.part == 0   ? place(h, out, ROLE_T, i, ROLE_D, c)
                            : h->a.part == 1 ? place(h, out, ROLE_S, j, ROLE_D, c)
                                             : place(h, out, ROLE_S, j, ROLE_E, c);
                float other = h->a.part == 0   ? at(h, &h->k, ROLE_S, j, ROLE_D, c)
                              : h->a.part == 1 ? at(h, &h->q, ROLE_T, i, ROLE_D, c)
                                               : at(h, &h->d_o, ROLE_T, i, ROLE_E, c);
                y[to] = fmaf(pair, other, y[to]);
            }
        }
    }
}

/* ------------------------------------------------------------------ all heads */

static void head_run(Head *h, View *out) {
    float logarithm;
    if (h->a.gradient) {
        gradient_rows(h, out);
    } else if (h->a.part == 0) {
        result_rows(h, out);
    } else {
        for (size_t i = 0; i < h->t; i++) {
            row_softmax(h, i, &logarithm);
            ((float *)out->tensor->data)[h->number * h->t + i] = logarithm;
        }
    }
}

static bool attention_run(Eval *e) {
    static const AttentionValue parts[3] = {ATTENTION_DQ, ATTENTION_DK, ATTENTION_DV};
    Head h = {.e = e, .a = attention_of(e->g, e->n)};
    const Attention *a = &h.a;
    int64_t size[RANK_MAX + ROLES], index[RANK_MAX];
    size_t heads = 1;
    for (uint32_t i = 0; i < a->batch + ROLES; i++) size[i] = run_dim(e->run, a->dims[i]);
    for (uint32_t i = 0; i < a->batch; i++) heads *= (size_t)size[i];
    h.t = (size_t)size[a->batch + ROLE_T];
    h.s = (size_t)size[a->batch + ROLE_S];
    h.d = (size_t)size[a->batch + ROLE_D];
    h.width = (size_t)size[a->batch + ROLE_E];
    h.exp_ = math_program(e->run->run->arena, OP_EXP, DTYPE_F32);
    h.log_ = math_program(e->run->run->arena, OP_LOG, DTYPE_F32);
    h.q = view_of(&e->args[0]->tensor, a, a->roles[ATTENTION_Q]);
    h.k = view_of(&e->args[1]->tensor, a, a->roles[ATTENTION_K]);
    h.v = view_of(&e->args[2]->tensor, a, a->roles[ATTENTION_V]);
    if (a->gradient) {
        h.o = view_of(&e->args[3]->tensor, a, a->roles[ATTENTION_O]);
        h.sums = &e->args[4]->tensor;
        h.d_o = view_of(&e->args[5]->tensor, a, a->roles[ATTENTION_DO]);
    }
    if (!node_is_none(a->mask)) h.mask = &e->args[e->n->nargs - 1]->tensor;
    View out = {.tensor = &e->out->tensor};
    if (a->gradient || a->part == 0)
        out = view_of(&e->out->tensor, a, a->roles[a->gradient ? parts[a->part] : ATTENTION_O]);
    h.scores = scratch_alloc(h.s, sizeof *h.scores);
    if (!h.scores) return false;
    for (; h.number < heads; h.number++) {
        position_split(size, a->batch, h.number, index);
        View *views[] = {&h.q, &h.k, &h.v, &h.o, &h.d_o, &out};
        for (size_t i = 0; i < 6; i++) view_move(views[i], a, index);
        head_run(&h, &out);
    }
    free(h.scores);
    return true;
}

bool eval_ATTENTION(Eval *e) {
    return attention_run(e);
}
bool eval_ATTENTION_GRAD(Eval *e) {
    return attention_run(e);
}
