#!/bin/sh
# The newcomer's first commands, in a throw-away Prometheus on a free loopback port. Nothing is
# left behind, also after Ctrl+C.
#
# Usage: scripts/demo.sh         (`make demo`) pushes 30 datapoints, one a second, asks Prometheus
#                                what it has, draws it and verifies it; exit 0 only when it has all
#        scripts/demo.sh alert   (`make demo-alert`) a minute with three incidents, and a verdict on
#                                two alerts: one works, one never fires; exit 0 only when both verdicts
#                                are right
#
# DEMO_SECONDS is another length, for alerts at least 15: what has no time to end is left out.
# Any Prometheus from 2.40 on will do; scripts/receivers.sh brings one.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
binary=${CARGO_TARGET_DIR:-$root/target}/release/push-live-metrics
case $binary in /*) ;; *) binary=$PWD/$binary ;; esac
bin=$root/target/receivers/bin
case ${1:-} in
    '') length=${DEMO_SECONDS:-30} ;;
    alert) length=${DEMO_SECONDS:-60} ;;
    *) sed -n '/^# Usage/,/^#$/s/^# //p' "$0" >&2; exit 2 ;;
esac
ready_seconds=120

say() { printf 'demo: %s\n' "$*"; }
fail() { printf 'demo: %s\n' "$*" >&2; exit 1; }

folder=
prometheus_pid=
sender_pid=
cleanup() {
    trap '' INT TERM HUP
    if [ -n "$sender_pid" ]; then
        kill -TERM "$sender_pid" 2>/dev/null || true
        wait "$sender_pid" 2>/dev/null || true
    fi
    # Nothing of it is kept, so it need not be asked politely.
    if [ -n "$prometheus_pid" ]; then
        kill -KILL "$prometheus_pid" 2>/dev/null || true
        wait "$prometheus_pid" 2>/dev/null || true
    fi
    [ -z "$folder" ] || rm -rf "$folder"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

[ -x "$binary" ] || fail "no release binary at $binary; run: make build"

# A missing receiver is said below, with what to do; in CI it is not the demo's to judge.
CI='' "$root/scripts/receivers.sh" prometheus2 || true
prometheus=$bin/prometheus2
if [ ! -x "$prometheus" ]; then
    CI='' "$root/scripts/receivers.sh" prometheus3 || true
    prometheus=$bin/prometheus3
fi
promtool=$bin/promtool2
[ -x "$promtool" ] || promtool=$bin/promtool3
[ -x "$promtool" ] || promtool=$(command -v promtool) || promtool=
if [ ! -x "$prometheus" ] || [ -z "$promtool" ]; then
    fail 'needs prometheus and promtool. On Debian or Ubuntu, as root: apt-get update;
      elsewhere put both on PATH (the binaries of the official release will do). Then again: make demo'
fi

folder=$(mktemp -d)
cat >"$folder/prometheus.yml" <<'CONFIG'
global: {evaluation_interval: 1s}
rule_files: [rules.yml]
CONFIG
# The second one is the first with a slip: minutes for seconds.
cat >"$folder/rules.yml" <<'RULES'
groups:
  - name: demo
    rules:
      - {alert: CpuHigh, expr: demo_cpu_usage > 60, for: 2s}
      - {alert: CpuHighSlip, expr: demo_cpu_usage > 60, for: 2m}
RULES
# Port 0: the kernel picks a free one, and Prometheus logs which.
"$prometheus" --config.file="$folder/prometheus.yml" --storage.tsdb.path="$folder/data" \
    --web.listen-address=127.0.0.1:0 --web.enable-remote-write-receiver >"$folder/log" 2>&1 &
prometheus_pid=$!

waited=0
until grep -q 'Server is ready to receive web requests' "$folder/log"; do
    if ! kill -0 "$prometheus_pid" 2>/dev/null; then
        tail -n 5 "$folder/log" >&2
        fail 'Prometheus did not start; its last lines are above'
    fi
    waited=$((waited + 1))
    [ "$waited" -le $((ready_seconds * 10)) ] || fail "Prometheus is not ready after $ready_seconds seconds"
    sleep 0.1
done
port=$(sed -n 's/.*msg="Listening on".* address=127\.0\.0\.1:\([0-9]*\).*/\1/p' "$folder/log")
[ -n "$port" ] || fail 'Prometheus does not log its port; 2.40 or later is needed'
url=http://127.0.0.1:$port
say "a throw-away Prometheus listens on $url"

# An empty environment and an empty folder: no token, proxy, ENV or .env of the user's
# has a say.
cd "$folder"
start=$(date +%s)
series=
run() {
    verb=$1
    shift
    # shellcheck disable=SC2086 # live has no word, and the series several
    env -i ${TZ+"TZ=$TZ"} ${TERM+"TERM=$TERM"} ${COLUMNS+"COLUMNS=$COLUMNS"} LANG=C.UTF-8 "$binary" $verb \
        --metric-name demo_cpu_usage --labels 'cpu=lina_cp_avg,uuid=device-456' $series \
        --start-epoch "$start" --end-epoch $((start + length)) "$@"
}
# In the background, because a trap has to wait for a foreground command.
push() {
    run '' --interval 1s --url "$url/api/v1/write" "$@" &
    sender_pid=$!
    sender_code=0
    wait "$sender_pid" || sender_code=$?
    sender_pid=
    [ "$sender_code" = 0 ] || say "push-live-metrics ended with exit code $sender_code" >&2
}

if [ "${1:-}" = alert ]; then
    series='--seasonality none --flat-base 20'
    for incident in shift@5s+10s=60 ramp@22s+12s=120 flat@42s+8s=90; do
        at=${incident#*@} lasts=${incident#*+}
        [ $((${at%%s*} + ${lasts%%s*})) -gt "$length" ] || series="$series --incident $incident"
    done
    say "this is pushed in the next $length s, one datapoint a second:"
    run preview --step-size 1s
    push --quiet
    # The verdict on the alert $1; its exit code in $code.
    judge() {
        echo
        say "verify --alert $1 --fires-within 10s --resolves-within 5s"
        code=0
        run verify --step-size 1s --url "$url/api/v1/write" --alert "$1" \
            --fires-within 10s --resolves-within 5s || code=$?
    }
    judge CpuHigh
    good_code=$code
    judge CpuHighSlip
    echo
    [ "$sender_code $good_code $code" = '0 0 5' ] || fail "the exit codes are $good_code and $code, not 0 and 5"
    say "exit code 0 for CpuHigh, and 5 for CpuHighSlip: it has 'for: 2m' where 2s was meant"
    exit
fi

say "pushing $length datapoints, one a second"
push
query() { env -i "$promtool" query instant "$url" "$1"; }
number() { query "$1" | sed -n 's/.*=> \([^ ]*\) @.*/\1/p'; }

echo
say 'Prometheus says:'
query 'demo_cpu_usage[10m]' >"$folder/samples"
awk '{ line[NR] = $0 }
    END { for (i = 1; i <= NR; i++) if (NR <= 8 || i <= 4 || i > NR - 3) print "    " line[i]; else if (i == 5) print "    ..." }' \
    "$folder/samples"
found=$(number 'sum(count_over_time(demo_cpu_usage[10m]))')
found=${found:-0}
[ "$found" = 0 ] || printf '    min %s, mean %s, max %s\n' "$(number 'min_over_time(demo_cpu_usage[10m])')" \
    "$(number 'avg_over_time(demo_cpu_usage[10m])')" "$(number 'max_over_time(demo_cpu_usage[10m])')"
echo
say 'what they look like (push-live-metrics preview), and whether they are right (verify):'
run preview --step-size 1s
verify_code=0
run verify --step-size 1s --url "$url/api/v1/write" || verify_code=$?
say "$found of $length datapoints found in Prometheus"
[ "$found" = "$length" ] && [ "$sender_code" = 0 ] && [ "$verify_code" = 0 ]
