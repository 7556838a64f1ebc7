#!/bin/sh
# Nothing is lost: a run at 20 ms through a proxy that refuses, resets, stalls and answers
# 429, 500 and 503 at random, into a real Prometheus 2.42 that is killed twice. At the end
# every sample must be stored, to the bit, once (tests/it/chaos.rs).
#
# Usage: scripts/chaos.sh          2,000 ticks, under a minute (a step of `make test`)
#        scripts/chaos.sh long     20,000 ticks, about seven minutes (`make chaos`)
#
# CHAOS_TICKS=N   another number of ticks
# CHAOS_SEED=N    the faults of an earlier run, which printed it
set -eu

cd "$(dirname "$0")/.."

case ${1:-short} in
    short) ticks=2000 ;;
    long) ticks=20000 ;;
    *)
        echo "chaos.sh: $1: there are short and long" >&2
        exit 2
        ;;
esac
test=chaos::chaos_ends_with_every_sample_stored_once

scripts/receivers.sh prometheus2
# A name that fits no test would pass: ask for it first.
cargo test --locked --quiet --test it -- --list | grep -q "^$test: test$" || {
    echo "chaos.sh: there is no test $test" >&2
    exit 1
}
CHAOS_TICKS=${CHAOS_TICKS:-$ticks} exec cargo test --locked --test it -- --exact --nocapture "$test"
