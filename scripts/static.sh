#!/bin/sh
# Builds the static release binary (musl, for this host's architecture) and prints its path.
#
# Usage: scripts/static.sh [--target=aarch64-unknown-linux-musl] [--lacks | CARGO_FLAG...]
#        --target   for another architecture, by Debian's cross compiler, or TARGET_CC
#        --lacks    builds nothing, and prints what is missing for it, with the command that brings
#                   it; nothing where all is there
#        --example NAME          an example in the place of the binary
#        --no-default-features   without TLS, in a folder of its own
#
# Besides the release profile two things make it small: packed relative relocations (DT_RELR, known
# to musl since 1.2.4; 78 KB; none on arm64), and no stack unwinding (static.ld; 215 KB). No path
# of this machine stands in it: another folder or host gives the same bytes.
set -eu

cd "$(dirname "$0")/.."
host=$(rustc -vV | sed -n 's/^host: //p')
musl=${host%%-*}-unknown-linux-musl
case ${1:-} in --target=*) musl=${1#--target=}; shift ;; esac
arch=${musl%%-*}
target=${CARGO_TARGET_DIR:-target}/static
# The compiler of ring's C, which its build finds by itself unless it is for another architecture.
case $musl in
    "$host") compiler=cc package=gcc ;;
    "${host%%-*}"-*) compiler=musl-gcc package=musl-tools ;;
    *)
        compiler=${TARGET_CC:-"$arch-linux-gnu-gcc"}
        package=gcc-$(echo "$arch" | tr _ -)-linux-gnu
        ;;
esac
lacks=
[ -d "$(rustc --print sysroot)/lib/rustlib/$musl/lib" ] ||
    lacks="no Rust target $musl (rustup target add $musl)"
if [ "${1:-}" = --lacks ]; then
    command -v "$compiler" >/dev/null ||
        lacks=${lacks:-"no $compiler (as root: apt-get install $package)"}
    [ -z "$lacks" ] || echo "$lacks"
    exit 0
fi
# The compiler may be another one, by cc's variables, so that its absence is cargo's to tell.
[ -z "$lacks" ] || { echo "static: $lacks" >&2; exit 1; }
if [ "$arch" != "${host%%-*}" ]; then
    export TARGET_CC="$compiler"
    set -- --config "target.$musl.linker='$compiler'" "$@"
fi
# One word a line becomes cargo's separator, so that folders may have spaces in their names.
CARGO_ENCODED_RUSTFLAGS=$(printf '%s\n' \
    "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo" "--remap-path-prefix=$PWD=." \
    -Clink-arg=-Wl,-z,pack-relative-relocs -Clink-arg=-Wl,--no-eh-frame-hdr \
    -Clink-arg=-Wl,-T,scripts/static.ld | tr '\n' '\037')
export CARGO_ENCODED_RUSTFLAGS="${CARGO_ENCODED_RUSTFLAGS%?}"
# In a folder of its own, so that neither build has the other one compiled again.
case " $* " in *' --no-default-features '*) target=$target-small ;; esac
cargo build --release --locked --quiet --target "$musl" --target-dir "$target" "$@"
binary=push-live-metrics
case ${1:-} in --example) binary=examples/$2 ;; esac
echo "$target/$musl/release/$binary"
