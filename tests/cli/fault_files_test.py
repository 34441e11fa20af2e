# SPDX-License-Identifier: BSD-2-Clause
"""Files and pipes that fail while they are written: what is lost, and what is said."""

import contextlib
import fcntl
import glob
import gzip
import os
import resource
import struct
import subprocess

import faults
import support
from faults import checked, found, libc
from support import HERE, Live, Trace, free_port, peers, run, scratch_file, shell, wait_for

MS_RDONLY, MS_REMOUNT, MNT_DETACH = 1, 32, 2
FS_IOC_SETFLAGS, FS_IMMUTABLE_FL = 0x40086602, 0x10
setUpModule = faults.own_mounts


@contextlib.contextmanager
def small_disk(name, size):
    """A file system of its own, of `size` bytes."""
    path = scratch_file(name)
    os.mkdir(path)
    checked(libc.mount(b"tmpfs", path.encode(), b"tmpfs", 0, f"size={size}".encode()), "mount")
    try:
        yield path
    finally:
        libc.umount2(path.encode(), MNT_DETACH)


def remount_read_only(path):
    checked(libc.mount(b"none", path.encode(), None, MS_REMOUNT | MS_RDONLY, b""), "remount")


def set_flags(directory, flags):
    """As chattr does."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, FS_IOC_SETFLAGS, struct.pack("l", flags))
    finally:
        os.close(fd)


def read(path):
    with (gzip.open if ".gz" in path else open)(path, "rt", encoding="utf-8") as file:
        return file.read()


class FreshNetwork(support.TestCase):
    def setUp(self):
        # Time-wait sockets of another test would be seeds that fill a small disk.
        support.own_network()


class Disks(FreshNetwork):
    def test_full(self):
        """What was written before the disk was full is a trace, cut off; the rest is lost, and said."""
        for suffix, count in (("", 300), (".gz", 2500), (".zst", 2500)):
            with faults.at(suffix=suffix), small_disk("full" + suffix, 128 << 10) as disk:
                path = f"{disk}/trace.json{suffix}"
                # What the command says when it is ended in the middle is its own.
                quiet = ("sh", "-c", 'exec "$@" 2>/dev/null', "sh")
                outcome = run("record", "-o", path, *HERE, "-q", "--", *quiet, *peers("both", free_port(), "--count", count))
                self.assert_error(outcome, 1, path, "No space left on device")
                report = run("report", path)
                self.assertEqual(report.status, 0, report.err)
                self.assertIn("cut off", report.err)
                self.assertIn("LAST_ACK", report.out)
        found(
            "disk full",
            "tmpfs of 128 KiB, record to .json, .json.gz, .json.zst",
            "what came after the disk was full; the file is a trace that was cut off",
            "exit 1: `cannot write to FILE: No space left on device`",
            3,
        )

    def test_full_while_rotating(self):
        """The files that were finished are whole."""
        with small_disk("rotating", 1 << 20) as disk:  # what one look at the ring brings is not divided
            outcome = run(
                *("record", "-o", f"{disk}/t.json", "--rotate", "40K", *HERE, "-q", "--"),
                *peers("both", free_port(), "--count", 800),
            )
            self.assert_error(outcome, 1, disk, "No space left on device")
            whole = [name for name in sorted(os.listdir(disk)) if not name.endswith(".part")]
            self.assertGreaterEqual(len(whole), 1)
            for name in whole:
                self.assert_whole(support.read_trace(f"{disk}/{name}"))
        found(
            "disk full while rotating",
            "tmpfs of 1 MiB, record --rotate 40K",
            f"what came after; {len(whole)} finished files are whole, the last is a `.part`",
            "exit 1, as above",
        )

    def test_largest_file(self):
        """RLIMIT_FSIZE: its signal, SIGXFSZ, would end it without a word."""
        limit = 96 << 10  # what the second run finds in TIME_WAIT takes a third of it
        for options in ((), ("--rotate", "1h")):
            with faults.at(options=options):
                path = scratch_file(f"limited{len(options)}.json")
                outcome = run("record", "-o", path, *options, *HERE, "-q", "--", *peers("both", free_port(), "--count", 100),
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
                self.assert_error(outcome, 1, path.removesuffix(".json"), "File too large")
                [made] = glob.glob(path.removesuffix(".json") + "*")
                self.assertEqual(os.path.getsize(made), limit)
                report = run("report", made)
                self.assertEqual(report.status, 0, report.err)
                self.assertIn("LAST_ACK", report.out)
        found(
            "file of the largest size allowed (RLIMIT_FSIZE)",
            "96 KiB, record and record --rotate",
            "what came after; the file is a trace that was cut off",
            "exit 1: `cannot write to FILE: File too large`",
            2,
        )

    def test_read_only(self):
        with small_disk("read-only", 1 << 20) as disk:
            with Live("record", "-o", f"{disk}/t.json", "--rotate", "1s", "-q") as live:
                subprocess.run(peers("both", free_port()), check=True)
                wait_for(lambda: len(os.listdir(disk)) > 1)
                # The file under way keeps the file system writable: its directory alone is not.
                set_flags(disk, FS_IMMUTABLE_FL)
                outcome = live.end()
                set_flags(disk, 0)
            self.assertEqual(outcome.status, 1, outcome.err)
            self.assertRegex(outcome.err, rf"(?m)^tcpdwell: cannot rename {disk}/[^\n]*: Operation not permitted$")
            remount_read_only(disk)
            self.assert_error(run("record", "-o", f"{disk}/u.json", *HERE), 1, disk, "Read-only file system")
            finished = [name for name in os.listdir(disk) if not name.endswith(".part")]
            self.assertGreaterEqual(len(finished), 1)
            for name in finished:
                self.assert_whole(support.read_trace(f"{disk}/{name}"))
        found(
            "read-only directory",
            "from the start; and in the middle of record --rotate (an immutable directory)",
            "nothing of the finished files; nothing is traced where no file can be made",
            "exit 1: `cannot create FILE: Read-only file system`, `cannot rename FILE: Operation not permitted`",
            2,
        )


class Names(FreshNetwork):
    """The file is taken away, or gets another name, while it is written."""

    def record(self, path, meanwhile, *options):
        with Live("record", "-o", path, *options, "-q") as live:
            subprocess.run(peers("both", free_port()), check=True)
            meanwhile()
            subprocess.run(peers("both", free_port()), check=True)
            return live.stop()

    def test_deleted(self):
        """Nobody will read what goes to a file without a name: a run that ends well must not hide that."""
        for suffix in ("", ".zst"):
            with faults.at(suffix=suffix):
                path = scratch_file("deleted.json" + suffix)
                outcome = self.record(path, lambda: os.unlink(path))
                self.assertEqual(outcome.status, 1, outcome.err)
                self.assertRegex(outcome.err, rf"(?m)^tcpdwell: {path}: [^\n]*deleted[^\n]*$")
        found("file deleted underneath", "rm while record writes it", "all of it",
              "exit 1: `FILE: deleted while it was written; what it held is lost`", 2)

    def test_moved(self):
        path, moved = scratch_file("moved.json"), scratch_file("moved.json.1")
        outcome = self.record(path, lambda: os.rename(path, moved))
        self.assertEqual(outcome.status, 0, outcome.err)
        self.assertFalse(os.path.exists(path))
        trace = support.read_trace(moved)
        self.assert_whole(trace)
        self.assertEqual(len([t for t in trace.transitions if t["old"] == "LAST_ACK"]), 2)
        found("file rotated underneath", "mv FILE FILE.1, as logrotate does", "nothing: FILE.1 goes on to its end",
              "nothing; to have several files use --rotate")

    def test_truncated(self):
        """As logrotate's copytruncate does: no hole is left, and report says that the beginning is missing."""
        path = scratch_file("truncated.json")
        outcome = self.record(path, lambda: (wait_for(lambda: "LAST_ACK" in read(path)), os.truncate(path, 0)))
        self.assertEqual(outcome.status, 0, outcome.err)
        with open(path, "rb") as file:
            content = file.read()
        self.assertEqual(content.count(b"\0"), 0)
        report = run("report", path)
        self.assertIn(report.status, (0, 2), report.err)
        self.assertIn("header", report.err)
        found("file truncated underneath", "truncate to 0 bytes, as logrotate's copytruncate does",
              "what was in it (copytruncate has a copy); the rest follows without a hole",
              f"report: `{report.err.strip().split(': ', 2)[-1]}`")

    def test_a_finished_part_is_nobodys_business(self):
        """What is done with the files that are whole disturbs nothing."""
        directory = scratch_file("done")
        os.mkdir(directory)
        with Live("record", "-o", f"{directory}/t.json", "--rotate", "1s", "-q") as live:
            wait_for(lambda: any(not name.endswith(".part") for name in os.listdir(directory)))
            for name in os.listdir(directory):
                if not name.endswith(".part"):
                    os.unlink(f"{directory}/{name}")
            self.assertEqual(live.stop().status, 0)

    def test_a_part_is_taken_away(self):
        directory = scratch_file("parts")
        os.mkdir(directory)
        outcome = self.record(
            f"{directory}/t.json", lambda: [os.unlink(f"{directory}/{n}") for n in os.listdir(directory)], "--rotate", "1h"
        )
        self.assertEqual(outcome.status, 1, outcome.err)
        self.assertIn("deleted while it was written", outcome.err)


class TwoWriters(FreshNetwork):
    def test_one_file(self):
        path = scratch_file("two.json")
        with Live("record", "-o", path, "-q") as live:
            subprocess.run(peers("both", free_port()), check=True)
            self.assert_error(run("record", "-o", path, *HERE, "--duration", "100ms"), 1, path, f"process {live.process.pid}")
            self.assertEqual(live.stop().status, 0)
        self.assert_whole(support.read_trace(path))
        found("two writers of one file", "record -o FILE while another record writes it", "nothing of the first; the second does not begin",
              "exit 1: `cannot write to FILE: process PID is writing it`")


class StandardOutput(FreshNetwork):
    def test_closed(self):
        for command in ("trace", "trace --format json", "trace --format csv", "stat", "record -o -"):
            with faults.at(command=command):
                outcome = shell(f'"$0" {command} --duration 200ms "$@" >&-', *HERE)
                self.assert_error(outcome, 1, "Bad file descriptor")
                interval = " 50ms" if command == "stat" else ""
                outcome = shell(f'"$0" {command}{interval} "$@" 2>&1 | head -1 >&2; echo ${{PIPESTATUS[0]}}', *HERE)
                self.assertEqual(outcome.out, "0\n", outcome.err)
        found("standard output closed", "from the start; by a reader that leaves in the middle",
              "what nobody reads", "exit 1: `Bad file descriptor`; a reader that leaves ends the run, exit 0", 10)


if __name__ == "__main__":
    support.main()
