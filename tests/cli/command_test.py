# SPDX-License-Identifier: BSD-2-Clause
"""`-- COMMAND`: the connections of its process tree, and of nobody else."""

import json
import socket
import subprocess
import sys
import threading
import time

import support
from support import HERE, Trace, free_port, run, scratch_file, wait_for

setUpModule = support.own_network

# What each generation connects to is a port of its own. Each ends before the one it came from goes on.
TREE = """
import os, socket, sys, threading
own, child, grandchild, daemon, thread = map(int, sys.argv[1:])
def connect(port):
    socket.create_connection(("127.0.0.1", port)).close()
connect(own)
if os.fork() == 0:
    connect(child)
    if os.fork() == 0:
        connect(grandchild)
        os.execvp(sys.executable, [sys.executable, "-I", "-S", "-c", "import socket; socket.create_connection((\\"127.0.0.1\\", %d)).close()" % daemon])
    os.wait()
    os._exit(0)
os.wait()
threads = [threading.Thread(target=connect, args=[thread])]
[t.start() for t in threads]
[t.join() for t in threads]
"""

# Accepts one connection, says so, and waits for the end of its input.
SERVER = """
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
accepted, _ = server.accept()
accepted.recv(1)
"""


class Listener:
    """Accepts and closes whatever comes, in this process, which is not of the command."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                self.socket.accept()[0].close()
            except OSError:
                return


def remote_ports(trace):
    return {line["rport"] for line in trace.transitions if line["new"] == "SYN_SENT"}


class Command(support.TestCase):
    def setUp(self):
        self.listeners = [Listener() for _ in range(5)]
        self.ports = [one.port for one in self.listeners]
        self.elsewhere = Listener()

    def tearDown(self):
        for one in (*self.listeners, self.elsewhere):
            one.socket.shutdown(socket.SHUT_RDWR)
            one.socket.close()

    def tree(self):
        return [sys.executable, "-I", "-S", "-c", TREE, *map(str, self.ports)]

    def beside(self, *args):
        """Runs tcpdwell while this process connects all the time."""
        going_on = True

        def connect():
            while going_on:
                socket.create_connection(("127.0.0.1", self.elsewhere.port)).close()
                time.sleep(0.002)

        thread = threading.Thread(target=connect)
        thread.start()
        try:
            return run(*args)
        finally:
            going_on = False
            thread.join()

    def test_the_whole_tree_and_nobody_else(self):
        outcome = self.beside("trace", "--format", "json", *HERE, "--", *self.tree())
        self.assertEqual(outcome.status, 0, outcome.err)
        trace = Trace(outcome.out)
        self.assert_whole(trace)
        self.assertEqual(remote_ports(trace), set(self.ports))
        self.assertEqual({line["rport"] for line in trace.transitions}, set(self.ports), "the other ends are not of the command")
        self.assertEqual(trace.seeds, [])
        self.assertEqual(trace.header["filters"]["command"], sys.executable.rsplit("/", 1)[1])

    def test_record_and_stat_too(self):
        path = scratch_file("tree.json")
        for lines in ("transitions", "connections"):
            with self.subTest(lines=lines):
                outcome = self.beside("record", "-o", path, "--lines", lines, *HERE, "--", *self.tree())
                self.assertEqual(outcome.status, 0, outcome.err)
                trace = support.read_trace(path)
                found = trace.of_type("transition" if lines == "transitions" else "connection")
                self.assertEqual({line["rport"] for line in found}, set(self.ports))
        outcome = self.beside("stat", "--format", "json", *HERE, "--", *self.tree())
        rows = {row["state"]: row for row in json.loads(outcome.out)["rows"]}
        self.assertEqual(rows["SYN_SENT"]["count"], len(self.ports))
        self.assertNotIn("LISTEN", rows)

    def test_all_is_the_host(self):
        outcome = self.beside("trace", "--all", "--format", "json", *HERE, "--", *self.tree())
        trace = Trace(outcome.out)
        self.assertLessEqual({*self.ports, self.elsewhere.port}, remote_ports(trace))
        self.assertLessEqual({*self.ports}, {seed["lport"] for seed in trace.seeds})
        self.assertNotIn("command", trace.header["filters"])

    def test_what_its_servers_accept(self):
        port = free_port()

        def visit():
            def there():
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    return True
                except ConnectionRefusedError:
                    return False

            wait_for(there)

        visitor = threading.Thread(target=visit)
        visitor.start()
        outcome = run("trace", "--format", "json", *HERE, "--", sys.executable, "-I", "-S", "-c", SERVER, str(port))
        visitor.join()
        trace = Trace(outcome.out)
        self.assertEqual({line["lport"] for line in trace.transitions}, {port})
        passive = [chain for chain in trace.connections().values() if chain[0]["old"] == "LISTEN"]
        self.assertEqual(len(passive), 1, "the visitor's other end is not of the command")
        self.assertEqual(support.states(passive[0])[:3], ["LISTEN", "SYN_RECV", "ESTABLISHED"])

    def test_older_sockets_are_one_line_in_text(self):
        number = len(self.listeners)
        here = (*HERE, "-L", ",".join(map(str, self.ports)))
        outcome = run("trace", "--duration", "50ms", *here)
        self.assertEqual(outcome.out.split("\n")[1], f"{number} sockets existed before; --existing lists them")
        self.assertNotIn("LISTEN", outcome.out)
        listed = run("trace", "--existing", "--duration", "50ms", *here)
        self.assertNotIn("--existing", listed.out)
        self.assertEqual(listed.out.count("LISTEN"), number)
        quiet = run("trace", "-q", "--duration", "50ms", *here)
        self.assertEqual((quiet.out.count("LISTEN"), quiet.err), (0, ""))
        for form in ("json", "csv"):
            text = run("trace", "--format", form, "--duration", "50ms", *here, "-q").out
            self.assertEqual(text.count("LISTEN"), number, form)
        # The table of what is open has them all the same.
        self.assertRegex(outcome.err, rf"(?m)^LISTEN +0 +{number} ")

    def test_the_command_has_none_of_the_older_ones(self):
        outcome = run("trace", *HERE, "--", "true")
        self.assertEqual(outcome.status, 0)
        self.assertNotIn("existed before", outcome.out)


if __name__ == "__main__":
    support.main()
