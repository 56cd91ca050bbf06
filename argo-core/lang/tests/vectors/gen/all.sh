#!/usr/bin/env bash
# Writes the vector files anew: all of them, or those of the languages named. A language may have more sets than one: their
# names are in <language>/sets, they are given to its program and stand in <language>_<set>.json.
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
    for set in "" $(cat "$language/sets" 2>/dev/null || true); do
        name=$language${set:+_$set}
        # shellcheck disable=SC2086  # no set is no argument
        go run "./$language" $set > "$fresh/$name.json"
        if cmp -s "$fresh/$name.json" "../$name.json"; then
            echo "$name: unchanged"
        elif [ -n "$check" ]; then
            echo "$name: differs"
            diff "../$name.json" "$fresh/$name.json" | head -10 || true
            status=1
        else
            cp "$fresh/$name.json" "../$name.json"
            echo "$name: written"
        fi
    done
done
exit $status
