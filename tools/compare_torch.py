#!/usr/bin/env python3
"""Compares the prelude with PyTorch: writes tests/prelude/torch/*.bm and *.txt.

Each case is an expression of the language and the same thing in torch (or, where torch has none, written
out with torch's tensors). Inputs and parameters are drawn here, rounded to f32 and then used in f64 by
torch, so what is written down is right to far more digits than an f32 computation can have. The test
program tests/prelude/test_prelude_torch.c replays the files through bmc; it needs no torch.

    tools/compare_torch.py [FOLDER]        # with a Python that has torch, e.g. of tools/bench's peers

The files' format: see tests/prelude/README.md. Cases are in tools/torch_cases/.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "torch_cases"))
import activations  # noqa: E402
import convolutions  # noqa: E402
import layers  # noqa: E402
import losses  # noqa: E402
import recurrent  # noqa: E402
import training  # noqa: E402


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "..", "tests", "prelude", "torch")
    for module in (activations, convolutions, layers, losses, recurrent, training):
        module.GROUP.write(folder)


if __name__ == "__main__":
    main()
