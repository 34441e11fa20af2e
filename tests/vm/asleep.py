# SPDX-License-Identifier: BSD-2-Clause
"""A machine that is suspended to memory in the middle of a trace: the kernel, asleep.c and the binary."""
import json
import re
import subprocess
import tempfile
import time
from datetime import datetime
from pathlib import Path

import initramfs
import machine

LIMIT_S = 180
MINUTE_S, LATEST_S = 60, 66


def make_initrd(folder, binary):
    init = folder / "init"
    subprocess.run(["cc", "-static", "-O2", "-Wall", "-Wextra", "-Werror", "-o", init, machine.HERE / "asleep.c"], check=True)
    entries = {"init": init.read_bytes(), "tcpdwell": binary.read_bytes()}
    made = folder / "initrd"
    made.write_bytes(initramfs.newc([(name, 0o100755, data) for name, data in entries.items()]))
    return made


def boot(kernel, folder, binary, sleep_s, stay_s):
    """What asleep.c said, and the console."""
    out, console = folder / "out", folder / "console"
    # The packed image: one that is unpacked, and so entered by the PVH protocol, does not wake up again.
    command = [*machine.TIED, "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", machine.processor(kernel), "-M", "pc",
               "-smp", "2", "-m", "768", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-nic", "none",
               "-serial", f"file:{console}", "-serial", f"file:{out}",
               "-kernel", kernel.image, "-initrd", make_initrd(folder, binary),
               "-append", "console=ttyS0 loglevel=4 panic=-1 mitigations=off nokaslr tsc=reliable no_timer_check "
                          f"cryptomgr.notests td_sleep={sleep_s} td_stay={stay_s}"]
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        pass
    read = lambda path: path.read_text(errors="replace").replace("\r", "") if path.exists() else ""
    return read(out), read(console)


def faults_of(said, sleep_s, whole_minute):
    """What was wrong with the trace, one sentence each."""
    head, _, errors = said.partition("errors:\n")
    truth, *lines = map(json.loads, head.splitlines())
    end, awake, asleep = lines[-1], truth["awake_s"], truth["asleep_s"]
    if truth["status"] != 0 or end["type"] != "end" or any(end["lost"].values()):
        yield f"{truth}, {end}"
    if not sleep_s - 1.5 < asleep < sleep_s + 1.5:
        yield f"slept for {asleep} s, not {sleep_s}"
    if abs(end.get("suspended_ns", 0) / 1e9 - asleep) > 0.05:
        yield f"suspended_ns is {end.get('suspended_ns')}, not {asleep} s"
    if not re.search(r"(?m)^tcpdwell: the machine was suspended for ", errors):
        yield "not said: " + "\n".join(line for line in errors.splitlines() if line.startswith("tcpdwell:"))
    [stay] = [line for line in lines if line.get("lport") == truth["through"] and line.get("old") == "ESTABLISHED"]
    if stay["dwell"] != "exact" or abs(stay["dwell_ns"] / 1e9 - awake) > 0.1:
        yield f"dwell {stay}, not {awake} s"
    behind = truth["wall_s"] - datetime.fromisoformat(stay["ts"][:26] + "+00:00").timestamp()
    if abs(behind - asleep) > 0.5:
        yield f"ts is behind by {behind} s, not {asleep}"
    [begun] = [line["conn"] for line in lines if line.get("lport") == truth["before"] and line.get("new") == "TIME_WAIT"]
    over = [line for line in lines if line.get("conn") == begun and line.get("old") == "TIME_WAIT"]
    if whole_minute and not (len(over) == 1 and over[0]["reason"] == "expired" and MINUTE_S <= over[0]["dwell_ns"] / 1e9 <= LATEST_S):
        yield f"TIME_WAIT {over}"
    if not whole_minute and over:
        yield f"TIME_WAIT ended early: {over}"


def suspend(kernel, binary, full):
    """(what was wrong, a row for the table)"""
    sleep_s = 20 if full else 3
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(machine.BOOTS):
            said, console = boot(kernel, Path(folder), binary, sleep_s, 66 if full else 1)
            if said:
                break
    if not said.endswith("complete\n"):
        return [f"suspend: it did not come to its end in {time.monotonic() - began:.0f} s: {said[-500:]} {console[-3000:]}"], None
    minute = "; a TIME_WAIT across it had its minute awake" if full else ""
    return list(faults_of(said, sleep_s, full)), {
        "fault": "machine suspended to memory", "times": 1,
        "tried": f"ACPI S3 for {sleep_s} s, in the middle of a connection",
        "lost": f"the time asleep: no dwell has it, `ts` is behind from there on{minute}",
        "said": "stderr, and report: `the machine was suspended for …`; `suspended_ns` of `end`"}
