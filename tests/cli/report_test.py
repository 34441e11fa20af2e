# SPDX-License-Identifier: BSD-2-Clause
"""tcpdwell report on traces written by hand: whole, cut off, damaged, foreign. Needs no root."""

import gzip
import json
import os
import subprocess
import unittest

import support
from support import run, scratch, scratch_file

LIFE = ["LISTEN", "SYN_RECV", "ESTABLISHED", "CLOSE_WAIT", "LAST_ACK", "CLOSE"]


def stamp(ns):
    return f"2026-01-02T03:04:{ns // 10**9:02}.{ns % 10**9:09}Z"


def header(**changes):
    return {
        "type": "header",
        "schema": 1,
        "tool": "tcpdwell",
        "version": "0.1.0",
        "host": "h",
        "kernel": "6.1",
        "arch": "x86_64",
        "boot_id": "b",
        "start": stamp(0),
        "clock": "monotonic",
        "minisockets": "timer",
        "filters": {},
        **changes,
    }


def transition(ns, conn, old, new, **changes):
    return {
        "type": "transition",
        "ts": stamp(ns),
        "mono_ns": ns,
        "conn": conn,
        "netns": 1,
        "family": 4,
        "laddr": "127.0.0.1",
        "lport": 80,
        "raddr": "127.0.0.1",
        "rport": 40000,
        "old": old,
        "new": new,
        "dwell_ns": 1_000_000,
        "dwell": "exact",
        "pid": 7,
        "comm": "server",
        "owner": "accept",
        "cgroup": 0,
        **changes,
    }


def life(conn, begin_ns):
    """A connection to a server, a millisecond in each state."""
    return [
        transition(begin_ns + i * 1_000_000, conn, old, new)
        for i, (old, new) in enumerate(zip(LIFE, LIFE[1:]))
    ]


def end(ns, transitions, connections):
    return {
        "type": "end",
        "ts": stamp(ns),
        "transitions": transitions,
        "lost": {"ring": 0, "recursion": 0, "map": 0, "output": 0},
        "duration_ns": ns,
        "connections": connections,
    }


def text(lines):
    return "".join(json.dumps(line) + "\n" for line in lines)


def trace(connections=3):
    lines = [line for n in range(connections) for line in life(f"{n + 1:x}", n * 10_000_000)]
    return text([header(), *lines, end(10**9, len(lines), connections)])


def counts(outcome):
    return {row["state"]: row["count"] for row in json.loads(outcome.out)["rows"]}


class WholeTraces(support.TestCase):
    def test_a_table(self):
        outcome = run("report", scratch_file("whole", trace()))
        self.assertEqual((outcome.status, outcome.err), (0, ""))
        self.assertRegex(
            outcome.out,
            r"(?m)^ESTABLISHED +3 +0 +1\.00ms +1\.00ms +1\.00ms +1\.00ms +1\.00ms +3\.00ms",
        )

    def test_from_first_event_to_last(self):
        table = json.loads(run("report", scratch_file("whole", trace()), "--format", "json").out)
        self.assertEqual((table["start"], table["end"]), (stamp(0), stamp(10**9)))

    def test_bounds_and_unknowns_stay_out_of_the_percentiles(self):
        lines = [
            header(),
            transition(0, "1", "LISTEN", "SYN_RECV"),
            transition(1, "1", "SYN_RECV", "ESTABLISHED", dwell_ns=None, dwell="unknown"),
            transition(2, "2", "ESTABLISHED", "CLOSE_WAIT", dwell_ns=10**9, dwell="at_least"),
            transition(3, "3", "ESTABLISHED", "CLOSE_WAIT"),
            end(9, 4, 3),
        ]
        rows = json.loads(
            run("report", scratch_file("bounds", text(lines)), "--format", "json").out
        )["rows"]
        rows = {row["state"]: row for row in rows}
        self.assertEqual((rows["SYN_RECV"]["unknown"], rows["SYN_RECV"]["p50_ns"]), (1, None))
        self.assertEqual((rows["ESTABLISHED"]["count"], rows["ESTABLISHED"]["at_least"]), (2, 1))
        self.assertEqual(
            (rows["ESTABLISHED"]["max_ns"], rows["ESTABLISHED"]["total_ns"]), (1_000_000, 1_000_000)
        )

    def test_what_was_lost_is_told(self):
        lines = [
            header(),
            *life("1", 0),
            {"type": "loss", "ts": stamp(5), "where": "ring", "count": 12},
        ]
        lines.append({**end(9, 5, 1), "lost": {"ring": 12, "recursion": 0, "map": 0, "output": 0}})
        path = scratch_file("lost", text(lines))
        self.assertEqual(
            json.loads(run("report", path, "--format", "json").out)["lost"]["ring"], 12
        )
        self.assertRegex(run("report", path).out, r"lost\b.* 12\b")

    def test_what_a_later_version_adds_is_let_be(self):
        lines = [
            header(colour="red"),
            {"type": "weather", "sky": [1, {"blue": True}]},
            *life("1", 0),
            end(9, 5, 1),
        ]
        outcome = run("report", scratch_file("later", text(lines)), "--format", "json")
        self.assertEqual((outcome.status, outcome.err, counts(outcome)["LAST_ACK"]), (0, "", 1))


class CutOff(support.TestCase):
    def check(self, path, at_least, words=("cut off",)):
        """Exit 0, what is there is used, and it is said that it is not all."""
        outcome = run("report", path, "--format", "json")
        self.assertEqual(outcome.status, 0, outcome)
        for word in words:
            self.assertIn(word, outcome.err)
        for line in outcome.err.removesuffix("\n").split("\n"):
            self.assertTrue(line.startswith(f"tcpdwell: {path}: "), line)
        self.assertGreaterEqual(counts(outcome)["ESTABLISHED"], at_least)
        return outcome

    def test_without_an_end_line(self):
        self.check(scratch_file("noend", trace().rsplit("\n", 2)[0] + "\n"), 3)

    def test_in_the_middle_of_a_line(self):
        whole = trace()
        self.check(scratch_file("midline", whole[: whole.rindex('"CLOSE"')]), 3)

    def test_gzip(self):
        whole = gzip.compress(trace(1000).encode())
        self.check(scratch_file("cut.gz", whole[: len(whole) * 3 // 4]), 500)

    @support.needs("zstd")
    def test_more_than_a_trace_of_its_size_can_be(self):
        """68 KB of .zst that are up to 2 GB of lines: what they cost is bounded by the bytes of the file."""
        def packed(content):
            return subprocess.run(["zstd", "-qc"], input=content, capture_output=True, check=True).stdout

        begin = packed(trace(10).encode())
        for lines in (b"\n" * (64 << 20), b"a\n" * (32 << 20)):
            with self.subTest(line=lines[:2]):
                once = packed(lines)
                path = scratch_file("bomb.zst", begin + once * (68_000 // len(once)))
                begun = os.times().children_user
                outcome = run("report", path)
                self.assertEqual(outcome.status, 0, outcome.err)
                self.assertIn("expands to more than 1000 times its size", outcome.err)
                self.assertLess(os.times().children_user - begun, 10 if not support.SANITIZED else 100)
                self.assertIn("ESTABLISHED", outcome.out)

    @support.needs("zstd")
    def test_zstd(self):
        whole = subprocess.run(
            ["zstd", "-qc"], input=trace(4000).encode(), capture_output=True, check=True
        ).stdout
        self.check(scratch_file("cut.zst", whole[: len(whole) * 3 // 4]), 1000)

    def test_the_table_ends_with_the_last_event(self):
        lines = trace().split("\n")[:4]
        table = json.loads(
            run("report", scratch_file("few", "\n".join(lines) + "\n"), "--format", "json").out
        )
        self.assertEqual(table["end"], stamp(2_000_000))

    def test_a_trace_that_is_only_a_header_took_no_time(self):
        outcome = run("report", scratch_file("header", text([header()])), "--format", "json")
        table = json.loads(outcome.out)
        self.assertEqual((outcome.status, table["rows"], table["end"]), (0, [], stamp(0)))
        self.assertIn("cut off", outcome.err)

    def test_quiet_says_nothing(self):
        outcome = run("report", "-q", scratch_file("noend", trace().rsplit("\n", 2)[0] + "\n"))
        self.assertEqual((outcome.status, outcome.err), (0, ""))


class Damaged(support.TestCase):
    def test_lines_that_are_none_are_counted_and_left_out(self):
        lines = trace().split("\n")
        lines[2:2] = ["{", '{"type":"transition"}', '{"type":"transition","ts":7}', "[]"]
        path = scratch_file("damaged", "\n".join(lines))
        outcome = run("report", path, "--format", "json")
        self.assertEqual((outcome.status, counts(outcome)["LAST_ACK"]), (0, 3))
        self.assertIn(
            f"{path}: 4 lines not understood and left out, the first at line 3: ", outcome.err
        )


class RefusedFiles(support.TestCase):
    def refuse(self, path, *words, **options):
        self.assert_error(run("report", path, **options), 2, path, *words)

    def test_missing(self):
        self.refuse(os.path.join(scratch(), "none"), "No such file")

    def test_directory(self):
        self.refuse(scratch(), "directory")

    def test_empty(self):
        self.refuse(scratch_file("empty", ""), "not a tcpdwell trace", "empty")

    def test_text_and_bytes(self):
        self.refuse(scratch_file("text", "127.0.0.1 localhost\n"), "not a tcpdwell trace")
        self.refuse(scratch_file("bytes", bytes(range(256)) * 1000), "not a tcpdwell trace")

    def test_other_json(self):
        self.refuse(scratch_file("other.json", '{"name":"x"}\n'), "not a tcpdwell trace")

    def test_compressed_nothing(self):
        self.refuse(scratch_file("nothing.gz", gzip.compress(b"")), "not a tcpdwell trace")
        self.refuse(scratch_file("magic.zst", b"\x28\xb5\x2f\xfd"), "not a tcpdwell trace")

    def test_transitions_without_a_header(self):
        self.refuse(scratch_file("headless", text(life("1", 0))), "not a tcpdwell trace")

    def test_newer_schema(self):
        self.refuse(
            scratch_file("newer", text([header(schema=2), *life("1", 0)])),
            "newer tcpdwell",
            "schema 2",
        )

    def test_one_bad_file_among_good_ones(self):
        good, bad = scratch_file("good", trace()), os.path.join(scratch(), "none")
        outcome = run("report", good, bad)
        self.assert_error(outcome, 2, bad)
        self.assertEqual(outcome.out, "")

    def test_empty_standard_input(self):
        self.assert_error(run("report", "-"), 2, "standard input is not a tcpdwell trace")

    @support.needs_root
    def test_one_that_may_not_be_read(self):
        path = scratch_file("secret", trace())
        os.chmod(path, 0o600)
        self.refuse(path, "Permission denied", user=support.NOBODY)


class HostileTraces(support.TestCase):
    """A trace comes from anywhere; what it says must not reach a terminal raw."""

    def test_names_and_paths_cannot_escape(self):
        lines = [
            header(),
            *(line | {"comm": "\x1b[31mred\n\u202e"} for line in life("1", 0)),
            end(9, 5, 1),
        ]
        path = scratch_file("\x1b[31mtrace", text(lines))
        outcome = run("report", "--by", "comm", path)
        self.assertEqual(outcome.status, 0)
        self.assertNotIn("\x1b", outcome.out)
        self.assertNotIn("\u202e", outcome.out)
        os.truncate(path, 300)
        self.assertNotIn("\x1b", run("report", path).err)
        self.assertNotIn("\x1b", run("report", path + "none").err)


if __name__ == "__main__":
    unittest.main()
