# SPDX-License-Identifier: BSD-2-Clause
"""Traces of two hosts in ClickHouse (packaging/clickhouse): what it says of them is what report says."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import support
from support import run, scratch_file

PACKAGING = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../packaging/clickhouse")
# A name that every step has to quote.
HOSTS = ("host-1", r'h\o"st\\n$2')


def lines_of(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def write(path, lines):
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)
    return path


def with_inexact(lines):
    """Some dwells are bounds, some unknown."""
    for number, line in enumerate(lines):
        if line["type"] == "transition" and line["dwell"] == "exact" and number % 40 == 0:
            line |= {"dwell": "at_least"} if number % 80 == 0 else {"dwell": "unknown", "dwell_ns": None}
    return lines


def as_connections(lines):
    """The same trace as lines of connections; of every tenth there is an open line before its last."""
    chains = {}
    for line in lines:
        if line["type"] == "transition":
            chains.setdefault(line["conn"], []).append(line)
    made = []
    for number, chain in enumerate(chains.values()):
        first, last = chain[0], chain[-1]
        stays = [{"state": line["old"], "dwell_ns": line["dwell_ns"], "dwell": line["dwell"]} for line in chain[1:]]
        fixed = {key: last[key] for key in ("conn", "netns", "family", "laddr", "lport", "raddr", "rport")}
        owner = {key: last[key] for key in ("pid", "comm", "owner", "cgroup")}
        if number % 10 == 0 and len(stays) > 2:
            going_on = {"state": stays[2]["state"], "dwell_ns": 1, "dwell": "at_least"}
            seen = {"ts": chain[2]["ts"], "open": True, **fixed, "state": going_on["state"]}
            made.append({"type": "connection", "start": first["ts"], **seen, "stays": [*stays[:2], going_on], **owner})
            stays = stays[2:]
        ended = {"end": last["ts"], **fixed, "state": last["new"], "stays": stays, **owner}
        made.append({"type": "connection", "start": first["ts"], **ended, **({"path": last["path"]} if "path" in last else {})})
    return [lines[0] | {"lines": "connections"}, *made, lines[-1]]


class ClickHouse(support.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="tcpdwell-clickhouse-")
        cls.addClassCleanup(shutil.rmtree, cls.dir, True)
        cls.transitions, cls.connections = [], []
        for seed, host in enumerate(HOSTS, 1):
            path = scratch_file(f"made-{seed}.json")
            subprocess.run([os.environ["MAKE_TRACE"], path, "40000", host, str(seed), "troubled"], check=True)
            lines = with_inexact(lines_of(path))
            cls.transitions.append(write(path, lines))
            cls.connections.append(write(scratch_file(f"connections-{seed}.json"), as_connections(lines)))

    def setUp(self):
        self.environment = {**os.environ, "CLICKHOUSE_CLIENT": support.engine("clickhouse"), "TCPDWELL": support.TCPDWELL,
                            "CLICKHOUSE_PATH": tempfile.mkdtemp(dir=self.dir)}  # fmt: skip
        with open(os.path.join(PACKAGING, "schema.sql"), encoding="utf-8") as file:
            # The traces are of one day for ever, and would be too old.
            schema, kept = re.subn(r"TTL .* (?=SETTINGS)", "", file.read())
        self.assertEqual(kept, 3)
        self.query(schema)

    def query(self, text):
        done = subprocess.run([self.environment["CLICKHOUSE_CLIENT"], "--multiquery", "--query", text],
                              env=self.environment, capture_output=True, encoding="utf-8", check=False)  # fmt: skip
        self.assertEqual((done.returncode, done.stderr), (0, ""), text)
        return [line.split("\t") for line in done.stdout.splitlines()]

    def rows(self, text):
        return [json.loads("\t".join(line)) for line in self.query(text + " FORMAT JSONEachRow SETTINGS output_format_json_quote_64bit_integers = 0")]

    def load(self, *traces):
        subprocess.run([os.path.join(PACKAGING, "load"), *traces], check=True, env=self.environment)

    def expect_what_report_says(self, *traces):
        reported = {row["state"]: row for row in json.loads(run("report", *traces, "--format", "json").out)["rows"] if row["count"] or row["at_least"]}
        stored = self.rows(
            "SELECT d.state AS state, sum(d.exact + d.at_least + d.unknown) AS count, sum(d.at_least) AS at_least, sum(d.unknown) AS unknown,"
            " min(d.min_ns) AS min_ns, max(d.max_ns) AS max_ns, sum(d.total_ns) AS total_ns,"
            " quantilesExactWeightedMerge(0.5, 0.9, 0.99)(d.quantiles) AS quantiles FROM tcpdwell.dwells AS d GROUP BY state"
        )
        self.assertEqual({row["state"] for row in stored}, set(reported))
        for row in stored:
            said = reported[row["state"]]
            for name in ("count", "at_least", "unknown", "min_ns", "max_ns", "total_ns"):
                self.assertEqual(row[name], said[name], (row["state"], name))
            for value, name in zip(row["quantiles"], ("p50_ns", "p90_ns", "p99_ns")):
                self.assertAlmostEqual(value, said[name], delta=said[name] / 128 + 1, msg=(row["state"], name))
        self.assertGreater(sum(row["unknown"] for row in stored), 100)
        self.assertGreater(sum(row["at_least"] for row in stored), 100)

    def expect_queries_to_run(self):
        with open(os.path.join(PACKAGING, "queries.sql"), encoding="utf-8") as file:
            for text in file.read().split(";\n"):
                if "tcpdwell." in text:
                    self.query(text)

    def test_lines_of_transitions(self):
        packed = self.transitions[1] + ".zst"
        subprocess.run(["zstd", "-q", "-f", self.transitions[1], "-o", packed], check=True)
        self.load(self.transitions[0], packed)
        self.assertEqual(self.rows("SELECT host, count() AS n FROM tcpdwell.transitions GROUP BY host ORDER BY host"),
                         [{"host": host, "n": 40000} for host in sorted(HOSTS)])  # fmt: skip
        self.expect_what_report_says(*self.transitions)
        # A row is the line.
        line = next(line for line in lines_of(self.transitions[0]) if line["type"] == "transition" and line["dwell"] == "unknown" and line["new"] != "CLOSE")
        [row] = self.rows(f"SELECT * FROM tcpdwell.transitions WHERE host = 'host-1' AND conn = '{line['conn']}' AND mono_ns = {line['mono_ns']}")
        self.assertEqual(row.pop("ts") + "Z", line.pop("ts").replace("T", " "))
        for name in ("laddr", "raddr"):
            self.assertEqual(row.pop(name).removeprefix("::ffff:"), line.pop(name))
        self.assertEqual({name: row[name] for name in line}, line)
        self.assertEqual({row[name] for name in row.keys() - line.keys() - {"host"}}, {None, "", 0, False})
        self.expect_queries_to_run()

    def test_lines_of_connections(self):
        self.load(*self.connections)
        self.expect_what_report_says(*self.connections)
        self.expect_what_report_says(*self.transitions)
        ended = {line["conn"] for line in lines_of(self.transitions[0]) if line["type"] == "transition"}
        self.assertEqual(self.rows("SELECT count() AS n FROM tcpdwell.connections WHERE NOT open AND host = 'host-1'"), [{"n": len(ended)}])
        self.expect_queries_to_run()

    def test_a_trace_that_was_cut_off(self):
        with open(self.transitions[0], "rb") as whole:
            cut = scratch_file("cut.json", whole.read()[:1_000_000])
        self.load(cut)
        with open(cut, encoding="utf-8") as file:
            left = sum('"type":"transition"' in line for line in file.read().splitlines()[:-1])
        self.assertEqual(self.rows("SELECT count() AS n FROM tcpdwell.transitions"), [{"n": left}])

    @support.needs_root
    def test_following_a_host(self):
        # What follows starts the workload once it traces. In a process of its own: a network namespace is for good.
        script = (
            "import os, sys, support; support.own_network();"
            "os.execv(sys.argv[1], [sys.argv[1], '--netns', '/proc/self/ns/net', '--', sys.executable, '-c', sys.argv[2]])"
        )
        workload = (
            "import socket; server = socket.create_server(('127.0.0.1', 0));"
            "[(socket.create_connection(server.getsockname()).close(), server.accept()[0].close()) for _ in range(7)]"
        )
        subprocess.run([support.sys.executable, "-B", "-c", script, os.path.join(PACKAGING, "follow"), workload], check=True, timeout=60,
                       cwd=os.path.dirname(os.path.abspath(__file__)), env=self.environment)  # fmt: skip
        [row] = self.rows("SELECT uniqExact(conn) AS n, any(host) AS host FROM tcpdwell.connections WHERE comm = 'python3' AND has(stays.state, 'ESTABLISHED')")
        self.assertEqual(row, {"n": 14, "host": os.uname().nodename})


if __name__ == "__main__":
    unittest.main()
