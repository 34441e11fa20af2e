# SPDX-License-Identifier: BSD-2-Clause
"""What was lost is not known where the kernel does not say: then no end line claims that nothing was."""

import json
import os
import unittest

import support
from support import HERE, environment, run


def without(counters):
    return environment(LD_PRELOAD=os.environ["NO_COUNTERS"], UNREADABLE=counters)


SAID = {
    "cpus": r"\Atcpdwell: cannot read the program's counters: Operation not permitted\n\Z",
    "on_state": r"\Atcpdwell: cannot read what the kernel reports of the program: Operation not permitted\n\Z",
}


@support.needs_root
class Unread(support.TestCase):
    @classmethod
    def setUpClass(cls):
        support.own_network()

    def test_a_recording_says_so_and_claims_no_loss(self):
        for counters, said in SAID.items():
            for lines in ("transitions", "connections"):
                with self.subTest(counters=counters, lines=lines):
                    path = support.scratch_file(f"{counters}.{lines}.json")
                    outcome = run("record", *HERE, "-q", "--lines", lines, "-o", path, "--duration", "300ms", env=without(counters))
                    self.assertEqual(outcome.status, 1, outcome)
                    self.assertRegex(outcome.err, said)
                    with open(path, encoding="utf-8") as file:
                        kinds = [json.loads(line)["type"] for line in file]
                    self.assertIn("header", kinds)
                    self.assertNotIn("end", kinds)
                    self.assertNotIn("loss", kinds)

    def test_so_does_a_table(self):
        for counters, said in SAID.items():
            for command in (("stat",), ("stat", "--by", "comm"), ("trace",)):
                with self.subTest(counters=counters, command=command):
                    outcome = run(*command, *HERE, "-q", "--format", "json", "--duration", "300ms", env=without(counters))
                    self.assertEqual(outcome.status, 1, outcome)
                    self.assertRegex(outcome.err, said)
                    self.assertNotIn('"lost"', outcome.out)

    def test_a_kernel_that_says_it_is_believed(self):
        outcome = run("stat", *HERE, "-q", "--format", "json", "--duration", "300ms", env=without("nothing of ours"))
        self.assertEqual((outcome.status, outcome.err), (0, ""))
        self.assertIn('"lost"', outcome.out)


if __name__ == "__main__":
    support.main()
