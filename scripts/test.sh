#!/bin/sh
# All checks (`make test`; CI runs nothing else). Installs what is missing first (setup.sh). Every
# step runs, also after one has failed.
#
# Usage: scripts/test.sh         all of it
#        scripts/test.sh lint    formatting, clippy and shellcheck only (`make lint`)
#
# What cannot be tested here is reported as skipped; with CI=true it is a failure. The last line
# adds up cargo's tests and the steps: `N passed, M failed`. Exit 1 when anything failed.
set -eu

cd "$(dirname "$0")/.."

# Under nohup SIGHUP is ignored, in a background job of a shell SIGINT and SIGQUIT, and children
# inherit that. The tests of signals need their defaults. (The mask's lowest bits: 1, 2 and 4.)
case $(sed -n 's/^SigIgn:.*\(.\)$/\1/p' /proc/self/status) in
    [!08]) exec env --default-signal=HUP,INT,QUIT "$PWD/scripts/test.sh" "$@" ;;
esac

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

passed=0 failed=0 skipped=0 failures='' skips=''

# Runs the command $2... as the step $1. What it counted itself (cargo's `test result:` lines, a
# script's `N passed, M failed`, `*** SKIPPED ***` lines) is added up; one that counts nothing is
# itself the check.
step() {
    name=$1
    shift
    printf '\n== %s\n' "$name"
    started=$(date +%s)
    { "$@" 2>&1 && code=0 || code=$?; echo "$code" >"$folder/code"; } | tee "$folder/log"
    read -r code <"$folder/code"
    awk -v code="$code" -v ci="${CI:-}" '
        /^test result:/ || /^[0-9]+ passed, [0-9]+ failed$/ {
            for (i = 2; i <= NF; i++) count[substr($i, 1, 6)] += $(i - 1)
        }
        /\*\*\* (SKIPPED|MISSING) \*\*\*/ { skipped++ }
        END {
            passed = count["passed"]; failed = count["failed"]; skipped += count["ignore"]
            if (code == 0 && passed + failed + skipped == 0) passed = 1
            if (ci == "true") { failed += skipped; skipped = 0 }
            if (code != 0 && failed == 0) failed = 1
            print passed + 0, failed + 0, skipped + 0
        }' "$folder/log" >"$folder/counts"
    read -r step_passed step_failed step_skipped <"$folder/counts"
    passed=$((passed + step_passed))
    failed=$((failed + step_failed))
    skipped=$((skipped + step_skipped))
    result=ok
    [ "$step_skipped" = 0 ] || result="ok, $step_skipped skipped"
    [ "$step_failed" = 0 ] || { result=FAILED; failures="$failures
  $name"; }
    printf -- '-- %s: %s (%s s)\n' "$name" "$result" $(($(date +%s) - started))
}

# Stands in for a step that cannot be done here.
skip() { echo "*** SKIPPED *** $*"; }

shell_scripts() {
    command -v shellcheck >/dev/null || { skip 'shellcheck is not installed'; return; }
    shellcheck scripts/*.sh .ci/run
}

# The values must be the same bits in a musl build. A filter that fits no test would be a skip that
# nobody sees.
musl_tests() {
    lacks=$(scripts/static.sh --lacks)
    [ -z "$lacks" ] || { skip "$lacks"; return; }
    cargo test --locked --target "$musl" -- golden fingerprint >"$folder/musl" 2>&1 &&
        musl_code=0 || musl_code=$?
    cat "$folder/musl"
    grep -q '^test result: .* [1-9][0-9]* passed' "$folder/musl" ||
        { echo "no golden or fingerprint test passed for $musl"; return 1; }
    return "$musl_code"
}

# The build without TLS says what it is, and sends nothing in the clear that was to be encrypted.
without_tls() {
    lacks=$(scripts/static.sh --lacks)
    [ -z "$lacks" ] || { skip "$lacks"; return; }
    binary=$(scripts/static.sh --no-default-features) || return 1
    version=$("$binary" --version)
    case $version in *' (without TLS)') ;; *) echo "--version: $version"; return 1 ;; esac
    # Nobody listens on port 9, so an attempt would end otherwise.
    set -- --metric-name m --labels a=b --duration 1 --url https://127.0.0.1:9/
    "$binary" "$@" >"$folder/stdout" 2>"$folder/stderr" && tls_code=0 || tls_code=$?
    cat "$folder/stderr"
    [ "$tls_code" = 2 ] && [ ! -s "$folder/stdout" ] && [ "$(wc -l <"$folder/stderr")" = 1 ] &&
        grep -q 'https://127.0.0.1:9/.*needs TLS' "$folder/stderr" && return
    echo "an https URL: exit $tls_code, not 2 with one line that says why"
    return 1
}

if [ "${1:-}" = lint ]; then scripts/setup.sh --say test; else scripts/setup.sh test; fi
musl=$(rustc -vV | sed -n 's/^host: \([^-]*\)-.*/\1/p')-unknown-linux-musl

step 'format' cargo fmt --check
clippy() { cargo clippy --locked --quiet --all-targets "$@" -- -D warnings; }
step 'clippy' clippy
step 'clippy without TLS' clippy --no-default-features
step 'shellcheck' shell_scripts
if [ "${1:-}" != lint ]; then
    step 'receivers' scripts/receivers.sh
    # Builds the static binary, which some tests run.
    step 'budgets' scripts/budgets.sh
    # Most tests wait: for a retry, a tick, a receiver.
    step 'tests' env RUST_TEST_THREADS=8 cargo test --locked
    step "golden values, $musl" musl_tests
    step 'without TLS' without_tls
    step 'Makefile' scripts/test-makefile.sh
fi

[ -z "$failures" ] || printf '\nFailed:%s\n' "$failures"
[ "$skipped" = 0 ] || skips=", $skipped skipped"
printf '\n%s passed, %s failed%s\n' "$passed" "$failed" "$skips"
[ "$failed" = 0 ]
