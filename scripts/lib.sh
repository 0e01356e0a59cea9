# shellcheck shell=bash disable=SC2034  # used by the scripts that source it
# Shared by the scripts; sourced, not run. Expects `set -euo pipefail` from the caller.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${SIDEGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sidegate}
TOOLCHAIN_STAMP=$CACHE/wasm-toolchain
# shellcheck source=scripts/versions.sh
. "$ROOT/scripts/versions.sh"

# One line a step: what is used, found or installed.
say() { printf 'setup: %s\n' "$*"; }

die() {
    printf 'error: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '  %s\n' "$line" >&2; done
    exit 2
}

have() { command -v "$1" >/dev/null 2>&1; }

# apt_install PACKAGE...: installs Debian packages, if this is Debian and we may.
apt_install() {
    have apt-get || return 1
    [ "$(id -u)" = 0 ] || return 1
    say "apt-get install $*"
    export DEBIAN_FRONTEND=noninteractive
    if ! apt-get install -y -q --no-install-recommends "$@" >"$CACHE/apt.log" 2>&1; then
        apt-get update -q >"$CACHE/apt.log" 2>&1 || true
        apt-get install -y -q --no-install-recommends "$@" >>"$CACHE/apt.log" 2>&1 || {
            tail -n 20 "$CACHE/apt.log" >&2
            return 1
        }
    fi
}

# locked_version CRATE: the version that Cargo.lock has.
locked_version() {
    awk -v want="name = \"$1\"" '$0 == want { getline; gsub(/version = |"/, ""); print; exit }' "$ROOT/Cargo.lock"
}

# Only what compares with a real OPA needs Go; what `go` fetches itself goes to its own module cache.
need_go() {
    have go || die "expected Go 1.26 or newer (go), found none in PATH" \
        "install it from https://go.dev/dl, or with 'apt-get install golang-go' where that is new enough, and run again"
}
