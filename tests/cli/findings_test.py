# SPDX-License-Identifier: BSD-2-Clause
"""What report, serve and a trace say of who does not close, who does not accept, and what was dropped: each way in a
network of its own, all at the same time."""

import collections
import contextlib
import json
import os
import subprocess
import sys
import time

import support
from serving import Serving
from support import Live, needs

# A network of its own, whose number it prints when all is set up; then it holds on until its input ends.
BEGIN = """
import array, ctypes, os, signal, socket, struct, subprocess, sys, threading, time
libc = ctypes.CDLL(None)
assert libc.unshare(0x40000000) == 0
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
children = []
def call_me(name):
    libc.prctl(15, name.encode(), 0, 0, 0)
def listener(port=9000, backlog=64, host="127.0.0.1", family=socket.AF_INET, defer=False):
    one = socket.socket(family)
    if defer:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 30)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind((host, port))
    one.listen(backlog)
    return one
def connect(port=9000, host="127.0.0.1"):
    return socket.create_connection((host, port))
def abort(one):
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()
def process(work, name):
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        call_me(name)
        libc.prctl(1, signal.SIGKILL)
        work(lambda: os.write(told, b"x"))
        time.sleep(1000)
    children.append(child)
    os.read(ready, 1)
def hold():
    print(os.stat("/proc/self/ns/net").st_ino, flush=True)
    sys.stdin.read()
    for child in children:
        os.kill(child, signal.SIGKILL)
"""

# Relays what it reads on port 9000 to a server at port 9001, and closes when that has.
PROXY = """
def serve(closes):
    def work(ready):
        server, kept = listener(9001, host="::1", family=socket.AF_INET6), []
        ready()
        while True:
            one = server.accept()[0]
            kept.append(one)
            if closes:
                while one.recv(99):
                    pass
                one.close()
    return work
def relay(one):
    other = connect(9001, "::1")
    while data := one.recv(99):
        other.send(data)
    other.shutdown(socket.SHUT_WR)
    other.recv(1)
    other.close()
    one.close()
def proxy(ready):
    server = listener()
    ready()
    while True:
        threading.Thread(target=relay, args=(server.accept()[0],)).start()
"""


class World:
    """A workload; entered once it is set up."""

    def __init__(self, script):
        self.process = subprocess.Popen(
            [sys.executable, "-c", BEGIN + script + "\nhold()\n"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ready(self):
        self.netns = int(self.process.stdout.readline())
        # Its network stays for as long as the test, so that no other one gets its number.
        self.kept = os.open(f"/proc/{self.process.pid}/ns/net", os.O_RDONLY)

    def end(self):
        self.process.communicate(timeout=30)
        os.close(self.kept)


BEFORE = {
    "older": """
call_me("lazy")
server = listener(backlog=20)
for _ in range(5):
    connect().close()
""",
}
WORLDS = {
    "not_accepted": """
call_me("lazy")
server, kept = listener(backlog=20), []
for _ in range(9):
    connect().close()
for _ in range(4):
    kept.append(connect())
""",
    "not_accepted_v6": """
call_me("lazy6")
server = listener(host="::", family=socket.AF_INET6)
for _ in range(3):
    connect(host="::1").close()
""",
    "two_not_accepted": """
server = listener()
for _ in range(2):
    connect().close()
""",
    "full": """
call_me("slow")
server, kept = listener(backlog=0), []
def client():
    kept.append(connect())
threads = [threading.Thread(target=client) for _ in range(8)]
for thread in threads:
    thread.start()
time.sleep(1.2)
server.settimeout(0.05)
while any(thread.is_alive() for thread in threads):
    time.sleep(0.05)
    try:
        kept.append(server.accept()[0])
    except OSError:
        pass
""",
    "deferred": """
server, kept = listener(defer=True), []
for _ in range(12):
    kept.append(connect())
time.sleep(1.5)
for one in list(kept):
    one.send(b"x")
    kept.append(server.accept()[0])
""",
    "leak": """
call_me("leaky")
server, kept = listener(), []
for _ in range(4):
    one = connect()
    kept.append(server.accept()[0])
    one.close()
""",
    "two_leaked": """
server, kept = listener(), []
for _ in range(2):
    one = connect()
    kept.append(server.accept()[0])
    one.close()
""",
    "handed_on": """
server = listener()
for _ in range(3):
    one, kept = connect(), server.accept()[0]
    os.set_inheritable(kept.fileno(), True)
    children.append(subprocess.Popen(["sleep", "1000"], pass_fds=[kept.fileno()]).pid)
    kept.close()
    one.close()
""",
    "executes": """
server, kept = listener(), []
def work(ready):
    mine = [connect() for _ in range(3)]
    ready()
    for one in mine:
        os.set_inheritable(one.fileno(), True)
    os.execvp("sleep", ["sleep", "1000"])
process(work, "before")
for _ in range(3):
    server.accept()[0].close()
""",
    "under_way": """
server, (here, there) = listener(), socket.socketpair()
for _ in range(3):
    one, kept = connect(), server.accept()[0]
    socket.send_fds(here, [b"x"], [kept.fileno()])
    kept.close()
    one.close()
""",
    "chain": PROXY + """
process(serve(False), "backend")
process(proxy, "proxy")
for _ in range(4):
    one = connect()
    one.send(b"q")
    one.close()
""",
    "chain_that_ends": PROXY + """
process(serve(True), "backend")
process(proxy, "proxy")
for _ in range(4):
    one = connect()
    one.send(b"q")
    one.close()
""",
    "both_ends": """
call_me("both")
server, kept = listener(), []
for _ in range(3):
    one = connect()
    kept += [one, server.accept()[0]]
    one.shutdown(socket.SHUT_WR)
""",
    # The server's side goes, and nothing says so (TCP_REPAIR): as if a router had forgotten them.
    "idle": """
server, kept, far = listener(), [], []
for _ in range(5):
    kept.append(connect())
    far.append(server.accept()[0])
for one in far:
    one.setsockopt(socket.IPPROTO_TCP, 19, 1)
    one.close()
time.sleep(1.6)
for one in kept:
    try:
        one.send(b"x")
        one.recv(1)
    except OSError:
        pass
    one.close()
""",
    "closed_while_idle": """
server, kept = listener(), []
for _ in range(5):
    kept.append(connect())
    server.accept()[0].close()
time.sleep(1.6)
for one in kept:
    try:
        one.send(b"x")
        time.sleep(0.02)
    except OSError:
        pass
    one.close()
""",
    # A RST of the peer's own, when the first request comes: nothing was dropped.
    "aborts_requests": """
server, kept, far = listener(), [], []
for _ in range(5):
    kept.append(connect())
    far.append(server.accept()[0])
time.sleep(1.6)
for one, other in zip(kept, far):
    one.send(b"x")
    other.recv(1)
    abort(other)
    one.close()
""",
    "late_data": """
server = listener()
for _ in range(3):
    one, far = connect(), server.accept()[0]
    far.close()
    time.sleep(0.1)
    one.send(b"x")
    time.sleep(0.3)
    one.close()
""",
    "handed_listener": """
mine, its = socket.socketpair()
def opener(ready):
    server = listener()
    socket.send_fds(mine, [b"x"], [server.fileno()])
    server.close()
    ready()
    os._exit(0)
process(opener, "opener")
os.waitpid(children.pop(), 0)
call_me("server")
_, (fd,), _, _ = socket.recv_fds(its, 9, 1)
server = socket.socket(fileno=fd)
one, kept = connect(), server.accept()[0]
server.close()
one.close()
kept.close()
""",
}


# What serve finds too.
SERVED = {
    ("close_wait_leak", "leaky"),
    ("close_wait_leak", "backend"),
    ("close_wait_leak", "sleep"),
    ("close_wait_chain", "proxy"),
    ("not_accepted", "[::]:9000"),
    ("accept_queue_full", "127.0.0.1:9000"),
    ("idle_dropped", "127.0.0.1:9000"),
}


@support.needs_root
@needs("ip")
class Findings(support.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.path = support.scratch_file("findings.json")
        cls.worlds = {name: World(script) for name, script in BEFORE.items()}
        for world in cls.worlds.values():
            world.ready()
        with Live("record", "-q", "-o", cls.path, network=()), Serving(network=()) as serve:
            later = {name: World(script) for name, script in WORLDS.items()}
            cls.worlds.update(later)
            for world in later.values():
                world.ready()
            time.sleep(61.5)
            # What an answer tells may be of a look before: who asks again gets to know the next.
            with contextlib.suppress(TimeoutError):
                support.wait_for(lambda: SERVED <= cls.ask(serve))
            cls.served = cls.ask(serve)
        cls.trace = support.read_trace(cls.path)
        for world in cls.worlds.values():
            world.end()

    @staticmethod
    def ask(serve):
        return {(one["kind"], one["subject"]) for one in json.loads(serve.ask("/api/findings"))["findings"]}

    def report(self, name, *args):
        outcome = support.run("report", "-q", "--netns", self.worlds[name].netns, "--format", "json", *args, self.path)
        self.assertEqual(outcome.status, 0, outcome)
        return json.loads(outcome.out)

    def found(self, name):
        """Findings by kind, but those of FIN_WAIT2, which many of these have and are not about."""
        found = {}
        for finding in self.report(name)["findings"]:
            if finding["kind"] != "fin_wait2_held":
                found.setdefault(finding["kind"], []).append((finding["subject"], finding["count"], finding["text"]))
        return found

    def subjects(self, name):
        return {kind: [one[:2] for one in sorted(all_of)] for kind, all_of in self.found(name).items()}

    def lines(self, name, kind="transition"):
        return [line for line in self.trace.of_type(kind) if line["netns"] == self.worlds[name].netns]

    def test_who_does_not_accept(self):
        self.assertEqual(self.subjects("not_accepted"), {"not_accepted": [("127.0.0.1:9000", 13)]})
        text = self.found("not_accepted")["not_accepted"][0][2]
        self.assertTrue(text.startswith("lazy does not accept: 13 of 20 wait in the accept queue of 127.0.0.1:9000"), text)
        self.assertIn("the peers of 9 have closed", text)
        self.assertEqual(self.subjects("not_accepted_v6"), {"not_accepted": [("[::]:9000", 3)]})
        self.assertEqual(self.subjects("two_not_accepted"), {})

    def test_who_did_not_accept_before_the_trace(self):
        self.assertEqual(self.subjects("older"), {"not_accepted": [("127.0.0.1:9000", 5)]})

    def test_a_trace_says_what_was_not_accepted(self):
        told = self.lines("not_accepted", "socket")
        (listener,) = [line for line in told if line["state"] == "LISTEN"]
        self.assertEqual((listener["recv_queue"], listener["send_queue"], listener["recv_queue_peak"]), (13, 20, 13))
        self.assertEqual([holder["comm"] for holder in listener["holders"]], ["lazy"])
        held = collections.Counter((line["state"], line["held"]) for line in told if line["lport"] == 9000)
        self.assertEqual(held[("CLOSE_WAIT", "not_accepted")], 9)
        self.assertEqual(held[("ESTABLISHED", "not_accepted")], 4)

    def test_a_full_accept_queue(self):
        found = self.found("full")
        self.assertEqual(sorted(found), ["accept_queue_full", "slow_handshakes"])
        ((subject, _, text),) = found["accept_queue_full"]
        self.assertEqual(subject, "127.0.0.1:9000")
        self.assertTrue(text.startswith("slow accepts too slowly: the accept queue of 127.0.0.1:9000 was full"), text)
        ((subject, count, text),) = found["slow_handshakes"]
        self.assertEqual(subject, "127.0.0.1:9000")
        self.assertGreaterEqual(count, 5)
        self.assertIn("the accept queue there was full, as slow accepts too slowly", text)

    def test_waiting_for_data_is_no_fault(self):
        late = [line for line in self.lines("deferred") if (line["old"], line["new"]) == ("SYN_RECV", "ESTABLISHED")]
        self.assertEqual([line.get("defer_accept") for line in late], [True] * 12)
        self.assertEqual(self.subjects("deferred"), {})

    def test_who_does_not_close(self):
        self.assertEqual(self.subjects("leak"), {"close_wait_leak": [("leaky", 4)]})
        self.assertEqual(self.subjects("two_leaked"), {})
        self.assertEqual(self.subjects("both_ends"), {"close_wait_leak": [("both", 3)]})

    def test_who_has_it_open_now(self):
        for name in ("handed_on", "executes"):
            self.assertEqual(self.subjects(name), {"close_wait_leak": [("sleep", 3)]}, name)
            stuck = [row for row in self.report(name)["stuck"] if row["state"] == "CLOSE_WAIT"]
            self.assertEqual([row["comm"] for row in stuck], ["sleep"] * 3, name)
        self.assertEqual(self.subjects("under_way"), {})

    def test_a_chain_names_its_end(self):
        self.assertEqual(
            self.subjects("chain"), {"close_wait_chain": [("proxy", 4)], "close_wait_leak": [("backend", 4)]}
        )
        self.assertIn("for [::1]:9001 (backend), which does not close", self.found("chain")["close_wait_chain"][0][2])
        self.assertEqual(self.subjects("chain_that_ends"), {})

    def test_dropped_while_idle(self):
        self.assertEqual(self.subjects("idle"), {"idle_dropped": [("127.0.0.1:9000", 5)]})
        self.assertEqual(self.subjects("closed_while_idle"), {"idle_dropped": [("127.0.0.1:9000", 5)]})
        self.assertEqual(self.subjects("aborts_requests"), {})

    def test_a_reset_has_the_kernels_word(self):
        ends = [line for line in self.lines("late_data") if line["lport"] == 9000 and line.get("reason") == "reset_local"]
        self.assertEqual([end["old"] for end in ends], ["FIN_WAIT2"] * 3)
        with open("/sys/kernel/btf/vmlinux", "rb") as file:
            told = b"SK_RST_REASON_NO_SOCKET" in file.read()
        # What ends more than a millisecond after the RST, as an emulated machine may be so slow at first, has no word.
        words = [end["rst"] for end in ends if "rst" in end]
        self.assertEqual(bool(words), told, ends)
        for word in words:
            self.assertRegex(word, r"^[A-Z_]+$")

    def test_a_listener_is_closed_by_whoever_has_it(self):
        (end,) = [line for line in self.lines("handed_listener") if line["old"] == "LISTEN" and line["new"] == "CLOSE"]
        self.assertEqual((end["comm"], end["owner"]), ("server", "close"))
        self.assertEqual((end["recv_queue"], end["send_queue"], end["recv_queue_peak"]), (0, 64, 1))

    def test_time_wait_is_among_the_ends(self):
        trace = support.scratch_file("time-wait.json")
        script = "import time\nserver = listener()\nfor _ in range(3):\n    one, other = connect(), server.accept()[0]\n" \
                 "    one.close()\n    other.close()\ntime.sleep(0.2)\n"
        with Live("record", "-q", "-o", trace, network=()):
            world = World(script)
            world.ready()
        ends = json.loads(support.run("report", "-q", "--netns", world.netns, "--format", "json", trace).out)["ends"]
        world.end()
        rows = {(row["reason"], row["closer"], row.get("state")): row["count"] for row in ends}
        self.assertEqual(rows, {(None, "remote", None): 3, (None, "local", "TIME_WAIT"): 3})

    def test_serve_finds_the_same(self):
        self.assertLessEqual(SERVED, self.served)
        for not_at_fault in "proxy", "lazy", "before":
            self.assertNotIn(("close_wait_leak", not_at_fault), self.served)


if __name__ == "__main__":
    support.main()
