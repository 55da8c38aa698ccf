"""Layers: torch's own modules with our parameters put in, so that the mapping of weights is tested too
(docs/torch.md)."""
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call
from cases import Draw, Group, rng_of

GROUP = Group("layers", "layers, values and gradients")
B, T, S, D = 2, 5, 4, 8


def module(m, mapping, *args, **kw):
    return functional_call(m.double(), mapping, args, kw)


GROUP.layer("dense_", "x |> dense(5, relu)",
            lambda p, x: F.relu(module(nn.Linear(4, 5), {"weight": p["dense1.w"].T, "bias": p["dense1.b"]}, x)),
            {"dense1.w": (4, 5), "dense1.b": (5,)}, x=(2, 3, 4))
GROUP.layer("dense_bare", "x |> dense(5, bias = false)",
            lambda p, x: module(nn.Linear(4, 5, bias=False), {"weight": p["dense1.w"].T}, x),
            {"dense1.w": (4, 5)}, x=(3, 4))
GROUP.layer("bilinear_", "bilinear(5)(x, y)",
            lambda p, x, y: module(nn.Bilinear(3, 4, 5), {"weight": p["bilinear1.w"], "bias": p["bilinear1.b"]}, x, y),
            {"bilinear1.w": (5, 3, 4), "bilinear1.b": (5,)}, x=(6, 3), y=(6, 4))
GROUP.layer("embedding_", "ids |> embedding(9, 4)",
            lambda p, ids: module(nn.Embedding(9, 4), {"weight": p["embedding1.table"]}, ids.long()),
            {"embedding1.table": (9, 4)}, ids=Draw(3, 5, kind="int", high=9))
GROUP.layer("residual_", "x |> residual(tanh)", lambda p, x: x + torch.tanh(x), {}, x=(3, 4))
GROUP.layer("gated_mlp_", "x |> gated_mlp(6)",
            lambda p, x: (F.silu(x @ p["gated_mlp1.u"]) * (x @ p["gated_mlp1.w"])) @ p["gated_mlp1.v"],
            {"gated_mlp1.u": (4, 6), "gated_mlp1.w": (4, 6), "gated_mlp1.v": (6, 4)}, x=(3, 4))


def norm(name, expression, layer, shape, want, size, **state):
    slots = {"%s.gamma" % layer: size, "%s.beta" % layer: size}
    GROUP.layer(name, expression, lambda p, x: want(p["%s.gamma" % layer], p["%s.beta" % layer], x), slots, x=shape)


norm("layernorm_", "x |> layernorm", "layernorm1", (2, 3, 6),
     lambda g, b, x: module(nn.LayerNorm(6), {"weight": g, "bias": b}, x), (6,))


def channels_last(m, g, b, x):
    y = module(m, {"weight": g, "bias": b}, x.movedim(-1, 1))
    return y.movedim(1, -1)


norm("groupnorm_", "x |> groupnorm(3)", "groupnorm1", (2, 3, 4, 6),
     lambda g, b, x: channels_last(nn.GroupNorm(3, 6), g, b, x), (6,))
norm("instancenorm_affine", "x |> instancenorm(affine = true)", "instancenorm1", (2, 3, 4, 6),
     lambda g, b, x: channels_last(nn.InstanceNorm2d(6, affine=True), g, b, x), (6,))
GROUP.layer("instancenorm_", "x |> instancenorm", lambda p, x: F.instance_norm(x.movedim(-1, 1)).movedim(1, -1), {},
            x=(2, 7, 3))
GROUP.layer("rmsnorm_", "x |> rmsnorm", lambda p, x: F.rms_norm(x, (6,), p["rmsnorm1.gamma"], 1e-6),
            {"rmsnorm1.gamma": (6,)}, x=(2, 3, 6))
GROUP.layer("batchnorm_eval", "x |> batchnorm",
            lambda p, x: F.batch_norm(x, p["batchnorm1.running_mean"], p["batchnorm1.running_var"],
                                      p["batchnorm1.gamma"], p["batchnorm1.beta"], False),
            {"batchnorm1.gamma": (4,), "batchnorm1.beta": (4,), "batchnorm1.running_mean": (4,),
             "batchnorm1.running_var": Draw(4, kind="uniform", shift=0.5)},
            frozen=("batchnorm1.running_mean", "batchnorm1.running_var"), x=(6, 4))

# ---- attention


def attention(name, expression, want, q=(2, 3, T, 4), k=(2, 3, S, 4), v=(2, 3, S, 6), **more):
    GROUP.fn(name, expression, want, q=q, k=k, v=v, **more)


sdpa = F.scaled_dot_product_attention
attention("attention_", "attention(q, k, v)", lambda q, k, v: sdpa(q, k, v))
attention("attention_causal", "attention(q, k, v, causal = true)", lambda q, k, v: sdpa(q, k, v, is_causal=True),
          k=(2, 3, T, 4), v=(2, 3, T, 6))
attention("attention_causal_tail", "attention(q, k, v, causal = true)",
          lambda q, k, v: sdpa(q, k, v, attn_mask=torch.ones(3, 5).tril(2).bool()), q=(2, 3, 4), k=(2, 5, 4), v=(2, 5, 6))
see = rng_of("see").random((2, 1, T, S)) < 0.6
see[..., 0] = True
attention("attention_mask", "attention(q, k, v, mask = see)", lambda q, k, v, see: sdpa(q, k, v, attn_mask=see), see=see)


def torch_heads(p, heads, at, bias):
    q, k, v, o = (p[at + n] for n in ("wq", "wk", "wv", "wo"))
    mapping = {"out_proj.weight": o.T}
    mapping["in_proj_weight"] = torch.cat([q.T, k.T, v.T])
    if bias:
        mapping["in_proj_bias"] = torch.cat([p[at + n] for n in ("bq", "bk", "bv")])
        mapping["out_proj.bias"] = p[at + "bo"]
    return mapping


def heads_slots(at, d, m, bias, kv=None):
    kv = d if kv is None else kv
    s = {at + "wq": (d, d), at + "wk": (m, kv), at + "wv": (m, kv), at + "wo": (d, d)}
    if bias:
        s.update({at + "bq": (d,), at + "bk": (kv,), at + "bv": (kv,), at + "bo": (d,)})
    return s


def multihead(p, x, y, at="multihead1.", bias=False, heads=2, **kw):
    m = nn.MultiheadAttention(D, heads, bias=bias, batch_first=True)
    return module(m, torch_heads(p, heads, at, bias), x, y, y, need_weights=False, **kw)[0]


pad = rng_of("pad").random((B, S)) < 0.7
pad[:, 0] = True
GROUP.layer("multihead_", "x |> multihead(2)", lambda p, x: multihead(p, x, x), heads_slots("multihead1.", D, D, False),
            x=(B, T, D))
# the gradient of the keys' bias is 0 but for rounding: hence the floor
GROUP.layer("multihead_bias", "x |> multihead(2, bias = true)", lambda p, x: multihead(p, x, x, bias=True),
            heads_slots("multihead1.", D, D, True), floor=1, x=(B, T, D))
GROUP.layer("multihead_causal", "x |> multihead(4, causal = true)",
            lambda p, x: multihead(p, x, x, heads=4, attn_mask=~torch.ones(T, T).tril().bool()),
            heads_slots("multihead1.", D, D, False), x=(B, T, D))
GROUP.layer("multihead_cross", "multihead(2)(x, y)", lambda p, x, y: multihead(p, x, y),
            heads_slots("multihead1.", D, D, False), x=(B, T, D), y=(B, S, D))
GROUP.layer("multihead_padding", "multihead(2)(x, y, mask)",
            lambda p, x, y, mask: multihead(p, x, y, key_padding_mask=~mask), heads_slots("multihead1.", D, D, False),
            x=(B, T, D), y=(B, S, D), mask=pad)


def grouped(p, x):
    q, k, v = x @ p["multihead1.wq"], x @ p["multihead1.wk"], x @ p["multihead1.wv"]
    q, k, v = (a.unflatten(-1, (-1, 2)).transpose(1, 2) for a in (q, k, v))
    a = sdpa(q, k, v, is_causal=True, enable_gqa=True)
    return a.transpose(1, 2).flatten(2) @ p["multihead1.wo"]


GROUP.layer("multihead_grouped", "x |> multihead(4, causal = true, kv_heads = 2)", grouped,
            heads_slots("multihead1.", D, D, False, 4), x=(B, T, D))

# ---- positions


def turn(x, base=10000.0, at=0):
    """The formula of the Llama models: rotate_half."""
    t, d = x.shape[-2:]
    a = (torch.arange(t) + at)[:, None] * base ** (-torch.arange(0, d, 2) / d)
    a = torch.cat([a, a], -1)
    half = torch.cat([-x[..., d // 2:], x[..., :d // 2]], -1)
    return x * a.cos() + half * a.sin()


def turn_pairs(x):
    t, d = x.shape[-2:]
    a = torch.arange(t)[:, None] * 10000.0 ** (-torch.arange(0, d, 2) / d)
    z = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous()) * torch.polar(torch.ones_like(a), a)
    return torch.view_as_real(z).flatten(-2)


GROUP.fn("rotary_", "rotary(x)", turn, x=(2, 3, 7, 8))
GROUP.fn("rotary_far", "rotary(x, base = 500000, at = 4000)", lambda x: turn(x, 500000.0, 4000), x=(2, 7, 8))
GROUP.fn("rotary_at", "rotary(x, at = n)", lambda x, n: turn(x, at=n), x=(2, 7, 8), n=torch.tensor(3, dtype=torch.int32).numpy())
GROUP.fn("rotary_interleaved", "rotary(x, interleaved = true)", turn_pairs, x=(2, 7, 8))


def sines(x):
    a = torch.arange(7)[:, None] * 10000.0 ** (-torch.arange(0, 8, 2) / 8)
    return x + torch.stack([a.sin(), a.cos()], -1).flatten(-2)


GROUP.fn("sinusoidal_", "x + sinusoidal(7, 8)", sines, x=(2, 7, 8))
GROUP.layer("learned_positions_", "x |> learned_positions(9)", lambda p, x: x + p["learned_positions1.pos"][:7],
            {"learned_positions1.pos": (9, 8)}, x=(2, 7, 8))

# ---- blocks


def block_slots(at, parts, hidden):
    s = {}
    for part in parts:
        s.update(heads_slots("%s.%s." % (at, part), D, D, True))
    for i in range(len(parts) + 1):
        s.update({"%s.norm%d.gamma" % (at, i + 1): (D,), "%s.norm%d.beta" % (at, i + 1): (D,)})
    s.update({at + ".think.dense1.w": (D, hidden), at + ".think.dense1.b": (hidden,),
              at + ".think.dense2.w": (hidden, D), at + ".think.dense2.b": (D,)})
    return {k: Draw(*shape, scale=0.4) for k, shape in s.items()}


def block_mapping(p, at, names):
    m = {"linear1.weight": p[at + ".think.dense1.w"].T, "linear1.bias": p[at + ".think.dense1.b"],
         "linear2.weight": p[at + ".think.dense2.w"].T, "linear2.bias": p[at + ".think.dense2.b"]}
    for i in range(len(names) + 1):
        m["norm%d.weight" % (i + 1)] = p["%s.norm%d.gamma" % (at, i + 1)]
        m["norm%d.bias" % (i + 1)] = p["%s.norm%d.beta" % (at, i + 1)]
    for ours, theirs in names.items():
        m.update({theirs + "." + k: v for k, v in torch_heads(p, 2, "%s.%s." % (at, ours), True).items()})
    return m


def encoder(p, x, pre, act, **kw):
    m = nn.TransformerEncoderLayer(D, 2, 12, 0.0, act, batch_first=True, norm_first=pre)
    return module(m, block_mapping(p, "encoder_block1", {"attend": "self_attn"}), x, **kw)


def decoder(p, x, memory, pre, act):
    m = nn.TransformerDecoderLayer(D, 2, 12, 0.0, act, batch_first=True, norm_first=pre)
    mapping = block_mapping(p, "decoder_block1", {"attend": "self_attn", "cross": "multihead_attn"})
    return module(m, mapping, x, memory, tgt_mask=~torch.ones(T, T).tril().bool())


slots = block_slots("encoder_block1", ["attend"], 12)
GROUP.layer("encoder_pre", "x |> encoder_block(2, hidden = 12)", lambda p, x: encoder(p, x, True, "gelu"), slots, floor=1,
            x=(B, T, D))
GROUP.layer("encoder_post", "x |> encoder_block(2, hidden = 12, act = relu, pre = false)",
            lambda p, x: encoder(p, x, False, "relu"), slots, floor=1, x=(B, T, D))
GROUP.layer("encoder_mask", "encoder_block(2, hidden = 12)(x, mask)",
            lambda p, x, mask: encoder(p, x, True, "gelu", src_key_padding_mask=~mask), slots, floor=1,
            x=(B, S, D), mask=pad)
slots = block_slots("decoder_block1", ["attend", "cross"], 12)
GROUP.layer("decoder_pre", "decoder_block(2, hidden = 12)(x, memory)",
            lambda p, x, memory: decoder(p, x, memory, True, "gelu"), slots, floor=1, x=(B, T, D), memory=(B, S, D))
GROUP.layer("decoder_post", "decoder_block(2, hidden = 12, act = relu, pre = false)(x, memory)",
            lambda p, x, memory: decoder(p, x, memory, False, "relu"), slots, floor=1, x=(B, T, D), memory=(B, S, D))
