"""Arrays of other libraries (torch, jax, cupy on the host) by DLPack, in place: what NumPy's own reader would refuse
or make read-only, bf16 and arrays to write to, works too. https://dmlc.github.io/dlpack"""
from __future__ import annotations

import ctypes
from typing import Any

import numpy as np


class _Tensor(ctypes.Structure):  # DLTensor
    _fields_ = [("data", ctypes.c_void_p), ("device", ctypes.c_int32), ("device_id", ctypes.c_int32),
                ("rank", ctypes.c_int32), ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8),
                ("lanes", ctypes.c_uint16), ("shape", ctypes.POINTER(ctypes.c_int64)),
                ("strides", ctypes.POINTER(ctypes.c_int64)), ("byte_offset", ctypes.c_uint64)]


_HOST_DEVICES = (1, 3)  # CPU, pinned host memory
_BFLOAT = 4
_KINDS = {0: "i", 1: "u", 2: "f", 6: "b"}

_pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_of.restype = ctypes.c_void_p
_pointer_of.argtypes = [ctypes.py_object, ctypes.c_char_p]


class DlpackError(ValueError):
    """The array cannot be used where it lies; the message says what to do."""


def _dtype(tensor: _Tensor) -> np.dtype:
    if tensor.lanes != 1:
        raise DlpackError("it holds vectors of several lanes")
    if tensor.code == _BFLOAT and tensor.bits == 16:
        return np.dtype(np.uint16)  # as everywhere here: the bits
    if tensor.code == 6:
        return np.dtype(np.bool_)
    if tensor.code not in _KINDS:
        raise DlpackError("its dtype is none of bmc's")
    return np.dtype(f"{_KINDS[tensor.code]}{tensor.bits // 8}")


def view(value: Any) -> np.ndarray:
    """The memory of `value`, which lives at least as long as the view. Raises DlpackError."""
    device = value.__dlpack_device__()[0] if hasattr(value, "__dlpack_device__") else 1
    if int(device) not in _HOST_DEVICES:
        raise DlpackError("it is in the memory of an accelerator: move it to the host (`.cpu()`)")
    try:
        capsule = value.__dlpack__()
    except (BufferError, RuntimeError, TypeError) as error:
        raise DlpackError(f"its library does not hand it out ({error}); `.detach()` it, or make it dense") from None
    tensor = _Tensor.from_address(_pointer_of(capsule, b"dltensor"))
    shape = tuple(tensor.shape[i] for i in range(tensor.rank))
    dtype = _dtype(tensor)
    if not tensor.data or 0 in shape:
        return np.empty(shape, dtype)
    if tensor.strides:
        strides = tuple(tensor.strides[i] * dtype.itemsize for i in range(tensor.rank))
    else:
        strides = tuple(int(np.prod(shape[i + 1:])) * dtype.itemsize for i in range(len(shape)))
    if any(stride < 0 for stride in strides):
        raise DlpackError("it runs backwards in memory")
    size = dtype.itemsize + sum((n - 1) * stride for n, stride in zip(shape, strides))
    memory = (ctypes.c_char * size).from_address(tensor.data + tensor.byte_offset)
    memory.keep = (capsule, value)  # not taken over: the capsule frees it
    return np.ndarray(shape, dtype, memory, 0, strides)


def is_foreign(value: Any) -> bool:
    return hasattr(value, "__dlpack__") and not isinstance(value, np.ndarray)
