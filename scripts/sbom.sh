#!/usr/bin/env bash
# Lists of what is in the filter and in the program, as CycloneDX by cargo-cyclonedx: dist/sidegate-filter.cdx.json and
# dist/sidegate-cli.cdx.json. The same bytes for the same Cargo.lock: no time, no place.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
version=0.5.9
dir=$CACHE/cargo-cyclonedx/$version
mkdir -p "$CACHE" "$ROOT/dist"
if [ ! -x "$dir/bin/cargo-cyclonedx" ]; then
    say "cargo-cyclonedx $version: cargo install, takes some minutes once"
    build=$(mktemp -d "$CACHE/build.XXXXXX")
    CARGO_TARGET_DIR=$build cargo install -q --locked --root "$dir" --version "=$version" cargo-cyclonedx
    rm -rf "$build"
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# list OUT TARGET CRATE MEMBER...: what is in CRATE. A workspace of these members alone: in the whole one, features would
# be switched on that tests and benches want. What only tests and builds need is no part of a product.
list() {
    local out=$ROOT/dist/$1 target=$2 crate=$3 members
    shift 3
    rm -rf "${work:?}/all"
    mkdir "$work/all"
    cp "$ROOT/Cargo.lock" "$work/all/"
    members=$(printf '"%s", ' "$@")
    sed "s/^members = .*/members = [${members%, }]/; /^default-members = /d" "$ROOT/Cargo.toml" >"$work/all/Cargo.toml"
    for member in "$@"; do
        mkdir "$work/all/$member"
        cp -r "$ROOT/$member/src" "$work/all/$member/"
        awk '/^\[/ { skip = /^\[dev-dependencies|^\[\[(test|bench|example)/ } !skip' "$ROOT/$member/Cargo.toml" \
            >"$work/all/$member/Cargo.toml"
    done
    # What the sources include is not looked at, only that they are there.
    SOURCE_DATE_EPOCH=0 PATH=$dir/bin:$PATH cargo cyclonedx -q --format json --spec-version 1.5 --no-build-deps \
        --target "$target" --override-filename list --manifest-path "$work/all/${!#}/Cargo.toml"
    sed "s|path+file://$work/all/||g" "$work/all/${!#}/list.json" >"$out"
    (cd "$ROOT" && cargo tree --locked -q -p "$crate" --target "$target" -e normal --prefix none --format '{p}') |
        awk 'NF { print $1, substr($2, 2) }' | sort -u >"$work/tree"
    (cd "$ROOT" && cargo run -q --locked -p sidegate-tests --bin check-sbom -- "$out" "$work/tree")
}

cd "$ROOT"
list sidegate-filter.cdx.json wasm32-unknown-unknown sidegate-filter engine filter
list sidegate-cli.cdx.json x86_64-unknown-linux-gnu sidegate engine compiler cli
