#!/bin/sh
# tools/check-layers must find each kind of fault; a checker that finds nothing is worse than none.
set -eu
check=$1
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/compiler/support" "$root/compiler/graph" "$root/compiler/codegen" "$root/compiler/new" \
    "$root/runtime/core" "$root/grammar" "$root/tests"
echo '#include "compiler/support/a.h"' >"$root/compiler/graph/b.h"
echo >"$root/compiler/support/a.h"
echo '#include <llvm-c/Core.h>' >"$root/compiler/codegen/c.c"
"$check" "$root" || { echo "a sound tree was refused"; exit 1; }

must_fail() { # what it should say
    if "$check" "$root" >"$root/said"; then
        echo "not found: $1"
        exit 1
    fi
    grep -qF "$1" "$root/said" || { echo "expected: $1"; cat "$root/said"; exit 1; }
    rm "$2"
    "$check" "$root"
}
echo '#include "compiler/graph/b.h"' >"$root/compiler/support/d.c"
must_fail "compiler/support may not look into compiler/graph" "$root/compiler/support/d.c"
echo '#  include "compiler/support/a.h"' >"$root/runtime/core/e.c"
must_fail "runtime/core may not look into compiler/support" "$root/runtime/core/e.c"
echo '#include <llvm-c/Core.h>' >"$root/compiler/graph/f.c"
must_fail "only compiler/codegen may" "$root/compiler/graph/f.c"
echo >"$root/compiler/graph/c.c"
must_fail "two files are called c.c" "$root/compiler/graph/c.c"
echo >"$root/compiler/new/g.c"
must_fail "has no row" "$root/compiler/new/g.c"
yes '' | head -n 601 >"$root/compiler/graph/h.c"
must_fail "601 lines" "$root/compiler/graph/h.c"
