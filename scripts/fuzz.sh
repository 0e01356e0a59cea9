#!/usr/bin/env bash
# The fuzz targets, one after the other, TIME seconds each (600). ONLY=target runs one; SEED=1 begins with the fixtures of
# the tests as well; KEEP=1 makes the corpora anew afterwards, of what was found. What makes a target fail is put into
# fuzz/crashes, where the tests find it.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
version=0.13.2
dir=$CACHE/cargo-fuzz/$version
fuzz=$ROOT/fuzz
work=$fuzz/target/work
time=${TIME:-600}
# The stack that wasm has, in KiB: what needs more would trap in the proxy.
stack=1024

# Bytes of the longest input that is tried.
longest() {
    case $1 in
    bundle) echo 32768 ;;
    plan) echo 16384 ;;
    pointer | signature) echo 8192 ;;
    certificate | config | decision | table) echo 4096 ;;
    input | proto) echo 2048 ;;
    builtin) echo 1024 ;;
    path) echo 512 ;;
    regex) echo 256 ;;
    *) die "expected a length for the target \`$1\`, got none; write it in scripts/fuzz.sh" ;;
    esac
}

find_tools() {
    mkdir -p "$CACHE"
    if [ ! -x "$dir/bin/cargo-fuzz" ]; then
        say "cargo-fuzz $version: cargo install, takes some minutes once"
        local build
        build=$(mktemp -d "$CACHE/build.XXXXXX")
        CARGO_TARGET_DIR=$build cargo install -q --locked --root "$dir" --version "=$version" cargo-fuzz
        rm -rf "$build"
    fi
    have c++ || die "expected a C++ compiler for libFuzzer (c++), found none in PATH" "apt-get install g++"
    if have rustup && rustup run nightly rustc --version >/dev/null 2>&1; then
        export RUSTUP_TOOLCHAIN=nightly
    elif RUSTC_BOOTSTRAP=1 rustc -Z help >/dev/null 2>&1; then
        say "no nightly toolchain: the stable one, with RUSTC_BOOTSTRAP=1"
        export RUSTC_BOOTSTRAP=1
    else
        die "expected a Rust toolchain that can instrument code, found none" "rustup toolchain install nightly"
    fi
}

# Without AddressSanitizer (`-s none`): the engine has no `unsafe`, and what panics is seen without.
build() {
    "$dir/bin/cargo-fuzz" build -s none --fuzz-dir "$fuzz"
    host=$(rustc -vV | sed -n 's/^host: //p')
    bin=$fuzz/target/$host/release
}

# program TARGET ARGUMENTS...: the target's program, on a small stack.
program() (
    ulimit -s "$stack"
    exec "$bin/$1" -rss_limit_mb=2048 -timeout=10 -max_len="$(longest "$1")" "${@:2}"
)

# folders TARGET: where inputs come from, the one for new ones first.
folders() {
    mkdir -p "$work/found/$1" "$fuzz/corpus/$1"
    printf '%s\n' "$work/found/$1" "$fuzz/corpus/$1"
    [ ! -d "$work/seeds/$1" ] || printf '%s\n' "$work/seeds/$1"
}

run() {
    local target=$1 log=$work/$1.log result=nothing dict=()
    mkdir -p "$fuzz/crashes/$target"
    [ ! -f "$fuzz/dictionaries/$target" ] || dict=("-dict=$fuzz/dictionaries/$target")
    mapfile -t folders < <(folders "$target")
    program "$target" -max_total_time="$time" -print_final_stats=1 -artifact_prefix="$fuzz/crashes/$target/" \
        "${dict[@]}" "${folders[@]}" >"$log" 2>&1 || result="FAILED, see $log"
    rmdir "$fuzz/crashes/$target" 2>/dev/null || true
    local last executed
    last=$(grep -E '^#[0-9]+.*cov: ' "$log" | tail -n 1 | sed -E 's/.*cov: ([0-9]+) ft: ([0-9]+) .*/\1 edges, \2 features/')
    executed=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    printf '%-12s %10s executions, %s: %s\n' "$target" "${executed:-?}" "${last:-?}" "$result"
    [ "$result" = nothing ]
}

# Of the inputs that reach something, those that reach the most that others before them have not: as many as a checkout
# can bear. The merge writes them in that order.
keep() {
    local target=$1 small=$work/small/$1
    rm -rf "$small"
    mkdir -p "$small"
    mapfile -t folders < <(folders "$target")
    program "$target" -set_cover_merge=1 -use_counters=0 "$small" "${folders[@]}" >>"$work/$target.log" 2>&1
    find "$small" -type f -printf '%T@ %s %p\n' | sort -n |
        awk '{ sum += $2 } NR <= 280 && sum <= 220000 { print $3 }' >"$work/$target.kept"
    rm -rf "$fuzz/corpus/$target"
    mkdir -p "$fuzz/corpus/$target"
    xargs -r cp -t "$fuzz/corpus/$target" <"$work/$target.kept"
}

find_tools
build
if [ -n "${SEED:-}" ]; then
    (cd "$ROOT" && cargo run -q --locked -p sidegate-fuzz-targets --example seeds -- "$work/seeds")
fi
status=0
for file in "$fuzz"/fuzz_targets/*.rs; do
    target=$(basename "$file" .rs)
    [ -z "${ONLY:-}" ] || [ "$ONLY" = "$target" ] || continue
    mkdir -p "$work"
    if run "$target"; then
        [ -z "${KEEP:-}" ] || keep "$target"
    else
        status=1
    fi
done
exit $status
