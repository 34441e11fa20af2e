# SPDX-License-Identifier: BSD-2-Clause
"""Ends that nobody asked for: nothing stays attached, and what was written is a trace."""

import contextlib
import datetime
import json
import os
import random
import signal
import subprocess
import time

import faults
import support
from faults import found, tries
from support import HERE, Live, TCPDWELL, environment, free_port, peers, run, scratch_file, states, wait_for

# Files are flushed once a second; a machine with more to do than it can is a little late.
LATEST_FLUSH_S = 5


def setUpModule():
    support.own_network()
    faults.own_mounts()
    faults.own_bpf_file_system()


class Busy:
    """Connections all the time, in this network."""

    def __enter__(self):
        command = peers("both", free_port(), "--count", 1_000_000)
        self.process = subprocess.Popen(command, start_new_session=True)
        return self

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@support.needs("bpftool")
class Killed(support.TestCase):
    def kill_once(self, path, moment, once_written):
        """Kills it at a moment, of its start or of the first that was written; the wall clock then, and what BPF objects
        it had."""
        with open(os.devnull, "w", encoding="ascii") as nowhere:
            process = subprocess.Popen(
                [TCPDWELL, "record", "-o", path, *HERE, "-q"],
                stdin=subprocess.DEVNULL, stdout=nowhere, stderr=nowhere, env=environment(),
            )
        if once_written:
            wait_for(lambda: os.path.exists(path) and os.path.getsize(path) > 0)
        time.sleep(moment)
        faults.freeze(process.pid)
        killed = time.time()
        had = faults.bpf_ids(process.pid)
        process.kill()
        self.assertEqual(process.wait(support.TIMEOUT), -signal.SIGKILL)
        return killed, had

    def assert_what_is_left(self, path):
        """Every line but the last is whole, and takes up where the line before left its connection."""
        with open(path, encoding="utf-8") as file:
            trace = support.Trace(file.read().rpartition("\n")[0])
        self.assertEqual(trace.header["type"], "header")
        self.assertIsNone(trace.end)
        self.assertEqual(trace.of_type("loss"), [])
        for chain in trace.connections().values():
            for before, line in zip(chain, chain[1:]):
                self.assertEqual(line["old"], before["new"], states(chain))

    def test_kill_9_at_random_moments(self):
        # Once attached a file is written each second: of the longer runs there is more to be read.
        times, longest, dice = tries(20, 200), tries(1.3, 2.5), random.Random(8)
        pinned = faults.pinned()
        attached = readable = transitions = early = 0
        everything, missing = set(), []
        with Busy():
            begun = time.monotonic()
            with Live("record", "-o", os.devnull, "-q"):
                longest += time.monotonic() - begun
            for turn in range(times):
                suffix = ("", ".zst", ".gz")[turn % 3]
                path = scratch_file(f"killed.json{suffix}")
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
                # How long it starts is the machine's business: some are sure to have written.
                moment, once_written = (dice.uniform(0, longest), False) if turn % 4 else (dice.uniform(0, 1), True)
                killed, had = self.kill_once(path, moment, once_written)
                everything |= had
                attached += any(kind == "link" for kind, _ in had)
                # Before the first flush, a second after the start, there is nothing to read.
                if not os.path.exists(path) or os.path.getsize(path) == 0:
                    early += 1
                    continue
                with faults.at(turn=turn, size=os.path.getsize(path)):
                    report = run("report", path, "--format", "json")
                    self.assertEqual(report.status, 0, report.err)
                    self.assertIn("cut off", report.err)
                    if not suffix:
                        self.assert_what_is_left(path)
                    table = json.loads(report.out)
                    readable += 1
                    transitions += sum(row["count"] for row in table["rows"])
                    missing.append((killed - seconds(table["end"]), os.path.basename(path), os.path.getsize(path)))
        self.assertGreater(attached, 0)
        self.assertGreater(readable, 0)
        self.assertGreater(transitions, 0)
        missing.sort()
        self.assertLess(missing[-1][0], LATEST_FLUSH_S, missing[-3:])
        print("most was missing of", missing[-3:])
        # The kernel frees them a moment after their last descriptor is closed.
        wait_for(lambda: not everything & faults.existing_bpf_ids())
        self.assertEqual(faults.pinned(), pinned)
        found(
            "kill -9 at random moments",
            f"record under load, to .json, .json.zst, .json.gz, killed up to {longest:.1f} s after its start or 1 s after it first wrote: {attached} were "
            f"attached, {early} had written nothing yet",
            f"the last {missing[-1][0]:.1f} s at most, {missing[len(missing) // 2][0]:.2f} s of half of them; all {readable} files were read, {transitions:,} transitions. Of "
            f"{len(everything):,} programs, maps and links none was left, nothing was pinned",
            "report: `cut off: it has no end line`",
            times,
        )


def seconds(ts):
    return datetime.datetime.fromisoformat(ts[:26] + "+00:00").timestamp()


class Twice(support.TestCase):
    def test_interrupt_twice(self):
        """An impatient Ctrl-C costs nothing."""
        times, twice = tries(5, 50), 0
        with Busy():
            for turn in range(times):
                path = scratch_file(f"twice{turn % 2}.json")
                with Live("record", "-o", path) as live:
                    time.sleep(0.1)
                    live.process.send_signal(signal.SIGINT)
                    time.sleep(0.01 * (turn % 5))
                    if live.process.poll() is None:
                        twice += 1
                        live.process.send_signal(signal.SIGINT)
                    outcome = live.end()
                self.assertEqual(outcome.status, 0, outcome.err)
                self.assert_whole(support.read_trace(path))
        self.assertGreater(twice, 0)
        found("SIGINT twice", f"record under load, the second 0 to 40 ms after the first: {twice} had not ended by then",
              "nothing: the trace is whole", "what one SIGINT says", times)

    def test_a_reader_that_does_not_read_holds_nobody(self):
        """The first SIGINT waits for the pipe, a later one does not."""
        ours, its = os.pipe()
        with Busy(), open(os.devnull, "w", encoding="ascii") as nowhere:
            process = subprocess.Popen(
                [TCPDWELL, "trace", *HERE, "-q"], stdin=subprocess.DEVNULL, stdout=its, stderr=nowhere, env=environment()
            )
            os.close(its)
            try:
                wait_for(lambda: faults.is_writing_to_a_full_pipe(process.pid))
                process.send_signal(signal.SIGINT)
                time.sleep(0.3)
                self.assertIsNone(process.poll(), "the pipe is not full")
                time.sleep(1)
                process.send_signal(signal.SIGINT)
                self.assertEqual(process.wait(5), -signal.SIGINT)
            finally:
                process.kill()
                process.wait()
                os.close(ours)
        found("SIGINT twice, nobody reads standard output", "trace into a full pipe, the second 1.3 s after the first",
              "what nobody reads", "the first waits for the reader, the second ends it at once")


if __name__ == "__main__":
    support.main()
