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
_failed = []  # (begin, end), CLOCK_MONOTONIC


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


@contextlib.contextmanager
def watched(result):
    """Around one test."""
    def failures():
        return len(result.failures) + len(result.errors)

    began, before = time.monotonic_ns(), failures()
    yield
    if failures() > before:
        _failed.extend([(began, time.monotonic_ns())] * (failures() - before))


def _hidden():
    """The events of these tests: (time, what)."""
    if _process is None or _process.returncode is not None:
        return []
    told, _ = _process.communicate()
    events = []
    for line in told.splitlines():
        when, local, remote, old, new, task = line.split(" ", 5)
        if _ports & {int(local), int(remote)}:
            events.append((int(when), f"{old}>{new} while {task} was current"))
    return events


def judge(result):
    """The exit status of tests that failed: 75 where in each of them events were hidden."""
    events = _hidden()
    excuses = [[what for when, what in events if begin <= when <= end] for begin, end in _failed]
    for found in filter(None, excuses):
        print(f"host hid: {len(found)} events ({', '.join(sorted(set(found)))})", file=sys.stderr)
    # What failed outside of a test has no excuse.
    if len(excuses) < len(result.failures) + len(result.errors) or not all(excuses):
        return 1
    print("RETRY: in each failed test the host hid events", file=sys.stderr)
    return 75
