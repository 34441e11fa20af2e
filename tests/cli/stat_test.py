# SPDX-License-Identifier: BSD-2-Clause
"""tcpdwell stat: tables of dwell, once or each interval, by every key, in every format."""

import csv
import io
import json
import re
import sys

import support
from support import HERE, free_port, peers, run

setUpModule = support.own_network

# Five connections, whose clients close first. Writes the server's port, and of each connection how many nanoseconds both
# ends lived, at least and at most: from the SYN, which comes during connect(), until both have closed.
LIVES = """
import json, socket, sys, time
def in_last_ack(port):
    with open("/proc/self/net/tcp") as rows:
        return any(f":{port:04X}" == local[-5:] and state == "09" for _, local, _, state, *_ in map(str.split, rows))
server = socket.create_server(("127.0.0.1", 0))
port, known = server.getsockname()[1], []
for n in range(5):
    connecting = time.monotonic_ns()
    client = socket.create_connection(server.getsockname())
    accepted, _ = server.accept()
    connected = time.monotonic_ns()
    time.sleep(0.05 + 0.03 * n)
    client.close()
    accepted.recv(1)
    closing = time.monotonic_ns()
    accepted.close()
    while in_last_ack(port):
        time.sleep(0.0001)
    known.append((closing - connected, time.monotonic_ns() - connecting))
with open(sys.argv[1], "w") as file:
    json.dump((port, known), file)
time.sleep(0.1)  # for what is told of the last one
"""
MILLISECOND = 1_000_000
NUMBERS = ("min_ns", "p50_ns", "p90_ns", "p99_ns", "max_ns", "total_ns")


def tables(text):
    return [json.loads(line) for line in text.removesuffix("\n").split("\n")]


class Tables(support.TestCase):
    def stat(self, *options, count=5, talk=0):
        self.port = free_port()
        outcome = run(
            "stat",
            *HERE,
            *options,
            "--",
            *peers("both", self.port, "--count", count, "--talk", talk),
        )
        self.assertEqual((outcome.status, outcome.err), (0, ""))
        return outcome.out

    def test_text_has_a_line_for_each_state(self):
        rows = {line.split()[0]: line.split() for line in self.stat().split("\n") if line}
        self.assertEqual(
            rows["state"][:9],
            ["state", "count", "open", "min", "p50", "p90", "p99", "max", "total"],
        )
        self.assertEqual(rows["LAST_ACK"][1:3], ["5", "0"])
        self.assertEqual(rows["ESTABLISHED"][1:3], ["10", "0"])
        for value in rows["ESTABLISHED"][3:9]:
            self.assertRegex(value, r"\A\d[\d.]*(ns|us|ms|s)\Z")

    def test_json_is_one_object_with_the_fields_of_the_contract(self):
        [table] = tables(self.stat("--format", "json", talk=0.02))
        self.assertEqual((table["type"], table["by"]), ("summary", ["state"]))
        self.assertLess(table["start"], table["end"])
        self.assert_nothing_lost(table["lost"])
        rows = {row["state"]: row for row in table["rows"]}
        self.assertEqual(
            (rows["LISTEN"]["count"], rows["SYN_SENT"]["count"], rows["LAST_ACK"]["count"]),
            (1, 5, 5),
        )
        self.assertGreaterEqual(rows["ESTABLISHED"]["max_ns"], 20_000_000)
        for row in rows.values():
            self.check_numbers(row)

    def check_numbers(self, row):
        exact = row["count"] - row["at_least"] - row["unknown"]
        values = [row[name] for name in NUMBERS]
        if exact == 0:
            self.assertEqual(values, [None] * len(NUMBERS), row)
        else:
            self.assertEqual(values[:5], sorted(values[:5]), row)
            self.assertGreaterEqual(row["total_ns"], row["max_ns"], row)

    def test_csv_has_one_heading(self):
        rows = list(csv.DictReader(io.StringIO(self.stat("--format", "csv")), strict=True))
        self.assertEqual(
            list(rows[0])[2:], ["state", "count", "open", "at_least", "unknown", *NUMBERS]
        )
        self.assertEqual([row["count"] for row in rows if row["state"] == "LAST_ACK"], ["5"])

    def test_by_every_key(self):
        known = {"state": "LAST_ACK", "comm": "server", "remote": "127.0.0.1"}
        for key in (
            "state",
            "pid",
            "comm",
            "local-port",
            "remote-port",
            "remote",
            "cgroup",
            "netns",
            "end",
            "path",
        ):
            with self.subTest(by=key):
                [table] = tables(self.stat("--by", key, "--format", "json", count=1))
                column = key.replace("-", "_")
                self.assertEqual(table["by"][0], key)
                values = [row[column] for row in table["rows"]]
                self.assertTrue(values)
                if key in known:
                    self.assertIn(known[key], values)
                if key in ("local-port", "remote-port"):
                    self.assertIn(self.port, values)
                if key in ("pid", "cgroup", "netns"):
                    # Sockets of a test before this one, in TIME_WAIT, have no owner.
                    numbers = [value for value in values if value is not None]
                    self.assertTrue(numbers)
                    self.assertTrue(all(isinstance(value, int) for value in numbers), values)
                if key == "path":
                    self.assertTrue(
                        any(value.endswith("CLOSE_WAIT>LAST_ACK>CLOSE") for value in values), values
                    )

    def test_without_minisockets_time_wait_is_said_to_be_unobserved(self):
        note = "not observed (minisockets off): TIME_WAIT"
        self.assertIn(note, self.stat("--minisockets", "off"))
        self.assertNotIn(note, self.stat())
        [table] = tables(self.stat("--minisockets", "off", "--format", "json"))
        self.assertIn("TIME_WAIT", table["not_observed"])
        self.assertNotIn("TIME_WAIT", [row["state"] for row in table["rows"]])
        [table] = tables(self.stat("--format", "json"))
        self.assertNotIn("not_observed", table)

    def lives(self, *options, of_each=2):
        """A table of lives, of which each connection has so many; all together are what the workload knows."""
        path = support.scratch_file("lives.json")
        command = [sys.executable, "-I", "-S", "-c", LIVES, path]
        outcome = run("stat", *HERE, "--of", "life", "--format", "json", *options, "--", *command)
        self.assertEqual((outcome.status, outcome.err), (0, ""))
        [table] = tables(outcome.out)
        self.assertEqual(table["of"], "life")
        with open(path, encoding="utf-8") as file:
            self.port, known = json.load(file)
        rows, (least, most) = table["rows"], zip(*known)
        self.assertEqual(sum(row["count"] for row in rows), 5 * of_each)
        for what, found, low, high in (
            ("shortest", min(row["min_ns"] for row in rows), min(least), min(most)),
            ("longest", max(row["max_ns"] for row in rows), max(least), max(most)),
            ("all", sum(row["total_ns"] for row in rows), of_each * sum(least), of_each * sum(most)),
        ):
            self.assertGreaterEqual(found, low - 10 * MILLISECOND, (what, rows, known))
            self.assertLessEqual(found, high + 10 * MILLISECOND, (what, rows, known))
        for row in rows:
            self.check_numbers(row)
        return table

    def test_of_life_a_row_a_port(self):
        """Each end of a connection has a life: from the SYN until both have closed."""
        table = self.lives("--by", "remote-port")
        self.assertEqual(table["by"], ["remote-port"])
        rows = {row["remote_port"]: row for row in table["rows"]}
        [row] = [row for port, row in rows.items() if port == self.port]
        self.assertEqual((row["count"], row["unknown"], row["open"]), (5, 0, None))

    def test_of_life_without_a_key_is_one_row(self):
        [row] = self.lives()["rows"]
        self.assertEqual(row["count"], 10)
        text = self.stat("--of", "life").split("\n")
        self.assertEqual(text[1].split(), ["count", "min", "p50", "p90", "p99", "max", "total"])
        self.assertEqual(text[2].split()[0], "10")

    def test_of_life_by_every_key(self):
        for key in ("state", "pid", "comm", "local-port", "remote-port", "remote", "cgroup", "netns"):
            with self.subTest(by=key):
                self.assertEqual(self.lives("--by", key)["by"], [key])
        # Whose end and path are known when the last line is: those in TIME_WAIT come later.
        for key in ("end", "path"):
            with self.subTest(by=key):
                self.assertEqual(self.lives("--by", key, of_each=1)["by"], [key])

    def test_what_is_not_measured_is_refused(self):
        self.assert_error(run("stat", "--of", "lief"), 2, "did you mean life?")
        self.assert_error(
            run("stat", "--of", "accept", "--minisockets", "timer"), 2, "known through fentry alone, not with --minisockets timer"
        )
        trace = support.scratch_file(
            "by-timers.jsonl",
            '{"type":"header","schema":1,"tool":"tcpdwell","minisockets":"timer","start":"2026-01-01T00:00:00.000000000Z"}\n',
        )
        self.assert_error(run("report", trace, "--of", "accept"), 2, "recorded without fentry, so it is not known how long")

    def test_of_accept(self):
        """Where fentry works, a wait for each connection by whatever key; elsewhere one line that says why not."""
        outcome = run("stat", *HERE, "--of", "accept", "--duration", "0.1s")
        if outcome.status != 0:
            return self.assert_error(outcome, 4, "how long a connection waits for accept() is known through fentry alone: ")
        for key in ("state", "pid", "comm", "local-port", "remote-port", "remote", "cgroup", "netns", "end", "path"):
            [table] = tables(self.stat("--of", "accept", "--by", key, "--format", "json"))
            self.assertEqual((table["of"], sum(row["count"] for row in table["rows"])), ("accept", 5))
        self.assertEqual(self.stat("--of", "accept").split("\n")[2].split()[0], "5")
        rows = {row["state"]: row for row in tables(self.stat("--by", "state,netns", "--format", "json"))[0]["rows"]}
        self.assertEqual((rows["not accepted"]["count"], rows["not accepted"]["open"]), (5, None))

    def test_long_tables_stop(self):
        """By the ports that connect() chose: a row and more for each connection."""
        heads = 2
        whole = self.stat("--by", "local-port", "--limit", "0", count=40).removesuffix("\n").split("\n")
        rows = [line for line in whole[heads:] if line[0] in " 0123456789"]
        self.assertGreater(len(rows), 80)
        self.assertNotIn("more row", "\n".join(whole))
        for options, most in (((), 30), (("--limit", "7"), 7)):
            shown = self.stat("--by", "local-port", *options, count=40).removesuffix("\n").split("\n")
            [said] = [line for line in shown if "more row" in line]
            self.assertRegex(said, r"\A\d+ more rows; --limit 0 shows all\Z")
            self.assertEqual(shown.index(said), heads + most)
        [table] = tables(self.stat("--by", "local-port", "--format", "json", count=40))
        self.assertGreater(len(table["rows"]), 80, "a program is told all")

    def test_by_two_keys(self):
        [table] = tables(self.stat("--by", "comm,state", "--format", "json"))
        counts = {(row["comm"], row["state"]): row["count"] for row in table["rows"]}
        self.assertEqual((counts["client", "SYN_SENT"], counts["server", "LAST_ACK"]), (5, 5))
        self.assertNotIn(("client", "LAST_ACK"), counts)


class Intervals(support.TestCase):
    def test_ends_after_count_tables_that_follow_each_other(self):
        outcome = run("stat", "200ms", "3", *HERE, "--format", "json")
        self.assertEqual(outcome.status, 0, outcome.err)
        first, second, third = tables(outcome.out)
        self.assertEqual((first["end"], second["end"]), (second["start"], third["start"]))

    def test_an_interval_counts_only_its_own_dwells(self):
        port = free_port()
        outcome = run(
            "stat",
            "300ms",
            *HERE,
            "--format",
            "json",
            "--",
            *peers("both", port, "--count", 5, "--talk", 0.3),
        )
        counts = [
            row["count"]
            for table in tables(outcome.out)
            for row in table["rows"]
            if row["state"] == "LAST_ACK"
        ]
        self.assertGreater(len(tables(outcome.out)), 2)
        self.assertEqual(sum(counts), 5, counts)

    def test_text_tables_are_parted_and_csv_has_one_heading(self):
        text = run("stat", "100ms", "2", *HERE).out
        self.assertEqual(len(re.findall(r"(?m)^\d{4}-\d\d-\d\d .* UTC", text)), 2, text)
        self.assertIn("\n\n", text)
        csv_text = run(
            "stat",
            "150ms",
            *HERE,
            "--format",
            "csv",
            "--",
            *peers("both", free_port(), "--talk", 0.4),
        ).out
        self.assertEqual(csv_text.count("start,end,"), 1, csv_text)

    def test_open_tells_what_is_still_in_a_state(self):
        outcome = run(
            "stat",
            "200ms",
            *HERE,
            "--format",
            "json",
            "--",
            *peers("both", free_port(), "--talk", 2),
        )
        seen = []
        for table in tables(outcome.out):
            rows = {row["state"]: row["open"] for row in table["rows"]}
            seen.append((rows.get("ESTABLISHED", 0), rows.get("LISTEN", 0)))
        self.assertIn((2, 1), seen[:-1])
        self.assertEqual(seen[-1], (0, 0))


if __name__ == "__main__":
    support.main()
