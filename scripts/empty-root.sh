#!/bin/sh
# Proves that the static binary needs nothing but itself: it is run in folders that hold the
# file and no more, as their root, and pushes to a real Prometheus on loopback.
#
# In each: no /proc, no /dev, no HOME, no zone files, an environment with nothing in it, a
# file system that cannot be written and a user without rights. The roots are
#
#   bare    the file alone: by IP, by https with a CA of ours (ca.pem beside it), and what
#           has to go wrong there in plain words
#   hosts   and etc/hosts: by name
#   dns     and etc/resolv.conf: by name, through a name server of ours
#
# Whether it arrived is asked of Prometheus by promtool. Needs chroot: as root, else in a
# user namespace (unshare -r). What is not permitted or not there is skipped aloud, with
# CI=true a failure. The last line is `N passed, M failed`; exit 1 when anything failed.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
bin=$root/target/receivers/bin
ready_seconds=120

say() { printf 'empty-root: %s\n' "$*"; }
skip() {
    printf 'empty-root: *** SKIPPED *** %s\n' "$*"
    [ "${CI:-}" != true ] || failed=$((failed + 1))
}
# Ends the script where nothing can be tested.
give_up() {
    skip "$*"
    [ "${CI:-}" != true ] || exit 1
    exit 0
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
if ! [ -x "$bin/prometheus2" ] || ! [ -x "$bin/promtool2" ]; then
    give_up 'no Prometheus 2 (scripts/receivers.sh brings it)'
fi
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

# Starts a Prometheus that is called $1, with the flags $2...; its port in $port.
start_prometheus() {
    log=$folder/$1.log
    data=$folder/$1
    shift
    "$bin/prometheus2" --config.file="$folder/prometheus.yml" --storage.tsdb.path="$data" \
        --web.listen-address=127.0.0.1:0 --web.enable-remote-write-receiver "$@" >"$log" 2>&1 &
    pid=$!
    pids="$pids $pid"
    waited=0
    until grep -q 'Server is ready to receive web requests' "$log"; do
        waited=$((waited + 1))
        if ! kill -0 "$pid" 2>/dev/null || [ "$waited" -gt $((ready_seconds * 10)) ]; then
            tail -n 5 "$log" >&2
            say 'Prometheus did not start; its last lines are above' >&2
            exit 1
        fi
        sleep 0.1
    done
    port=$(sed -n 's/.*msg="Listening on".* address=127\.0\.0\.1:\([0-9]*\).*/\1/p' "$log")
}
echo 'global: {}' >"$folder/prometheus.yml"
cat >"$folder/web.yml" <<YML
tls_server_config:
  cert_file: $folder/server.pem
  key_file: $folder/server.key
YML
start_prometheus plain
plain_port=$port
start_prometheus tls --web.config.file="$folder/web.yml"
tls_port=$port

# A name server of our own, on an address of loopback that no one else is likely to have.
server=127.53.$(($$ / 250 % 250)).$(($$ % 250 + 1))
cat >"$folder/dns.pl" <<'PERL'
# Answers each question for an A record with 127.0.0.1, and all others with nothing.
use strict;
use IO::Socket::INET;
my $socket = IO::Socket::INET->new(LocalAddr => $ARGV[0], LocalPort => 53, Proto => "udp") or die "$@\n";
$| = 1;
print "ready\n";
while ($socket->recv(my $query, 512)) {
    my $end = index($query, "\0", 12) + 5;
    my ($type) = unpack "n", substr($query, $end - 4, 2);
    my $answer = $type == 1 ? pack("nnnNnC4", 0xc00c, 1, 1, 60, 4, 127, 0, 0, 1) : "";
    my $header = pack("a2n5", $query, 0x8180, 1, $answer eq "" ? 0 : 1, 0, 0);
    $socket->send($header . substr($query, 12, $end - 12) . $answer);
}
PERL
dns=
if command -v perl >/dev/null; then
    perl "$folder/dns.pl" "$server" >"$folder/dns.log" 2>&1 &
    pids="$pids $!"
    waited=0
    while kill -0 $! 2>/dev/null && [ "$waited" -lt 100 ]; do
        ! grep -q ready "$folder/dns.log" || { dns=yes; break; }
        waited=$((waited + 1))
        sleep 0.1
    done
fi

# The roots. No file in them can be written, by whomever.
make_root() {
    mkdir -p "$folder/$1"
    cp "$binary" "$folder/$1/push-live-metrics"
    chmod 555 "$folder/$1/push-live-metrics"
}
make_root bare
cp "$folder/ca.pem" "$folder/bare/"
make_root hosts
mkdir "$folder/hosts/etc"
echo "127.0.0.1 $name" >"$folder/hosts/etc/hosts"
make_root dns
mkdir "$folder/dns/etc"
echo "nameserver $server" >"$folder/dns/etc/resolv.conf"
chmod -R a+rX,a-w "$folder/bare" "$folder/hosts" "$folder/dns"
listing() { (cd "$folder" && find bare hosts dns -printf '%p %s %m %T@\n' | LC_ALL=C sort); }
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
# Prints how many datapoints of metric $1 the Prometheus behind $2 has.
count_of() {
    query="count_over_time($1[10m])"
    case $2 in
        https:*)
            printf 'GET /api/v1/query?query=%s HTTP/1.0\r\n\r\n' "$query" |
                openssl s_client -quiet -connect "127.0.0.1:$tls_port" -CAfile "$folder/ca.pem" -verify_return_error \
                    2>/dev/null | sed -n 's/.*"value":\[[^,]*,"\([0-9]*\)"\].*/\1/p'
            ;;
        *) "$bin/promtool2" query instant "http://127.0.0.1:$plain_port" "$query" 2>&1 | sed -n 's/.* => \([0-9]*\) .*/\1/p' ;;
    esac
}
# $1 what, $2 root, $3 metric, $4 scheme and authority, $5... flags: pushes five datapoints, asks
# Prometheus how many it has, and reads them back by `verify`.
push() {
    what=$1
    in=$2
    metric=$3
    receiver=$4
    shift 4
    set -- "--metric-name=$metric" --labels=root=empty "--start-epoch=$start" "--end-epoch=$((start + 5))" \
        "--url=$receiver/api/v1/write" "$@"
    expect "$what: pushed" 0 "$in" "$@" --interval=1s || return 0
    count=$(count_of "$metric" "$receiver")
    if [ "$count" = 5 ]; then
        ok "$what: Prometheus has all 5"
    else
        bad "$what: Prometheus has all 5" "it has '$count'"
    fi
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
if [ -n "$dns" ]; then
    push 'by name, etc/resolv.conf' dns by_dns "http://$name:$plain_port"
else
    skip "no name server on $server:53: $(tail -n 1 "$folder/dns.log" 2>/dev/null)"
fi

expect 'preview' 0 bare preview --metric-name=m --labels=a=b --since=1d || true
expect 'backfill to stdout' 0 bare backfill --metric-name=m --labels=a=b --since=1d --output=- || true
expect 'backfill into a file that cannot be' 2 bare backfill --metric-name=m --labels=a=b --since=1d --output=/x.om || true
expect 'help' 0 bare --help || true

# A signal, with no /proc to look whether it is ignored.
(enter bare --metric-name=m --labels=a=b --duration=10 --url="$plain/api/v1/write") >"$folder/stdout" 2>"$folder/stderr" &
pid=$!
pids="$pids $pid"
waited=0
until grep -q Sleeping "$folder/stderr" || [ "$waited" -gt 100 ]; do waited=$((waited + 1)); sleep 0.1; done
kill -TERM "$pid"
wait "$pid" && code=0 || code=$?
if [ "$code" = 130 ]; then ok 'SIGTERM: 130, after the summary'; else bad 'SIGTERM' "exit $code, not 130"; fi

listing >"$folder/after"
if cmp -s "$folder/before" "$folder/after"; then
    ok 'nothing was written'
else
    bad 'nothing was written' "$(diff "$folder/before" "$folder/after" | head -n 3)"
fi

printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
