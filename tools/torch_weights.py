#!/usr/bin/env python3
"""Writes safetensors for bmc from a PyTorch file: see docs/torch.md.

    tools/torch_weights.py MODEL.pt PATHS.txt OUT.safetensors

Each line of PATHS.txt is OUR.PATH = NAME[a:b].T or NAME.permute(...), NAME a key of the state_dict.
"""
import json
import re
import struct
import sys

import torch

STEP = re.compile(r"\.T|\.permute\(([\d, ]+)\)|\[(\d*):(\d*)\]")


def evaluate(expression, weights):
    """NAME, then any of .T, .permute(...), [a:b], left to right."""
    name = max((k for k in weights if expression.startswith(k)), key=len, default=None)
    if name is None:
        raise SystemExit("no tensor of the file begins `%s`; it has %s" % (expression, ", ".join(weights)))
    value, rest = weights[name], expression[len(name):]
    while rest:
        m = STEP.match(rest)
        if m is None:
            raise SystemExit("cannot read `%s` of `%s`" % (rest, expression))
        if m.group(1) is not None:
            value = value.permute(*(int(n) for n in m.group(1).split(",")))
        elif m.group(2) is not None:
            value = value[int(m.group(2) or 0):int(m.group(3)) if m.group(3) else None]
        else:
            value = value.transpose(-1, -2)
        rest = rest[m.end():]
    return value.float().contiguous()


def write(path, tensors):
    """The safetensors format: length of the header, header as JSON, data."""
    header, at = {}, 0
    for name, t in tensors.items():
        size = t.numel() * 4
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for t in tensors.values():
            f.write(t.numpy().tobytes())


def main():
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    weights = torch.load(sys.argv[1], map_location="cpu", weights_only=True)
    weights = weights.get("state_dict", weights)
    tensors = {}
    for row in open(sys.argv[2]):
        row = row.split("#")[0].strip()
        if row:
            ours, _, expression = (part.strip() for part in row.partition("="))
            tensors[ours] = evaluate(expression, weights)
    write(sys.argv[3], tensors)


if __name__ == "__main__":
    main()
