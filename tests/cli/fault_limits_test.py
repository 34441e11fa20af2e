# SPDX-License-Identifier: BSD-2-Clause
"""Little memory, and network namespaces that come and go."""

import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import time
import unittest

import faults
import support
from faults import Storm, found, tries
from support import HERE, Live, TCPDWELL, Trace, environment, run, scratch_file, states, wait_for


def setUpModule():
    support.own_network()
    faults.enlarge_network()


class MemoryGroup:
    """A cgroup with a limit of memory: version 2 where it has that controller, else version 1."""

    def __init__(self, limit):
        with open("/proc/mounts", encoding="utf-8") as mounts:
            rows = [line.split() for line in mounts]
        two = [r[1] for r in rows if r[2] == "cgroup2" and "memory" in self.controllers(r[1])]
        one = [r[1] for r in rows if r[2] == "cgroup" and "memory" in r[3].split(",")]
        self.version = 2 if two else 1
        root = (two + one + [None])[0]
        if root is None:
            raise support.unittest.SkipTest("no cgroup has a memory controller here")
        self.path = f"{root}/tcpdwell-test-{os.getpid()}"
        try:
            os.mkdir(self.path)
            self.write("memory.max" if two else "memory.limit_in_bytes", limit)
        except OSError as failure:
            raise support.unittest.SkipTest(f"cannot limit memory here: {failure}") from failure

    @staticmethod
    def controllers(root):
        try:
            with open(f"{root}/cgroup.subtree_control", encoding="ascii") as file:
                return file.read().split()
        except OSError:
            return []

    def write(self, name, value):
        with open(f"{self.path}/{name}", "w", encoding="ascii") as file:
            file.write(str(value))

    def enter(self):
        """For a child, before it becomes something else."""
        self.write("cgroup.procs", os.getpid())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # The last process may be on its way out still.
        with contextlib.suppress(TimeoutError):
            wait_for(self.remove)

    def remove(self):
        with contextlib.suppress(OSError):
            os.rmdir(self.path)
        return not os.path.exists(self.path)


@unittest.skipIf(support.SANITIZED, "an instrumented build takes more memory than is allowed here")
class Memory(support.TestCase):
    def traced(self, limit, buffer="8M"):
        """A storm traced within `limit` bytes: exit status, what it said, the trace."""
        path = scratch_file("limited.json")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        with MemoryGroup(limit) as group:
            process = subprocess.Popen(
                [TCPDWELL, "record", "-o", path, "--buffer", buffer, *HERE, "-v"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                env=environment(), preexec_fn=group.enter, encoding="utf-8",
            )
            with open(process.stderr.fileno(), closefd=False, encoding="utf-8", errors="replace") as said:
                heard = ""
                for line in said:
                    heard += line if not line.startswith("libbpf:") else ""
                    if "existed before" in line:
                        break
            with Storm(tries(2_000, 10_000)) as storm:
                storm.end()
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
            heard += process.communicate(timeout=support.TIMEOUT)[1]
            return process.returncode, heard, path, storm.lines(), group.version

    def test_limits(self):
        """It works, or it says in a line why not, or the kernel kills it; never a trace that is wrong."""
        enough, whole, refused, killed = [], [], [], []
        for megabytes in tries((24, 96), (4, 8, 16, 24, 32, 48, 64, 80, 96)):
            with faults.at(megabytes=megabytes):
                status, said, path, lines, version = self.traced(megabytes << 20)
                if status == -signal.SIGKILL:
                    killed.append(megabytes)
                elif status == 0:
                    enough.append(megabytes)
                    trace = support.read_trace(path)
                    # A time-wait socket without room loses lines that were to come after the trace.
                    lost = dict(trace.end["lost"])
                    no_room = lost.pop("map")
                    told = len(trace.transitions) + sum(lost.values())
                    self.assertLessEqual(told, lines, trace.end["lost"])
                    self.assertGreaterEqual(told + no_room, lines, trace.end["lost"])
                    if no_room == 0:
                        whole.append(megabytes)
                else:
                    refused.append(megabytes)
                    self.assertIn(status, (1, 3, 4), said)
                    self.assertRegex(said, r"(?m)^tcpdwell: [^\n]+$")
        self.assertIn(96, enough)  # of which the verifier takes half while it looks at the programs
        found(
            f"little memory (cgroup v{version})",
            "a storm within " + ", ".join(map(str, sorted(enough + refused + killed))) + " MiB, ring of 8 MiB",
            f"nothing within {', '.join(map(str, whole)) or 'any'} MiB but what the ring had no room for; within "
            f"{', '.join(str(m) for m in enough if m not in whole) or 'none'} also sockets there was no memory for; each counted",
            "; ".join(
                text for text in (
                    f"`{'/'.join(map(str, refused))}` MiB: one line and exit 1" if refused else "",
                    f"{'/'.join(map(str, killed))} MiB: killed by the kernel" if killed else "",
                ) if text
            ) or "–",
            len(enough + refused + killed),
        )

    def test_locked_memory(self):
        """Before Linux 5.11 maps counted against RLIMIT_MEMLOCK; since then it is none of ours."""
        outcome = run(
            "trace", *HERE, "-q", "--duration", "200ms",
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0)),
        )
        self.assertEqual((outcome.status, outcome.err), (0, ""))

    def test_address_space(self):
        """RLIMIT_AS: where it cannot have what it needs it says so in one line."""
        statuses = {}
        for megabytes in (16, 32, 64, 128, 512):
            size = megabytes << 20
            outcome = run(
                "trace", *HERE, "-q", "--duration", "200ms",
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size)),
            )
            statuses[megabytes] = outcome.status
            with faults.at(megabytes=megabytes):
                if outcome.status != 0:
                    self.assertIn(outcome.status, (1, 4))
                    self.assertRegex(outcome.err, r"\Atcpdwell: [^\n]+\n\Z")
        self.assertEqual(statuses[512], 0)
        bad = [size for size, status in statuses.items() if status]
        found("little address space (RLIMIT_AS)", "16, 32, 64, 128, 512 MiB", "nothing is traced where it is too little",
              f"{', '.join(map(str, bad)) or 'none'} MiB: one line, exit 1" if bad else "–", len(statuses))


@support.needs("bpftool")
class Room(support.TestCase):
    def test_an_orphan_has_room_wherever_a_time_wait_socket_has(self):
        """The map of orphans cannot be full before that of time-wait sockets is, whose loss is counted."""
        with Live("trace", "-q", "--minisockets", "timer", "--max-time-wait", 100_000) as live:
            sizes = {}
            for kind, number in faults.bpf_ids(live.process.pid):
                if kind == "map":
                    one = json.loads(subprocess.run(["bpftool", "-j", "map", "show", "id", str(number)],
                                                    capture_output=True, check=True).stdout)
                    sizes[one["name"]] = one["max_entries"]
        self.assertEqual((sizes["minis"], sizes["orphans"]), (100_000, 100_000))


class Namespaces(support.TestCase):
    def in_a_new_one(self):
        """In a child: a connection in a namespace of its own; (inode, lines of it) are known to all."""
        child = os.fork()
        if child == 0:
            status = 1
            try:
                support.own_network()
                with socket.create_server(("127.0.0.1", 0)) as listener:
                    with socket.create_connection(listener.getsockname()) as client:
                        server, _ = listener.accept()
                        client.shutdown(socket.SHUT_WR)
                        server.recv(1)
                        server.close()
                        client.recv(1)
                status = 0
            finally:
                os._exit(status)
        return child

    def test_that_come_and_go(self):
        """Sockets, namespaces and their numbers vanish: every connection has its lines, and TIME_WAIT its end."""
        times = tries(200, 1000)
        here = os.stat("/proc/self/ns/net").st_ino
        with Live("trace", "--format", "json", "-q", network=("--netns", "all")) as live:
            for _ in range(times):
                _, status = os.waitpid(self.in_a_new_one(), 0)
                self.assertEqual(status, 0)
            # The kernel takes namespaces down at its leisure, some at a time, and a slow one later.
            time.sleep(tries(2, 5))
            wait_for(lambda: live.printed().count('"reason":"purged"') > times * 0.9)
            outcome = live.stop()
        trace = Trace(outcome.out)
        self.assertEqual(set(trace.end["lost"].values()), {0})
        me = "python3"
        chains = [
            chain for chain in trace.connections().values()
            if chain[-1]["comm"] and chain[-1]["comm"].startswith(me[:6]) and chain[0]["netns"] != here
        ]
        clients = [c for c in chains if c[0]["new"] == "SYN_SENT"]
        servers = [c for c in chains if (c[0]["old"], c[0]["new"]) == ("LISTEN", "SYN_RECV")]
        listeners = [c for c in chains if c[0]["new"] == "LISTEN"]
        self.assertEqual((len(clients), len(servers), len(listeners)), (times, times, times))
        for chain in servers + listeners:
            self.assertTrue(support.is_complete(chain), states(chain))
        purged = sum(chain[-1].get("reason") == "purged" for chain in clients)
        for chain in clients:
            self.assertIn("TIME_WAIT", states(chain))
            self.assertIn(chain[-1].get("reason"), (None, "purged"))
        self.assertGreater(purged, times * 0.9)
        found("network namespaces that come and go", "a namespace, a connection in it, and its end, --netns all",
              f"nothing: all lines of all; {purged} of {times} TIME_WAIT ended `purged` by the end of the trace, "
              "the other namespaces were still being taken down", "–", times)


if __name__ == "__main__":
    support.main()
