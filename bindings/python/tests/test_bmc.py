"""The Python binding: compiled and loaded models, arrays in and out, errors. Run by ctest (`python`)."""
import gc
import os
import pathlib
import subprocess
import tempfile
import unittest

import bmc
import numpy as np

SOURCE = """
let width = 8
model net(x[B, 4]) -> [B, 3] = x |> dense(width, tanh) |> dense(3)
train {
  step(x[B, 4], y[B]: i32) {
    loss = cross_entropy(net(x), y)
    minimize loss over net with sgd(0.5)
    metric loss = loss
    metric right = accuracy(net(x), y)
  }
}
export fn predict(x[B, 4]) -> [B, 3] = softmax(net(x))
export fn both(x[B, 4], scale: f32 = 2) -> ([B, 4], [B]) {
  b[i] = sum[j](x[i, j])
  return scale * x, b
}
export fn window(x[T]) -> [T - 2] = x[0:T - 2] + x[2:T]
export fn ramp(n: dim, by: f32) -> [n] = by * f32(iota(n))
"""


def batch(rows=32):
    random = np.random.default_rng(1)
    x = random.standard_normal((rows, 4)).astype(np.float32)
    return x, np.argmax(x[:, :3], axis=1).astype(np.int32)


class Compiled(unittest.TestCase):
    def setUp(self):
        self.model = self.open()

    def tearDown(self):
        self.model.close()

    def open(self):
        return bmc.compile_text(SOURCE, "net.bm", threads=1)

    def test_learns(self):
        x, y = batch()
        first = self.model.train_step(x, y)
        for _ in range(200):
            last = self.model.train_step(x=x, y=y)
        self.assertLess(last["loss"], 0.3 * first["loss"])
        self.assertGreater(last["right"], 0.9)
        np.testing.assert_allclose(self.model.predict(x).sum(axis=1), 1, rtol=1e-6)

    def test_results(self):
        x, _ = batch(5)
        a, b = self.model.both(x)
        np.testing.assert_array_equal(a, 2 * x)
        np.testing.assert_allclose(b, x.sum(axis=1), rtol=1e-5)
        np.testing.assert_array_equal(self.model.both(x, scale=3.0)[0], 3 * x)
        np.testing.assert_array_equal(self.model.window(np.arange(5, dtype=np.float32)), [2, 4, 6])
        np.testing.assert_array_equal(self.model.ramp(n=4, by=2.0), [0, 2, 4, 6])
        with self.assertRaisesRegex(bmc.ArgumentError, "ramp needs the size `n`, which no argument tells"):
            self.model.ramp(2.0)

    def test_no_copies(self):
        x, _ = batch(6)
        out = np.empty((6, 3), np.float32)
        result = self.model.predict(x, out=out)
        self.assertIs(result, out)
        whole = np.zeros((12, 4), np.float32)
        whole[::2] = x
        np.testing.assert_array_equal(self.model.predict(whole[::2]), out)  # not contiguous: one copy
        np.testing.assert_array_equal(self.model.predict(x.astype(np.float64)), out)
        with self.assertRaisesRegex(bmc.ArgumentError, "writable C-contiguous float32"):
            self.model.predict(x, out=np.empty((3, 6), np.float32).T)

    def test_prepared(self):
        model = bmc.compile_text(SOURCE, weights=None, seed=3)
        x = np.ones((2, 4), np.float32)
        out = np.empty((2, 3), np.float32)
        again = model.predict.prepare(x, out=out)
        for value in (1, 2, 3):
            x[:] = value
            self.assertIs(again(), out)
            self.assertEqual(out.tobytes(), model.predict(x).tobytes())
        step = model.train_step.prepare(x, y=np.array([1, 2], np.int32))
        first = step()["loss"]
        for _ in range(20):
            last = step()["loss"]
        self.assertLess(last, first)
        with self.assertRaisesRegex(bmc.ArgumentError, "`x` would be copied"):
            model.predict.prepare([[1, 2, 3, 4]])
        with self.assertRaisesRegex(bmc.ArgumentError, "rank"):
            model.predict.prepare(x[0])
        model.close()
        with self.assertRaises(bmc.ModelError):
            again()

    def test_exchange(self):
        class Foreign:  # what torch or jax hand over
            def __init__(self, array):
                self.array = array

            def __dlpack__(self, **_):
                return self.array.__dlpack__()

            def __dlpack_device__(self):
                return self.array.__dlpack_device__()
        x, _ = batch(4)
        np.testing.assert_array_equal(self.model.predict(Foreign(x)), self.model.predict(x))
        self.assertTrue(hasattr(self.model.predict(x), "__dlpack__"))

    def test_parameters(self):
        self.assertIn("net.dense1.w", self.model)
        w = self.model["net.dense1.w"]
        self.assertEqual(w.shape, (4, 8))
        self.model["net.dense1.w"] = np.zeros_like(w)
        self.assertEqual(np.abs(self.model["net.dense1.w"]).max(), 0)
        with self.assertRaisesRegex(KeyError, "did you mean net.dense1.w"):
            self.model["net.dense1.ww"]
        with self.assertRaisesRegex(bmc.ArgumentError, r"shape \[4, 8\], not \[3\]"):
            self.model["net.dense1.w"] = np.zeros(3, np.float32)

    def test_weights_files(self):
        x, y = batch()
        self.model.train_step(x, y)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "net.safetensors"
            self.model.save(path)
            other = self.open()
            self.assertFalse(np.array_equal(other.predict(x), self.model.predict(x)))
            other.load_weights(path)
            np.testing.assert_array_equal(other.predict(x), self.model.predict(x))
            other.close()
            path.write_bytes(b"not safetensors")
            with self.assertRaises(bmc.ModelError) as caught:
                self.model.load_weights(path)
            self.assertEqual(caught.exception.status, "format")

    def test_wrong_arguments(self):
        x, y = batch(4)
        model = self.model
        cases = [
            (lambda: model.predict(x[:, :3]), r"`x` of predict has shape \[4, 3\], wanted \[B, 4\] with B = 4"),
            (lambda: model.predict(x[0]), r"has rank 1 \[4\], wanted \[B, 4\]"),
            (lambda: model.predict(), r"predict misses `x`: predict\(x\[B, 4\]: f32\)"),
            (lambda: model.predict(x, x), r"predict takes 1 arrays, not 2"),
            (lambda: model.predict(x, x=x), r"predict got `x` twice"),
            (lambda: model.train_step(x=x, yy=y), r"no argument `yy`; did you mean `y`\?"),
            (lambda: model.train_step(x, y.astype(np.float32)), r"`y` has dtype float32, wanted int32"),
            (lambda: model.train_step(x, [0, 1, 2, 1.5]), r"`y` has dtype float64|cannot hold"),
            (lambda: model.train_step(x, y[:3]), r"`y` of train_step has shape \[3\], wanted \[B\] with B = 4"),
            (lambda: model.predict(x, out=[1, 2]), r"has 1 results, `out` has 2"),
        ]
        for call, message in cases:
            with self.assertRaisesRegex(bmc.ArgumentError, message):
                call()
        with self.assertRaisesRegex(AttributeError, "did you mean `predict`"):
            model.predikt
        before = model["net.dense1.w"]
        with self.assertRaises(bmc.ModelError) as caught:
            model.train_step(x, np.array([0, 1, 2, 3], np.int32))  # there are three classes
        self.assertEqual(caught.exception.status, "numeric")
        np.testing.assert_array_equal(model["net.dense1.w"], before)

    def test_empty(self):
        self.assertEqual(self.model.predict(np.empty((0, 4), np.float32)).shape, (0, 3))

    def test_close(self):
        with self.open() as model:
            pass
        with self.assertRaisesRegex(bmc.ModelError, "closed"):
            model.predict(batch()[0])

    def test_words(self):
        self.assertEqual(self.model.predict.__doc__, "predict(x[B, 4]: f32) -> out[B, 3]: f32")
        self.assertIn("train_step", dir(self.model))


class Loaded(Compiled):
    """The same through a library made by `bmc -o`."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        source = os.path.join(cls.folder.name, "net.bm")
        with open(source, "w") as file:
            file.write(SOURCE)
        cls.path = os.path.join(cls.folder.name, "net.so")
        subprocess.run([os.environ["BMC"], source, "-o", cls.path, "-q"], check=True)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def open(self):
        model = bmc.load(self.path)
        model.set_threads(1)
        return model

    def test_same_bits(self):
        x, y = batch()
        other = bmc.compile_text(SOURCE, "net.bm", threads=2)
        for _ in range(10):
            self.assertEqual(self.model.train_step(x, y), other.train_step(x, y))
        for path in other:
            np.testing.assert_array_equal(self.model[path], other[path])
        other.close()

    def test_other_files(self):
        with self.assertRaises(OSError):
            bmc.load("/no/such.so")
        with self.assertRaises(bmc.ModelError):
            bmc.load(os.environ["BMC_LIBRARY"])


class Compiling(unittest.TestCase):
    def test_mistakes(self):
        with self.assertRaises(bmc.CompileError) as caught:
            bmc.compile_text("export fn f(x[B]) -> [B] = x +\n   yy\n", "w.bm")
        (found,) = caught.exception.diagnostics
        self.assertEqual((found.code, found.line, found.column, found.file), ("E0004", 2, 4, "w.bm"))
        self.assertIn("unknown name `yy`", str(caught.exception))
        with self.assertRaises(bmc.CompileError):
            bmc.compile("/no/such.bm")

    def test_settings(self):
        with bmc.compile_text(SOURCE, "net.bm", define={"width": 16}) as model:
            self.assertEqual(model["net.dense1.w"].shape, (4, 16))
        with self.assertRaises(bmc.CompileError):
            bmc.compile_text(SOURCE, "net.bm", define={"widht": 16})
        with bmc.compile_text(SOURCE, seed=1) as one, bmc.compile_text(SOURCE, seed=2) as two:
            self.assertFalse(np.array_equal(one["net.dense1.w"], two["net.dense1.w"]))

    def test_flat_memory(self):
        def resident():
            gc.collect()
            return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
        text = "export fn f(x[B]) -> [B] = 2 * x\n"
        for _ in range(20):
            bmc.compile_text(text).close()
        before = resident()
        for _ in range(60):
            bmc.compile_text(text).close()
        self.assertLess(resident() - before, 4 << 20)

    def test_train_blocks(self):
        with tempfile.TemporaryDirectory() as folder:
            x = np.linspace(-1, 1, 64, dtype=np.float32)
            np.save(os.path.join(folder, "x.npy"), x)
            np.save(os.path.join(folder, "y.npy"), 3 * x + 1)
            source = os.path.join(folder, "line.bm")
            with open(source, "w") as file:
                file.write("data points {\n  train: npy(x = \"x.npy\", y = \"y.npy\")\n"
                           "  test: npy(x = \"x.npy\", y = \"y.npy\")\n  field x: f32\n  field y: f32\n}\n"
                           "model line(x[B]) -> [B] {\n  param w init zeros\n  param b init zeros\n  return w * x + b\n}\n"
                           "train {\n  data: points\n  epochs: 40\n  batch: 16\n  loss: mse(line(x), y)\n"
                           "  optimizer: sgd(0.2)\n}\n"
                           "test {\n  data: points\n  metric error = mse(line(x), y)\n}\n")
            events = []
            weights = os.path.join(folder, "line.safetensors")
            with bmc.compile(source) as model:
                model.train(data=folder, save=weights, on_event=events.append)
                self.assertAlmostEqual(float(model["line.w"]), 3, 3)
                self.assertEqual(sum(e["event"] == "epoch" for e in events), 40)
                self.assertEqual(list(model.test(weights, data=folder)), ["test"])

                def stop(event):
                    raise KeyError("enough")
                with self.assertRaisesRegex(KeyError, "enough"):
                    model.train(data=folder, on_event=stop)
                os.remove(os.path.join(folder, "x.npy"))
                with self.assertRaisesRegex(bmc.ModelError, "x.npy") as caught:
                    model.train(data=folder)
                self.assertEqual(caught.exception.status, "io")


class Foreign:
    """An array of another library: only the protocol, as torch's or jax's."""

    def __init__(self, array, device=1):
        self.array, self.device, self.asked = array, device, 0

    def __dlpack_device__(self):
        return (self.device, 0)

    def __dlpack__(self, **_):
        self.asked += 1
        return self.array.__dlpack__()


class Dlpack(unittest.TestCase):
    def setUp(self):
        self.model = bmc.compile_text(SOURCE, "net.bm", threads=1)
        self.addCleanup(self.model.close)

    def test_in_and_out_in_place(self):
        x, y = batch(6)
        want = self.model.predict(x)
        out = np.empty((6, 3), np.float32)
        given = Foreign(out)
        self.assertIs(self.model.predict(Foreign(x), out=given), given)
        np.testing.assert_array_equal(out, want)  # written where it lies
        wide = np.zeros((6, 8), np.float32)
        wide[:, ::2] = x
        np.testing.assert_array_equal(self.model.predict(Foreign(wide[:, ::2])), want)
        again = np.from_dlpack(self.model.predict(x))
        np.testing.assert_array_equal(again, want)
        self.model["net.dense1.b"] = Foreign(np.full(8, 2, np.float32))
        np.testing.assert_array_equal(self.model["net.dense1.b"], np.full(8, 2))

    def test_empty_and_rank_0(self):
        x, _ = batch(4)
        self.assertEqual(self.model.predict(Foreign(x[:0])).shape, (0, 3))
        np.testing.assert_array_equal(self.model.both(x, scale=Foreign(np.array(3, np.float32)))[0], 3 * x)

    def test_refused(self):
        x, _ = batch(4)
        with self.assertRaisesRegex(bmc.ArgumentError, "memory of an accelerator"):
            self.model.predict(Foreign(x, device=2))
        with self.assertRaisesRegex(bmc.ArgumentError, "runs backwards"):
            self.model.predict(Foreign(x[::-1]))
        with self.assertRaisesRegex(bmc.ArgumentError, "writable C-contiguous float32"):
            self.model.predict(x, out=Foreign(np.empty((4, 3), np.float64)))
        with self.assertRaisesRegex(bmc.ArgumentError, "int32 array|dtype"):
            self.model.train_step(Foreign(x), Foreign(x))

    def test_memory_lives_long_enough(self):
        x, _ = batch(200)
        want = self.model.predict(x)
        for _ in range(50):
            gc.collect()
            np.testing.assert_array_equal(self.model.predict(Foreign(x.copy())), want)


class Inspected(unittest.TestCase):
    def test_tables(self):
        with bmc.compile_text(SOURCE, "net.bm", threads=1) as model:
            tables = model.inspect()
            slots = {p.path: p for p in tables.parameters}
            self.assertEqual(list(slots), model.keys())
            for path in model:
                self.assertEqual(slots[path].shape, model[path].shape)
                self.assertEqual(slots[path].bytes, model[path].nbytes)
        dense = next(layer for layer in tables.layers if layer.path == "net.dense1")
        self.assertEqual((dense.shape, dense.parameters, dense.place.line), ("[B, 8]", 40, 3))
        step = next(entry for entry in tables.entries if entry.kind == "step")
        self.assertGreater(step.flops, 0)
        self.assertAlmostEqual(sum(kernel.flops for kernel in step.kernels), step.flops, delta=1)
        self.assertTrue(all(operand < i for i, node in enumerate(step.nodes) for operand in node.operands))
        self.assertIn("contract", {node.op for node in step.nodes})
        self.assertEqual({node.name for node in tables.entry("window").nodes if node.op == "input"}, {"x"})
        for buffer in step.buffers:
            if buffer.storage == "arena":
                self.assertLessEqual(buffer.offset + buffer.bytes, step.arena_bytes)
        with self.assertRaises(KeyError):
            tables.entry("no such")
        with self.assertRaises(bmc.ModelError):
            model.inspect()


class Settings(unittest.TestCase):
    def test_cache_and_exports(self):
        x, _ = batch(4)
        with tempfile.TemporaryDirectory() as folder:
            where = pathlib.Path(folder, "cache")
            with bmc.compile_text(SOURCE, "net.bm", threads=1, cache=where) as model:
                want = model.predict(x)
            kept = sorted(p.name for p in where.iterdir())
            self.assertGreater(len(kept), 0)
            with bmc.compile_text(SOURCE, "net.bm", threads=1, cache=where) as model:
                np.testing.assert_array_equal(model.predict(x), want)
            self.assertEqual(sorted(p.name for p in where.iterdir()), kept)
        with bmc.compile_text(SOURCE, "net.bm", threads=1, exports_only=True) as model:
            self.assertNotIn("train_step", dir(model))
            self.assertEqual(model.predict(x).shape, (4, 3))

    def test_warnings(self):
        text = "let unused = 3\n" + SOURCE
        heard = []
        bmc.compile_text(text, "net.bm", threads=1, on_diagnostic=heard.append).close()
        self.assertEqual([d.is_error for d in heard], [False])
        with self.assertRaises(bmc.CompileError) as caught:
            bmc.compile_text(text, "net.bm", threads=1, warnings_are_errors=True)
        self.assertTrue(caught.exception.diagnostics[0].is_error)


if __name__ == "__main__":
    unittest.main()
