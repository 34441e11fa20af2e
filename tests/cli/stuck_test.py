# SPDX-License-Identifier: BSD-2-Clause
"""tcpdwell stuck: what exists is listed, its age and owner right, and nothing else."""

import csv
import fcntl
import io
import json
import os
import socket
import subprocess
import sys
import termios
import time

from support import HERE, TestCase, main, needs_root, own_network, run, run_on_terminal, states_at, wait_for

# Accepts, and never closes what its peers have closed. Says between which moments they have.
LEAK = """
import socket, sys, time
began = time.monotonic()
server = socket.create_server(("127.0.0.1", 0), backlog=128)
kept = []
for _ in range(int(sys.argv[1])):
    client = socket.create_connection(server.getsockname())
    kept.append(server.accept()[0])
    client.close()
print(server.getsockname()[1], began, time.monotonic(), flush=True)
sys.stdin.read()
"""


def setUpModule():
    own_network()


class Leak:
    """A process that keeps `count` sockets in CLOSE_WAIT."""

    def __init__(self, count):
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", LEAK, str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        port, began, since = self.process.stdout.readline().split()
        self.port, self.began, self.since = int(port), float(began), float(since)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def unacknowledged(client):
    """Bytes sent of which the peer has not said that they came."""
    left = bytearray(4)
    fcntl.ioctl(client, termios.TIOCOUTQ, left)
    return int.from_bytes(left, sys.byteorder)


def stuck(*args):
    outcome = run("stuck", *HERE, "--format", "json", *args)
    assert outcome.status == 0, outcome
    return [json.loads(line) for line in outcome.out.splitlines()]


@needs_root
class Stuck(TestCase):
    def test_a_leak_older_than_tcpdwell_is_named_with_its_age(self):
        with Leak(50) as leak:
            time.sleep(2)
            asked = time.monotonic()
            found = stuck("--state", "close-wait", "-L", leak.port)
            answered = time.monotonic()
            self.assertEqual(len(found), 50)
            for one in found:
                self.assertEqual((one["type"], one["state"]), ("socket", "CLOSE_WAIT"))
                self.assertEqual(one["pid"], leak.process.pid)
                self.assertTrue(one["comm"].startswith("python3"), one)
                self.assertEqual(one["age"], "at_least")
                self.assertGreater(one["age_ns"] / 1e9, asked - leak.since - 1)
                self.assertLess(one["age_ns"] / 1e9, answered - leak.began + 0.2)
                self.assertNotEqual(one["cgroup"], 0)
                self.assertTrue(one["cgroup_path"].startswith("/"), one)
            self.assertEqual(len(stuck("--older", "1s", "-L", leak.port, "--state", "close-wait")), 50)
            self.assertEqual(stuck("--older", "10m", "-L", leak.port), [])
            text = run("stuck", *HERE, "--state", "close-wait").out
            self.assertRegex(text, rf"CLOSE_WAIT +>=[\d.]+s .* {leak.process.pid}/python3")
            self.assertRegex(text, r"\n50 sockets: 50 CLOSE_WAIT; by owner: 50 python3")

    def test_queues_timer_and_peer(self):
        server = socket.create_server(("127.0.0.1", 0))
        client = socket.create_connection(server.getsockname())
        kept, _ = server.accept()
        client.send(b"x" * 1000)
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        wait_for(lambda: unacknowledged(client) == 0)
        port = server.getsockname()[1]
        (one,) = stuck("-L", port)
        self.assertEqual((one["recv_queue"], one["send_queue"], one["retrans"]), (1000, 0, 0))
        self.assertEqual(one["timer"], "keepalive")
        self.assertAlmostEqual(one["timer_ns"] / 1e9, 7200, delta=30)
        self.assertEqual(one["pid"], os.getpid())
        (other,) = stuck("-D", port)
        self.assertEqual((other["timer"], other["recv_queue"]), ("off", 0))
        self.assertNotIn("timer_ns", other)
        for end in (client, kept, server):
            end.close()

    def test_listeners_as_netstat_shows_them(self):
        server = socket.create_server(("127.0.0.1", 0), backlog=7)
        port = server.getsockname()[1]
        waiting = socket.create_connection(server.getsockname())
        self.assertNotIn("LISTEN", {one["state"] for one in stuck()})
        wait_for(lambda: states_at(port).count("01") == 2)  # ESTABLISHED
        (listener,) = stuck("-l", "-L", port)
        self.assertEqual((listener["recv_queue"], listener["send_queue"]), (1, 7))
        self.assertEqual(stuck("--state", "listen", "-L", port)[0]["conn"], listener["conn"])
        self.assertEqual({one["state"] for one in stuck("-a", "-L", port)}, {"LISTEN", "ESTABLISHED"})
        waiting.close()
        server.close()

    def test_time_wait_has_neither_queues_nor_an_owner_made_up(self):
        server = socket.create_server(("127.0.0.1", 0))
        client = socket.create_connection(server.getsockname())
        kept, _ = server.accept()
        closing = time.monotonic()
        client.close()
        kept.close()
        closed = time.monotonic()
        time.sleep(0.3)
        asked = time.monotonic()
        (one,) = stuck("--state", "time-wait", "-D", server.getsockname()[1])
        answered = time.monotonic()
        self.assertNotIn("recv_queue", one)
        self.assertIsNone(one["pid"])
        self.assertEqual(one["timer"], "timewait")
        # The kernel's timers are up to an eighth late; ages of TIME_WAIT are what is left of its minute.
        self.assertTrue(60 - (answered - closing) - 1 < one["timer_ns"] / 1e9 < 63, one)
        self.assertTrue(asked - closed - 0.1 < one["age_ns"] / 1e9 < answered - closing + 3, one)
        server.close()

    def test_oldest_first_and_the_same_in_csv(self):
        with Leak(2) as first:
            time.sleep(1)
            with Leak(2) as second:
                time.sleep(0.2)
                found = stuck("--state", "close-wait")
                self.assertEqual([one["lport"] for one in found], [first.port] * 2 + [second.port] * 2)
                text = run("stuck", *HERE, "--state", "close-wait", "--format", "csv").out
                rows = list(csv.DictReader(io.StringIO(text)))
                # Ages are of jiffies, which go on while the sockets are walked over: of two that are as old as each
                # other either may come first.
                in_pairs = lambda sockets: [{one["conn"] for one in sockets[at : at + 2]} for at in (0, 2)]
                self.assertEqual(in_pairs(rows), in_pairs(found))
                self.assertEqual({row["state"] for row in rows}, {"CLOSE_WAIT"})

    def test_a_narrow_terminal_and_nothing_there(self):
        with Leak(1):
            status, shown = run_on_terminal("stuck", *HERE, "--state", "close-wait", env={**os.environ, "TERM": "dumb"})
            self.assertEqual(status, 0)
            self.assertNotIn("\x1b", shown)
        outcome = run("stuck", *HERE, "--state", "closing")
        self.assertEqual((outcome.status, outcome.out), (0, "0 sockets\n"))

    def test_bad_usage(self):
        self.assert_error(run("stuck", "--older", "soon"), 2, "soon")
        self.assert_error(run("stuck", "--state", "odd"), 2, "odd")


if __name__ == "__main__":
    main()
