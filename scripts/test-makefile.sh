#!/bin/sh
# Checks what the Makefile hands to push-live-metrics: nasty values must arrive whole, an
# empty variable gives no flag, and `make help` lists everything. A cargo that builds
# nothing and a binary that prints its arguments stand in for the real ones, so this takes
# a second and needs no toolchain. Ends with `N passed, M failed`.
# shellcheck disable=SC2016,SC2086 # values are meant as they stand; none or one word
set -eu

cd "$(dirname "$0")/.."
# Whatever the caller's make and environment hold is not what is tested here.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES MAKEFILES || true
unset METRIC_NAME LABELS DURATION TREND_COEFFICIENT FLAT_BASE DESCRIPTION URL PREFIX || true
unset START_EPOCH END_EPOCH STEP_SIZE INCIDENTS FILE ARGS || true

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

mkdir -p "$folder/bin" "$folder/target/release"
printf '#!/bin/sh\nexit 0\n' >"$folder/bin/cargo"
cat >"$folder/target/release/push-live-metrics" <<'FAKE'
#!/bin/sh
for argument in "$@"; do printf '<%s>\n' "$argument"; done
[ -z "${FAKE_EXIT:-}" ] || exit "$FAKE_EXIT"
FAKE
# 2025-12-17T11:30:00Z.
printf '#!/bin/sh\necho 1765971000\n' >"$folder/bin/date"
chmod +x "$folder/bin/cargo" "$folder/bin/date" "$folder/target/release/push-live-metrics"
PATH=$folder/bin:$PATH
CARGO_TARGET_DIR=$folder/target
export PATH CARGO_TARGET_DIR

passed=0
failed=0

# Whether the command $2... succeeds, by the name $1.
holds() {
    name=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'test-makefile: FAILED %s\n' "$name"
    fi
}
# Compares what was seen with the expected arguments $2..., one a line.
expect() {
    name=$1
    shift
    for argument in "$@"; do printf '<%s>\n' "$argument"; done >"$folder/expected"
    holds "$name" diff "$folder/expected" "$folder/seen"
}
not() { ! "$@"; }
# Whether what was seen has this pattern.
seen() { grep -q -e "$1" "$folder/seen"; }
# Whether make was stopped in these words, $2, before anything was run.
refused() { holds "$1 is said" seen "$2"; holds "$1 runs nothing" not seen '^<'; }

# Runs make; what the target needs and $@ does not give is there, and is left out of what is seen.
run() {
    make METRIC_NAME=given LABELS=given DURATION=given "$@" >"$folder/all" 2>&1 || true
    sed '/^<--\(metric-name\|labels\|duration\)>$/{N;/\n<given>$/d;}' "$folder/all" >"$folder/seen"
}

# The issue's own example, letter by letter.
run push-live-30m METRIC_NAME=cpu LABELS='cpu=lina_cp_avg,tenant_uuid=abc123,uuid=device-456' \
    DESCRIPTION="It's 50% \$5, \"x\""
expect 'the example of the documentation' \
    --metric-name cpu --labels 'cpu=lina_cp_avg,tenant_uuid=abc123,uuid=device-456' \
    --description "It's 50% \$5, \"x\"" --duration 30

# Each value from the command line and from the environment.
while IFS= read -r value; do
    run push-live DESCRIPTION="$value"
    expect "DESCRIPTION on the command line: $value" --description "$value"
    export DESCRIPTION="$value"
    run push-live
    unset DESCRIPTION
    expect "DESCRIPTION in the environment: $value" --description "$value"
    run push-live LABELS="$value"
    expect "LABELS on the command line: $value" --labels "$value"
done <<'VALUES'
plain
two words,  and   gaps
'single' "double" `back` it's ''
$5 $$ $HOME ${HOME} $(HOME) $(shell touch pwned) $(error no) $@ $(
# hash ; semicolon & ampersand | pipe > out < in
a=b,c="d,e",f={1..3}
back\slash \n \\ trailing\
* ? [a-z] ~ ! % ^ {x} (y
--looks-like=a-flag
unicode: grün, 温度, ✓
VALUES
holds 'no value is run as a command' [ ! -e pwned ]

run push-live-1h METRIC_NAME=m TREND_COEFFICIENT=-0.5 FLAT_BASE=-1e3 URL='http://127.0.0.1:9090/api/v1/write?a=b&c=$d'
expect 'every variable becomes its flag' --metric-name m --trend-coefficient -0.5 \
    --flat-base -1e3 --url 'http://127.0.0.1:9090/api/v1/write?a=b&c=$d' --duration 60

run push-live INCIDENTS='gap@10m+5m,a="it'\''s";shift@2026-12-01T10:00:00+02:00+5m/1h=-1e3'
expect 'INCIDENTS are cut at semicolons' --incident "gap@10m+5m,a=\"it's\"" \
    --incident 'shift@2026-12-01T10:00:00+02:00+5m/1h=-1e3'
run backfill-1d INCIDENTS='flat@1h+5m'
expect 'a backfill takes INCIDENTS' backfill --incident flat@1h+5m --since 1d

run push-live DURATION=90
expect 'push-live takes DURATION' --duration 90
run push-live-2h DURATION=5
expect 'a target with its own duration keeps it' --duration 120
run push-live TREND_COEFFICIENT= FLAT_BASE= DESCRIPTION= URL=
expect 'empty variables give no flag'
run push-live
expect 'absent variables give no flag'

run backfill METRIC_NAME=m URL=http://h/ START_EPOCH=1700000000 END_EPOCH='2026-01-01 00:00' STEP_SIZE=5
expect 'backfill takes its window' backfill --metric-name m --step-size 5 --url http://h/ \
    --start-epoch 1700000000 --end-epoch '2026-01-01 00:00'
for name in METRIC_NAME LABELS DURATION; do
    run push-live "$name="
    refused "push-live without $name" "push-live needs $name: make push-live .*$name="
done
run push-live METRIC_NAME= LABELS= DURATION= ARGS='--metric-name m --labels a=b --end-epoch 9'
expect 'what a target needs may stand in ARGS' --metric-name m --labels a=b --end-epoch 9
run backfill
refused 'backfill without its window' 'backfill needs START_EPOCH END_EPOCH: '
run backfill ARGS='--since 2d'
expect 'backfill takes --since' backfill --since 2d
for days in 1 7 21; do
    run "backfill-${days}d" METRIC_NAME=m START_EPOCH=1 END_EPOCH=2
    expect "backfill-${days}d keeps its window" backfill --metric-name m --since "${days}d"
done
run backfill-file FILE='it'\''s $x.om' URL=http://h/
expect 'backfill-file takes FILE, and no target; it ends 3 hours ago' backfill --output 'it'\''s $x.om' \
    --start-epoch 1764144000 --end-epoch 1765958400
run backfill-file FILE=x.om START_EPOCH=1764144000
expect 'backfill-file ends 3 hours ago' backfill --output x.om --start-epoch 1764144000 --end-epoch 1765958400
run backfill-file FILE=x.om ARGS='--since 2d'
expect 'backfill-file takes --since' backfill --output x.om --since 2d
run backfill-file FILE=x.om START_EPOCH=1 END_EPOCH=2
expect 'backfill-file takes a window' backfill --output x.om --start-epoch 1 --end-epoch 2
run backfill-file
refused 'backfill-file without FILE' 'FILE is needed'

# What a build or a shell has set for other ends is not where a token goes.
for name in URL FILE PREFIX ARGS; do
    for flag in '' -e; do
        env "$name=https://site.example" make $flag push-live METRIC_NAME=m LABELS=l DURATION=1 >"$folder/seen" 2>&1 || true
        expect "$name of the environment is not used${flag:+ by make -e}" --metric-name m --labels l --duration 1
    done
done
FILE=x.om make backfill-file METRIC_NAME=m LABELS=l >"$folder/seen" 2>&1 || true
refused 'backfill-file with FILE of the environment' 'FILE is needed'
PREFIX=$folder/env make install >"$folder/seen" 2>&1 || true
holds 'PREFIX of the environment is not installed into' [ ! -e "$folder/env" ]

run push-live METRIC_NAME=m ARGS='--seed 7 --header "X-A: $HOME; b # c"'
expect 'ARGS is read as a shell reads it' --metric-name m --seed 7 --header "X-A: $HOME; b # c"
run backfill-7d ARGS=--verify
expect 'backfill takes ARGS' backfill --since 7d --verify
for name in SEED INTERVAL HEADER TIMEOUT RESUME OUTPUT SINCE; do
    run push-live METRIC_NAME=m "$name=1"
    refused "$name" "$name is no variable of this Makefile.*ARGS='--.*METRIC_NAME LABELS"
done
run push-live METRIC_NAME=m ENV=staging LANG=C CHAOS_SEED=1
expect 'a variable that is no flag passes' --metric-name m

# Where there is no compiler, and one could be installed.
mkdir "$folder/bare"
for tool in sh make dirname sed grep test rustc; do
    ! path=$(command -v "$tool") || [ ! -x "$path" ] || ln -s "$path" "$folder/bare/$tool"
done
ln -s "$folder/bin/cargo" "$folder/bare/cargo"
printf '#!/bin/sh\necho 0\n' >"$folder/bare/id"
printf '#!/bin/sh\necho "$0 $*" >>"%s"\n' "$folder/installed" >"$folder/bare/apt-get"
chmod +x "$folder/bare/id" "$folder/bare/apt-get"
PATH=$folder/bare make build >"$folder/seen" 2>&1 || true
holds 'build installs nothing' [ ! -e "$folder/installed" ]
holds 'build says what to install' seen 'apt-get install gcc libc6-dev'
PATH=$folder/bare scripts/setup.sh build >"$folder/seen" 2>&1 || true
holds 'what demo calls installs it' grep -q 'apt-get .*install .*gcc libc6-dev' "$folder/installed"
holds 'what demo calls says so' seen '^setup: apt-get install gcc libc6-dev'

# A Rust without the musl target.
printf '#!/bin/sh\n%s\n' 'case $* in -vV) echo host: x86_64-unknown-linux-gnu ;; *) echo /none ;; esac' >"$folder/bin/rustc"
chmod +x "$folder/bin/rustc"
scripts/static.sh >"$folder/seen" 2>&1 && code=0 || code=$?
holds 'static.sh fails without its target' [ "$code" = 1 ]
holds 'static.sh says how to add it' seen '^static: .*rustup target add x86_64-unknown-linux-musl'

run push-live DESCRIPTION='two
lines'
refused 'a line break' 'DESCRIPTION must be one line'

code=0
FAKE_EXIT=3 make push-live METRIC_NAME=m LABELS=l DURATION=1 >"$folder/seen" 2>&1 || code=$?
holds 'a failing run fails make' [ "$code" = 2 ]
holds "make names the binary's exit code" seen 'Error 3$'

make install PREFIX="$folder/it's here" >"$folder/seen" 2>&1 || true
holds 'install honours PREFIX' [ -x "$folder/it's here/bin/push-live-metrics" ]
make install >"$folder/seen" 2>&1 && code=0 || code=$?
holds 'install without PREFIX only builds' [ "$code" = 0 ]

make >"$folder/default"
make help >"$folder/seen"
holds 'help is the default goal' cmp -s "$folder/default" "$folder/seen"
sed -n 's/^\.PHONY: //p; /^VARIABLES := /,/[^\\]$/{s/^VARIABLES := //;s/\\$//;p;}' Makefile | tr -s ' \t' '[\n*]' >"$folder/names"
while read -r word; do
    holds "help lists $word" seen "^  $word  *."
done <"$folder/names"

printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
