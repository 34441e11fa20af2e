# SPDX-License-Identifier: BSD-2-Clause
"""tcpdwell in a time namespace, whose clocks are not those that the kernel stamps events with."""

import ctypes
import datetime
import json
import os
import socket
import subprocess
import time

import support
from serving import Leak, Serving
from support import HERE, Live, environment, free_port, peers, run, scratch, scratch_file, wait_for

CLONE_NEWTIME = 0x80
# So that the time since boot is less than the time awake, which it never is outside.
MONOTONIC, BOOTTIME = 100_000, 50
OUTSIDE = None  # a descriptor of the host's own time namespace


def enter(descriptor):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWTIME) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def setUpModule():
    global OUTSIDE
    support.own_network()
    if not os.path.exists("/proc/self/ns/time"):
        raise support.unittest.SkipTest("this kernel has no time namespaces")
    OUTSIDE = os.open("/proc/self/ns/time", os.O_RDONLY)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWTIME) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    with open("/proc/self/timens_offsets", "w", encoding="utf-8") as file:
        file.write(f"monotonic {MONOTONIC} 0\nboottime {BOOTTIME} 0\n")
    with open("/proc/self/ns/time_for_children", encoding="utf-8") as inside:
        enter(inside.fileno())


def run_outside(*args):
    return run(*args, preexec_fn=lambda: enter(OUTSIDE))


def host_clock():
    """The host's CLOCK_MONOTONIC, in seconds."""
    return time.monotonic() - MONOTONIC


def seconds_from_now(stamp):
    then = datetime.datetime.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=datetime.timezone.utc)
    return abs(then.timestamp() - time.time())


class TimeNamespace(support.TestCase):
    def test_lines_have_the_time_of_the_host(self):
        outcome = run("trace", "--format", "json", *HERE, "-q", "--", *peers("both", free_port(), "--count", 2))
        self.assertEqual((outcome.status, outcome.err), (0, ""))
        trace = support.Trace(outcome.out)
        self.assert_whole(trace)
        self.assertTrue(trace.transitions)
        for line in trace.transitions:
            self.assertLess(seconds_from_now(line["ts"]), 60)
            self.assertLess(abs(host_clock() - line["mono_ns"] / 1e9), 60)
            self.assertLess(line["dwell_ns"] or 0, 60e9)
        self.assertLess(trace.end["duration_ns"], 60e9)

    def test_serve_knows_the_age(self):
        with Serving() as serve:
            leak = Leak(1)
            wait_for(lambda: time.monotonic() - leak.since > 1)
            asked = time.monotonic()
            [one] = serve.json("/api/stuck?state=close-wait")["sockets"]
            self.assertEqual(one["age"], "exact")
            self.assertGreater(one["age_ns"] / 1e9, asked - leak.since - 1)  # an answer may be a second old
            self.assertLess(one["age_ns"] / 1e9, time.monotonic() - leak.began + 0.1)
            self.assertLess(seconds_from_now(one["ts"]), 60)
            self.assertEqual(serve.json("/api/stuck?state=close-wait&older=1h")["sockets"], [])
            # Whoever asks from outside understands it, and the other way round.
            for ask in (run, run_outside):
                least = time.monotonic() - leak.since
                told = ask("stuck", *HERE, "--socket", serve.socket, "--state", "close-wait", "--format", "json")
                self.assertEqual(told.status, 0, told.err)
                [line] = [json.loads(text) for text in told.out.splitlines()]
                self.assertEqual(line["age"], "exact")
                self.assertGreater(line["age_ns"] / 1e9, least - 2)  # as of an answer that may be a second old
                self.assertLess(line["age_ns"] / 1e9, time.monotonic() - leak.began + 0.1)
                self.assertLess(abs(host_clock() - line["mono_ns"] / 1e9), 60)
            leak.close()

    def test_a_table_is_of_now(self):
        leak = Leak(1)
        outcome = run("stat", "300ms", "1", "--format", "json", *HERE)
        table = json.loads(outcome.out)
        leak.close()
        self.assertLess(seconds_from_now(table["end"]), 60)
        self.assertLess(seconds_from_now(table["start"]), 60)

    def test_parts_of_a_rotation(self):
        path = scratch_file("part.json")
        leak = Leak(1)
        with Live("record", "-o", path, "--rotate", "1s") as live:
            port = free_port()
            subprocess.run(peers("both", port), check=True)  # from an event on its time is known
            parts = lambda: sorted(name for name in os.listdir(scratch()) if name.startswith("part-") and name.endswith(".json"))
            wait_for(lambda: len(parts()) >= 2)
            self.assertEqual(live.stop().status, 0)
        leak.close()
        for name in parts():
            trace = support.read_trace(scratch_file(name))
            self.assertLess(seconds_from_now(trace.header["start"]), 60)
            for line in trace.seeds + trace.transitions:
                self.assertLess(seconds_from_now(line["ts"]), 60, line)
                self.assertLess(abs(host_clock() - line["mono_ns"] / 1e9), 60, line)
            for seed in trace.seeds:
                self.assertLess(seed["age_ns"] or 0, 60e9, seed)

    def test_a_suspended_machine_is_found_out(self):
        asleep = scratch_file("asleep")
        script = f"touch {asleep}"
        env = environment(LD_PRELOAD=os.environ["STEP_CLOCK"], STEP_CLOCK="boottime", STEP_CLOCK_WHEN=asleep,
                          STEP_CLOCK_SECONDS="3")  # fmt: skip
        outcome = run("trace", "--format", "json", *HERE, "-q", "--", "sh", "-c", script, env=env)
        self.assertEqual(outcome.status, 0, outcome.err)
        self.assertAlmostEqual(support.Trace(outcome.out).end["suspended_ns"] / 1e9, 3, delta=0.1)

    @support.needs("unshare", "mount")
    def test_it_refuses_where_it_cannot_know(self):
        hide = 'mount --bind /dev/null /proc/$$/timens_offsets && exec "$0" "$@"'
        hidden = lambda *args: support.shell('unshare -m sh -c "$1" "$0" "${@:2}"', hide, *args)
        brief = ("--duration", "100ms")
        for command in (("trace", *brief), ("stat", *brief), ("stuck", "--socket", ""), ("record", "-o", "-", *brief),
                        ("serve", "--listen", "127.0.0.1:0", "--socket", "", *brief)):  # fmt: skip
            with self.subTest(command=command):
                outcome = hidden(*command)
                self.assert_error(outcome, 1, "time namespace", "timens_offsets")
                self.assertEqual(outcome.out, "")
        checked = hidden("check")
        self.assertNotEqual(checked.status, 0)
        self.assertIn("time namespace", checked.out)


if __name__ == "__main__":
    support.main()
