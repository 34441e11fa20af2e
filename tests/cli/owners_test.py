# SPDX-License-Identifier: BSD-2-Clause
"""The owner on a line that a packet makes: the process that has the socket now, by the name it has now."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys

import support
from support import Live, TestCase, main, name_of, needs_root, states_at, wait_for, wait_for_name

setUpModule = support.own_network

CLOSE_WAIT = "08"
RUN_SLEEP = "import os; os.execvp('sleep', ['sleep', '30'])"
CONNECT = """
import ctypes, os, socket, sys
one = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
one.set_inheritable(True)
print("connected", flush=True)
sys.stdin.readline()
"""


def read(path):
    with contextlib.suppress(OSError), open(path, encoding="utf-8") as file:
        return file.read().strip()
    return ""


@needs_root
class Owners(TestCase):
    def setUp(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.server.close)
        self.port = self.server.getsockname()[1]
        self.own_name = name_of(os.getpid())

    def pair(self):
        client = socket.create_connection(self.server.getsockname())
        kept, _ = self.server.accept()
        self.addCleanup(client.close)
        self.addCleanup(kept.close)
        return client, kept

    def process(self, *command, **options):
        process = subprocess.Popen(command, **options)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def sleeper(self, *sockets, **options):
        process = self.process("sleep", "30", pass_fds=[one.fileno() for one in sockets], **options)
        wait_for_name(process.pid, "sleep")
        return process

    def lines(self, live, **wanted):
        live.stop()
        lines = [json.loads(line) for line in live.outcome.out.splitlines()]
        return [line for line in lines if all(line.get(key) == value for key, value in wanted.items())]

    def owner(self, live, new="CLOSE_WAIT", side="lport"):
        (line,) = self.lines(live, **{"type": "transition", "new": new, side: self.port})
        return line["pid"], line["comm"], line["owner"]

    def trace(self, *args):
        return Live("trace", "--format", "json", "-q", *args)

    def close(self, client):
        client.close()
        wait_for(lambda: CLOSE_WAIT in states_at(self.port))

    def test_a_program_that_was_run_for_the_connection(self):
        with self.trace() as live:
            client, kept = self.pair()
            other = self.sleeper(kept)
            kept.close()
            self.close(client)
            self.assertEqual(self.owner(live), (other.pid, "sleep", "seed"))

    def test_one_that_has_it_as_its_input_and_output(self):
        with self.trace() as live:
            client, kept = self.pair()
            other = self.sleeper(stdin=kept, stdout=kept, stderr=kept)
            kept.close()
            self.close(client)
            self.assertEqual(self.owner(live), (other.pid, "sleep", "seed"))

    def test_one_that_has_processes_of_its_own_by_then(self):
        with self.trace() as live:
            client, kept = self.pair()
            begin, end = os.pipe()
            script = "import os, sys; os.read(0, 1); os.execvp('sh', ['sh', '-c', 'sleep 30 & wait'])"
            other = self.process(sys.executable, "-c", script, pass_fds=[kept.fileno()], stdin=begin)
            kept.close()
            os.write(end, b"x")
            os.close(begin)
            os.close(end)
            wait_for_name(other.pid, "sh")
            children = f"/proc/{other.pid}/task/{other.pid}/children"
            wait_for(lambda: read(children) != "")
            child = int(read(children))
            self.addCleanup(os.kill, child, signal.SIGKILL)
            self.close(client)
            self.assertEqual(self.owner(live), (other.pid, "sh", "seed"))

    def test_a_program_that_happens_to_inherit_it_is_not_the_owner(self):
        with self.trace() as live:
            client, kept = self.pair()
            self.sleeper(kept)
            self.close(client)
            self.assertEqual(self.owner(live)[:2], (os.getpid(), self.own_name))

    def test_a_program_that_inherited_it_and_has_ended(self):
        with self.trace() as live:
            client, kept = self.pair()
            other = self.sleeper(kept)
            other.kill()
            other.wait()
            self.close(client)
            self.assertEqual(self.owner(live)[:2], (os.getpid(), self.own_name))

    def connected(self, script):
        other = self.process(
            sys.executable, "-c", CONNECT + script, str(self.port), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        kept, _ = self.server.accept()
        other.stdout.readline()
        return other, kept

    def go_on(self, other, name):
        other.stdin.write(b"\n")
        other.stdin.flush()
        wait_for_name(other.pid, name)
        other.stdin.close()
        other.stdout.close()

    def test_a_process_that_runs_another_program(self):
        with self.trace() as live:
            other, kept = self.connected(RUN_SLEEP)
            self.go_on(other, "sleep")
            self.close(kept)
            self.assertEqual(self.owner(live, side="rport"), (other.pid, "sleep", "connect"))

    def test_a_process_that_has_changed_its_name(self):
        with self.trace() as live:
            other, kept = self.connected("ctypes.CDLL(None).prctl(15, b'worker 1', 0, 0, 0); import time; time.sleep(30)")
            self.go_on(other, "worker 1")
            self.close(kept)
            self.assertEqual(self.owner(live, side="rport"), (other.pid, "worker 1", "connect"))

    def test_a_name_can_be_asked_for_that_it_did_not_have_at_first(self):
        with self.trace("-n", "sleep") as live:
            other, kept = self.connected(RUN_SLEEP)
            self.go_on(other, "sleep")
            self.close(kept)
            self.assertEqual(self.owner(live, side="rport"), (other.pid, "sleep", "connect"))

    def test_connections_of_a_listener_that_another_program_took_over(self):
        with self.trace() as live:
            other = self.sleeper(self.server)
            self.server.close()
            client = socket.create_connection(("127.0.0.1", self.port))
            self.close(client)
            self.assertEqual(self.owner(live), (other.pid, "sleep", "listen"))


if __name__ == "__main__":
    main()
