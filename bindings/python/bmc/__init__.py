"""bmc: neural networks, written as text, compiled to native code.

    import bmc
    model = bmc.compile("mlp.bm", define={"width": 512})     # in this process, by libbmc
    model = bmc.load("mlp.so")                               # what `bmc mlp.bm -o mlp.so` wrote

    metrics = model.train_step(x=images, y=labels)           # {"loss": 2.31, "accuracy": 0.11}
    classes = model.predict(images)                          # any `export fn` is a method

Arrays go in and out without a copy when they are C-contiguous and of the right dtype: NumPy's, and those of
anything that speaks DLPack (torch, jax); `out=` may be such an array too.
"""
from ._arrays import ArgumentError
from ._model import Model, ModelError, load
from ._compiler import CompiledModel, CompileError, Diagnostic, compile, compile_text
from ._inspect import Inspection

__all__ = ["ArgumentError", "CompileError", "CompiledModel", "Diagnostic", "Inspection", "Model", "ModelError", "compile", "compile_text", "load"]
__version__ = "0.1.0"
