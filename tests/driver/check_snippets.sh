#!/bin/sh
# Every ```bm block of a documentation page is a whole program: compile each to a library. Pages without one are passed over.
# Usage: check_snippets.sh BMC PAGE...
set -eu
bmc=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0
for page; do
    rm -f "$work"/program*
    awk -v dir="$work" '
        /^```bm$/ { n++; inside = 1; next }
        /^```/    { inside = 0 }
        inside    { print > (dir "/program" n ".bm") }' "$page"
    for program in "$work"/program*.bm; do
        [ -e "$program" ] || continue
        "$bmc" "$program" -o "${program%.bm}.so" || { echo "in $page: $(basename "$program")" >&2; exit 1; }
        count=$((count + 1))
    done
done
[ "$count" -gt 0 ] || { echo "no programs in these pages" >&2; exit 1; }
echo "$count programs compile"
