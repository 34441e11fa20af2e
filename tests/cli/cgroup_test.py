# SPDX-License-Identifier: BSD-2-Clause
"""The cgroup of a socket is the one it was made in: of old and new ones, of requests, of children and of
what is in TIME_WAIT, whoever has it now."""

import json
import subprocess
import sys

import cgroups
from support import HERE, Live, TestCase, Trace, main, needs_root, own_network, run

# Does what it is told on its standard input, a word a line, and says when it is done.
WORKER = r"""
import os, socket, sys

def answer(*words):
    print(*words, flush=True)

server = client = accepted = None
kept = []
for line in sys.stdin:
    word, *rest = line.split()
    if word == "listen":
        server = socket.create_server(("127.0.0.1", 0))
        if rest:
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, int(rest[0]))
        answer(server.getsockname()[1])
    elif word == "connect":
        client = socket.create_connection(("127.0.0.1", int(rest[0])))
        kept.append(client)
        answer(client.getsockname()[1])
    elif word == "accept":
        accepted, _ = server.accept()
        answer("ok")
    elif word == "close-client":
        client.close()
        answer("ok")
    elif word == "close-accepted":
        accepted.close()
        answer("ok")
    elif word == "move":
        with open(rest[0] + "/cgroup.procs", "w") as procs:
            procs.write(str(os.getpid()))
        answer("ok")
"""


def setUpModule():
    own_network()


class Worker:
    """A process that begins its life in a cgroup."""

    def __init__(self, group):
        self.process = subprocess.Popen(
            cgroups.within(group, [sys.executable, "-I", "-S", "-c", WORKER]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="ascii",
        )

    def do(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def stuck(*args):
    outcome = run("stuck", *HERE, "--format", "json", "-a", *args)
    assert outcome.status == 0, outcome
    return [json.loads(line) for line in outcome.out.splitlines()]


@needs_root
class CgroupTest(TestCase):
    def of_port(self, lines, port):
        found = [line for line in lines if port in (line["lport"], line["rport"])]
        self.assertTrue(found, port)
        return found

    def test_a_socket_keeps_the_cgroup_it_was_made_in(self):
        """Its process has moved when it closes, and is the owner with another cgroup."""
        with cgroups.cgroup() as before, cgroups.cgroup() as after, Worker(before) as worker:
            port = int(worker.do("listen"))
            with Live("trace", "--format", "json", "-q") as live:
                worker.do("connect", port)
                worker.do("accept")
                worker.do("move", after)
                worker.do("close-client")
                worker.do("close-accepted")
            trace = Trace(live.outcome.out)
            lines = [line for line in self.of_port(trace.transitions, port)]
            self.assertEqual({line["cgroup"] for line in lines}, {cgroups.inode(before)})
            with_other = [line for line in lines if "owner_cgroup" in line]
            # The accepted one was the listener's, of the time before; who closed it is in the other.
            self.assertEqual({line["owner_cgroup"] for line in with_other}, {cgroups.inode(after)})
            self.assertIn("LAST_ACK", {line["new"] for line in with_other})
            for line in with_other:
                self.assertEqual(line["socket_cgroup"], line["cgroup"])

    def test_filter_and_table_are_of_the_sockets_cgroup(self):
        with cgroups.cgroup() as before, cgroups.cgroup() as after, Worker(before) as worker:
            port = int(worker.do("listen"))
            worker.do("move", after)
            with Live("trace", "--format", "json", "-q", "--cgroup", before) as of_before, Live(
                "trace", "--format", "json", "-q", "--cgroup", after
            ) as of_after, Live("stat", "--by", "cgroup", "--format", "json") as stat:
                client = int(worker.do("connect", port))
                worker.do("accept")
                worker.do("close-client")
                worker.do("close-accepted")
            ports = [
                {line["lport"] for line in Trace(live.outcome.out).transitions} & {port, client}
                for live in (of_before, of_after)
            ]
            self.assertEqual(ports, [{port}, {client}])
            table = json.loads(stat.outcome.out.splitlines()[-1])
            groups = {row["cgroup"] for row in table["rows"]}
            self.assertLessEqual({cgroups.inode(before), cgroups.inode(after)}, groups)

    def test_older_sockets(self):
        with cgroups.cgroup() as group, cgroups.cgroup() as other, Worker(group) as worker:
            port = int(worker.do("listen"))
            worker.do("connect", port)
            worker.do("accept")
            worker.do("move", other)
            inode = cgroups.inode(group)
            with Live("trace", "--format", "json", "-q") as live:
                worker.do("close-client")
                worker.do("close-accepted")
            trace = Trace(live.outcome.out)
            seeds = self.of_port(trace.seeds, port)
            self.assertEqual({seed["cgroup"] for seed in seeds}, {inode})
            self.assertEqual({seed["owner_cgroup"] for seed in seeds}, {cgroups.inode(other)})
            lines = self.of_port(trace.transitions, port)
            self.assertEqual({line["cgroup"] for line in lines}, {inode})
            self.assertIn("TIME_WAIT", {line["new"] for line in lines})
            # An old time-wait socket has none any more: not known, and not somebody else's.
            listed = self.of_port(stuck(), port)
            self.assertEqual({(one["state"], one["cgroup"]) for one in listed},
                             {("LISTEN", inode), ("TIME_WAIT", 0)})

    def test_listed_by_the_cgroup(self):
        with cgroups.cgroup() as group, cgroups.cgroup(group) as child, cgroups.cgroup() as other:
            with Worker(child) as worker, Worker(other) as another:
                ports = [int(one.do("listen")) for one in (worker, another)]
                for one, port in zip((worker, another), ports):
                    one.do("connect", port)
                    one.do("accept")
                self.assertEqual({one["cgroup"] for one in stuck("--cgroup", group)}, {cgroups.inode(child)})
                self.assertEqual(len(stuck("--cgroup", group)), 3)
                self.assertEqual(len(stuck("--cgroup", child)), 3)
                self.assertEqual(len(stuck("--state", "listen,established")), 6)

    def test_a_request_has_its_listeners(self):
        with cgroups.cgroup() as group, cgroups.cgroup() as other:
            with Worker(group) as server, Worker(other) as client:
                port = int(server.do("listen", 5))
                with Live("record", "-o", "-", "-q") as live:
                    rport = int(client.do("connect", port))
                    [request] = stuck("--state", "syn-recv")
                    self.assertEqual((request["lport"], request["rport"]), (port, rport))
                    self.assertEqual(request["cgroup"], cgroups.inode(group))
                    server.process.kill()  # the request has no listener any more, and ends
                    server.process.wait()
                lines = [line for line in Trace(live.outcome.out).transitions if line["lport"] == port]
                self.assertEqual({line["cgroup"] for line in lines}, {cgroups.inode(group)})


if __name__ == "__main__":
    main()
