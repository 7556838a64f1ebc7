#!/bin/sh
# Provides the receivers that the tests and the demo push to, and an nginx to put in front, in
# target/receivers/bin. Nothing is installed on the host, and nothing is started.
#
# Usage: scripts/receivers.sh [prometheus2] [prometheus3] [victoria-metrics] [vmalert] [nginx]
#        (no name: all; promtool2 and promtool3 come along where they lie beside their server)
#
# Where each comes from, the first that fits:
#   1. PROMETHEUS2_BIN, PROMETHEUS3_BIN, VICTORIA_METRICS_BIN, VMALERT_BIN, NGINX_BIN: the path of
#      the binary. When it is set nothing else is tried: a wrong path is an error.
#   2. PATH, when the version fits
#   3. for prometheus3 a package: PROMETHEUS3_DEB, else the newest prometheus_3*.deb in
#      RECEIVERS_DIR (../shared/receivers); for the others apt-get download, which needs no
#      root where the package lists are there (Debian 12 has 2.42 and 1.79)
#
# Packages are unpacked, never installed; a receiver is tried before it takes its place. One line a
# receiver on stdout; a missing one is a line on stderr, and exit 1 with CI=true, else 0.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
home=$root/target/receivers
fresh=$home/.new.$$
apt_updated='' missing=''

say() { printf 'receivers: %s\n' "$*"; }
trap 'rm -rf "$fresh"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Whether binary $1 runs and fits the slot; its version in $version. Debian builds VictoriaMetrics
# with an empty one, so running is all it can show.
fits() {
    flag=--version
    [ "$slot" != nginx ] || flag=-v
    said=$("$1" "$flag" 2>&1) || return 1
    version=$(echo "$said" | sed -n 's/^prometheus, version \([^ ]*\).*/\1/p; s/^nginx v.*: //p')
    case $slot:$version in prometheus[23]:*) [ "${slot#prometheus}" = "${version%%.*}" ] ;; esac
}

# Downloads Debian's package $1; as root, brings the package lists once if that fails.
from_apt() {
    command -v apt-get >/dev/null || { why='no apt-get here'; return 1; }
    # The sandbox user cannot write here, and its warning would be all that is new.
    set -- -o APT::Sandbox::User=root download "$1"
    until (cd "$fresh" && apt-get -qq "$@") >"$fresh/log" 2>&1; do
        if [ "$(id -u)" != 0 ] || [ -n "$apt_updated" ]; then
            why="apt-get download $4: $(tail -n 1 "$fresh/log") (as root: apt-get update)"
            return 1
        fi
        say 'apt-get update (the package lists are missing or old)'
        apt_updated=yes
        apt-get -qq update >/dev/null 2>&1 || true
    done
}

# Fills $fresh/tree from source $1 (bin:PATH, deb:PATH or apt:PACKAGE).
fill() {
    rm -rf "$fresh"
    mkdir -p "$fresh/tree" "$fresh/package"
    from=${1#*:}
    if [ "${1%%:*}" = bin ]; then
        ln -s "$from" "$fresh/tree/$program"
        tool=$(dirname "$from")/promtool
        [ "$program" != prometheus ] || [ ! -x "$tool" ] || ln -s "$tool" "$fresh/tree/"
        why="$from does not run, or is of another version"
    else
        file=$from
        case $1 in apt:*) from_apt "$from" || return 1; file=$(echo "$fresh/$from"_*.deb) ;; esac
        why="the package $file cannot be read, or does not run here, or does not fit"
        dpkg -x "$file" "$fresh/package" 2>/dev/null || return 1
        # A newer Debian has the tool in a package of its own.
        file=$(dirname "$file")/promtool_${file##*/prometheus_}
        [ ! -f "$file" ] || dpkg -x "$file" "$fresh/package" 2>/dev/null || return 1
        for found in "$fresh"/package/usr/*bin/"$program" "$fresh"/package/usr/bin/promtool; do
            [ ! -x "$found" ] || mv "$found" "$fresh/tree/"
        done
    fi
    [ -x "$fresh/tree/$program" ] && fits "$fresh/tree/$program"
}

# Puts the slot in place from source $1.
bring() {
    fill "$1" || return 1
    line="$slot${version:+ $version}, from ${1#*:}"
    printf '%s\n%s\n' "$1" "$line" >"$fresh/tree/source"
    rm -rf "${home:?}/$slot"
    # Where another run was faster, -T refuses to nest ours inside its folder.
    mv -T "$fresh/tree" "$home/$slot" || [ -f "$home/$slot/source" ]
    mkdir -p "$home/bin"
    ln -sfn "../$slot/$program" "$home/bin/$slot"
    rm -f "$home/bin/promtool${slot#prometheus}"
    [ ! -x "$home/$slot/promtool" ] ||
        ln -sfn "../$slot/promtool" "$home/bin/promtool${slot#prometheus}"
}

# Succeeds when the slot is in place from source $1; builtins only, so that it costs nothing.
in_place() {
    [ -x "$home/bin/$slot" ] && [ -r "$home/$slot/source" ] || return 1
    { read -r source && read -r line; } <"$home/$slot/source" && [ "$source" = "$1" ]
}

# Tries the sources $@ for the slot in turn. When none will do, says the last one's failure.
receiver() {
    why='not on PATH'
    for candidate in "$@"; do
        if in_place "$candidate" || bring "$candidate"; then
            say "$line"
            return
        fi
    done
    rm -f "$home/bin/$slot"
    missing=yes
    say "*** MISSING *** $slot: $why; put it on PATH, or name it in $variable" \
        '(CONTRIBUTING.md says where it is from)' >&2
}

[ $# -gt 0 ] || set -- prometheus2 prometheus3 victoria-metrics vmalert nginx
for slot in "$@"; do
    program=${slot%[23]}
    variable=$(echo "$slot" | tr a-z- A-Z_)_BIN
    named=$(printenv "$variable") || named=
    package=apt:$slot
    case $slot in
        prometheus2) package=apt:prometheus ;;
        prometheus3)
            deb=${PROMETHEUS3_DEB:-}
            for file in "${RECEIVERS_DIR:-$root/../shared/receivers}"/prometheus_3*.deb; do
                [ -n "${PROMETHEUS3_DEB:-}" ] || [ ! -f "$file" ] || deb=$file
            done
            package=${deb:+"deb:$deb"}
            ;;
        vmalert) package=apt:victoria-metrics ;;
        victoria-metrics | nginx) ;;
        *) echo "receivers: no such receiver: $slot" >&2; exit 2 ;;
    esac
    case $named in
        '')
            path=$(PATH=$PATH:/usr/sbin command -v "$program" || command -v "$slot-prod") || path=
            receiver ${path:+"bin:$path"} ${package:+"$package"}
            ;;
        /*) receiver "bin:$named" ;;
        *) receiver "bin:$PWD/$named" ;;
    esac
done

if [ -n "$missing" ] && [ "${CI:-}" = true ]; then
    echo 'receivers: with CI=true a missing receiver is a failure' >&2
    exit 1
fi
