#!/usr/bin/env bash
# Licences, bans and sources of every dependency, by cargo-deny; advisories too: by their database where it can be
# fetched, else by the list of one day in scripts/advisories.tsv.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
version=0.20.2
dir=$CACHE/cargo-deny/$version
mkdir -p "$CACHE"
if [ ! -x "$dir/bin/cargo-deny" ]; then
    say "cargo-deny $version: cargo install, takes some minutes once"
    build=$(mktemp -d "$CACHE/build.XXXXXX")
    CARGO_TARGET_DIR=$build cargo install -q --locked --root "$dir" --version "=$version" cargo-deny
    rm -rf "$build"
fi
cd "$ROOT"
"$dir/bin/cargo-deny" --all-features check licenses bans sources
if ! timeout 60 "$dir/bin/cargo-deny" fetch db >/dev/null 2>&1; then
    date=$(grep -o -m1 '[0-9]\{4\}-[0-9][0-9]-[0-9][0-9]' scripts/advisories.tsv)
    echo "deny: the database of advisories cannot be fetched from here; looking at scripts/advisories.tsv of $date"
    # The crates of `make test`, so that nothing is built anew for this alone.
    exec cargo test -q --locked --workspace --exclude sidegate-bench-noop --exclude sidegate-bench-bare \
        --exclude sidegate-bench-rvm --test supply_chain
fi
"$dir/bin/cargo-deny" --all-features check advisories
