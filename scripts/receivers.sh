#!/bin/sh
# Provides the receivers that the tests and the demo push to, and an nginx to put in front of them,
# without installing anything on the host and without starting anything:
#
#   target/receivers/bin/prometheus2, promtool2  2.42 (Debian 12's), or a 2.x on PATH
#   target/receivers/bin/prometheus3, promtool3  3.5.3, or a 3.x on PATH; the tool only where it
#                                                lies beside it, as a binary or as a package
#   target/receivers/bin/victoria-metrics        1.79 (Debian 12's), or the one on PATH
#   target/receivers/bin/vmalert                 of the same package, or the one on PATH
#   target/receivers/bin/nginx                   Debian's, or the one on PATH
#
# Usage: scripts/receivers.sh [prometheus2] [prometheus3] [victoria-metrics] [vmalert] [nginx]
#        (no name: all)
#
# Where each comes from, the first that fits:
#   1. PROMETHEUS2_BIN, PROMETHEUS3_BIN, VICTORIA_METRICS_BIN, VMALERT_BIN, NGINX_BIN  path of the
#                       binary. When it is set nothing else is tried: a wrong path is an error.
#   2. PATH             when the version fits
#   3. a .deb file      for prometheus3: PROMETHEUS3_DEB, else the newest prometheus_3*.deb in
#                       RECEIVERS_DIR (../shared/receivers)
#   4. apt-get download for the others; no root is needed as long as the package lists are there
#                       (as root they are brought once if need be)
#
# Packages are unpacked with dpkg -x, never installed; a receiver is tried before it takes its
# place in one rename. One line a receiver on stdout. A missing one is one loud line on stderr;
# that is exit 1 with CI=true, else 0.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
home=$root/target/receivers
fresh=$home/.new.$$
apt_updated=

say() { printf 'receivers: %s\n' "$*"; }
trap 'rm -rf "$fresh"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Whether binary $2 runs and fits slot $1; its version in $version. Debian builds VictoriaMetrics
# with an empty one, so running is all it can show.
fits() {
    flag=--version
    [ "$1" != nginx ] || flag=-v
    said=$("$2" "$flag" 2>&1) || return 1
    version=$(echo "$said" | sed -n 's/^prometheus, version \([^ ]*\).*/\1/p; s/^nginx version: //p')
    case $1:$version in prometheus[23]:*) [ "${1#prometheus}" = "${version%%.*}" ] ;; esac
}

apt_download() {
    # The sandbox user cannot write here, and its warning would be all that is new.
    (cd "$fresh" && apt-get -qq -o APT::Sandbox::User=root download "$1") >"$fresh/log" 2>&1
}

# Downloads Debian's package $1; as root, brings the package lists once if that fails.
from_apt() {
    command -v apt-get >/dev/null || { why='no apt-get here'; return 1; }
    apt_download "$1" && return
    if [ "$(id -u)" = 0 ] && [ -z "$apt_updated" ]; then
        say 'apt-get update (the package lists are missing or old)'
        apt_updated=yes
        apt-get -qq update >/dev/null 2>&1 || true
        apt_download "$1" && return
    fi
    why="apt-get download $1: $(tail -n 1 "$fresh/log") (as root: apt-get update)"
    return 1
}

# Fills $fresh/tree for slot $1 from source $2 (bin:PATH, deb:PATH or apt:PACKAGE).
fill() {
    rm -rf "$fresh"
    mkdir -p "$fresh/tree" "$fresh/package"
    program=${1%[23]}
    from=${2#*:}
    case $2 in
        bin:*)
            ln -s "$from" "$fresh/tree/$program"
            tool=$(dirname "$from")/promtool
            [ "$program" != prometheus ] || [ ! -x "$tool" ] || ln -s "$tool" "$fresh/tree/"
            why="$from does not run, or is of another version"
            ;;
        *)
            file=$from
            case $2 in apt:*) from_apt "$from" || return 1; file=$(echo "$fresh/$from"_*.deb) ;; esac
            why="the package $file cannot be read, or does not run here, or does not fit"
            dpkg -x "$file" "$fresh/package" 2>/dev/null || return 1
            # A newer Debian has the tool in a package of its own.
            file=$(dirname "$file")/promtool_${file##*/prometheus_}
            [ ! -f "$file" ] || dpkg -x "$file" "$fresh/package" 2>/dev/null || return 1
            for binary in "$program" promtool; do
                for found in "$fresh/package/usr/bin/$binary" "$fresh/package/usr/sbin/$binary"; do
                    [ ! -x "$found" ] || mv "$found" "$fresh/tree/"
                done
            done
            ;;
    esac
    [ -x "$fresh/tree/$program" ] && fits "$1" "$fresh/tree/$program"
}

# Puts slot $1 in place from source $2.
bring() {
    fill "$1" "$2" || return 1
    line="$1${version:+ $version}, from ${2#*:}"
    printf '%s\n%s\n' "$2" "$line" >"$fresh/tree/source"
    rm -rf "${home:?}/$1"
    # Where another run was faster, -T refuses to nest ours inside its folder.
    mv -T "$fresh/tree" "$home/$1" || [ -f "$home/$1/source" ]
    mkdir -p "$home/bin"
    ln -sfn "../$1/$program" "$home/bin/$1"
    rm -f "$home/bin/promtool${1#prometheus}"
    [ ! -x "$home/$1/promtool" ] || ln -sfn "../$1/promtool" "$home/bin/promtool${1#prometheus}"
}

# Succeeds when slot $1 is in place from source $2; builtins only, so that it costs nothing.
in_place() {
    [ -x "$home/bin/$1" ] && [ -r "$home/$1/source" ] || return 1
    { read -r source && read -r line; } <"$home/$1/source" && [ "$source" = "$2" ]
}

# Tries the sources $2... for slot $1 in turn. When none will do, says the last one's failure.
receiver() {
    slot=$1
    shift
    why='not on PATH'
    for candidate in "$@"; do
        if in_place "$slot" "$candidate" || bring "$slot" "$candidate"; then
            say "$line"
            return
        fi
    done
    rm -f "$home/bin/$slot"
    printf 'receivers: *** MISSING *** %s: %s; put it on PATH, or name it in %s (CONTRIBUTING.md says where it is from)\n' \
        "$slot" "$why" "$variable" >&2
    missing=yes
}

missing=
[ $# -gt 0 ] || set -- prometheus2 prometheus3 victoria-metrics vmalert nginx
for wanted in "$@"; do
    variable=$(echo "$wanted" | tr a-z- A-Z_)_BIN
    package=
    case $wanted in
        prometheus2) named=${PROMETHEUS2_BIN:-} package=apt:prometheus ;;
        prometheus3)
            named=${PROMETHEUS3_BIN:-} deb=${PROMETHEUS3_DEB:-}
            for file in "${RECEIVERS_DIR:-$root/../shared/receivers}"/prometheus_3*.deb; do
                [ -n "${PROMETHEUS3_DEB:-}" ] || [ ! -f "$file" ] || deb=$file
            done
            package=${deb:+"deb:$deb"}
            ;;
        victoria-metrics) named=${VICTORIA_METRICS_BIN:-} package=apt:victoria-metrics ;;
        vmalert) named=${VMALERT_BIN:-} package=apt:victoria-metrics ;;
        nginx) named=${NGINX_BIN:-} package=apt:nginx ;;
        *) echo "receivers: no such receiver: $wanted" >&2; exit 2 ;;
    esac
    case $named in
        '')
            path=$(PATH=$PATH:/usr/sbin command -v "${wanted%[23]}" || command -v "$wanted-prod") || path=
            receiver "$wanted" ${path:+"bin:$path"} ${package:+"$package"}
            ;;
        /*) receiver "$wanted" "bin:$named" ;;
        *) receiver "$wanted" "bin:$PWD/$named" ;;
    esac
done

if [ -n "$missing" ] && [ "${CI:-}" = true ]; then
    echo 'receivers: with CI=true a missing receiver is a failure' >&2
    exit 1
fi
