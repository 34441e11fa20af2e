# SPDX-License-Identifier: BSD-2-Clause
"""Ends that nobody asked for: nothing stays attached, and what was written is a trace."""

import json
import os
import random
import signal
import subprocess
import time

import faults
import support
from faults import found, tries
from support import HERE, Live, TCPDWELL, environment, free_port, peers, run, scratch_file, wait_for

setUpModule = support.own_network


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
    def kill_once(self, path, options, moment):
        """Kills it at a moment; what BPF objects it had."""
        with open(os.devnull, "w", encoding="ascii") as nowhere:
            process = subprocess.Popen(
                [TCPDWELL, "record", "-o", path, *options, *HERE, "-q"],
                stdin=subprocess.DEVNULL, stdout=nowhere, stderr=nowhere, env=environment(),
            )
        time.sleep(moment)
        faults.freeze(process.pid)
        had = faults.bpf_ids(process.pid)
        process.kill()
        self.assertEqual(process.wait(support.TIMEOUT), -signal.SIGKILL)
        return had

    def test_kill_9_at_random_moments(self):
        times, dice = tries(20, 200), random.Random(8)
        pinned = faults.pinned()
        attached = readable = transitions = early = 0
        everything = set()
        with Busy():
            begun = time.monotonic()
            with Live("record", "-o", os.devnull, "-q"):
                until_attached = time.monotonic() - begun
            for turn in range(times):
                suffix = ("", ".zst", ".gz")[turn % 3]
                path = scratch_file(f"killed{turn}.json{suffix}")
                had = self.kill_once(path, (), dice.uniform(0, until_attached + 1.3))
                everything |= had
                attached += any(kind == "link" for kind, _ in had)
                # Before the first flush, a second after the start, there is nothing to read.
                if not os.path.exists(path) or os.path.getsize(path) == 0:
                    early += 1
                    continue
                with self.subTest(turn=turn, size=os.path.getsize(path)):
                    report = run("report", path, "--format", "json")
                    self.assertEqual(report.status, 0, report.err)
                    self.assertIn("cut off", report.err)
                    readable += 1
                    transitions += sum(row["count"] for row in json.loads(report.out)["rows"])
        self.assertGreater(attached, 0)
        self.assertGreater(readable, 0)
        self.assertGreater(transitions, 0)
        # The kernel frees them a moment after their last descriptor is closed.
        wait_for(lambda: not everything & faults.existing_bpf_ids())
        self.assertEqual(faults.pinned(), pinned)
        found(
            "kill -9 at random moments",
            f"record under load, killed up to {until_attached + 1.3:.1f} s after its start: {attached} were attached, "
            f"{early} had written nothing yet",
            f"the last second at most; all {readable} files were read. Of {len(everything)} programs, maps and links "
            "none was left, nothing was pinned",
            "report: `cut off: it has no end line`",
            times,
        )


class Twice(support.TestCase):
    def test_interrupt_twice(self):
        """An impatient Ctrl-C costs nothing."""
        times = tries(5, 50)
        with Busy():
            for turn in range(times):
                path = scratch_file(f"twice{turn % 2}.json")
                with Live("record", "-o", path) as live:
                    time.sleep(0.1)
                    live.process.send_signal(signal.SIGINT)
                    time.sleep(0.01 * (turn % 5))
                    if live.process.poll() is None:
                        live.process.send_signal(signal.SIGINT)
                    outcome = live.end()
                self.assertEqual(outcome.status, 0, outcome.err)
                self.assert_whole(support.read_trace(path))
        found("SIGINT twice", "record under load, the second 0 to 40 ms after the first", "nothing: the trace is whole",
              "what one SIGINT says", times)

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
