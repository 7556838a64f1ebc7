#!/bin/sh
# Measures the budgets of the dependency tree and of the static binary, prints a
# table of budget and measured, and exits 1 when one is missed. (Times and memory are
# `make bench`'s.) The binary is the release build for musl, TLS included; it is built
# here, and so is the one without TLS. Without the musl target these rows are reported as skipped;
# with CI=true that is a failure.
set -eu

cd "$(dirname "$0")/.."
crates_max=40
binary_bytes_max=2100000
binary_without_tls_bytes_max=1250000
direct_wanted='ctrlc fastrand lexopt quick-protobuf snap time ureq'

host=$(rustc -vV | sed -n 's/^host: //p')
own=push-live-metrics
missed=0

row() { printf '%-34s %14s %14s  %s\n' "$1" "$2" "$3" "$4"; }
# $1 what, $2 budget, $3 measured: whether a number is within its budget.
at_most() {
    if [ "$3" -le "$2" ]; then
        row "$1" "$2" "$3" ok
    else
        row "$1" "$2" "$3" MISSED
        missed=1
    fi
}
# Name and version of each crate that `cargo tree "$@"` prints, once, without our own.
crates() { cargo tree --locked --prefix none --format '{p}' "$@" | sed 's/ (.*//' | grep -v "^$own v" | sort -u; }
names() { sed 's/ .*//' | sort -u | tr '\n' ' ' | sed 's/ $//'; }

row 'what' budget measured ''

at_most 'crates in the run-time tree' "$crates_max" "$(crates -e normal --target "$host" | wc -l)"

direct=$(crates -e normal --depth 1 --target all | names)
if [ "$direct" = "$direct_wanted" ]; then
    row 'direct dependencies' 7 "$(echo "$direct" | wc -w)" ok
else
    row 'direct dependencies' 7 "$(echo "$direct" | wc -w)" MISSED
    printf '    wanted: %s\n    found:  %s\n' "$direct_wanted" "$direct"
    missed=1
fi

# A name that stands in the tree with two versions.
duplicate=$(crates -e normal,build --target "$host" | sed 's/ .*//' | sort | uniq -d | tr '\n' ' ')
at_most 'crates in two versions' 0 "$(echo "$duplicate" | wc -w)"
[ -z "$duplicate" ] || printf '    %s\n' "$duplicate"

lacks=$(scripts/static.sh --lacks)
if [ -z "$lacks" ]; then
    binary=$(scripts/static.sh)
    at_most 'static binary, bytes' "$binary_bytes_max" "$(wc -c <"$binary")"
    # A dynamic executable names its interpreter.
    dynamic=$(grep -c '/ld-[a-z0-9.-]*\.so' "$binary" || true)
    [ "$dynamic" = 0 ] || { row 'static' yes no MISSED; missed=1; }
    binary=$(scripts/static.sh --no-default-features)
    at_most 'static binary without TLS, bytes' "$binary_without_tls_bytes_max" "$(wc -c <"$binary")"
else
    printf 'budgets: *** SKIPPED *** static binary: %s\n' "$lacks" >&2
    [ "${CI:-}" != true ] || missed=1
fi

exit "$missed"
