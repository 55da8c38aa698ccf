"""bmc: neural networks, written as text, compiled to native code.

    import bmc
    model = bmc.compile("mlp.bm", define={"width": 512})     # in this process, by libbmc
    model = bmc.load("mlp.so")                               # what `bmc mlp.bm -o mlp.so` wrote

    metrics = model.train_step(x=images, y=labels)           # {"loss": 2.31, "accuracy": 0.11}
    classes = model.predict(images)                          # any `export fn` is a method

Arrays go in and out without a copy when they are C-contiguous and of the right dtype; anything that
NumPy or DLPack understands is accepted.
"""
from ._arrays import ArgumentError
from ._model import Model, ModelError, load
from ._compiler import CompileError, Diagnostic, compile, compile_text

__all__ = ["ArgumentError", "CompileError", "Diagnostic", "Model", "ModelError", "compile", "compile_text", "load"]
__version__ = "0.1.0"
