#!/bin/sh
# Nothing is lost: a run at 20 ms through a proxy that refuses, resets, stalls and answers
# 429, 500 and 503 at random, into a real Prometheus 2.42 that is killed twice. At the end
# every sample must be stored, to the bit, once (tests/it/chaos.rs).
#
# Nothing is counted wrong: runs of all kinds through such a proxy, into a Prometheus 2.42 and
# a 3.5.3, whose counts must be those that the proxy knows to be true (tests/it/truth.rs; in
# `make test` with some hundred requests, here with 5,000 for each).
#
# Nothing stays away: backfills that are killed, each completed by the command that its log has
# (tests/it/resume.rs; in `make test` 20 of them, here 200).
#
# Usage: scripts/chaos.sh          2,000 ticks, under a minute (a step of `make test`)
#        scripts/chaos.sh long     20,000 ticks, then 5,000 requests twice and 200 kills, twenty
#                                  minutes (`make chaos`)
#
# CHAOS_TICKS=N      another number of ticks
# TRUTH_REQUESTS=N   another number of requests
# RESUME_KILLS=N     another number of kills; RESUME_SEED=N those of an earlier run
# CHAOS_SEED=N       the faults of an earlier run, which printed it
set -eu

cd "$(dirname "$0")/.."

chaos=chaos::chaos_ends_with_every_sample_stored_once
case ${1:-short} in
    short)
        ticks=2000
        set -- $chaos
        ;;
    long)
        ticks=20000
        set -- $chaos truth::the_counts_are_true_of_prometheus2 \
            truth::the_counts_are_true_of_prometheus3 \
            resume::a_backfill_that_is_killed_is_completed_by_its_own_command
        ;;
    *)
        echo "chaos.sh: $1: there are short and long" >&2
        exit 2
        ;;
esac

scripts/receivers.sh
export CHAOS_TICKS="${CHAOS_TICKS:-$ticks}" TRUTH_REQUESTS="${TRUTH_REQUESTS:-5000}" \
    RESUME_KILLS="${RESUME_KILLS:-200}"
for test in "$@"; do
    # A name that fits no test would pass: ask for it first.
    cargo test --locked --quiet --test it -- --list | grep -q "^$test: test$" || {
        echo "chaos.sh: there is no test $test" >&2
        exit 1
    }
    cargo test --locked --test it -- --exact --nocapture "$test"
done
