#!/bin/sh
# Prints the man page, made of what the binary $1 says of itself.
set -eu

binary=$1
escape() { sed 's/\\/\\e/g; s/^\([.'"'"']\)/\\\&\1/'; }
version=$("$binary" --version)
cat <<PAGE
.TH PUSH-LIVE-METRICS 1 "" "$version" "User Commands"
.SH NAME
push-live-metrics \- push a live synthetic time series by Prometheus remote write
.SH DESCRIPTION
.nf
PAGE
for verb in '' $("$binary" --help | sed -n 's/^  push-live-metrics \([a-z]*\) \[FLAGS\].*/\1/p'); do
    [ -z "$verb" ] || printf '.fi\n.SH VERB %s\n.nf\n' "$(printf '%s' "$verb" | tr '[:lower:]' '[:upper:]')"
    # shellcheck disable=SC2086 # no verb is no argument
    "$binary" $verb --help | escape
done
echo .fi
