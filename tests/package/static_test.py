# SPDX-License-Identifier: BSD-2-Clause
"""The binary of the packages is one file: it needs no library, no locale, no name service and no terminal's description
of the host. It runs in a root that holds it alone, with /proc and /sys, which a tracer cannot do without."""

import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from chroot_test import connect_and_close, own_world
from support import PACKAGES, main, needs, output

# A locale and a terminal that ask for the host's files, were they read.
ENVIRONMENT = {"TERM": "xterm-256color", "LANG": "de_DE.UTF-8", "PATH": "/"}
SETTLE_S = 0.5


def shipped(folder):
    """The tarball's binary, in that folder."""
    output("sh", "-c", 'tar -xzOf "$1" --wildcards "*/bin/tcpdwell" > "$2"', "-", next(PACKAGES.glob("*.tar.gz")), folder / "tcpdwell")
    os.chmod(folder / "tcpdwell", 0o755)


class File(unittest.TestCase):
    def test_it_is_static_and_at_random_addresses(self):
        with tempfile.TemporaryDirectory() as scratch:
            shipped(Path(scratch))
            said = output("readelf", "-hlWd", Path(scratch, "tcpdwell"))
        self.assertIn("Type:                              DYN", said)
        self.assertNotRegex(said, r"INTERP|NEEDED")
        self.assertRegex(said, r"GNU_RELRO")


@needs("chroot", "strace")
@unittest.skipUnless(os.geteuid() == 0, "tracing needs root")
class Alone(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        own_world()
        cls.scratch = tempfile.mkdtemp(prefix="tcpdwell-alone-")
        output("mount", "-t", "tmpfs", "alone", cls.scratch)
        cls.addClassCleanup(lambda: (output("umount", "-l", cls.scratch), os.rmdir(cls.scratch)))
        cls.root = Path(cls.scratch, "root")
        for name in "proc", "sys":
            (cls.root / name).mkdir(parents=True)
        shipped(cls.root)
        output("mount", "-t", "proc", "proc", cls.root / "proc")
        output("mount", "-t", "sysfs", "-o", "ro", "sysfs", cls.root / "sys")

    def start(self, *words, **options):
        process = subprocess.Popen([shutil.which("chroot"), str(self.root), "/tcpdwell", *words], env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)  # fmt: skip
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def inside(self, *words):
        process = self.start(*words)
        said, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, said)
        return said

    def while_running(self, *words):
        """What it says of a connection that is made meanwhile."""
        process = self.start(*words, "--netns", "/proc/self/ns/net", "-v")
        said = ""
        while " existed before" not in said:
            line = process.stdout.readline()
            self.assertTrue(line, said)
            said += line
        port = connect_and_close()
        time.sleep(SETTLE_S)
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, said + rest)
        return port, said + rest

    def test_explain_and_check(self):
        self.assertIn("CLOSE_WAIT", self.inside("explain", "CLOSE_WAIT"))
        self.assertIn("can trace here", self.inside("check"))

    def test_trace(self):
        port, said = self.while_running("trace")
        self.assertRegex(said, rf"127\.0\.0\.1:{port}\b.*ESTABLISHED")

    def test_stat(self):
        self.assertRegex(self.while_running("stat")[1], r"(?m)^CLOSE_WAIT +1 ")

    def test_record_and_report(self):
        port, _ = self.while_running("record", "-o", "/trace.json.zst")
        rows = json.loads(self.inside("report", "/trace.json.zst", "--format", "json"))["rows"]
        self.assertEqual([row["count"] for row in rows if row["state"] == "CLOSE_WAIT"], [1])
        page = self.inside("report", "/trace.json.zst", "--format", "html")
        self.assertTrue(page.startswith("<!doctype html>") or page.startswith("<!DOCTYPE html>"), page[:100])
        self.assertIn(str(port), page)

    def test_stuck(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.assertIn(str(server.getsockname()[1]), self.inside("stuck", "-l", "--netns", "/proc/self/ns/net"))

    def test_serve(self):
        with socket.create_server(("127.0.0.1", 0)) as any_port:
            port = any_port.getsockname()[1]
        process = self.start("serve", "--listen", f"127.0.0.1:{port}", "--socket", "/serve.sock")
        for way in (socket.AF_INET, ("127.0.0.1", port)), (socket.AF_UNIX, str(self.root / "serve.sock")):
            self.assertIn(b"tcpdwell_build_info", self.asked(process, *way))
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, said)

    def asked(self, process, family, address):
        until = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < until:
            try:
                with socket.socket(family) as client:
                    client.connect(address)
                    client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
                    with client.makefile("rb") as answer:
                        return answer.read()
            except OSError:
                time.sleep(0.1)
        return self.fail(f"no answer at {address}")

    def on_screen(self, terminal):
        """The status of `top`, and what it painted."""
        child, screen = pty.fork()
        if child == 0:
            os.chroot(self.root)
            os.chdir("/")
            os.execve("/tcpdwell", ["tcpdwell", "top", "--duration", "2s"], {**ENVIRONMENT, "TERM": terminal})
        painted = b""
        while True:
            try:
                painted += os.read(screen, 65536)
            except OSError:  # EIO: it has ended
                break
        os.close(screen)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), painted.decode()

    def test_top_on_terminals_that_are_built_in(self):
        for terminal in "xterm-256color", "screen", "linux", "vt100":
            with self.subTest(terminal=terminal):
                status, painted = self.on_screen(terminal)
                self.assertEqual(status, 0, painted)
                self.assertIn("ESTABLISHED", painted)
        # UTF-8 is the environment's word, and needs no locale.
        self.assertRegex(self.on_screen("xterm-256color")[1], "[\u2500-\u259f]")
        status, painted = self.on_screen("no-such")
        self.assertEqual(status, 2)
        self.assertIn("TERM=no-such", painted)


@needs("strace")
@unittest.skipUnless(os.geteuid() == 0, "tracing needs root")
class OnAHost(unittest.TestCase):
    """Where there are libraries, locales and names, it leaves them."""

    def opened(self, *words):
        with tempfile.TemporaryDirectory() as scratch:
            shipped(Path(scratch))
            log = Path(scratch, "calls")
            process = subprocess.Popen(["script", "-qec", " ".join(["strace", "-f", "-qq", "-e", "trace=open,openat,execve", "-o", str(log),
                                        f"{scratch}/tcpdwell", *words]), "/dev/null"], env={**os.environ, **ENVIRONMENT, "PATH": os.environ["PATH"]},
                                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
            said, _ = process.communicate(timeout=120)
            self.assertEqual(process.returncode, 0, said)
            return set(re.findall(r'open(?:at)?\((?:AT_FDCWD, )?"(/[^"]*)"', log.read_text()))

    def test_it_opens_no_library_locale_or_list_of_names(self):
        for words in ("top", "--duration", "1s"), ("trace", "--duration", "50ms", "--user", "nobody"), \
                     ("serve", "--listen", "127.0.0.1:0", "--duration", "500ms", "--socket", "''"):
            with self.subTest(words=words):
                beyond = {path for path in self.opened(*words) if not f"{path}/".startswith(("/proc/", "/sys/", "/dev/", "/run/"))}
                # The names of containers are what it looks for (--host-root).
                allowed = {"/etc/localtime", "/etc/passwd"} | {path for path in beyond if "/terminfo/" in path or path.startswith(
                           ("/var/log/pods", "/var/log/containers", "/var/lib/docker/containers", "/var/lib/containers/storage/"))}  # fmt: skip
                self.assertEqual(beyond - allowed, set())


if __name__ == "__main__":
    main()
