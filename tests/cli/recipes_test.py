# SPDX-License-Identifier: BSD-2-Clause
"""docs/recipes.md, "A question, a command": each command as it is written there, where the answer is known."""

import contextlib
import csv
import datetime
import io
import json
import os
import re
import shlex
import signal
import subprocess
import time
import urllib.request

import cgroups
import support
from cgroup_test import Worker
from diff_test import client, keep_alive
from report_test import end, header, text, transition
from stuck_test import Leak
from support import scratch, scratch_file

setUpModule = support.own_network

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/recipes.md")


def commands():
    """By the question above each."""
    with open(PAGE, encoding="utf-8") as file:
        section = file.read().split("## A question, a command")[1].split("\n# ")[0]
    found = {}
    for part in section.split("\n### ")[1:]:
        [command] = re.findall(r"^    (tcpdwell .*)$", part, re.M)
        found[part.split("\n")[0]] = command
    return found


def write(name, lines, connections):
    lines = sorted(lines, key=lambda line: line["mono_ns"])
    return scratch_file(name, text([header(), *lines, end(10**10, len(lines), connections)]))


def later(ns):
    """A time stamp, also beyond a minute."""
    return (datetime.datetime(2026, 1, 2, 3, 4) + datetime.timedelta(microseconds=ns // 1000)).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


class Recipes(support.TestCase):
    questions = set()

    def words(self, question, *more):
        Recipes.questions.add(question)
        return [support.TCPDWELL, *shlex.split(commands()[question])[1:], *more]

    def answer(self, question):
        done = subprocess.run(
            self.words(question), cwd=scratch(), env=support.environment(), capture_output=True, encoding="utf-8", timeout=support.TIMEOUT, check=False
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    @classmethod
    def tearDownClass(cls):
        assert cls.questions == set(commands()), "a recipe that no test runs, or that is not there"

    def test_who_leaks(self):
        with Leak(5) as leak:
            time.sleep(1.1)
            answer = self.answer("Which program leaks connections?")
        mine = [line for line in answer.split("\n") if re.search(rf"\b{leak.process.pid}\b", line)]
        self.assertEqual(len(mine), 5, answer)
        self.assertRegex(answer, r"\d+ sockets: \d+ CLOSE_WAIT; by owner: .*\d+ python3")

    def test_how_long_time_waits_last(self):
        lines = []
        for i in range(20):
            begin, over = i * 10**6, i * 10**6 + 61 * 10**9
            lines.append(transition(begin, f"{i + 1:x}", "FIN_WAIT2", "TIME_WAIT"))
            lines.append(transition(over, f"{i + 1:x}", "TIME_WAIT", "CLOSE", dwell_ns=61 * 10**9, ts=later(over), reason="expired"))
        write("trace.json", lines, 20)
        [row, *_] = [line.split() for line in self.answer("How long do TIME_WAITs last here?").split("\n") if line.startswith("TIME_WAIT")]
        self.assertEqual((row[1], row[4]), ("20", "61.0s"))

    def test_ports(self):
        """40 that are open at once towards one destination."""
        lines = []
        for i in range(40):
            lines += client(f"{i + 1:x}", i * 10**6, 5 * 10**9, lport=40000 + i)
        write("trace.json", lines, 40)
        [row] = csv.DictReader(io.StringIO(self.answer("How many local ports were taken, and how near is their end?")))
        self.assertEqual((row["rport"], row["peak"]), ("443", "40"))

    def test_life_by_port(self):
        """To one port 99 lives of 12 ms and one of 5 s, to the other ten of 103 ms."""
        lines = []
        for i in range(100):
            lines += client(f"{i + 1:x}", i * 10**7, 5 * 10**9 if i == 50 else 9 * 10**6)
        for i in range(10):
            lines += [{**line, "rport": 5432} for line in client(f"{i + 1000:x}", i * 10**7, 100 * 10**6)]
        write("trace.json", lines, 110)
        rows = {row[0]: row for row in map(str.split, self.answer("What is the 99th percentile of connection life, by port?").split("\n")[:4]) if row}
        heads = rows["remote-port"]
        self.assertEqual(heads, ["remote-port", "count", "min", "p50", "p90", "p99", "max", "total"])
        self.assertEqual((rows["443"][1], rows["443"][3], rows["443"][5], rows["443"][6]), ("100", "12.0ms", "12.0ms", "5.00s"))
        self.assertEqual((rows["5432"][1], rows["5432"][5]), ("10", "103ms"))

    def test_did_keep_alive_help(self):
        keep_alive("before.json", 3000, 2 * 10**6, 0)
        keep_alive("after.json", 3, 900 * 10**6, 100)
        answer = self.answer("Did the keep-alive help?")
        self.assertEqual(answer.split("\n")[0], "connections opened: 300/s in A, 0.3/s in B")

    def test_what_is_going_on(self):
        import top_test

        if top_test.pyte is None:
            self.skipTest("not installed: python3-pyte")
        [program, name, *options] = self.words("What is going on right now?")
        self.assertEqual((program, name, options), (support.TCPDWELL, "top", []))
        with Leak(7) as leak, top_test.Terminal() as top:
            top.until(lambda: re.search(r"CLOSE_WAIT +7 ", top.text()) is not None)
            del leak

    def test_prometheus(self):
        with Leak(4):
            words = self.words("How does Prometheus get it?", "--socket", scratch_file("recipe.sock"), *support.HERE)
            with subprocess.Popen(words, stderr=subprocess.PIPE, env=support.environment(), encoding="utf-8") as serve:
                try:
                    self.assertIn("answers on http://127.0.0.1:9978/", serve.stderr.readline())
                    with urllib.request.urlopen("http://127.0.0.1:9978/metrics", timeout=support.TIMEOUT) as reply:
                        metrics = reply.read().decode()
                    with urllib.request.urlopen("http://127.0.0.1:9978/", timeout=support.TIMEOUT) as reply:
                        self.assertIn("<title>", reply.read().decode())
                finally:
                    serve.send_signal(signal.SIGTERM)
        self.assertIn('\ntcpdwell_sockets{state="CLOSE_WAIT"} 4\n', metrics)

    def test_a_page(self):
        write("trace.json", client("1", 0, 10**9, raddr="192.0.2.77"), 1)
        self.answer("Can I send somebody a page?")
        with open(scratch_file("page.html"), encoding="utf-8") as file:
            page = file.read()
        self.assertIn("192.0.2.77", page)
        self.assertNotRegex(page, r"(src|href)=\"https?:")

    def test_one_service(self):
        with cgroups.cgroup(name="web.service") as group, cgroups.cgroup() as elsewhere, contextlib.ExitStack() as stack:
            one, other = (stack.enter_context(Worker(path)) for path in (group, elsewhere))
            ours, theirs = (int(worker.do("listen")) for worker in (one, other))
            with subprocess.Popen(
                self.words("What does one service do?", "--format", "json", "-v"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
            ) as stat:
                while "existed before" not in stat.stderr.readline():
                    self.assertIsNone(stat.poll())
                # By processes that are there already: the command takes three seconds.
                for worker, port, times in ((other, theirs, 1), (one, ours, 5)):
                    for _ in range(times):
                        for words in (("connect", port), ("accept",), ("close-client",), ("close-accepted",)):
                            worker.do(*words)
                rows = {row["state"]: row for row in json.loads(stat.stdout.read())["rows"]}
                stat.stderr.read()
        self.assertEqual((rows["LAST_ACK"]["count"], rows["SYN_SENT"]["count"]), (5, 5))

    def test_what_a_state_means(self):
        answer = self.answer("What does CLOSE_WAIT mean?")
        self.assertRegex(answer, r"CLOSE_WAIT")
        self.assertRegex(answer, r"close\(\)")


if __name__ == "__main__":
    support.main()
