#!/bin/sh
# Checks what the Makefile hands to push-live-metrics: nasty values must arrive whole, an empty
# variable gives no flag, and `make help` lists everything. A cargo that builds nothing and a
# binary that prints its arguments stand in for the real ones. Ends with `N passed, M failed`.
# shellcheck disable=SC2016,SC2034,SC2086 # values stand as they are, for eval
set -eu

cd "$(dirname "$0")/.."
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES MAKEFILES METRIC_NAME LABELS DURATION FLAT_BASE \
    TREND_COEFFICIENT DESCRIPTION URL PREFIX START_EPOCH END_EPOCH STEP_SIZE INCIDENTS FILE \
    ARGS || true # of the caller

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
mkdir -p "$folder/bin" "$folder/target/release" "$folder/bare"
# Makes $1 a program that runs the line $2.
program() { printf '#!/bin/sh\n%s\n' "$2" >"$folder/$1" && chmod +x "$folder/$1"; }
program bin/cargo 'exit 0'
program bin/date 'echo 1765971000' # 2025-12-17T11:30:00Z
program target/release/push-live-metrics \
    'for argument in "$@"; do printf "<%s>\n" "$argument"; done; exit "${FAKE_EXIT:-0}"'
export PATH="$folder/bin:$PATH" CARGO_TARGET_DIR="$folder/target"

passed=0 failed=0

# Whether the command $2... succeeds, by the name $1.
holds() {
    name=$1
    shift
    if "$@"; then passed=$((passed + 1)); return; fi
    failed=$((failed + 1))
    printf 'test-makefile: FAILED %s\n' "$name"
}
not() { ! "$@"; }
to_seen() { "$@" >"$folder/seen" 2>&1; }
# Whether what was seen has this pattern.
seen() { grep -q -e "$1" "$folder/seen"; }
# Runs make; what the target needs and $@ does not give is there, and is left out of what is seen.
run() {
    make METRIC_NAME=given LABELS=given DURATION=given "$@" >"$folder/all" 2>&1 || true
    sed '/^<--\(metric-name\|labels\|duration\)>$/{N;/\n<given>$/d;}' "$folder/all" >"$folder/seen"
}
# Whether make with the words of $1, as a shell reads them, hands $2... over.
hands() {
    title=$1
    shift
    for argument in "$@"; do printf '<%s>\n' "$argument"; done >"$folder/expected"
    eval "run $title"
    holds "$title" diff "$folder/expected" "$folder/seen"
}
# Whether make with the words of $1 is stopped by the words $2, before it runs anything.
refuses() { eval "run $1"; holds "$1 says why" seen "$2"; holds "$1 runs nothing" not seen '^<'; }

# The issue's own example, letter by letter.
labels='cpu=lina_cp_avg,tenant_uuid=abc123,uuid=device-456'
text="It's 50% \$5, \"x\""
hands 'push-live-30m METRIC_NAME=cpu LABELS="$labels" DESCRIPTION="$text"' \
    --metric-name cpu --labels "$labels" --description "$text" --duration 30

# Each value from the command line and from the environment.
while IFS= read -r value; do
    hands 'push-live DESCRIPTION="$value"' --description "$value"
    export DESCRIPTION="$value"
    hands 'push-live # DESCRIPTION of the environment' --description "$value"
    unset DESCRIPTION
    hands 'push-live LABELS="$value"' --labels "$value"
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

# Every variable becomes its flag; an empty or absent one gives none.
url='http://127.0.0.1:9090/api/v1/write?a=b&c=$d'
hands 'push-live-1h METRIC_NAME=m TREND_COEFFICIENT=-0.5 FLAT_BASE=-1e3 URL="$url"' \
    --metric-name m --trend-coefficient -0.5 --flat-base -1e3 --url "$url" --duration 60
hands 'push-live TREND_COEFFICIENT= FLAT_BASE= DESCRIPTION= URL='
hands 'push-live'
hands 'push-live DURATION=90' --duration 90
hands 'push-live-2h DURATION=5' --duration 120
hands 'backfill URL=http://h/ START_EPOCH=17 END_EPOCH="2026-01-01 00:00" STEP_SIZE=5' \
    backfill --step-size 5 --url http://h/ --start-epoch 17 --end-epoch '2026-01-01 00:00'
for days in 1d 7d 21d; do
    hands "backfill-$days START_EPOCH=1 END_EPOCH=2" backfill --since "$days"
done
# INCIDENTS are cut at semicolons.
gap='gap@10m+5m,a="it'\''s"'
shift='shift@2026-12-01T10:00:00+02:00+5m/1h=-1e3'
hands 'push-live INCIDENTS="$gap;$shift"' --incident "$gap" --incident "$shift"
hands 'backfill-1d INCIDENTS=flat@1h+5m' backfill --incident flat@1h+5m --since 1d

# What a target needs is there, or in ARGS.
for variable in METRIC_NAME LABELS DURATION; do
    refuses "push-live $variable=" "push-live needs $variable: make push-live .*$variable="
done
hands 'push-live METRIC_NAME= LABELS= DURATION= ARGS="--metric-name m --labels a --end-epoch 9"' \
    --metric-name m --labels a --end-epoch 9
refuses backfill 'backfill needs START_EPOCH END_EPOCH: '
hands 'backfill ARGS="--since 2d"' backfill --since 2d
# A file has no target, and ends 3 hours ago.
file='it'\''s $x.om'
ended='--start-epoch 1764144000 --end-epoch 1765958400'
hands 'backfill-file FILE="$file" URL=http://h/' backfill --output "$file" $ended
hands 'backfill-file FILE=x.om START_EPOCH=1764144000' backfill --output x.om $ended
hands 'backfill-file FILE=x.om ARGS="--since 2d"' backfill --output x.om --since 2d
hands 'backfill-file FILE=x.om START_EPOCH=1 END_EPOCH=2' \
    backfill --output x.om --start-epoch 1 --end-epoch 2
refuses backfill-file 'FILE is needed'

# What a build or a shell has set for other ends is not where a token goes.
for variable in URL FILE PREFIX ARGS; do
    export "$variable=https://site.example"
    hands "push-live # $variable of the environment"
    hands "-e push-live # $variable of the environment"
    unset "$variable"
done
export FILE=x.om PREFIX="$folder/env"
refuses 'backfill-file # FILE of the environment' 'FILE is needed'
run install
unset FILE PREFIX
holds 'PREFIX of the environment is not installed into' [ ! -e "$folder/env" ]

# ARGS is read as a shell reads it; another variable that is named as a flag is refused.
args='--seed 7 --header "X-A: $HOME; b # c"'
hands 'push-live ARGS="$args"' --seed 7 --header "X-A: $HOME; b # c"
hands 'backfill-7d ARGS=--verify' backfill --since 7d --verify
for variable in SEED INTERVAL HEADER TIMEOUT RESUME OUTPUT SINCE; do
    refuses "push-live $variable=1" "$variable is no variable of .*ARGS='--.*METRIC_NAME LABELS"
done
hands 'push-live ENV=staging LANG=C CHAOS_SEED=1'
refuses 'push-live DESCRIPTION="two
lines"' 'DESCRIPTION must be one line'

# Where there is no compiler, and one could be installed.
for tool in sh make dirname sed grep test rustc; do
    ! path=$(command -v "$tool") || [ ! -x "$path" ] || ln -s "$path" "$folder/bare/$tool"
done
ln -s "$folder/bin/cargo" "$folder/bare/cargo"
program bare/id 'echo 0'
program bare/apt-get 'echo "$0 $*" >>'"$folder/installed"
PATH=$folder/bare make build >"$folder/seen" 2>&1 || true
holds 'build installs nothing' [ ! -e "$folder/installed" ]
holds 'build says what to install' seen 'apt-get install gcc libc6-dev'
PATH=$folder/bare scripts/setup.sh build >"$folder/seen" 2>&1 || true
holds 'what demo calls installs it' grep -q 'apt-get .*install .*gcc libc6-dev' "$folder/installed"
holds 'what demo calls says so' seen '^setup: apt-get install gcc libc6-dev'

# A Rust without the musl target.
program bin/rustc 'case $* in -vV) echo host: x86_64-unknown-linux-gnu ;; *) echo /none ;; esac'
holds 'static.sh fails without its target' not to_seen scripts/static.sh
holds 'static.sh says how to add it' seen '^static: .*rustup target add x86_64-unknown-linux-musl'

holds 'a failing run fails make' not to_seen \
    env FAKE_EXIT=3 make push-live METRIC_NAME=m LABELS=l DURATION=1
holds "make names the binary's exit code" seen 'Error 3$'

run install PREFIX="$folder/it's here"
holds 'install honours PREFIX' [ -x "$folder/it's here/bin/push-live-metrics" ]
holds 'install without PREFIX only builds' to_seen make install

makefile=$PWD/Makefile
(cd "$folder" && make -f "$makefile" help) >"$folder/seen" 2>&1 || true
holds 'make -f from elsewhere says how' seen 'Makefile, or with -C FOLDER\.'

make >"$folder/default"
make help >"$folder/seen"
holds 'help is the default goal' cmp -s "$folder/default" "$folder/seen"
sed -n 's/^\.PHONY: //p; /^VARIABLES := /,/[^\\]$/{s/^VARIABLES := //;s/\\$//;p;}' Makefile |
    tr -s ' \t' '[\n*]' >"$folder/names"
while read -r word; do
    holds "help lists $word" seen "^  $word  *."
done <"$folder/names"

printf '%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
