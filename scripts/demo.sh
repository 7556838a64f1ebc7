#!/bin/sh
# The newcomer's first commands, in a throw-away Prometheus on a free loopback port. Nothing is
# left behind, also after Ctrl+C.
#
# Usage: scripts/demo.sh         (`make demo`) pushes 30 datapoints, one a second, asks Prometheus
#                                for them, draws and verifies them; exit 0 only when it has all
#        scripts/demo.sh alert   (`make demo-alert`) a minute with three incidents, and the verdict
#                                on two alerts, one never fires; exit 0 only when both are right
#
# DEMO_SECONDS is another length, for alerts at least 15: what has no time to end is left out.
# Any Prometheus from 2.40 on will do; scripts/receivers.sh brings one.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
binary=${CARGO_TARGET_DIR:-$root/target}/release/push-live-metrics
case $binary in /*) ;; *) binary=$PWD/$binary ;; esac
case ${1:-} in
    '') length=${DEMO_SECONDS:-30} ;;
    alert) length=${DEMO_SECONDS:-60} ;;
    *) sed -n '/^# Usage/,/^#$/s/^# //p' "$0" >&2; exit 2 ;;
esac
say() { printf 'demo: %s\n' "$*"; }
fail() { say "$*" >&2; exit 1; }
[ -x "$binary" ] || fail "no release binary at $binary; run: make build"
bin=$root/target/receivers/bin

prometheus_pid='' is_sending=''
folder=$(mktemp -d)
cleanup() {
    trap '' INT TERM HUP
    # By $!, as a signal may come before the sender's id is stored; then it is Prometheus at worst.
    [ -z "$is_sending" ] || { kill -TERM "$!" && wait "$!"; } 2>/dev/null || true
    # Nothing of it is kept, so it need not be asked politely.
    [ -z "$prometheus_pid" ] || { kill -KILL "$prometheus_pid"; wait; } 2>/dev/null || true
    rm -rf "$folder"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# A missing receiver is said below, with what to do; in CI it is not the demo's to judge.
for prometheus in prometheus2 prometheus3; do
    CI='' "$root/scripts/receivers.sh" "$prometheus" || true
    prometheus=$bin/$prometheus
    [ ! -x "$prometheus" ] || break
done
promtool=$(command -v "$bin/promtool2" || command -v "$bin/promtool3" || command -v promtool) ||
    promtool=
if [ ! -x "$prometheus" ] || [ -z "$promtool" ]; then
    fail 'needs prometheus and promtool. On Debian or Ubuntu, as root: apt-get update; elsewhere
      put both on PATH (the binaries of the official release will do). Then again: make demo'
fi

echo '{global: {evaluation_interval: 1s}, rule_files: [rules.yml]}' >"$folder/prometheus.yml"
# The second alert is the first with a slip: minutes for seconds.
cat >"$folder/rules.yml" <<'RULES'
groups:
  - name: demo
    rules:
      - {alert: CpuHigh, expr: demo_cpu_usage > 60, for: 2s}
      - {alert: CpuHighSlip, expr: demo_cpu_usage > 60, for: 2m}
RULES
log=$folder/log
"$prometheus" --config.file="$folder/prometheus.yml" --storage.tsdb.path="$folder/data" \
    --web.listen-address=127.0.0.1:0 --web.enable-remote-write-receiver >"$log" 2>&1 &
prometheus_pid=$! waited=0
until grep -q 'Server is ready to receive web requests' "$log"; do
    waited=$((waited + 1))
    if ! kill -0 "$prometheus_pid" 2>/dev/null || [ "$waited" -gt 1200 ]; then
        tail -n 5 "$log" >&2
        fail "Prometheus is not ready after $((waited / 10)) s; its last lines are above"
    fi
    sleep 0.1
done
# Port 0: the kernel picks a free one, and Prometheus logs which, from 2.40 on.
address=$(sed -n 's/.*msg="Listening on".* address=\(127\.0\.0\.1:[0-9]*\).*/\1/p' "$log")
[ -n "$address" ] || fail 'Prometheus does not log its port; 2.40 or later is needed'
url=http://$address
say "a throw-away Prometheus listens on $url"

# An empty environment and an empty folder: no token, proxy, ENV or .env of the user's has a say.
cd "$folder"
series='' start=$(date +%s)
run() {
    verb=$1
    shift
    # shellcheck disable=SC2086 # live has no word, and the series several
    env -i ${TZ+"TZ=$TZ"} ${TERM+"TERM=$TERM"} ${COLUMNS+"COLUMNS=$COLUMNS"} LANG=C.UTF-8 \
        "$binary" $verb --metric-name demo_cpu_usage --labels 'cpu=lina_cp_avg,uuid=device-456' \
        $series --start-epoch "$start" --end-epoch $((start + length)) "$@"
}
verify() { code=0; run verify --step-size 1s --url "$url/api/v1/write" "$@" || code=$?; }
# In the background, because a trap has to wait for a foreground command.
push() {
    is_sending=1 sender_code=0
    run '' --interval 1s --url "$url/api/v1/write" "$@" &
    wait "$!" || sender_code=$?
    is_sending=
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
    codes=$sender_code
    for alert in CpuHigh CpuHighSlip; do
        echo
        say "verify --alert $alert --fires-within 10s --resolves-within 5s"
        verify --alert "$alert" --fires-within 10s --resolves-within 5s
        codes="$codes $code"
    done
    echo
    [ "$codes" = '0 0 5' ] || fail "the exit codes are ${codes#* }, not 0 and 5"
    say "exit code 0 for CpuHigh, and 5 for CpuHighSlip: it has 'for: 2m' where 2s was meant"
    exit
fi

say "pushing $length datapoints, one a second"
push
query() { env -i "$promtool" query instant "$url" "$1"; }
number() { query "$1(demo_cpu_usage[10m])" | sed -n 's/.*=> \([^ ]*\) @.*/\1/p'; }

echo
say 'Prometheus says:'
query 'demo_cpu_usage[10m]' | awk '{ line[NR] = "    " $0 }
    END { for (i = 1; i <= NR; i++) if (NR <= 8 || i <= 4 || i > NR - 3) print line[i]
          else if (i == 5) print "    ..." }'
found=$(number count_over_time)
[ -z "$found" ] || printf '    min %s, mean %s, max %s\n' "$(number min_over_time)" \
    "$(number avg_over_time)" "$(number max_over_time)"
echo
say 'what they look like (push-live-metrics preview), and whether they are right (verify):'
run preview --step-size 1s
verify
say "${found:-0} of $length datapoints found in Prometheus"
[ "$found" = "$length" ] && [ "$sender_code" = 0 ] && [ "$code" = 0 ]
