#!/bin/sh
# Turns OpenMetrics text (push-live-metrics backfill --output FILE) into TSDB blocks, and puts them
# into a Prometheus data folder or uploads them to Mimir.
#
# Usage: scripts/backfill-blocks.sh [--no-other-series] FILE|- DATA_FOLDER
#                                  into a Prometheus (--storage.tsdb.path)
#        scripts/backfill-blocks.sh FILE|- mimir
#                                  by mimirtool backfill
#
# DATA_FOLDER must exist; Prometheus may be running, and sees the blocks within a minute or so.
# Prometheus deletes what is older than its retention time (15 days by default).
#
# The samples must end 3 hours ago, or for a stopped Prometheus 3 hours before its newest sample:
# at its next start Prometheus ignores everything in its write-ahead log from before the end of
# its newest block, and the last 3 hours of every series are only in that log. A younger file is
# refused; --no-other-series accepts it, for a server without other series.
#
# For mimir: MIMIR_ADDRESS (the root, as in http://localhost:9009, not the push path) and
# MIMIR_TENANT_ID; where it asks for credentials MIMIR_API_USER and MIMIR_API_KEY, or a file that
# holds the key, MIMIR_API_KEY_FILE. Its compactor must have block upload enabled.
#
# PROMTOOL, MIMIRTOOL  the tools (promtool and mimirtool on PATH; target/receivers/bin)
# MAX_BLOCK_DURATION   longest block: 2h, 6h, 18h, 54h, 162h or 486h, for Mimir 6h at most; if not
#                      set, the first that gives at most 32 blocks, as promtool reads the whole
#                      file once for each
#
# Exit: 0 done; 1 a step failed, some blocks may be stored; 2 usage, or too young: nothing done.
set -eu

say() { printf 'backfill-blocks: %s\n' "$*" >&2; }
die() { code=$1; shift; say "$@"; exit "$code"; }
usage() { sed -n '/^# Usage/,/^#$/s/^# \{0,1\}//p' "$0" >&2; exit 2; }

case ${1:-} in -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p;}' "$0"; exit 0 ;; esac
nothing_to_lose=
case ${1:-} in --no-other-series) nothing_to_lose=yes; shift ;; esac
[ $# = 2 ] || usage
source=$1 shown=$1 destination=$2
bin=$(cd "$(dirname "$0")/.." && pwd)/target/receivers/bin

# Prints the first of these commands that is there.
first_of() {
    for tool in "$@"; do ! command -v "$tool" || return 0; done
    return 1
}
set -- promtool "$bin/promtool3" "$bin/promtool2"
[ -z "${PROMTOOL:-}" ] || set -- "$PROMTOOL"
promtool=$(first_of "$@") ||
    die 2 'no promtool, which comes with Prometheus; put it on PATH or name it in PROMTOOL'

case $destination in
    mimir)
        mimirtool=$(first_of "${MIMIRTOOL:-mimirtool}") ||
            die 2 'no mimirtool; put it on PATH or name it in MIMIRTOOL'
        given="MIMIR_ADDRESS '${MIMIR_ADDRESS:-}'"
        case ${MIMIR_ADDRESS:-} in
            '') die 2 'MIMIR_ADDRESS is not set; for example http://localhost:9009' ;;
            # Shown nowhere.
            *@* | *\?*) die 2 'MIMIR_ADDRESS holds credentials or a query; credentials go into' \
                'MIMIR_API_USER and MIMIR_API_KEY_FILE' ;;
            */api/v1/push*) die 2 "$given is the push path; blocks go to the root: leave it out" ;;
            http://?* | https://?*) ;;
            *) die 2 "$given does not begin with http:// or https://" ;;
        esac
        [ -n "${MIMIR_TENANT_ID:-}" ] ||
            die 2 'MIMIR_TENANT_ID is not set; without tenants it is anonymous'
        export MIMIR_ADDRESS MIMIR_TENANT_ID
        if [ -n "${MIMIR_API_KEY_FILE:-}" ]; then
            given="MIMIR_API_KEY_FILE '$MIMIR_API_KEY_FILE'"
            MIMIR_API_KEY=$(cat -- "$MIMIR_API_KEY_FILE") || die 2 "cannot read $given"
            [ -n "$MIMIR_API_KEY" ] || die 2 "$given is empty"
        fi
        [ -z "${MIMIR_API_KEY:-}" ] || export MIMIR_API_KEY
        beside=${TMPDIR:-/tmp}
        ;;
    *)
        [ -d "$destination" ] ||
            die 2 "'$destination' is no folder; name what Prometheus has as --storage.tsdb.path"
        [ -w "$destination" ] ||
            die 2 "cannot write into '$destination'; run this as the user that Prometheus runs as"
        # Moving is atomic only within one file system. Prometheus leaves such a name alone.
        beside=$destination
        ;;
esac

folder=$(mktemp -d "$beside/backfill-blocks.XXXXXX")
is_running=
# A shell does not act on a signal while a command runs in the foreground, so run() has it in the
# background, from where this ends it, too.
end() {
    [ -z "$is_running" ] || kill -TERM "$!" 2>/dev/null || true
    exit "$1"
}
trap 'rm -rf "$folder"' EXIT
trap 'end 130' INT
trap 'end 143' TERM HUP

run() {
    is_running=yes
    "$@" <&3 &
    wait "$!" && code=0 || code=$?
    is_running=
    return "$code"
}

# promtool reads it more than once.
exec 3</dev/null
if [ "$source" = - ]; then
    exec 3<&0
    run cat >"$folder/stdin"
    source=$folder/stdin
fi
[ -f "$source" ] || die 2 "'$shown' is no file"
# A name that begins with - would be taken for a flag.
case $source in /*) ;; *) source=$PWD/$source ;; esac
[ "$(tail -n 1 "$source")" = '# EOF' ] ||
    die 1 "'$shown' does not end with '# EOF': it is not whole"

# Hours from the oldest to the newest sample, and the newest one's time.
run awk '!/^#/ && NF { if (!n++) a = b = $NF; if ($NF < a) a = $NF; if ($NF > b) b = $NF }
    END { if (!n) exit 1
          printf "%d %.0f\n", (b - a) / 3600, int(b) }' "$source" >"$folder/range" ||
    die 1 "'$shown' holds no sample"
read -r hours newest <"$folder/range"

if [ "$destination" != mimir ] && [ -z "$nothing_to_lose" ]; then
    end=$(date +%s)
    # When a Prometheus that is stopped wrote its last samples.
    written=$(find "$destination/wal" -maxdepth 1 -type f -size +0 -printf '%T@\n' 2>/dev/null |
        sort -n | tail -n 1)
    written=${written%.*}
    [ -z "$written" ] || [ "$written" -ge "$end" ] || end=$written
    end=$(((end - 3 * 3600) / 60 * 60))
    [ "$newest" -lt "$end" ] ||
        die 2 "'$shown' ends too late: at its next start Prometheus would lose the last hours of" \
            "every other series; make it anew with --end-epoch $end, or add --no-other-series"
fi

duration=2 longest=486
[ "$destination" != mimir ] || longest=6
while [ $((hours / duration)) -ge 32 ] && [ "$duration" -lt "$longest" ]; do
    duration=$((duration * 3))
done
duration=${MAX_BLOCK_DURATION:-${duration}h}

say "$hours h of samples in blocks of $duration at most"
mkdir "$folder/blocks"
run "$promtool" tsdb create-blocks-from --max-block-duration="$duration" \
    openmetrics "$source" "$folder/blocks" >&2 ||
    die 1 "promtool failed; nothing was put into $destination"

set -- "$folder"/blocks/*/
[ -f "${1}meta.json" ] || die 1 'promtool made no block'
count=$#
case $destination in
    mimir)
        say "uploading $count blocks to $MIMIR_ADDRESS as $MIMIR_TENANT_ID"
        # It asks at once whether a block is there, and then once in 20 s unless told.
        ! "$mimirtool" backfill --help 2>&1 | grep -q -e --sleep-time ||
            set -- --sleep-time=500ms "$@"
        tries=1
        # Mimir forgets a block for a moment now and then, and knows which ones it has.
        until run "$mimirtool" backfill "$@" >&2; do
            [ "$tries" -lt 3 ] || die 1 "mimirtool failed $tries times, but others are stored." \
                'To try again, run this again: a sample that is stored twice counts once'
            tries=$((tries + 1))
            say 'mimirtool failed; again with the blocks that are not stored yet'
        done
        ;;
    *)
        # As the others are: Prometheus may run as another user than we do.
        [ "$(id -u)" != 0 ] || chown -R --reference="$destination" "$folder/blocks" ||
            die 1 'chown failed'
        for block in "$@"; do
            block=${block%/}
            mv "$block" "$destination/" ||
                die 1 "cannot move ${block##*/} into '$destination'; those before it are there"
        done
        ;;
esac
say "done: $count blocks"
