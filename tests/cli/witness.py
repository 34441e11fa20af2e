# SPDX-License-Identifier: BSD-2-Clause
"""Whether the host hid from BPF programs what a failed test missed: tests/workloads/witness.cpp shows it. Then the failure
says nothing about tcpdwell, and scripts/test runs the file again; else it is a failure."""

import atexit
import contextlib
import os
import subprocess
import sys
import time

_process = None
_ports = set()
_failed = []  # (begin, end, note_unseen()), CLOCK_MONOTONIC
_unseen = 0


def begin():
    """Needs $WITNESS, which tests/CMakeLists.txt sets."""
    global _process
    program = os.environ.get("WITNESS")
    if program is None or _process is not None:
        return
    _process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
    _process.stdout.readline()
    atexit.register(_hidden)


def note_port(port):
    """A server's, of this network: what is hidden of it concerns the tests."""
    _ports.add(port)
    return port


def note_unseen(count):
    """All that the test at hand complains of: tcpdwell counted so many ends that it did not see. It counts those of the whole
    host, so as many timers that were hidden meanwhile, whoever's they are, are the reason."""
    global _unseen
    _unseen = count


@contextlib.contextmanager
def watched(result):
    """Around one test."""
    global _unseen

    def failures():
        return len(result.failures) + len(result.errors)

    began, before, _unseen = time.monotonic_ns(), failures(), 0
    yield
    if failures() > before:
        _failed.extend([(began, time.monotonic_ns(), _unseen)] * (failures() - before))


def _hidden():
    """The events of these tests, and timers: (time, what)."""
    if _process is None or _process.returncode is not None:
        return []
    told, _ = _process.communicate()
    events = []
    for line in told.splitlines():
        when, local, remote, old, new, task = line.split(" ", 5)
        if _ports & {int(local), int(remote)} or old == "timer":
            events.append((int(when), f"{old}>{new} while {task} was current"))
    return events


def _excuse(events, begin, end, unseen):
    during = [what for when, what in events if begin <= when <= end]
    timers = [what for what in during if what.startswith("timer>")]
    if unseen:
        return during if len(timers) >= unseen else []
    return [what for what in during if what not in timers]


def judge(result):
    """The exit status of tests that failed: 75 where in each of them events were hidden."""
    events = _hidden()
    excuses = [_excuse(events, *failed) for failed in _failed]
    for found in filter(None, excuses):
        print(f"host hid: {len(found)} events ({', '.join(sorted(set(found)))})", file=sys.stderr)
    # What failed outside of a test has no excuse.
    if len(excuses) < len(result.failures) + len(result.errors) or not all(excuses):
        return 1
    print("RETRY: in each failed test the host hid events", file=sys.stderr)
    return 75
