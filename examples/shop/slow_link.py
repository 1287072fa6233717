"""A network link between two network namespaces that can be made slow while it is in use.

    unshare --net python3 slow_link.py PID     # PID: a process in the far namespace

Two TUN devices, 10.77.0.1 here and 10.77.0.2 there; packets that enter one leave by the other,
in order, after the delay that the last line on standard input told: "DELAY_MS JITTER_MS". It does
what `tc qdisc add ... netem delay` does, on kernels that are built without netem too. Nothing has
to be cleaned up: with this process go both devices and, with its last process, each namespace.
"""
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000


def tun(name):
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return device


def ip(*args, inside=()):
    subprocess.run([*inside, "ip", *args], check=True)


def main(pid):
    near, far = tun("near"), tun("far")
    ip("link", "set", "far", "netns", pid)
    there = ("nsenter", "-t", pid, "-n")
    for device, address, inside in (("near", "10.77.0.1/30", ()), ("far", "10.77.0.2/30", there)):
        ip("addr", "add", address, "dev", device, inside=inside)
        ip("link", "set", device, "up", inside=inside)
        ip("link", "set", "lo", "up", inside=inside)
    print("ready", flush=True)

    other = {near: far, far: near}
    last_due = {near: 0.0, far: 0.0}
    waiting = []  # heap of (due, serial, device, packet)
    delay = jitter = 0.0
    serial = 0
    while True:
        pause = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        for source in select.select([near, far, sys.stdin.fileno()], [], [], pause)[0]:
            if source not in other:
                line = os.read(source, 100).split()
                if not line:
                    return  # the supervisor is gone
                delay, jitter = (float(word) / 1000 for word in line[-2:])
                continue
            packet, way = os.read(source, 65536), other[source]
            due = time.monotonic() + max(0.0, random.gauss(delay, jitter / 2))
            last_due[way] = due = max(due, last_due[way])
            serial += 1
            heapq.heappush(waiting, (due, serial, way, packet))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, way, packet = heapq.heappop(waiting)
            try:
                os.write(way, packet)
            except OSError:
                pass  # the far side is going away: a lost packet


main(sys.argv[1])
