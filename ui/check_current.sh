#!/bin/sh
# Is ui/dist/index.html what the sources give? Builds into a scratch folder and compares.
set -eu
cd "$(dirname "$0")"
# Not `npm ci`: it asks for the packages of every platform. The lock file's versions and hashes hold here too.
[ -d node_modules ] || npm install --no-save --silent
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
npx vite build --logLevel error --outDir "$scratch/dist" --emptyOutDir
if cmp -s "$scratch/dist/index.html" dist/index.html; then
  echo "ui/dist/index.html is current"
else
  echo "ui/dist/index.html is not what ui/ builds: run 'npm run build' in ui/ and commit it" >&2
  exit 1
fi
