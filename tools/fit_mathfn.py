#!/usr/bin/env python3
"""Fits the polynomials of compiler/graph/mathfn.c and prints mathfn_tables.h.

Each is a weighted minimax fit (Lawson's reweighted least squares). Coefficients are rounded to the format one by one,
lowest degree first, and the rest is fitted again around what was rounded, so that the rounding of a
leading coefficient costs nothing. Needs mpmath; not part of the build.
    tools/fit_mathfn.py > compiler/graph/mathfn_tables.h
"""
import sys
from mpmath import mp, mpf, matrix, lu_solve, exp, log, sin, cos, expm1, log1p, erf, erfc, sqrt, pi, cos as mcos

mp.dps = 60
BITS = {"f32": 24, "f64": 53}


def round_to(x, bits):
    """To nearest even with `bits` of significand (no subnormals here)."""
    if x == 0:
        return mpf(0)
    m, e = mp.frexp(x)
    return mp.ldexp(mp.nint(mp.ldexp(m, bits)), e - bits)


def least(f, w, lo, hi, powers):
    """Weighted least squares on Chebyshev nodes, then a few Lawson steps towards minimax."""
    count = 160
    grid = [(lo + hi) / 2 - (hi - lo) / 2 * mcos(pi * (k + mpf(1) / 2) / count) for k in range(count)]
    scale = max(abs(lo), abs(hi))
    fv = [f(x) for x in grid]
    wv = [w(x) for x in grid]
    basis = [[(x / scale) ** q for q in powers] for x in grid]
    lawson = [mpf(1)] * count
    n = len(powers)
    best = None
    for _ in range(12):
        a = matrix(n, n)
        b = matrix(n, 1)
        for k in range(count):
            ww = lawson[k] * wv[k] ** 2
            for i in range(n):
                t = ww * basis[k][i]
                b[i] += t * fv[k]
                for j in range(i, n):
                    a[i, j] += t * basis[k][j]
        for i in range(n):
            for j in range(i):
                a[i, j] = a[j, i]
        c = lu_solve(a, b)
        err = [abs(wv[k] * (sum(c[i] * basis[k][i] for i in range(n)) - fv[k])) for k in range(count)]
        worst = max(err)
        if best is None or worst < best[1]:
            best = ([c[i] / scale ** q for i, q in enumerate(powers)], worst)
        mean = sum(err) / count
        if mean == 0:
            break
        lawson = [l * (e / mean + mpf(1) / 100) for l, e in zip(lawson, err)]
        total = sum(lawson) / count
        lawson = [l / total for l in lawson]
    return best


def fit(name, kind, f, w, lo, hi, degree):
    lo, hi = mpf(lo), mpf(hi)
    fixed = []
    worst = None
    while len(fixed) <= degree:
        powers = list(range(len(fixed), degree + 1))

        def rest(x):
            return f(x) - sum(c * x ** i for i, c in enumerate(fixed))

        coef, worst = least(rest, w, lo, hi, powers)
        fixed.append(round_to(coef[0], BITS[kind]))
    grid = [lo + (hi - lo) * k / 997 for k in range(998)]
    final = max(abs(w(x) * (sum(c * x ** i for i, c in enumerate(fixed)) - f(x))) for x in grid)
    print(f"/* weighted error 2^{float(mp.log(final, 2)):.1f} */")
    print(f"static const double {name}_{kind}[] = {{")
    line = "   "
    for c in fixed:
        item = f" {float(c).hex()},"
        if len(line) + len(item) > 99:
            print(line)
            line = "   "
        line += item
    print(line + "\n};")
    sys.stdout.flush()


def safe(f, x0):
    """f with its removable singularity at 0 avoided by a tiny shift."""
    return lambda x: f(x if abs(x) > mpf(10) ** -12 else mpf(10) ** -12)


half_ln2 = log(2) / 2
print("/* Polynomial coefficients of mathfn.c, lowest degree first. Made by tools/fit_mathfn.py. */")
print("#ifndef BMC_GRAPH_MATHFN_TABLES_H\n#define BMC_GRAPH_MATHFN_TABLES_H\n")
want = sys.argv[1:]


def table(name, comment, f, w, lo, hi, degrees):
    if want and name not in want:
        return
    print(f"/* {comment} */")
    for kind, degree in degrees.items():
        fit(name, kind, f, w, lo, hi, degree)
    print()


table("exp_q", "e^r = 1 + r + r²·Q(r), |r| <= ln2/2", safe(lambda r: (expm1(r) - r) / r**2, 0),
      lambda r: r * r / exp(r), -half_ln2 * 1.01, half_ln2 * 1.01, {"f32": 4, "f64": 9})
def tanh_p(z):
    r = sqrt(z) if z > mpf(10)**-20 else mpf(10)**-10
    return (mp.tanh(r) - r) / r**3
table("tanh_p", "tanh r = r + r³·P(r²), |r| <= ln2/4", tanh_p, lambda z: z, mpf(0),
      (half_ln2 / 2 * mpf("1.01"))**2, {"f32": 2})
table("tanh_p", "tanh r = r + r³·P(r²), |r| <= ln2/4 + 0.086", tanh_p, lambda z: z, mpf(0),
      (half_ln2 / 2 + mpf("0.087"))**2, {"f64": 6})
table("log_p", "log(1 + f) = f - f²/2 + f³·P(f), sqrt(1/2) <= 1 + f < sqrt(2)",
      safe(lambda f: (log1p(f) - f + f * f / 2) / f**3, 0), lambda f: f * f,
      sqrt(mpf(1) / 2) - 1, sqrt(mpf(2)) - 1, {"f32": 7})
s2max = ((sqrt(mpf(2)) - 1) / (sqrt(mpf(2)) + 1))**2
def atanh_tail(skip):
    """(2·atanh(s) - terms below s^(2·skip+1)) / s^(2·skip+1) as a function of z = s²."""
    return lambda z: sum(mpf(2) / (2 * k + 2 * skip + 1) * z**k for k in range(60))
table("atanh_1", "2·atanh(s) = 2s + s³·P(s²), s² <= 0.0295", atanh_tail(1), lambda z: z / 2,
      mpf(0), s2max * 1.001, {"f64": 7})
table("atanh_2", "2·atanh(s) = 2s + s³·2/3 + s⁵·P(s²), s² <= 0.0295", atanh_tail(2),
      lambda z: z * z, mpf(0), s2max * 1.001, {"f32": 2, "f64": 8})
rmax = (pi / 4 * mpf("1.06"))**2
def sin_p(z):
    r = sqrt(z) if z > mpf(10)**-20 else mpf(10)**-10
    return (sin(r) - r) / r**3
def cos_p(z):
    r = sqrt(z) if z > mpf(10)**-20 else mpf(10)**-10
    return (cos(r) - 1 + r * r / 2) / r**4
table("sin_p", "sin r = r + r³·P(r²), |r| <= 0.83", sin_p, lambda z: z, mpf(0), rmax, {"f32": 2, "f64": 5})
table("cos_p", "cos r = 1 - r²/2 + r⁴·P(r²), |r| <= 0.83", cos_p, lambda z: z * z, mpf(0), rmax,
      {"f32": 2, "f64": 5})
SPLIT = mpf("0.921875")
def erf_small(z):
    x = sqrt(z) if z > mpf(10)**-20 else mpf(10)**-10
    return erf(x) / x - 1
table("erf_small", "erf x = x + x·P(x²), |x| <= 0.93", erf_small, lambda z: mpf(1), mpf(0), (SPLIT * mpf("1.001"))**2,
      {"f32": 5, "f64": 11})
def erf_large(a):
    return log(erfc(a)) / a
table("erf_large", "erf a = 1 - exp(a·P(a)), a > 0.92", erf_large, lambda a: a * erfc(a), SPLIT * mpf("0.999"), mpf("4.0"), {"f32": 6})
table("erf_large", "erf a = 1 - exp(a·P(a)), a > 0.92", erf_large, lambda a: a * erfc(a), SPLIT * mpf("0.999"), mpf("5.95"), {"f64": 17})
print("#endif")
