#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""bench/stuck.py TCPDWELL [SOCKETS]: how long `stuck` takes among many sockets (100,000 unless told).

In a network namespace of its own: processes hold both ends of established loopback connections.
"""
import ctypes
import fcntl
import os
import resource
import signal
import socket
import statistics
import struct
import subprocess
import sys
import time


def own_network():
    if ctypes.CDLL(None, use_errno=True).unshare(0x40000000) != 0:
        sys.exit("bench/stuck.py: cannot make a network namespace: run as root")
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 1))


def hold(sockets, address, ready):
    """Holds them until our parent is gone."""
    server = socket.create_server((address, 8000), backlog=1024)
    kept = []
    for _ in range(sockets // 2):
        kept.append(socket.create_connection(server.getsockname()))
        kept.append(server.accept()[0])
    os.write(ready, b".")
    time.sleep(3600)


def holders(sockets):
    """Processes that hold as many as one may have open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    each = min(hard - 100, 40_000) // 2 * 2
    told, ready = os.pipe()
    pids = []
    while sockets > 0:
        pid = os.fork()
        if pid == 0:
            hold(min(each, sockets), f"127.0.{len(pids)}.2", ready)
        pids.append(pid)
        sockets -= each
    got = 0
    while got < len(pids):
        got += len(os.read(told, len(pids)))
    return pids


def main(tcpdwell, sockets=100_000):
    own_network()
    pids = holders(int(sockets))
    for form in ("text", "json", "csv"):
        command = [tcpdwell, "stuck", "--netns", str(os.getpid()), "--format", form]
        took = []
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        for _ in range(5):
            began = time.monotonic()
            out = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
            took.append(time.monotonic() - began)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        user, system = (after.ru_utime - before.ru_utime) / 5, (after.ru_stime - before.ru_stime) / 5
        print(f"{form}: {out.count(bytes([10]))} lines, {statistics.median(took):.2f} s "
              f"(median of 5; {min(took):.2f} to {max(took):.2f}), "
              f"{user:.2f} s user, {system:.2f} s system")
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
