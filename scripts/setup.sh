#!/bin/sh
# Installs what a machine with nothing but Rust and apt lacks, and says what it does.
#
# Usage: scripts/setup.sh [--say] build    a C compiler and linker (rustc and ring use them)
#        scripts/setup.sh [--say] test     that, rustfmt and clippy, the musl target of this
#                                          architecture with its compiler, shellcheck, openssl
#        --say    installs nothing, and only says what is missing, with the command
#
# `make demo`, `make demo-alert` and `make test` install, nothing else does. For what it cannot
# install (not root, no apt, no rustup) it prints the command that does. It still exits with 0,
# because the step that needs the missing part reports it again, and fails or is skipped.
set -eu

say() { printf 'setup: %s\n' "$*"; }
only_say=
case ${1:-} in --say) only_say=yes; shift ;; esac
case ${1:-} in build | test) ;; *) say 'usage: setup.sh [--say] build|test' >&2; exit 2 ;; esac

packages=
# Notes package $2... when the command $1 is not there.
need() {
    command -v "$1" >/dev/null || { shift; packages="$packages $*"; }
}
install_packages() {
    if [ -n "$only_say" ] || ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
        say "*** missing ***$packages; as root: apt-get update && apt-get install$packages" >&2
        return
    fi
    say "apt-get install$packages"
    # shellcheck disable=SC2086 # a list of words
    set -- apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends $packages
    export DEBIAN_FRONTEND=noninteractive
    "$@" >/dev/null 2>&1 && return
    say 'apt-get update (the package lists are missing or old)'
    apt-get -qq update || true
    "$@" >/dev/null || say "*** failed ***: $*" >&2
}
# rustup $1 add $2, unless it is installed.
rustup_add() {
    if [ -n "$only_say" ] || ! command -v rustup >/dev/null; then
        say "*** missing *** the Rust $1 $2: rustup $1 add $2" >&2
        return
    fi
    say "rustup $1 add $2"
    rustup "$1" add "$2" || say "*** failed ***: rustup $1 add $2" >&2
}

need cc gcc libc6-dev
if [ "$1" = test ]; then
    need musl-gcc musl-tools
    need shellcheck shellcheck
    need openssl openssl
fi
[ -z "$packages" ] || install_packages
[ "$1" = test ] || exit 0
musl=$(rustc -vV | sed -n 's/^host: \([^-]*\)-.*/\1/p')-unknown-linux-musl
[ -d "$(rustc --print sysroot)/lib/rustlib/$musl/lib" ] || rustup_add target "$musl"
cargo fmt --version >/dev/null 2>&1 || rustup_add component rustfmt
cargo clippy --version >/dev/null 2>&1 || rustup_add component clippy
