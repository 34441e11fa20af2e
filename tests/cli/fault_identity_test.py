# SPDX-License-Identifier: BSD-2-Clause
"""Names that are used again, clocks that jump, tracers side by side: no line goes to the wrong one."""

import ctypes
import glob
import json
import os
import re
import signal
import socket
import struct
import subprocess
import time

import faults
import support
from faults import found, tries
from support import HERE, Live, TCPDWELL, Trace, environment, free_port, peers, run, scratch_file, states

libc = ctypes.CDLL(None, use_errno=True)
setUpModule = support.own_network


def fork_as(pid):
    """fork(), the child with this pid (clone3, Linux 5.5): what the kernel does by itself when it has
    gone through all of them."""
    wanted = (ctypes.c_int32 * 1)(pid)
    # struct clone_args up to set_tid_size: flags, pidfd, child_tid, parent_tid, exit_signal, stack,
    # stack_size, tls, set_tid, set_tid_size.
    arguments = struct.pack("10Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, ctypes.addressof(wanted), 1)
    buffer = ctypes.create_string_buffer(arguments)
    child = libc.syscall(435, buffer, ctypes.c_size_t(len(arguments)))
    if child < 0:
        raise OSError(ctypes.get_errno(), "clone3")
    return child


class Identity(support.TestCase):
    def connect_in_child(self, child, name, address, keep):
        """In a new process: a name, a connection, which `keep` (a socket) hands to its parent."""
        if child != 0:
            _, [fd], *_ = socket.recv_fds(keep[0], 1, 1)
            os.waitpid(child, 0)
            return socket.socket(fileno=fd)
        libc.prctl(15, name.encode(), 0, 0, 0)
        sock = socket.create_connection(address)
        socket.send_fds(keep[1], [b"x"], [sock.fileno()])
        os._exit(0)

    def test_a_pid_is_used_again(self):
        times = tries(20, 200)
        expected, keep = {}, socket.socketpair()
        with keep[0], keep[1], socket.create_server(("127.0.0.1", 0), backlog=1024) as listener, Live("trace", "--format", "json", "-q") as live:
            pid = os.fork()
            opened = [self.connect_in_child(pid, "user0", listener.getsockname(), keep)]
            for turn in range(1, times):
                child = fork_as(pid)
                opened.append(self.connect_in_child(child, f"user{turn}", listener.getsockname(), keep))
            for turn, sock in enumerate(opened):
                expected[sock.getsockname()[1]] = f"user{turn}"
            outcome = live.stop()
            for sock in opened:
                sock.close()
        trace = Trace(outcome.out)
        for chain in trace.connections().values():
            owner = expected.get(chain[-1]["lport"])
            if owner and chain[0]["old"] == "CLOSE":
                self.assertEqual({(line["pid"], line["comm"]) for line in chain}, {(pid, owner)})
                del expected[chain[-1]["lport"]]
        self.assertEqual(expected, {})
        found("pid used again", "processes of one pid after each other (clone3 with set_tid), each with a connection "
              "that outlives it", "nothing: each connection kept its own owner", "–", times)

    def test_a_socket_is_used_again(self):
        """A socket that connects again has the same cookie: its uses are told apart."""
        times = tries(50, 1000)
        with socket.create_server(("127.0.0.1", 0)) as listener, Live("trace", "--format", "json", "-q") as live:
            # The server ends each, so that the socket is CLOSE again without a time-wait socket.
            sock = socket.socket()
            nobody = struct.pack("H14x", socket.AF_UNSPEC)
            for _ in range(times):
                sock.connect(listener.getsockname())
                other, _ = listener.accept()
                other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                other.close()
                with self.assertRaises(ConnectionResetError):
                    sock.recv(1)
                if libc.connect(sock.fileno(), nobody, len(nobody)) != 0:
                    raise OSError(ctypes.get_errno(), "connect")
            sock.close()
            outcome = live.stop()
        trace = Trace(outcome.out)
        self.assert_whole(trace)
        self.assert_chains(trace)
        uses = [conn for conn, chain in trace.connections().items() if chain[0]["new"] == "SYN_SENT"]
        cookie = uses[0]
        self.assertEqual(uses, [cookie] + [f"{cookie}.{n}" for n in range(2, times + 1)])
        for conn in uses:
            self.assertEqual(states(trace.connections()[conn]), ["CLOSE", "SYN_SENT", "ESTABLISHED", "CLOSE"])
        found("socket cookie used again", "one socket, connected again and again", "nothing: `conn` counts the uses",
              "–", times)


class Clocks(support.TestCase):
    def test_the_wall_clock_is_set(self):
        """In the middle of a trace, by an hour either way: a fake at the edge, as the host's clock is not ours."""
        for step in (3600, -3600):
            with faults.at(step=step):
                env = self.stepping(f"step{step}", STEP_CLOCK_SECONDS=str(step))
                trace, said, _ = self.traced(env, "clock.json")
                self.assertEqual(said, "")
                fake = subprocess.run(["date", "+%s"], env=env, capture_output=True, check=True).stdout
                self.assertAlmostEqual(int(fake), time.time() + step, delta=60)
                self.assertNotIn("suspended_ns", trace.end)
        found("wall clock set during a trace", "an hour forwards, an hour back (a fake clock in the process)",
              "nothing: `ts` goes on as it began, durations are of CLOCK_MONOTONIC", "–", 2)

    def test_the_machine_was_suspended(self):
        """CLOCK_BOOTTIME went on: it is said, in the trace and by who reads it. tests/vm/faults does it for real."""
        hour, words = 3600, "suspended for 1h"
        trace, said, path = self.traced(self.stepping("hour", STEP_CLOCK="boottime", STEP_CLOCK_SECONDS=str(hour)), "asleep.json")
        self.assertRegex(said, rf"\Atcpdwell: [^\n]*{words}[^\n]*\n\Z")
        self.assertAlmostEqual(trace.end["suspended_ns"], hour * 10**9, delta=10**9)
        report = run("report", path)
        self.assertEqual(report.status, 0)
        self.assertIn(words, report.err)
        # Of several files that one says it in which it was.
        path = scratch_file("asleep-part.json")
        env = self.stepping("part", STEP_CLOCK="boottime", STEP_CLOCK_SECONDS=str(hour))
        outcome = run("record", "-o", path, "--rotate", "1s", *HERE, "-q", "--", "sh", "-c",
                      # Once the first is finished, and then until there is a third.
                      support.shell_until(f"[ -e {scratch_file('asleep-part-')}*-0001.json ]") + f"; touch {env['STEP_CLOCK_WHEN']}; "
                      + support.shell_until(f"[ -e {scratch_file('asleep-part-')}*-0003.json.part ]"), env=env)
        self.assertEqual((outcome.status, outcome.err), (0, ""))
        ends = [support.read_trace(one).end for one in sorted(glob.glob(scratch_file("asleep-part*.json")))]
        self.assertGreater(len(ends), 2)
        self.assertEqual(["suspended_ns" in end for end in ends].count(True), 1, ends)
        self.assertNotIn("suspended_ns", ends[0])

    def stepping(self, mark, **how):
        return environment(TZ="UTC", LD_PRELOAD=os.environ["STEP_CLOCK"], STEP_CLOCK_WHEN=scratch_file(mark), **how)

    def traced(self, env, name):
        """A connection, the step, another connection: the trace, what was said, the trace's file."""
        path = scratch_file(name)
        one = " ".join(peers("both", free_port(), "--talk", 0.1))
        other = " ".join(peers("both", free_port(), "--talk", 0.1))
        begun = time.time_ns()
        outcome = run("trace", "--format", "json", "-o", path, *HERE, "--", "env", "-u", "LD_PRELOAD", "sh", "-c",
                      f"{one}; touch {env['STEP_CLOCK_WHEN']}; {other}", env=env)
        self.assertEqual(outcome.status, 0, outcome.err)
        trace = support.read_trace(path)
        self.assert_whole(trace)
        self.assertEqual(len({nanoseconds(line["ts"]) - line["mono_ns"] for line in trace.transitions}), 1)
        dwells = [line["dwell_ns"] for line in trace.transitions if line["old"] == "ESTABLISHED"]
        self.assertEqual(len(dwells), 4)
        took = time.time_ns() - begun
        self.assertLess(max(dwells), took)
        self.assertLess(trace.end["duration_ns"], took)
        # What it said beside the summary.
        return trace, "".join(re.findall(r"(?m)^tcpdwell: .*\n", outcome.err)), path


class Counters(support.TestCase):
    def test_that_run_for_longer_than_a_day(self):
        """A trace of 400 days: dwells that neither 32 bits of ms nor a double of ns hold, counts past 32 bits."""
        day, many = 86_400 * 10**9, 2**33 + 5
        stay = 400 * day + 1
        self.assertGreater(stay // 10**6, 2**32)
        self.assertNotEqual(int(float(stay)), stay)
        lines = [{"type": "header", "schema": 1, "tool": "tcpdwell", "version": "0", "host": "h", "kernel": "k", "arch": "x86_64",
                  "boot_id": "b", "start": "2026-01-01T00:00:00.000000000Z", "clock": "monotonic", "minisockets": "fentry",
                  "filters": {}}]
        for number in range(1, 4):
            lines.append({"type": "transition", "ts": f"2027-02-05T00:00:00.00000000{number}Z", "mono_ns": stay + number,
                          "conn": f"{number:x}", "netns": 1, "family": 4, "laddr": "127.0.0.1", "lport": number,
                          "raddr": "127.0.0.1", "rport": 80, "old": "ESTABLISHED", "new": "CLOSE_WAIT", "dwell_ns": stay,
                          "dwell": "exact", "pid": 1, "comm": "c", "owner": "connect", "cgroup": 0})
        lines.append({"type": "loss", "ts": "2027-02-05T00:00:00.000000004Z", "where": "ring", "count": many})
        lines.append({"type": "end", "ts": "2027-02-05T00:00:01.000000000Z", "transitions": 3, "lost": {"ring": many, "recursion": 0,
                      "map": 0, "output": 0}, "duration_ns": 400 * day + 10**9, "connections": 3})
        path = scratch_file("days.json", "".join(json.dumps(line) + "\n" for line in lines))
        outcome = run("report", path, "--format", "json")
        self.assertEqual((outcome.status, outcome.err), (0, ""))
        table = json.loads(outcome.out)
        [row] = [row for row in table["rows"] if row["state"] == "ESTABLISHED"]
        self.assertEqual((row["min_ns"], row["max_ns"], row["total_ns"]), (stay, stay, 3 * stay))
        self.assertEqual(table["lost"]["ring"], many)
        outcome = run("report", path, "--format", "csv")
        self.assertIn(f",{3 * stay}", outcome.out)
        outcome = run("report", path, "--no-color")
        self.assertRegex(outcome.out, r"(?m)^ESTABLISHED .* 400d00h +1200d00h$")
        self.assertIn(f"lost: ring {many:,}", outcome.out)
        found("counters that run for longer than a day", "a trace of 400 days, 2^33 lines lost: read, added up, printed as text, "
              "json, csv", "nothing: exact to the nanosecond", "–", 3)


def nanoseconds(ts):
    whole, _, fraction = ts.removesuffix("Z").partition(".")
    return int(time.mktime(time.strptime(whole, "%Y-%m-%dT%H:%M:%S"))) * 10**9 + int(fraction)


class Neighbours(support.TestCase):
    def test_two_versions(self):
        """TCPDWELL_OTHER: a binary of another version; without it, this one a second time."""
        other = os.environ.get("TCPDWELL_OTHER", TCPDWELL)
        count = tries(20, 500)
        with Live("trace", "--format", "json", "-q") as one:
            with Live("trace", "--format", "json", "-q", binary=other) as two:
                subprocess.run(peers("both", free_port(), "--count", count), check=True)
                theirs = Trace(two.stop().out)
            # What the one does when it goes does not disturb the other.
            subprocess.run(peers("both", free_port(), "--count", count), check=True)
            ours = Trace(one.stop().out)
        for trace in (ours, theirs):
            self.assert_nothing_lost(trace.end["lost"])
        # Two processors put their lines into two rings in an order of their own.
        lines = lambda trace: {(t["conn"], t["old"], t["new"]) for t in trace.transitions}
        self.assertEqual(len(theirs.transitions), 10 * count + 2)
        self.assertEqual(len(ours.transitions), 2 * len(theirs.transitions))
        self.assertEqual(lines(theirs) - lines(ours), set())
        name = os.environ.get("TCPDWELL_OTHER_NAME", other)
        same = "the same build twice" if other == TCPDWELL else f"another build ({name})"
        found("two tracers side by side", f"{same}, one ends before the other", "nothing: the same lines in both", "–",
              2 * count)


if __name__ == "__main__":
    os.environ["TZ"] = "UTC"
    time.tzset()
    support.main()
