#!/usr/bin/env bash
# The filter as it is shipped, from the one that the compiler made:
#   scripts/optimize-wasm.sh IN.wasm OUT.wasm
# Nothing is inlined: Envoy compiles each function when the filter is loaded, and keeps the memory that the largest one
# took. An OUT that was made of the same IN by the same program stays as it is.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

in=$1
out=$2
have wasm-opt || die "expected wasm-opt of binaryen, found none" "run: make setup, or: apt-get install binaryen"

# What V8 has had for years and rustc uses; what newer binaryens know besides is not for every Envoy.
features=(--enable-bulk-memory --enable-sign-ext --enable-mutable-globals --enable-nontrapping-float-to-int
    --enable-reference-types --enable-multivalue)
inlining=(--one-caller-inline-max-function-size=0 --flexible-inline-max-function-size=0 --always-inline-max-function-size=2)
made_of="$(sha256sum <"$in") $(wasm-opt --version) ${features[*]} ${inlining[*]}"
stamp=$out.made-of
if [ -f "$out" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$made_of $(sha256sum <"$out")" ]; then
    exit 0
fi
wasm-opt "${features[@]}" "${inlining[@]}" -O3 "$in" -o "$out.new"
mv "$out.new" "$out"
printf '%s %s\n' "$made_of" "$(sha256sum <"$out")" >"$stamp"
