# SPDX-License-Identifier: BSD-2-Clause
"""guest_suite.py BUILD WAY TEST…: runs in the guest. The kernel tests named, through one way in
("auto" for the best), and the smoke test of the binary. Prints one JSON object."""
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from smoke import Smoke

# Makes its connections in a moment and waits for a minute: begun first, looked at last.
WAITS = "time_wait_minute"
# What needs gigabytes, or minutes where every instruction is emulated: the two smallest storms show
# as much.
FILTERS = {"storm": "Storm.AFullRingIsCounted:Storm.ResetsOfManyWorkers",
           "seed": "-Seeds.TwoHundredThousandSockets"}


def check(binary):
    """(exit status, the way in that "auto" chooses, why not a better one)"""
    done = subprocess.run([binary, "check", "--format", "json"], capture_output=True, text=True)
    items = {item["name"]: item for item in json.loads(done.stdout)["checks"]}
    detail = items.get("request and time-wait sockets", {}).get("detail", "")
    way = next((way for way in ("fentry", "timer") if f"followed through {way}" in detail), "off")
    return done.returncode, way, detail.partition("(")[2].rstrip(")")


def refusal(binary):
    """What is wrong with how tracing is refused: it takes exit status 4 and one sentence."""
    done = subprocess.run([binary, "trace", "--duration", "1s"], capture_output=True, text=True)
    if done.returncode != 4:
        yield f"exit status {done.returncode}, not 4"
    if done.stderr.count("\n") != 1 or not done.stderr.startswith("tcpdwell: this kernel "):
        yield f"said: {done.stderr!r}"
    if "libbpf" in done.stderr:
        yield "shows libbpf's own words"


def report_of(name):
    return Path(f"/tmp/report-{name}.json")


def begin(build, name, way):
    """Starts one test program."""
    command = [build / f"tests/tests_kernel_{name}_test", f"--gtest_output=json:{report_of(name)}"]
    if name in FILTERS:
        command.append("--gtest_filter=" + FILTERS[name])
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                            env={**os.environ, "TCPDWELL_MINISOCKETS": way, "TCPDWELL_NOTHING_HIDDEN": "1"}, cwd="/tmp")


def results(name, process):
    """Those of its cases, when it has ended: (case, "passed" | "failed" | "skipped", detail)."""
    said, _ = process.communicate()
    try:
        suites = json.loads(report_of(name).read_text())["testsuites"]
    except (OSError, ValueError, KeyError):
        yield name, "failed", f"{name}_test ended with status {process.returncode}:\n{said[-4000:]}"
        return
    failed = False
    for suite in suites:
        for case in suite["testsuite"]:
            full = f"{suite['name']}.{case['name']}"
            if "failures" in case:
                failed = True
                yield full, "failed", "\n".join(failure["failure"] for failure in case["failures"])
            elif case["result"] == "SKIPPED":
                reasons = [skipped.get("message", "") for skipped in case.get("skipped", [])]
                yield full, "skipped", " ".join(" ".join(reasons).split()) or "no reason given"
            elif case["result"] == "COMPLETED":
                yield full, "passed", ""
    if process.returncode != 0 and not failed:
        yield name, "failed", f"{name}_test ended with status {process.returncode}:\n{said[-4000:]}"


def run(build, wanted, names):
    binary = build / "tcpdwell"
    began = time.monotonic()
    status, way, note = check(binary)
    result = {"kernel": os.uname().release, "check": status, "way": way, "note": note, "cases": []}

    def add(name, outcome, detail=""):
        result["cases"].append({"name": name, "outcome": outcome, "detail": detail})

    def judge(name, faults):
        add(name, "failed" if faults else "passed", "; ".join(faults))

    if status != 0:
        judge("binary.Refusal", list(refusal(binary)))
    else:
        if wanted != "auto":
            way = result["way"] = wanted
        smoke = Smoke(binary, way)
        if way != "off":
            smoke.start()
        waits = begin(build, WAITS, way) if WAITS in names else None
        if waits:
            time.sleep(3)  # for its connections
        for name in sorted(names, key=lambda name: name == WAITS):
            print(name, file=sys.stderr, flush=True)  # where it was, should the time be over
            for case in results(name, waits if name == WAITS else begin(build, name, way)):
                add(*case)
        if way != "off":
            judge("binary.LoopbackTimeWait", smoke.finish())
    result["seconds"] = round(time.monotonic() - began, 1)
    return result


if __name__ == "__main__":
    subprocess.run(["modprobe", "tun"], check=True)
    json.dump(run(Path(sys.argv[1]).resolve(), sys.argv[2], sys.argv[3:]), sys.stdout)
