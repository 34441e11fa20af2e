# SPDX-License-Identifier: BSD-2-Clause
"""What people get wrong: each mistake, the line that helps, and the exit status."""

import os
import socket
import subprocess

import support
from support import NOBODY, binary_for_all, run, scratch, scratch_file

setUpModule = support.own_network

# Above the largest pid that any kernel gives, and below what -p takes.
NO_PROCESS = "1999999999"


class Mistakes(support.TestCase):
    # what is typed, status, what the line says
    TABLE = [
        (("--state", "time-wiat"), 2, "did you mean time-wait?"),
        (("explain", "estab-lished"), 2, "did you mean established?"),
        (("--durration", "5s"), 2, "trace has no --durration; did you mean --duration?"),
        (("staet",), 2, "there is no command 'staet'; did you mean stat?"),
        (("true",), 2, "there is no command 'true'; to trace a program: tcpdwell -- true"),
        (("stat", "--by", "remte-port"), 2, "did you mean remote-port?"),
        (("stuck", "--by", "comm"), 2, "stuck has no --by; it is of trace, stat, record, report, diff and top"),
        (("--duration", "99999999h"), 2, "too long: expected 5124095h at most"),
        (("stat", "99999999h"), 2, "too long: expected 5124095h at most"),
        (("stuck", "-l", "--state", "close-wait"), 2, "-l lists LISTEN alone: give either -l or --state"),
        (("report", "x", "--table", "ends"), 2, "--table ends is of --format csv"),
        (("report", "x", "--cgroup", "web.service"), 2, "stat -c %i /sys/fs/cgroup/"),
        (("record", "-o", "/no/such/x.json"), 1, "there is no directory /no/such/"),
        (("serve", "--listen", "127.0.0.1:0", "--socket", "/no/such/x.sock"), 1, "there is no directory /no/such/"),
        (("stuck", "--socket", "/no/such.sock"), 1, "--socket /no/such.sock: no serve answers there"),
    ]

    def test_each_line_and_status(self):
        for words, status, line in self.TABLE:
            with self.subTest(words=words):
                self.assert_error(run(*words), status, line)

    def test_what_is_no_trace(self):
        text = scratch_file("notes.txt", "buy milk\n")
        words = "line 1 is not JSON; `tcpdwell record -o FILE` makes a trace"
        self.assert_error(run("report", text), 2, text, words)
        self.assert_error(run("diff", text, text), 2, text, words)

    def test_a_file_that_is_no_trace_is_not_overwritten(self):
        text = scratch_file("thesis.txt", "one\n")
        self.assert_error(run("record", "-o", text, "--duration", "1ms"), 2, text, "--force")
        with open(text, encoding="utf-8") as file:
            self.assertEqual(file.read(), "one\n")
        for options in (("--force",), ()):  # by now it is a trace
            outcome = run("record", "-o", text, "--duration", "1ms", *support.HERE, *options)
            self.assertEqual(outcome.status, 0, outcome)
            size = os.path.getsize(text)
            self.assertRegex(
                outcome.err,
                rf"tcpdwell: wrote \d+ transitions of \d+ connections to {text} \({size:,} bytes\)\n\Z",
            )

    def test_without_rights(self):
        path = binary_for_all()
        for words in (("trace",), ("record", "-o", "/no/such/file"), ("serve", "--socket", "/no/such/x.sock")):
            with self.subTest(words=words):
                outcome = run(*words, user=NOBODY)
                self.assert_error(outcome, 3, "CAP_BPF and CAP_PERFMON missing", "setcap cap_bpf,cap_perfmon", f"+ep {path}")

    def test_the_line_for_setcap_is_enough_for_time_wait(self):
        """Where the kernel hides addresses from who has no CAP_SYSLOG."""
        with open("/proc/kallsyms", encoding="utf-8") as file:
            self.assertTrue(int(next(file).split()[0], 16), "root sees addresses")
        read = subprocess.run(["head", "-1", "/proc/kallsyms"], user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True)
        hidden = int(read.stdout.split()[0], 16) == 0
        self.assertEqual("cap_syslog" in run("trace", user=NOBODY).err, hidden)

    def test_a_port_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            self.assert_error(run("serve", "--listen", address, "--socket", ""), 1, f"{address}: the port is in use; give another --listen")

    def test_a_process_that_is_not_there(self):
        line = f"tcpdwell: there is no process {NO_PROCESS}: "
        outcome = run("stat", "-p", NO_PROCESS, "--duration", "1ms")
        self.assertEqual((outcome.status, outcome.err), (0, line + "it is waited for\n"))
        outcome = run("stuck", "-p", NO_PROCESS)
        self.assertEqual((outcome.status, outcome.err), (0, line + "it has no sockets\n"))
        self.assertEqual(run("stuck", "-q", "-p", NO_PROCESS).err, "")
        self.assertEqual(run("stat", "-p", os.getpid(), "--duration", "1ms").err, "")

    def test_version_one_of_cgroups(self):
        with open("/proc/self/mounts", encoding="utf-8") as file:
            mounts = [line.split() for line in file]
        old = [where for _, where, kind, *_ in mounts if kind == "cgroup"]
        new = [where for _, where, kind, *_ in mounts if kind == "cgroup2"]
        if not old or not new:
            self.skipTest("this host has not both versions of cgroups mounted")
        self.assert_error(run("--cgroup", old[0]), 2, "that is a cgroup v1", new[0])

    def test_v_is_ours_and_vv_libbpfs_too(self):
        ours, both = (run("stat", "--duration", "1ms", flag).err for flag in ("-v", "-vv"))
        self.assertIn("tcpdwell: level of detail", ours)
        self.assertNotIn("libbpf", ours)
        self.assertIn("tcpdwell: level of detail", both)
        self.assertIn("libbpf: ", both)


if __name__ == "__main__":
    support.main()
