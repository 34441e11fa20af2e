# SPDX-License-Identifier: BSD-2-Clause
"""What an unprivileged user may do, and what a tracer that may not trace says."""

import os
import subprocess
import unittest

import support
from support import Live, NOBODY, peers, free_port, run, scratch, scratch_file, wait_for

setUpModule = support.own_network


def setpriv(capabilities):
    """The words before tcpdwell that leave it, as nobody, these capabilities alone."""
    return [
        "setpriv",
        "--reuid",
        str(NOBODY),
        "--regid",
        str(NOBODY),
        "--clear-groups",
        "--inh-caps",
        capabilities,
        "--ambient-caps",
        capabilities,
        "--bounding-set",
        capabilities,
        support.binary_for_all(),
    ]


class Nobody(support.TestCase):
    def test_tracing_is_not_permitted_and_it_says_why(self):
        for args in (
            (),
            ("trace",),
            ("stat",),
            ("stat", "1", "2"),
            ("record", "-o", "-"),
            ("trace", "--", "true"),
        ):
            with self.subTest(args=args):
                outcome = run(*args, user=NOBODY)
                self.assert_error(outcome, 3, "CAP_BPF", "CAP_PERFMON")
                self.assertEqual(outcome.out, "")

    def test_no_file_is_left_behind(self):
        os.chmod(scratch(), 0o777)
        run("record", "-o", scratch_file("nobody.json"), user=NOBODY)
        left = scratch_file("nobody.json")
        self.assertTrue(not os.path.exists(left) or os.path.getsize(left) == 0)

    def test_reading_needs_no_privilege(self):
        path = scratch_file("trace.json.zst")
        run("record", "-o", path, *support.HERE, "-q", "--", *peers("both", free_port()))
        self.assertEqual(run("report", path, user=NOBODY), run("report", path))
        for args in (
            ("explain",),
            ("explain", "close-wait"),
            ("--version",),
            ("--help",),
            ("trace", "--help"),
        ):
            self.assertEqual(run(*args, user=NOBODY), run(*args), args)

    def test_bad_usage_comes_first(self):
        self.assert_error(run("trace", "-L", "http", user=NOBODY), 2, "http")


@support.needs("setpriv")
class Capabilities(support.TestCase):
    def run_with(self, capabilities, *args):
        script = '"${@:1}"'
        return support.shell(script, *setpriv(capabilities), *args)

    def test_only_what_is_missing_is_named(self):
        outcome = self.run_with("-all,+bpf", "trace")
        self.assert_error(outcome, 3, "CAP_PERFMON")
        self.assertNotIn("CAP_BPF missing", outcome.err)
        self.assertNotIn("CAP_BPF and", outcome.err)
        self.assertIn("CAP_BPF missing", self.run_with("-all,+perfmon", "trace").err)

    def test_the_two_are_enough(self):
        outcome = self.run_with("-all,+bpf,+perfmon", "trace", "--duration", "200ms")
        if outcome.status == 3 and "unprivileged" in outcome.err:
            raise unittest.SkipTest(outcome.err)
        self.assertEqual(outcome.status, 0, outcome.err)


@support.needs_root
class GivenUp(support.TestCase):
    """A tracer that has attached holds no privilege any more, and traces on."""

    def test_status(self):
        for command in (("trace", "--format", "json"), ("stat",), ("record", "-o", scratch_file("given-up.json"))):
            with self.subTest(command=command), Live(*command) as live:
                wait_for(lambda: self.fields(live)["Seccomp"] == "2")
                fields = self.fields(live)
                for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                    self.assertEqual(int(fields[name], 16), 0, name)
                self.assertEqual(fields["NoNewPrivs"], "1")
                subprocess.run(peers("both", free_port(), "--count", 3), check=True)
                outcome = live.stop()
                self.assertEqual(outcome.status, 0)
                self.assertIn("LAST_ACK", outcome.out + outcome.err)

    @staticmethod
    def fields(live):
        with open(f"/proc/{live.process.pid}/status", encoding="utf-8") as file:
            return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


if __name__ == "__main__":
    support.main()
