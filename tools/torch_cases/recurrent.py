"""Recurrent layers against torch's, and ctc."""
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call
from cases import Draw, Group

GROUP = Group("recurrent", "recurrent layers, values and gradients")
B, T, D, N = 2, 4, 3, 5


def slots(root, gates, n=N, d=D, extra=()):
    s = {root + "w": (d, gates * n), root + "u": (n, gates * n), root + "b": (gates * n,)}
    s.update({root + k: (n,) for k in extra})
    return {k: Draw(*v, scale=0.5) for k, v in s.items()}


def mapping(p, root, suffix=""):
    """One bias of ours against two of torch: ours goes to the first, the GRU's q to the second."""
    b = p[root + "b"]
    later = torch.zeros_like(b)
    if root + "q" in p:
        later = torch.cat([later[:2 * N], p[root + "q"]])
    return {"weight_ih_l0" + suffix: p[root + "w"].T, "weight_hh_l0" + suffix: p[root + "u"].T,
            "bias_ih_l0" + suffix: b, "bias_hh_l0" + suffix: later}


def run(m, p, x, root, *states):
    return functional_call(m.double(), mapping(p, root), (x,) + states)[0]


def cell(m, p, root, x, state):
    return functional_call(m.double(), {k[:-3]: v for k, v in mapping(p, root).items()}, (x, state))


GROUP.layer("rnn_", "x |> rnn(5)", lambda p, x: run(nn.RNN(D, N, batch_first=True), p, x, "rnn1."), slots("rnn1.", 1),
            x=(B, T, D))
GROUP.layer("rnn_relu", "x |> rnn(5, relu)",
            lambda p, x: run(nn.RNN(D, N, nonlinearity="relu", batch_first=True), p, x, "rnn1."), slots("rnn1.", 1),
            x=(B, T, D))
GROUP.layer("rnn_cell_", "rnn_cell(5)(x, h)", lambda p, x, h: cell(nn.RNNCell(D, N), p, "rnn_cell1.", x, h),
            slots("rnn_cell1.", 1), x=(B, D), h=(B, N))
GROUP.layer("lstm_", "x |> lstm(5)", lambda p, x: run(nn.LSTM(D, N, batch_first=True), p, x, "lstm1."),
            slots("lstm1.", 4), x=(B, T, D))
GROUP.layer("lstm_start", "lstm(5)(x, h, c)",
            lambda p, x, h, c: run(nn.LSTM(D, N, batch_first=True), p, x, "lstm1.", (h[None], c[None])),
            slots("lstm1.", 4), x=(B, T, D), h=(B, N), c=(B, N))
GROUP.layer("lstm_cell_", "concat(lstm_cell(5)(x, h, c))",
            lambda p, x, h, c: torch.cat(cell(nn.LSTMCell(D, N), p, "lstm_cell1.", x, (h, c)), -1),
            slots("lstm_cell1.", 4), x=(B, D), h=(B, N), c=(B, N))
GROUP.layer("gru_", "x |> gru(5)", lambda p, x: run(nn.GRU(D, N, batch_first=True), p, x, "gru1."),
            slots("gru1.", 3, extra=("q",)), x=(B, T, D))
GROUP.layer("gru_cell_", "gru_cell(5)(x, h)", lambda p, x, h: cell(nn.GRUCell(D, N), p, "gru_cell1.", x, h),
            slots("gru_cell1.", 3, extra=("q",)), x=(B, D), h=(B, N))


def both(m, p, x, one, two):
    return functional_call(m.double(), {**mapping(p, one), **mapping(p, two, "_reverse")}, (x,))[0]


GROUP.layer("bilstm_", "x |> bilstm(5)",
            lambda p, x: both(nn.LSTM(D, N, batch_first=True, bidirectional=True), p, x, "bilstm1.lstm1.", "bilstm1.lstm2."),
            {**slots("bilstm1.lstm1.", 4), **slots("bilstm1.lstm2.", 4)}, x=(B, T, D))
GROUP.layer("bigru_", "x |> bigru(5)",
            lambda p, x: both(nn.GRU(D, N, batch_first=True, bidirectional=True), p, x, "bigru1.gru1.", "bigru1.gru2."),
            {**slots("bigru1.gru1.", 3, extra=("q",)), **slots("bigru1.gru2.", 3, extra=("q",))}, x=(B, T, D))

I = torch.int32
GROUP.fn("ctc_", "ctc(log_softmax(x), y, times, lengths)",
         lambda x, y, times, lengths: F.ctc_loss(F.log_softmax(x, -1).transpose(0, 1), y.long(), times.long(), lengths.long()),
         x=(3, 7, 5), y=torch.tensor([[1, 1, 4], [3, 2, 0], [2, 4, 3]], dtype=I).numpy(),
         times=torch.tensor([7, 5, 6], dtype=I).numpy(), lengths=torch.tensor([3, 2, 1], dtype=I).numpy())
