# SPDX-License-Identifier: BSD-2-Clause
"""tcpdwell record in several files, and what is left of a recording that was killed."""

import glob
import gzip
import json
import os
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

    def test_bad_usage(self):
        for options in (("--rotate", "x"), ("--rotate", "0"), ("--rotate", "10ms"), ("--keep", "3")):
            self.assert_error(run("record", "-o", scratch_file("bad.json"), *options), 2, options[0])
        self.assert_error(run("record", "-o", "-", "--rotate", "1h"), 2, "--rotate")
        self.assert_error(run("record", "-o", "/none/such.json", "--rotate", "1h"), 1, "/none/such")


class Killed(support.TestCase):
    def test_kill_9_loses_a_second_at_most(self):
        for suffix in ("", ".gz", ".zst"):
            for rotate in ((), ("--rotate", "1h")):
                with self.subTest(suffix=suffix, rotate=rotate):
                    stem = f"killed{len(rotate)}{suffix.strip('.')}"
                    path = scratch_file(stem + ".json" + suffix)
                    with Live("record", "-o", path, *rotate) as live:
                        subprocess.run(peers("both", free_port(), "--count", 20), check=True)
                        time.sleep(1.3)
                        live.stop(signal.SIGKILL)
                    if rotate:
                        (path,) = parts(stem)
                        self.assertTrue(path.endswith(".part"), path)
                    outcome = run("report", path, "--format", "json")
                    self.assertEqual(outcome.status, 0, outcome)
                    self.assertRegex(outcome.err, "cut off")
                    counts = {row["state"]: row["count"] for row in json.loads(outcome.out)["rows"]}
                    self.assertEqual(counts["LAST_ACK"], 20)


if __name__ == "__main__":
    support.main()
