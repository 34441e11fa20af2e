# SPDX-License-Identifier: BSD-2-Clause
"""What tcpdwell report shows beside its table, on traces whose truth is known. Needs no root."""

import csv
import gzip
import io
import json
import os
import subprocess
import threading
import time
import unittest

import support
from report_test import end, header, life, stamp, text, transition
from support import run, run_on_terminal, scratch, scratch_file


def report(*args):
    outcome = run("report", *args, "--format", "json")
    assert outcome.status == 0, outcome
    return json.loads(outcome.out)


def made(name, transitions, *options):
    path = scratch_file(name)
    subprocess.run([os.environ["MAKE_TRACE"], path, str(transitions), *map(str, options)], check=True)
    return path


def client(conn, begin_ns, lport, *steps, **changes):
    """A connection of our own making: steps are (new state, dwell before)."""
    lines, old, now = [], "CLOSE", begin_ns
    for new, dwell in steps:
        now += dwell
        first = old == "CLOSE"
        lines.append(
            transition(
                now, conn, old, new, lport=0 if first else lport, rport=5432, raddr="10.0.0.9",
                dwell_ns=None if first else dwell, dwell="unknown" if first else "exact", owner="connect",
                **(changes if new == "CLOSE" else {})
            )
        )  # fmt: skip
        old = new
    return lines


class Views(support.TestCase):
    def trace(self, name, *lines, **head):
        lines = sorted((line for part in lines for line in part), key=lambda line: line["mono_ns"])
        last = lines[-1]["mono_ns"] if lines else 0
        return scratch_file(name, text([header(**head), *lines, end(last, len(lines), 1)]))

    def test_ends_by_reason_and_closer(self):
        refused = client("a", 0, 40000, ("SYN_SENT", 0), ("CLOSE", 7), reason="refused", life_ns=7, path="SYN_SENT>CLOSE", closer="remote")
        ends = report(self.trace("ends", refused, life("1", 0), life("2", 9)))["ends"]
        self.assertEqual([(e["reason"], e["closer"], e["count"]) for e in ends], [(None, "none", 2), ("refused", "remote", 1)])
        self.assertEqual(ends[1]["life_p50_ns"], 7)

    def test_port_pressure_and_its_peak(self):
        second = 10**9
        lines = [
            client(f"{i + 1:x}", i * second, 40000 + i, ("SYN_SENT", 0), ("ESTABLISHED", 1000), ("FIN_WAIT1", second // 2),
                   ("FIN_WAIT2", 1000), ("TIME_WAIT", 1000), ("CLOSE", 3 * second))
            for i in range(10)
        ]  # fmt: skip
        head = {"ip_local_port_range": [40000, 40003]}
        table = report(self.trace("ports", *lines, **head))
        (row,) = table["ports"]
        self.assertEqual([(f["kind"], f["severity"], f["count"]) for f in table["findings"]], [("port_exhaustion", "critical", 4)])
        self.assertEqual((row["raddr"], row["rport"], row["peak"], row["range"], row["range_known"]), ("10.0.0.9", 5432, 4, 4, True))
        self.assertEqual((row["live"], row["time_wait"], row["peak_time_wait"]), (0, 0, 3))
        self.assertEqual(row["peak_ts"], stamp(3 * second), "a port is taken from SYN_SENT on")

    def test_a_server_takes_no_ports(self):
        self.assertEqual(report(self.trace("server", life("1", 0)))["ports"], [])

    def test_series_counts_what_there_was(self):
        lines = [line for n in range(50) for line in life(f"{n + 1:x}", n * 20_000_000)]
        series = report(self.trace("series", lines))["series"]
        self.assertEqual((sum(series["opens"]), sum(series["closes"])), (50, 50))
        self.assertLessEqual(len(series["opens"]), 480)
        self.assertEqual({name: values[-1] for name, values in series["population"].items()}, dict.fromkeys(series["population"], 0))

    def test_what_was_not_observed_has_no_population(self):
        path = self.trace("off", *(life(f"{n + 1:x}", n * 20_000_000) for n in range(3)), minisockets="off")
        (first, *_) = csv.DictReader(io.StringIO(run("report", path, "--format", "csv", "--table", "series").out))
        self.assertEqual((first["TIME_WAIT"], first["SYN_RECV"], first["CLOSING"]), ("", "", "0"))
        events = json.loads(run("report", path, "--format", "perfetto").out)["traceEvents"]
        self.assertEqual({e["name"] for e in events if e["ph"] == "C"} & {"TIME_WAIT", "SYN_RECV", "CLOSING"}, {"CLOSING"})

    def test_slowest_and_stuck_with_their_path(self):
        slow = client("5", 0, 40000, ("SYN_SENT", 0), ("ESTABLISHED", 10), ("CLOSE", 10**10), life_ns=10**10 + 10, path="SYN_SENT>ESTABLISHED>CLOSE")
        stuck = life("7", 5)[:3]
        table = report(self.trace("slow", slow, stuck))
        self.assertEqual([(c["conn"], c["path"]) for c in table["slowest"]], [("5", "SYN_SENT>ESTABLISHED>CLOSE")])
        (open_one,) = table["stuck"]
        self.assertEqual((open_one["conn"], open_one["state"], open_one["path"]), ("7", "CLOSE_WAIT", "SYN_RECV>ESTABLISHED>CLOSE_WAIT"))
        self.assertEqual(open_one["age_ns"], 10**10 + 10 - (5 + 2_000_000))

    def test_a_calm_trace_has_no_findings(self):
        table = report(made("calm.json", 50_000, "calm-1", 1, "calm"))
        self.assertEqual(table["findings"], [])

    def test_a_troubled_one_has_each(self):
        kinds = {f["kind"] for f in report(made("troubled.json", 200_000, "web-1", 1, "troubled"))["findings"]}
        self.assertEqual(
            kinds,
            {"close_wait_leak", "connect_refused", "connect_timeout", "fin_wait2_held", "keep_alive_mismatch",
             "time_wait_on_server"},
        )  # fmt: skip

    def test_filters_choose_what_is_analysed(self):
        path = made("filtered.json", 100_000, "web-1", 1, "troubled")
        table = report(path, "-n", "java")
        self.assertEqual({f["kind"] for f in table["findings"]}, {"close_wait_leak"})
        self.assertEqual({c["comm"] for c in table["stuck"]}, {"java"})

    def test_csv_tables(self):
        path = made("csv.json", 20_000, "web-1", 1, "troubled")
        table = report(path)
        for name, key in {"ends": "ends", "edges": "edges", "ports": "ports", "slowest": "slowest", "findings": "findings"}.items():
            rows = list(csv.DictReader(io.StringIO(run("report", path, "--format", "csv", "--table", name).out)))
            self.assertEqual(len(rows), len(table[key]), name)
        series = list(csv.DictReader(io.StringIO(run("report", path, "--format", "csv", "--table", "series").out)))
        self.assertEqual([int(row["opens"]) for row in series], table["series"]["opens"])
        self.assert_error(run("report", path, "--table", "x"), 2, "--table x")


def merged(one, two):
    return one + two if isinstance(one, int) else one


class SeveralFiles(support.TestCase):
    def test_two_hosts_are_the_sum_of_both(self):
        one, two = made("h1.json", 30_000, "h1", 1), made("h2.json.zst", 40_000, "h2", 2)
        both, alone = report(one, two), [report(one), report(two)]
        for name in ("count", "total_ns", "open", "at_least", "unknown"):
            for row in both["rows"]:
                parts = [r[name] or 0 for a in alone for r in a["rows"] if r["state"] == row["state"]]
                self.assertEqual(row[name] or 0, sum(parts), (row["state"], name))
        for table, keys in {"ends": ("reason", "closer"), "edges": ("old", "new")}.items():
            for row in both[table]:
                parts = [r["count"] for a in alone for r in a[table] if all(r[k] == row[k] for k in keys)]
                self.assertEqual(row["count"], sum(parts))
        self.assertEqual(both["connections"], sum(a["connections"] for a in alone))
        self.assertEqual(sum(both["series"]["opens"]), sum(sum(a["series"]["opens"]) for a in alone))
        self.assertEqual(len(both["ports"]), sum(len(a["ports"]) for a in alone))
        self.assertEqual(report(two, one)["rows"], both["rows"])

    def test_a_glob_is_the_files_that_match(self):
        one, two = scratch_file("glob-1.json", ""), scratch_file("glob-2.json", "")
        for path in (one, two):
            os.replace(made("g.json", 100), path)
        by_name, by_glob = run("report", one, two), run("report", os.path.join(scratch(), "glob-[12].json"))
        self.assertEqual(by_name, by_glob)
        self.assert_error(run("report", os.path.join(scratch(), "none*")), 2, "no file matches")


class DamagedCompression(support.TestCase):
    def test_behind_a_damaged_member_reading_goes_on(self):
        parts = [gzip.compress(text(part).encode()) for part in ([header(), *life("1", 0)], life("2", 1), [*life("3", 2), end(9, 15, 3)])]
        middle = bytearray(parts[1])
        middle[len(middle) // 2] ^= 255
        path = scratch_file("middle.gz", parts[0] + bytes(middle) + parts[2])
        outcome = run("report", path, "--format", "json")
        self.assertEqual(outcome.status, 0)
        rows = {row["state"]: row["count"] for row in json.loads(outcome.out)["rows"]}
        self.assertGreaterEqual(rows["LAST_ACK"], 2)
        self.assertRegex(outcome.err, r"the compressed data is damaged .* and from byte \d+ on used again")


class Terminal(support.TestCase):
    def test_it_says_how_far_it_has_read(self):
        """Of a pipe, which the test can make slow; how much more will come is not known there."""
        with open(made("slow.json", 50_000), "rb") as file:
            content = file.read()
        path = scratch_file("slow.fifo")
        os.mkfifo(path)

        def write():
            with open(path, "wb") as pipe:
                pipe.write(content[: len(content) // 2])
                pipe.flush()
                time.sleep(1)
                pipe.write(content[len(content) // 2 :])

        writer = threading.Thread(target=write)
        writer.start()
        status, shown = run_on_terminal("report", path, "--no-color")
        writer.join()
        self.assertEqual(status, 0)
        self.assertRegex(shown, r"reading: \d+ MB")
        self.assertLess(shown.rindex("reading: "), shown.index("How connections ended"))


class Centuries(support.TestCase):
    """From the first day that fits 64 bits of nanoseconds to the last: nothing starts over at the other end."""

    FIRST, LAST = "1677-09-22T00:00:00.000000000Z", "2262-04-11T23:47:16.854775807Z"

    @classmethod
    def setUpClass(cls):
        first, last = ([{**line, "ts": ts, "conn": conn} for line in life(conn, 0)] for conn, ts in (("1", cls.FIRST), ("2", cls.LAST)))
        lines = [header(start=cls.FIRST), *first, *last, {**end(0, 8, 2), "ts": cls.LAST}]
        cls.path = scratch_file("centuries.json", text(lines))

    def report(self, *options, command="report", files=1):
        outcome = run(command, *[self.path] * files, *options)
        self.assertEqual((outcome.status, outcome.err), (0, ""))
        return outcome.out

    def test_how_long_it_was(self):
        shown = self.report()
        self.assertIn("(213503d00h)", shown)
        self.assertRegex(shown, "Over 21350.d.* from 00:12:43")
        self.assertIn("213503d00h, 2 connections", self.report(command="diff", files=2))

    def test_the_series_goes_forward(self):
        rows = list(csv.DictReader(io.StringIO(self.report("--format", "csv", "--table", "series"))))
        starts = [row["start"] for row in rows]
        self.assertEqual(starts, sorted(starts))
        self.assertLessEqual(starts[0], self.FIRST)

    def test_the_picture_has_the_last_moment_behind_the_first(self):
        events = json.loads(self.report("--format", "perfetto"))["traceEvents"]
        at = {track: {event["ts"] for event in events if event["ph"] == "E" and event["tid"] == track} for track in (1, 2)}
        self.assertGreaterEqual(max(at[2]) - min(at[1]), 213502 * 86400e6)
        counters = [event["ts"] for event in events if event["ph"] == "C"]
        self.assertEqual(counters, sorted(counters))


class Perfetto(support.TestCase):
    def test_a_slice_for_each_known_stay(self):
        path = scratch_file("slices.json", text([header(), *life("1", 0), *life("2", 5), end(10**7, 10, 2)]))
        trace = json.loads(run("report", path, "--format", "perfetto").out)
        begins, ends = ([e for e in trace["traceEvents"] if e["ph"] == kind] for kind in "BE")
        self.assertEqual([b["name"] for b in begins if b["tid"] == 1], ["SYN_RECV", "ESTABLISHED", "CLOSE_WAIT", "LAST_ACK"])
        for begin, close in zip(begins, ends, strict=True):
            self.assertEqual((begin["pid"], begin["tid"]), (close["pid"], close["tid"]))
            self.assertAlmostEqual(close["ts"] - begin["ts"], 1000, 2)
        self.assertEqual({b["pid"] for b in begins}, {7})
        names = {e["args"]["name"] for e in trace["traceEvents"] if e.get("name") == "process_name"}
        self.assertEqual(names, {"server", "connections by state"})
        self.assertTrue(any(e["ph"] == "C" and e["name"] == "ESTABLISHED" for e in trace["traceEvents"]))

    def test_sentences_and_the_line_over_time_fit_a_terminal(self):
        path = made("narrow.json", 20000, "web-1", 1, "troubled")
        for columns in (60, 80):
            _, shown = run_on_terminal("report", path, env={**os.environ, "TERM": "dumb"}, columns=columns)
            tail = shown[shown.index("\nOver ") :].splitlines()
            self.assertIn("Findings", tail)
            self.assertEqual([line for line in tail if len(line) > columns], [])
        self.assertIn("<0.1%", shown)

    def test_the_same_pid_on_two_hosts_is_two_processes(self):
        paths = []
        for host in "ab":
            paths.append(scratch_file(f"slices-{host}.json", text([{**header(), "host": host, "boot_id": host}, *life("1", 0), end(10**7, 5, 1)])))
        trace = json.loads(run("report", *paths, "--format", "perfetto").out)
        processes = {e["args"]["host"]: e["pid"] for e in trace["traceEvents"] if e["ph"] == "B"}
        self.assertEqual(processes["a"], 7)
        self.assertNotEqual(processes["b"], 7)


if __name__ == "__main__":
    unittest.main()
