# SPDX-License-Identifier: BSD-2-Clause
"""tcpdwell stuck: who has a socket open now, and where nobody has, why."""

import contextlib
import ctypes
import json
import os
import socket
import struct
import subprocess
import sys

import support
from support import HERE, TestCase, main, needs_root, run, states_at, wait_for, wait_for_name

setUpModule = support.own_network
ANYWHERE = ("--netns", "all")


def stuck(*args, where=HERE):
    outcome = run("stuck", "--socket", "", *where, "--format", "json", *args)
    assert outcome.status == 0, outcome
    return [json.loads(line) for line in outcome.out.splitlines()]


def pids(one):
    return [holder["pid"] for holder in one["holders"]]


@needs_root
class Holders(TestCase):
    def setUp(self):
        self.server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.addCleanup(self.server.close)
        self.port = self.server.getsockname()[1]

    def connect(self):
        client = socket.create_connection(self.server.getsockname())
        self.addCleanup(client.close)
        return client

    def text(self, *args):
        return run("stuck", "--socket", "", *HERE, *args).out

    def test_every_process_that_has_it_open(self):
        client = self.connect()
        others = [subprocess.Popen(["sleep", "300"], pass_fds=[client.fileno()]) for _ in range(9)]
        try:
            for other in others:
                wait_for_name(other.pid, "sleep")
            (one,) = stuck("-D", self.port)
            everybody = sorted([os.getpid(), *(other.pid for other in others)])
            self.assertEqual((one["held"], pids(one), one["holders_more"]), ("process", everybody[:8], 2))
            self.assertIn("sleep", {holder["comm"] for holder in one["holders"]})
            self.assertRegex(self.text("-D", self.port), rf" {everybody[0]}/\S+ \+9 ")
            # Whoever has it open is a way to find it.
            for asked in (("-p", others[-1].pid), ("-n", "sleep")):
                self.assertEqual([one["conn"] for one in stuck("-D", self.port, *asked)], [one["conn"]])
        finally:
            for other in others:
                other.kill()
                other.wait()

    def test_a_process_is_known_by_the_program_it_runs_now(self):
        client = self.connect()
        script = "import os, sys; os.execvp('sleep', ['sleep', '300'])"
        other = subprocess.Popen([sys.executable, "-c", script], pass_fds=[client.fileno()])
        self.addCleanup(other.wait)
        self.addCleanup(other.kill)
        client.close()
        wait_for_name(other.pid, "sleep")
        (one,) = stuck("-D", self.port)
        self.assertEqual((one["holders"], one["comm"]), ([{"pid": other.pid, "comm": "sleep"}], "sleep"))
        self.assertNotIn("holders_more", one)

    def test_a_descriptor_under_way_is_nobodys(self):
        client = self.connect()
        here, there = socket.socketpair()
        socket.send_fds(here, [b"x"], [client.fileno()])
        client.close()
        (one,) = stuck("-D", self.port)
        self.assertEqual((one["held"], one["holders"], one["pid"]), ("nobody", [], None))
        self.assertRegex(self.text("-D", self.port), r"(?m) nobody +\S+$")
        _, received, _, _ = socket.recv_fds(there, 9, 1)
        self.assertEqual(pids(stuck("-D", self.port)[0]), [os.getpid()])
        for end in (here, there, socket.socket(fileno=received[0])):
            end.close()

    def test_what_nobody_accepted_is_the_listeners(self):
        for _ in range(3):
            self.connect().close()
        wait_for(lambda: states_at(self.port).count("08") == 3)  # CLOSE_WAIT
        found = stuck("--state", "close-wait", "-L", self.port)
        self.assertEqual([one["held"] for one in found], ["not_accepted"] * 3)
        for one in found:
            self.assertEqual((one["holders"], one["pid"], one["owner"]), ([], os.getpid(), "listen"))
        self.assertRegex(self.text("--state", "close-wait"), rf" not accepted, {os.getpid()}/")
        self.assertEqual(len(stuck("--state", "close-wait", "-p", os.getpid(), "-L", self.port)), 3)

    def test_what_all_have_closed_is_the_kernels_to_end(self):
        client = self.connect()
        kept, _ = self.server.accept()
        self.addCleanup(kept.close)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        client.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while client.send(bytes(1 << 16)):
                pass
        client.close()  # what is unsent holds the FIN back
        (one,) = stuck("-D", self.port)
        self.assertEqual((one["state"], one["held"], one["holders"]), ("FIN_WAIT1", "closed", []))

    def test_subflows_are_whose_mptcp_socket_it_is(self):
        try:
            server = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
        except OSError:
            self.skipTest("no MPTCP here")
        server.bind(("127.0.0.1", 0))
        server.listen(8)
        client = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
        client.connect(server.getsockname())
        kept, _ = server.accept()
        for one in stuck("-a", "-L", server.getsockname()[1]) + stuck("-D", server.getsockname()[1]):
            self.assertEqual((one["held"], pids(one)), ("process", [os.getpid()]), one)
        for end in (client, kept, server):
            end.close()

    def test_descriptors_in_no_state_when_asked_for(self):
        never = [socket.socket() for _ in range(3)]
        reset = [self.connect() for _ in range(2)]
        for _ in reset:
            kept, _ = self.server.accept()
            kept.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            kept.close()
        found = stuck("--state", "close", "-p", os.getpid())
        self.assertEqual([(one["state"], pids(one)) for one in found], [("CLOSE", [os.getpid()])] * 5)
        self.assertEqual({one["age"] for one in found}, {"unknown"})
        self.assertNotIn("CLOSE", {one["state"] for one in stuck("-a")})
        for end in never:
            end.close()
        self.assertEqual(len(stuck("--state", "close", "-p", os.getpid())), 2)

    def test_sockets_of_a_network_that_no_process_is_in(self):
        script = """
import ctypes, os, socket, sys
libc = ctypes.CDLL(None)
libc.unshare(0x40000000)
os.system("ip link set lo up")
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
kept, _ = server.accept()
libc.unshare(0x40000000)
print("ready", flush=True)
sys.stdin.read()
"""
        with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            other.stdout.readline()
            found = stuck("-a", "-p", other.pid, where=ANYWHERE)
            self.assertEqual(sorted(one["state"] for one in found), ["ESTABLISHED", "ESTABLISHED", "LISTEN"])
            self.assertEqual({tuple(pids(one)) for one in found}, {(other.pid,)})
            other.stdin.close()


if __name__ == "__main__":
    main()
