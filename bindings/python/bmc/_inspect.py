"""What the compiler knows of a model: bmc_inspect of bmc.h, as plain Python values."""
from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any, Callable, TypeVar

_DTYPES = ["f64", "f32", "f16", "bf16", "i64", "i32", "i16", "i8", "u64", "u32", "u16", "u8", "bool"]
_ENTRIES = ["init", "rows", "step", "eval", "finish", "export", "fit"]
_SLOTS = ["param", "state", "optimizer", "fit"]
_STORAGES = ["arena", "parameter", "input", "output", "constant"]


@dataclass(frozen=True)
class Place:
    """In the model's text; `file` is None where bmc made it."""
    file: str | None
    line: int
    column: int


@dataclass(frozen=True)
class Layer:
    path: str
    what: str
    dtype: str
    shape: str
    parameters: int
    parameter_bytes: int
    flops: float
    place: Place


@dataclass(frozen=True)
class Parameter:
    path: str
    kind: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    bytes: int
    place: Place


@dataclass(frozen=True)
class Node:
    """Of the sealed graph; `operands` are numbers of earlier nodes, `dims` counts sizes at their bounds."""
    op: str
    name: str | None
    dtype: str
    shape: str
    dims: tuple[int, ...]
    operands: tuple[int, ...]
    place: Place


@dataclass(frozen=True)
class Kernel:
    """Compiled code of some nodes. Threads share `extent` rows in multiples of `grain`, if it is `parallel`."""
    name: str
    flops: float
    bytes: float
    parallel: bool
    extent_text: str
    extent: int
    grain: int
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    place: Place


@dataclass(frozen=True)
class Buffer:
    name: str
    storage: str
    number: int
    dtype: str
    elements_text: str
    elements: int
    bytes: int
    offset: int
    first_step: int
    last_step: int


@dataclass(frozen=True)
class Entry:
    name: str
    kind: str
    meetings: int
    flops: float
    bytes: float
    arena_bytes: int
    live_bytes: int
    place: Place
    nodes: tuple[Node, ...]
    kernels: tuple[Kernel, ...]
    buffers: tuple[Buffer, ...]


@dataclass(frozen=True)
class Inspection:
    """Layers in the order they are applied, parameters and states, entries (steps, exports ...)."""
    layers: tuple[Layer, ...]
    parameters: tuple[Parameter, ...]
    entries: tuple[Entry, ...]

    def entry(self, name: str) -> Entry:
        for entry in self.entries:
            if entry.name == name:
                return entry
        raise KeyError(name)


class _Place(ctypes.Structure):
    _fields_ = [("file", ctypes.c_char_p), ("line", ctypes.c_uint32), ("column", ctypes.c_uint32)]


class _Shape(ctypes.Structure):
    _fields_ = [("rank", ctypes.c_uint32), ("dims", ctypes.POINTER(ctypes.c_int64)), ("text", ctypes.c_char_p)]


class _Layer(ctypes.Structure):
    _fields_ = [("path", ctypes.c_char_p), ("what", ctypes.c_char_p), ("dtype", ctypes.c_int), ("shape", _Shape),
                ("parameters", ctypes.c_int64), ("parameter_bytes", ctypes.c_int64), ("flops", ctypes.c_double),
                ("place", _Place)]


class _Parameter(ctypes.Structure):
    _fields_ = [("path", ctypes.c_char_p), ("kind", ctypes.c_int), ("dtype", ctypes.c_int), ("shape", _Shape),
                ("offset", ctypes.c_int64), ("bytes", ctypes.c_int64), ("place", _Place)]


class _Entry(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("kind", ctypes.c_int), ("nodes", ctypes.c_uint32),
                ("kernels", ctypes.c_uint32), ("buffers", ctypes.c_uint32), ("meetings", ctypes.c_uint32),
                ("flops", ctypes.c_double), ("bytes", ctypes.c_double), ("arena_bytes", ctypes.c_int64),
                ("live_bytes", ctypes.c_int64), ("place", _Place)]


class _Node(ctypes.Structure):
    _fields_ = [("op", ctypes.c_char_p), ("name", ctypes.c_char_p), ("dtype", ctypes.c_int), ("shape", _Shape),
                ("operand_count", ctypes.c_uint32), ("operands", ctypes.POINTER(ctypes.c_uint32)), ("place", _Place)]


class _Kernel(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("flops", ctypes.c_double), ("bytes", ctypes.c_double),
                ("parallel", ctypes.c_int), ("extent_text", ctypes.c_char_p), ("extent", ctypes.c_int64),
                ("grain", ctypes.c_int64), ("buffer_count", ctypes.c_uint32),
                ("buffers", ctypes.POINTER(ctypes.c_uint32)), ("writes", ctypes.POINTER(ctypes.c_uint8)),
                ("place", _Place)]


class _Buffer(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("storage", ctypes.c_int), ("number", ctypes.c_uint32),
                ("dtype", ctypes.c_int), ("elements_text", ctypes.c_char_p), ("elements", ctypes.c_int64),
                ("bytes", ctypes.c_int64), ("offset", ctypes.c_int64), ("first_step", ctypes.c_uint32),
                ("last_step", ctypes.c_uint32)]


STRUCTS = (_Place, _Shape, _Layer, _Parameter, _Entry, _Node, _Kernel, _Buffer)  # a test compares their sizes


def _text(value: bytes | None) -> str:
    return value.decode(errors="replace") if value else ""


def _place(p: _Place) -> Place:
    return Place(_text(p.file) if p.file else None, p.line, p.column)


def _dims(s: _Shape) -> tuple[int, ...]:
    return tuple(s.dims[i] for i in range(s.rank))


def _layer(r: _Layer) -> Layer:
    return Layer(_text(r.path), _text(r.what), _DTYPES[r.dtype], _text(r.shape.text), r.parameters,
                 r.parameter_bytes, r.flops, _place(r.place))


def _parameter(r: _Parameter) -> Parameter:
    return Parameter(_text(r.path), _SLOTS[r.kind], _DTYPES[r.dtype], _dims(r.shape), r.offset, r.bytes,
                     _place(r.place))


def _node(r: _Node) -> Node:
    return Node(_text(r.op), _text(r.name) if r.name else None, _DTYPES[r.dtype], _text(r.shape.text),
                _dims(r.shape), tuple(r.operands[i] for i in range(r.operand_count)), _place(r.place))


def _kernel(r: _Kernel) -> Kernel:
    uses = [(r.buffers[i], bool(r.writes[i])) for i in range(r.buffer_count)]
    return Kernel(_text(r.name), r.flops, r.bytes, bool(r.parallel), _text(r.extent_text), r.extent, r.grain,
                  tuple(b for b, writes in uses if not writes), tuple(b for b, writes in uses if writes),
                  _place(r.place))


def _buffer(r: _Buffer) -> Buffer:
    return Buffer(_text(r.name), _STORAGES[r.storage], r.number, _DTYPES[r.dtype], _text(r.elements_text),
                  r.elements, r.bytes, r.offset, r.first_step, r.last_step)


_T = TypeVar("_T")


def inspect(library: ctypes.CDLL, model: ctypes.c_void_p) -> Inspection:
    """Reads all tables of a compiled model."""
    handle = ctypes.c_void_p()
    code = library.bmc_inspect(model, ctypes.byref(handle))
    if code != 0:
        raise MemoryError("out of memory")

    def rows(name: str, struct: Any, make: Callable[[Any], _T], *of: int) -> tuple[_T, ...]:
        function = getattr(library, "bmc_inspect_" + name)
        function.restype = ctypes.POINTER(struct)
        found: list[_T] = []
        while row := function(handle, *of, len(found)):
            found.append(make(row.contents))
        return tuple(found)

    def entry(number: int, r: _Entry) -> Entry:
        return Entry(_text(r.name), _ENTRIES[r.kind], r.meetings, r.flops, r.bytes, r.arena_bytes, r.live_bytes,
                     _place(r.place), rows("node", _Node, _node, number), rows("kernel", _Kernel, _kernel, number),
                     rows("buffer", _Buffer, _buffer, number))

    try:
        entries = rows("entry", _Entry, lambda r: r)
        return Inspection(rows("layer", _Layer, _layer), rows("parameter", _Parameter, _parameter),
                          tuple(entry(number, row) for number, row in enumerate(entries)))
    finally:
        library.bmc_inspection_close(handle)
