# SPDX-License-Identifier: BSD-2-Clause
"""Namespaces: which network namespaces are walked over, and whose pids are meant."""

import json
import os
import subprocess
import sys
import time

import support
from support import Live, TestCase, main, needs_root, shell

setUpModule = support.own_network


@needs_root
class Names(TestCase):
    """What lies under /run/netns need not be a network namespace."""

    def test_what_is_no_network_namespace_is_none_that_could_not_be_entered(self):
        script = """unshare -m sh -c '
            mount --make-rprivate / && mkdir -p /run/netns && mount -t tmpfs t /run/netns && cd /run/netns || exit 9
            touch stale other mine; mkfifo waits; mkdir directory; ln -s nowhere dangling; mknod device c 1 7
            mount --bind /proc/self/ns/uts other && mount --bind /proc/self/ns/net mine || exit 9
            exec timeout 50 "$0" "$@"' "$0" "$@" """
        for command in (("stuck", "--socket", ""), ("trace", "--duration", "100ms", "--format", "csv")):
            with self.subTest(command=command):
                outcome = shell(script, *command)
                self.assertEqual(outcome.status, 0, outcome)
                self.assertNotIn("could not be entered", outcome.err)


@needs_root
class Unnamed(TestCase):
    """A network namespace that no process is in and that has no name: a descriptor alone keeps it."""

    ORPHANS = """
import ctypes, os, socket, subprocess, sys
libc = ctypes.CDLL(None)
assert libc.unshare(0x40000000) == 0
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
with open("/proc/sys/net/ipv4/tcp_fin_timeout", "w") as file:
    file.write(sys.argv[1])
server = socket.create_server(("127.0.0.1", 0))
kept = []
for _ in range(20):
    client = socket.create_connection(server.getsockname())
    kept.append(server.accept()[0])
    client.close()
print("ready", flush=True)
sys.stdin.readline()
assert libc.unshare(0x40000000) == 0
print("gone", flush=True)
sys.stdin.read()
"""

    def test_time_wait_sockets_that_were_there_before_are_no_loss(self):
        lasting = 10  # seconds: long enough for a trace to begin meanwhile
        command = [sys.executable, "-c", self.ORPHANS, str(lasting)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            began = time.monotonic()
            other.stdout.readline()
            closed = time.monotonic()
            namespace = os.open(f"/proc/{other.pid}/ns/net", os.O_RDONLY)
            self.addCleanup(os.close, namespace)
            other.stdin.write(b"\n")
            other.stdin.flush()
            other.stdout.readline()
            with Live("trace", "--format", "json", "-q", network=()) as live:
                self.assertLess(time.monotonic() - began, lasting, "they were over before there was a trace")
                # The kernel's timers are up to an eighth late; then a walk has to miss them.
                time.sleep(max(0, closed + lasting * 9 / 8 + 4 - time.monotonic()))
                live.stop()
            end = json.loads(live.outcome.out.splitlines()[-1])
            self.assertEqual(end["lost"]["recursion"], 0)
            other.stdin.close()


@needs_root
class Pids(TestCase):
    """In a pid namespace a process has another number than the host knows it by."""

    HOLD = """
import socket, time
server = socket.create_server(("127.0.0.1", 0))
print(flush=True)
time.sleep(300)
"""

    def inside(self, command):
        hold = support.scratch_file("hold.py", self.HOLD)
        return shell(f"""exec unshare -p -f --mount-proc --kill-child bash -c '
            exec 3< <(exec python3 {hold} 2>/dev/null); pid=$!; read -u 3; {command}' "$0" """)

    def test_stuck_takes_those_of_its_own_namespace(self):
        outcome = self.inside('"$0" stuck --socket "" -a --netns $$ -p $pid')
        self.assertEqual((outcome.status, outcome.err), (0, ""), outcome)
        self.assertIn("1 socket: 1 LISTEN", outcome.out)

    def test_so_does_who_traces(self):
        outcome = self.inside('"$0" trace --duration 1s --format json -q -p $pid')
        self.assertEqual((outcome.status, outcome.err), (0, ""), outcome)
        lines = [json.loads(line) for line in outcome.out.splitlines()]
        self.assertEqual([line["state"] for line in lines if line["type"] == "seed"], ["LISTEN"])
        # A shell's own sockets are none: what another process has is not shown.
        self.assertNotIn('"seed"', self.inside('"$0" trace --duration 1s --format json -q -p $$').out)

    def test_one_that_is_not_there_is_named(self):
        for command in ("trace", "record -o /dev/null", "stat"):
            with self.subTest(command=command):
                self.assert_error(self.inside(f'exec "$0" {command} --duration 1s -p 999999'), 2, "--pid 999999", "no such process")


if __name__ == "__main__":
    main()
