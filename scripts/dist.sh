#!/bin/sh
# Makes dist/push-live-metrics-VERSION-ARCH-linux.tar.gz (`make dist`): the static binary, its man
# page, completions, documents, scripts/backfill-blocks.sh, licences and SHA256SUMS. The
# same sources and toolchain give the same bytes. Exit 1 when the binary exceeds its budget.
#
# Usage: scripts/dist.sh [TARGET]   as in aarch64-unknown-linux-musl, for another architecture
#                                   than this host's (by gcc-aarch64-linux-gnu)
set -eu

cd "$(dirname "$0")/.."
binary_bytes_max=2100000
die() { echo "dist: $*" >&2; exit 1; }
name=push-live-metrics
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
host_arch=$(rustc -vV | sed -n 's/^host: \([^-]*\)-.*/\1/p')
musl=${1:-"$host_arch-unknown-linux-musl"}
arch=${musl%%-*}

lacks=$(scripts/static.sh "--target=$musl" --lacks)
[ -z "$lacks" ] || die "$lacks"
binary=$(scripts/static.sh "--target=$musl")
bytes=$(wc -c <"$binary")
echo "dist: static binary, $bytes bytes of $binary_bytes_max"
[ "$bytes" -le "$binary_bytes_max" ] || die 'the binary is over its budget'

folder=dist/$name-$version-$arch-linux
rm -rf "$folder" "$folder.tar.gz"
mkdir -p "$folder/licences"
install -m 755 "$binary" "$folder/$name"
install -m 644 README.md CHANGELOG.md CONTRIBUTING.md LICENSE .env.example "$folder/"
install -D -m 644 -t "$folder/docs" docs/*.md
install -D -m 755 -t "$folder/scripts" scripts/backfill-blocks.sh
flags() { cargo run --quiet --locked --example flags "$1"; }
flags man >"$folder/$name.1"
mkdir "$folder/completions"
flags bash >"$folder/completions/$name.bash"
flags zsh >"$folder/completions/_$name"
flags fish >"$folder/completions/$name.fish"
# Name, version, licence and, where the crate has them, the texts of what is linked in.
cargo tree --locked -e normal --prefix none --target "$musl" --format '{p} {l}' |
    sed 's/ ([^)]*)//; s/ (\*)$//' | sort -u | grep -v "^$name v" >"$folder/licences/CRATES"
cargo metadata --locked --format-version 1 --filter-platform "$musl" | tr ',' '\n' |
    sed -n 's/.*"manifest_path":"\(.*\)\/Cargo.toml".*/\1/p' >"$folder.sources"
while read -r crate number _; do
    source=$(grep "/$crate-${number#v}\$" "$folder.sources") ||
        die "no sources of $crate $number to take its licence from"
    for file in "$source"/LICEN[CS]E* "$source"/COPYING* "$source"/UNLICENSE*; do
        [ ! -f "$file" ] || install -m 644 "$file" "$folder/licences/$crate-${file##*/}"
    done
done <"$folder/licences/CRATES"
rm "$folder.sources"
sums=$(cd "$folder" && find . -type f | LC_ALL=C sort | xargs sha256sum)
echo "$sums" >"$folder/SHA256SUMS"
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime='@0' --mode='u+rw,go=rX,u+rX' \
    -C dist -cf - "${folder##*/}" | gzip -n9 >"$folder.tar.gz"
(cd dist && sha256sum "${folder##*/}.tar.gz" | tee SHA256SUMS)
tar -tzf "$folder.tar.gz"
