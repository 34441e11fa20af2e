# SPDX-License-Identifier: BSD-2-Clause
"""tcpdwell record, and tcpdwell report on what it wrote."""

import gzip
import json
import re
import subprocess

import support
from support import HERE, Live, Trace, free_port, peers, run, scratch_file

setUpModule = support.own_network

MAGIC = {"": b"{", ".gz": b"\x1f\x8b", ".zst": b"\x28\xb5\x2f\xfd"}


def dwells(table):
    return {
        row["state"]: (row["count"], row["open"], row["at_least"], row["unknown"])
        for row in table["rows"]
    }


def table_of(report):
    """What a report begins with; its views come after an empty line."""
    return report.split("\n\n")[0].removesuffix("\n") + "\n"


def table_said(outcome):
    """What record said, without its last line of what it wrote."""
    return re.sub(r"tcpdwell: wrote [^\n]*\n\Z", "", outcome.err).removeprefix("\n")


class RecordReport(support.TestCase):
    def record(self, path, *options, count=10):
        outcome = run(
            "record",
            "-o",
            path,
            *HERE,
            *options,
            "--",
            *peers("both", free_port(), "--count", count)
        )
        self.assertEqual((outcome.status, outcome.out), (0, ""))
        return outcome

    def test_the_summary_of_record_is_the_table_of_report(self):
        for suffix, magic in MAGIC.items():
            with self.subTest(suffix=suffix):
                path = scratch_file("trace.json" + suffix)
                recorded = self.record(path)
                with open(path, "rb") as file:
                    self.assertEqual(file.read(len(magic)), magic)
                reported = run("report", path)
                self.assertEqual((reported.status, reported.err), (0, ""))
                self.assertEqual(table_of(reported.out), table_said(recorded))
                self.assertRegex(reported.out, r"(?m)^LAST_ACK +10 ")

    def test_so_it_is_by_other_keys_and_with_wide(self):
        path = scratch_file("by.json")
        for options in (("--by", "comm,local-port", "--limit", "0"), ("--by", "path", "-w"), ("--by", "end")):
            with self.subTest(options=options):
                recorded = self.record(path, *options)
                reported = run("report", path, *options).out
                self.assertEqual(table_of(reported), table_said(recorded))

    def test_stat_on_the_same_run_says_the_same(self):
        path = scratch_file("stat.json")
        with Live("stat", "--format", "json") as stat:
            self.record(path, "--all")
        reported = json.loads(run("report", path, "--format", "json").out)
        counted = json.loads(stat.outcome.out)
        self.assertEqual(dwells(counted), dwells(reported))
        # Two tracers take the time of a transition one after the other, and a histogram is 1 % wide.
        for ours, theirs in zip(counted["rows"], reported["rows"], strict=True):
            for name in ("min_ns", "p50_ns", "p90_ns", "p99_ns", "max_ns", "total_ns"):
                with self.subTest(state=ours["state"], name=name):
                    if ours[name] is None or theirs[name] is None:
                        self.assertEqual(ours[name], theirs[name])
                        continue
                    off = max(ours["count"], 1) if name == "total_ns" else 1
                    self.assertAlmostEqual(
                        ours[name], theirs[name], delta=0.01 * theirs[name] + off * 1_000_000
                    )

    def test_formats_of_report(self):
        path = scratch_file("formats.json")
        self.record(path, count=3)
        table = json.loads(run("report", path, "--format", "json").out)
        self.assertEqual(
            (table["type"], table["by"], set(table["lost"].values())), ("summary", ["state"], {0})
        )
        self.assertEqual(dwells(table)["LAST_ACK"], (3, 0, 0, 0))
        heading, *rows = run("report", path, "--format", "csv").out.removesuffix("\n").split("\n")
        self.assertIn(",state,count,open,", heading)
        self.assertEqual(len(rows), len(table["rows"]))

    def test_several_files_add_up_and_standard_input_is_one(self):
        one, two = scratch_file("one.json"), scratch_file("two.json.gz")
        self.record(one, count=3)
        self.record(two, count=4)
        both = run("report", one, two, "--format", "json")
        self.assertEqual(dwells(json.loads(both.out))["LAST_ACK"], (7, 0, 0, 0))
        for path in (one, two):
            with open(path, "rb") as file:
                piped = run("report", "-", stdin=file)
            self.assertEqual(piped, run("report", path))

    def test_record_to_standard_output_is_a_trace(self):
        outcome = run(
            "record", "-o", "-", "-q", *HERE, "--", *peers("both", free_port(), "--count", 2)
        )
        self.assertEqual((outcome.status, outcome.err), (0, ""))
        trace = Trace(outcome.out)
        self.assert_whole(trace)
        self.assert_chains(trace)

    def test_a_compressed_trace_is_the_plain_one_for_other_programs(self):
        path = scratch_file("other.json.gz")
        self.record(path)
        with gzip.open(path, "rt", encoding="utf-8") as file:
            self.assert_whole(Trace(file.read()))

    @support.needs("zstd")
    def test_zstd_reads_it_too(self):
        path = scratch_file("other.json.zst")
        self.record(path)
        plain = subprocess.run(
            ["zstd", "-dcq", path], capture_output=True, check=True, encoding="utf-8"
        ).stdout
        self.assert_whole(Trace(plain))

    def test_report_filters_what_was_recorded(self):
        path = scratch_file("filter.json")
        port = free_port()
        run("record", "-o", path, *HERE, "-q", "--", *peers("both", port, "--count", 4))
        table = json.loads(run("report", path, "-L", port, "--by", "comm", "--format", "json").out)
        self.assertEqual({row["comm"] for row in table["rows"]}, {"server"})
        table = json.loads(
            run("report", path, "-n", "client", "--by", "comm", "--format", "json").out
        )
        self.assertEqual({row["comm"] for row in table["rows"]}, {"client"})
        self.assertEqual(run("report", path, "-6", "--format", "csv").out.count("\n"), 1)


if __name__ == "__main__":
    support.main()
