/* Expressions on tensors, each beside another way to say it. The language tests compare the two and
 * check their gradients against differences, the code generator's tests compare the compiled first
 * with the reference evaluator's.
 *
 * Operands: x [B, 6], v [3], m [4, 4], t [B, 4, 5], all of one float dtype; i [B] i32 in 0 … 2. */
#ifndef BMC_TESTS_TENSOR_CASES_H
#define BMC_TESTS_TENSOR_CASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

typedef struct TensorCase {
    const char *body; /* an expression, or a block */
    const char *same; /* the same, said in another way; NULL: none */
    bool smooth;      /* has a first and second derivative by x at the test's values */
} TensorCase;

static const TensorCase TENSOR_CASES[] = {
    /* diagonals */
    {"einsum(\"i i ->\", m) * sum(x)", "{ y[b, k] = x[b, k] * sum[j](m[j, j])\n return sum(y) }",
     true},
    {"einsum(\"i i, b i -> b i\", m, x[:, :4])",
     "{ y[b, k] = m[k, k] * x[b, k] where k < 4\n return y }", true},
    {"einsum(\"b b -> b\", x[:3, :3])", "{ y[k] = x[k, k] where k < 3\n return y }", true},
    /* affine places */
    {"{ y[b, k] = x[b, k + 1] where k < 4\n return y }", "x[:, 1:5]", true},
    {"{ y[b, k] = x[b, k + 1] - x[b, k] where k < 5\n return y }", "x[:, 1:] - x[:, :5]", true},
    {"{ y[b, k] = x[b, 2 * k] where k < 3\n return y }", "reshape(x, [shape(x)[0], 3, 2])[:, :, 0]",
     true},
    {"{ y[b, k] = x[b, 5 - k] where k < 6\n return y }", "reverse(x, 1)", true},
    {"{ y[b, k] = x[b, 5 - 2 * k] where k < 3\n return y }",
     "reverse(reshape(x, [shape(x)[0], 3, 2])[:, :, 1], 1)", true},
    {"{ y[b, p, q] = x[b, 2 * p + q] where p < 3, q < 2\n return y }",
     "reshape(x, [shape(x)[0], 3, 2])", true},
    {"{ y[b, q, p] = x[b, q + 2 * p] where p < 3, q < 2\n return y }",
     "transpose(reshape(x, [shape(x)[0], 3, 2]), [0, 2, 1])", true},
    {"{ y[b, p, q] = x[b, p + q] where p < 4, q < 3\n return y }",
     "concat([expand(x[:, 0:4], 2), expand(x[:, 1:5], 2), expand(x[:, 2:6], 2)], axis = 2)", true},
    {"{ y[b, p] = sum[q](x[b, p + q] * v[q]) where p < 4\n return y }",
     "x[:, 0:4] * v[0] + x[:, 1:5] * v[1] + x[:, 2:6] * v[2]", true},
    {"{ y[b, p] = sum[q](x[b, p + 2 - q] * v[q]) where p < 4\n return y }",
     "x[:, 0:4] * v[2] + x[:, 1:5] * v[1] + x[:, 2:6] * v[0]", true},
    {"{ y[b, p] = sum[q](x[b, p + 2 * q] * v[q]) where p < 2\n return y }",
     "x[:, 0:2] * v[0] + x[:, 2:4] * v[1] + x[:, 4:6] * v[2]", true},
    {"{ y[b, p] = max[q](x[b, 2 * p + q]) where p < 3, q < 2\n return y }",
     "max(reshape(x, [shape(x)[0], 3, 2]), axis = 2)", true},
    {"{ y[b, p, q] = sum[r, z](t[b, p + r, q + z] * m[r, z]) where p < 3, q < 4, r < 2, z < 2\n"
     " return y }",
     "t[:, 0:3, 0:4] * m[0, 0] + t[:, 0:3, 1:5] * m[0, 1] + t[:, 1:4, 0:4] * m[1, 0] + "
     "t[:, 1:4, 1:5] * m[1, 1]",
     false},
    {"{ y[b, p, q, r] = x[b, p + q + 2 * r] where p < 2, q < 2, r < 2\n return sum(y, axis = [1, "
     "2]) "
     "}",
     "concat([expand(x[:, 0] + 2 * x[:, 1] + x[:, 2], 1), "
     "expand(x[:, 2] + 2 * x[:, 3] + x[:, 4], 1)], axis = 1)",
     true},
    {"{ y[k] = m[k % 2, k / 2] where k < 4\n return y + x[0, 0] }",
     "[m[0, 0], m[1, 0], m[0, 1], m[1, 1]] + x[0, 0]", true},
    {"{ y[b, c] = x[b, 0] * x[B - 1 - b, c] where b < B\n return y }", "x[:, 0:1] * reverse(x, 0)",
     true},
    {"{ y[b, c] = x[b + c, 0] where b < B - 1, c < 2\n return y }",
     "concat([x[0:B - 1, 0:1], x[1:B, 0:1]], axis = 1)", true},
    {"{ y[b, c] = reshape(x, [B * 6])[b * 6 + c] where b < B, c < 6\n return y }", "x", true},
    {"{ y[c, b] = reshape(x.T, [6 * B])[c * B + b] where b < B, c < 6\n return y }", "x.T", true},
    /* the diagonal */
    {"{ y[k] = m[k, k]\n return y * x[0, 0] }", "[m[0, 0], m[1, 1], m[2, 2], m[3, 3]] * x[0, 0]",
     true},
    {"sum[k](m[k, k]) * x[0, 0]", "(m[0, 0] + m[1, 1] + m[2, 2] + m[3, 3]) * x[0, 0]", true},
    {"{ p[b, c] = sum[k](x[b, k] * x[c, k])\n y[b] = p[b, b]\n return y }", "sum(x * x, axis = 1)",
     true},
    /* rows, slices, conditions */
    {"{ y[b, ...] = x[b, 1:4] * 2\n return y }", "x[:, 1:4] * 2", true},
    {"{ y[b] = sum[...](x[b, ...] * x[b, ...])\n return y }", "sum(x * x, axis = 1)", true},
    {"{ y[b] = max[...](t[b, 1:, ...])\n return y + x[:, 0] }",
     "max(t[:, 1:, :], axis = [1, 2]) + x[:, 0]", true},
    {"{ y[..., k] = select(x[..., k] > 1, x[..., k] * v[0], 0) where k < 6\n return y }",
     "select(x > 1, x * v[0], 0)", true},
    {"{ y[..., k] = select(k < 2, x[..., k], 0)\n return y }",
     "concat([x[:, 0:2], 0 * x[:, 2:]], axis = 1)", true},
    {"{ y[b, ...] = x[b, ...] / sum[...](x[b, ...])\n return y }",
     "x / sum(x, axis = 1, keep = true)", true},
    /* gathers */
    {"{ y[b, k] = x[b, i[b]] * v[k]\n return y }",
     "{ y[b, k] = sum[c](x[b, c] * f_of(c == i[b])) * v[k]\n return y }", true},
    {"{ y[b, k] = x[b, (i[b] + k) % 6] where k < 6\n return y }",
     "{ y[b, k] = sum[c](x[b, c] * f_of(c == (i[b] + k) % 6)) where k < 6\n return y }", true},
    {"x[:, [[0, 1], [2, 5]] |> i32]",
     "reshape(concat([x[:, 0:3], x[:, 5:6]], axis = 1), [shape(x)[0], 2, 2])", true},
    {"x[i32([0, 0]), i32([3, 4])]", "[x[0, 3], x[0, 4]]", true},
    {"t[:, i32([3, 1]), i32([0, 4])] * x[:, 0:1]",
     "concat([t[:, 3, 0:1], t[:, 1, 4:5]], axis = 1) * x[:, 0:1]", true},
    /* reductions */
    {"{ y[b] = prod[k](x[b, k])\n return y }",
     "x[:, 0] * x[:, 1] * x[:, 2] * x[:, 3] * x[:, 4] * x[:, 5]", true},
    {"{ y[k] = f_of(argmax[b](x[b, k]))\n return y }", "f_of(argmax(x, axis = 0))", false},
    {"{ y[b] = f_of(argmin[k](x[b, k]))\n return y }", "f_of(argmax(-x, axis = 1))", false},
    {"f_of(argmin(i32(4 * x), axis = 1))", "f_of(argmax(-i32(4 * x), axis = 1))", false},
    {"{ y[b] = max[k](sum[c](x[b, c] * m[c, k])) where c < 4\n return y }",
     "max(x[:, 0:4] @ m, axis = 1)", true},
    {"{ y[b] = sum[k](x[b, k] * max[c](m[k, c])) where k < 4\n return y }",
     "x[:, 0:4] @ max(m, axis = 1)", true},
    {"{ y[b] = mean[k](x[b, k] * x[b, k])\n return y }", "mean(x * x, axis = 1)", true},
    {"{ y[b, z] = sum[k, c](x[b, k] * m[k, c] * m[c, z]) where k < 4\n return y }",
     "x[:, 0:4] @ (m @ m)", true},
    {"{ y[b, z] = sum[k, c](m[k, c] * m[c, z] * x[b, k]) where k < 4\n return y }",
     "x[:, 0:4] @ m @ m", true},
    {"sum[b, k, c](x[b, k] * m[k % 4, c] * x[b, c + 2] * v[0] * 2)",
     "2 * v[0] * sum((x @ concat([m, m[0:2]], axis = 0)) * x[:, 2:])", true},
    {"prod(m) + prod(x[0, 1:4] * x[0, 0])",
     "prod(prod(m, axis = 0)) + prod(x[0, 1:4]) * x[0, 0] ^ 3", true},
    {"prod(x, axis = 0)", "{ scan r = x along 0 with p = 0 * x[0] + 1 { p = p * r }\n return p }",
     true},
    {"prod(x - x[0, 0], axis = [0, 1], keep = true)",
     "expand(expand(prod(prod(x - x[0, 0], axis = 0)), 0), 0)", true},
    {"prod(x - x[0, 0], axis = 1, keep = true)",
     "expand((x[:, 0] - x[0, 0]) * (x[:, 1] - x[0, 0]) * (x[:, 2] - x[0, 0]) * (x[:, 3] - x[0, 0]) "
     "* (x[:, 4] - x[0, 0]) * (x[:, 5] - x[0, 0]), 1)",
     true},
    /* patterns */
    {"rearrange(t, \"b r c -> b c r\")", "transpose(t, [0, 2, 1])", false},
    {"rearrange(x, \"b (p q) -> p b q\", q = 2)",
     "transpose(reshape(x, [shape(x)[0], 3, 2]), [1, 0, 2])", true},
    {"rearrange(x, \"b (p q) -> (p b) q\", p = 3)",
     "reshape(transpose(reshape(x, [shape(x)[0], 3, 2]), [1, 0, 2]), [3 * shape(x)[0], 2])", true},
    {"rearrange(t, \"... c -> c ...\")", "transpose(t, [2, 0, 1])", false},
    {"rearrange(t, \"b ... -> (...) b\")", "reshape(t, [shape(t)[0], 20]).T", false},
    {"rearrange(x, \"b k -> b 1 k 1\") |> rearrange(\"b 1 k 1 -> k b\")", "x.T", true},
    {"rearrange(x, \"... (p q) -> ... q p\", p = 2) |> rearrange(\"b q p -> b (p q)\")", "x", true},
    {"einsum(\"b k, k c -> b c\", x[:, 0:4], m)", "x[:, 0:4] @ m", true},
    {"x[:, 0:4] |> einsum(\"b k, k c, c z -> z b\", m, m)", "(x[:, 0:4] @ (m @ m)).T", true},
    {"einsum(\"b k, b k -> b\", x, x)", "sum(x * x, axis = 1)", true},
    {"einsum(\"... k, k -> ...\", x[:, 0:3], v)", "x[:, 0:3] @ v", true},
    {"einsum(\"b k -> k\", x * x)", "sum(x * x, axis = 0)", true},
    {"einsum(\"b k, c k ->\", x, x)", "sum(sum(x, axis = 0) ^ 2)", true},
    {"einsum(\"b, c -> b c\", x[:, 0], v)", "{ y[b, c] = x[b, 0] * v[c]\n return y }", true},
    /* order */
    {"sort(x)", "{ o = argsort(x)\n y[b, k] = x[b, o[b, k]]\n return y }", true},
    {"sort(x, axis = 0)", "sort(x.T).T", true},
    {"sort(x, axis = 1, descending = true)", "-sort(-x, axis = 1)", true},
    {"f_of(ranks(x))", "{ y[b, k] = sum[c](f_of(x[b, c] < x[b, k]))\n return y }", false},
    {"f_of(argsort(i32(3 * x), axis = 0))", "f_of(argsort(3 * x - (3 * x) % 1, axis = 0))", false},
    {"sort(reshape(x, [6 * B]))", "reshape(sort(reshape(x, [1, 6 * B])), [6 * B])", true},
    {"{ a, at = top_k(x, 2)\n return a + f_of(at) }",
     "sort(x, descending = true)[:, 0:2] + f_of(argsort(-x)[:, 0:2])", true},
    {"quantile(x, 0.3, axis = 1)", "{ y = sort(x)\n return 0.5 * (y[:, 1] + y[:, 2]) }", true},
    {"median(x) + quantile(x, 1, axis = all) + quantile(x, 0)",
     "{ y = sort(reshape(x, [6 * B]))\n return 0.5 * (y[9] + y[8]) + max(x) + min(x) }", true},
    {"median(m[:, 0:3], axis = 1, keep = true)", "sort(m[:, 0:3])[:, 1:2]", false},
    {"cumsum(x, axis = 1)", "{ y[b, k] = sum[c](x[b, c] * f_of(c <= k)) where k < 6\n return y }",
     true},
    {"cumsum(x, axis = 0)", "{ y[b, k] = sum[c](x[c, k] * f_of(c <= b)) where b < B\n return y }",
     true},
    {"cumsum(t, axis = 1) * x[0, 0]",
     "{ y[b, r, k] = sum[c](t[b, c, k] * f_of(c <= r)) where r < 4\n return y * x[0, 0] }", true},
    {"put(x, 2, v[0], axis = 1)", "concat([x[:, 0:2], 0 * x[:, 0:1] + v[0], x[:, 3:]], axis = 1)",
     true},
    {"put(x, i[0], x[0] ^ 2, axis = 0)",
     "{ y[b, k] = select(b == i[0], x[0, k] * x[0, k], x[b, k])\n return y }", true},
    {"put(m, -1, v[0], axis = 0) * x[0, 0]",
     "concat([m[0:3], 0 * m[0:1] + v[0]], axis = 0) * x[0, 0]", true},
    {"round(2 * x - 3)", "floor(2 * x - 2.5)", false},
    {"round(f_of([0.5, 1.5, -0.5, -1.5, 2.4, 2.6]))", "f_of([0, 2, 0, -2, 2, 3])", false},
    {"rsqrt(x)", "x ^ -0.5", true},
    {"{ f = (a, b) -> a * b + a\n return f(x, v[0]) }", "x * v[0] + x", true},
    {"{ a, b = chunk(x, 2)\n l = map([a, b], z -> z ^ 2)\n return l[0] + l[-1] }",
     "x[:, 0:3] ^ 2 + x[:, 3:] ^ 2", true},
    /* functions of one element */
    {"expm1(x)", "exp(x) - 1", true},
    {"log1p(x)", "log(1 + x)", true},
};
enum { TENSOR_CASE_COUNT = sizeof TENSOR_CASES / sizeof *TENSOR_CASES };

/* The program of one case: f is the expression, g and h the derivatives of the sum of squares of f
 * and of g. With `compare` also same, the other form, and loss and slope, those sums. */
static inline void tensor_case_source(char *out, size_t size, const TensorCase *c,
                                      const char *dtype, bool compare) {
    const char *names = "x, v, m, t, i";
    char pars[160];
    snprintf(pars, sizeof pars, "(x[B, 6]: %s, v[3]: %s, m[4, 4]: %s, t[B, 4, 5]: %s, i[B]: i32)",
             dtype, dtype, dtype, dtype);
    int n = snprintf(out, size, "fn f_of(x) = %s(x)\n", dtype);
    n += snprintf(out + n, size - (size_t)n, "fn e%s %s%s\n", pars, c->body[0] == '{' ? "" : "= ",
                  c->body);
    n += snprintf(out + n, size - (size_t)n, "export fn f%s = e(%s)\n", pars, names);
    if (c->same && compare)
        n += snprintf(out + n, size - (size_t)n, "export fn same%s %s%s\n", pars,
                      c->same[0] == '{' ? "" : "= ", c->same);
    if (!c->smooth) return;
    n += snprintf(out + n, size - (size_t)n,
                  "fn de%s = grad(sum(e(%s) ^ 2), x)\n"
                  "export fn g%s = de(%s)\n"
                  "export fn h%s = grad(sum(de(%s) ^ 2), x)\n",
                  pars, names, pars, names, pars, names);
    if (!compare) return;
    snprintf(out + n, size - (size_t)n,
             "export fn loss%s = sum(e(%s) ^ 2)\nexport fn slope%s = sum(de(%s) ^ 2)\n", pars,
             names, pars, names);
}

#endif
