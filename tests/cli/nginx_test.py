# SPDX-License-Identifier: BSD-2-Clause
"""A real web server under load, a connection for each request: nothing lost, nobody misnamed."""

import collections
import json
import os
import socket
import subprocess

import support
from support import Live, free_port, scratch, scratch_file, is_complete, states

setUpModule = support.own_network

CONFIGURATION = """
daemon off;
user root;
worker_processes 2;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  keepalive_timeout 0;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  server {{ listen 127.0.0.1:{port}; location / {{ return 200 "hello\\n"; }} }}
}}
"""


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@support.needs("nginx", "wrk")
class Nginx(support.TestCase):
    @classmethod
    def setUpClass(cls):
        """Traces nginx from its start to its end, with wrk on it in between."""
        cls.port = free_port()
        cls.path = scratch_file("nginx.json")
        with Live("record", "-o", cls.path, "-q") as live:
            cls.wrk = cls.load()
        assert live.outcome.status == 0, live.outcome
        cls.lines = 0
        cls.chains = collections.defaultdict(list)
        with open(cls.path, encoding="utf-8") as file:
            for cls.lines, text in enumerate(file, 1):
                line = json.loads(text)
                if line["type"] == "transition":
                    cls.chains[line["conn"]].append(line)
        cls.end = line

    @classmethod
    def load(cls):
        config = scratch_file(
            "nginx.conf", CONFIGURATION.format(directory=scratch(), port=cls.port)
        )
        nginx = subprocess.Popen(
            ["nginx", "-c", config, "-p", scratch(), "-e", scratch_file("error.log")],
            stdin=subprocess.DEVNULL,
        )
        try:
            support.wait_for(lambda: answers(cls.port) or nginx.poll() is not None)
            return subprocess.run(
                [
                    "wrk",
                    "-t1",
                    "-c2",
                    "-d3s",
                    "-H",
                    "Connection: close",
                    f"http://127.0.0.1:{cls.port}/",
                ],
                capture_output=True,
                encoding="utf-8",
                check=True,
                timeout=support.TIMEOUT,
            ).stdout
        finally:
            nginx.terminate()
            nginx.wait(support.TIMEOUT)

    def opened(self, new):
        """The chains that begin so: with SYN_SENT for clients, SYN_RECV for servers."""
        return [chain for chain in self.chains.values() if chain[0]["new"] == new]

    def test_nothing_is_lost(self):
        self.assertEqual(self.end["type"], "end")
        self.assert_nothing_lost(self.end["lost"])
        self.assertEqual(self.end["connections"], len(self.chains))
        self.assertEqual(self.end["transitions"], sum(map(len, self.chains.values())))

    def test_there_are_as_many_connections_as_requests(self):
        requests = int(
            next(line.split()[0] for line in self.wrk.split("\n") if " requests in " in line)
        )
        self.assertGreater(requests, 100)
        # wrk breaks off what is under way at the end; the probes for the server's start are ours.
        clients = [chain for chain in self.opened("SYN_SENT") if chain[0]["comm"] == "wrk"]
        self.assertLessEqual(requests, len(clients))
        self.assertLessEqual(len(clients), requests + 10)
        self.assertLessEqual(requests, len(self.opened("SYN_RECV")))

    def test_each_chain_holds_together(self):
        for conn, chain in self.chains.items():
            for before, line in zip(chain, chain[1:]):
                self.assertEqual(
                    (before["new"], line.get("gap")),
                    (line["old"], None),
                    f"{conn}: {states(chain)}",
                )

    def test_each_that_was_closed_is_whole(self):
        closed = [
            chain
            for chain in self.opened("SYN_SENT") + self.opened("SYN_RECV")
            if chain[-1]["new"] == "CLOSE"
        ]
        for chain in closed:
            self.assertTrue(is_complete(chain), states(chain))
            self.assertNotIn("CLOSE", states(chain)[1:-1])
        # What is not closed by the end waits for a timer.
        waiting = collections.Counter(
            chain[-1]["new"] for chain in self.chains.values() if chain[-1]["new"] != "CLOSE"
        )
        self.assertLessEqual(set(waiting), {"TIME_WAIT", "FIN_WAIT2"}, waiting)

    def test_the_sockets_of_nginx_are_named_nginx(self):
        names = collections.Counter(
            line["comm"]
            for chain in self.chains.values()
            for line in chain
            if line["lport"] == self.port
        )
        self.assertEqual(set(names), {"nginx"}, names)

    def test_those_of_wrk_are_named_wrk(self):
        ours = os.getpid()  # which asked whether nginx is there
        names = collections.Counter(
            line["comm"]
            for chain in self.chains.values()
            for line in chain
            if line["rport"] == self.port and line["pid"] != ours
        )
        self.assertEqual(set(names), {"wrk"}, names)

    def test_the_table_adds_up(self):
        rows = {
            row["state"]: row
            for row in json.loads(support.run("report", self.path, "--format", "json").out)["rows"]
        }
        both = len(self.opened("SYN_SENT")) + len(self.opened("SYN_RECV"))
        left = collections.Counter(
            line["old"] for chain in self.chains.values() for line in chain[1:]
        )
        for state in ("SYN_SENT", "SYN_RECV", "ESTABLISHED", "CLOSE_WAIT", "LAST_ACK"):
            self.assertEqual(rows[state]["count"], left[state], state)
        self.assertLessEqual(rows["ESTABLISHED"]["count"], both)
        self.assertEqual(sum(row["count"] for row in rows.values()), sum(left.values()))


if __name__ == "__main__":
    support.main()
