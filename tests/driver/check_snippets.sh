#!/bin/sh
# Every ```bm block of a documentation page is a whole program: compile each to a library.
# Usage: check_snippets.sh BMC PAGE
set -eu
bmc=$1
page=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
awk -v dir="$work" '
    /^```bm$/ { n++; inside = 1; next }
    /^```/    { inside = 0 }
    inside    { print > (dir "/program" n ".bm") }' "$page"
count=0
for program in "$work"/program*.bm; do
    [ -e "$program" ] || { echo "no programs in $page" >&2; exit 1; }
    "$bmc" "$program" -o "${program%.bm}.so" || { echo "in $page: $(basename "$program")" >&2; exit 1; }
    count=$((count + 1))
done
echo "$count programs of $page compile"
