"""A compiled model: its functions as methods, its parameters as a mapping."""
from __future__ import annotations

import ctypes
import difflib
import json
import os
from typing import Any, Callable, Iterator

import numpy as np

from ._dlpack import is_foreign
from ._arrays import DTYPES, ArgumentError, as_array, foreign, as_strings, bind_sizes, dim_value, pointer

STATUS = ["ok", "argument", "shape", "memory", "io", "format", "mismatch", "numeric", "busy"]


class ModelError(RuntimeError):
    """A call failed. `status` is one of "argument", "shape", "memory", "io", "format", "mismatch",
    "numeric" (a loss that is not finite, an index out of range: nothing was written), "busy"."""

    def __init__(self, code: int, message: str):
        self.status = STATUS[code] if 0 <= code < len(STATUS) else str(code)
        super().__init__(message or self.status)


class Function:
    """One `export fn`, or the step of a train block. Call it with arrays, in order or by name; sizes that no
    array tells go by name too. `out=`: an array, or a tuple of them, to write the results to."""

    def __init__(self, model: "Model", about: dict, call: Callable[[list, list, list], int]):
        self._model, self._about, self._call = model, about, call
        self.name: str = about["name"]
        self.__name__ = self.name
        self.__doc__ = self._signature()

    def _signature(self) -> str:
        def text(value: dict) -> str:
            return f"{value['name']}{[*value['shape']]}: {value['dtype']}".replace("'", "")
        inputs = ", ".join(map(text, self._about["inputs"]))
        return f"{self.name}({inputs}) -> {', '.join(map(text, self._about['outputs']))}"

    def __repr__(self) -> str:
        return f"<bmc function {self._signature()}>"

    def _arguments(self, args: tuple, named: dict) -> dict[str, Any]:
        inputs = [value["name"] for value in self._about["inputs"]]
        if len(args) > len(inputs):
            raise ArgumentError(f"{self.name} takes {len(inputs)} arrays, not {len(args)}: {self._signature()}")
        given = dict(zip(inputs, args))
        for name, value in named.items():
            if name in given:
                raise ArgumentError(f"{self.name} got `{name}` twice")
            if name not in inputs:
                near = difflib.get_close_matches(name, inputs + self._about["dims"], 1)
                hint = f"; did you mean `{near[0]}`?" if near else f": {self._signature()}"
                raise ArgumentError(f"{self.name} has no argument `{name}`{hint}")
            given[name] = value
        for value in self._about["inputs"]:
            if value["name"] not in given and not value.get("optional"):
                raise ArgumentError(f"{self.name} misses `{value['name']}`: {self._signature()}")
        return given

    def _outputs(self, sizes: dict[str, int], out: Any) -> list[Any]:
        wanted = self._about["outputs"]
        given = [] if out is None else list(out) if isinstance(out, (tuple, list)) else [out]
        if out is not None and len(given) != len(wanted):
            raise ArgumentError(f"{self.name} has {len(wanted)} results, `out` has {len(given)}")
        arrays: list[Any] = []
        for i, value in enumerate(wanted):
            shape = tuple(dim_value(dim, sizes) for dim in value["shape"])
            if value["dtype"] == "str":
                arrays.append((ctypes.c_char_p * max(1, int(np.prod(shape))))())
                continue
            dtype = np.dtype(DTYPES[value["dtype"]])
            if out is None:
                arrays.append(np.empty(shape, dtype))
                continue
            array = foreign(given[i], "out") if is_foreign(given[i]) else given[i]
            if not isinstance(array, np.ndarray) or array.dtype != dtype or array.shape != shape \
                    or not array.flags.c_contiguous or not array.flags.writeable:
                raise ArgumentError(f"`out` for `{value['name']}` must be a writable C-contiguous {dtype} array of "
                                    f"shape {list(shape)}")
            arrays.append(array)
        return arrays

    def _bind(self, args: tuple, out: Any, named: dict) -> tuple[dict[str, int], dict[str, Any], list[Any], tuple]:
        """Sizes, the arrays of the inputs, those of the results, and what the compiled function is called with."""
        about = self._about
        dims = about["dims"]
        inputs = {value["name"] for value in about["inputs"]}
        sizes = {name: int(named.pop(name)) for name in dims if name in named and name not in inputs}
        given = self._arguments(args, named)
        arrays: dict[str, np.ndarray] = {}
        keep: dict[str, Any] = {}
        for value in about["inputs"]:
            name = value["name"]
            if name not in given:
                continue
            if value["dtype"] == "str":
                arrays[name], keep[name] = as_strings(given[name])
            else:
                arrays[name] = keep[name] = as_array(given[name], name, value["dtype"])
        sizes = bind_sizes(about["inputs"], arrays, sizes, self.name, dims)
        results = self._outputs(sizes, out)
        return sizes, keep, results, (
            [sizes[dim] for dim in dims],
            [None if value["name"] not in keep else self._address(keep[value["name"]]) for value in about["inputs"]],
            [self._address(result) for result in results])

    def prepare(self, *args: Any, out: Any = None, **named: Any) -> Callable[[], Any]:
        """A call with these very arrays, as a function without arguments that checks nothing again: for loops
        that put the next values into the same inputs. It returns the same results each time, filled anew."""
        if any(value["dtype"] == "str" for value in self._about["inputs"] + self._about["outputs"]):
            raise ArgumentError(f"{self.name} has strings, which cannot be prepared: call it")
        given = self._arguments(args, {name: value for name, value in named.items() if name not in self._about["dims"]})
        _, keep, results, call = self._bind(args, out, dict(named))
        dtypes = {value["name"]: value["dtype"] for value in self._about["inputs"]}
        for name, array in keep.items():  # where a copy is needed, two of them share nothing
            if array.size and not np.shares_memory(array, as_array(given[name], name, dtypes[name])):
                raise ArgumentError(f"`{name}` would be copied: prepare {self.name} with a C-contiguous {array.dtype} array")
        run, check, give = self._call, self._model._check, self._give

        def again(_keep: Any = keep) -> Any:
            check(run(*call))
            return give(results)
        return again

    def __call__(self, *args: Any, out: Any = None, **named: Any) -> Any:
        about = self._about
        sizes, keep, results, call = self._bind(args, out, named)
        self._model._check(self._call(*call))
        for i, value in enumerate(about["outputs"]):
            if value["dtype"] == "str":
                shape = tuple(dim_value(dim, sizes) for dim in value["shape"])
                texts = [text.decode() if text is not None else None for text in results[i][:int(np.prod(shape))]]
                results[i] = np.array(texts, dtype=object).reshape(shape)
        if out is not None:  # what the caller gave, which may be another library's
            results = [out] if not isinstance(out, (tuple, list)) else list(out)
        return self._give(results)

    @staticmethod
    def _address(value: Any) -> ctypes.c_void_p:
        return pointer(value) if isinstance(value, np.ndarray) else ctypes.cast(value, ctypes.c_void_p)

    def _give(self, results: list[Any]) -> Any:
        if self._about["kind"] == "step":
            return {value["name"]: result.item() if result.ndim == 0 else result
                    for value, result in zip(self._about["outputs"], results)}
        return results[0] if len(results) == 1 else tuple(results)


class Model:
    """A model and its weights. Functions are attributes: `model.predict(x)`, `model.train_step(x=..., y=...)`.
    `model["net.dense1.w"]` reads a parameter or state (a copy), assigning writes it; iterating gives the paths.
    One thread at a time: calls from several raise ModelError with status "busy"."""

    def __init__(self, backend: Any):
        self._backend = backend
        self._interface = json.loads(backend.interface())
        self._slots = {slot["path"]: slot for slot in self._interface["slots"]}
        self.functions = {about["name"]: Function(self, about, backend.function(about))
                          for about in self._interface["functions"]}

    @property
    def name(self) -> str:
        return self._interface["name"]

    def __getattr__(self, name: str) -> Function:
        functions = self.__dict__.get("functions", {})
        if name in functions:
            return functions[name]
        near = difflib.get_close_matches(name, functions, 1)
        hint = f"; did you mean `{near[0]}`?" if near else f"; it has {', '.join(functions) or 'none'}"
        raise AttributeError(f"model `{self.__dict__.get('_interface', {}).get('name')}` has no function `{name}`{hint}")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.functions]

    def _check(self, code: int) -> None:
        if code != 0:
            raise ModelError(code, self._backend.error())

    def _slot(self, path: str) -> dict:
        if path not in self._slots:
            near = difflib.get_close_matches(path, self._slots, 1)
            raise KeyError(path + (f" (did you mean {near[0]}?)" if near else ""))
        return self._slots[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._slots)

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, path: object) -> bool:
        return path in self._slots

    def keys(self) -> list[str]:
        return list(self._slots)

    def __getitem__(self, path: str) -> np.ndarray:
        slot = self._slot(path)
        array = np.empty(tuple(slot["shape"]), DTYPES[slot["dtype"]])
        self._check(self._backend.get(path, pointer(array), array.nbytes))
        return array

    def __setitem__(self, path: str, value: Any) -> None:
        slot = self._slot(path)
        array = as_array(value, path, slot["dtype"])
        if array.shape != tuple(slot["shape"]):
            raise ArgumentError(f"`{path}` has shape {slot['shape']}, not {list(array.shape)}")
        self._check(self._backend.set(path, pointer(array), array.nbytes))

    def save(self, path: str | os.PathLike, optimizer: bool = True) -> None:
        """Writes a safetensors file: it is there whole or not at all."""
        self._check(self._backend.save(os.fspath(path), int(optimizer)))

    def load_weights(self, path: str | os.PathLike) -> None:
        """Reads a safetensors file. When it does not fit, nothing has changed."""
        self._check(self._backend.load(os.fspath(path)))

    def set_threads(self, threads: int) -> None:
        """0: every CPU. Results do not depend on it."""
        self._check(self._backend.set_threads(threads))

    def set_seed(self, seed: int) -> None:
        self._check(self._backend.set_seed(seed))

    def set_schedule(self, steps: int, steps_per_epoch: int) -> None:
        """How many steps are planned: what progress() and epoch() of the model count by."""
        self._check(self._backend.set_schedule(steps, steps_per_epoch))

    def close(self) -> None:
        """Frees the model; using it afterwards is an error. `with` does it too."""
        self._backend.close()

    def __enter__(self) -> "Model":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __del__(self) -> None:
        if "_backend" in self.__dict__:
            self._backend.close()


class Library:
    """A model in a shared library made by `bmc MODEL.bm -o MODEL.so`: its own C functions, nothing else."""

    def __init__(self, path: str, weights: str | None):
        self._library = ctypes.CDLL(os.path.abspath(path))
        self.stem = self._find_stem(path)
        self._handle: ctypes.c_void_p | None = ctypes.c_void_p()
        code = self._call("open", ctypes.byref(self._handle), weights and os.fsencode(weights))
        if code != 0:
            message = self.error() if self._handle else "out of memory"
            self.close()
            raise ModelError(code, message)

    def _find_stem(self, path: str) -> str:
        name = os.path.basename(path)
        stem = "".join(c if c.isascii() and c.isalnum() else "_" for c in name.split(".so")[0].removesuffix(".") or "m")
        for candidate in (stem, "m" + stem):
            if hasattr(self._library, candidate + "_interface"):
                return candidate
        raise ModelError(5, f"{path} is not a model compiled by bmc, or was renamed after it was made")

    def _function(self, name: str, returns: Any = ctypes.c_int) -> Any:
        function = getattr(self._library, f"{self.stem}_{name}")
        function.restype = returns
        return function

    def _call(self, name: str, *args: Any) -> int:
        if self._handle is None:
            raise ModelError(1, "the model is closed")
        return self._function(name)(*args)

    def interface(self) -> str:
        return self._function("interface", ctypes.c_char_p)().decode()

    def error(self) -> str:
        return self._function("error", ctypes.c_char_p)(self._handle).decode(errors="replace")

    def function(self, about: dict) -> Callable[[list, list, list], int]:
        name, sizes = about["name"], len(about["dims"])
        function = self._function(name)
        count = len(about["inputs"]) + len(about["outputs"])
        function.argtypes = [ctypes.c_void_p, *[ctypes.c_int64] * sizes, *[ctypes.c_void_p] * count]

        def call(dims: list, inputs: list, outputs: list) -> int:
            if self._handle is None:
                raise ModelError(1, "the model is closed")
            return function(self._handle, *dims, *inputs, *outputs)
        return call

    def get(self, path: str, data: ctypes.c_void_p, size: int) -> int:
        return self._call("get", self._handle, path.encode(), data, ctypes.c_size_t(size))

    def set(self, path: str, data: ctypes.c_void_p, size: int) -> int:
        return self._call("set", self._handle, path.encode(), data, ctypes.c_size_t(size))

    def save(self, path: str, everything: int) -> int:
        return self._call("save", self._handle, os.fsencode(path), everything)

    def load(self, path: str) -> int:
        return self._call("load", self._handle, os.fsencode(path))

    def set_threads(self, threads: int) -> int:
        return self._call("set_threads", self._handle, ctypes.c_int32(threads))

    def set_seed(self, seed: int) -> int:
        return self._call("set_seed", self._handle, ctypes.c_uint64(seed))

    def set_schedule(self, steps: int, steps_per_epoch: int) -> int:
        return self._call("set_schedule", self._handle, ctypes.c_int64(steps), ctypes.c_int64(steps_per_epoch))

    def close(self) -> None:
        handle, self._handle = self._handle, None
        if handle:
            self._function("close", None)(handle)


def load(path: str | os.PathLike, weights: str | os.PathLike | None = None) -> Model:
    """A compiled library, with its initial weights or those of a safetensors file. Needs no compiler."""
    return Model(Library(os.fspath(path), None if weights is None else os.fspath(weights)))
