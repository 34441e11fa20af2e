# SPDX-License-Identifier: BSD-2-Clause
"""tcpdwell record in several files, and what is left of a recording that was killed."""

import contextlib
import glob
import gzip
import json
import os
import re
import signal
import socket
import subprocess
import time

import support
from support import HERE, Live, Trace, free_port, peers, run, scratch, scratch_file

setUpModule = support.own_network


def parts(stem):
    return sorted(glob.glob(os.path.join(scratch(), stem + "-*")))


def read(path):
    if path.endswith(".zst"):
        return subprocess.run(["zstd", "-dcq", path], capture_output=True, check=True, encoding="utf-8").stdout
    with (gzip.open if ".gz" in path else open)(path, "rt", encoding="utf-8") as file:
        return file.read()


@support.needs("zstd")
class Rotate(support.TestCase):
    def record(self, path, *options, count=60):
        outcome = run("record", "-o", path, *HERE, *options, "-q", "--", *peers("both", free_port(), "--count", count))
        self.assertEqual((outcome.status, outcome.err, outcome.out), (0, "", ""))

    def test_by_size_each_part_is_a_trace_and_together_they_are_all(self):
        for suffix in ("", ".gz", ".zst"):
            with self.subTest(suffix=suffix):
                stem = "size" + suffix.strip(".")
                self.record(scratch_file(stem + ".json" + suffix), "--rotate", "4K" if suffix else "40K")
                files = parts(stem)
                self.assertGreater(len(files), 1)
                traces = [Trace(read(path)) for path in files]
                for path, trace in zip(files, traces):
                    self.assertRegex(path, stem + r"-\d{8}T\d{6}Z-\d{4}\.json" + suffix + "$")
                    self.assert_whole(trace)
                    self.assert_chains(trace)
                table = json.loads(run("report", *files, "--format", "json").out)
                counts = {row["state"]: row["count"] for row in table["rows"]}
                self.assertEqual(counts["LAST_ACK"], 60)
                self.assertEqual(sum(len(t.transitions) for t in traces), sum(t.end["transitions"] for t in traces))
                self.assertEqual([c["conn"] for c in table["stuck"]], [])

    def test_by_time_an_open_connection_is_in_every_part(self):
        path = scratch_file("time.json")
        with socket.socket() as listener, Live("record", "-o", path, "--rotate", "1s", "--keep", "1") as live:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            with socket.create_connection(listener.getsockname()):
                support.wait_for(lambda: any(f.endswith("-0002.json.part") for f in parts("time")))
                live.stop()
        (file,) = parts("time")
        seeds = [s for s in Trace(read(file)).seeds if s["state"] == "ESTABLISHED"]
        self.assertEqual({s["age"] for s in seeds}, {"exact"})
        self.assertEqual(len(seeds), 2)

    def test_each_part_says_who_waits_when_it_ends(self):
        path = scratch_file("waits.json")
        with socket.create_server(("127.0.0.1", 0)) as server, Live("record", "-o", path, "--rotate", "1s") as live:
            client = socket.create_connection(server.getsockname())
            kept, _ = server.accept()
            client.close()
            support.wait_for(lambda: any(f.endswith("-0003.json.part") for f in parts("waits")))
            live.stop()
            kept.close()
        files = parts("waits")
        self.assertEqual(len(files), 3)
        for file in files:
            lines = [json.loads(line) for line in read(file).splitlines()]
            waits = [line for line in lines if line["type"] == "socket" and line["state"] == "CLOSE_WAIT"]
            self.assertEqual([[holder["pid"] for holder in line["holders"]] for line in waits], [[os.getpid()]], file)
            self.assertEqual(lines[-1]["type"], "end")
        # Of the same connection, which waits in all of them, the last one counts.
        table = json.loads(run("report", *files, "--format", "json").out)
        self.assertEqual([c["state"] for c in table["stuck"]].count("CLOSE_WAIT"), 1)

    def test_bad_usage(self):
        for options in (("--rotate", "x"), ("--rotate", "0"), ("--rotate", "10ms"), ("--keep", "3")):
            self.assert_error(run("record", "-o", scratch_file("bad.json"), *options), 2, options[0])
        self.assert_error(run("record", "-o", "-", "--rotate", "1h"), 2, "--rotate")
        self.assert_error(run("record", "-o", "/none/such.json", "--rotate", "1h"), 1, "/none/such")


class Names(support.TestCase):
    """Files that are there already, with names like those to come."""

    def directory(self, name):
        path = scratch_file(name)
        os.mkdir(path)
        return path

    def record_parts(self, directory, least, *options):
        """Records in some files, `least` of them finished, and ends well; what it says."""
        made = set(os.listdir(directory))
        with Live("record", "-o", f"{directory}/t.json", "--rotate", "1s", *options) as live:
            numbers = lambda: [int(n[-9:-5]) for n in set(os.listdir(directory)) - made if n.endswith(".json")]
            support.wait_for(lambda: max(numbers(), default=0) >= least)
            outcome = live.stop()
        self.assertEqual(outcome.status, 0, outcome.err)
        return outcome.err

    def test_later_dates_cost_nothing_that_is_new(self):
        """A clock was ahead once: names from the future must not push out what is recorded now."""
        directory = self.directory("later")
        future = [f"t-2099010{day}T000000Z-0001.json" for day in (1, 2, 3)]
        for name in future:
            open(f"{directory}/{name}", "wb").close()
        said = self.record_parts(directory, 4, "--keep", "3")
        ours = sorted(set(os.listdir(directory)) - set(future))
        self.assertEqual(len(ours), 3, ours)
        numbers = [int(name[-9:-5]) for name in ours]
        self.assertEqual(numbers, list(range(numbers[-1] - 2, numbers[-1] + 1)))
        self.assertGreaterEqual(numbers[-1], 4)
        for name in ours:
            self.assert_whole(support.read_trace(f"{directory}/{name}"))
        self.assertEqual([name for name in future if not os.path.exists(f"{directory}/{name}")], [])
        self.assertEqual(said.count("--keep leaves 3 files"), 1, said)
        self.assertIn(future[0], said)

    def test_a_restart_removes_what_is_known_to_be_older(self):
        directory = self.directory("restart")
        self.record_parts(directory, 3)
        before = sorted(os.listdir(directory))
        later = f"{directory}/t-20990101T000000Z-0007.json"
        with open(f"{directory}/{before[0]}", encoding="utf-8") as file, open(later, "w", encoding="utf-8") as copy:
            copy.write(re.sub('"start":"[0-9]{4}', '"start":"2099', file.read(), count=1))
        notes = ["t-20010101T000000Z-0001.json", "t-20010102T000000Z-0001.json"]
        for name in notes:
            with open(f"{directory}/{name}", "w", encoding="ascii") as file:
                file.write("not a trace\n")
        os.mkfifo(f"{directory}/t-20010103T000000Z-0001.json")
        os.symlink(before[0], f"{directory}/t-20010104T000000Z-0001.json")
        said = self.record_parts(directory, 3, "--keep", "2")
        left = set(os.listdir(directory))
        self.assertEqual(left & set(before), set())
        self.assertEqual(left & set(notes), set(notes))
        self.assertTrue(os.path.exists(later))
        self.assertEqual(len(left), 2 + len(notes) + 3, left)
        self.assertIn("--keep leaves 5 files", said)

    def test_earlier_files_count(self):
        """They fill up what may stay, and the oldest goes first."""
        directory = self.directory("count")
        self.record_parts(directory, 2)
        before = sorted(os.listdir(directory))
        self.record_parts(directory, 1, "--keep", str(len(before)))
        left = sorted(os.listdir(directory))
        self.assertEqual(len(left), len(before))
        self.assertIn(before[-1], left)
        self.assertNotIn(before[0], left)

    def test_links_at_names_to_come_are_not_followed(self):
        """A directory of somebody else: its owner knows the next names, and has made links of them."""
        directory = self.directory("planted")
        os.chown(directory, support.NOBODY, support.NOBODY)
        victim = scratch_file("planted-victim", "precious")
        planted = []
        for second in range(int(time.time()), int(time.time()) + 60):
            stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
            planted += [f"t-{stamp}-{number:04}.json.part" for number in (1, 2, 3)] + [f"t-{stamp}-0004.json"]
        for name in planted:
            os.symlink(victim, f"{directory}/{name}")
            os.lchown(f"{directory}/{name}", support.NOBODY, support.NOBODY)
        self.record_parts(directory, 5)
        with open(victim, "rb") as file:
            self.assertEqual(file.read(), b"precious")
        ours = set(os.listdir(directory)) - set(planted)
        self.assertGreaterEqual(len(ours), 2)
        for name in ours:
            self.assert_whole(support.read_trace(f"{directory}/{name}"))
        self.assertEqual([name for name in planted if not os.path.islink(f"{directory}/{name}")], [])

    def test_the_directory_is_the_one_of_the_start(self):
        """Whoever may rename it could else have root write elsewhere."""
        directory, other = self.directory("start"), self.directory("elsewhere")
        with Live("record", "-o", f"{directory}/t.json", "--rotate", "1s") as live:
            os.rename(directory, directory + ".moved")
            os.symlink(other, directory)
            support.wait_for(lambda: any(name.endswith("-0002.json") for name in os.listdir(directory + ".moved")) or os.listdir(other))
            self.assertEqual(live.stop().status, 0)
        self.assertEqual(os.listdir(other), [])


class Killed(support.TestCase):
    @staticmethod
    def last_acks(outcome):
        """As the report has them; 0 where there is nothing to report of yet."""
        rows = json.loads(outcome.out)["rows"] if outcome.status == 0 else []
        return sum(row["count"] for row in rows if row["state"] == "LAST_ACK")

    def test_kill_9_loses_a_second_at_most(self):
        for suffix in ("", ".gz", ".zst"):
            for rotate in ((), ("--rotate", "1h")):
                with self.subTest(suffix=suffix, rotate=rotate):
                    stem = f"killed{len(rotate)}{suffix.strip('.')}"
                    path = scratch_file(stem + ".json" + suffix)
                    with Live("record", "-o", path, *rotate) as live:
                        if rotate:
                            (path,) = parts(stem)
                            self.assertTrue(path.endswith(".part"), path)
                        subprocess.run(peers("both", free_port(), "--count", 20), check=True)
                        ended = time.monotonic()
                        with contextlib.suppress(TimeoutError):
                            support.wait_for(lambda: self.last_acks(run("report", path, "--format", "json")) == 20)
                        # After a second; a machine with more to do than it can is a little late.
                        self.assertLess(time.monotonic() - ended, 5)
                        live.stop(signal.SIGKILL)
                    outcome = run("report", path, "--format", "json")
                    self.assertEqual(outcome.status, 0, outcome)
                    self.assertRegex(outcome.err, "cut off")
                    self.assertEqual(self.last_acks(outcome), 20)


if __name__ == "__main__":
    support.main()
