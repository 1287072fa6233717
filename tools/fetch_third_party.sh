#!/usr/bin/env bash
# Puts DuckDB's library and C header into third_party/duckdb, from pinned npm packages whose
# sha512 must match. Nothing of the packages is run.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=third_party/duckdb
stamp="$dir/.versions"
pins="@duckdb/node-bindings-linux-x64@1.5.6-r.1 duckdb@1.4.4"
[ "$(cat "$stamp" 2>/dev/null)" = "$pins" ] && exit 0

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fetch() {  # package, sha512 of its archive, path inside it
  local archive
  archive=$(cd "$tmp" && npm pack --silent "$1" | tail -n 1)
  echo "$2  $tmp/$archive" | sha512sum --check --quiet || { echo "hash of $1 is not the pinned one" >&2; exit 1; }
  tar -xzf "$tmp/$archive" -C "$tmp" "package/$3"
  cp "$tmp/package/$3" "$dir/"
}
mkdir -p "$dir"
fetch @duckdb/node-bindings-linux-x64@1.5.6-r.1 21772b64913a904a8cd19e30c1d5671811d7fdface4b7dd53cd0300d743f43e16cf386f4e7c41ef78721ac208870d2651bc6375072145387817824315b998dd5 libduckdb.so
fetch duckdb@1.4.4 844249e61c9517454b8f776638ba6c5ab411d1bddde1892ab72826ea25178c72430e74aa83f5122b171be6abcdace84560f824b5ac94e9d5c2b603ea7269a9a2 src/duckdb/src/include/duckdb.h
echo "$pins" > "$stamp"
