# SPDX-License-Identifier: BSD-2-Clause
"""tcpdwell diff on traces whose difference is known. Needs no root."""

import json
import random
import unittest

import support
from report_test import end, header, text, transition
from support import run, scratch_file


def trace(name, dwells, new="CLOSE_WAIT", **changes):
    lines = [transition(i, f"{i + 1:x}", "ESTABLISHED", new, dwell_ns=ns, **changes) for i, ns in enumerate(dwells)]
    return scratch_file(name, text([header(), *lines, end(10**9, len(lines), len(lines))]))


def skewed(seed, median_ns, count=2000):
    generator = random.Random(seed)
    return [int(median_ns * generator.lognormvariate(0, 1.5)) for _ in range(count)]


def verdicts(one, two, *options):
    outcome = run("diff", one, two, "--format", "json", *options)
    assert (outcome.status, outcome.err) == (0, ""), outcome
    diff = json.loads(outcome.out)
    return diff, {row["state"]: (row["p50"]["verdict"], row["p99"]["verdict"]) for row in diff["rows"]}


class Diff(support.TestCase):
    def test_the_same_distribution_twice_is_no_difference(self):
        for seed in range(5):
            one, two = trace("a", skewed(seed, 10**6)), trace("b", skewed(seed + 100, 10**6))
            self.assertEqual(verdicts(one, two)[1], {"ESTABLISHED": ("no difference seen",) * 2}, seed)

    def test_twice_as_long_is_longer_and_the_other_way_round_shorter(self):
        one, two = trace("a2", skewed(1, 10**6)), trace("b2", skewed(2, 2 * 10**6))
        self.assertEqual(verdicts(one, two)[1]["ESTABLISHED"][0], "longer")
        self.assertEqual(verdicts(two, one)[1]["ESTABLISHED"][0], "shorter")

    def test_few_are_too_few(self):
        one, two = trace("a3", [10**6] * 3), trace("b3", [10**9] * 3)
        self.assertEqual(verdicts(one, two)[1], {"ESTABLISHED": ("too few to tell",) * 2})

    def test_new_and_gone(self):
        one = trace("a4", [5] * 9, new="CLOSE", path="SYN_RECV>ESTABLISHED>CLOSE", reason="reset_by_peer", life_ns=9)
        two = trace("b4", [5] * 8, new="CLOSE", path="SYN_SENT>ESTABLISHED>CLOSE", reason="timeout", life_ns=9)
        diff, _ = verdicts(one, two)
        self.assertEqual([(p["path"], p["count_b"]) for p in diff["new_paths"]], [("SYN_SENT>ESTABLISHED>CLOSE", 8)])
        self.assertEqual([(p["path"], p["count_a"]) for p in diff["gone_paths"]], [("SYN_RECV>ESTABLISHED>CLOSE", 9)])
        self.assertEqual([(e["end"], e["count_a"], e["count_b"]) for e in diff["ends"]], [("reset_by_peer", 9, 0), ("timeout", 0, 8)])
        shown = run("diff", one, two).out
        self.assertRegex(shown, r"(?m)^timeout +0 +8 +new *$")
        self.assertRegex(shown, r"(?m)^reset_by_peer +9 +0 +gone *$")

    def test_by_another_key_and_as_text(self):
        one, two = trace("a5", skewed(1, 10**6)), trace("b5", skewed(2, 3 * 10**6))
        self.assertRegex(run("diff", one, two, "--by", "comm").out, r"(?m)^server +ESTABLISHED +2,000 +2,000 .* longer, x")

    def test_a_page_with_hostile_names_is_text(self):
        one, two = trace("a6", [5] * 9, comm="<script>x"), trace("b6", [5] * 9, comm="'\"&<b>")
        page = run("diff", one, two, "--by", "comm", "--format", "html").out
        self.assertIn("&lt;script&gt;x", page)
        self.assertNotIn("<script", page)
        self.assertIn("&#39;&quot;&amp;&lt;b&gt;", page)

    def test_bad_usage(self):
        one = trace("a7", [1])
        self.assert_error(run("diff", one), 2)
        self.assert_error(run("diff", one, one, "--format", "svg"), 2, "expected text, json or html")
        self.assert_error(run("diff", one, one + "none"), 2, one + "none")


if __name__ == "__main__":
    unittest.main()
