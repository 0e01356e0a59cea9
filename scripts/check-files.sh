#!/usr/bin/env bash
# A file over 400 lines wants splitting: a newcomer reads files whole.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
limit=400
cd "$ROOT"
long=$(git ls-files -co --exclude-standard -- '*.rs' '*.sh' '*.rego' '*.yaml' '*.md' Makefile '*.toml' |
    while IFS= read -r file; do
        [ -f "$file" ] || continue
        # Tables that a program writes are looked up in, not read.
        if awk 'NR < 6 && /^Written by `make / { found = 1 } END { exit !found }' "$file"; then continue; fi
        lines=$(wc -l <"$file")
        [ "$lines" -le $limit ] || printf '%s: %s lines\n' "$file" "$lines"
    done)
[ -z "$long" ] || die "expected files of at most $limit lines, found" "$long"
