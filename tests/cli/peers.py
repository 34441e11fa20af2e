# SPDX-License-Identifier: BSD-2-Clause
"""A client and a server whose connections the tests know everything about.

A connection: the client asks, the server answers, both hold it open for --talk; the closer closes,
the other follows after --linger. Each side is a process of its own (client, server), named by
--client-name and --server-name. It ends when the kernel has done with its connections, TIME_WAIT
aside.
"""

import argparse
import ctypes
import os
import signal
import socket
import time

ADDRESSES = {"4": "127.0.0.1", "6": "::1", "mapped": "::ffff:127.0.0.1"}


PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15
libc = ctypes.CDLL(None)


def rename(name):
    libc.prctl(PR_SET_NAME, os.fsencode(name), 0, 0, 0)


def finish(sock, first, options):
    """Closes it, first or second."""
    time.sleep(options.talk)
    if not first:
        sock.recv(1)
        time.sleep(options.linger)
    sock.close()


def listen(options):
    # A dual-stack socket also takes IPv4: the server's side of a v4-mapped connection.
    family = socket.AF_INET if options.family == "4" else socket.AF_INET6
    host = "::" if options.family == "mapped" else ADDRESSES[options.family]
    return socket.create_server(
        (host, options.port), family=family, dualstack_ipv6=options.family == "mapped"
    )


def serve(options, listening=lambda: None):
    rename(options.server_name)
    with listen(options) as listener:
        listening()
        for _ in range(options.count):
            sock, _ = listener.accept()
            sock.recv(1)
            sock.sendall(b"a")
            finish(sock, options.closer == "server", options)


def call(options):
    rename(options.client_name)
    family = socket.AF_INET if options.family == "4" else socket.AF_INET6
    for _ in range(options.count):
        sock = socket.socket(family)
        sock.connect((ADDRESSES[options.family], options.port))
        sock.sendall(b"q")
        sock.recv(1)
        finish(sock, options.closer == "client", options)


def both(options):
    """The server in a child that listens before the client in this process calls."""
    ready, tell = os.pipe()
    server = os.fork()
    if server == 0:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # who ends the one ends the other
        serve(options, lambda: os.write(tell, b"l"))
        os._exit(0)
    os.read(ready, 1)
    call(options)
    os.waitpid(server, 0)


def settled(port):
    at_rest = ("05", "06", "0A")  # FIN_WAIT2, TIME_WAIT, LISTEN
    for table in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        with open(table) as rows:
            for _, local, remote, state, *_ in map(str.split, rows):
                if state not in at_rest and f":{port:04X}" in (local[-5:], remote[-5:]):
                    return False
    return True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("side", choices=("client", "server", "both"))
    parser.add_argument("port", type=int)
    parser.add_argument("--family", choices=ADDRESSES, default="4")
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--closer", choices=("client", "server"), default="client")
    parser.add_argument("--talk", type=float, default=0)
    parser.add_argument("--linger", type=float, default=0)
    parser.add_argument("--client-name", default="client")
    parser.add_argument("--server-name", default="server")
    options = parser.parse_args()
    {"client": call, "server": serve, "both": both}[options.side](options)
    while not settled(options.port):
        time.sleep(0.001)


if __name__ == "__main__":
    main()
