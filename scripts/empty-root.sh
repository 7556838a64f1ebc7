#!/bin/sh
# Shows that the static binary needs no other file: it runs with a folder as its root that has only
# this file, and pushes to a real Prometheus. There is no /proc, /dev, HOME or zone file, the
# environment is empty, no file can be written, and the user has no rights. `bare` has the file,
# and a CA of ours for https; `hosts` also has etc/hosts, for a name.
#
# Needs chroot: as root, else in a user namespace (unshare -r). What is not permitted or missing is
# reported as skipped; with CI=true that is a failure. Ends with `N passed, M failed`; exit 1 when
# anything failed.
# shellcheck disable=SC2086 # lists of words, some of them empty
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
passed=0 failed=0

say() { printf 'empty-root: %s\n' "$*"; }
skip() {
    say "*** SKIPPED *** $*"
    [ "${CI:-}" != true ] || failed=$((failed + 1))
}
# Ends the script where nothing can be tested.
give_up() { skip "$*"; exit "$failed"; }

PATH=$PATH:/usr/sbin:/sbin
chroot=$(command -v chroot) || give_up 'no chroot here'
if [ "$(id -u)" != 0 ]; then
    unshare -r true 2>/dev/null || give_up 'chroot needs root, or user namespaces (unshare -r)'
    exec unshare -r "$0"
fi
# In a user namespace there is one user, who has no rights outside it.
userspec=--userspec=65534:65534
[ "$(awk 'NR == 1 { print $3 }' /proc/self/uid_map)" != 1 ] || userspec=

# shellcheck source=scripts/prometheus.sh
. "$root/scripts/prometheus.sh"
mkdir "$folder/empty"
"$chroot" "$folder/empty" /nothing 2>"$folder/log" && code=0 || code=$?
[ "$code" = 127 ] || give_up "chroot is not permitted here: $(cat "$folder/log")"

cd "$root"
lacks=$(scripts/static.sh --lacks)
[ -z "$lacks" ] || give_up "$lacks"
command -v openssl >/dev/null || give_up 'openssl is not installed'
CI='' scripts/receivers.sh prometheus2 >/dev/null || true
[ -x "$bin/prometheus2" ] || give_up 'no Prometheus 2 (scripts/receivers.sh brings it)'
binary=$(scripts/static.sh)

# An authority, and a certificate for the receiver.
name=receiver.test
key='ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
openssl_quietly() { openssl "$@" 2>"$folder/log" || { cat "$folder/log" >&2; exit 1; }; }
openssl_quietly req -x509 -newkey $key -days 2 -subj '/CN=empty root CA' \
    -addext basicConstraints=critical,CA:TRUE -keyout "$folder/ca.key" -out "$folder/ca.pem"
openssl_quietly req -newkey $key -subj "/CN=$name" -keyout "$folder/server.key" -out "$folder/csr"
echo "subjectAltName=IP:127.0.0.1,DNS:$name" >"$folder/san"
openssl_quietly x509 -req -in "$folder/csr" -days 2 -CA "$folder/ca.pem" -CAkey "$folder/ca.key" \
    -CAcreateserial -extfile "$folder/san" -out "$folder/server.pem"

echo 'global: {}' >"$folder/prometheus.yml"
echo "tls_server_config: {cert_file: $folder/server.pem, key_file: $folder/server.key}" \
    >"$folder/web.yml"
start_prometheus "$bin/prometheus2" plain
plain=$address
start_prometheus "$bin/prometheus2" tls --web.config.file="$folder/web.yml"
tls=$address

# The roots. No file in them can be written, by whomever.
mkdir -p "$folder/bare" "$folder/hosts/etc"
cp "$folder/ca.pem" "$folder/bare/"
echo "127.0.0.1 $name" >"$folder/hosts/etc/hosts"
for in in bare hosts; do install -m 555 "$binary" "$folder/$in/push-live-metrics"; done
chmod -R a+rX,a-w "$folder/bare" "$folder/hosts"
listing() { (cd "$folder" && find bare hosts -printf '%p %s %m %T@\n' | LC_ALL=C sort); }
listing >"$folder/before"

# Whether a folder can be mounted read-only is up to the host; without, its modes remain.
# shellcheck disable=SC2016 # for the shell inside
read_only='mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
mounted=yes
empty=$folder/empty
unshare -m sh -c "$read_only" "$empty" sh -c "! touch $empty/x" 2>"$folder/log" || {
    mounted=
    skip "a read-only mount is not permitted here: $(tail -n 1 "$folder/log")"
}

# Runs the binary with $2... in the root $1; replaces this shell. `zone` is TZ, or nothing.
zone=
enter() {
    inside=$folder/$1
    shift
    set -- env -i ${zone:+"TZ=$zone"} "$chroot" $userspec "$inside" /push-live-metrics "$@"
    [ -z "$mounted" ] || set -- unshare -m sh -c "$read_only" "$inside" "$@"
    exec "$@" </dev/null >"$folder/stdout" 2>"$folder/stderr"
}
# Whether $3... succeeds, by the name $1; else $2 says what was seen.
check() {
    title=$1 seen=$2
    shift 2
    if "$@"; then
        passed=$((passed + 1))
        printf '  ok      %s\n' "$title"
        return
    fi
    failed=$((failed + 1))
    printf '  FAILED  %s: %s\n' "$title" "$seen"
    tail -n 5 "$folder/stderr" | sed 's/^/          /'
}
# $1 what, $2 wanted exit code, $3 root, $4... arguments.
expect() {
    what=$1 wanted=$2
    shift 2
    (enter "$@") && code=0 || code=$?
    check "$what" "exit $code, not $wanted" [ "$code" = "$wanted" ]
}
# $1 what, $2 root, $3 scheme, host and port, $4... flags: pushes five datapoints of a metric of
# its own, and reads them back by `verify`.
push() {
    pushed=$1 in=$2 url=$3/api/v1/write
    shift 3
    set -- "--metric-name=m$passed" --labels=root=empty "--start-epoch=$start" \
        "--end-epoch=$((start + 5))" "--url=$url" "$@"
    expect "$pushed: pushed" 0 "$in" "$@" --interval=1s
    expect "$pushed: verified" 0 "$in" verify "$@" --step-size=1s
}
# $1 what, $2 text: whether the log that the last run left holds it, on one line.
says() { check "$1" "no '$2' in its log" grep -q -e "$2" "$folder/stderr"; }
# Whether the last log is of this minute in UTC, or of the one when we began.
says_utc() { says "$1" "^\[$minute\|^\[$(date -u '+%F %H:%M')"; }

minute=$(date -u '+%F %H:%M')
start=$(($(date +%s) - 20))
series='--metric-name=m --labels=a=b'
say "$(wc -c <"$binary") bytes in an empty root," \
    "${userspec:+as user 65534, }${mounted:+mounted read-only, }empty environment"

push 'by IP' bare "http://$plain"
says_utc 'by IP: local time is UTC'
zone=Asia/Tokyo
push 'TZ without a zone file' bare "http://$plain"
says_utc 'TZ without a zone file: UTC'
zone=

push 'by https' bare "https://$tls" --ca-file=/ca.pem
expect 'by https, bundled roots: our CA is refused' 3 bare $series --duration=1 \
    --url="https://$tls/api/v1/write"
says 'by https, bundled roots: says why' 'certificate'

push 'by name, etc/hosts' hosts "http://$name:${plain#*:}"
expect 'by name, no resolver: unreachable' 4 bare $series --duration=1s --interval=1s \
    --flush-timeout=1s --timeout=1s --url="http://$name:${plain#*:}/api/v1/write"
says 'by name, no resolver: says so' "$name"

expect 'preview' 0 bare preview $series --since=1d
expect 'backfill to stdout' 0 bare backfill $series --since=1d --output=-
expect 'backfill into a file that cannot be' 2 bare backfill $series --since=1d --output=/x.om
expect 'help' 0 bare --help

# A signal, with no /proc to look whether it is ignored.
(enter bare $series --duration=10 --url="http://$plain/api/v1/write") &
sender_pid=$! is_sending=1
wait_for "$sender_pid" "$folder/stderr" Sleeping
kill -TERM "$sender_pid"
wait "$sender_pid" && code=0 || code=$?
is_sending=
check 'SIGTERM: 130, after the summary' "exit $code" [ "$code" = 130 ]

written=$(listing | diff "$folder/before" - | head -n 3)
check 'nothing was written' "$written" [ -z "$written" ]

printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
