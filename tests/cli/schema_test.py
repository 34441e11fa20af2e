# SPDX-License-Identifier: BSD-2-Clause
"""docs/trace.schema.json against traces that were written, and the recipes of docs/recipes.md on some."""

import json
import os
import re
import subprocess
import sys
import unittest

import support
from fleet_test import as_connections, lines_of, with_inexact, write
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
    """The connections of a troubled host; some dwells are bounds, some unknown, and some lines are of open ones."""
    return write(scratch_file(name), as_connections(with_inexact(lines_of(made("of-connections.json", 40_000)))))


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

    def expect_quantiles(self, trace, rows):
        """`rows`: state, how many exact dwells, their p50 and p99."""
        reported = {row["state"]: row for row in json.loads(run("report", scratch_file(trace), "--format", "json").out)["rows"]}
        exact = {state: row["count"] - row["at_least"] - row["unknown"] for state, row in reported.items()}
        self.assertEqual({state: n for state, n, *_ in rows}, {state: n for state, n in exact.items() if n})
        self.assertGreater(sum(exact.values()), 10_000)
        for state, _, *quantiles in rows:
            for name, value in zip(("p50_ns", "p99_ns"), quantiles):
                self.assertAlmostEqual(value, reported[state][name], delta=value / 128 + 1, msg=(state, name))

    def test_duckdb(self):
        said = [[json.loads(line) for line in out.splitlines()] for out in self.run_all("sql", [support.engine("duckdb")])]
        for trace, rows in (("trace.json", said[0]), ("connections.json", said[2])):
            self.expect_quantiles(trace, [(row["state"], *(int(row[name]) for name in ("n", "p50_ns", "p99_ns"))) for row in rows])
        # A Parquet file has all lines, and is read again.
        self.assertEqual(said[1][0], {"Count": "20000"})
        self.assertLess(os.path.getsize(scratch_file("trace.parquet")) * 10, os.path.getsize(scratch_file("trace.json")))

    def test_clickhouse(self):
        [said] = self.run_all("sql clickhouse", [support.engine("clickhouse"), "--query"])
        rows = [line.split("\t") for line in said.splitlines()]
        self.expect_quantiles("connections.json", [(state, int(n), *json.loads(quantiles)) for state, n, quantiles in rows])


if __name__ == "__main__":
    unittest.main()
