"""Compiling in this process, by libbmc.so."""
from __future__ import annotations

import ctypes
import json
import os
import pathlib
from dataclasses import dataclass
from typing import Any, Callable, Mapping

from ._inspect import Inspection, inspect
from ._model import Model, ModelError


@dataclass(frozen=True)
class Diagnostic:
    """What the compiler has to say: `text` is all of it, with the source line, notes and help."""
    is_error: bool
    code: str
    message: str
    file: str | None
    line: int
    column: int
    text: str

    def __str__(self) -> str:
        return self.text


class CompileError(ValueError):
    """The model is wrong; `diagnostics` says where and why."""

    def __init__(self, diagnostics: list[Diagnostic]):
        self.diagnostics = diagnostics
        super().__init__("\n" + "\n".join(d.text.rstrip() for d in diagnostics) if diagnostics else "no diagnostics")


class _Diagnostic(ctypes.Structure):
    _fields_ = [("is_error", ctypes.c_int), ("code", ctypes.c_char_p), ("message", ctypes.c_char_p),
                ("file", ctypes.c_char_p), ("line", ctypes.c_uint32), ("column", ctypes.c_uint32),
                ("text", ctypes.c_char_p), ("value", ctypes.c_uint32)]


class _Define(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("value", ctypes.c_char_p)]


_Show = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(_Diagnostic))


class _Options(ctypes.Structure):  # BmcOptions
    _fields_ = [("size_bytes", ctypes.c_size_t), ("defines", ctypes.POINTER(_Define)),
                ("define_count", ctypes.c_uint32), ("cpu", ctypes.c_char_p), ("level", ctypes.c_int),
                ("on_diagnostic", _Show), ("user", ctypes.c_void_p), ("debug", ctypes.c_int),
                ("externs", ctypes.c_void_p), ("extern_count", ctypes.c_uint32),
                ("libraries", ctypes.POINTER(ctypes.c_char_p)), ("library_count", ctypes.c_uint32),
                ("cache", ctypes.c_int), ("cache_folder", ctypes.c_char_p), ("exports_only", ctypes.c_int),
                ("warnings_are_errors", ctypes.c_int)]


_Event = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)


class _TrainOptions(ctypes.Structure):  # BmrtTrainOptions
    _fields_ = [("size_bytes", ctypes.c_uint32), ("block", ctypes.c_char_p), ("data_dir", ctypes.c_char_p),
                ("model_dir", ctypes.c_char_p), ("allow_paths", ctypes.c_int), ("threads", ctypes.c_int32),
                ("seed_given", ctypes.c_int), ("seed", ctypes.c_uint64), ("fold", ctypes.c_uint32),
                ("init_path", ctypes.c_char_p), ("init_only", ctypes.c_void_p), ("init_rename", ctypes.c_void_p),
                ("init_only_count", ctypes.c_uint32), ("init_rename_count", ctypes.c_uint32),
                ("resume_path", ctypes.c_char_p), ("save_path", ctypes.c_char_p), ("save_nothing", ctypes.c_int),
                ("save_seconds", ctypes.c_double), ("tick_seconds", ctypes.c_double), ("stop", ctypes.c_void_p),
                ("event", _Event), ("user", ctypes.c_void_p), ("hooks", ctypes.c_void_p)]


class _Report(ctypes.Structure):  # BmrtReport
    _fields_ = [("status", ctypes.c_int), ("interrupted", ctypes.c_int), ("line", ctypes.c_uint32),
                ("column", ctypes.c_uint32), ("file", ctypes.c_char_p), ("message", ctypes.c_char * 2048), ("note", ctypes.c_char * 2048),
                ("steps", ctypes.c_int64)]


def _library() -> ctypes.CDLL:
    """libbmc: of BMC_LIBRARY, else beside this file (a wheel's), else where the system finds it."""
    global _loaded
    if _loaded is None:
        beside = pathlib.Path(__file__).with_name("libbmc.so.0")
        name = os.environ.get("BMC_LIBRARY") or (str(beside) if beside.exists() else "libbmc.so.0")
        try:
            _loaded = ctypes.CDLL(name)
        except OSError as error:
            raise ImportError(f"cannot load libbmc ({error}): install bmc, or set BMC_LIBRARY to libbmc.so; "
                              "bmc.load(\"MODEL.so\") does not need it") from None
        for function in ("bmc_model", "bmrt_error", "bmrt_interface"):
            getattr(_loaded, function).restype = ctypes.c_void_p
        _loaded.bmc_version.restype = ctypes.c_char_p
        for function in ("bmrt_error", "bmrt_interface"):
            getattr(_loaded, function).restype = ctypes.c_char_p
        _loaded.bmrt_event_json.restype = ctypes.c_size_t
    return _loaded


_loaded: ctypes.CDLL | None = None


class Compiled:
    """A model compiled into this process, with a handle of the runtime."""

    def __init__(self, model: ctypes.c_void_p, weights: str | None, seed: int, threads: int, folder: str | None):
        self._library = _library()
        self._model: ctypes.c_void_p | None = model
        self._folder = folder
        self._descriptor = ctypes.c_void_p(self._library.bmc_model(model))
        self._handle = ctypes.c_void_p()
        code = self._library.bmrt_open(ctypes.byref(self._handle), self._descriptor,
                                       weights and os.fsencode(weights), ctypes.c_uint64(seed),
                                       ctypes.c_int32(threads))
        if code != 0:
            message = self.error() if self._handle else "out of memory"
            self.close()
            raise ModelError(code, message)

    def inspect(self) -> Inspection:
        if self._model is None:
            raise ModelError(1, "the model is closed")
        return inspect(self._library, self._model)

    def _call(self, name: str, *args: Any) -> int:
        if self._model is None:
            raise ModelError(1, "the model is closed")
        return getattr(self._library, name)(self._handle, *args)

    def interface(self) -> str:
        return self._library.bmrt_interface(self._descriptor).decode()

    def error(self) -> str:
        return self._library.bmrt_error(self._handle).decode(errors="replace")

    def function(self, about: dict) -> Callable[[list, list, list], int]:
        run = "bmrt_step" if about["kind"] == "step" else "bmrt_call"
        entry = ctypes.c_uint32(about["entry"])

        def call(dims: list, inputs: list, outputs: list) -> int:
            return self._call(run, entry, (ctypes.c_int64 * max(1, len(dims)))(*dims),
                              (ctypes.c_void_p * max(1, len(inputs)))(*[p and p.value for p in inputs]),
                              (ctypes.c_void_p * max(1, len(outputs)))(*[p.value for p in outputs]))
        return call

    def get(self, path: str, data: ctypes.c_void_p, size: int) -> int:
        return self._call("bmrt_get", path.encode(), data, ctypes.c_size_t(size))

    def set(self, path: str, data: ctypes.c_void_p, size: int) -> int:
        return self._call("bmrt_set", path.encode(), data, ctypes.c_size_t(size))

    def save(self, path: str, everything: int) -> int:
        return self._call("bmrt_save", os.fsencode(path), everything, None)

    def load(self, path: str) -> int:
        return self._call("bmrt_load", os.fsencode(path))

    def set_threads(self, threads: int) -> int:
        return self._call("bmrt_set_threads", ctypes.c_int32(threads))

    def set_seed(self, seed: int) -> int:
        return self._call("bmrt_set_seed", ctypes.c_uint64(seed))

    def set_schedule(self, steps: int, steps_per_epoch: int) -> int:
        return self._call("bmrt_set_schedule", ctypes.c_int64(steps), ctypes.c_int64(steps_per_epoch))

    def run_blocks(self, run: str, options: dict[str, Any], on_event: Callable[[dict], None] | None) -> None:
        if self._model is None:
            raise ModelError(1, "the model is closed")
        problems: list[BaseException] = []
        stop = ctypes.c_int(0)  # sig_atomic_t

        def event(_: Any, what: int) -> None:
            if on_event is None or problems:
                return
            size = self._library.bmrt_event_json(ctypes.c_void_p(what), None, ctypes.c_size_t(0))
            text = ctypes.create_string_buffer(size + 1)
            self._library.bmrt_event_json(ctypes.c_void_p(what), text, ctypes.c_size_t(size + 1))
            if not text.value:
                return
            try:
                on_event(json.loads(text.value))
            except BaseException as error:  # an exception must not cross C: stop, then raise it
                problems.append(error)
                stop.value = 1

        callback = _Event(event)
        settings = _TrainOptions(size_bytes=ctypes.sizeof(_TrainOptions), event=callback,
                                 stop=ctypes.addressof(stop), **options)
        if self._folder is not None:
            settings.model_dir = os.fsencode(self._folder)
        report = _Report()
        getattr(self._library, run)(self._descriptor, ctypes.byref(settings), ctypes.byref(report))
        if problems:
            raise problems[0]
        if report.status != 0:
            message = report.message.decode(errors="replace")
            note = report.note.decode(errors="replace")
            raise ModelError(report.status, message + ("\n" + note if note else ""))

    def close(self) -> None:
        model, self._model = self._model, None
        if model:
            if self._handle:
                self._library.bmrt_close(self._handle)
            self._library.bmc_close(model)


class CompiledModel(Model):
    """A model compiled in this process: besides its functions it can run its own `train` and `test` blocks."""

    def train(self, data: str | os.PathLike | None = None, save: str | os.PathLike | None = None,
              block: str | None = None, seed: int | None = None, threads: int = 0, resume: str | os.PathLike | None = None,
              on_event: Callable[[dict], None] | None = None) -> None:
        """As `bmc train`: trains as the file's blocks say, on the files in `data`, and saves; this model then has
        the new weights when `save` was given. `on_event` gets what `bmc train --json` prints, as dictionaries; an
        exception in it stops the training."""
        def path(value: str | os.PathLike | None) -> bytes | None:
            return None if value is None else os.fsencode(os.fspath(value))
        self._backend.run_blocks("bmrt_train", {
            "data_dir": path(data), "save_path": path(save), "save_nothing": int(save is None),
            "block": block and block.encode(), "seed_given": int(seed is not None), "seed": seed or 0,
            "threads": threads, "resume_path": path(resume)}, on_event)
        if save is not None:
            self.load_weights(save)

    def inspect(self) -> Inspection:
        """What the compiler knows of the model: layers, parameters, and of each function its graph, kernels and
        buffers."""
        return self._backend.inspect()

    def test(self, weights: str | os.PathLike, data: str | os.PathLike | None = None, block: str | None = None,
             threads: int = 0) -> dict[str, dict[str, float]]:
        """As `bmc test`: the metrics of every `test` block, by the block's name ("test" for the unnamed one)."""
        results: dict[str, dict[str, float]] = {}

        def event(what: dict) -> None:
            if what.get("event") == "test":
                results[what.get("name") or "test"] = what.get("metrics", {})
        self._backend.run_blocks("bmrt_test", {
            "data_dir": None if data is None else os.fsencode(os.fspath(data)),
            "init_path": os.fsencode(os.fspath(weights)), "block": block and block.encode(),
            "threads": threads}, event)
        return results


def _compile(name: str, text: bytes | None, define: Mapping[str, Any] | None, weights: str | os.PathLike | None,
             seed: int, threads: int, level: int, cpu: str | None, cache: bool | str | os.PathLike,
             exports_only: bool, warnings_are_errors: bool,
             on_diagnostic: Callable[[Diagnostic], None] | None) -> CompiledModel:
    library = _library()
    diagnostics: list[Diagnostic] = []

    def show(_: Any, found: Any) -> None:
        d = found.contents
        diagnostics.append(Diagnostic(bool(d.is_error), d.code.decode(), d.message.decode(errors="replace"),
                                      d.file.decode(errors="replace") if d.file else None, d.line, d.column,
                                      d.text.decode(errors="replace")))

    callback = _Show(show)
    items = [_Define(str(key).encode(), _setting(value)) for key, value in (define or {}).items()]
    defines = (_Define * max(1, len(items)))(*items)
    options = _Options(ctypes.sizeof(_Options), defines, len(items), cpu.encode() if cpu else None, level, callback)
    options.cache = cache is not False
    options.cache_folder = None if isinstance(cache, bool) else os.fsencode(os.fspath(cache))
    options.exports_only = exports_only
    options.warnings_are_errors = warnings_are_errors
    model = ctypes.c_void_p()
    if text is None:
        status = library.bmc_compile_file(os.fsencode(name), ctypes.byref(options), ctypes.byref(model))
    else:
        status = library.bmc_compile_text(os.fsencode(name), text, ctypes.c_size_t(len(text)),
                                          ctypes.byref(options), ctypes.byref(model))
    if status == 3:
        raise MemoryError("compiling " + name)
    if status != 0:
        raise CompileError(diagnostics) if diagnostics else ValueError(f"libbmc refused the call (status {status})")
    for diagnostic in diagnostics:
        if on_diagnostic:
            on_diagnostic(diagnostic)
    folder = os.path.dirname(os.path.abspath(name)) if text is None else None
    return CompiledModel(Compiled(model, None if weights is None else os.fspath(weights), seed, threads, folder))


def _setting(value: Any) -> bytes:
    if isinstance(value, bool):
        return b"true" if value else b"false"
    return str(value).encode()


def compile(path: str | os.PathLike, *, define: Mapping[str, Any] | None = None,
            weights: str | os.PathLike | None = None, seed: int = 0, threads: int = 0, level: int = 2,
            cpu: str | None = None, cache: bool | str | os.PathLike = False, exports_only: bool = False,
            warnings_are_errors: bool = False,
            on_diagnostic: Callable[[Diagnostic], None] | None = None) -> CompiledModel:
    """Compiles a .bm file. `define` is `-D`; `weights` a safetensors file, else the model is initialised by `seed`;
    `threads` 0 is every CPU; `cache` True takes code made earlier from the user's folder and keeps it there, a path
    does so elsewhere; `exports_only` leaves out training. Raises CompileError when the model is wrong; warnings go
    to `on_diagnostic`."""
    return _compile(os.fspath(path), None, define, weights, seed, threads, level, cpu, cache, exports_only,
                    warnings_are_errors, on_diagnostic)


def compile_text(text: str, name: str = "model.bm", *, define: Mapping[str, Any] | None = None,
                 weights: str | os.PathLike | None = None, seed: int = 0, threads: int = 0, level: int = 2,
                 cpu: str | None = None, cache: bool | str | os.PathLike = False, exports_only: bool = False,
                 warnings_are_errors: bool = False,
                 on_diagnostic: Callable[[Diagnostic], None] | None = None) -> CompiledModel:
    """As `compile`, of a text; `name` stands in messages and names the model."""
    return _compile(name, text.encode(), define, weights, seed, threads, level, cpu, cache, exports_only,
                    warnings_are_errors, on_diagnostic)
