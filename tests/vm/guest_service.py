# SPDX-License-Identifier: BSD-2-Clause
"""Runs in a guest whose init is systemd, as a unit: the package as an administrator meets it. tests/vm/service is the host's side."""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Every instruction is emulated, on a host that may have much else to do.
PATIENCE_S = 400
LISTENS, PATH = ("127.0.0.1", 9978), "/run/tcpdwell/serve.sock"
# Older than the service, in a network namespace and of a user that are not its own.
HOLDER = """
import fcntl, os, socket, struct, time
with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 1))
os.setuid(65534)
listener = socket.create_server(("127.0.0.1", 7001))
client = socket.create_connection(("127.0.0.1", 7001))
server, _ = listener.accept()
print("ready", flush=True)
time.sleep(3600)
"""


def output(*words, status=0):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE_S, check=False)
    if status is not None and done.returncode != status:
        raise AssertionError(f"{' '.join(words)}: exit status {done.returncode}\n{done.stdout}")
    return done.stdout


def show(*names):
    said = output("systemctl", "show", "tcpdwell", *(f"--property={name}" for name in names))
    return dict(line.split("=", 1) for line in said.splitlines())


def state():
    return output("systemctl", "is-active", "tcpdwell", status=None).strip()


def pid():
    return int(show("MainPID")["MainPID"])


def journal():
    return output("journalctl", "--unit=tcpdwell", "--no-pager", "--output=cat")


def answer(where, path):
    with socket.socket(socket.AF_UNIX if isinstance(where, str) else socket.AF_INET) as client:
        client.settimeout(PATIENCE_S)
        client.connect(where)
        client.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        with client.makefile("rb") as said:
            head, _, body = said.read().decode().partition("\r\n\r\n")
    if not re.match(r"HTTP/1\.\d 200 ", head):
        raise AssertionError(f"{path}: {head}")
    return body


def metrics(where=PATH):
    """Asked over the unix socket, so that asking is no connection that counts."""
    lines = (line.rpartition(" ") for line in answer(where, "/metrics").splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def until(what, limit_s=PATIENCE_S):
    """What it says when that is something."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            if said := what():
                return said
        time.sleep(0.5)
    raise AssertionError(f"not within {limit_s} s; {show('ActiveState', 'SubState', 'Result', 'NRestarts')}\n{journal()[-3000:]}")


class Case(unittest.TestCase):
    older = (2, 0)  # listening, established: what there is without this test; the service listens at 127.0.0.1 and ::1

    def it_serves(self):
        said = until(lambda: metrics(LISTENS))
        self.assertEqual(state(), "active")
        self.assertTrue(any(name.startswith("tcpdwell_build_info{") for name in said))

    def grows_by(self, before, after, name, number):
        self.assertEqual(after[name] - before.get(name, 0), number, name)

    def counts(self, listening, established):
        said = metrics()
        there = (said['tcpdwell_sockets{state="LISTEN"}'], said['tcpdwell_sockets{state="ESTABLISHED"}'])
        return said if there == (listening, established) else None

    def it_sees_sockets(self):
        before = metrics()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            pairs = []
            for _ in range(7):
                client = socket.create_connection(listener.getsockname())
                pairs.append((client, listener.accept()[0]))
            for client, server in pairs[:3]:
                client.close()
                server.recv(1)
                server.close()
            # What is open is listed when somebody asks, but not at every moment where that costs too much.
            listening, established = self.older
            after = until(lambda: self.counts(listening + 1, established + 8))
            for client, server in pairs[3:]:
                client.close()
                server.close()
        # Those that somebody asked over TCP left may go meanwhile.
        self.assertGreaterEqual(after['tcpdwell_sockets{state="TIME_WAIT"}'], 3)
        into = lambda said: sum(value for name, value in said.items() if name.startswith("tcpdwell_transitions_total") and 'new="TIME_WAIT"' in name)
        self.assertEqual(into(after) - into(before), 3)
        for side in "active", "passive":
            self.grows_by(before, after, f'tcpdwell_connections_opened_total{{side="{side}"}}', 7)
        self.grows_by(before, after, 'tcpdwell_dwell_seconds_count{state="ESTABLISHED"}', 6)
        self.assertEqual({name: value for name, value in after.items() if name.startswith("tcpdwell_lost_total") and value}, {})


class First(Case):
    older = (3, 2)  # those of HOLDER too

    @classmethod
    def setUpClass(cls):
        cls.holder = subprocess.Popen(["unshare", "--net", "python3", "-c", HOLDER], stdout=subprocess.PIPE, text=True)
        cls.holder.stdout.readline()

    def test_1_what_is_installed_is_not_started(self):
        output("dpkg", "--install", str(HERE / "older.deb"))
        self.assertEqual(output("systemctl", "is-enabled", "tcpdwell", status=1).strip(), "disabled")
        self.assertEqual(state(), "inactive")

    def test_2_the_journal_says_what_is_wrong_and_it_starts_when_that_is_mended(self):
        with socket.create_server(LISTENS):
            output("systemctl", "enable", "--now", "tcpdwell", status=1)
            self.assertRegex(journal(), r"tcpdwell: .*127\.0\.0\.1:9978.* in use")
            self.assertNotIn("libbpf:", journal())
        self.it_serves()

    def test_3_an_upgrade_goes_on_with_the_new_one(self):
        before = pid()
        output("apt-get", "install", "--yes", str(HERE / "tcpdwell.deb"))
        self.assertNotEqual(output("dpkg-query", "-W", "-f", "${Version}", "tcpdwell"), "0.0.1-1")
        self.it_serves()
        self.assertNotIn(pid(), (0, before))
        self.assertEqual(output("systemctl", "is-enabled", "tcpdwell").strip(), "enabled")

    def test_4_it_is_confined(self):
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid()}/status").read_text().splitlines() if ":\t" in line)
        self.assertIn(int(status["Uid"].split()[0]), range(61184, 65520), "a user that systemd makes up")
        self.assertEqual((int(status["CapEff"], 16), status["NoNewPrivs"], status["Seccomp"]), (0, "1", "2"))
        shown = show("DynamicUser", "MemoryMax", "WatchdogUSec", "SystemCallFilter", "ControlGroup")
        self.assertEqual((shown["DynamicUser"], shown["MemoryMax"], shown["WatchdogUSec"]), ("yes", "1073741824", "30s"))
        self.assertIn("bpf", shown["SystemCallFilter"].split())
        self.assertEqual(Path("/sys/fs/cgroup" + shown["ControlGroup"], "memory.max").read_text().strip(), "1073741824")

    def test_5_sockets(self):
        self.it_sees_sockets()

    def test_6_sockets_older_than_it_in_another_namespace_of_another_user(self):
        lines = [json.loads(line) for line in answer(PATH, "/api/sockets").splitlines()]
        states = sorted(line.get("state", "") for line in lines if 7001 in (line.get("lport"), line.get("rport")))
        self.assertEqual(states, ["ESTABLISHED", "ESTABLISHED", "LISTEN"])

    def test_7_stuck_asks_it(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            with socket.create_connection(("127.0.0.1", port)):
                server, _ = listener.accept()
                server.close()

                def ask():
                    said = output("tcpdwell", "stuck", "-v", "--state", "close-wait", "--format", "json", "-D", str(port))
                    return said if '"CLOSE_WAIT"' in said and '"exact"' in said else None

                said = until(ask)
        [line] = [json.loads(line) for line in said.splitlines() if '"CLOSE_WAIT"' in line]
        # Without the service it would be at least so long.
        self.assertEqual((line["age"], line["unit"], line["pid"]), ("exact", "the-test.service", os.getpid()), said)

    def test_8_reload(self):
        before = pid()
        output("systemctl", "reload", "tcpdwell")
        until(lambda: "SIGHUP: recent findings start afresh" in journal())
        self.it_serves()
        self.assertEqual(pid(), before)

    def test_9_what_hangs_is_killed_and_started_again(self):
        before = pid()
        os.kill(before, signal.SIGSTOP)
        until(lambda: pid() not in (0, before))
        self.it_serves()
        self.assertRegex(journal(), "Watchdog timeout")
        self.it_sees_sockets()


class Second(Case):
    def test_1_it_is_there_again(self):
        self.it_serves()
        self.assertEqual(show("NRestarts")["NRestarts"], "0")
        self.it_sees_sockets()

    def test_2_how_exposed_it_is(self):
        level = re.search(r"level for tcpdwell.service: ([\d.]+)", output("systemd-analyze", "security", "--no-pager", "tcpdwell"))
        print(f"{output('systemctl', '--version').split()[1]}: exposure {level[1]}", file=sys.stderr)
        self.assertLess(float(level[1]), 3)

    def test_3_purged_it_leaves_nothing(self):
        output("apt-get", "purge", "--yes", "tcpdwell")
        self.assertEqual(output("systemctl", "is-active", "tcpdwell", status=None).strip(), "inactive")
        self.assertNotIn("tcpdwell", output("systemctl", "list-unit-files", "--no-pager"))
        self.assertNotIn("tcpdwell", output("systemctl", "list-units", "--all", "--no-pager"))
        running = [path.read_text().strip() for path in Path("/proc").glob("[0-9]*/comm")]
        self.assertNotIn("tcpdwell", running)
        left = output("find", "/", "-xdev", "-name", "*tcpdwell*") + output("find", "/run", "-name", "*tcpdwell*")
        self.assertEqual([line for line in left.splitlines() if not line.startswith("/run/test/")], [])


class Result(unittest.TextTestResult):
    """Says what was wrong at once: the machine may not come to its end. And how long each took."""

    def startTest(self, test):  # noqa: N802
        super().startTest(test)
        self.begun = time.monotonic()

    def stopTest(self, test):  # noqa: N802
        self.stream.writeln(f"  {time.monotonic() - self.begun:.1f} s")
        self.stream.flush()
        super().stopTest(test)

    def addError(self, test, err):  # noqa: N802
        super().addError(test, err)
        self.stream.writeln(self.errors[-1][1])

    def addFailure(self, test, err):  # noqa: N802
        super().addFailure(test, err)
        self.stream.writeln(self.failures[-1][1])

    def printErrors(self):  # noqa: N802
        pass


def port(name):
    return next(f"/dev/{path.name}" for path in Path("/sys/class/virtio-ports").iterdir()
                if (path / "name").read_text().strip() == name)


def main():
    phase = re.search(r"td_phase=(\w+)", Path("/proc/cmdline").read_text())[1]
    with open(port("status"), "w", buffering=1, encoding="ascii") as status:
        print("booted", file=status)
        with open(port("out"), "w", buffering=1, encoding="utf-8", errors="backslashreplace") as out:
            sys.stderr = out
            tests = unittest.defaultTestLoader.loadTestsFromTestCase({"first": First, "second": Second}[phase])
            done = unittest.TextTestRunner(stream=out, verbosity=2, resultclass=Result).run(tests)
        print(f"exit {0 if done.wasSuccessful() else 1}", file=status)
    # As an administrator does; the host starts the machine again, or leaves it.
    subprocess.run(["systemctl", "reboot" if phase == "first" else "poweroff"], check=False)


if __name__ == "__main__":
    main()
