#!/usr/bin/env python3
"""The bmc programs are the peers' models: run with a peer's interpreter that has torch and numpy.

    PYTHON tools/bench/check_same.py --bmc build/bmc --backends FOLDER [WORKLOAD...]

For each workload: the parameters of the bmc program are as many as the peers' (an LSTM has one bias vector where
torch has two, so 4 times its width less); they are given the peers' initial values, in the order and layout of the
program; `predict` on the peers' first batch is compared with torch's, and so is the loss that comes of it. Exit code 1
when any differs by more than 1e-4."""
import argparse
import json
import os
import struct
import subprocess
import sys
import tempfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
LIMIT = 1e-4
BATCH = {"transformer-big": 1, "recsys": 64, "cnn": 16, "resnet": 16, "transformer": 4, "lstm": 4, "mlp": 32, "regression": 64}


def read_weights(path):
    """Names, shapes and offsets in the order of the file."""
    with open(path, "rb") as f:
        size = struct.unpack("<Q", f.read(8))[0]
        head = json.loads(f.read(size))
    head.pop("__metadata__", None)
    return {k: v["shape"] for k, v in sorted(head.items(), key=lambda kv: kv[1]["data_offsets"][0])}


def write_weights(path, arrays):
    head, at = {}, 0
    for name, a in arrays.items():
        head[name] = {"dtype": "F32", "shape": list(a.shape), "data_offsets": [at, at + a.nbytes]}
        at += a.nbytes
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for a in arrays.values():
            f.write(np.ascontiguousarray(a, np.float32).tobytes())


def canonical(W, name):
    """The peers' parameters in the layouts of bmc, in the order of definition."""
    p, out = W.params(name), []
    for key, v in p.items():
        if v.ndim == 4:
            v = v.transpose(2, 3, 1, 0)
        if name == "cnn" and key == "d1.w":
            v = v.reshape(64, 12, 12, 128).transpose(1, 2, 0, 3).reshape(9216, 128)
        if key == "b_ih":
            v = v + p["b_hh"]
        if key == "b_hh":
            continue
        if key.endswith(".qkv.w"):
            out += list(np.split(v, 3, 1))
        elif key.endswith(".qkv.b"):
            out += list(np.split(v, 3))
        else:
            out.append(v)
    if name.startswith("transformer"):  # tables first, positions second there; here as declared
        out[0], out[1] = out[1], out[0]
        # wq wk wv wo bq bk bv bo instead of wq wk wv bq bk bv wo bo
        for l in range(W.TRANSFORMERS[name]["layers"]):
            at = 2 + l * 16 + 2
            q, k, v, bq, bk, bv, o, bo = out[at:at + 8]
            out[at:at + 8] = [q, k, v, o, bq, bk, bv, bo]
    return out


def slots(bmc, model, work):
    """Paths and shapes of the program's weights: a library made of it saves what it starts with."""
    import ctypes
    path = os.path.join(work, "probe.so")
    subprocess.run([bmc, "build", model, "-o", path, "-q"], check=True)
    library, handle = ctypes.CDLL(path), ctypes.c_void_p()
    library.probe_save.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
    library.probe_close.argtypes = [ctypes.c_void_p]
    weights = os.path.join(work, "first.safetensors")
    if library.probe_open(ctypes.byref(handle), None) or library.probe_save(handle, weights.encode(), 0):
        sys.exit(f"{model}: the library does not open or save")
    library.probe_close(handle)
    return read_weights(weights)


def loss(W, name, out, y):
    import torch
    import backend_torch
    out, y = torch.tensor(out), torch.tensor(y)
    if y.dtype == torch.int32:
        y = y.long()
    return float(backend_torch.loss_fn(name)(out, y))


def check(W, name, bmc, work):
    import torch
    import backend_torch
    model = os.path.join(HERE, name.replace("-", "_") + ".bm")
    x, y = W.batches(name, BATCH[name], 1)[0]
    names = slots(bmc, model, work)
    values, arrays, at = canonical(W, name), {}, 0
    for path, shape in names.items():
        if path.endswith("running_mean") or path.endswith("running_var"):
            arrays[path] = np.full(shape, float(path.endswith("var")), np.float32)
            continue
        if at == len(values):
            return f"has more parameters than the peers: {path}"
        v = values[at]
        if v.size != int(np.prod(shape)):
            return f"{path} has shape {shape}, the peers' has {list(v.shape)}"
        arrays[path] = v.reshape(shape)
        at += 1
    if at != len(values):
        return f"has {len(values) - at} parameters fewer than the peers"
    weights = os.path.join(work, "w.safetensors")
    write_weights(weights, arrays)
    inputs = {"recsys": ("user", "item")}.get(name, ("ids",) if name.startswith("transformer") else ("x",))
    words = []
    for key, a in zip(inputs, x if isinstance(x, tuple) else (x,)):
        np.save(os.path.join(work, key + ".npy"), np.ascontiguousarray(a.transpose(0, 2, 3, 1) if a.ndim == 4 else a))
        words.append(f"{key}={key}.npy")
    subprocess.run([bmc, "run", model, "predict", *words, "--init", weights, "-o", "out.npy"], cwd=work, check=True)
    ours = np.load(os.path.join(work, "out.npy"))
    net = backend_torch.build(name).eval()
    with torch.no_grad():
        t = backend_torch.to_torch(x, name, False)
        theirs = (net(*t) if isinstance(t, tuple) else net(t)).numpy()
    ours = ours.reshape(theirs.shape)
    worst = float(np.abs(ours - theirs).max() / max(1, np.abs(theirs).max()))
    a, b = loss(W, name, ours, y), loss(W, name, theirs, y)
    count = sum(v.size for v in values)
    print(f"{name:16s} {count:>11,d} parameters; outputs differ by {worst:.1e}; loss {a:.6f}, torch {b:.6f}")
    return None if worst <= LIMIT and abs(a - b) <= LIMIT else "computes something else"


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--bmc", required=True)
    a.add_argument("--backends", required=True)
    a.add_argument("workloads", nargs="*")
    a = a.parse_args()
    sys.path.insert(0, a.backends)
    import workloads as W
    bad = 0
    for name in a.workloads or BATCH:
        with tempfile.TemporaryDirectory() as work:
            problem = check(W, name, os.path.abspath(a.bmc), work)
        if problem:
            print(f"{name:16s} {problem}")
            bad = 1
    sys.exit(bad)


if __name__ == "__main__":
    main()
