#!/bin/sh
# The wheel in an environment of its own, without a bmc beside it: its libbmc is the one that is loaded. NumPy comes
# from the system, so no network is needed.
set -eu
unset BMC_LIBRARY PYTHONPATH
python=${BMC_PYTHON:-/usr/bin/python3}
for module in venv ensurepip setuptools wheel numpy; do
    "$python" -c "import $module" 2>/dev/null || {
        echo "skipped: $python has no $module"
        exit 77
    }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
PYTHON=$python "$SOURCE/tools/wheel"
cd "$folder"
"$python" -m venv --system-site-packages env
env/bin/python -m pip -q --disable-pip-version-check install --no-index --no-deps "$SOURCE"/build/wheel/bmc-*.whl
cat >use.py <<'END'
import importlib.metadata, pathlib, sys
import bmc, numpy as np
here = pathlib.Path(bmc.__file__).parent
assert here.is_relative_to(sys.prefix), here
assert (here / "libbmc.so.0").exists() and (here / "py.typed").exists()
assert importlib.metadata.version("bmc") == bmc.__version__
with bmc.compile(sys.argv[1], threads=1) as model:
    x = np.zeros((2, 28, 28), np.uint8)
    np.testing.assert_allclose(model.predict(x).sum(axis=1), 1, rtol=1e-5)
    assert model.inspect().entry("predict").kernels
    loaded = [line.split()[-1] for line in open("/proc/self/maps") if "libbmc" in line]
    assert all(path.startswith(str(here.resolve())) for path in loaded) and loaded, loaded
print("the wheel works")
END
env/bin/python use.py "$SOURCE/examples/fashion_mnist/mlp.bm"
