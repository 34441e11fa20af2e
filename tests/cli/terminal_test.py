# SPDX-License-Identifier: BSD-2-Clause
"""Colour: on a terminal that knows it, and nowhere else. Tracing aside it needs no root."""

import contextlib
import os
import pty
import re
import subprocess
import time

import support
from support import TCPDWELL, environment, free_port, peers, run, run_on_terminal, scratch_file

ESCAPE = "\x1b["


class Colour(support.TestCase):
    def test_on_a_terminal(self):
        for args in (("explain",), ("explain", "TIME_WAIT")):
            status, shown = run_on_terminal(*args)
            self.assertEqual(status, 0)
            self.assertIn(ESCAPE, shown)

    def test_not_where_it_is_unwelcome(self):
        for args in (("explain",), ("explain", "TIME_WAIT")):
            for changes in ({"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": None}):
                with self.subTest(args=args, changes=changes):
                    status, shown = run_on_terminal(*args, env=environment(**changes))
                    self.assertEqual((status, ESCAPE in shown), (0, False))
            self.assertNotIn(ESCAPE, run_on_terminal(*args, "--no-color")[1])

    def test_an_empty_no_color_is_none(self):
        self.assertIn(ESCAPE, run_on_terminal("explain", env=environment(NO_COLOR=""))[1])

    def test_not_where_there_is_no_terminal(self):
        self.assertNotIn(ESCAPE, run("explain").out)

    def test_it_is_the_same_text(self):
        plain = run("explain", "CLOSE_WAIT").out
        self.assertEqual(run_on_terminal("explain", "CLOSE_WAIT", "--no-color")[1], plain)

    def test_errors_have_none(self):
        status, shown = run_on_terminal("report", "/nonexistent")
        self.assertEqual((status, ESCAPE in shown), (2, False))


@support.needs_root
class LiveColour(support.TestCase):
    @classmethod
    def setUpClass(cls):
        support.own_network()

    def trace(self, *options, **changes):
        status, shown = run_on_terminal(
            "trace",
            *support.HERE,
            *options,
            "--",
            *peers("both", free_port()),
            env=environment(**changes)
        )
        self.assertEqual(status, 0, shown)
        self.assertIn("LAST_ACK", shown)
        return shown

    def test_lines_and_table(self):
        shown = self.trace()
        self.assertIn(ESCAPE, shown)
        lines, _, table = shown.rpartition("\n\n")
        self.assertIn("->", lines)
        self.assertRegex(
            table, r"(?m)^(\x1b\[[\d;]*m)*state\b", "the table goes to the terminal too"
        )

    def test_none_where_it_is_unwelcome(self):
        self.assertNotIn("\x1b", self.trace("--no-color"))
        self.assertNotIn("\x1b", self.trace(NO_COLOR="1"))
        self.assertNotIn("\x1b", self.trace(TERM="dumb"))

    def test_never_in_json_or_csv_or_a_file(self):
        self.assertNotIn("\x1b", self.trace("--format", "json", "-q"))
        self.assertNotIn("\x1b", self.trace("--format", "csv", "-q"))
        path = scratch_file("lines.txt")
        status, _ = run_on_terminal(
            "trace", *support.HERE, "-o", path, "--", *peers("both", free_port())
        )
        self.assertEqual(status, 0)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        self.assertIn("LAST_ACK", text)
        self.assertNotIn("\x1b", text)

    def test_stat_report_and_check(self):
        path = scratch_file("trace.json")
        run("record", "-o", path, *support.HERE, "-q", "--", *peers("both", free_port()))
        for args in (("report", path), ("check",), ("stat", *support.HERE, "--duration", "100ms")):
            with self.subTest(args=args):
                self.assertNotIn("\x1b", run_on_terminal(*args, "--no-color")[1])
                self.assertEqual(run_on_terminal(*args)[0], 0)
        self.assertIn(ESCAPE, run_on_terminal("report", path)[1])
        self.assertIn(ESCAPE, run_on_terminal("check")[1])

    def test_a_slow_terminal_loses_nothing_but_lines(self):
        """Ten lines a connection, of which the first are shown at some hundred a second."""
        connections = 3000
        ours, its = pty.openpty()
        command = [TCPDWELL, "trace", *support.HERE, "--no-color", "--", *peers("both", free_port(), "--count", connections)]
        with subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=environment()) as process:
            os.close(its)
            shown = bytearray()
            with contextlib.suppress(OSError):
                while chunk := os.read(ours, 1000 if process.poll() is None else 65536):
                    shown += chunk
                    # No faster than fifty bytes a millisecond at first, whenever that is.
                    if len(shown) < 200_000 and process.poll() is None:
                        time.sleep(len(chunk) / 50_000)
            os.close(ours)
            self.assertEqual(process.wait(), 0)
        lines, _, table = shown.decode().replace("\r\n", "\n").rpartition("\n\n")
        skipped = sum(map(int, re.findall(r"\.\.\. (\d+) lines not shown", lines)))
        self.assertGreater(skipped, 0, "the terminal was not slow")
        transitions = len(re.findall(r" -> ", lines))
        self.assertGreaterEqual(transitions + skipped, 10 * connections)
        self.assertRegex(table, rf"(?m)^SYN_SENT +{connections:,} ")
        self.assertRegex(table, rf"(?m)^LAST_ACK +{connections:,} ")
        self.assertNotIn("lost", table)

    def test_a_name_cannot_colour_a_terminal(self):
        name = os.fsdecode(b"\x1b[31m\x1b]0;x\x07\x9b\xff")
        status, shown = run_on_terminal(
            "trace",
            "--no-color",
            *support.HERE,
            "--",
            *peers("both", free_port(), "--server-name", name)
        )
        self.assertEqual(status, 0)
        self.assertNotRegex(shown, "[\x00-\x09\x0b-\x1f\x7f-\x9f]")


if __name__ == "__main__":
    support.main()
