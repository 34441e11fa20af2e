# SPDX-License-Identifier: BSD-2-Clause
"""How a run ends: a signal, a time, a count, a command, a reader that leaves. Its file is whole."""

import contextlib
import os
import signal
import subprocess
import time

import support
from support import HERE, Live, free_port, peers, read_trace, run, scratch_file, shell

setUpModule = support.own_network


TIME_WAIT = "06"


def content(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class Signals(support.TestCase):
    """Ctrl-C and its like end a run well, with a file that is whole, a table and status 0."""

    def check(self, suffix, number):
        path = scratch_file("signal.json" + suffix)
        with Live("record", "-o", path) as live:
            subprocess.run(peers("both", free_port(), "--count", 50), check=True)
            outcome = live.stop(number)
        self.assertEqual(outcome.status, 0, outcome.err)
        self.assertRegex(outcome.err, r"(?m)^LAST_ACK +50 ")
        reported = run("report", path)
        self.assertEqual((reported.status, reported.err), (0, ""))
        said, wrote = outcome.err.removesuffix("\n").rsplit("\n", 1)
        self.assertTrue(said.endswith(reported.out.split("\n\n")[0].rstrip("\n")), outcome.err)
        self.assertIn(f"connections to {path} (", wrote)
        return path

    def test_interrupt_terminate_hang_up(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number=number):
                trace = read_trace(self.check("", number))
                self.assert_whole(trace)
                self.assert_chains(trace)

    def test_every_other_one(self):
        """An alarm set before exec(), a limit of processor time, kill -USR1: what would end it by default ends it well."""
        names = "USR1 USR2 ALRM VTALRM PROF IO PWR STKFLT XCPU RTMIN RTMAX".split()
        for number in [getattr(signal, "SIG" + name) for name in names if hasattr(signal, "SIG" + name)]:
            with self.subTest(number=number):
                path = scratch_file(f"other-{number}.json")
                with Live("record", "-o", path, "-q") as live:
                    subprocess.run(peers("both", free_port()), check=True)
                    self.assertEqual(live.stop(number).status, 0)
                trace = read_trace(path)
                self.assert_whole(trace)
                self.assertTrue(trace.transitions)

    def test_those_that_are_ignored_stay_so(self):
        path = scratch_file("ignored.json")
        shell('trap "" USR1 ALRM; exec "$0" record -o "$@" & until [ -s "$1" ]; do sleep 0.1; done; '
              'kill -USR1 $!; kill -ALRM $!; sleep 0.3; kill -TERM $!; wait',
              path, *HERE, "-q", "--duration", "10s")
        self.assertGreaterEqual(read_trace(path).end["duration_ns"], 200_000_000)

    def test_nohup_is_heeded(self):
        path = scratch_file("nohup.json")
        self.addCleanup(signal.signal, signal.SIGHUP, signal.signal(signal.SIGHUP, signal.SIG_IGN))
        with Live("record", "-o", path) as live:
            live.process.send_signal(signal.SIGHUP)
            subprocess.run(peers("both", free_port()), check=True)
            self.assertEqual(live.stop(signal.SIGTERM).status, 0)
        trace = read_trace(path)
        self.assert_whole(trace)
        self.assertIn("LAST_ACK", [line["old"] for line in trace.transitions], "ended by SIGHUP")

    def test_what_was_under_way_is_not_made_up(self):
        """Requests whose connections come to be while the programs are attached or detached did not fail."""
        port = free_port()
        with subprocess.Popen(peers("both", port, "--count", 1_000_000), start_new_session=True) as busy:
            try:
                support.wait_for(lambda: TIME_WAIT in support.states_at(port))
                for _ in range(10):
                    outcome = run("trace", "--format", "json", "-q", *HERE, "--duration", "100ms")
                    self.assertEqual(outcome.status, 0, outcome.err)
                    trace = support.Trace(outcome.out)
                    self.assertGreater(len(trace.transitions), 0, "no traffic")
                    failed = [t for t in trace.transitions if (t["old"], t["new"]) == ("SYN_RECV", "CLOSE")]
                    self.assertEqual(failed, [])
                    reset = [t for t in trace.transitions if "reset" in t.get("reason", "")]
                    self.assertEqual(reset, [])
            finally:
                os.killpg(busy.pid, signal.SIGKILL)

    def test_interrupt_while_compressing(self):
        for suffix in (".zst", ".gz"):
            with self.subTest(suffix=suffix):
                self.check(suffix, signal.SIGINT)

    def test_a_trace_can_be_read_before_it_has_ended(self):
        path = scratch_file("early.json")
        with Live("trace", "--format", "json", "-o", path) as live:
            subprocess.run(peers("both", free_port()), check=True)
            support.wait_for(lambda: "LAST_ACK" in content(path))
            early = run("report", path)
            live.stop()
        self.assertEqual(early.status, 0)
        self.assertIn("cut off", early.err)
        self.assertEqual(run("report", path).err, "")

    def test_a_killed_tracer_leaves_a_usable_file(self):
        path = scratch_file("killed.json")
        with Live("trace", "--format", "json", "-o", path) as live:
            subprocess.run(peers("both", free_port()), check=True)
            support.wait_for(lambda: "LAST_ACK" in content(path))
            self.assertEqual(live.stop(signal.SIGKILL).status, -signal.SIGKILL)
        self.assertEqual(run("report", path).status, 0)


class Limits(support.TestCase):
    def test_duration(self):
        path = scratch_file("duration.json")
        outcome = run("record", "-o", path, *HERE, "--duration", "200ms")
        self.assertEqual(outcome.status, 0, outcome.err)
        trace = read_trace(path)
        self.assert_whole(trace)
        self.assertGreaterEqual(trace.end["duration_ns"], 200_000_000)

    def test_count_is_exact(self):
        for suffix in ("", ".zst"):
            with self.subTest(suffix=suffix):
                path = scratch_file("count.json" + suffix)
                with Live("record", "-o", path, "--count", 7) as live:
                    subprocess.run(peers("both", free_port(), "--count", 10), check=True)
                    self.assertEqual(live.end().status, 0)
                reported = run("report", path, "--format", "json")
                self.assertEqual((reported.status, reported.err), (0, ""))
        trace = read_trace(scratch_file("count.json"))
        self.assert_whole(trace)
        self.assertEqual(len(trace.transitions), 7)


class Commands(support.TestCase):
    """-- COMMAND: its own status, its own streams, and the run ends when it ends."""

    def command(self, *words, **options):
        path = scratch_file("command.json")
        outcome = run("record", "-o", path, *HERE, "-q", "--", *words, **options)
        return outcome, path

    def test_status_is_passed_on(self):
        cases = [
            (["true"], 0),
            (["false"], 1),
            (["sh", "-c", "exit 77"], 77),
            (["sh", "-c", "kill -9 $$"], 128 + 9),
            (["sh", "-c", "kill -TERM $$"], 128 + 15),
        ]
        for words, status in cases:
            with self.subTest(words=words):
                outcome, path = self.command(*words)
                self.assertEqual((outcome.status, outcome.err), (status, ""))
                self.assert_whole(read_trace(path))

    def test_what_it_did_to_its_end_is_there(self):
        for _ in range(5):
            outcome, path = self.command(*peers("both", free_port()))
            trace = read_trace(path)
            self.assert_whole(trace)
            ends = [line for line in trace.transitions if line["old"] == "LAST_ACK"]
            self.assertEqual([line["new"] for line in ends], ["CLOSE"])

    def test_it_has_its_streams(self):
        outcome, _ = self.command("sh", "-c", "cat; echo problem >&2", input="hello\n")
        self.assertEqual((outcome.status, outcome.out, outcome.err), (0, "hello\n", "problem\n"))

    def test_it_has_its_signals(self):
        """What tcpdwell blocks or ignores for itself it does not pass on."""
        show = "grep -E 'SigBlk|SigIgn|Umask' /proc/self/status"
        for before in ("", 'trap "" XFSZ USR1; umask 027;', 'trap "" PIPE HUP;'):
            outcome = shell(f'{before} {show}; "$0" trace -o {os.devnull} -q "$@" -- {show}', *HERE)
            self.assertEqual(outcome.status, 0, outcome)
            lines = outcome.out.splitlines()
            self.assertEqual(lines[3:], lines[:3], outcome)

    def test_it_can_not_be_found_or_run(self):
        outcome, _ = self.command("no-such-command")
        self.assert_error(outcome, 2, "no-such-command", "No such file")
        outcome, _ = self.command(support.scratch())
        self.assert_error(outcome, 2, "Permission denied")

    def test_what_cannot_run_is_said_before_a_line_is_written(self):
        path = scratch_file("never.json")
        for args in (("trace",), ("trace", "--format", "json"), ("stat",), ("record", "-o", path)):
            for program in ("/nonexistent", "no-such-command", support.scratch()):
                with self.subTest(args=args, program=program):
                    outcome = run(*args, *HERE, "--", program)
                    self.assert_error(outcome, 2, program)
                    self.assertEqual(outcome.out, "")
        self.assertFalse(os.path.exists(path))

    def test_it_ends_with_the_run(self):
        pid_file = scratch_file("pid")
        outcome = run(
            "trace",
            *HERE,
            "--duration",
            "300ms",
            "-q",
            "--",
            "sh",
            "-c",
            f"echo $$ > {pid_file}; exec sleep 30",
        )
        self.assertEqual(outcome.status, 128 + signal.SIGTERM)
        with open(pid_file) as file, self.assertRaises(ProcessLookupError):
            os.kill(int(file.read()), 0)

    def test_one_that_ignores_it_is_killed(self):
        """--duration ends the run, whatever the command makes of SIGTERM; 5 s are what --help grants it."""
        pid_file = scratch_file("stubborn")
        path = scratch_file("stubborn.json")
        outcome = run("record", "-o", path, *HERE, "--duration", "300ms", "-q", "--",
                      "sh", "-c", f"echo $$ > {pid_file}; trap '' TERM; exec sleep 60")
        took = time.time() - os.stat(pid_file).st_mtime  # from the command's begin, which is that of the trace
        self.assertEqual((outcome.status, outcome.err), (128 + signal.SIGKILL, ""))
        self.assertGreater(took, 5)
        self.assertLess(took, 10)
        with open(pid_file) as file, self.assertRaises(ProcessLookupError):
            os.kill(int(file.read()), 0)
        self.assert_whole(read_trace(path))

    def test_it_does_not_run_where_tracing_cannot(self):
        mark = scratch_file("mark")
        outcome = run("trace", "--", "touch", mark, user=support.NOBODY)
        self.assertEqual(outcome.status, 3)
        self.assertFalse(os.path.exists(mark))


class Readers(support.TestCase):
    """Standard output that nobody reads any more ends a run; one that takes nothing is an error."""

    def test_head(self):
        for command in (
            "trace",
            "trace --format json",
            "trace --format csv",
            "record -o -",
            "stat 50ms",
        ):
            with self.subTest(command=command):
                outcome = shell(
                    f'"$0" {command} "$@" 2>/dev/null | head -1; echo ${{PIPESTATUS[0]}}', *HERE
                )
                *_, status = outcome.out.split()
                self.assertEqual(status, "0", outcome)

    def test_a_reader_that_leaves_a_quiet_trace(self):
        """No line is written that would fail: the run ends all the same."""
        outcome = shell('"$0" trace -q "$@" | true; echo ${PIPESTATUS[0]}', *HERE)
        self.assertEqual(outcome.out, "0\n", outcome.err)

    def test_a_file_does_not_hang_on_who_reads_standard_output(self):
        """What goes to FILE is as long as was asked for, though nobody reads standard output."""
        for command in ("record", "trace --format json", "trace --format csv", "stat 100ms --format csv"):
            with self.subTest(command=command):
                path = scratch_file("goes-on." + command.split()[0])
                begun = time.monotonic()
                outcome = shell(f'"$0" {command} -q -o "$1" "${{@:2}}" --duration 900ms | true; echo ${{PIPESTATUS[0]}}',
                                path, *HERE)
                self.assertEqual((outcome.out, outcome.err), ("0\n", ""))
                self.assertGreaterEqual(time.monotonic() - begun, 0.9)
        self.assertGreaterEqual(read_trace(scratch_file("goes-on.record")).end["duration_ns"], 900_000_000)
        # FILE may be standard output by another name.
        begun = time.monotonic()
        shell('"$0" trace -q -o /dev/stdout "$@" --duration 30s | true', *HERE)
        self.assertLess(time.monotonic() - begun, 30)

    def test_full_disk(self):
        with open("/dev/full", "w") as full:
            for args in (
                ("trace", *HERE, "--duration", "200ms"),
                ("stat", *HERE, "--duration", "200ms"),
                ("record", "-o", "-", *HERE, "--duration", "200ms"),
                ("explain",),
                ("check",),
                ("--version",),
                ("--help",),
                ("trace", "--help"),
            ):
                with self.subTest(args=args):
                    self.assert_error(run(*args, stdout=full), 1, "No space left on device")
        for suffix in ("", ".gz", ".zst"):
            with self.subTest(suffix=suffix):
                path = scratch_file("full.json" + suffix)
                with contextlib.suppress(FileExistsError):
                    os.symlink("/dev/full", path)
                outcome = run("record", "-o", path, *HERE, "-q", "--duration", "200ms")
                self.assert_error(outcome, 1, path, "No space left on device")

    def test_closed_standard_output(self):
        for command in ("trace", "trace --format json", "stat", "record -o -"):
            with self.subTest(command=command):
                outcome = shell(f'"$0" {command} --duration 200ms "$@" >&-', *HERE)
                self.assert_error(outcome, 1, "Bad file descriptor")
        for command in ("explain", "check", "--version", "--help"):
            with self.subTest(command=command):
                self.assert_error(shell(f'"$0" {command} >&-'), 1)

    def test_a_command_that_was_not_let_go_yet_holds_nothing(self):
        """The first lines cannot be written: it never runs, and nobody waits for it."""
        mark = scratch_file("not-let-go")
        for command in ("trace", "trace --format json"):
            with self.subTest(command=command):
                outcome = shell(f'"$0" {command} "$@" >&-', *HERE, "--", "touch", mark)
                self.assert_error(outcome, 1, "Bad file descriptor")
                self.assertFalse(os.path.exists(mark))

    def test_a_file_needs_no_standard_streams(self):
        script = '"$0" record -o "$1" "$2" "$3" $4 -- "${@:5}" <&- >&- 2>&-'
        for quiet in ("-q", "--wide"):
            with self.subTest(quiet=quiet):
                path = scratch_file(f"streams{quiet}.json")
                outcome = shell(script, path, *HERE, quiet, *peers("both", free_port()))
                # Without -q there is a table to write, and nowhere to write it.
                self.assertEqual(outcome.status, 0 if quiet == "-q" else 1)
                trace = read_trace(path)
                self.assert_whole(trace)
                self.assertTrue(trace.transitions)

    def test_files_that_cannot_be_made(self):
        read_only = "/proc"
        for command in ("trace", "stat", "record"):
            for path, why in (
                (f"{support.scratch()}/none/x", f"there is no directory {support.scratch()}/none/"),
                (support.scratch(), "directory"),
                (f"{read_only}/tcpdwell.json", ""),
            ):
                with self.subTest(command=command, path=path):
                    self.assert_error(run(command, "-o", path, *HERE), 1, path, why)

    def test_report_too(self):
        path = scratch_file("reported.json")
        run("record", "-o", path, *HERE, "-q", "--", *peers("both", free_port()))
        with open("/dev/full", "w") as full:
            self.assert_error(run("report", path, stdout=full), 1, "No space left on device")
        self.assert_error(shell('"$0" report "$1" >&-', path), 1, "Bad file descriptor")
        outcome = shell('"$0" report "$1" "$1" | true; echo ${PIPESTATUS[0]}', path)
        self.assertEqual((outcome.out, outcome.err), ("0\n", ""))


if __name__ == "__main__":
    support.main()
