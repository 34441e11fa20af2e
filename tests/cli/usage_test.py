# SPDX-License-Identifier: BSD-2-Clause
"""Usage: help, version, and every flag with a value it cannot mean. Needs no root."""

import os

import support
from support import run, scratch, scratch_file

COMMANDS = ("trace", "stat", "record", "report", "top", "explain", "check")
FILTERS = (
    "-p",
    "--pid",
    "-n",
    "--comm",
    "-L",
    "--local-port",
    "-D",
    "--remote-port",
    "-4",
    "--ipv4",
    "-6",
    "--ipv6",
    "--local",
    "--remote",
    "--state",
    "--netns",
    "--cgroup",
    "--min-dwell",
)
LOOKS = (
    "--by",
    "--format",
    "-o",
    "--output",
    "-w",
    "--wide",
    "-T",
    "--time",
    "--no-color",
    "-q",
    "--quiet",
    "-v",
    "--verbose",
    "-h",
    "--help",
)
LIVE = (
    "--duration",
    "--count",
    "--minisockets",
    "--buffer",
    "--max-time-wait",
    "--max-requests",
)


class Help(support.TestCase):
    def test_serve_offers_no_flag_that_it_refuses(self):
        words = self.help("serve", "--help").split()
        for flag in FILTERS:
            self.assertEqual(any(flag in word.split(",") for word in words), flag not in ("--state", "--min-dwell"), flag)
        for path in ("/metrics", "/api/sockets", "/api/events"):
            self.assertIn(path + ",", words)

    def help(self, *args):
        outcome = run(*args)
        self.assertEqual((outcome.status, outcome.err), (0, ""))
        return outcome.out

    def test_version(self):
        self.assertRegex(self.help("--version"), r"\Atcpdwell \d+\.\d+\.\d+\n\Z")

    def test_help_names_every_command(self):
        self.assertEqual(self.help("-h"), self.help("--help"))
        for command in COMMANDS:
            self.assertRegex(self.help("-h"), rf"(?m)^ +{command}\b")

    def test_help_fits_a_terminal_and_shows_no_machinery(self):
        for command in COMMANDS:
            for page in (self.help("--help"), self.help(command, "--help")):
                for word in ("POSITIVE", "TEXT", "UINT", "REQUIRED", " ...", "\n\n\n"):
                    self.assertNotIn(word, page)
                self.assertLessEqual(max(map(len, page.split("\n"))), 80)
            usage = next(line for line in page.split("\n") if line.startswith("Usage: tcpdwell "))
            self.assertEqual("[-- COMMAND [ARG...]]" in usage, command in ("trace", "stat", "record"))

    def test_help_of_each_command_names_its_flags(self):
        flags = {
            "trace": FILTERS + LOOKS + LIVE,
            "stat": FILTERS + LOOKS + LIVE,
            "record": FILTERS + LOOKS + LIVE,
            "report": FILTERS + LOOKS,
            "top": FILTERS + LIVE + ("--no-color", "--by"),
            "explain": ("--no-color",),
            "check": ("--format", "--no-color"),
        }
        for command in COMMANDS:
            text = self.help(command, "--help")
            self.assertEqual(self.help(command, "-h"), text)
            words = set(text.replace(",", " ").split())
            for flag in flags[command]:
                self.assertIn(flag, words, command)


class BadUsage(support.TestCase):
    def refuse(self, *args, words=()):
        with self.subTest(args=args):
            outcome = run(*args)
            self.assert_error(outcome, 2, *words)
            self.assertEqual(outcome.out, "")

    def test_commands(self):
        self.refuse("bogus", words=["bogus"])
        self.refuse("trace", "bogus", words=["bogus"])
        self.refuse("report")
        self.refuse("record", words=["--output"])
        self.refuse("explain", "LISTEN", "CLOSE")
        self.refuse("check", "now")

    def test_flags_that_do_not_exist(self):
        for words in (
            (),
            ("trace",),
            ("stat",),
            ("record", "-o", "-"),
            ("report", "-"),
            ("explain",),
            ("check",),
        ):
            self.refuse(*words, "--bogus", words=["--bogus"])
        self.refuse("-Z", words=["-Z"])
        self.refuse("explain", "-p", "1", words=["-p"])
        self.refuse("check", "--count", "1", words=["--count"])
        self.refuse("report", "x", "--duration", "1s", words=["--duration"])

    def test_flags_without_their_value(self):
        for flag in (
            "-p",
            "-n",
            "-L",
            "-D",
            "--local",
            "--remote",
            "--state",
            "--netns",
            "--cgroup",
            "--min-dwell",
            "--by",
            "--format",
            "-o",
            "--duration",
            "--count",
            "--buffer",
            "--minisockets",
            "--max-time-wait",
            "--max-requests",
        ):
            self.refuse("trace", flag)

    def test_lists(self):
        self.refuse("-p", "abc", words=["--pid", "abc"])
        for pids in ("-1", "1,", "1,,2", "1 2", "1.5", "99999999999999999999", "0x10", ""):
            self.refuse("-p", pids)
        self.refuse("-n", "a,,b", words=["--comm"])
        for flag in ("-L", "-D"):
            for ports in (
                "http",
                "65536",
                "-5",
                "10-5",
                "1-",
                "1-2-3",
                "80,",
                "1-65536",
                " 80",
                "",
            ):
                self.refuse("trace", flag, ports)
        self.refuse("--state", "BOGUS", words=["--state", "BOGUS"])
        self.refuse("--state", "LISTEN,,CLOSE")

    def test_addresses(self):
        for flag in ("--local", "--remote"):
            for cidr in (
                "300.0.0.1",
                "10.0.0.0/33",
                "10.0.0.0/",
                "::1/129",
                "fe80::1%lo",
                "localhost",
                "10.0.0",
                "/8",
                "10.0.0.0/-1",
                "10.0.0.0/8x",
                "",
            ):
                self.refuse(flag, cidr, words=[flag])

    def test_durations_and_numbers(self):
        for flag in ("--min-dwell", "--duration"):
            for duration in ("x", "-1s", "1 s", "1d5", "1e3s", "99999999999999h", "s", ""):
                self.refuse(flag, duration, words=[flag])
        for count in ("0", "-1", "x", "1.5", "1x", "0x10", "99999999999999999999", ""):
            self.refuse("--count", count, words=["--count", f"'{count}' is no whole number"])
        for flag in ("--max-time-wait", "--max-requests"):
            for count in ("0", "-1", "x", "1.5", "16777217", "4294967297", ""):
                self.refuse(flag, count, words=[flag, f"'{count}'", "at most 16777216"])
        self.refuse("report", "x", "--max-time-wait", "1", words=["--max-time-wait"])
        for size in ("x", "-1", "8X", ""):
            self.refuse("--buffer", size, words=["--buffer"])
        for interval in ("x", "0", "-1"):
            self.refuse("stat", interval)
        for count in ("0", "x", "-3"):
            self.refuse("stat", "1", count)
        self.refuse("stat", "1", "2", "3")

    def test_words(self):
        for command in ("trace", "stat", "report"):
            self.refuse(
                command,
                *(["x"] if command == "report" else []),
                "--by",
                "colour",
                words=["--by", "colour"],
            )
            self.refuse(
                command, *(["x"] if command == "report" else []), "--by", "pid,pid", words=["--by"]
            )
            self.refuse(
                command,
                *(["x"] if command == "report" else []),
                "--format",
                "xml",
                words=["--format", "xml"],
            )
        self.refuse("check", "--format", "csv", words=["--format"])
        self.refuse("record", "-o", scratch_file("never.json"), "--format", "csv")
        self.assertFalse(
            os.path.exists(scratch_file("never.json")), "bad usage leaves no file behind"
        )
        self.refuse("--minisockets", "sometimes", words=["--minisockets", "sometimes"])

    def test_places(self):
        self.refuse("--netns", "/nonexistent", words=["/nonexistent"])
        self.refuse("--netns", "4194305", words=["4194305"])  # above the largest pid there can be
        self.refuse("--netns", scratch(), words=[scratch()])
        self.refuse("--cgroup", "/nonexistent", words=["/nonexistent"])
        self.refuse("report", "x", "--netns", "/proc/self/ns/net", words=["--netns"])
        self.refuse("report", "x", "--cgroup", "/sys/fs/cgroup", words=["--cgroup"])

    def test_command_lines_after_the_dashes(self):
        self.refuse("trace", "--")
        self.refuse("report", "x", "--", "true", words=["report"])
        self.refuse("explain", "--", "true", words=["explain"])
        self.refuse("check", "--", "true", words=["check"])

    def test_what_is_refused_cannot_write_to_the_terminal(self):
        for args in (
            ["\x1b[31m"],
            ["-p", "\x1b[31m"],
            ["--by", "\x1b[31m"],
            ["explain", "\x1b[31m"],
            ["report", "\x1b[31m"],
            ["--format", "a\nb"],
            ["-o", "/nonexistent/\x1b[31m"],
        ):
            with self.subTest(args=args):
                outcome = run(*args)
                self.assertIn(outcome.status, (1, 2, 3))
                self.assertRegex(outcome.err, r"\Atcpdwell: [^\n\x1b]+\n\Z")


if __name__ == "__main__":
    support.main()
