"""Activations."""
import torch
import torch.nn.functional as F
from cases import Draw, Group

GROUP = Group("activations", "activations, values and gradients")
wide = Draw(5, 9, scale=3.0)


def simple(name, expression, want):
    GROUP.fn(name, expression, lambda x: want(x), x=wide)


simple("identity_", "identity(x)", lambda x: x * 1)
simple("relu_", "relu(x)", F.relu)
simple("relu6_", "relu6(2 * x)", lambda x: F.relu6(2 * x))
simple("leaky_relu_", "leaky_relu(0.2)(x)", lambda x: F.leaky_relu(x, 0.2))
simple("elu_", "elu(1.5)(x)", lambda x: F.elu(x, 1.5))
simple("selu_", "selu(x)", F.selu)
simple("celu_", "celu(0.7)(x)", lambda x: F.celu(x, 0.7))
simple("sigmoid_", "sigmoid(x)", torch.sigmoid)
simple("log_sigmoid_", "log_sigmoid(x)", F.logsigmoid)
simple("silu_", "silu(x)", F.silu)
simple("gelu_", "gelu(x)", F.gelu)
simple("gelu_tanh_", "gelu_tanh(x)", lambda x: F.gelu(x, approximate="tanh"))
simple("softplus_", "softplus(x)", F.softplus)
simple("mish_", "mish(x)", F.mish)
simple("softsign_", "softsign(x)", F.softsign)
simple("tanh_", "tanh(x)", torch.tanh)
simple("hard_tanh_", "hard_tanh(-1, 2)(x)", lambda x: F.hardtanh(x, -1, 2))
simple("hard_sigmoid_", "hard_sigmoid(x)", F.hardsigmoid)
simple("hard_swish_", "hard_swish(x)", F.hardswish)
simple("tanh_shrink_", "tanh_shrink(x)", F.tanhshrink)
simple("soft_shrink_", "soft_shrink(0.5)(x)", lambda x: F.softshrink(x, 0.5))
simple("hard_shrink_", "hard_shrink(0.5)(x)", lambda x: F.hardshrink(x, 0.5))
simple("softmax_", "softmax(x)", lambda x: F.softmax(x, -1))
simple("softmax_axis", "softmax(x, axis = 0)", lambda x: F.softmax(x, 0))
simple("softmin_", "softmin(x)", lambda x: F.softmin(x, -1))
simple("log_softmax_", "log_softmax(x)", lambda x: F.log_softmax(x, -1))
simple("log_softmax_axis", "log_softmax(x, axis = 0)", lambda x: F.log_softmax(x, 0))
simple("logsumexp_", "logsumexp(x)", lambda x: torch.logsumexp(x, -1))
simple("logsumexp_keep", "logsumexp(x, axis = 0, keep = true)", lambda x: torch.logsumexp(x, 0, keepdim=True))
simple("rsqrt_", "rsqrt(x * x + 1)", lambda x: torch.rsqrt(x * x + 1))
GROUP.fn("glu_", "glu(x)", lambda x: F.glu(x), x=(5, 8))
GROUP.fn("swiglu_", "swiglu(x)", lambda x: F.silu(x[:, :4]) * x[:, 4:], x=(5, 8))
GROUP.fn("geglu_", "geglu(x)", lambda x: F.gelu(x[:, :4]) * x[:, 4:], x=(5, 8))
GROUP.fn("erf_inverse_", "erf_inverse(x)", lambda x: torch.erfinv(x), x=Draw(6, 6, kind="uniform", scale=1.8, shift=-0.9),
         output=2e-6, gradient=1e-4)
GROUP.layer("prelu_", "x |> prelu", lambda p, x: F.prelu(x, p["prelu1.slope"].reshape(1)), {"prelu1.slope": ()},
            x=wide)
GROUP.layer("prelu_each", "x |> prelu(each = true)", lambda p, x: F.prelu(x, p["prelu1.slope"]),
            {"prelu1.slope": (9,)}, x=wide)
