#!/bin/sh
# Measures the budgets of the dependency tree and of the static binary (the release build for musl,
# with and without TLS, which is built here), prints a table, and exits 1 when one is missed. Times
# and memory are `make bench`'s. Without the musl target its rows are reported as skipped; with
# CI=true that is a failure.
set -eu

cd "$(dirname "$0")/.."
direct_wanted='ctrlc fastrand lexopt quick-protobuf snap time ureq'
host=$(rustc -vV | sed -n 's/^host: //p')
missed=0

# A row of the table; $1 what, $2 budget, $3 measured, $4... a test that holds.
row() {
    line=$(printf '%-34s %14s %14s' "$1" "$2" "$3")
    shift 3
    verdict=ok
    "$@" || { verdict=MISSED; missed=1; }
    printf '%s  %s\n' "$line" "$verdict"
}
at_most() { row "$@" [ "$3" -le "$2" ]; }
# Name and version of each crate that `cargo tree "$@"` prints, once, without our own.
crates() {
    cargo tree --locked --prefix none --format '{p}' "$@" | sed 's/ (.*//' | sort -u |
        grep -v '^push-live-metrics v'
}
# The names in it, on one line.
names() { sed 's/ .*//' | sort | uniq "$@" | tr '\n' ' ' | sed 's/ $//'; }

printf '%-34s %14s %14s\n' 'what' budget measured
at_most 'crates in the run-time tree' 40 "$(crates -e normal --target "$host" | wc -l)"
direct=$(crates -e normal --depth 1 --target all | names)
row 'direct dependencies' 7 "$(echo "$direct" | wc -w)" [ "$direct" = "$direct_wanted" ]
[ "$direct" = "$direct_wanted" ] || printf '    found:  %s\n' "$direct"
duplicate=$(crates -e normal,build --target "$host" | names -d)
at_most 'crates in two versions' 0 "$(echo "$duplicate" | wc -w)"
[ -z "$duplicate" ] || printf '    %s\n' "$duplicate"

lacks=$(scripts/static.sh --lacks)
if [ -z "$lacks" ]; then
    binary=$(scripts/static.sh)
    at_most 'static binary, bytes' 2100000 "$(wc -c <"$binary")"
    # A dynamic executable names its interpreter.
    at_most 'dynamic loaders that it names' 0 "$(grep -c '/ld-[a-z0-9.-]*\.so' "$binary" || true)"
    binary=$(scripts/static.sh --no-default-features)
    at_most 'static binary without TLS, bytes' 1250000 "$(wc -c <"$binary")"
else
    printf 'budgets: *** SKIPPED *** static binary: %s\n' "$lacks" >&2
    [ "${CI:-}" != true ] || missed=1
fi
exit "$missed"
