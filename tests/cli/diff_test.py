# SPDX-License-Identifier: BSD-2-Clause
"""tcpdwell diff on traces whose difference is known. Needs no root."""

import csv
import io
import json
import os
import random
import unittest

import support
from report_test import end, header, text, transition
from support import run, scratch_file


def trace(name, dwells, old="ESTABLISHED", new="CLOSE_WAIT", **changes):
    lines = [transition(i, f"{i + 1:x}", old, new, dwell_ns=ns, **changes) for i, ns in enumerate(dwells)]
    return scratch_file(name, text([header(), *lines, end(10**9, len(lines), len(lines))]))


def skewed(seed, median_ns, count=2000):
    generator = random.Random(seed)
    return [int(median_ns * generator.lognormvariate(0, 1.5)) for _ in range(count)]


def verdicts(one, two, *options):
    outcome = run("diff", one, two, "--format", "json", *options)
    assert (outcome.status, outcome.err) == (0, ""), outcome
    diff = json.loads(outcome.out)
    return diff, {row["state"]: (row["p50"]["verdict"], row["p99"]["verdict"]) for row in diff["rows"]}


def client(conn, begin_ns, held_ns, **who):
    """A connection of a client that closes second: 1 ms to connect, then held."""
    at, lines = begin_ns, []
    for old, new, dwell in (
        ("CLOSE", "SYN_SENT", None),
        ("SYN_SENT", "ESTABLISHED", 10**6),
        ("ESTABLISHED", "CLOSE_WAIT", held_ns),
        ("CLOSE_WAIT", "LAST_ACK", 10**6),
        ("LAST_ACK", "CLOSE", 10**6),
    ):
        at += dwell or 0
        worth = {"dwell_ns": dwell} if dwell else {"dwell_ns": None, "dwell": "unknown"}
        lines.append(transition(at, conn, old, new, comm="client", rport=443, **worth, **who))
    lines[-1].update(life_ns=at - begin_ns, path="SYN_SENT>ESTABLISHED>CLOSE_WAIT>LAST_ACK>CLOSE")
    return lines


def left_over(conn):
    """What was in TIME_WAIT before the trace, and ends in it."""
    first = transition(0, conn, "TIME_WAIT", "CLOSE")
    seed = {name: first[name] for name in ("ts", "mono_ns", "conn", "netns", "family", "laddr", "lport", "raddr", "rport")}
    seed.update(type="seed", state="TIME_WAIT", age_ns=None, age="unknown", pid=None, comm="", owner="none", cgroup=0)
    return [seed, transition(10**9, conn, "TIME_WAIT", "CLOSE", dwell_ns=10**9, dwell="at_least")]


def keep_alive(name, connections, held_ns, older):
    """Ten seconds of a client that opens so many connections, and holds each so long."""
    lines = [line for i in range(older) for line in left_over(f"{i + 1:x}")]
    for i in range(connections):
        lines += client(f"{i + 10**6:x}", i * 9 * 10**9 // connections, held_ns)
    lines.sort(key=lambda line: line["mono_ns"])
    return scratch_file(name, text([header(), *lines, end(10**10, len(lines), connections + older)]))


class Diff(support.TestCase):
    def test_did_keep_alive_help(self):
        """3,000 connections of 2 ms in ten seconds, then 3 of 900 ms; before each, what an earlier run left in TIME_WAIT."""
        one, two = keep_alive("without", 3000, 2 * 10**6, 0), keep_alive("with", 3, 900 * 10**6, 500)
        shown = run("diff", one, two).out
        self.assertEqual(shown.split("\n")[0], "connections opened: 300/s in A, 0.3/s in B")
        self.assertIn("503 connections, 500 of them older than it and in no table", shown)
        self.assertRegex(shown, r"(?m)^ +3,000 +3 +300/s +0\.3/s$")
        self.assertRegex(shown, r"(?m)^ESTABLISHED +3,000 +3 .*too few to tell \(3\)")
        self.assertNotIn("TIME_WAIT", shown)
        self.assertNotIn("no difference seen", shown)
        self.assertRegex(shown, r"(?m)^closed by remote +3,000 +3 +100\.0% +100\.0%")
        diff, _ = verdicts(one, two)
        self.assertEqual((diff["a"]["opened"], diff["b"]["opened"], diff["b"]["older"]), (3000, 3, 500))
        self.assertEqual((diff["a"]["duration_ns"], diff["b"]["connections"]), (10**10, 503))
        self.assertIn("connections opened: 300/s in A", run("diff", one, two, "--format", "html").out)

    def test_rates_by_a_key(self):
        one, two = keep_alive("a8", 400, 10**6, 0), keep_alive("b8", 100, 10**6, 0)
        diff, _ = verdicts(one, two, "--by", "comm,state")
        self.assertEqual(
            diff["opens"],
            [{"comm": "client", "opened_a": 400, "opened_b": 100, "accepted_a": 0, "accepted_b": 0}],
        )
        self.assertRegex(run("diff", one, two, "--by", "remote-port").out, r"(?m)^443 +400 +100 +40/s +10/s$")

    def test_rates_that_chance_may_make_are_no_headline(self):
        one, two = keep_alive("a9", 100, 10**6, 0), keep_alive("b9", 104, 10**6, 0)
        self.assertEqual(run("diff", one, two).out.split("\n")[0], "no difference between A and B is certain")

    def test_what_lasts_longer_is_the_headline(self):
        one, two = keep_alive("a10", 100, 10**6, 0), keep_alive("b10", 100, 50 * 10**6, 0)
        self.assertEqual(
            run("diff", one, two).out.split("\n")[0],
            "ESTABLISHED lasts longer: median 1.00ms in A, 50.0ms in B",
        )

    def test_nine_that_overlap_are_too_few(self):
        one, two = trace("a11", range(1000, 1009)), trace("b11", range(1001, 1010))
        self.assertEqual(verdicts(one, two)[1]["ESTABLISHED"], ("too few to tell",) * 2)
        self.assertIn("too few to tell (9)", run("diff", one, two).out)

    def test_long_tables_stop(self):
        names = [f"p{i}" for i in range(40)]
        lines = [transition(i, f"{i + 1:x}", "ESTABLISHED", "CLOSE_WAIT", comm=name) for i, name in enumerate(names)]
        path = scratch_file("many", text([header(), *lines, end(10**9, 40, 40)]))
        self.assertIn("\n10 more rows; --limit 0 shows all\n", run("diff", path, path, "--by", "comm").out)
        self.assertNotIn("more row", run("diff", path, path, "--by", "comm", "--limit", "0").out)

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
        listens = trace("c4", [5] * 2, old="LISTEN", new="CLOSE", path="LISTEN>CLOSE", life_ns=9)
        diff, _ = verdicts(one, listens)
        self.assertEqual([(e["end"], e["count_a"], e["count_b"]) for e in diff["ends"]], [("reset_by_peer", 9, 0)])
        self.assertEqual(diff["new_paths"], [])
        shown = run("diff", one, two).out
        self.assertRegex(shown, r"(?m)^timeout +0 +8 +0\.0% +100\.0% +new *$")
        self.assertRegex(shown, r"(?m)^reset_by_peer +9 +0 +100\.0% +0\.0% +gone *$")

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


class Kept(unittest.TestCase):
    """Traces that 0.1.0 recorded (its build of commit da8e1f8), and what its own report said of the first."""

    A, B = (os.path.join(os.path.dirname(os.path.abspath(__file__)), f"../traces/0.1.0-{name}.json.zst") for name in "ab")
    ROWS = {  # state: count, open, longest, sum
        "LISTEN": (0, 1, None, None),
        "SYN_SENT": (9, 0, 140554, 435529),
        "SYN_RECV": (7, 0, 93375, 298942),
        "ESTABLISHED": (14, 0, 122089032, 865956922),
        "FIN_WAIT1": (7, 0, 3188662, 3904534),
        "FIN_WAIT2": (7, 0, 61167973153, 61168123184),
        "TIME_WAIT": (6, 0, 61586213333, 368462927118),
        "CLOSE_WAIT": (6, 1, 68409, 345360),
        "LAST_ACK": (6, 0, 115858, 401252),
    }  # fmt: skip

    def said(self, *words):
        outcome = run(*words)
        self.assertEqual((outcome.status, outcome.err), (0, ""))
        return outcome.out

    def test_report(self):
        report = json.loads(self.said("report", "--format", "json", self.A))
        rows = {row["state"]: (row["count"], row["open"], row["max_ns"], row["total_ns"]) for row in report["rows"]}
        self.assertEqual(rows, self.ROWS)
        ends = [(end["reason"], end["closer"], end["count"], end["life_max_ns"]) for end in report["ends"]]
        self.assertEqual(ends, [("expired", "local", 7, 61606824446), (None, "remote", 6, 122221381), ("refused", "remote", 2, 38973)])
        slowest = report["slowest"][0]
        self.assertEqual((slowest["path"], slowest["life_ns"]), ("SYN_RECV>ESTABLISHED>FIN_WAIT1>FIN_WAIT2>TIME_WAIT>CLOSE", 61606824446))
        [stuck] = report["stuck"]
        self.assertEqual((stuck["state"], stuck["age_ns"]), ("CLOSE_WAIT", 63042291701))

    def test_csv(self):
        head, *lines = csv.reader(io.StringIO(self.said("report", "--format", "csv", self.A)))
        number = lambda text: int(text) if text else None
        rows = {line[head.index("state")]: tuple(number(line[head.index(name)]) for name in ("count", "open", "max_ns", "total_ns")) for line in lines}
        self.assertEqual(rows, self.ROWS)

    def test_text(self):
        self.assertRegex(self.said("report", self.A), r"\nTIME_WAIT +6 +0 .* 6m08s\n")

    def test_diff(self):
        diff = json.loads(self.said("diff", self.A, self.B, "--format", "json"))
        self.assertEqual([(side["opened"], side["accepted"], side["older"]) for side in (diff["a"], diff["b"])], [(9, 7, 0), (12, 10, 0)])
        counts = {row["state"]: (row["count_a"], row["count_b"]) for row in diff["rows"]}
        self.assertEqual((counts["ESTABLISHED"], counts["TIME_WAIT"]), ((14, 20), (6, 0)))


if __name__ == "__main__":
    unittest.main()
