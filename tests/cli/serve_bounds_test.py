# SPDX-License-Identifier: BSD-2-Clause
"""What clients can make tcpdwell serve hold, and who answers on its socket make stuck do, is bounded."""

import contextlib
import json
import os
import resource
import socket
import subprocess
import sys
import threading
import time
import unittest

from serving import Leak, Serving
from support import HERE, SANITIZED, TCPDWELL, TIMEOUT, TestCase, environment, main, needs_root, own_network, scratch_file, wait_for

MB = 1 << 20
SANITIZERS = 10 if SANITIZED else 1  # what they take of memory is none of ours
# Sockets in the cgroup that this process is in when it has read a line.
MANY = """
import socket, sys
sys.stdin.readline()
server = socket.create_server(("127.0.0.1", 0), backlog=512)
kept = []
for _ in range(int(sys.argv[1])):
    kept += [socket.create_connection(server.getsockname()), server.accept()[0]]
print("ready", flush=True)
sys.stdin.read()
"""


def connect(port, text, buffer=None):
    client = socket.socket()
    if buffer is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    client.settimeout(TIMEOUT)
    client.connect(("127.0.0.1", port))
    client.sendall(text)
    return client


def peak(process):
    """Most bytes it has had in memory."""
    with open(f"/proc/{process.pid}/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


def processor_seconds(process):
    with open(f"/proc/{process.pid}/stat", encoding="utf-8") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def deep_cgroup():
    """A cgroup whose path has 3,600 bytes, all of them six in JSON; gone at the end."""
    with open("/proc/self/mounts", encoding="utf-8") as file:
        mount = next((line.split()[1] for line in file if line.split()[2] == "cgroup2"), None)
    if mount is None:
        raise unittest.SkipTest("no cgroup v2 here")
    before = os.getcwd()
    made = []  # a descriptor of each one's parent: the whole path is longer than a system call takes
    name = "\x01" * 240
    try:
        os.chdir(mount)
        for level in range(15):
            one = f"tcpdwell-test-{os.getpid()}" if level == 0 else name
            made.append((os.open(".", os.O_RDONLY), one))
            os.mkdir(one)
            os.chdir(one)
        yield os.open("cgroup.procs", os.O_WRONLY)
    finally:
        for parent, one in reversed(made):
            with contextlib.suppress(FileNotFoundError):
                os.rmdir(one, dir_fd=parent)
            os.close(parent)
        os.chdir(before)


@contextlib.contextmanager
def many_in_a_deep_cgroup(count):
    with deep_cgroup() as procs:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", MANY, str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        try:
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (2 * count + 100,) * 2)
            os.write(procs, str(process.pid).encode())
            os.close(procs)
            process.stdin.write(b"\n")
            process.stdin.flush()
            assert process.stdout.readline() == b"ready\n"
            yield
        finally:
            process.communicate()


@needs_root
class Clients(TestCase):
    def setUp(self):
        own_network()

    def test_a_large_head_is_answered_after_another_connection_was_closed(self):
        with Serving() as serve:
            for size in (1, 6000) * 6:
                head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Long: %s\r\n\r\n" % (b"x" * size)
                with connect(serve.port, head) as client:
                    self.assertIn(b" 200 ", client.recv(4096)[:20], size)
                    while client.recv(4096):  # until serve closes it
                        pass

    def test_those_who_do_not_read_cost_little(self):
        ask = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"
        with many_in_a_deep_cgroup(1000), Serving() as serve, contextlib.ExitStack() as held:
            before = peak(serve.process)
            clients = []
            for path in [b"/api/stuck?limit=10000"] * 12 + [b"/metrics"] * 40 + [b"/api/sockets"] * 12:
                clients.append(held.enter_context(connect(serve.port, ask % path, buffer=2048)))
            for client in clients:
                self.assertTrue(client.recv(1, socket.MSG_PEEK))  # it is answered, and taken no further
            self.assertEqual(serve.get("/metrics")[0], 200)
            self.assertLess(peak(serve.process) - before, 64 * MB * SANITIZERS)
            statuses = [client.recv(12, socket.MSG_PEEK) for client in clients[:12]]
            self.assertEqual(statuses.count(b"HTTP/1.1 200"), 4, statuses)
            self.assertEqual(statuses.count(b"HTTP/1.1 503"), 8, statuses)
            held.close()
            # Their places are free, and who reads gets it whole.
            wait_for(lambda: serve.get("/api/stuck?limit=10000")[0] == 200)
            status, headers, text = serve.get("/api/stuck?limit=10000&state=established")
            self.assertEqual((status, headers.get("transfer-encoding")), (200, "chunked"))
            answer = json.loads(text)
            self.assertEqual(len(answer["sockets"]), answer["matching"])
            deep = [one["cgroup_path"] for one in answer["sockets"] if one["cgroup_path"].startswith("/tcpdwell-test-")]
            self.assertGreaterEqual(len(deep), 2000)
            self.assertEqual({(len(path.encode()), path[-2:]) for path in deep}, {(1024 + 3, "\x01…")})
            self.assertLess(peak(serve.process) - before, 64 * MB * SANITIZERS)

    def test_no_descriptors_left(self):
        told = lambda serve: serve._text(serve._err).count("cannot accept another client: Too many open files")
        # As root: limits of another user's process are for CAP_SYS_RESOURCE to change.
        with Serving("--user", "root") as serve, contextlib.ExitStack() as held:
            most = max(map(int, os.listdir(f"/proc/{serve.process.pid}/fd"))) + 7
            resource.prlimit(serve.process.pid, resource.RLIMIT_NOFILE, (most, most))
            for _ in range(30):
                held.enter_context(connect(serve.port, b"GET /met"))
            begin, used = time.monotonic(), processor_seconds(serve.process)
            time.sleep(1.5)  # all of them still wait for descriptors
            share = (processor_seconds(serve.process) - used) / (time.monotonic() - begin)
            self.assertLess(share, 0.1)
            self.assertEqual(serve.get("/metrics")[0], 200)  # somebody makes room
            self.assertEqual(told(serve), 1)
            held.close()
            self.assertEqual(serve.get("/healthz")[0], 200)


def somebody_who_says(pieces):
    """A unix socket on which the first who asks is told this, for as long as he listens."""
    path = scratch_file(f"somebody-{time.monotonic_ns()}.sock")
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(1)

    def answer():
        with server, contextlib.suppress(OSError):  # he has heard enough
            client, _ = server.accept()
            with client:
                client.recv(4096)
                client.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
                for piece in pieces:
                    client.sendall(piece)

    threading.Thread(target=answer, daemon=True).start()
    return path


def stuck(path):
    """Asks there: status, output, errors, seconds, and most bytes in memory."""
    out, err = (open(scratch_file(name), "w+", encoding="utf-8") for name in ("stuck-out", "stuck-err"))
    begin = time.monotonic()
    process = subprocess.Popen(
        [TCPDWELL, "stuck", *HERE, "--format", "json", "--socket", path],
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=err,
        env=environment(),
        preexec_fn=None if SANITIZED else lambda: resource.setrlimit(resource.RLIMIT_AS, (3000 * MB, 3000 * MB)),
    )
    hangs = threading.Timer(TIMEOUT, process.kill)
    hangs.start()
    _, status, usage = os.wait4(process.pid, 0)
    hangs.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    texts = []
    for file in (out, err):
        file.seek(0)
        texts.append(file.read())
        file.close()
    return process.returncode, *texts, time.monotonic() - begin, usage.ru_maxrss * 1024


@needs_root
class WhoAnswersStuck(TestCase):
    def setUp(self):
        own_network()

    def goes_on(self, pieces, words, seconds, most=150 * MB, or_else=None):
        """`or_else`: what is said where the machine did not get so far in the ten seconds that an answer has."""
        leak = Leak(3)
        status, out, err, took, memory = stuck(somebody_who_says(pieces))
        leak.close()
        self.assertLess(memory, most * SANITIZERS)
        self.assertLess(took, seconds)
        self.assertEqual(status, 0, err)
        self.assertEqual(len([line for line in out.splitlines() if '"CLOSE_WAIT"' in line]), 3)
        self.assertRegex(err, r"\Atcpdwell: goes on without serve \([^\n]+\): ages are what the kernel remembers\n\Z")
        self.assertIn(or_else if or_else and took > 10 else words, err)

    def test_one_who_floods(self):
        self.goes_on([b"a" * MB] * 600, "longer than 536870912 bytes", 30, or_else=NOT_WHOLE)

    def test_one_who_drips(self):
        def drip():
            for _ in range(120):
                yield b"x"
                time.sleep(0.5)

        self.goes_on(drip(), NOT_WHOLE, 30)

    def test_one_who_knows_too_many_sockets(self):
        lines = b"".join(SEED % n for n in range(1000))
        self.goes_on([HEADER] + [lines] * 1001, "more than 1000000 sockets", 50, 500 * MB, or_else=NOT_WHOLE)

    def test_one_who_says_something_else(self):
        self.goes_on([b"nothing of ours\n"], "not a tcpdwell trace", 9)
        self.goes_on([HEADER], "cut off", 9)

    def test_one_who_accepts_nobody(self):
        path = scratch_file("deaf.sock")
        with socket.socket(socket.AF_UNIX) as deaf, contextlib.ExitStack() as held:
            deaf.bind(path)
            deaf.listen(0)
            with contextlib.suppress(BlockingIOError):  # no more may wait
                while True:
                    one = held.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK))
                    one.connect(path)
            status, _, err, took, _ = stuck(path)
            self.assertEqual(status, 0, err)
            self.assertIn("accepts nobody", err)
            self.assertLess(took, 9)


NOT_WHOLE = "not whole after 10 s"
HEADER = (
    b'{"type":"header","schema":1,"tool":"tcpdwell","version":"0","host":"h","kernel":"k","arch":"a","boot_id":"b",'
    b'"start":"2026-01-01T00:00:00.000000000Z","clock":"monotonic","minisockets":"off","filters":{}}\n'
)
SEED = (
    b'{"type":"seed","ts":"2026-01-01T00:00:00.000000000Z","mono_ns":1,"conn":"%x","netns":1,"family":4,'
    b'"laddr":"127.0.0.1","lport":1,"raddr":"127.0.0.1","rport":2,"state":"CLOSE_WAIT","age_ns":1,"age":"exact",'
    b'"pid":null,"comm":"","owner":"none","cgroup":0}\n'
)

if __name__ == "__main__":
    main()
