#!/bin/sh
# Prints the man page, made of what the binary $1 says of itself. tests/it/docs.rs holds that
# nothing of `--help` is lost on the way; `man -l` shows it.
#
# Of the help's form it knows: headings in capitals at the margin; `  --flag ...` and
# `  name  text` at two spaces, with their texts further in; examples as they are.
set -eu

binary=$1
name=push-live-metrics
verbs=$("$binary" --help | sed -n "s/^  $name \([a-z]*\) \[FLAGS\].*/\1/p")

# What roff would make something else of: a backslash, hyphens and quotes that are to be copied
# (\047 is one), a dot at the start.
# shellcheck disable=SC2016 # awk's
awk_functions='
    function plain(text) {
        gsub(/\\/, "\\e", text)
        gsub(/-/, "\\-", text)
        gsub(/\047/, "\\(aq", text)
        if (text ~ /^\./) text = "\\&" text
        return text
    }
    # Names in bold, what stands for a value in italics, as in --url URL [variable: X].
    function tag(text,   bold, rest, note) {
        note = index(text, " [")
        if (note) { rest = substr(text, note); text = substr(text, 1, note - 1) }
        bold = text
        sub(/ .*/, "", bold)
        text = substr(text, length(bold) + 1)
        return "\\fB" plain(bold) "\\fR" (text == "" ? "" : "\\fI" plain(text) "\\fR") plain(rest)
    }
'

printf '.TH PUSH\\-LIVE\\-METRICS 1 "" "%s" "User Commands"\n' "$("$binary" --version)"
printf '.SH NAME\n%s \\- push a live synthetic time series by Prometheus remote write\n.SH SYNOPSIS\n.nf\n' \
    push\\-live\\-metrics
for verb in '' $verbs; do
    printf '\\fBpush\\-live\\-metrics\\fR%s [\\fIFLAGS\\fR]\n' "${verb:+ \\fB$verb\\fR}"
done
printf '.fi\n.SH DESCRIPTION\n'
"$binary" --help | awk "$awk_functions"'/^$/ { exit } { print plain($0) }'
for verb in $verbs; do
    printf '.SS %s\n' "$verb"
    "$binary" "$verb" --help | awk "$awk_functions"'/^$/ { exit } { print plain($0) }'
done
echo .SH OPTIONS
"$binary" --help | awk "$awk_functions"'
    NR == 1, /^$/ { next }
    /^USAGE$/, /^$/ { next }
    /^[A-Z][A-Z ]*$/ {
        # The first ones are of the flags, the rest are sections.
        heading = $0
        flags = heading !~ /^(EXIT STATUS|ENVIRONMENT|EXAMPLES)$/
        print (flags ? ".SS " substr(heading, 1, 1) tolower(substr(heading, 2)) : ".SH " heading)
        if (heading == "EXAMPLES") print ".nf"
        next
    }
    heading == "EXAMPLES" { print plain($0); next }
    /^$/ { next }
    /^[^ ]/ { if (!noted++) print ".SS Notation"; print plain($0); next }
    flags && /^  -/ { sub(/^ +/, ""); print ".TP\n" tag($0); next }
    flags { sub(/^ +/, ""); print plain($0); next }
    # A name, and on the same line or on the next ones what it stands for.
    /^  [^ ].*  [^ ]/ || /^  [A-Z_]+(, [A-Z_]+)*$/ {
        sub(/^ +/, "")
        words = $0
        sub(/  .*/, "", words)
        text = substr($0, length(words) + 1)
        sub(/^ +/, "", text)
        print ".TP\n\\fB" plain(words) "\\fR" (text == "" ? "" : "\n" plain(text))
        next
    }
    { sub(/^ +/, ""); print plain($0) }
'
echo .fi
