# SPDX-License-Identifier: BSD-2-Clause
"""tcpdwell top on a terminal: what it shows is true, keys do what help says, and nothing waits for it.

The terminal is a real one (a pseudo-terminal with this test at the other end); pyte keeps the screen
that a person would see.
"""

import contextlib
import fcntl
import itertools
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
import unittest

import support
from support import HERE, TCPDWELL, environment, free_port, peers, run, wait_for

try:
    import pyte
except ImportError:  # Debian's package is pure Python: any interpreter can use it
    sys.path.append("/usr/lib/python3/dist-packages")
    try:
        import pyte
    except ImportError:
        pyte = None

COLOUR = re.compile(rb"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;\d+)*m")


def setUpModule():
    support.own_network()

PORTS = itertools.count(7000)


class Terminal:
    """A terminal on which tcpdwell top runs. It knows what xterm knows that pyte does, as TERM=linux."""

    def __init__(self, *args, rows=30, columns=120, network=HERE, wait=True, **changes):
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = bytearray()
        self.ours, self._its = pty.openpty()
        self._set_size(rows, columns)
        self.before = termios.tcgetattr(self._its)
        self._errors = open(support.scratch_file("top-errors"), "w+b")
        self.process = subprocess.Popen(
            [TCPDWELL, "top", *map(str, args), *network],
            stdin=self._its,
            stdout=self._its,
            stderr=self._errors,
            env=environment(**{"TERM": "linux", "LC_ALL": "C.UTF-8", **changes}),
            # A session of its own whose terminal this is, so that its keys make signals.
            preexec_fn=lambda: (os.setsid(), fcntl.ioctl(0, termios.TIOCSCTTY, 0)),
        )
        if wait:
            try:
                self.until(lambda: "lost " in self.text() and "OWNER" in self.text() or "By " in self.text())
            except AssertionError:
                self.__exit__()
                raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.ours)
        os.close(self._its)
        self._errors.close()

    def _set_size(self, rows, columns):
        fcntl.ioctl(self._its, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, rows, columns):
        self.screen.resize(rows, columns)
        self._set_size(rows, columns)

    def read(self, wait=0.05, most=65536):
        """Takes what has come, as a terminal does."""
        if select.select([self.ours], [], [], wait)[0]:
            with contextlib.suppress(OSError):
                chunk = os.read(self.ours, most)
                self.raw += chunk
                self._stream.feed(chunk)
                return bool(chunk)
        return False

    def until(self, condition):
        """Feeds the screen until it is so. A program that has ended will show no more."""
        deadline = time.monotonic() + support.TIMEOUT
        while not condition():
            if time.monotonic() > deadline or (self.process.poll() is not None and not self.read() and not condition()):
                raise AssertionError("the screen never came to show it:\n" + self.text() + self.errors())
            self.read()

    def until_says(self, pattern):
        self.until(lambda: re.search(pattern, self.text()))

    def quiet(self):
        """Feeds the screen until nothing more comes for the moment: a picture may come in pieces."""
        while self.read(0.1):
            pass

    def settle(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.read()

    def type(self, keys):
        os.write(self.ours, keys.encode())

    def text(self):
        return "\n".join(line.rstrip() for line in self.screen.display) + "\n"

    def line(self, word):
        return next((line for line in self.screen.display if word in line), "")

    def errors(self):
        return os.pread(self._errors.fileno(), 65536, 0).decode()

    def modes(self):
        return termios.tcgetattr(self._its)

    def end(self):
        """Waits for its end; the status."""
        self.until(lambda: self.process.poll() is not None)
        while select.select([self.ours], [], [], 0)[0]:
            self.read()
        return self.process.returncode


class Connections:
    """A server and its clients in this process; who closes first is the client."""

    def __init__(self):
        # Below the ports that clients get: of connections older than itself top goes by that.
        self.listener = socket.create_server(("127.0.0.1", next(PORTS)), backlog=512)
        self.clients, self.served = [], []

    @property
    def port(self):
        return self.listener.getsockname()[1]

    def open(self, count):
        for _ in range(count):
            self.clients.append(socket.create_connection(("127.0.0.1", self.port)))
            self.served.append(self.listener.accept()[0])

    def close_first(self, count, follow=False):
        for _ in range(count):
            self.clients.pop().close()
            last = self.served.pop()
            if follow:
                last.recv(1)
                last.close()
            else:
                self.served.insert(0, last)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # Reset: nothing is left in TIME_WAIT for the tests that follow.
        for sock in self.clients + self.served:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
        self.listener.close()


def shows(terminal, state, count):
    """The line of a state says that so many are in it."""
    return re.search(rf"(?m)^{state} +{count:,} ", terminal.text())


@unittest.skipIf(pyte is None, "not installed: python3-pyte")
@support.needs_root
class Shown(support.TestCase):
    def setUp(self):
        support.own_network()  # what is in TIME_WAIT after the test before is none of this one's

    def test_counts_are_what_was_made(self):
        with Connections() as made:
            made.open(7)
            with Terminal("200ms") as terminal:
                terminal.until(lambda: shows(terminal, "ESTABLISHED", 14))  # seen at the start: both ends
                terminal.until(lambda: shows(terminal, "LISTEN", 1))
                made.open(20)
                terminal.until(lambda: shows(terminal, "ESTABLISHED", 54))
                made.close_first(5)
                terminal.until(lambda: shows(terminal, "CLOSE_WAIT", 5))
                terminal.until(lambda: shows(terminal, "FIN_WAIT2", 5))
                terminal.until(lambda: shows(terminal, "ESTABLISHED", 44))
                made.close_first(4, follow=True)
                terminal.until(lambda: shows(terminal, "TIME_WAIT", 4))
                # 20 handshakes, both ends; the seeded ones' are not known.
                self.assertRegex(terminal.line("SYN_SENT"), r"^SYN_SENT +0 ")
                self.assertRegex(terminal.text(), r"lost 0 ")
                # This process has them all. Below: one owner with 36 established, 5 that it should close.
                owner = lambda: terminal.line(f"{os.getpid()}/")
                terminal.until(lambda: re.search(r" 36 +5 +4 +0 +5 +1 *$", owner()))
                self.assertRegex(owner(), rf"^{os.getpid()}/\S+ +[\d,]+ +\S+ +(FIN_WAIT2|CLOSE_WAIT|TIME_WAIT) ")
                terminal.type("q")
                self.assertEqual(terminal.end(), 0)

    def test_how_long_and_how_many_a_second(self):
        with Connections() as made, Terminal("1") as terminal:
            opening = time.monotonic()
            made.open(30)
            opened = time.monotonic()
            time.sleep(0.3)
            closing = time.monotonic()
            made.close_first(30, follow=True)
            least, most = closing - opened, time.monotonic() - opening

            def is_shown():
                shown = re.search(r"(?m)^ESTABLISHED +0 .* ([\d.]+)(ms|s) +([\d.]+)(ms|s)", terminal.text())
                if shown is None:
                    return False
                stays = [float(shown[at]) / (1000 if shown[at + 1] == "ms" else 1) for at in (1, 3)]
                return all(0.98 * least - 0.01 < stay < 1.02 * most + 0.01 for stay in stays)  # three digits are shown

            terminal.until(is_shown)
            state = terminal.line("TIME_WAIT")
            self.assertRegex(state, r"^TIME_WAIT +\d+ ")
            terminal.type("q")
            self.assertEqual(terminal.end(), 0)

    def test_rates(self):
        """Entries a second, each second: all together are what was made."""
        with Connections() as made, Terminal("1") as terminal:
            up = lambda: (re.search(r"up (\S+)", terminal.text()) or [None, None])[1]
            rate = lambda: float(re.search(r"(?m)^SYN_SENT +\d+ +([\d.,]+) ", terminal.text())[1].replace(",", ""))
            before = up()
            terminal.until(lambda: up() != before)
            terminal.quiet()
            entered, shown, begin = 0, 0, time.monotonic()
            made.open(40)
            # On a busy host an interval is longer than a second: a rate is of the time since the picture before.
            while shown < 3 or entered == 0:
                before = up()
                terminal.until(lambda: up() != before)
                end = time.monotonic()
                terminal.quiet()
                entered += rate() * (end - begin)
                shown, begin = shown + 1, end
                self.assertLess(shown, 20, "no rate is shown")
            self.assertAlmostEqual(entered, 40, delta=6)

    def test_a_hostile_name(self):
        name = os.fsdecode(b"\x1b[2J\xc2\x9b\xffe\xcc\x81")
        server = subprocess.Popen(peers("both", free_port(), "--talk", "300", "--server-name", name), stdout=subprocess.DEVNULL)
        try:
            with Terminal("200ms") as terminal:
                terminal.until_says(r"/client")
                terminal.until_says(r"\\x1b\[2J\\xc2\\x9b\\xff")
                self.assertIn("ESTABLISHED", terminal.text())
                terminal.type("q")
                self.assertEqual(terminal.end(), 0)
                self.assertNotIn(b"\x1b[2J\xc2\x9b", terminal.raw)
        finally:
            server.kill()
            server.wait()


@unittest.skipIf(pyte is None, "not installed: python3-pyte")
@support.needs_root
class Keys(support.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.port = free_port()
        cls.pair = subprocess.Popen(peers("both", cls.port, "--talk", "600", "--client-name", "abacus", "--server-name", "zither"))
        cls.made = Connections()
        cls.made.open(6)
        wait_for(lambda: "abacus" in run("stuck", *HERE).out)

    @classmethod
    def tearDownClass(cls):
        cls.pair.kill()
        cls.pair.wait()
        cls.made.__exit__()

    def order(self, terminal, *names):
        at = [terminal.text().find(name) for name in names]
        self.assertNotIn(-1, at, terminal.text())
        return [name for _, name in sorted(zip(at, names))]

    def test_sort_and_reverse(self):
        mine = f"{os.getpid()}/"
        with Terminal("200ms") as terminal:
            terminal.until(lambda: all(name in terminal.text() for name in (mine, "/abacus", "/zither")))
            terminal.quiet()
            self.assertEqual(self.order(terminal, mine, "/abacus", "/zither")[0], mine)  # most connections
            terminal.type("r")
            terminal.until(lambda: self.order(terminal, mine, "/abacus", "/zither")[2] == mine)
            terminal.type("<")  # by the column before: the name
            terminal.until_says("OWNER▴")
            terminal.quiet()
            first = self.order(terminal, mine, "/abacus", "/zither")
            terminal.type("r")
            terminal.until_says("OWNER▾")
            terminal.until(lambda: self.order(terminal, mine, "/abacus", "/zither") == first[::-1])

    def test_filter(self):
        with Terminal("200ms") as terminal:
            terminal.until_says("zither")
            terminal.type("/ABA")
            terminal.until(lambda: "abacus" in terminal.text() and "zither" not in terminal.text())
            self.assertIn("Filter: ABA", terminal.text())
            self.assertFalse(terminal.screen.cursor.hidden)
            terminal.type("\r")
            terminal.until_says("matching ABA")
            terminal.settle(0.5)
            self.assertNotIn("zither", terminal.text())
            terminal.type("\x1b")
            terminal.until_says("zither")

    def test_tables(self):
        with Terminal("200ms", rows=50, columns=140) as terminal:  # of equal age any may come first
            for key, words in (("2", r"127\.0\.0\.1"), ("3", rf"{self.port} served"), ("4", r"CONTAINER"), ("5", r"SEVERITY"),
                               ("6", r"ESTABLISHED.*abacus"), ("1", r"/abacus")):
                terminal.type(key)
                terminal.until_says(words)
            terminal.type("\t")
            terminal.until_says("PEER")
            terminal.type("\x1b\t")  # Shift-Tab of TERM=linux
            terminal.until_says("OWNER")

    def test_ports_count_each_side(self):
        with Terminal("200ms") as terminal:
            terminal.type("3")
            terminal.until_says(rf"(?m)^{self.made.port} served +6 ")
            terminal.until_says(rf"(?m)^{self.made.port} called +6 ")

    def test_a_row_opens_and_a_connection_has_a_path(self):
        with Terminal("200ms") as terminal:
            terminal.until_says("abacus")
            terminal.type("/abacus\r\r")
            terminal.until_says(r"of \d+/abacus")
            terminal.until_says(rf"(?m)^ESTABLISHED .*127\.0\.0\.1:{self.port}")
            terminal.until(lambda: "zither" not in terminal.text())
            terminal.type("\r")
            terminal.until_says(r"connection [0-9a-f]+ +ESTABLISHED for")
            terminal.until_says(rf"remote +127\.0\.0\.1:{self.port}")
            terminal.until_says(r"E ESTABLISHED +\S+ +█+")
            terminal.type("\x1b")
            terminal.until_says(r"of \d+/abacus")
            terminal.type("\x1b")
            terminal.until_says("matching abacus")

    def test_the_path_of_a_closed_connection(self):
        with Terminal("200ms") as terminal, Connections() as made:
            made.open(1)
            terminal.type(f"6/:{made.port}\r")
            terminal.until_says(rf"(?m)^ESTABLISHED .*:{made.port}")
            terminal.type("\x1b[B\r" if "LISTEN" in terminal.line(f":{made.port}") else "\r")
            terminal.until_says(r"connection [0-9a-f]+ +\w+ for")
            made.__exit__()
            terminal.until_says("closed since")

    def test_pause(self):
        with Connections() as made, Terminal("200ms") as terminal:
            terminal.until(lambda: shows(terminal, "ESTABLISHED", 14))
            terminal.type(" ")
            terminal.until_says("PAUSED")
            made.open(9)
            terminal.settle(0.7)
            self.assertTrue(shows(terminal, "ESTABLISHED", 14))
            terminal.type(" ")
            terminal.until(lambda: shows(terminal, "ESTABLISHED", 32))
            self.assertNotIn("PAUSED", terminal.text())

    def test_help(self):
        with Terminal("200ms", columns=80) as terminal:
            terminal.type("?")
            terminal.until_says("sockets in the state")
            terminal.type("q")
            terminal.until_says("OWNER")
            self.assertIsNone(terminal.process.poll())

    def test_own_table(self):
        with Terminal("200ms", "--by", "comm,remote") as terminal:
            terminal.until_says(r"(?m)^abacus 127\.0\.0\.1 +1 ")
            self.assertIn("7 By comm,remote", terminal.text())


@unittest.skipIf(pyte is None, "not installed: python3-pyte")
@support.needs_root
class Sizes(support.TestCase):
    def setUp(self):
        support.own_network()  # what is in TIME_WAIT after the test before is none of this one's

    def test_resize_while_running(self):
        with Connections() as made, Terminal("200ms") as terminal:
            made.open(3)
            terminal.until(lambda: shows(terminal, "ESTABLISHED", 6))
            for rows, columns in ((24, 60), (150, 400), (5, 20), (30, 100)):
                terminal.resize(rows, columns)
                terminal.settle(0.5)

                def is_whole(last="q quit" if rows >= 24 else ""):
                    text = terminal.text()
                    return (re.search(r"ESTABLISHED +6", text) and f"{os.getpid()}/" in text and text.count("lost 0") == 1
                            and last in terminal.screen.display[-1])  # fmt: skip

                terminal.until(is_whole)
            self.assertEqual(terminal.errors(), "")
            terminal.type("q")
            self.assertEqual(terminal.end(), 0)

    def test_tiny(self):
        with Connections() as made:
            made.open(3)
            with Terminal("200ms", rows=5, columns=20, wait=False) as terminal:
                terminal.until_says(r"ESTABLISHED 6")
                terminal.until_says("lost 0")
                terminal.type("q")
                self.assertEqual(terminal.end(), 0)

    def test_without_utf8_it_is_ascii(self):
        with Connections() as made, Terminal("200ms", LC_ALL="C") as terminal:
            made.open(3)
            terminal.until_says(r"(?m)^ESTABLISHED +6 .*#")
            terminal.type("q")
            terminal.end()
            self.assertTrue(all(byte < 0x80 for byte in terminal.raw))

    def test_colour_and_none(self):
        def raw(*args, **changes):
            with Connections() as made, Terminal("200ms", *args, **changes) as terminal:
                made.open(1)
                terminal.until(lambda: shows(terminal, "ESTABLISHED", 2))
                terminal.type("q")
                self.assertEqual(terminal.end(), 0)
                return terminal.raw

        self.assertRegex(raw(), COLOUR)
        self.assertRegex(raw(TERM="xterm-256color"), COLOUR)
        self.assertNotRegex(raw("--no-color"), COLOUR)
        self.assertNotRegex(raw(NO_COLOR="1"), COLOUR)
        self.assertNotRegex(raw(TERM="vt100"), COLOUR)


class Unusable(support.TestCase):
    """One line that says why, and what to do instead. The terminal is looked at before privileges are."""

    def on_terminal(self, **changes):
        status, shown = support.run_on_terminal("top", env=environment(**changes))
        return support.Outcome(status, "", shown)

    def test_a_terminal_that_is_no_screen(self):
        self.assert_error(self.on_terminal(TERM="dumb"), 2, "TERM=dumb", "tcpdwell stat 1")
        self.assert_error(self.on_terminal(TERM=None), 2, "TERM is not set", "tcpdwell stat 1")
        self.assert_error(self.on_terminal(TERM="no-such"), 2, "TERM=no-such", "tcpdwell stat 1")

    def test_no_terminal(self):
        self.assert_error(run("top"), 2, "terminal", "tcpdwell stat 1")

    def test_bad_usage(self):
        self.assert_error(run("top", "0"), 2, "INTERVAL")
        self.assert_error(run("top", "x"), 2, "INTERVAL")
        self.assert_error(run("top", "--by", "path"), 2, "stat")
        self.assert_error(run("top", "--by", "nothing"), 2, "nothing")
        self.assert_error(run("top", "--", "true"), 2, "command")


@unittest.skipIf(pyte is None, "not installed: python3-pyte")
@support.needs_root
class Ends(support.TestCase):
    def assert_restored(self, terminal):
        self.assertEqual(terminal.modes(), terminal.before)
        self.assertRegex(bytes(terminal.raw[-200:]), rb"\x1b\[\?1049l")
        self.assertRegex(bytes(terminal.raw[-200:]), rb"\x1b\[\?(12l\x1b\[\?)?25h")

    def test_the_terminal_is_as_before(self):
        for how in ("q", "\x03", signal.SIGTERM, signal.SIGHUP, "duration"):
            options = ("--duration", "4s") if how == "duration" else ()
            with self.subTest(how=how), Terminal("200ms", *options, TERM="xterm") as terminal:
                self.assertNotEqual(terminal.modes(), terminal.before)
                if isinstance(how, signal.Signals):
                    terminal.process.send_signal(how)
                elif how != "duration":
                    terminal.type(how)
                self.assertEqual(terminal.end(), 0)
                self.assert_restored(terminal)
                self.assertEqual(terminal.errors(), "")

    def test_stopped_and_continued(self):
        with Terminal("200ms", TERM="xterm") as terminal:
            terminal.type("\x1a")
            status = f"/proc/{terminal.process.pid}/stat"

            def stopped():
                with open(status, encoding="utf-8") as file:
                    return file.read().rpartition(")")[2].split()[0] == "T"

            terminal.until(stopped)
            terminal.quiet()
            self.assert_restored(terminal)
            terminal.screen.reset()
            terminal.process.send_signal(signal.SIGCONT)
            terminal.until_says("OWNER")
            self.assertNotEqual(terminal.modes(), terminal.before)
            terminal.type("q")
            self.assertEqual(terminal.end(), 0)

    def test_privileges_are_given_up(self):
        with Terminal("200ms") as terminal:
            with open(f"/proc/{terminal.process.pid}/status", encoding="utf-8") as file:
                fields = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
            self.assertEqual(int(fields["CapEff"], 16), 0)
            self.assertEqual(fields["Seccomp"], support.SECCOMP)
            if not support.SANITIZED:
                self.assertEqual(fields["Uid"], "\t".join([str(support.NOBODY)] * 4))

    def test_a_terminal_that_goes_away_ends_it(self):
        with Terminal("200ms") as terminal:
            os.close(terminal.ours)
            os.close(terminal._its)
            wait_for(lambda: terminal.process.poll() is not None)
            self.assertEqual(terminal.process.returncode, 0)
            terminal.ours, terminal._its = pty.openpty()


@unittest.skipIf(pyte is None, "not installed: python3-pyte")
@unittest.skipIf(support.SANITIZED, "an instrumented build is itself too slow for a small ring")
@support.needs_root
class Slow(support.TestCase):
    def setUp(self):
        support.own_network()  # what is in TIME_WAIT after the test before is none of this one's

    def test_a_slow_terminal_loses_nothing(self):
        """It takes a few bytes at a time, then none at all, while a small ring fills several times over."""
        connections = 3000
        with Terminal("100ms", "--buffer", "256K", rows=60, columns=200) as terminal:
            storm = subprocess.Popen(peers("both", free_port(), "--count", connections))
            began = time.monotonic()
            while storm.poll() is None:
                if time.monotonic() - began < 1:
                    terminal.read(0, most=100)
                time.sleep(0.02)
            self.assertEqual(storm.returncode, 0)
            # Then it catches up, and all was counted.
            terminal.until_says(rf"(?m)^TIME_WAIT +{connections:,} ")
            terminal.until_says(rf"(?m)^CLOSE_WAIT +0 .* {connections:,} ")
            self.assertIn("lost 0 ", terminal.text())
            terminal.type("q")
            self.assertEqual(terminal.end(), 0)
            self.assertEqual(terminal.errors(), "")

    def test_a_terminal_that_takes_nothing_does_not_hold_up_the_end(self):
        with Terminal("100ms", rows=100, columns=300) as terminal:
            storm = subprocess.Popen(peers("both", free_port(), "--count", 300))
            storm.wait()
            time.sleep(0.5)
            terminal.process.send_signal(signal.SIGTERM)
            self.assertEqual(terminal.process.wait(support.TIMEOUT), 0)


if __name__ == "__main__":
    support.main()
