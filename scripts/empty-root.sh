#!/bin/sh
# Shows that the static binary needs no other file: it runs with a folder as its root that has only
# this file, and pushes to a real Prometheus on loopback. There is no /proc,
# no /dev, no HOME and no zone file, an environment with nothing in it, a file system that cannot
# be written and a user without rights. `bare` has the file alone, by IP and by https with a CA of
# ours (ca.pem beside it); `hosts` also has etc/hosts, for a name.
#
# Needs chroot: as root, else in a user namespace (unshare -r). What is not permitted or missing
# is reported as skipped; with CI=true that is a failure. The last line is `N passed, M failed`; exit 1 when
# anything failed.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
bin=$root/target/receivers/bin

say() { printf 'empty-root: %s\n' "$*"; }
skip() {
    say "*** SKIPPED *** $*"
    [ "${CI:-}" != true ] || failed=$((failed + 1))
}
# Ends the script where nothing can be tested.
give_up() {
    skip "$*"
    exit "$failed"
}

passed=0
failed=0
folder=
pids=
cleanup() {
    trap '' INT TERM HUP
    # shellcheck disable=SC2086 # a list of numbers
    [ -z "$pids" ] || { kill -KILL $pids 2>/dev/null || true; wait 2>/dev/null || true; }
    [ -z "$folder" ] || { chmod -R u+w "$folder" && rm -rf "$folder"; }
}

PATH=$PATH:/usr/sbin:/sbin
chroot=$(command -v chroot) || give_up 'no chroot here'
if [ "$(id -u)" != 0 ]; then
    unshare -r true 2>/dev/null || give_up 'chroot needs root, or user namespaces (unshare -r)'
    exec unshare -r "$0"
fi
# In a user namespace there is one user, who has no rights outside it.
userspec=--userspec=65534:65534
[ "$(awk 'NR == 1 { print $3 }' /proc/self/uid_map)" != 1 ] || userspec=

trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
folder=$(mktemp -d)
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
openssl_quietly() { openssl "$@" 2>"$folder/log" || { cat "$folder/log" >&2; exit 1; }; }
openssl_quietly req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj '/CN=empty root CA' \
    -addext basicConstraints=critical,CA:TRUE -keyout "$folder/ca.key" -out "$folder/ca.pem"
openssl_quietly req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name" \
    -keyout "$folder/server.key" -out "$folder/server.csr"
echo "subjectAltName=IP:127.0.0.1,DNS:$name" >"$folder/san"
openssl_quietly x509 -req -in "$folder/server.csr" -days 2 -CA "$folder/ca.pem" -CAkey "$folder/ca.key" \
    -CAcreateserial -extfile "$folder/san" -out "$folder/server.pem"

# Waits until a process ($1) has written a line like $3 into a file ($2).
wait_for() {
    waited=0
    until grep -q "$3" "$2"; do
        waited=$((waited + 1))
        if ! kill -0 "$1" 2>/dev/null || [ "$waited" -gt 1200 ]; then
            tail -n 5 "$2" >&2
            say "no '$3'; the last lines are above" >&2
            exit 1
        fi
        sleep 0.1
    done
}
# Starts a Prometheus that is called $1, with the flags $2...; its port in $port.
start_prometheus() {
    log=$folder/$1.log
    data=$folder/$1
    shift
    "$bin/prometheus2" --config.file="$folder/prometheus.yml" --storage.tsdb.path="$data" \
        --web.listen-address=127.0.0.1:0 --web.enable-remote-write-receiver "$@" >"$log" 2>&1 &
    pids="$pids $!"
    wait_for $! "$log" 'Server is ready to receive web requests'
    port=$(sed -n 's/.*msg="Listening on".* address=127\.0\.0\.1:\([0-9]*\).*/\1/p' "$log")
}
echo 'global: {}' >"$folder/prometheus.yml"
echo "tls_server_config: {cert_file: $folder/server.pem, key_file: $folder/server.key}" >"$folder/web.yml"
start_prometheus plain
plain_port=$port
start_prometheus tls --web.config.file="$folder/web.yml"
tls_port=$port

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
if unshare -m sh -c "$read_only" "$folder/empty" sh -c "! touch $folder/empty/x" 2>"$folder/log"; then
    mounted=yes
else
    mounted=
    skip "a read-only mount is not permitted here: $(tail -n 1 "$folder/log")"
fi

# Runs the binary with $2... in the root $1; replaces this shell. `zone` is TZ, or nothing.
zone=
enter() {
    inside=$folder/$1
    shift
    # shellcheck disable=SC2086 # one word, or none
    set -- env -i ${zone:+"TZ=$zone"} "$chroot" $userspec "$inside" /push-live-metrics "$@"
    [ -z "$mounted" ] || set -- unshare -m sh -c "$read_only" "$inside" "$@"
    exec "$@" </dev/null
}
ok() { passed=$((passed + 1)); printf '  ok      %s\n' "$1"; }
bad() {
    failed=$((failed + 1))
    printf '  FAILED  %s: %s\n' "$1" "$2"
    tail -n 5 "$folder/stderr" | sed 's/^/          /'
}
# $1 what, $2 wanted exit code, $3 root, $4... arguments.
expect() {
    title=$1
    wanted=$2
    shift 2
    (enter "$@") >"$folder/stdout" 2>"$folder/stderr" && code=0 || code=$?
    if [ "$code" = "$wanted" ]; then ok "$title"; else bad "$title" "exit $code, not $wanted"; return 1; fi
}
# $1 what, $2 root, $3 metric, $4 scheme and authority, $5... flags: pushes five datapoints, and
# reads them back by `verify`.
push() {
    what=$1
    in=$2
    metric=$3
    receiver=$4
    shift 4
    set -- "--metric-name=$metric" --labels=root=empty "--start-epoch=$start" "--end-epoch=$((start + 5))" \
        "--url=$receiver/api/v1/write" "$@"
    expect "$what: pushed" 0 "$in" "$@" --interval=1s || return 0
    expect "$what: verified" 0 "$in" verify "$@" --step-size=1s || true
}
# $1 what, $2 text: whether the log that the last run left holds it, on one line.
says() {
    if grep -q -e "$2" "$folder/stderr"; then ok "$1"; else bad "$1" "no '$2' in its log"; fi
}

plain=http://127.0.0.1:$plain_port
start=$(($(date +%s) - 20))
say "$(wc -c <"$binary") bytes in an empty root, ${userspec:+"as user 65534, "}${mounted:+mounted read-only, }empty environment"

minute=$(date -u '+%F %H:%M')
# Whether the last log is of this minute in UTC, or of the one when we began.
says_utc() { says "$1" "^\[$minute\|^\[$(date -u '+%F %H:%M')"; }
push 'by IP' bare by_ip "$plain"
says_utc 'by IP: local time is UTC'
zone=Asia/Tokyo
push 'TZ without a zone file' bare by_zone "$plain"
says_utc 'TZ without a zone file: UTC'
zone=

push 'by https' bare by_https "https://127.0.0.1:$tls_port" --ca-file=/ca.pem
expect 'by https, bundled roots: our CA is refused' 3 bare --metric-name=m --labels=a=b --duration=1 \
    --url="https://127.0.0.1:$tls_port/api/v1/write" || true
says 'by https, bundled roots: says why' 'certificate'

push 'by name, etc/hosts' hosts by_hosts "http://$name:$plain_port"
expect 'by name, no resolver: unreachable' 4 bare --metric-name=m --labels=a=b --duration=1s --interval=1s \
    --flush-timeout=1s --timeout=1s --url="http://$name:$plain_port/api/v1/write" || true
says 'by name, no resolver: says so' "$name"

series='--metric-name=m --labels=a=b --since=1d'
# shellcheck disable=SC2086 # words
{
    expect 'preview' 0 bare preview $series || true
    expect 'backfill to stdout' 0 bare backfill $series --output=- || true
    expect 'backfill into a file that cannot be' 2 bare backfill $series --output=/x.om || true
}
expect 'help' 0 bare --help || true

# A signal, with no /proc to look whether it is ignored.
(enter bare --metric-name=m --labels=a=b --duration=10 --url="$plain/api/v1/write") >"$folder/stdout" 2>"$folder/stderr" &
pid=$!
pids="$pids $pid"
wait_for "$pid" "$folder/stderr" Sleeping
kill -TERM "$pid"
wait "$pid" && code=0 || code=$?
if [ "$code" = 130 ]; then ok 'SIGTERM: 130, after the summary'; else bad 'SIGTERM' "exit $code, not 130"; fi

listing >"$folder/after"
written=$(diff "$folder/before" "$folder/after" | head -n 3)
if [ -z "$written" ]; then ok 'nothing was written'; else bad 'nothing was written' "$written"; fi

printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
