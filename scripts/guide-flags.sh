#!/bin/sh
# Writes the tables of flags in docs/guide.md from `push-live-metrics --help`: the lines between
# the comments "flags: begin" and "flags: end" are replaced.
#
# Usage: scripts/guide-flags.sh [BINARY]            rewrites docs/guide.md
#        scripts/guide-flags.sh --check [BINARY]    shows the difference and exits 1 if any
#
# BINARY is the release build by default. tests/it/docs.rs runs the check.
set -eu

cd "$(dirname "$0")/.."
check=
if [ "${1:-}" = --check ]; then
    check=yes
    shift
fi
binary=${1:-${CARGO_TARGET_DIR:-target}/release/push-live-metrics}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$binary" --help >"$folder/help"

# A flag is a line `  --name VALUE [default: X] [variable: Y] [verb, verb]`, its text the
# lines below, further in; a heading stands at the margin in capitals.
awk '
    function cell(text) { gsub(/\|/, "\\|", text); return text }
    function flush() {
        if (flag == "") return
        if (verbs != "") text = text " (" verbs ")"
        if (variable != "") text = text " Variable: `" variable "`."
        print "| `" cell(flag) "` | " (initial == "" ? "" : "`" cell(initial) "`") " | " cell(text) " |"
        flag = ""
    }
    # Takes "[" before ... "]" out of the line and returns what stands between.
    function taken(before,   from, rest) {
        from = index($0, " [" before)
        if (from == 0) return ""
        rest = substr($0, from + 2 + length(before))
        $0 = substr($0, 1, from - 1) substr(rest, index(rest, "]") + 1)
        return substr(rest, 1, index(rest, "]") - 1)
    }
    /^[A-Z]+$/ {
        flush()
        wanted = $0 ~ /^(SERIES|WINDOW|TARGET|DELIVERY|OUTPUT)$/
        if (wanted) {
            print "\n| " substr($0, 1, 1) tolower(substr($0, 2)) " | Default | |\n|---|---|---|"
        }
        next
    }
    !wanted { next }
    /^$/ { flush(); wanted = 0; next }
    /^  -/ {
        flush()
        initial = taken("default: ")
        variable = taken("variable: ")
        verbs = taken("")
        sub(/^ +/, "")
        flag = $0
        text = ""
        next
    }
    { sub(/^ +/, ""); text = text (text == "" ? "" : " ") $0 }
    END { flush() }
' "$folder/help" >"$folder/table"
# shellcheck disable=SC2016 # the backticks are the table's
grep -q '^| `--metric-name NAME` |' "$folder/table" || {
    echo "guide-flags: no flags found in $binary --help" >&2
    exit 1
}

awk -v table="$folder/table" '
    /^<!-- flags: end -->$/ { skipping = 0; ends++; print "" }
    !skipping { print }
    /^<!-- flags: begin / {
        begins++
        skipping = 1
        while ((getline line < table) > 0) print line
    }
    END { if (begins != 1 || ends != 1) exit 1 }
' docs/guide.md >"$folder/guide.md" || {
    echo 'guide-flags: docs/guide.md needs one line "<!-- flags: begin ... -->" and one "<!-- flags: end -->"' >&2
    exit 1
}

if [ -n "$check" ]; then
    diff -u docs/guide.md "$folder/guide.md" && exit
    echo 'guide-flags: docs/guide.md and --help differ; run scripts/guide-flags.sh' >&2
    exit 1
fi
cmp -s docs/guide.md "$folder/guide.md" || cat "$folder/guide.md" >docs/guide.md
