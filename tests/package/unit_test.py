# SPDX-License-Identifier: BSD-2-Clause
"""The systemd unit: it is well formed, and what it leaves tcpdwell is enough."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from support import PACKAGING, TCPDWELL, main, needs, output

UNIT = PACKAGING / "systemd/tcpdwell.service.in"
NOBODY = 65534


def setting(name):
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.M)


def calls_of(names):
    """System calls of @groups and names, as systemd expands them."""
    calls = set()
    for name in names:
        if not name.startswith("@"):
            calls.add(name)
            continue
        members = output("systemd-analyze", "syscall-filter", name).split("\n")[1:]
        calls |= calls_of(line.strip() for line in members if line.strip() and not line.strip().startswith("#"))
    return calls


def allowed_calls():
    allowed = set()
    for line in setting("SystemCallFilter"):
        if line.startswith("~"):
            allowed -= calls_of(line[1:].split())
        else:
            allowed |= calls_of(line.split())
    return allowed


@needs("systemd-analyze")
class Unit(unittest.TestCase):
    def unit_in(self, scratch):
        path = Path(scratch, "tcpdwell.service")
        path.write_text(UNIT.read_text().replace("@TCPDWELL_PROGRAM@", TCPDWELL))
        return path

    def test_verify(self):
        with tempfile.TemporaryDirectory() as scratch:
            path = self.unit_in(scratch)
            self.assertEqual(output("systemd-analyze", "verify", "--man=no", path), "")

    def test_the_unit_of_clickhouse(self):
        said = (PACKAGING / "clickhouse/tcpdwell-clickhouse.service").read_text()
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch, "tcpdwell-clickhouse.service")
            path.write_text(said.replace("/usr/local/lib/tcpdwell", str(PACKAGING / "clickhouse")))
            self.assertEqual(output("systemd-analyze", "verify", "--man=no", path), "")
        for name in "AmbientCapabilities", "CapabilityBoundingSet":
            self.assertEqual(re.findall(rf"^{name}=(.*)$", said, re.M), setting(name))

    def test_exposure(self):
        with tempfile.TemporaryDirectory() as scratch:
            path = self.unit_in(scratch)
            level = re.search(r"level for tcpdwell.service: ([\d.]+)", output("systemd-analyze", "security", "--offline=yes", path))
            self.assertLess(float(level[1]), 3.5)

    def answer_of(self, path):
        """Of a serve, when it has begun."""
        for _ in range(600):
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
                client.connect(path)
                client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
                with client.makefile("rb") as answer:
                    return answer.read()
            time.sleep(0.1)
        return self.fail("no answer")

    @needs("strace")
    @unittest.skipUnless(os.geteuid() == 0, "tracing needs root")
    def test_the_system_calls_it_makes_are_allowed(self):
        with tempfile.TemporaryDirectory() as scratch:
            log = Path(scratch, "calls")
            path = f"{scratch}/socket"
            # The unit's user is its own, and has no other to become.
            serve = subprocess.Popen(["strace", "-f", "-qq", "-o", log, TCPDWELL, "serve", "--listen", "127.0.0.1:0", "--socket",
                                      path, "--duration", "6s", "--user", "root"])  # fmt: skip
            self.answer_of(path)
            self.assertEqual(serve.wait(timeout=60), 0)
            made = set(re.findall(r"^\d+ +([a-z0-9_]+)\(", log.read_text(), re.M))
        self.assertLessEqual({"bpf", "accept4", "seccomp", "landlock_create_ruleset"}, made)
        self.assertEqual(made - allowed_calls(), set())


@needs("setpriv", "ip")
@unittest.skipUnless(os.geteuid() == 0, "tracing needs root")
class Capabilities(unittest.TestCase):
    """As nobody, with the unit's capabilities and without each of them."""

    def run_with(self, capabilities, *args):
        given = ",".join(["-all", *("+" + name.removeprefix("CAP_").lower() for name in capabilities)])
        with tempfile.TemporaryDirectory() as scratch:
            os.chmod(scratch, 0o755)
            program = shutil.copy(TCPDWELL, scratch)
            words = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--inh-caps", given,
                     "--ambient-caps", given, "--bounding-set", given, program, *args]
            done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=60, check=False)
            return done.returncode, done.stdout + done.stderr

    def test_all_of_them_are_enough(self):
        capabilities = setting("CapabilityBoundingSet")[0].split()
        self.assertEqual(setting("AmbientCapabilities")[0].split(), capabilities)
        status, said = self.run_with(capabilities, "trace", "--duration", "200ms", "-v")
        self.assertEqual(status, 0, said)
        self.assertNotIn("minisockets off", said)
        self.assertNotIn("could not be entered", said)

    def test_each_is_needed(self):
        holder = subprocess.Popen(["unshare", "--net", "sleep", "60"])  # of a namespace that is not this one
        self.addCleanup(holder.wait)
        self.addCleanup(holder.kill)
        # The kernel takes CAP_SYS_ADMIN for the first two as well.
        capabilities = setting("CapabilityBoundingSet")[0].split()
        for away, sign in ({"CAP_SYS_ADMIN"}, "could not be entered"), \
                          ({"CAP_SYS_ADMIN", "CAP_BPF"}, "CAP_BPF missing"), \
                          ({"CAP_SYS_ADMIN", "CAP_PERFMON"}, "CAP_PERFMON missing"):
            with self.subTest(without=away):
                left = [name for name in capabilities if name not in away]
                self.assertIn(sign, self.run_with(left, "trace", "--duration", "50ms")[1])

    def test_sockets_of_other_users_namespaces_need_ptrace(self):
        capabilities = setting("CapabilityBoundingSet")[0].split()
        holder = subprocess.Popen(["unshare", "--net", "sleep", "60"])
        try:
            walked = lambda given: int(re.search(r"in (\d+) network namespaces", self.run_with(given, "trace", "--duration", "50ms", "-v")[1])[1])
            self.assertGreater(walked(capabilities), walked([c for c in capabilities if c != "CAP_SYS_PTRACE"]))
        finally:
            holder.kill()
            holder.wait()


if __name__ == "__main__":
    main()
