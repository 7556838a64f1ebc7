#!/bin/sh
# Brings the receivers that the tests and the demo push to, without installing
# anything on the host and without starting anything:
#
#   target/receivers/bin/prometheus2       2.42 (Debian 12's), or a 2.x on PATH
#   target/receivers/bin/promtool2         the one beside it
#   target/receivers/bin/prometheus3       3.5.3, or a 3.x on PATH
#   target/receivers/bin/promtool3         only where one lies beside it (Debian's
#                                          3.x package has none; promtool2 talks to
#                                          Prometheus 3 as well)
#   target/receivers/bin/victoria-metrics  1.79 (Debian 12's), or the one on PATH
#
# Usage: scripts/receivers.sh [prometheus2] [prometheus3] [victoria-metrics]
#        (no name: all three)
#
# Where each comes from, the first that fits:
#   1. PROMETHEUS2_BIN, PROMETHEUS3_BIN, VICTORIA_METRICS_BIN  path of the binary. When
#                       it is set nothing else is tried: a wrong path is an error,
#                       not a reason to test another binary than the one asked for.
#   2. PATH             prometheus, victoria-metrics; taken when the version fits.
#   3. a .deb file      for prometheus3: PROMETHEUS3_DEB, else the newest
#                       prometheus_3*.deb in RECEIVERS_DIR (../shared/receivers).
#   4. apt-get download for the other two; no root is needed as long as the package
#                       lists are there (as root they are brought once if need be).
#
# Packages are unpacked with dpkg -x, never installed; an unpacked receiver is tried
# (--version) before it takes its place in one rename, so a download that breaks off
# leaves what was there. One line a receiver on stdout. A missing one is one loud line
# on stderr; that is exit 1 with CI=true, else 0.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
home=$root/target/receivers
packages=${RECEIVERS_DIR:-$root/../shared/receivers}
fresh=$home/.new.$$
apt_updated=

say() { printf 'receivers: %s\n' "$*"; }

cleanup() { rm -rf "$fresh"; }
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Prints the version of binary $2 when it runs and fits slot $1; fails otherwise.
# Debian builds VictoriaMetrics with an empty version, so running is all it can show.
version_of() {
    case $1 in
        victoria-metrics)
            "$2" --version >"$fresh/version" 2>&1 || return 1
            version=$(tr -d '\n' <"$fresh/version")
            ;;
        *)
            "$2" --version >"$fresh/version" 2>&1 || return 1
            version=$(sed -n 's/^prometheus, version \([^ ]*\).*/\1/p' "$fresh/version")
            case $1:$version in prometheus2:2.* | prometheus3:3.*) ;; *) return 1 ;; esac
            ;;
    esac
}

# Fills $fresh/tree from package file $1 with the binaries alone.
unpack() {
    rm -rf "$fresh/package" "$fresh/tree"
    mkdir -p "$fresh/package" "$fresh/tree"
    dpkg -x "$1" "$fresh/package" 2>"$fresh/log" || return 1
    for binary in prometheus promtool victoria-metrics; do
        [ ! -x "$fresh/package/usr/bin/$binary" ] || mv "$fresh/package/usr/bin/$binary" "$fresh/tree/"
    done
    rm -rf "$fresh/package"
    package_version=$(dpkg-deb -f "$1" Version)
}

apt_download() {
    rm -f "$fresh"/*.deb
    # The sandbox user cannot write here, and its warning would be all that is new.
    (cd "$fresh" && apt-get -qq -o APT::Sandbox::User=root download "$1") >"$fresh/log" 2>&1
}

# Downloads Debian's package $1; as root, brings the package lists once if that fails.
from_apt() {
    command -v apt-get >/dev/null || { why='no apt-get here'; return 1; }
    if ! apt_download "$1"; then
        if [ "$(id -u)" = 0 ] && [ -z "$apt_updated" ]; then
            say "apt-get update (the package lists are missing or old)"
            apt_updated=yes
            apt-get -qq update >"$fresh/update-log" 2>&1 || true
        fi
        apt_download "$1" || {
            why="apt-get download $1: $(tail -n 1 "$fresh/log")"
            [ "$(id -u)" = 0 ] || why="$why (as root: apt-get update)"
            return 1
        }
    fi
    unpack "$fresh/$1"_*.deb || { why="dpkg -x cannot read the package $1"; return 1; }
}

# Sets up slot $1 from source $2 (bin:PATH, deb:PATH or apt:PACKAGE).
bring() {
    slot=$1
    case $2 in
        bin:*)
            binary=${2#bin:}
            version_of "$slot" "$binary" || { why="$binary does not run, or is of another version"; return 1; }
            rm -rf "$fresh/tree"
            mkdir -p "$fresh/tree"
            ln -s "$binary" "$fresh/tree/${slot%[23]}"
            promtool=$(dirname "$binary")/promtool
            [ "$slot" = victoria-metrics ] || [ ! -x "$promtool" ] || ln -s "$promtool" "$fresh/tree/promtool"
            line="$slot ${version:-of unknown version}, from $binary"
            ;;
        *)
            case $2 in
                deb:*) unpack "${2#deb:}" || { why="dpkg -x cannot read ${2#deb:}"; return 1; } ;;
                apt:*) from_apt "${2#apt:}" || return 1 ;;
            esac
            version_of "$slot" "$fresh/tree/${slot%[23]}" || {
                why="version $package_version of the package does not run here, or does not fit: $(tail -n 1 "$fresh/version")"
                return 1
            }
            case $2 in
                deb:*) line="$slot ${version:-$package_version}, from ${2##*/}" ;;
                apt:*) line="$slot ${version:-$package_version}, by apt-get download" ;;
            esac
            ;;
    esac
    printf '%s\n%s\n' "$2" "$line" >"$fresh/tree/source"
    rm -rf "${home:?}/$slot"
    # Where another run was faster, -T refuses to nest ours inside its folder.
    mv -T "$fresh/tree" "$home/$slot" || [ -f "$home/$slot/source" ]
    mkdir -p "$home/bin"
    ln -sfn "../$slot/${slot%[23]}" "$home/bin/$slot"
    case $slot in
        victoria-metrics) ;;
        *)
            if [ -x "$home/$slot/promtool" ]; then
                ln -sfn "../$slot/promtool" "$home/bin/promtool${slot#prometheus}"
            else
                rm -f "$home/bin/promtool${slot#prometheus}"
            fi
            ;;
    esac
}

# Succeeds when slot $1 is in place from source $2; builtins only, so that it costs nothing.
in_place() {
    [ -x "$home/bin/$1" ] && [ -r "$home/$1/source" ] || return 1
    { read -r source && read -r line; } <"$home/$1/source" || return 1
    [ "$source" = "$2" ]
}

# Tries the sources $2... for slot $1 in turn. When none will do, says the last one's
# failure ($why) and the way out ($hint).
receiver() {
    slot=$1
    shift
    for candidate in "$@"; do
        if ! in_place "$slot" "$candidate"; then
            mkdir -p "$fresh"
            bring "$slot" "$candidate" || continue
        fi
        say "$line"
        return
    done
    rm -f "$home/bin/$slot"
    [ "$slot" = victoria-metrics ] || rm -f "$home/bin/promtool${slot#prometheus}"
    printf 'receivers: *** MISSING *** %s: %s; %s\n' "$slot" "${why:-not on PATH}" "$hint" >&2
    missing=yes
}

# Sets up slot $1 from the binary $2 and from nothing else.
named() {
    case $2 in
        /*) receiver "$1" "bin:$2" ;;
        *) receiver "$1" "bin:$PWD/$2" ;;
    esac
}

missing=
[ $# -gt 0 ] || set -- prometheus2 prometheus3 victoria-metrics
for wanted in "$@"; do
    why=
    hint="put $wanted on PATH"
    case $wanted in
        prometheus2)
            hint='put a Prometheus 2 on PATH, or name it in PROMETHEUS2_BIN'
            [ -z "${PROMETHEUS2_BIN:-}" ] || { named "$wanted" "$PROMETHEUS2_BIN"; continue; }
            on_path=$(command -v prometheus) || on_path=
            receiver prometheus2 ${on_path:+"bin:$on_path"} apt:prometheus
            ;;
        prometheus3)
            hint='set PROMETHEUS3_BIN (a binary) or PROMETHEUS3_DEB (a package); CONTRIBUTING.md says where to get it'
            [ -z "${PROMETHEUS3_BIN:-}" ] || { named "$wanted" "$PROMETHEUS3_BIN"; continue; }
            on_path=$(command -v prometheus) || on_path=
            deb=${PROMETHEUS3_DEB:-}
            if [ -z "$deb" ]; then
                for file in "$packages"/prometheus_3*.deb; do
                    [ ! -f "$file" ] || deb=$file
                done
            fi
            why='no 3.x on PATH and no package in RECEIVERS_DIR'
            receiver prometheus3 ${on_path:+"bin:$on_path"} ${deb:+"deb:$deb"}
            ;;
        victoria-metrics)
            [ -z "${VICTORIA_METRICS_BIN:-}" ] || { named "$wanted" "$VICTORIA_METRICS_BIN"; continue; }
            on_path=$(command -v victoria-metrics || command -v victoria-metrics-prod) || on_path=
            receiver victoria-metrics ${on_path:+"bin:$on_path"} apt:victoria-metrics
            ;;
        *)
            printf 'receivers: no such receiver: %s\n' "$wanted" >&2
            exit 2
            ;;
    esac
done

if [ -n "$missing" ] && [ "${CI:-}" = true ]; then
    echo 'receivers: with CI=true a missing receiver is a failure' >&2
    exit 1
fi
