#!/usr/bin/env bash
# Writes the vector files anew: all of them, or those of the languages named.
#   ./all.sh [--check] [language...]     --check only says which would change
set -euo pipefail
cd "$(dirname "$0")"
check=
if [ "${1:-}" = --check ]; then check=1; shift; fi
[ $# -gt 0 ] || set -- $(for it in */main.go; do dirname "$it"; done)
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
status=0
for language in "$@"; do
    go run "./$language" > "$fresh/$language.json"
    if cmp -s "$fresh/$language.json" "../$language.json"; then
        echo "$language: unchanged"
    elif [ -n "$check" ]; then
        echo "$language: differs"
        diff "../$language.json" "$fresh/$language.json" | head -10 || true
        status=1
    else
        cp "$fresh/$language.json" "../$language.json"
        echo "$language: written"
    fi
done
exit $status
