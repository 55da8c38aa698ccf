"""Training: ten steps of every optimizer, batch-norm in training, and schedules, step by step. Optimizers
that torch lacks are written out here from their papers."""
import math

import numpy as np
import torch
import torch.nn.functional as F
from cases import Draw, draw, line, rng_of

STEPS, PER_EPOCH, TOLERANCE = 10, 3, 5e-5


class Training:
    def __init__(self):
        self.rng = rng_of("training")
        self.x = draw((6, 4), self.rng)
        self.y = draw(Draw(6, 3, scale=0.5), self.rng)
        self.models, self.body, self.slots, self.after, self.metrics = [], [], [], [], []

    def optimizer(self, name, rule, step):
        """`rule` of the language against step(params) -> a function that applies one update in place."""
        w, b = draw((4, 3), self.rng), draw((3,), self.rng)
        self.models.append("model %s(x[6, 4]) -> [6, 3] = x |> dense(3, tanh)\n" % name)
        self.body.append("    minimize mse(%s(x), y) over %s with %s\n" % (name, name, rule))
        paths = ["%s.dense1.w" % name, "%s.dense1.b" % name]
        self.slots += list(zip(paths, (w, b)))
        params = [torch.tensor(w).double().requires_grad_(), torch.tensor(b).double().requires_grad_()]
        update = step(params)
        x, y = torch.tensor(self.x).double(), torch.tensor(self.y).double()
        track = []
        for _ in range(STEPS):
            for p in params:
                p.grad = None
            F.mse_loss(torch.tanh(x @ params[0] + params[1]), y).backward()
            update()
            track.append([(path, p.detach().clone().numpy()) for path, p in zip(paths, params)])
        self.after.append(track)

    def schedule(self, name, expression, rates):
        self.body.append("    metric %s = %s\n" % (name, expression))
        self.metrics.append((name, rates))

    def batchnorm(self):
        """One step of plain descent at rate 1 shows the gradients; the inputs are a parameter too."""
        a, g, b = draw((8, 3), self.rng), draw((3,), self.rng), draw((3,), self.rng)
        mean, var = draw((3,), self.rng), draw(Draw(3, kind="uniform", shift=0.5), self.rng)
        weight = draw((8, 3), self.rng)
        self.models.append("model normed(k[8, 3]) -> [] {\n  param a[8, 3] init zeros\n"
                           "  return sum(k * batchnorm()(a))\n}\n")
        self.body.append("    minimize normed(k) over normed with sgd(0.1)\n")
        root = "normed.batchnorm1."
        self.slots += [("normed.a", a), (root + "gamma", g), (root + "beta", b), (root + "running_mean", mean),
                       (root + "running_var", var)]
        params = [torch.tensor(v).double().requires_grad_() for v in (a, g, b)]
        m, v, k = (torch.tensor(t).double() for t in (mean, var, weight))
        track = []
        for _ in range(STEPS):
            loss = (k * F.batch_norm(params[0], m, v, params[1], params[2], True)).sum()
            grads = torch.autograd.grad(loss, params)
            with torch.no_grad():
                for p, d in zip(params, grads):
                    p -= 0.1 * d
            track.append([(path, t.detach().clone().numpy()) for path, t in
                          zip(["normed.a"] + [root + n for n in ("gamma", "beta", "running_mean", "running_var")],
                              params + [m, v])])
        self.after.append(track)
        self.k = weight

    def write(self, folder):
        with open(folder + "/training.bm", "w") as f:
            f.write("# Made by tools/compare_torch.py: optimizers, schedules, batch-norm\n")
            f.write("".join(self.models))
            f.write("train {\n  steps: %d\n  step(x[6, 4], y[6, 3], k[8, 3]) {\n" % STEPS + "".join(self.body) + "  }\n}\n")
        with open(folder + "/training.txt", "w") as f:
            f.write("# Made by tools/compare_torch.py\n")
            f.write("call step\nschedule %d %d\n" % (STEPS, PER_EPOCH))
            for path, a in self.slots:
                f.write(line("slot", a, path))
            for k, a in (("x", self.x), ("y", self.y), ("k", self.k)):
                f.write(line("in", a, k))
            for i in range(STEPS):
                for name, rates in self.metrics:
                    f.write(line("metric", np.float64(rates(i)), "%s 2e-06" % name))
                f.write("run\n")
                for track in self.after:
                    for path, a in track[i]:
                        f.write(line("after", a, "%s %g" % (path, TOLERANCE)))


GROUP = Training()
add = GROUP.optimizer


def of(make):
    """Of torch.optim."""
    return lambda params: (lambda o=make(params): o.step())


O = torch.optim
add("sgd_", "sgd(0.5)", of(lambda p: O.SGD(p, 0.5)))
add("sgd_decay", "sgd(0.5, decay = 0.1)", of(lambda p: O.SGD(p, 0.5, weight_decay=0.1)))
add("momentum_", "momentum(0.3, 0.8)", of(lambda p: O.SGD(p, 0.3, momentum=0.8)))
add("nesterov_", "nesterov(0.3, 0.8, decay = 0.01)",
    of(lambda p: O.SGD(p, 0.3, momentum=0.8, nesterov=True, weight_decay=0.01)))
add("adam_", "adam(0.1)", of(lambda p: O.Adam(p, 0.1)))
add("adam_options", "adam(0.1, 0.8, 0.9, decay = 0.1, amsgrad = true)",
    of(lambda p: O.Adam(p, 0.1, betas=(0.8, 0.9), weight_decay=0.1, amsgrad=True)))
add("adamw_", "adamw(0.1, decay = 0.2, decay_all = true)", of(lambda p: O.AdamW(p, 0.1, weight_decay=0.2)))
add("adamw_matrices", "adamw(0.1, decay = 0.2)",
    of(lambda p: O.AdamW([{"params": p[:1]}, {"params": p[1:], "weight_decay": 0.0}], 0.1, weight_decay=0.2)))
add("adamax_", "adamax(0.1)", of(lambda p: O.Adamax(p, 0.1)))
add("rmsprop_", "rmsprop(0.05, 0.99, 1e-8)", of(lambda p: O.RMSprop(p, 0.05, alpha=0.99, eps=1e-8)))
add("rmsprop_options", "rmsprop(0.02, 0.9, 1e-4, momentum = 0.5, centered = true, decay = 0.1)",
    of(lambda p: O.RMSprop(p, 0.02, alpha=0.9, eps=1e-4, momentum=0.5, centered=True, weight_decay=0.1)))
add("adagrad_", "adagrad(0.3)", of(lambda p: O.Adagrad(p, 0.3)))
add("adagrad_options", "adagrad(0.3, slow = 0.1, start = 0.2, decay = 0.1)",
    of(lambda p: O.Adagrad(p, 0.3, lr_decay=0.1, initial_accumulator_value=0.2, weight_decay=0.1)))
add("adadelta_", "adadelta(2, decay = 0.1)", of(lambda p: O.Adadelta(p, 2, weight_decay=0.1)))


def lamb(params, lr=0.05, b1=0.9, b2=0.999, eps=1e-6, decay=0.1):
    m = [torch.zeros_like(p) for p in params]
    v = [torch.zeros_like(p) for p in params]
    count = [0]

    def step():
        count[0] += 1
        with torch.no_grad():
            for i, p in enumerate(params):
                m[i] = b1 * m[i] + (1 - b1) * p.grad
                v[i] = b2 * v[i] + (1 - b2) * p.grad ** 2
                r = m[i] / (1 - b1 ** count[0]) / ((v[i] / (1 - b2 ** count[0])).sqrt() + eps) + decay * p
                p -= lr * p.norm() / r.norm() * r
    return step


def lion(params, lr=0.01, b1=0.9, b2=0.99, decay=0.1):
    m = [torch.zeros_like(p) for p in params]

    def step():
        with torch.no_grad():
            for i, p in enumerate(params):
                p -= lr * (torch.sign(b1 * m[i] + (1 - b1) * p.grad) + decay * p)
                m[i] = b2 * m[i] + (1 - b2) * p.grad
    return step


def muon(params, lr=0.05, beta=0.95, decay=0.1):
    """As torch.optim.Muon, in f64: that one iterates in bf16. It keeps weights as [out, in]."""
    v = torch.zeros_like(params[0])
    rest = O.AdamW(params[1:], 3e-4, weight_decay=0.0)

    def step():
        rest.step()
        with torch.no_grad():
            p = params[0]
            v.lerp_(p.grad, 1 - beta)
            u = p.grad.lerp(v, beta).T
            tall = u.shape[0] > u.shape[1]
            y = u.T if tall else u
            y = y / (y.norm() + 1e-7)
            for _ in range(5):
                a = y @ y.T
                y = 3.4445 * y + (-4.7750 * a + 2.0315 * a @ a) @ y
            y = y.T if tall else y
            p.mul_(1 - lr * decay)
            p -= lr * math.sqrt(max(1, u.shape[0] / u.shape[1])) * y.T
    return step


add("lamb_", "lamb(0.05, decay = 0.1)", lamb)
add("lion_", "lion(0.01, decay = 0.1)", lion)
add("muon_", "muon(0.05, decay = 0.1)", muon)
GROUP.batchnorm()


def lrs(make, per_epoch=False):
    """Rates by step of a torch scheduler whose optimizer has rate 1 times the base."""
    o = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1)
    s = make(o)
    seen = []
    for i in range(STEPS):
        seen.append(o.param_groups[0]["lr"])
        o.step()
        if not per_epoch or (i + 1) % PER_EPOCH == 0:
            s.step()
    return lambda i: seen[i]


L = torch.optim.lr_scheduler
GROUP.schedule("constant_", "constant(0.1)", lambda i: 0.1)
GROUP.schedule("warm_", "warm(0.5)", lambda i: min(i / STEPS / 0.5, 1))
GROUP.schedule("cosine_", "cosine(0.1)", lrs(lambda o: L.CosineAnnealingLR(o, STEPS)))
GROUP.schedule("cosine_low", "cosine(0.1, low = 0.02)", lrs(lambda o: L.CosineAnnealingLR(o, STEPS, 0.02)))
GROUP.schedule("cosine_warm", "cosine(0.1, warmup = 0.2)",
               lambda i: 0.1 * i / 2 if i < 2 else 0.05 * (1 + math.cos(math.pi * (i - 2) / 8)))
GROUP.schedule("cosine_restarts_", "cosine_restarts(0.1, 2)", lrs(lambda o: L.CosineAnnealingWarmRestarts(o, 2), True))
GROUP.schedule("linear_", "linear(0.1, 0.05)", lrs(lambda o: L.LinearLR(o, 1.0, 0.5, STEPS)))
GROUP.schedule("linear_decay_", "linear_decay(0.1)", lrs(lambda o: L.LinearLR(o, 1.0, 0.0, STEPS)))
GROUP.schedule("polynomial_", "polynomial(0.1, 1.5)", lrs(lambda o: L.PolynomialLR(o, STEPS, 1.5)))
GROUP.schedule("step_decay_", "step_decay(0.1, 0.5, 2)", lrs(lambda o: L.StepLR(o, 2, 0.5), True))
GROUP.schedule("multi_step_", "multi_step(0.1, 0.3, [1, 3])", lrs(lambda o: L.MultiStepLR(o, [1, 3], 0.3), True))
GROUP.schedule("exponential_", "exponential(0.1, 0.7)", lrs(lambda o: L.ExponentialLR(o, 0.7), True))


def one_cycle(i, up=0.3, peak=0.1, low=0.1 / 25, last=0.1 / 25 / 1e4):
    """torch's, but for its last step: there the run ends one step earlier."""
    t = i / STEPS
    a, b, p = (low, peak, t / up) if t < up else (peak, last, (t - up) / (1 - up))
    return b + (a - b) / 2 * (1 + math.cos(math.pi * p))


GROUP.schedule("one_cycle_", "one_cycle(0.1)", one_cycle)
GROUP.schedule("noam_", "noam(16, warmup = 4)", lambda i: 16 ** -0.5 * min((i + 1) ** -0.5, (i + 1) * 4 ** -1.5))
