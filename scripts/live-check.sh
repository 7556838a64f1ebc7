#!/bin/sh
# The main job at its real pace: one datapoint a minute for MINUTES minutes into Prometheus
# 2.42, Prometheus 3.5.3 and VictoriaMetrics side by side, then what they stored against
# what the series gives, to the bit; before that Ctrl+C at tick 3 of 5, 20 times, timed.
# Not part of `make test`, which has the same checks at one datapoint a second.
#
# Usage: [MINUTES=5] scripts/live-check.sh
set -eu

cd "$(dirname "$0")/.."

scripts/receivers.sh
cargo test --locked --test it live_ctrl_c -- --nocapture
# One thread for each receiver, however few processors there are.
LIVE_CHECK_MINUTES=${MINUTES:-5} cargo test --locked --test it live_values -- \
    --nocapture --test-threads 3
