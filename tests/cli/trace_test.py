# SPDX-License-Identifier: BSD-2-Clause
"""tcpdwell trace: what it prints in each format, and how the lines of a connection chain."""

import csv
import io
import os
import re
import socket
import subprocess
import sys
import time

import support
from support import HERE, Live, Trace, free_port, is_complete, peers, run, scratch_file, states

setUpModule = support.own_network

STATES = {
    "CLOSE",
    "LISTEN",
    "SYN_SENT",
    "SYN_RECV",
    "ESTABLISHED",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "CLOSE_WAIT",
    "CLOSING",
    "LAST_ACK",
    "TIME_WAIT",
    "UNKNOWN",
}
RFC3339 = r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z\Z"


class Formats(support.TestCase):
    def test_without_a_command_word_it_traces(self):
        outcome = run(*HERE, "--format", "json", "--", *peers("both", free_port()))
        self.assertEqual(outcome.status, 0, outcome.err)
        trace = Trace(outcome.out)
        self.assert_whole(trace)
        self.assertTrue(trace.transitions)

    def test_text_has_a_line_for_each_transition_and_a_table(self):
        port = free_port()
        outcome = run("trace", *HERE, "--", *peers("both", port))
        self.assertEqual(outcome.status, 0, outcome.err)
        heading, *lines = outcome.out.removesuffix("\n").split("\n")
        self.assertEqual(heading.split()[:4], ["PID", "COMM", "LOCAL", "REMOTE"])
        self.assertTrue(
            any(
                re.search(rf"\bserver +127\.0\.0\.1:{port} .* CLOSE_WAIT +-> LAST_ACK ", line)
                for line in lines
            ),
            outcome.out,
        )
        self.assertTrue(
            any(
                re.search(rf"\bclient .* 127\.0\.0\.1:{port} .* SYN_SENT +-> ESTABLISHED ", line)
                for line in lines
            ),
            outcome.out,
        )
        self.assertRegex(outcome.err, r"(?m)^LAST_ACK +1 ")

    def test_wide_and_time_add_columns(self):
        outcome = run("trace", *HERE, "-w", "-T", "-q", "--", *peers("both", free_port()))
        heading, *lines = outcome.out.removesuffix("\n").split("\n")
        for word in ("TIME", "OWNER", "CONN", "NETNS", "CGROUP"):
            self.assertIn(word, heading.split())
        for line in lines:
            self.assertRegex(line, r"\A\d\d:\d\d:\d\d\.\d{3} ")
        self.assertIn("closer remote", outcome.out)
        self.assertEqual(outcome.err, "", "--quiet leaves the table out")

    def test_json_has_the_fields_of_the_contract(self):
        outcome = run("trace", *HERE, "--format", "json", "--", *peers("both", free_port()))
        trace = Trace(outcome.out)
        header = trace.header
        self.assertEqual(
            (header["type"], header["schema"], header["tool"], header["clock"]),
            ("header", 1, "tcpdwell", "monotonic"),
        )
        self.assertRegex(header["start"], RFC3339)
        self.assertIn(header["minisockets"], ("fentry", "timer", "off"))
        self.assertEqual(header["kernel"], os.uname().release)
        self.assertEqual(
            header["filters"],
            {"netns": os.stat("/proc/self/ns/net").st_ino, "command": os.path.basename(sys.executable)},
        )
        for line in trace.transitions:
            self.check_transition(line)
        self.assert_whole(trace)

    def check_transition(self, line):
        self.assertRegex(line["ts"], RFC3339)
        self.assertRegex(line["conn"], r"\A[0-9a-f]+(\.\d+)?\Z")
        self.assertEqual(line["netns"], os.stat("/proc/self/ns/net").st_ino)
        self.assertLessEqual({line["old"], line["new"]}, STATES)
        self.assertIn(line["owner"], ("connect", "accept", "listen", "close", "seed", "none"))
        for field in ("mono_ns", "family", "lport", "rport", "cgroup"):
            self.assertIsInstance(line[field], int, field)
        for field in ("laddr", "raddr", "comm"):
            self.assertIsInstance(line[field], str, field)
        if line["dwell"] == "unknown":
            self.assertIsNone(line["dwell_ns"])
        else:
            self.assertIn(line["dwell"], ("exact", "at_least"))
            self.assertGreaterEqual(line["dwell_ns"], 0)

    def test_csv_has_the_same_columns_in_each_line(self):
        port = free_port()
        outcome = run("trace", *HERE, "--format", "csv", "-q", "--", *peers("both", port))
        rows = list(csv.DictReader(io.StringIO(outcome.out), strict=True))
        self.assertTrue(rows)
        for row in rows:
            self.assertNotIn(None, row, "more fields than columns")
            self.assertNotIn(None, row.values(), "fewer fields than columns")
        [listening] = [row for row in rows if row["new"] == "LISTEN"]
        self.assertEqual((listening["lport"], listening["comm"]), (str(port), "server"))

    def test_output_goes_to_a_file(self):
        path = scratch_file("out.json")
        outcome = run(
            "trace", *HERE, "--format", "json", "-o", path, "-q", "--", *peers("both", free_port())
        )
        self.assertEqual((outcome.status, outcome.out, outcome.err), (0, "", ""))
        self.assert_whole(support.read_trace(path))


class Chains(support.TestCase):
    """Who and what, for a client and a server of which one or both start with the trace."""

    def sides(self, trace, port):
        """The only client's connection and the only server's."""
        self.assert_whole(trace)
        self.assert_chains(trace)
        chains = trace.connections().values()
        [client] = [chain for chain in chains if chain[-1]["rport"] == port]
        [server] = [
            chain for chain in chains if chain[-1]["lport"] == port and chain[-1]["rport"] != 0
        ]
        return client, server

    def assert_owner(self, chain, pid, comm):
        for line in chain:
            self.assertEqual(
                (line["pid"], line["comm"]), (pid, comm), f"{line['old']} -> {line['new']}"
            )

    def check_client(self, chain, pid, comm):
        self.assert_owner(chain, pid, comm)
        self.assertEqual(states(chain)[:3], ["CLOSE", "SYN_SENT", "ESTABLISHED"])

    def trace_both(self, *options):
        """A trace of a client and a server that start after it, in processes of their own."""
        port = free_port()
        with Live("trace", "--format", "json") as live:
            with subprocess.Popen(peers("server", port, *options)) as server:
                support.wait_for(lambda: self.listens(port))
                with subprocess.Popen(peers("client", port, *options)) as client:
                    pass
        trace = Trace(live.outcome.out)
        return (*self.sides(trace, port), client.pid, server.pid)

    @staticmethod
    def listens(port):
        with open("/proc/self/net/tcp") as v4, open("/proc/self/net/tcp6") as v6:
            return f":{port:04X} 0" in v4.read() + v6.read()

    def test_both_sides_are_named_and_whole_when_the_server_closes_first(self):
        client, server, client_pid, server_pid = self.trace_both(
            "--closer", "server", "--linger", "0.05"
        )
        self.check_client(client, client_pid, "client")
        self.assertEqual(
            states(client), ["CLOSE", "SYN_SENT", "ESTABLISHED", "CLOSE_WAIT", "LAST_ACK", "CLOSE"]
        )
        self.assertGreaterEqual(client[3]["dwell_ns"], 50_000_000)
        self.assertEqual(client[-1]["closer"], "remote")
        self.assert_owner(server, server_pid, "server")
        self.assertEqual(
            states(server)[:5], ["LISTEN", "SYN_RECV", "ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2"]
        )

    def test_both_sides_are_named_and_whole_when_the_client_closes_first(self):
        for family in ("4", "6", "mapped"):
            with self.subTest(family=family):
                client, server, client_pid, server_pid = self.trace_both("--family", family)
                self.check_client(client, client_pid, "client")
                self.assertEqual(states(client)[3:5], ["FIN_WAIT1", "FIN_WAIT2"])
                self.assert_owner(server, server_pid, "server")
                self.assertEqual(
                    states(server),
                    ["LISTEN", "SYN_RECV", "ESTABLISHED", "CLOSE_WAIT", "LAST_ACK", "CLOSE"],
                )
                self.assertEqual(
                    server[-1]["path"].split(">")[-4:],
                    ["ESTABLISHED", "CLOSE_WAIT", "LAST_ACK", "CLOSE"],
                )
                address = {"4": "127.0.0.1", "6": "::1", "mapped": "::ffff:127.0.0.1"}[family]
                for line in client + server:
                    self.assertEqual(line["family"], 4 if family == "4" else 6)
                    self.assertEqual(line["raddr"], address)

    def test_a_server_from_before_the_trace_is_never_taken_for_another(self):
        port = free_port()
        with subprocess.Popen(peers("server", port)) as server:
            support.wait_for(lambda: self.listens(port))
            outcome = run("trace", "--all", *HERE, "--format", "json", "--", *peers("client", port))
        trace = Trace(outcome.out)
        client, server_side = self.sides(trace, port)
        self.assertEqual({line["comm"] for line in client}, {"client"})
        self.check_client(client, client[0]["pid"], "client")
        self.assertTrue(is_complete(server_side), states(server_side))
        for line in server_side:  # the owner of an old listener may be unknown, not wrong
            if line["owner"] == "none":
                self.assertEqual((line["pid"], line["comm"]), (None, ""))
            else:
                self.assertEqual((line["pid"], line["comm"]), (server.pid, "server"))

    def test_what_was_there_before_starts_with_a_seed(self):
        began = time.monotonic_ns()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            client = socket.create_connection(("127.0.0.1", port))
            server, _ = listener.accept()
            with Live("trace", "--format", "json") as live:
                client.close()
                server.recv(1)
                server.close()
        trace = Trace(live.outcome.out)
        self.assert_whole(trace)
        self.assert_chains(trace)
        seeds = {(seed["state"], seed["lport"]): seed for seed in trace.seeds}
        ours = [seeds.pop(key, None) for key in (("LISTEN", port), ("ESTABLISHED", port))]
        ours += [seed for (_, lport), seed in seeds.items() if seed["rport"] == port]
        self.assertEqual(len(ours), 3)
        for seed in ours:
            self.assertEqual((seed["pid"], seed["owner"]), (os.getpid(), "seed"))
            self.assertLess(seed["age_ns"] or 0, seed["mono_ns"] - began, "older than it can be")
        for conn in (ours[1]["conn"], ours[2]["conn"]):
            first = trace.connections()[conn][0]
            self.assertNotEqual(first["dwell"], "exact", "nobody saw it become ESTABLISHED")
            self.assertLess(first["dwell_ns"] or 0, first["mono_ns"] - began)

    @support.needs("curl")
    def test_curl_and_a_web_server(self):
        port, pid_file = free_port(), scratch_file("curl.pid")
        server = subprocess.Popen(
            [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)],
            cwd=support.scratch(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            support.wait_for(lambda: self.listens(port))
            outcome = run(
                "trace",
                "--all",
                *HERE,
                "--format",
                "json",
                "--",
                "sh",
                "-c",
                f"echo $$ > {pid_file}; exec curl -s -o {os.devnull} http://127.0.0.1:{port}/",
            )
        finally:
            server.terminate()
            server.wait()
        self.assertEqual(outcome.status, 0, outcome.err)
        client, server_side = self.sides(Trace(outcome.out), port)
        with open(pid_file) as file:
            self.check_client(client, int(file.read()), "curl")
        self.assertEqual(states(server_side)[:3], ["LISTEN", "SYN_RECV", "ESTABLISHED"])

    def test_twenty_connections_are_twenty_chains(self):
        outcome = run(
            "trace", *HERE, "--format", "json", "--", *peers("both", free_port(), "--count", 20)
        )
        trace = Trace(outcome.out)
        self.assert_whole(trace)
        self.assert_chains(trace)
        chains = trace.connections().values()
        self.assertEqual(len([chain for chain in chains if chain[0]["new"] == "SYN_SENT"]), 20)
        servers = [chain for chain in chains if chain[0]["new"] == "SYN_RECV"]
        self.assertEqual(len(servers), 20)
        for chain in servers:
            self.assertTrue(is_complete(chain), states(chain))


class Room(support.TestCase):
    """Twenty time-wait sockets at once, and no two request sockets."""

    def trace(self, *options):
        return run("trace", *options, *HERE, "--", *peers("both", free_port(), "--count", 20))

    def test_time_wait_sockets_that_find_no_room_are_counted(self):
        trace = Trace(self.trace("--format", "json", "--max-time-wait", 1).out)
        lost = trace.end["lost"]
        self.assertGreater(lost.pop("map"), 0)
        self.assertEqual(set(lost.values()), {0})
        self.assertEqual({line["where"] for line in trace.of_type("loss")}, {"map"})
        self.assertRegex(self.trace("--max-time-wait", 1).out, r"(?m)^lost \d+ .*--max-time-wait")

    def test_where_there_is_room_none_is(self):
        for flag, count in (("--max-time-wait", 10_000), ("--max-requests", 1)):
            with self.subTest(flag=flag):
                self.assert_whole(Trace(self.trace("--format", "json", flag, count).out))


if __name__ == "__main__":
    support.main()
