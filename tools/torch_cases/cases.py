"""What the case files share: drawing inputs, writing a .bm file and its expected numbers."""
import os
import zlib

import numpy as np
import torch

torch.set_default_dtype(torch.float64)
OUTPUT, GRADIENT = 1e-6, 1e-5


class Draw:
    """Asks for an array of a shape: normal numbers, or another distribution."""

    def __init__(self, *shape, kind="normal", high=None, scale=1.0, shift=0.0):
        self.shape, self.kind, self.high, self.scale, self.shift = shape, kind, high, scale, shift

    def make(self, rng):
        if self.kind == "int":
            return rng.integers(0, self.high, self.shape).astype(np.int32)
        if self.kind == "bit":
            return rng.integers(0, 2, self.shape).astype(np.float32)
        if self.kind == "sign":
            return (2 * rng.integers(0, 2, self.shape) - 1).astype(np.float32)
        if self.kind == "share":  # rows of probabilities
            a = rng.random(self.shape) + 0.05
            return (a / a.sum(-1, keepdims=True)).astype(np.float32)
        if self.kind == "uniform":
            return (self.shift + self.scale * rng.random(self.shape)).astype(np.float32)
        return (self.shift + self.scale * rng.standard_normal(self.shape)).astype(np.float32)


def draw(spec, rng):
    if isinstance(spec, Draw):
        return spec.make(rng)
    if isinstance(spec, tuple):
        return Draw(*spec).make(rng)
    return np.asarray(spec)


def rng_of(name):
    return np.random.default_rng(zlib.crc32(name.encode()))


def dtype_of(a):
    return {"float32": "f32", "float64": "f64", "int32": "i32", "bool": "bool"}[str(a.dtype)]


def dims_of(a):
    return "[" + ", ".join(str(n) for n in a.shape) + "]"


def number(v):
    if np.isnan(v):
        return "nan"
    if np.isinf(v):
        return "inf" if v > 0 else "-inf"
    return "%.10g" % v


def line(word, a, head):
    values = " ".join(number(float(v)) for v in np.asarray(a).reshape(-1))
    return "%s %s %s : %s\n" % (word, head, dims_of(np.asarray(a)), values)


def tensor(a, moving):
    a = torch.tensor(a)
    return a.double().requires_grad_(moving) if a.is_floating_point() else a


class Group:
    """One .bm file and its .txt."""

    def __init__(self, name, about):
        self.name, self.about = name, about
        self.program, self.numbers = [], []

    def write(self, folder):
        path = os.path.join(folder, self.name)
        with open(path + ".bm", "w") as f:
            f.write("# Made by tools/compare_torch.py: %s\n" % self.about + "".join(self.program))
        with open(path + ".txt", "w") as f:
            f.write("# Made by tools/compare_torch.py\n" + "".join(self.numbers))

    def fn(self, name, expression, want, frozen=(), output=OUTPUT, gradient=GRADIENT, floor=0.0, **inputs):
        """`expression` over `inputs` against `want(**inputs)`; gradients of all float inputs that are not
        `frozen`, of the result times a drawn weight."""
        self._call(name, "", expression, lambda _, **a: want(**a), {}, inputs, frozen, output, gradient, floor)

    def layer(self, name, expression, want, slots, frozen=(), output=OUTPUT, gradient=GRADIENT, floor=0.0,
              **inputs):
        """A model of one layer: `want(p, **inputs)`, p: tensors by path below the model."""
        pars = ", ".join(self._par(k, draw(v, rng_of(k))) for k, v in inputs.items())
        model = "model m_%s(%s) = %s\n" % (name, pars, expression)
        call = "m_%s(%s)" % (name, ", ".join(inputs))
        self._call(name, model, call, want, slots, inputs, frozen, output, gradient, floor)

    @staticmethod
    def _par(name, a):
        dtype = dtype_of(a)
        return "%s%s%s" % (name, dims_of(a), "" if dtype == "f32" else ": " + dtype)

    def _call(self, name, model, expression, want, slots, inputs, frozen, output, gradient, floor):
        rng = rng_of(name)
        arrays = {k: draw(v, rng) for k, v in inputs.items()}
        params = {k: draw(v, rng) for k, v in slots.items()}
        tensors = {k: tensor(a, k not in frozen) for k, a in arrays.items()}
        leaves = {k: tensor(a, k not in frozen) for k, a in params.items()}
        y = want(leaves, **tensors)
        weight = draw(tuple(y.shape), rng)
        moving = [k for k, t in tensors.items() if t.is_floating_point() and k not in frozen]
        learned = [k for k in leaves if k not in frozen]
        targets = [tensors[k] for k in moving] + [leaves[k] for k in learned]
        grads = torch.autograd.grad((y * torch.tensor(weight).double()).sum(), targets) if targets else []
        self._program(name, model, expression, arrays, weight, y, moving, learned, grads)
        for k, a in params.items():
            self.numbers.append(line("slot", a, "m_%s.%s" % (name, k)))
        self.numbers.append("call %s\n" % name)
        for k, a in list(arrays.items()) + [("weight_", weight)]:
            self.numbers.append(line("in", a, k))
        self.numbers.append(line("out", y.detach().numpy(), "%g %g" % (output, floor)))
        for g in grads:
            self.numbers.append(line("out", g.numpy(), "%g %g" % (gradient, floor)))
        self.numbers.append("run\n")

    def _program(self, name, model, expression, arrays, weight, y, moving, learned, grads):
        pars = [self._par(k, a) for k, a in arrays.items()] + [self._par("weight_", weight)]
        results = ", ".join(dims_of(a) for a in [y.detach().numpy()] + [g.numpy() for g in grads])
        results = "(%s)" % results if grads else results
        places = moving + ["m_%s.%s" % (name, k) for k in learned]
        wanted = "".join(", grad(l_, %s)" % p for p in places)
        total = "  l_ = sum(y_ * weight_)\n" if wanted else ""
        self.program.append("\n%sexport fn %s(%s) -> %s {\n  y_ = %s\n%s  return y_%s\n}\n" %
                            (model, name, ", ".join(pars), results, expression, total, wanted))
