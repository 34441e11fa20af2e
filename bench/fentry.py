#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""bench/fentry.py [SERIES [CONNECTIONS [ROUNDS]]]: what the kernel side costs through fentry and by timers, in an emulated
machine under another kernel (6.12, 3,000 and 3 unless told), as multiples of an empty program there. Needs scripts/bench to
have built. As many connections are made before, as the emulator translates what it has not run yet. An emulated processor's nanoseconds mean nothing; their ratios are near to those of a real one, not the same.
"""
import os
import statistics
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
BUILD = PROJECT / "build"
sys.path[:0] = [str(PROJECT / "bench" / "system"), str(PROJECT / "tests" / "vm")]


def commands():
    """(name, command): {way} is how request and time-wait sockets are followed."""
    us = str(BUILD / "tcpdwell")
    return [("stat", [us, "stat", "--minisockets", "{way}", "--format", "json", "-o", "{out}"]),
            ("serve", [us, "serve", "-q", "--minisockets", "{way}", "--listen", "127.0.0.1:19978", "--socket", "{out}"]),
            ("record --lines connections",
             [us, "record", "--minisockets", "{way}", "--lines", "connections", "-q", "-o", "{out}"]),
            ("record", [us, "record", "--minisockets", "{way}", "-q", "-o", "{out}"])]


def in_the_machine(connections, rounds):
    import measure
    from tools import Tool
    floor = Tool("empty program", [str(BUILD / "bench" / "bench_floor")])
    tools = [Tool(f"{name}, {way}", [word.replace("{way}", way) for word in command])
             for way in ("fentry", "timer") for name, command in commands()]
    rows = {tool.name: [] for tool in (floor, *tools)}
    for _ in range(rounds):
        for tool in (floor, *tools):
            rows[tool.name].append(measure.kernel_ns(str(BUILD), tool, connections, 1, warm_up=connections)["kernel_ns"])
    least = statistics.median(rows[floor.name])
    print(f"kernel {os.uname().release}, {connections} connections, medians of {rounds} in turn")
    for name, values in rows.items():
        print(f"{name:36} {statistics.median(values) / least:5.1f} times an empty program "
              f"({min(values) / least:.1f} to {max(values) / least:.1f})")


def main(series="6.12", connections="3000", rounds="3", where="host"):
    if where == "guest":
        return in_the_machine(int(connections), int(rounds))
    import kernels
    import machine
    cache = BUILD / "vm"
    outcome = machine.run(kernels.kernel(cache, series), cache,
                          ["python3", "-B", str(Path(__file__).resolve()), series, connections, rounds, "guest"], 1800)
    print(outcome.stdout, end="")
    if outcome.status != 0:
        sys.exit(f"bench/fentry.py: status {outcome.status}: {outcome.stderr[-2000:]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
