# Sourced by every *.test: runs commands in a fresh folder and checks exit code and output.
#   expect CODE COMMAND...    runs it; its output is in $work/out and $work/err
#   out TEXT / err TEXT       standard output / error of the last command contains TEXT
#   out_is TEXT               ... is exactly TEXT and a newline
#   no_out TEXT / no_err TEXT does not contain it
#   silent                    the last command wrote nothing to standard error
#   absent FILE... / present FILE...
# The first failed check ends the test. Environment: BMC, MAKE_DATA, SOURCE (the repository's root).
set -u
work=$(mktemp -d)
trap 'chmod -R u+w "$work" 2>/dev/null; rm -rf "$work"' EXIT
mkdir "$work/dir"
cd "$work/dir" || exit 99
unset NO_COLOR
here=$SOURCE/tests/driver/cli
last=""

bmc() { "$BMC" "$@"; }

fail() {
    echo "FAILED: $*"
    echo "command: $last"
    echo "---- standard output"
    head -n 40 "$work/out"
    echo "---- standard error"
    head -n 40 "$work/err"
    exit 1
}

expect() {
    want=$1
    shift
    last="$*"
    "$@" >"$work/out" 2>"$work/err" </dev/null
    got=$?
    [ "$got" -eq "$want" ] || fail "exit code $got, expected $want"
}

out() { grep -qF -e "$1" "$work/out" || fail "standard output lacks: $1"; }
err() { grep -qF -e "$1" "$work/err" || fail "standard error lacks: $1"; }
no_out() { grep -qF -e "$1" "$work/out" && fail "standard output has: $1"; return 0; }
no_err() { grep -qF -e "$1" "$work/err" && fail "standard error has: $1"; return 0; }
out_is() { printf '%s\n' "$1" | cmp -s - "$work/out" || fail "standard output is not: $1"; }
silent() { [ -s "$work/err" ] && fail "standard error is not empty"; return 0; }
absent() { for f in "$@"; do [ ! -e "$f" ] || fail "$f exists"; done; }
present() { for f in "$@"; do [ -s "$f" ] || fail "$f is missing or empty"; done; }

# The images model with its data: 3 classes of 6x6, 96 rows to train, 33 to test.
small_images() {
    cp "$here/images.bm" .
    "$MAKE_DATA" images train-x.idx.gz 96 6 6 3
    "$MAKE_DATA" labels train-y.idx 96 3
    "$MAKE_DATA" images test-x.idx 33 6 6 3
    "$MAKE_DATA" labels test-y.idx.gz 33 3
}
