#!/usr/bin/env bash
# Builds the filter twice from what is committed: in folders of different names and depths, with other homes, another
# umask and nothing built before. The two have to be the same bytes; if they are not, both are kept.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

have git || die "expected git, found none" "run: apt-get install git"
[ -f "$TOOLCHAIN_STAMP" ] || die "the wasm toolchain has not been looked for yet" "run: make setup"
commit=$(git -C "$ROOT" rev-parse HEAD)
[ -z "$(git -C "$ROOT" status --porcelain)" ] || echo "reproducible: what is not committed is left out"
cargo_home=${CARGO_HOME:-$HOME/.cargo}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# build N FOLDER UMASK makes N.wasm. Tools, and the crates that cargo has fetched, are the same ones.
build() {
    local folder=$work/$2 home=$work/home-$1
    echo "reproducible: build $1, $commit"
    mkdir -p "$folder" "$home/cargo"
    git -C "$ROOT" archive "$commit" | tar -x -C "$folder"
    ln -s "$cargo_home/registry" "$home/cargo/registry"
    [ ! -f "$cargo_home/config.toml" ] || cp "$cargo_home/config.toml" "$home/cargo/"
    (
        umask "$3"
        export RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup} SIDEGATE_CACHE=$CACHE
        export HOME=$home CARGO_HOME=$home/cargo CARGO_TARGET_DIR=$work/built-$1
        cd "$folder"
        scripts/wasm-cargo.sh build -q --profile wasm --locked -p sidegate-filter
        scripts/optimize-wasm.sh "$CARGO_TARGET_DIR/wasm32-unknown-unknown/wasm/sidegate.wasm" "$work/$1.wasm"
    )
}

build 1 a 022
build 2 another/deeper/place 077
first=$(sha256sum <"$work/1.wasm")
second=$(sha256sum <"$work/2.wasm")
if [ "$first" != "$second" ]; then
    mkdir -p "$ROOT/target/reproducible"
    cp "$work"/[12].wasm "$ROOT/target/reproducible/"
    die "expected two builds to be the same, got ${first%% *} and ${second%% *}" "they are in target/reproducible"
fi
echo "reproducible: both are ${first%% *}"
