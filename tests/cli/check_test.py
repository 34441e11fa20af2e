# SPDX-License-Identifier: BSD-2-Clause
"""tcpdwell check: what this kernel and these privileges allow."""

import json
import os
import re

import support
from support import NOBODY, run


class Check(support.TestCase):
    @support.needs_root
    def test_text_says_that_it_can(self):
        outcome = run("check")
        self.assertEqual((outcome.status, outcome.err), (0, ""))
        self.assertIn(os.uname().release, outcome.out)
        self.assertIn("can trace here", outcome.out)
        for word in ("BTF", "inet_sock_set_state", "ring buffer", "CAP_BPF", "CAP_PERFMON"):
            self.assertRegex(outcome.out, rf"(?m)^yes .*{word}")

    def test_its_lines_fit_a_terminal(self):
        for line in run("check").out.split("\n"):
            self.assertLessEqual(len(line), 80, line)

    @support.needs_root
    def test_json_agrees(self):
        outcome = run("check", "--format", "json")
        self.assertEqual((outcome.status, outcome.err), (0, ""))
        answer = json.loads(outcome.out)
        self.assertEqual(
            (answer["type"], answer["ok"], answer["kernel"]), ("check", True, os.uname().release)
        )
        self.assertTrue(all(check["ok"] for check in answer["checks"] if check["needed"]))
        worth = {state["state"]: state["dwell"] for state in answer["states"]}
        self.assertEqual(len(worth), 10)
        self.assertEqual((worth["ESTABLISHED"], worth["SYN_RECV"]), ("exact", "exact"))
        details = " ".join(check["detail"] for check in answer["checks"])
        [way] = re.findall(r"followed through (\w+)", details)
        expected = {"fentry": "exact", "timer": "exact or at_least"}[way]
        self.assertEqual((worth["TIME_WAIT"], worth["FIN_WAIT2"]), (expected, expected))

    @support.needs_root
    def test_an_unprivileged_user_learns_what_is_missing(self):
        outcome = run("check", user=NOBODY)
        self.assertEqual((outcome.status, outcome.err), (3, ""))
        for word in ("CAP_BPF", "CAP_PERFMON"):
            self.assertRegex(outcome.out, rf"(?m)^NO +{word}")
        self.assertIn("cannot trace here", outcome.out)

    @support.needs_root
    def test_so_does_a_program(self):
        outcome = run("check", "--format", "json", user=NOBODY)
        self.assertEqual((outcome.status, outcome.err), (3, ""))
        answer = json.loads(outcome.out)
        missing = {
            check["name"] for check in answer["checks"] if check["needed"] and not check["ok"]
        }
        self.assertFalse(answer["ok"])
        self.assertLessEqual({"CAP_BPF", "CAP_PERFMON"}, missing)
        self.assertNotIn("BTF", missing, "the kernel has it, whoever asks")
        self.assertEqual({state["dwell"] for state in answer["states"]}, {"not observed"})


if __name__ == "__main__":
    support.main()
