#!/usr/bin/env bash
# cargo for wasm32-unknown-unknown, with the toolchain that setup chose:
#   scripts/wasm-cargo.sh build --release -p sidegate-filter
# Machine paths are mapped away, so the same sources give the same bytes in any folder.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

[ -f "$TOOLCHAIN_STAMP" ] || die "the wasm toolchain has not been looked for yet" "run: make setup"
stamp=$(cat "$TOOLCHAIN_STAMP")
choice=${SIDEGATE_WASM_TOOLCHAIN:-${stamp%% *}}
verb=$1
shift

args=(--target wasm32-unknown-unknown)
cargo=cargo
if [ "$choice" = debian ]; then
    # Debian ships std as sources; /usr/bin first, so that cargo finds the compiler they belong to.
    export PATH=/usr/bin:$PATH RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1
    export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-19
    cargo=/usr/bin/cargo
    args+=(-Z "build-std=std,panic_abort")
fi

sep=$'\x1f'
flags=${CARGO_ENCODED_RUSTFLAGS:-}
map() { flags+="${flags:+$sep}--remap-path-prefix=$1=$2"; }
map "$ROOT" /sidegate
map "${CARGO_HOME:-$HOME/.cargo}" /cargo
map "$("${RUSTC:-rustc}" --print sysroot)" /rust
export CARGO_ENCODED_RUSTFLAGS=$flags

if [ "$verb" = test ]; then
    # The tests run in Node; no browser is looked for.
    CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=$CACHE/wasm-bindgen/$(locked_version wasm-bindgen)/bin/wasm-bindgen-test-runner
    [ -x "$CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER" ] ||
        die "expected wasm-bindgen-test-runner at $CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER, found none" "run: make setup"
    export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER
fi

cd "$ROOT"
exec "$cargo" "$verb" "${args[@]}" "$@"
