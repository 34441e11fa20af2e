# SPDX-License-Identifier: BSD-2-Clause
"""docs/trace.schema.json against traces that were written, and the recipes of docs/recipes.md on some."""

import json
import os
import re
import subprocess
import sys
import unittest

import support
from report_test import header, life, transition
from support import HERE, free_port, peers, run, scratch, scratch_file

try:
    import jsonschema
except ImportError:
    jsonschema = None

DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs")


def made(name, transitions=20_000):
    path = scratch_file(name)
    subprocess.run([os.environ["MAKE_TRACE"], path, str(transitions), "web-1", "1", "troubled"], check=True)
    return path


@unittest.skipIf(jsonschema is None, "not installed: python3-jsonschema")
class Schema(support.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(os.path.join(DOCS, "trace.schema.json"), encoding="utf-8") as file:
            schema = json.load(file)
        jsonschema.Draft202012Validator.check_schema(schema)
        cls.validator = jsonschema.Draft202012Validator(schema)

    def assert_valid(self, lines):
        for line in lines:
            errors = [error.message for error in self.validator.iter_errors(line)]
            self.assertEqual(errors, [], line)

    def test_a_made_trace(self):
        with open(made("made.json", 3000), encoding="utf-8") as file:
            self.assert_valid(map(json.loads, file))

    @support.needs_root
    def test_a_recorded_trace(self):
        # In a process of its own: a network namespace is for good.
        script = (
            "import sys, support; support.own_network(); support.HERE = ('--netns', str(__import__('os').getpid()));"
            "o = support.run('record', '-o', sys.argv[1], *support.HERE, '--', *support.peers('both', support.free_port(), '--count', 9));"
            "sys.exit(o.status)"
        )
        path = scratch_file("recorded.json")
        subprocess.run([sys.executable, "-B", "-c", script, path], check=True, cwd=os.path.dirname(os.path.abspath(__file__)))
        lines = support.read_trace(path).lines
        self.assertGreater(len(lines), 50)
        self.assertIn("ip_local_port_range", lines[0])
        self.assert_valid(lines)

    def test_it_says_no_to_what_is_wrong(self):
        good = transition(0, "1", "ESTABLISHED", "CLOSE_WAIT")
        self.assert_valid([good, {"type": "weather"}])
        for change in ({"old": "OPEN"}, {"dwell_ns": None}, {"dwell": "unknown"}, {"pid": 0}, {"lport": 65536}, {"ts": "now"}, {"path": "CLOSE"}):
            self.assertFalse(self.validator.is_valid(good | change), change)
        self.assertFalse(self.validator.is_valid(header() | {"schema": "1"}))
        self.assertFalse(self.validator.is_valid({k: v for k, v in life("1", 0)[0].items() if k != "conn"}))


def made_connections(name):
    """Two connections, of which one is open."""
    fixed = {"netns": 1, "family": 4, "laddr": "10.0.0.1", "lport": 40000, "raddr": "10.0.0.9", "rport": 443, "pid": None, "comm": "", "owner": "none", "cgroup": 0}
    stay = {"state": "ESTABLISHED", "dwell_ns": 1_000_000, "dwell": "exact"}
    started = {"type": "connection", "start": "2026-01-02T03:04:05.000000000Z"}
    ended = {"end": "2026-01-02T03:04:05.001000000Z", "conn": "1", **fixed, "state": "CLOSE", "stays": [stay]}
    ended |= {"life_ns": 1_000_000, "path": "ESTABLISHED>CLOSE", "closer": "none"}
    still = {"ts": "2026-01-02T03:04:06.000000000Z", "open": True, "conn": "2", **fixed, "state": "CLOSE_WAIT"}
    still |= {"stays": [stay, {"state": "CLOSE_WAIT", "dwell_ns": None, "dwell": "unknown"}]}
    lines = [header() | {"lines": "connections"}, started | ended, started | still]
    return scratch_file(name, "".join(json.dumps(line) + "\n" for line in lines))


def recipes(language):
    with open(os.path.join(DOCS, "recipes.md"), encoding="utf-8") as file:
        return re.findall(rf"```{language}\n(.*?)```", file.read(), re.S)


class Recipes(support.TestCase):
    @classmethod
    def setUpClass(cls):
        made("trace.json")
        made_connections("connections.json")

    def run_all(self, language, command):
        texts = recipes(language)
        self.assertGreater(len(texts), 0)
        environment = {**os.environ, "PATH": os.path.dirname(support.TCPDWELL) + ":" + os.environ["PATH"], "CLICKHOUSE_PATH": scratch_file("tables")}
        return [self.run_one(command, text, environment) for text in texts]

    def run_one(self, command, text, environment):
        done = subprocess.run([*command, text], cwd=scratch(), env=environment, capture_output=True, encoding="utf-8", timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""), text)
        self.assertGreater(len(done.stdout.strip()), 0, text)
        return done.stdout

    @support.needs("jq", "zstd")
    def test_shell(self):
        self.run_all("sh", ["bash", "-ec"])

    def test_python(self):
        self.run_all("python", [sys.executable, "-c"])

    def test_duckdb(self):
        said = [[json.loads(line) for line in out.splitlines()] for out in self.run_all("sql", [support.engine("duckdb")])]
        reported = {row["state"]: row for row in json.loads(run("report", scratch_file("trace.json"), "--format", "json").out)["rows"] if row["count"]}
        self.assertEqual({row["state"]: int(row["n"]) for row in said[0]}, {state: row["count"] for state, row in reported.items()})
        for row in said[0]:
            for name in ("p50_ns", "p99_ns"):
                self.assertAlmostEqual(int(row[name]), reported[row["state"]][name], delta=int(row[name]) / 128 + 1, msg=(row["state"], name))
        # A Parquet file has all lines, and is read again.
        self.assertEqual(said[1][0], {"Count": "20000"})
        self.assertLess(os.path.getsize(scratch_file("trace.parquet")) * 10, os.path.getsize(scratch_file("trace.json")))
        self.assertEqual(said[2], [{"state": "ESTABLISHED", "n": "2", "p50_ns": "1000000", "p99_ns": "1000000"}])

    def test_clickhouse(self):
        said = self.run_all("sql clickhouse", [support.engine("clickhouse"), "--query"])
        self.assertEqual(said, ["ESTABLISHED\t2\t[1000000,1000000]\n"])


if __name__ == "__main__":
    unittest.main()
