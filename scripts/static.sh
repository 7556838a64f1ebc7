#!/bin/sh
# Builds the static release binary (musl, for this host's architecture) and prints its path.
# "$@" goes to cargo, as in --no-default-features.
#
# Relative relocations are packed (DT_RELR, which musl's start code knows since 1.2.4):
# 78 KB less than as a table of 3,300 entries, still position independent.
set -eu

cd "$(dirname "$0")/.."
musl=$(rustc -vV | sed -n 's/^host: \([^-]*\)-.*/\1/p')-unknown-linux-musl
target=${CARGO_TARGET_DIR:-target}/static
RUSTFLAGS='-C link-arg=-Wl,-z,pack-relative-relocs' \
    cargo build --release --locked --quiet --target "$musl" --target-dir "$target" "$@"
echo "$target/$musl/release/push-live-metrics"
