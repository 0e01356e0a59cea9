#!/usr/bin/env bash
# Prints the folder with OPA's conformance cases: $OPA_CASES, else that of the OPA module which
# tests/opa/conformance names, fetched into Go's module cache where it is not there yet.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

if [ -n "${OPA_CASES:-}" ]; then
    [ -d "$OPA_CASES/v1" ] || die "expected OPA_CASES to be a folder with v0 and v1, got '$OPA_CASES'"
    printf '%s\n' "$OPA_CASES"
    exit
fi
need_go
cd "$ROOT/tests/opa/conformance"
module=github.com/open-policy-agent/opa
go mod download "$module" >&2 || die "could not fetch $module with Go's module proxy" \
    "try it: cd tests/opa/conformance && go mod download $module" "or set OPA_CASES to the folder v1/test/cases/testdata of OPA's source"
dir=$(go list -m -f '{{.Dir}}' "$module")/v1/test/cases/testdata
[ -d "$dir/v1" ] || die "expected OPA's cases in $dir, found none"
printf '%s\n' "$dir"
