# SPDX-License-Identifier: BSD-2-Clause
"""What the tests of the binary share: running it, a network of its own, reading what it prints."""

import atexit
import contextlib
import ctypes
import dataclasses
import fcntl
import functools
import json
import os
import pathlib
import pty
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

import witness

TCPDWELL = os.environ["TCPDWELL"]
NOBODY = 65534
# Of a build with sanitizers (tests/CMakeLists.txt): slower, and without the filter of system calls.
SANITIZED = "TCPDWELL_SANITIZED" in os.environ
# No run of these tests takes longer than a few seconds, on a slow machine some more; one that hangs fails.
TIMEOUT = 120 if SANITIZED else 60  # seconds
SECCOMP = "0" if SANITIZED else "2"  # of a confined process, in /proc/PID/status
# The binary again, where a library is to come before the C library's: a static one loads none.
PRELOADABLE = os.environ.get("TCPDWELL_PRELOADABLE", os.path.join(os.path.dirname(TCPDWELL), "tests/tcpdwell_preloadable"))
# Programs of others that scripts/deps installs: tests/engines.
ENGINES = pathlib.Path(os.environ.get("TCPDWELL_ENGINES", pathlib.Path.home() / ".cache/tcpdwell/engines"))
# Traffic of the host, and of other tests, is none of ours.
HERE = ("--netns", str(os.getpid()))

needs_root = unittest.skipUnless(os.geteuid() == 0, "tracing needs root")


def needs(*programs):
    missing = [program for program in programs if shutil.which(program) is None]
    return unittest.skipIf(missing, f"not installed: {' '.join(missing)}")


def engine(name):
    """The command of a database of others, without a server."""
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "../engines", name)


def own_network():
    """Moves this process, and what it starts, to a network namespace that ends with it."""
    if os.geteuid() != 0:
        raise unittest.SkipTest("tracing needs root")
    clone_newnet = 0x40000000
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(clone_newnet) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    siocsifflags, iff_up = 0x8914, 1
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, siocsifflags, struct.pack("16sh14x", b"lo", iff_up))
    witness.begin()


@functools.cache
def scratch():
    """A directory for this test's files, readable by every user."""
    directory = tempfile.TemporaryDirectory(prefix="tcpdwell-test-")
    atexit.register(directory.cleanup)
    os.chmod(directory.name, 0o755)
    return directory.name


def scratch_file(name, content=None):
    path = os.path.join(scratch(), name)
    if content is not None:
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
    return path


@functools.cache
def binary_for_all():
    """The binary where an unprivileged user can run it: a build tree may be root's alone."""
    path = scratch_file("tcpdwell")
    shutil.copyfile(TCPDWELL, path)
    os.chmod(path, 0o755)
    return path


def environment(**changes):
    """This process's, with a terminal that knows colours; None takes a variable away."""
    merged = {**os.environ, "TERM": "xterm", "NO_COLOR": None, **changes}
    return {name: value for name, value in merged.items() if value is not None}


def program(env):
    return PRELOADABLE if env and "LD_PRELOAD" in env else TCPDWELL


@dataclasses.dataclass
class Outcome:
    status: int  # negative: ended by that signal
    out: str
    err: str


def run(*args, user=None, env=None, **options):
    """Runs tcpdwell to its end. Strict decoding: whatever it prints must be UTF-8."""
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    if "input" not in options:
        options.setdefault("stdin", subprocess.DEVNULL)
    if user is not None:
        options.update(user=user, group=user, extra_groups=[])
    done = subprocess.run(
        [program(env) if user is None else binary_for_all(), *map(str, args)],
        env=env or environment(),
        encoding="utf-8",
        timeout=TIMEOUT,
        **options,
    )
    return Outcome(done.returncode, done.stdout or "", done.stderr or "")


def shell(script, *args, **options):
    """Runs a line of bash in which $0 is tcpdwell and $1… are `args`."""
    done = subprocess.run(
        ["bash", "-c", script, TCPDWELL, *map(str, args)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT,
        env=environment(),
        **options,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def run_on_terminal(*args, env=None, columns=0):
    """Runs tcpdwell with its standard streams on a terminal; its status and what it showed."""
    ours, its = pty.openpty()
    if columns:
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("4H", 40, columns, 0, 0))
    with subprocess.Popen(
        [program(env), *map(str, args)],
        stdin=its,
        stdout=its,
        stderr=its,
        env=env or environment(),
        start_new_session=True,
    ) as process:
        os.close(its)
        shown = bytearray()
        with contextlib.suppress(OSError):  # EIO: the last descriptor of the other side is closed
            while chunk := os.read(ours, 65536):
                shown += chunk
        os.close(ours)
        return process.wait(TIMEOUT), shown.decode("utf-8").replace("\r\n", "\n")


class Live:
    """A tcpdwell that traces while the test does something; entered once it is ready.

    with Live("trace", "--format", "json") as live: ...
    live.outcome.out
    """

    def __init__(self, *args, network=HERE, binary=TCPDWELL):
        self._out, self._err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.outcome = None
        self.process = subprocess.Popen(
            [binary, *map(str, args), *network, "-v"],
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=self._err,
            env=environment(),
        )

    def __enter__(self):
        # What -v says once it is attached and knows the sockets that were there before.
        ready = " existed before\n"
        wait_for(lambda: ready in self._text(self._err) or self.process.poll() is not None)
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.process.kill()
        elif self.outcome is None:
            self.stop()
        self.process.wait()
        self._out.close()
        self._err.close()

    def printed(self):
        """What it has printed so far."""
        return self._text(self._out)

    def stop(self, number=signal.SIGINT):
        """Ends it with a signal, as leaving the block does."""
        self.process.send_signal(number)
        return self.end()

    def end(self):
        """Waits for its end; what it printed, without the chatter of -v."""
        status = self.process.wait(TIMEOUT)
        err = [line for line in self._text(self._err).split("\n") if not line.startswith("libbpf:")]
        self.outcome = Outcome(status, self._text(self._out), "\n".join(err))
        return self.outcome

    @staticmethod
    def _text(file):
        return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode("utf-8")


def wait_for(condition):
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("what the test waits for did not happen")
        time.sleep(0.01)


def name_of(pid):
    """What a process is called now; "" if it is gone."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
        return file.read().strip()
    return ""


def wait_for_name(pid, name):
    """Until a process runs the program, or has given itself the name."""
    wait_for(lambda: name_of(pid) == name)


def states_at(port):
    """The states of the IPv4 sockets of this network that have the port at either end, as the kernel numbers them."""
    with open("/proc/self/net/tcp", encoding="ascii") as rows:
        fields = [row.split() for row in rows]
    return [state for _, local, remote, state, *_ in fields if f":{port:04X}" in (local[-5:], remote[-5:])]


def shell_until(condition):
    """A line of sh that waits until the condition holds, for a minute at most: it may be left alone."""
    return f"for _ in $(seq 600); do if {condition}; then break; fi; sleep 0.1; done"


def free_port():
    """A port nobody listens on now; in a network of its own nobody else will."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return witness.note_port(probe.getsockname()[1])


def peers(*args):
    """The command line of a small client and server (peers.py), for -- COMMAND."""
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers.py")
    return [sys.executable, "-I", "-S", "-B", script, *map(str, args)]


class Trace:
    """A JSON trace as printed, its lines by type."""

    def __init__(self, text):
        # Not splitlines(): it breaks lines at characters that JSON lets stand.
        self.lines = [json.loads(line) for line in text.removesuffix("\n").split("\n") if line]
        self.header = self.lines[0] if self.lines else None
        self.end = next((line for line in self.lines if line["type"] == "end"), None)
        self.transitions = self.of_type("transition")
        self.seeds = self.of_type("seed")

    def of_type(self, name):
        return [line for line in self.lines if line["type"] == name]

    def connections(self):
        """The transitions of each connection, in order."""
        chains = {}
        for line in self.transitions:
            chains.setdefault(line["conn"], []).append(line)
        return chains


def read_trace(path):
    with open(path, encoding="utf-8") as file:
        return Trace(file.read())


def states(chain):
    """The states of a connection's lines: ['LISTEN', 'SYN_RECV', 'ESTABLISHED', …]."""
    return [chain[0]["old"], *(line["new"] for line in chain)]


def begins(chain):
    """Whether its first line is that of a new connection, or of a new listener."""
    begin = chain[0]["old"], chain[0]["new"]
    return begin in (("CLOSE", "SYN_SENT"), ("LISTEN", "SYN_RECV"), ("CLOSE", "LISTEN"))


def is_complete(chain):
    """From a connection's first state to its last."""
    return begins(chain) and chain[-1]["new"] == "CLOSE"


class TestCase(unittest.TestCase):
    maxDiff = None

    def run(self, result=None):
        with witness.watched(result):
            return super().run(result)

    def assert_error(self, outcome, status, *words):
        """One line on standard error, nothing else, and the contract's exit status."""
        self.assertEqual(outcome.status, status, outcome)
        self.assertRegex(outcome.err, r"\Atcpdwell: [^\n]+\n\Z")
        for word in words:
            self.assertIn(word, outcome.err)

    def assert_nothing_lost(self, lost):
        """`lost`: how many, by place."""
        lost = {place: count for place, count in lost.items() if count}
        if set(lost) == {"recursion"}:
            witness.note_unseen(lost["recursion"])
        self.assertEqual(lost, {})

    def assert_whole(self, trace):
        """A trace that ended well: header first, end last, its totals right, nothing lost."""
        self.assertEqual(trace.lines[0]["type"], "header")
        self.assertEqual(trace.lines[-1]["type"], "end")
        self.assertEqual(len(trace.of_type("header")), 1)
        self.assertEqual(len(trace.of_type("end")), 1)
        self.assertEqual(trace.end["transitions"], len(trace.transitions))
        self.assertEqual(
            trace.end["connections"],
            len({line["conn"] for line in trace.transitions + trace.seeds}),
        )
        self.assert_nothing_lost(trace.end["lost"])

    def assert_chains(self, trace):
        """Each line of a connection takes up where the line before, or its seed, left it."""
        seeded = {seed["conn"]: seed["state"] for seed in trace.seeds}
        for conn, chain in trace.connections().items():
            self.assertEqual(chain[0]["old"], seeded.get(conn, chain[0]["old"]), conn)
            self.assertTrue(conn in seeded or begins(chain), f"{conn}: {states(chain)}")
            for before, line in zip(chain, chain[1:]):
                self.assertEqual(line["old"], before["new"], f"{conn}: {states(chain)}")
                self.assertNotIn("gap", line, f"{conn}: {states(chain)}")
                self.assertLessEqual(before["mono_ns"], line["mono_ns"], conn)


def main():
    result = unittest.main(exit=False).result
    sys.exit(0 if result.wasSuccessful() else witness.judge(result))
