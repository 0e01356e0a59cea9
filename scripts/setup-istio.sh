#!/usr/bin/env bash
# Builds or finds what `make e2e-istio` runs: istiod, Istio's agent and istioctl of several versions, a Kubernetes API
# server with kubectl (Go's module proxy), etcd and iptables (Debian's packages). All of it goes to the cache, keyed by
# the sums of what is built from; `scripts/setup.sh istio` calls this.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

# What is half done is thrown away; in the cache, so that a move is a rename.
mkdir -p "$CACHE"
WORK=$(mktemp -d "$CACHE/work.XXXXXX")
trap 'rm -rf "$WORK"' EXIT

# go_programs NAME FOLDER FLAGS PACKAGE...: builds programs by the go.mod of FOLDER into $CACHE/NAME/current.
go_programs() {
    local name=$1 folder=$2 flags=$3 dir key package
    shift 3
    key=$(cat "$folder"/go.mod "$folder"/go.sum | sha256sum | cut -c1-16)
    dir=$CACHE/$name/$key
    if [ -f "$dir/done" ]; then
        say "$name: $dir (found before)"
    else
        say "$name: go build of $# programs, takes minutes once"
        mkdir -p "$WORK/$name"
        for package in "$@"; do
            (cd "$folder" && go build -trimpath -ldflags "-s -w $flags" -o "$WORK/$name/" "$package") >&2 ||
                die "could not build $package" "try it: cd ${folder#"$ROOT"/} && go build $package"
        done
        rm -rf "$dir"
        mkdir -p "$(dirname "$dir")"
        mv "$WORK/$name" "$dir"
    fi
    ln -sfn "$key" "$CACHE/$name/current"
}

# What istiod, the agent and a cluster read besides the programs.
istio_files() {
    local folder=$1 dir=$2 source
    [ -f "$dir/done" ] && return
    source=$(cd "$folder" && go list -m -f '{{.Dir}}' istio.io/istio)
    install -m 644 "$source/manifests/charts/base/files/crd-all.gen.yaml" "$dir/crds.yaml"
    install -m 644 "$source/tools/packaging/common/envoy_bootstrap.json" "$dir/envoy_bootstrap.json"
    touch "$dir/done"
}

# Unpacked, not installed: the package would start a service.
setup_etcd() {
    local dir=$CACHE/etcd work
    if [ -x "$dir/etcd" ]; then
        say "etcd: $dir/etcd (found before)"
        return
    fi
    mkdir -p "$dir"
    if have etcd; then
        ln -sf "$(command -v etcd)" "$dir/etcd"
    else
        { have apt-get && have dpkg-deb; } || die "expected etcd (Kubernetes keeps its objects there), found none" \
            "install etcd 3.4 or newer, and run again"
        work=$WORK/etcd
        mkdir -p "$work"
        say "etcd: apt-get download etcd-server"
        (cd "$work" && apt-get download -q etcd-server >apt.log 2>&1) ||
            { apt-get update -q && cd "$work" && apt-get download -q etcd-server; } >&2 ||
            die "could not download Debian's package etcd-server" "install etcd 3.4 or newer, and run again"
        dpkg-deb -x "$work"/etcd-server_*.deb "$work/files"
        mv "$work/files/usr/bin/etcd" "$dir/etcd"
    fi
    say "etcd: $("$dir/etcd" --version | head -n 1)"
}

# Istio's own redirection of traffic needs iptables; the rest makes the network that it happens in.
setup_network_tools() {
    local tool missing=()
    for tool in ip:iproute2 iptables:iptables iptables-save:iptables unshare:util-linux nsenter:util-linux setpriv:util-linux; do
        have "${tool%:*}" || missing+=("${tool#*:}")
    done
    [ ${#missing[@]} = 0 ] || apt_install "${missing[@]}" ||
        die "expected ip, iptables, unshare, nsenter and setpriv, some are missing" "apt-get install ${missing[*]}"
    say "network: $(ip -V), $(iptables --version)"
}

need_go
setup_network_tools
setup_etcd
kubernetes=$(grep -o 'k8s.io/kubernetes v[0-9.]*' "$ROOT/tests/istio/kubernetes/go.mod" | cut -d' ' -f2)
go_programs kubernetes "$ROOT/tests/istio/kubernetes" \
    "-X k8s.io/component-base/version.gitVersion=$kubernetes" \
    k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kubectl
touch "$CACHE/kubernetes/current/done"
for version in $ISTIO; do
    folder=$ROOT/tests/istio/v$version
    go_programs "istio/$version" "$folder" "-X istio.io/istio/pkg/version.buildVersion=$version.0" \
        istio.io/istio/pilot/cmd/pilot-discovery istio.io/istio/pilot/cmd/pilot-agent istio.io/istio/istioctl/cmd/istioctl
    istio_files "$folder" "$CACHE/istio/$version/current"
done
