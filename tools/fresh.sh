#!/usr/bin/env bash
# Proves the README's two commands in a clean Debian 12 with git alone: debootstrap into build/fresh/root,
# clone the committed state there, run `./dev demo` until its page answers, then `./dev test`.
# Needs root. The archive is the one that this machine's apt uses; its CA certificates are lent to the
# root, since a company's proxy may need them.   tools/fresh.sh [demo|test]
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo "debootstrap needs root" >&2; exit 1; }
command -v debootstrap >/dev/null || apt-get install -y -qq --no-install-recommends debootstrap >/dev/null

root=$PWD/build/fresh/root
archive=$({ cat /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null || true; } |
  sed -n 's/^URIs: *//p; s/^deb \([^ ]*\) .*/\1/p' | sed -n 1p)
[ -n "$archive" ] || { echo "no Debian archive in apt's sources" >&2; exit 1; }
umount -R "$root"/{proc,sys,dev} 2>/dev/null || true
rm -rf --one-file-system "$root"
mkdir -p "$root"
debootstrap --variant=minbase --include=git,ca-certificates bookworm "$root" "$archive" >build/fresh/debootstrap.log

cp /etc/resolv.conf /etc/hosts "$root/etc/"
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/lent-ca.crt"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"  # no services by themselves
chmod +x "$root/usr/sbin/policy-rc.d"
mount --rbind /proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount --make-rslave "$root/proc"
mount --make-rslave "$root/sys"
mount --make-rslave "$root/dev"
trap 'umount -R "$root"/{proc,sys,dev} 2>/dev/null || true' EXIT

git clone -q "$PWD" "$root/tomograph"
inside() {
  chroot "$root" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM=dumb \
    NODE_EXTRA_CA_CERTS=/etc/ssl/lent-ca.crt "$@"
}

if [ "${1:-demo}" = demo ]; then
  echo "fresh root: ./dev demo"
  inside TOMOGRAPH_DEMO_ADDRESS=127.0.0.1:7611 bash -c 'echo $$ >/tmp/demo.pid; cd /tomograph && exec ./dev demo' >build/fresh/demo.log 2>&1 &
  demo=$!
  for _ in $(seq 2400); do
    grep -q '^The page: ' build/fresh/demo.log && break
    kill -0 "$demo" 2>/dev/null || { tail -n 40 build/fresh/demo.log; echo "./dev demo failed" >&2; exit 1; }
    sleep 1
  done
  python3 -c 'import urllib.request as u; assert b"<html" in u.urlopen("http://127.0.0.1:7611/").read()'
  sed -n '/reconstructing/,$p' build/fresh/demo.log
  kill "$(cat "$root/tmp/demo.pid")"  # ./dev has become the program that serves the page
  wait "$demo" || true
  echo "fresh root: ./dev demo works"
fi
if [ "${1:-test}" = test ]; then
  echo "fresh root: ./dev test"
  inside bash -c 'cd /tomograph && ./dev test' >build/fresh/test.log 2>&1 || { tail -n 60 build/fresh/test.log; exit 1; }
  tail -n 15 build/fresh/test.log
  echo "fresh root: ./dev test works"
fi
