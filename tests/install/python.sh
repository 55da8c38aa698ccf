#!/bin/sh
# The Python binding's tests and its example, with the system's Python and NumPy.
set -eu
export PYTHONPATH="$SOURCE/bindings/python" PYTHONDONTWRITEBYTECODE=1
python=${BMC_PYTHON:-/usr/bin/python3}
cd "$(mktemp -d)"
# the structs that the binding writes down again are those of the headers
cat >sizes.c <<'END'
#include "compiler/include/bmc.h"
#include "runtime/train/train.h"
#include <stdio.h>
#define FIELD(type, field) printf("%zu ", offsetof(type, field))
int main(void) {
    printf("%zu %zu %zu %zu ", sizeof(BmcOptions), sizeof(BmcDiagnostic), sizeof(BmrtTrainOptions), sizeof(BmrtReport));
    FIELD(BmcOptions, user);
    FIELD(BmcDiagnostic, text);
    FIELD(BmrtTrainOptions, save_path);
    FIELD(BmrtTrainOptions, hooks);
    FIELD(BmrtReport, message);
    printf("%zu %zu %zu %zu %zu %zu %zu %zu ", sizeof(BmcPlace), sizeof(BmcShape), sizeof(BmcLayerInfo), sizeof(BmcParameterInfo),
           sizeof(BmcEntryInfo), sizeof(BmcNodeInfo), sizeof(BmcKernelInfo), sizeof(BmcBufferInfo));
    FIELD(BmcOptions, cache_folder);
    return FIELD(BmrtReport, steps) < 0;
}
END
cc -I"$SOURCE" -o sizes sizes.c
./sizes >want
"$python" -c '
from ctypes import sizeof
from bmc._compiler import _Diagnostic, _Options, _Report, _TrainOptions
from bmc._inspect import STRUCTS
print(sizeof(_Options), sizeof(_Diagnostic), sizeof(_TrainOptions), sizeof(_Report), _Options.user.offset,
      _Diagnostic.text.offset, _TrainOptions.save_path.offset, _TrainOptions.hooks.offset, _Report.message.offset,
      *map(sizeof, STRUCTS), _Options.cache_folder.offset, _Report.steps.offset, end=" ")' >got
cmp want got || {
    cat want got
    exit 1
}
rm sizes.c sizes want got
"$python" "$SOURCE/bindings/python/tests/test_bmc.py"
# annotations, where a checker is at hand
if mypy=$(command -v "${BMC_MYPY:-mypy}"); then
    "$mypy" --strict-equality --warn-unused-ignores --disallow-untyped-defs --cache-dir=/dev/null "$SOURCE/bindings/python/bmc"
fi
"$python" "$SOURCE/examples/online/online.py" >out
cat out
# it learns: the last fifth is at least four times better than the first
awk '/error of prediction/ { e[++n] = $4 } END { exit !(n == 5 && e[5] * 4 < e[1]) }' out
rm out
rmdir "$PWD"
