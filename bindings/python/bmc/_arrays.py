"""Arrays between NumPy and a compiled function: dtypes, sizes, buffers."""
from __future__ import annotations

import ctypes
from typing import Any, Mapping, Sequence

import numpy as np

from . import _dlpack


class ArgumentError(ValueError):
    """An argument does not fit the function: its message says both shapes or dtypes."""


# f16 and bf16 travel as they lie in memory; NumPy has no bf16, so its 16 bits are an integer's.
DTYPES = {
    "f64": np.float64, "f32": np.float32, "f16": np.float16, "bf16": np.uint16,
    "i64": np.int64, "i32": np.int32, "i16": np.int16, "i8": np.int8,
    "u64": np.uint64, "u32": np.uint32, "u16": np.uint16, "u8": np.uint8, "bool": np.bool_,
}  # fmt: skip


def dim_value(dim: int | str, sizes: Mapping[str, int]) -> int:
    """A size of the interface: a number, or text such as "2*T + floor((P - 1) / (2))"."""
    if isinstance(dim, int):
        return dim
    if dim in sizes:
        return sizes[dim]
    return int(eval(dim.replace(" / ", " // "), {"__builtins__": {}, "floor": int}, dict(sizes)))


def as_array(value: Any, name: str, dtype: str) -> np.ndarray:
    """`value` as a C-contiguous array of the wanted dtype; the same memory where it fits already."""
    if type(value) is np.ndarray and value.dtype == DTYPES[dtype] and value.flags.c_contiguous:
        return value
    if _dlpack.is_foreign(value):
        value = foreign(value, name)
    array = np.asarray(value)
    wanted = np.dtype(DTYPES[dtype])
    # numbers written down (a list, a float) take the dtype; an array keeps its meaning: f64 to f32 is
    # a rounding and allowed, f32 to u8 or i64 to f32 is not.
    fits = array.dtype == wanted or not hasattr(value, "dtype") or np.can_cast(array.dtype, wanted, "same_kind")
    if not fits:
        raise ArgumentError(f"`{name}` has dtype {array.dtype}, wanted {wanted}: convert it with .astype")
    converted = np.ascontiguousarray(array, dtype=wanted).reshape(array.shape)
    if not hasattr(value, "dtype") and array.dtype != wanted and not np.array_equal(converted, array) \
            and np.issubdtype(wanted, np.integer):
        raise ArgumentError(f"`{name}` has a value that {wanted} cannot hold")
    return converted


def foreign(value: Any, name: str) -> np.ndarray:
    """The memory of another library's array."""
    try:
        return _dlpack.view(value)
    except _dlpack.DlpackError as error:
        raise ArgumentError(f"`{name}`, a {type(value).__name__}: {error}") from None


def as_strings(value: Any) -> tuple[np.ndarray, Any]:
    """Texts as an array of char pointers, and what keeps their bytes alive."""
    array = np.asarray(value, dtype=object)
    keep = [str(text).encode() for text in array.ravel()]
    pointers = (ctypes.c_char_p * max(1, len(keep)))(*keep)
    return array, pointers


def bind_sizes(values: Sequence[dict], arrays: Mapping[str, np.ndarray], given: dict[str, int],
               function: str, dims: Sequence[str]) -> dict[str, int]:
    """The value of every size of a call, from the shapes of its arguments and what was given by name."""
    sizes = dict(given)
    for value in values:
        array = arrays.get(value["name"])
        if array is None:
            continue
        shape = value["shape"]
        if array.ndim != len(shape):
            raise ArgumentError(f"`{value['name']}` of {function} has rank {array.ndim} {list(array.shape)}, "
                                f"wanted {show(shape)}")
        for dim, size in zip(shape, array.shape):
            if isinstance(dim, str) and dim in dims:
                sizes.setdefault(dim, size)
    for dim in dims:
        if dim not in sizes:
            raise ArgumentError(f"{function} needs the size `{dim}`, which no argument tells: give {dim}=...")
    for value in values:
        array = arrays.get(value["name"])
        if array is None:
            continue
        wanted = tuple(dim_value(dim, sizes) for dim in value["shape"])
        if array.shape != wanted:
            told = ", ".join(f"{name} = {size}" for name, size in sizes.items())
            raise ArgumentError(f"`{value['name']}` of {function} has shape {list(array.shape)}, wanted "
                                f"{show(value['shape'])}" + (f" with {told}" if told else ""))
    return sizes


def show(shape: Sequence[int | str]) -> str:
    return "[" + ", ".join(str(dim) for dim in shape) + "]"


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.__array_interface__["data"][0])  # array.ctypes costs a microsecond
