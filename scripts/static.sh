#!/bin/sh
# Builds the static release binary (musl, for this host's architecture) and prints its path.
# "$@" goes to cargo, as in --no-default-features: who leaves TLS out wants it small, so that
# one is optimised for size throughout (70 KB).
#
# Two things make it small beside the release profile: relative relocations are packed
# (DT_RELR, known to musl's start code since 1.2.4; 78 KB), position independent all the
# same, and what unwinds a stack is left out (scripts/static.ld; 215 KB). No path of this
# machine stands in it, so that another folder or host gives the same bytes.
set -eu

cd "$(dirname "$0")/.."
musl=$(rustc -vV | sed -n 's/^host: \([^-]*\)-.*/\1/p')-unknown-linux-musl
target=${CARGO_TARGET_DIR:-target}/static
# One word a line becomes cargo's separator, so that folders may have spaces in their names.
CARGO_ENCODED_RUSTFLAGS=$(printf '%s\n' \
    "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo" "--remap-path-prefix=$PWD=." \
    -Clink-arg=-Wl,-z,pack-relative-relocs -Clink-arg=-Wl,--no-eh-frame-hdr \
    -Clink-arg=-Wl,-T,scripts/static.ld | tr '\n' '\037')
CARGO_ENCODED_RUSTFLAGS=${CARGO_ENCODED_RUSTFLAGS%?}
export CARGO_ENCODED_RUSTFLAGS
case " $* " in *' --no-default-features '*)
    CARGO_PROFILE_RELEASE_OPT_LEVEL=z
    export CARGO_PROFILE_RELEASE_OPT_LEVEL
    ;;
esac
cargo build --release --locked --quiet --target "$musl" --target-dir "$target" "$@"
echo "$target/$musl/release/push-live-metrics"
