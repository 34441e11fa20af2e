# SPDX-License-Identifier: BSD-2-Clause
"""tcpdwell record --lines connections: the same as from lines of transitions, of the same connections."""

import glob
import json
import os
import socket
import unittest

import support
from support import Live, run, scratch_file, wait_for

setUpModule = support.own_network


def connect_and_end(listener, count):
    """Half of them end with this side first; three are refused; one is reset. Gives three that stay open."""
    to = listener.getsockname()
    for number in range(count):
        ends = [socket.create_connection(to), listener.accept()[0]]
        first, second = ends if number % 2 else reversed(ends)
        first.close()
        second.recv(1)
        second.close()
    for _ in range(3):
        with socket.socket() as nobody:
            nobody.connect_ex(("127.0.0.1", 1))
    with socket.create_connection(to) as reset:
        accepted = listener.accept()[0]
        reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    accepted.close()
    return [[socket.create_connection(to), listener.accept()[0]] for _ in range(3)]


def lines(path, kind="connection"):
    with open(path) as file:
        whole = [line for line in file if line.endswith("\n")]  # the last one may be under way
    return [line for line in map(json.loads, whole) if line["type"] == kind]


def rows(*paths):
    report = json.loads(run("report", "--format", "json", *paths).out)
    table = {row["state"]: (row["count"], row["open"], row["at_least"], row["unknown"]) for row in report["rows"]}
    ends = sorted((end["reason"] or "", end["closer"], end["count"]) for end in report["ends"])
    return table, ends


@support.needs_root
class Connections(support.TestCase):
    def record_both(self, *options, path="connections.json", until=lambda: True):
        transitions = scratch_file("transitions.json")
        with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
            with Live("record", "-o", transitions) as told:
                with Live("record", "--lines", "connections", *options, "-o", scratch_file(path)) as live:
                    still_open = connect_and_end(listener, 20)
                    wait_for(until)
                    self.assertEqual(live.stop().status, 0)
                self.assertEqual(told.stop().status, 0)
            for ends in still_open:
                for end in ends:
                    end.close()
        return rows(transitions)

    def test_the_report_is_that_of_transitions(self):
        told = self.record_both()
        path = scratch_file("connections.json")
        self.assertEqual(rows(path), told)
        ended = [line for line in lines(path) if not line.get("open")]
        self.assertEqual(len(ended), len({line["conn"] for line in ended}), "one line a connection")
        self.assertEqual(lines(path, "header")[0]["lines"], "connections")
        self.assertEqual(lines(path, "transition"), [])
        for line in ended:
            self.assertEqual([stay["state"] for stay in line["stays"]] + ["CLOSE"], line["path"].split(">"))
            if all(stay["dwell"] == "exact" for stay in line["stays"]) and "life_ns" in line:
                self.assertEqual(sum(stay["dwell_ns"] for stay in line["stays"]), line["life_ns"])

    def test_what_is_open_is_told_more_than_once_and_counts_once(self):
        path = scratch_file("often.json")

        def established():
            return [line["conn"] for line in lines(path) if line.get("open") and line["state"] == "ESTABLISHED"]

        told = self.record_both("--flush", "300ms", path="often.json", until=lambda: len(established()) > 6)
        self.assertEqual(rows(path), told)
        seen = established()
        self.assertGreater(len(seen), len(set(seen)), "a line each time")
        self.assertEqual(len(set(seen)), 6)

    def test_whose_fin_came_just_now_is_told_in_time_wait(self):
        """By timers some of these FINs fire no event, and are found by a look for them."""
        path = scratch_file("now.json")
        with socket.create_server(("127.0.0.1", 0)) as listener:
            with Live("record", "--lines", "connections", "-o", path) as live:
                for _ in range(3000):
                    with socket.create_connection(listener.getsockname()) as client:
                        server = listener.accept()[0]
                    server.recv(1)
                    server.close()
                self.assertEqual(live.stop().status, 0)
        states = [line["state"] for line in lines(path) if line.get("open")]
        self.assertGreater(states.count("TIME_WAIT"), 1000)
        self.assertEqual(states.count("FIN_WAIT2"), 0)

    def test_rotated_files_together_are_the_whole(self):
        told = self.record_both("--rotate", "1s", path="rotated.json", until=lambda: len(glob.glob(scratch_file("rotated-*"))) > 2)
        files = sorted(glob.glob(scratch_file("rotated-*.json")))
        self.assertGreater(len(files), 2)
        self.assertEqual(rows(*files), told)

    def test_a_filter_of_states_is_about_the_whole_connection(self):
        self.record_both("--state", "close-wait", path="some.json")
        paths = [line["path"] for line in lines(scratch_file("some.json"))]
        self.assertEqual(len(paths), 20)
        self.assertTrue(all("CLOSE_WAIT" in path and "ESTABLISHED" in path for path in paths), paths)

    def test_words_that_mean_nothing(self):
        for options, said in (
            (["--lines", "words"], "--lines words: expected transitions or connections"),
            (["--flush", "1s"], "--flush needs --lines connections"),
            (["--lines", "connections", "--flush", "1ms"], "--flush 1ms: expected 100ms or more"),
        ):
            outcome = run("record", "-o", os.devnull, *options)
            self.assertEqual(outcome.status, 2)
            self.assertIn(said, outcome.err)


if __name__ == "__main__":
    unittest.main()
