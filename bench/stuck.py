#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""bench/stuck.py TCPDWELL [SOCKETS]: how long `stuck` takes among many sockets (100,000 unless told).

In a network namespace of its own: one process holds both ends of established connections, to several
loopback addresses as one has too few ports.
"""
import ctypes
import fcntl
import os
import resource
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


def hold(sockets):
    resource.setrlimit(resource.RLIMIT_NOFILE, (sockets + 1000, sockets + 1000))
    kept = []
    for number in range(sockets // 2):
        if number % 20000 == 0:
            server = socket.create_server((f"127.0.0.{2 + number // 20000}", 8000), backlog=1024)
            kept.append(server)
        kept.append(socket.create_connection(server.getsockname()))
        kept.append(server.accept()[0])
    return kept


def main(tcpdwell, sockets=100_000):
    own_network()
    kept = hold(int(sockets))
    for form in ("text", "json", "csv"):
        command = [tcpdwell, "stuck", "--netns", str(os.getpid()), "--format", form]
        took = []
        for _ in range(5):
            began = time.monotonic()
            out = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
            took.append(time.monotonic() - began)
        print(f"{form}: {out.count(bytes([10]))} lines, {statistics.median(took):.2f} s "
              f"(median of 5; {min(took):.2f} to {max(took):.2f})")
    del kept


if __name__ == "__main__":
    main(*sys.argv[1:])
