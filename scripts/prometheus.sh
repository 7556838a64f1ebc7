# shellcheck shell=sh disable=SC2034,SC2154 # the reader sets and uses them
# For demo.sh and empty-root.sh, which read it in: a throw-away Prometheus on a free loopback port,
# and an end that leaves no process and no file. `folder` is for whatever they write.

bin=$root/target/receivers/bin
pids='' is_sending=''
folder=$(mktemp -d)
cleanup() {
    trap '' INT TERM HUP
    # By $!, as a signal may come before the sender's id is stored; then it is Prometheus at worst.
    [ -z "$is_sending" ] || { kill -TERM "$!" && wait "$!"; } 2>/dev/null || true
    # Nothing of it is kept, so it need not be asked politely.
    # shellcheck disable=SC2086 # a list of numbers
    [ -z "$pids" ] || { kill -KILL $pids; wait; } 2>/dev/null || true
    chmod -R u+w "$folder" && rm -rf "$folder"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# Waits until a process ($1) has written a line like $3 into a file ($2).
wait_for() {
    waited=0
    until grep -q "$3" "$2"; do
        waited=$((waited + 1))
        if ! kill -0 "$1" 2>/dev/null || [ "$waited" -gt 1200 ]; then
            tail -n 5 "$2" >&2
            say "no '$3' after $((waited / 10)) s; the last lines are above" >&2
            exit 1
        fi
        sleep 0.1
    done
}

# Starts the Prometheus $1 under the name $2, with the flags $3...; host and port in $address.
start_prometheus() {
    program=$1 log=$folder/$2.log data=$folder/$2
    shift 2
    "$program" --config.file="$folder/prometheus.yml" --storage.tsdb.path="$data" \
        --web.listen-address=127.0.0.1:0 --web.enable-remote-write-receiver "$@" >"$log" 2>&1 &
    pids="$pids $!"
    wait_for $! "$log" 'Server is ready to receive web requests'
    # Port 0: the kernel picks a free one, and Prometheus logs which, from 2.40 on.
    address=$(sed -n 's/.*msg="Listening on".* address=\(127\.0\.0\.1:[0-9]*\).*/\1/p' "$log")
}
