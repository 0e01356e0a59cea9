#!/usr/bin/env bash
# Lists of what is in the filter and in the program, as CycloneDX 1.5 by cargo-cyclonedx: dist/sidegate-filter.cdx.json
# and dist/sidegate-cli.cdx.json. The same bytes for the same Cargo.lock: no time, no serial number, no path.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
version=0.5.9
dir=$CACHE/cargo-cyclonedx/$version
mkdir -p "$CACHE"
if [ ! -x "$dir/bin/cargo-cyclonedx" ]; then
    say "cargo-cyclonedx $version: cargo install, takes some minutes once"
    build=$(mktemp -d "$CACHE/build.XXXXXX")
    CARGO_TARGET_DIR=$build cargo install -q --locked --root "$dir" --version "=$version" cargo-cyclonedx
    rm -rf "$build"
fi
cd "$ROOT"
