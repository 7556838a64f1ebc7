#!/bin/sh
# Builds the static release binary (musl, for this host's architecture) and prints its path.
# "$@" goes to cargo, as in --no-default-features.
#
# Two things make it small beside the release profile: relative relocations are packed
# (DT_RELR, known to musl's start code since 1.2.4; 78 KB), position independent all the
# same, and what unwinds a stack is left out (scripts/static.ld; 215 KB). No path of this
# machine stands in it, so that another folder or host gives the same bytes.
set -eu

cd "$(dirname "$0")/.."
musl=$(rustc -vV | sed -n 's/^host: \([^-]*\)-.*/\1/p')-unknown-linux-musl
target=${CARGO_TARGET_DIR:-target}/static
link='-C link-arg=-Wl'
remap="--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo --remap-path-prefix=$PWD=."
RUSTFLAGS="$remap $link,-z,pack-relative-relocs $link,--no-eh-frame-hdr $link,-T,scripts/static.ld" \
    cargo build --release --locked --quiet --target "$musl" --target-dir "$target" "$@"
echo "$target/$musl/release/push-live-metrics"
