# SPDX-License-Identifier: BSD-2-Clause
"""Filters: each shows the lines it names and no other, with the durations an unfiltered trace has.

One workload, traced by many at once: one without a filter, the others compared with it.
"""

import contextlib
import os
import subprocess
import sys

import cgroups
import support
from support import HERE, Live, Trace, peers, run, states

MS = 1_000_000
PORTS = {"four": 20004, "six": 20006, "mapped": 20010}
SLOW, LIMIT = 0.2, 60 * MS  # what lasts, and the --min-dwell between it and what does not


def lasts(line):
    return line["dwell_ns"] is not None and line["dwell_ns"] >= LIMIT


def last(field):
    """What a connection's last line says: a port or an address may not be known on its first."""
    return lambda chain: chain[-1][field]


def workload():
    """Three servers and their clients; the four's client waits for its server to close."""
    kinds = {
        "four": ("--linger", SLOW),
        "six": ("--family", "6", "--closer", "server", "--count", 2),
        "mapped": ("--family", "mapped", "--talk", SLOW),
    }
    processes = {
        name: subprocess.Popen(
            peers(
                "both",
                PORTS[name],
                *options,
                "--client-name",
                f"c-{name}",
                "--server-name",
                f"s-{name}",
            )
        )
        for name, options in kinds.items()
    }
    for process in processes.values():
        process.wait()
    return {name: process.pid for name, process in processes.items()}


# Flags, which connections they show, which of those connections' lines.
FILTERS = [
    (["-n", "c-four"], lambda c: last("comm")(c) == "c-four", None),
    (
        ["--comm", "s-four,c-six", "-n", "s-mapped"],
        lambda c: last("comm")(c) in ("s-four", "c-six", "s-mapped"),
        None,
    ),
    (["-L", PORTS["four"]], lambda c: last("lport")(c) == PORTS["four"], None),
    (
        ["--local-port", f"1,{PORTS['six']}-{PORTS['mapped']}"],
        lambda c: PORTS["six"] <= last("lport")(c) <= PORTS["mapped"],
        None,
    ),
    (["-D", PORTS["mapped"]], lambda c: last("rport")(c) == PORTS["mapped"], None),
    (
        ["--remote-port", f"{PORTS['four']}-{PORTS['six']}"],
        lambda c: PORTS["four"] <= last("rport")(c) <= PORTS["six"],
        None,
    ),
    (["-4"], lambda c: c[0]["family"] == 4, None),
    (["-6"], lambda c: c[0]["family"] == 6, None),
    (["-4", "-6"], lambda c: True, None),
    (["--remote", "::1"], lambda c: last("raddr")(c) == "::1", None),
    (["--remote", "127.0.0.0/8"], lambda c: last("raddr")(c).endswith("127.0.0.1"), None),
    (
        ["--local", "127.0.0.1,::1/128"],
        lambda c: last("laddr")(c).endswith(("127.0.0.1", "::1")),
        None,
    ),
    (["--remote", "10.0.0.0/8"], lambda c: False, None),
    (
        ["--state", "close-wait,LAST_ACK"],
        lambda c: True,
        lambda line: {line["old"], line["new"]} & {"CLOSE_WAIT", "LAST_ACK"},
    ),
    (["--min-dwell", f"{LIMIT}ns"], lambda c: True, lasts),
    (
        ["-n", "s-four", "--state", "LISTEN", "-4"],
        lambda c: last("comm")(c) == "s-four",
        lambda line: "LISTEN" in (line["old"], line["new"]),
    ),
]


class Filters(support.TestCase):
    """What each filter showed of one run."""

    @classmethod
    def setUpClass(cls):
        support.own_network()
        with contextlib.ExitStack() as stack:
            every = Live("trace", "--format", "json", "-q")
            filtered = [Live("trace", "--format", "json", "-q", *flags) for flags, _, _ in FILTERS]
            for live in (every, *filtered):
                stack.enter_context(live)
            cls.pids = workload()
        cls.every = Trace(every.outcome.out)
        cls.chains = cls.every.connections()
        cls.shown = [Trace(live.outcome.out) for live in filtered]

    def expected(self, connections, lines):
        return {
            (line["conn"], line["old"], line["new"]): line
            for chain in self.chains.values()
            if connections(chain)
            for line in chain
            if lines is None or lines(line)
        }

    def test_the_reference_is_whole(self):
        self.assert_whole(self.every)
        self.assert_chains(self.every)
        lengths = sorted(len(chain) for chain in self.chains.values())
        self.assertEqual(len(lengths), 3 + 2 * 4, "three listeners, four connections of two sides")

    def test_each_shows_its_lines_and_no_other(self):
        for (flags, connections, lines), trace in zip(FILTERS, self.shown):
            with self.subTest(flags=flags):
                self.assert_whole(trace)
                shown = [(line["conn"], line["old"], line["new"]) for line in trace.transitions]
                self.assertEqual(sorted(shown), sorted(self.expected(connections, lines)))
                self.assertEqual(
                    bool(shown),
                    flags[-1] != "10.0.0.0/8",
                    "the workload has lines for every other filter",
                )

    def test_none_distorts_a_duration(self):
        for (flags, connections, lines), trace in zip(FILTERS, self.shown):
            with self.subTest(flags=flags):
                expected = self.expected(connections, lines)
                for line in trace.transitions:
                    same = expected[line["conn"], line["old"], line["new"]]
                    for field in ("dwell", "pid", "comm", "owner", "laddr", "raddr", "rport"):
                        self.assertEqual(line[field], same[field], field)
                    if line["dwell_ns"] is not None:
                        self.assertLess(
                            abs(line["dwell_ns"] - same["dwell_ns"]), 5 * MS, (line, same)
                        )

    def test_a_port_filter_leaves_chains_whole(self):
        for (flags, _, lines), trace in zip(FILTERS, self.shown):
            if lines is None:
                with self.subTest(flags=flags):
                    self.assert_chains(trace)
                    for conn, chain in trace.connections().items():
                        self.assertEqual(states(chain), states(self.chains[conn]))

    def test_the_header_tells_the_filter(self):
        for (flags, _, _), trace in zip(FILTERS, self.shown):
            names = {
                "-n": "comm",
                "-L": "local-port",
                "-D": "remote-port",
                "-4": "ipv4",
                "-6": "ipv6",
            }
            with self.subTest(flags=flags):
                self.assertGreater(len(trace.header["filters"]), 0)
                if flags[0] not in ("-4", "-6"):
                    name = names.get(flags[0], flags[0].removeprefix("--"))
                    keys = [key.replace("_", "-") for key in trace.header["filters"]]
                    self.assertTrue(any(key.startswith(name) for key in keys), keys)


class OfProcesses(support.TestCase):
    @classmethod
    def setUpClass(cls):
        support.own_network()

    def test_pid_that_has_no_sockets(self):
        outcome = run(
            "trace", "--format", "json", *HERE, "-p", os.getpid(), "-q", "--", *peers("both", 20012)
        )
        trace = Trace(outcome.out)
        self.assert_whole(trace)
        self.assertEqual(trace.transitions, [])

    def test_pid_of_a_client_to_come(self):
        ready, go = os.pipe()
        script = ["sh", "-c", 'read line; exec "$@"', "sh", *peers("both", 20014)]
        with subprocess.Popen(script, stdin=ready) as chosen:
            with Live("trace", "--format", "json", "-q", "--pid", f"1,{chosen.pid}") as live:
                subprocess.run(peers("both", 20015), check=True)
                os.write(go, b"\n")
                chosen.wait()
        os.close(ready)
        os.close(go)
        trace = Trace(live.outcome.out)
        self.assertEqual(
            {(line["pid"], line["comm"]) for line in trace.transitions}, {(chosen.pid, "client")}
        )
        [chain] = trace.connections().values()
        self.assertEqual(states(chain)[:4], ["CLOSE", "SYN_SENT", "ESTABLISHED", "FIN_WAIT1"])


# Accepts a connection that a process of another name then closes, and a third made; on a line of its input.
HANDED_ON = """
import ctypes, os, socket, sys
rename = lambda name: ctypes.CDLL(None).prctl(15, name, 0, 0, 0)
rename(b"first")
sys.stdin.readline()
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
if os.fork() == 0:
    rename(b"caller")
    with socket.create_connection(listener.getsockname()) as call:
        call.recv(1)
    os._exit(0)
accepted, _ = listener.accept()
if os.fork() == 0:
    rename(b"second")
    accepted.shutdown(socket.SHUT_WR)
    os._exit(0)
accepted.recv(1)
os.wait(), os.wait()
"""


class ManyOwners(support.TestCase):
    """A list of any length means the same: a connection is shown from the owner that matches to its end."""

    # One more than what was once the room for them, and many more.
    LISTS = [("--pid", 1), ("--pid", 64), ("--pid", 65), ("--pid", 1000), ("--comm", 1), ("--comm", 16), ("--comm", 17)]

    @classmethod
    def setUpClass(cls):
        support.own_network()
        script = [sys.executable, "-I", "-S", "-B", "-c", HANDED_ON, "20040"]
        with contextlib.ExitStack() as stack:
            # Started first: its pid is to be among those of the lists.
            first = stack.enter_context(subprocess.Popen(script, stdin=subprocess.PIPE))
            lives = [Live("trace", "--format", "json", "-q", flag, cls.words(flag, count, first.pid)) for flag, count in cls.LISTS]
            for live in lives:
                stack.enter_context(live)
            first.communicate(b"\n")
        cls.first = first.pid
        cls.shown = [Trace(live.outcome.out) for live in lives]

    @staticmethod
    def words(flag, count, pid):
        wanted, other = (pid, lambda n: 5_000_000 + n) if flag == "--pid" else ("first", lambda n: f"other-{n}")
        return ",".join(map(str, [*map(other, range(count - 1)), wanted]))

    def test_the_connection_is_shown_to_its_end(self):
        for (flag, count), trace in zip(self.LISTS, self.shown):
            with self.subTest(flag=flag, count=count):
                self.assert_whole(trace)
                self.assert_chains(trace)
                chains = {tuple(states(chain)): chain for chain in trace.connections().values()}
                path = ("LISTEN", "SYN_RECV", "ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT")
                self.assertEqual(set(chains), {("CLOSE", "LISTEN", "CLOSE"), path})
                self.assertEqual(chains[path][0]["pid"], self.first)
                self.assertEqual({line["comm"] for line in chains[path]}, {"first", "second"}, "the owner has changed")


class OfPlaces(support.TestCase):
    @classmethod
    def setUpClass(cls):
        support.own_network()

    def test_netns_of_a_process_and_of_a_path(self):
        ours = os.stat("/proc/self/ns/net").st_ino
        inside = [
            "unshare",
            "--net",
            "sh",
            "-c",
            'ip link set lo up; read line; exec "$@"',
            "sh",
            *peers("both", 20020),
        ]
        with subprocess.Popen(inside, stdin=subprocess.PIPE) as other:
            support.wait_for(lambda: os.stat(f"/proc/{other.pid}/ns/net").st_ino != ours)
            theirs = os.stat(f"/proc/{other.pid}/ns/net").st_ino
            cases = {
                str(os.getpid()): ours,
                "/proc/self/ns/net": ours,
                str(other.pid): theirs,
                f"/proc/{other.pid}/ns/net": theirs,
            }
            with contextlib.ExitStack() as stack:
                lives = {
                    place: Live("trace", "--format", "json", "-q", network=("--netns", place))
                    for place in cases
                }
                everywhere = Live(
                    "trace", "--format", "json", "-q", "-n", "client", network=("--netns", "all")
                )
                for live in (*lives.values(), everywhere):
                    stack.enter_context(live)
                subprocess.run(peers("both", 20021), check=True)
                other.communicate(b"\n")
        for place, inode in cases.items():
            with self.subTest(place=place):
                trace = Trace(lives[place].outcome.out)
                self.assertEqual({line["netns"] for line in trace.transitions}, {inode})
                self.assert_chains(trace)
        seen = {line["netns"] for line in Trace(everywhere.outcome.out).transitions}
        self.assertLessEqual({ours, theirs}, seen)

    def test_cgroup(self):
        with cgroups.cgroup() as group, cgroups.cgroup(group) as child:
            with Live("trace", "--format", "json", "-q", "--cgroup", group) as live:
                subprocess.run(peers("both", 20030), check=True)
                cgroups.run_within(group, peers("both", 20031))
                cgroups.run_within(child, peers("both", 20032))
            inodes = {cgroups.inode(group), cgroups.inode(child)}
        trace = Trace(live.outcome.out)
        self.assert_whole(trace)
        self.assert_chains(trace)
        ports = {line["lport"] for line in trace.transitions} & {20030, 20031, 20032}
        self.assertEqual(ports, {20031, 20032}, "the group, and what is below it")
        self.assertEqual({line["cgroup"] for line in trace.transitions}, inodes)

    def test_cgroup_by_its_name(self):
        """A unit, a container by its first digits and as tables show it, a path either way, an id: the same cgroup."""
        container = "0badcafe" + "5" * 56
        with cgroups.cgroup() as parent:
            mount = os.path.dirname(parent)
            web, other = (os.path.join(parent, f"tcpdwell-{name}.service") for name in ("web", "other"))
            box = os.path.join(parent, f"docker-{container}.scope")
            for path in (web, other, box):
                os.mkdir(path)
                self.addCleanup(os.rmdir, path)
            try:
                self.check_names(parent, mount, web, other, box, container)
            finally:
                self.doCleanups()

    def check_names(self, parent, mount, web, other, box, container):
        below = os.path.relpath(web, mount)
        names = {
            web: ("tcpdwell-web.service", "tcpdwell-web", below, "/" + below, web, str(os.stat(web).st_ino)),
            box: (container, container[:12], "container:" + container[:12]),
        }
        with contextlib.ExitStack() as stack:
            lives = [
                (path, stack.enter_context(Live("trace", "--format", "json", "-q", "--cgroup", name)))
                for path in names
                for name in names[path]
            ]
            rows = stack.enter_context(Live("stat", "--by", "cgroup"))
            for path, port in ((web, 20035), (box, 20036), (other, 20037)):
                cgroups.run_within(path, peers("both", port))
        for path, live in lives:
            seen = {line["cgroup"] for line in Trace(live.outcome.out).transitions}
            self.assertEqual(seen, {os.stat(path).st_ino}, live.outcome)
        self.assertRegex(rows.outcome.out, r"(?m)^ *tcpdwell-web\.service +ESTABLISHED ")
        self.assertRegex(rows.outcome.out, r"(?m)^ *container:0badcafe5555 +ESTABLISHED ")
        refused = run("trace", "--cgroup", "tcpdwell-wbe.service")
        self.assert_error(refused, 2, "did you mean tcpdwell-web.service?")
        os.mkdir(os.path.join(other, "tcpdwell-web.service"))
        try:
            self.assert_error(run("trace", "--cgroup", "tcpdwell-web"), 2, "2 cgroups are called so", "give a path")
        finally:
            os.rmdir(os.path.join(other, "tcpdwell-web.service"))


if __name__ == "__main__":
    support.main()
