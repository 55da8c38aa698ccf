"""Convolutions and pooling: torch's are channels first, so weights and images are permuted."""
import torch.nn.functional as F
from cases import Draw, Group

GROUP = Group("convolutions", "convolutions and pooling, values and gradients")


def first(x):
    return x.movedim(-1, 1)


def last(x):
    return x.movedim(1, -1)


def same(x, k, stride, dilation=1):
    """Margins as `pad = "same"` has them: the odd one behind."""
    pads = []
    for n in reversed(x.shape[2:]):
        reach = max((-(-n // stride) - 1) * stride + dilation * (k - 1) + 1 - n, 0)
        pads += [reach // 2, reach - reach // 2]
    return F.pad(x, pads)


def conv2d(name, settings, want, k=3, groups=1, x=(2, 7, 6, 4), out=6, bias=True):
    slots = {"conv2d1.w": Draw(k, k, x[-1] // groups, out, scale=0.4)}
    if bias:
        slots["conv2d1.b"] = (out,)
    GROUP.layer(name, "x |> conv2d(%d, %s)" % (out, settings),
                lambda p, x: last(want(first(x), p["conv2d1.w"].permute(3, 2, 0, 1), p.get("conv2d1.b"))), slots, x=x)


conv2d("conv2d_same", "k = 3", lambda x, w, b: F.conv2d(x, w, b, padding="same"))
conv2d("conv2d_valid", 'k = 3, pad = "valid", act = relu', lambda x, w, b: F.relu(F.conv2d(x, w, b)))
conv2d("conv2d_stride", "k = 3, stride = 2", lambda x, w, b: F.conv2d(same(x, 3, 2), w, b, stride=2))
conv2d("conv2d_pad", "k = 3, stride = 2, pad = 1", lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=1))
conv2d("conv2d_dilation", "k = 3, dilation = 2", lambda x, w, b: F.conv2d(x, w, b, padding="same", dilation=2))
conv2d("conv2d_groups", "k = 3, groups = 2, bias = false", lambda x, w, b: F.conv2d(x, w, b, padding="same", groups=2),
       groups=2, bias=False)
conv2d("conv2d_depthwise", "k = 3, groups = 4", lambda x, w, b: F.conv2d(x, w, b, padding="same", groups=4), groups=4,
       out=8)
conv2d("conv2d_point", "k = 1", lambda x, w, b: F.conv2d(x, w, b), k=1)
conv2d("conv2d_even", 'k = 2, stride = 2, pad = "valid"', lambda x, w, b: F.conv2d(x, w, b, stride=2), k=2)
for name, settings, options in [("conv1d_", "k = 3", {"padding": "same"}),
                                ("conv1d_dilation", 'k = 3, pad = "valid", dilation = 2, stride = 2', {"dilation": 2, "stride": 2})]:
    GROUP.layer(name, "x |> conv1d(5, %s)" % settings,
                lambda p, x, options=options: last(F.conv1d(first(x), p["conv1d1.w"].permute(2, 1, 0), p["conv1d1.b"], **options)),
                {"conv1d1.w": Draw(3, 4, 5, scale=0.4), "conv1d1.b": (5,)}, x=(2, 9, 4))
GROUP.fn("maxpool_", "maxpool(2)(x)", lambda x: last(F.max_pool2d(first(x), 2)), x=(2, 6, 5, 3))
GROUP.fn("maxpool_stride", "maxpool(3, stride = 2)(x)", lambda x: last(F.max_pool2d(first(x), 3, 2)), x=(2, 7, 6, 3))
GROUP.fn("maxpool_pad", "maxpool(3, stride = 2, pad = 1)(x)", lambda x: last(F.max_pool2d(first(x), 3, 2, 1)), x=(2, 7, 6, 3))
GROUP.fn("avgpool_", "avgpool(2)(x)", lambda x: last(F.avg_pool2d(first(x), 2)), x=(2, 6, 5, 3))
GROUP.fn("avgpool_pad", "avgpool(3, stride = 2, pad = 1)(x)",
         lambda x: last(F.avg_pool2d(first(x), 3, 2, 1, count_include_pad=False)), x=(2, 7, 6, 3))
GROUP.fn("maxpool1d_", "maxpool1d(3, stride = 2)(x)", lambda x: last(F.max_pool1d(first(x), 3, 2)), x=(2, 9, 3))
GROUP.fn("avgpool1d_", "avgpool1d(3)(x)", lambda x: last(F.avg_pool1d(first(x), 3)), x=(2, 9, 3))
GROUP.fn("global_avgpool_", "global_avgpool(x)", lambda x: x.mean((1, 2)), x=(2, 5, 4, 3))
GROUP.fn("global_maxpool_", "global_maxpool(x)", lambda x: x.amax((1, 2)), x=(2, 5, 4, 3))


def transposed(name, settings, want, k=3, out=5):
    GROUP.layer(name, "x |> conv_transpose2d(%d, %s)" % (out, settings),
                lambda p, x: last(want(first(x), p["conv_transpose2d1.w"].permute(2, 3, 0, 1), p["conv_transpose2d1.b"])),
                {"conv_transpose2d1.w": Draw(k, k, 4, out, scale=0.4), "conv_transpose2d1.b": (out,)}, x=(2, 4, 3, 4))


transposed("conv_transpose2d_", 'k = 3, stride = 2, pad = "valid"', lambda x, w, b: F.conv_transpose2d(x, w, b, stride=2))
transposed("conv_transpose2d_pad", "k = 3, stride = 2, pad = 1",
           lambda x, w, b: F.conv_transpose2d(x, w, b, stride=2, padding=1))
transposed("conv_transpose2d_plain", 'k = 2, stride = 2, pad = "valid"',
           lambda x, w, b: F.conv_transpose2d(x, w, b, stride=2), k=2)
