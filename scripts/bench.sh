#!/bin/sh
# Measures every budget and prints a table (`make bench`). A budget in time is a ratio to a floor,
# the unavoidable part of the task done alone (examples/floor.rs), in the same run and built as the
# static binary is. Exit 1 when a budget is missed, or could not be measured. Takes about five
# minutes, on a machine that does nothing else.
#
# Usage: scripts/bench.sh [--runs N] [--reference] [--only TEXT]
#        --runs N     how often each thing is measured (5; the table shows medians)
#        --only TEXT  rows whose names have this text
#        --reference  the Python pipeline instead (`make bench REFERENCE=1`; its environment in
#                     target/bench/venv, for which pip's registry is needed once)
set -eu

cd "$(dirname "$0")/.."
scripts/setup.sh --say test >&2
binary=$(scripts/static.sh)
floor=$(scripts/static.sh --example floor)
cargo build --release --locked --quiet --example sink
CI='' scripts/receivers.sh prometheus3 >&2 || true
sink=${CARGO_TARGET_DIR:-target}/release/examples/sink
exec python3 -X pycache_prefix=target/bench scripts/bench.py "$binary" "$sink" "$floor" "$@"
