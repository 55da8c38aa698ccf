"""Losses and metrics. Where torch has none, the formula of the paper in the docstring."""
import numpy as np
import torch
import torch.nn.functional as F
from cases import Draw, Group, rng_of

GROUP = Group("losses", "losses and metrics, values and gradients")
x, y = Draw(6, 5), Draw(6, 5)
labels, logits = Draw(6, 4, kind="int", high=5), Draw(6, 4, 5, scale=2.0)
bits, signs = Draw(6, 5, kind="bit"), Draw(6, 5, kind="sign")
weights = Draw(5, kind="uniform", shift=0.5)


def flat(a):
    return a.reshape(-1, a.shape[-1])


def pair(name, expression, want, x=x, y=y, **more):
    GROUP.fn(name, expression, want, x=x, y=y, **more)


pair("mse_", "mse(x, y)", lambda x, y: F.mse_loss(x, y))
pair("mae_", "mae(x, y)", lambda x, y: F.l1_loss(x, y))
pair("huber_", "huber(0.7)(x, y)", lambda x, y: F.huber_loss(x, y, delta=0.7))
pair("smooth_l1_", "smooth_l1(0.7)(x, y)", lambda x, y: F.smooth_l1_loss(x, y, beta=0.7))
pair("log_cosh_", "log_cosh(x, y)", lambda x, y: torch.log(torch.cosh(x - y)).mean())
pair("poisson_nll_", "poisson_nll(x, y)", lambda x, y: F.poisson_nll_loss(x, y), y=Draw(6, 5, kind="uniform", scale=9))
GROUP.fn("gaussian_nll_", "gaussian_nll(x, v, y)", lambda x, v, y: F.gaussian_nll_loss(x, y, v), x=x,
         v=Draw(6, 5, kind="uniform", shift=0.1), y=y)
pair("hinge_", "hinge(x, y)", lambda x, y: torch.clamp(1 - x * y, min=0).mean(), y=signs)
pair("soft_margin_", "soft_margin(x, y)", lambda x, y: F.soft_margin_loss(x, y), y=signs, frozen=("y",))

for name, settings, options in [
        ("cross_entropy_", "", {}),
        ("cross_entropy_smooth", ", smooth = 0.1", {"label_smoothing": 0.1}),
        ("cross_entropy_ignore", ", ignore = 3", {"ignore_index": 3}),
        ("cross_entropy_ignore_smooth", ", ignore = 3, smooth = 0.2", {"ignore_index": 3, "label_smoothing": 0.2})]:
    GROUP.fn(name, "cross_entropy(x, y%s)" % settings,
             lambda x, y, options=options: F.cross_entropy(flat(x), y.reshape(-1).long(), **options), x=logits, y=labels)
for name, settings, options in [
        ("cross_entropy_weights", "", {}),
        ("cross_entropy_all", ", ignore = 1, smooth = 0.2", {"ignore_index": 1, "label_smoothing": 0.2})]:
    GROUP.fn(name, "cross_entropy(x, y, weights = w%s)" % settings,
             lambda x, y, w, options=options: F.cross_entropy(flat(x), y.reshape(-1).long(), weight=w, **options),
             frozen=("w",), x=logits, y=labels, w=weights)
GROUP.fn("nll_", "nll(x, y)", lambda x, y: F.nll_loss(flat(x), y.reshape(-1).long()), x=logits, y=labels)
GROUP.fn("soft_cross_entropy_", "soft_cross_entropy(x, y)", lambda x, y: F.cross_entropy(x, y), x=Draw(6, 5),
         y=Draw(6, 5, kind="share"))
GROUP.fn("binary_cross_entropy_", "binary_cross_entropy(x, y)",
         lambda x, y: F.binary_cross_entropy_with_logits(x, y), x=Draw(6, 5, scale=4), y=bits)
GROUP.fn("binary_cross_entropy_pos", "binary_cross_entropy(x, y, pos_weight = 3)",
         lambda x, y: F.binary_cross_entropy_with_logits(x, y, pos_weight=torch.tensor(3.0)), x=x, y=bits)
GROUP.fn("binary_cross_entropy_each", "binary_cross_entropy(x, y, pos_weight = w)",
         lambda x, y, w: F.binary_cross_entropy_with_logits(x, y, pos_weight=w), frozen=("w",), x=x, y=bits, w=weights)


def focal(x, y, gamma, alpha):
    p = torch.sigmoid(x)
    miss = p * (1 - y) + (1 - p) * y
    loss = F.binary_cross_entropy_with_logits(x, y, reduction="none") * miss ** gamma
    return (loss * (alpha * y + (1 - alpha) * (1 - y)) if alpha >= 0 else loss).mean()


GROUP.fn("focal_", "focal()(x, y)", lambda x, y: focal(x, y, 2, 0.25), x=x, y=bits, frozen=("y",))
GROUP.fn("focal_plain", "focal(1.5, -1)(x, y)", lambda x, y: focal(x, y, 1.5, -1), x=x, y=bits, frozen=("y",))


def dice(x, y):
    p, t = torch.sigmoid(x).flatten(1), y.flatten(1)
    return 1 - ((2 * (p * t).sum(1) + 1) / ((p + t).sum(1) + 1)).mean()


GROUP.fn("dice_", "dice()(x, y)", dice, x=Draw(3, 4, 5), y=Draw(3, 4, 5, kind="bit"))
GROUP.fn("kl_div_", "kl_div(x, y)", lambda x, y: F.kl_div(x, y, reduction="batchmean"), x=Draw(6, 5),
         y=Draw(6, 5, kind="share"))
GROUP.fn("multi_margin_", "multi_margin(x, y)", lambda x, y: F.multi_margin_loss(x, y.long()), x=Draw(6, 5),
         y=Draw(6, kind="int", high=5))
GROUP.fn("margin_ranking_", "margin_ranking(0.3)(a, b, y)",
         lambda a, b, y: F.margin_ranking_loss(a, b, y, margin=0.3), frozen=("y",), a=x, b=y, y=signs)
GROUP.fn("triplet_", "triplet(0.8)(a, p, n)", lambda a, p, n: F.triplet_margin_loss(a, p, n, margin=0.8),
         a=x, p=y, n=Draw(6, 5))
GROUP.fn("cosine_similarity_", "cosine_similarity(a, b)", lambda a, b: F.cosine_similarity(a, b), a=x, b=y)
GROUP.fn("cosine_embedding_", "cosine_embedding(0.1)(a, b, y)",
         lambda a, b, y: F.cosine_embedding_loss(a, b, y, margin=0.1), frozen=("y",), a=x, b=y, y=Draw(6, kind="sign"))

# Metrics: no gradients.


def counts(score, y):
    said = (score > 0).double()
    return (said * y).sum(), said.sum(), y.sum(), ((1 - said) * (1 - y)).sum(), (1 - y).sum()


def metric(name, expression, want, **inputs):
    GROUP.fn(name, expression, want, frozen=tuple(inputs), **inputs)


one, bit = Draw(40), Draw(40, kind="bit")
metric("precision_", "precision(x, y)", lambda x, y: counts(x, y)[0] / counts(x, y)[1], x=one, y=bit)
metric("recall_", "recall(x, y)", lambda x, y: counts(x, y)[0] / counts(x, y)[2], x=one, y=bit)
metric("specificity_", "specificity(x, y)", lambda x, y: counts(x, y)[3] / counts(x, y)[4], x=one, y=bit)
metric("balanced_accuracy_", "balanced_accuracy(x, y)",
       lambda x, y: (counts(x, y)[0] / counts(x, y)[2] + counts(x, y)[3] / counts(x, y)[4]) / 2, x=one, y=bit)
metric("f1_", "f1(x, y)", lambda x, y: 2 * counts(x, y)[0] / (counts(x, y)[1] + counts(x, y)[2]), x=one, y=bit)
metric("binary_accuracy_", "binary_accuracy(x, y)", lambda x, y: ((x > 0) == (y > 0.5)).double().mean(), x=one, y=bit)


def auc(x, y):
    a, b = x[y > 0.5], x[y < 0.5]
    return ((a[:, None] > b).double() + 0.5 * (a[:, None] == b).double()).mean()


ties = (rng_of("ties").integers(0, 9, 40) / 4).astype(np.float32)
metric("auc_", "auc(x, y)", auc, x=one, y=bit)
metric("auc_ties", "auc(x, y)", auc, x=ties, y=bit)
metric("r2_", "r2(x, y)", lambda x, y: 1 - ((y - x) ** 2).sum() / ((y - y.mean()) ** 2).sum(), x=one, y=Draw(40))
metric("rmse_", "rmse(x, y)", lambda x, y: ((x - y) ** 2).mean().sqrt(), x=one, y=Draw(40))
metric("mape_", "mape(x, y)", lambda x, y: ((x - y).abs() / y.abs()).mean(), x=one, y=Draw(40))
metric("correlation_", "correlation(x, y)", lambda x, y: torch.corrcoef(torch.stack([x, y]))[0, 1], x=one, y=Draw(40))
metric("accuracy_", "accuracy(x, y)", lambda x, y: (x.argmax(-1) == y).double().mean(), x=logits, y=labels)
metric("top_", "top(2)(x, y)",
       lambda x, y: (x.topk(2, -1).indices == y[..., None].long()).any(-1).double().mean(), x=logits, y=labels)


def confusion(x, y):
    own, said = F.one_hot(y.long().reshape(-1), 5), F.one_hot(x.argmax(-1).reshape(-1), 5)
    return (own.T @ said).double()


def macro_f1(x, y):
    m = confusion(x, y)
    return (2 * m.diag() / torch.clamp(m.sum(0) + m.sum(1), min=1)).mean()


metric("confusion_", "confusion(x, y)", confusion, x=logits, y=labels)
metric("macro_f1_", "macro_f1(x, y)", macro_f1, x=logits, y=labels)
