#!/bin/sh
# Measures every budget, the Python pipeline beside it in the same run,
# and prints a table. Exit 1 when a budget is missed, or could not be measured. Takes about
# ten minutes and wants a machine that does nothing else.
#
# Usage: scripts/bench.sh [--markdown] [--runs N]
#        --markdown   the table of docs/benchmarks.md, with date and machine, on stdout
#        --runs N     how often each thing is measured (5; the table shows medians)
#
# It is the static binary that is measured. The sink, Prometheus 3 (scripts/receivers.sh)
# and the Python environment (target/bench/venv; pip's registry is needed once) are brought
# here; what is missing fails its rows.
set -eu

cd "$(dirname "$0")/.."
scripts/setup.sh --say test >&2
binary=$(scripts/static.sh)
cargo build --release --locked --quiet --example sink
CI='' scripts/receivers.sh prometheus3 >&2 || true
exec python3 scripts/bench.py "$binary" "${CARGO_TARGET_DIR:-target}/release/examples/sink" "$@"
