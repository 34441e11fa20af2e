# SPDX-License-Identifier: BSD-2-Clause
"""The id of a connection that died as a request: the kernel's number if anybody asked for it, else one of our own
that tells nothing."""

import contextlib
import re
import socket
import struct
import subprocess
import unittest

import support
from support import Live, Trace, free_port, needs, wait_for

OWN, NESTED = 1 << 63, 1 << 62


@contextlib.contextmanager
def requests(count, port):
    """Requests whose handshake is over for the clients alone; they end with RSTs."""
    with socket.socket() as listener:
        # The listener's side stays a request until data comes.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 30)
        listener.bind(("127.0.0.1", port))
        listener.listen(count)
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
        yield
        for client in clients:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()


@contextlib.contextmanager
def traced(count, port):
    """Lets the block make that many requests die; then has their last lines, and the way they were followed."""
    ended = []
    with Live("trace", "--format", "json", "-q", "-L", port) as live:
        yield ended
        # A request is told to be over when nothing has followed the end of its timer for a moment.
        wait_for(lambda: live.printed().count('"old":"SYN_RECV","new":"CLOSE"') >= count)
    trace = Trace(live.outcome.out)
    ended += [line for line in trace.transitions if (line["old"], line["new"]) == ("SYN_RECV", "CLOSE")]
    ended.append(trace.header["minisockets"])


class Ids(support.TestCase):
    @classmethod
    def setUpClass(cls):
        support.own_network()

    def test_a_number_of_our_own_is_counted(self):
        port = free_port()
        with traced(20, port) as ended, requests(20, port):
            pass
        way = ended.pop()
        ids = sorted(int(line["conn"], 16) for line in ended)
        self.assertEqual(len(set(ids)), 20)
        if way == "fentry":
            self.assertEqual([id for id in ids if id & OWN], [], "there the kernel is made to give a cookie")
            return
        self.assertEqual({id & (OWN | NESTED) for id in ids}, {OWN}, "neither of the kernel's two ranges")
        self.assertEqual(ids, list(range(ids[0], ids[0] + 20)), "no address is in it")

    def test_another_run_has_others(self):
        seen = set()
        for _ in range(2):
            port = free_port()
            with traced(5, port) as ended, requests(5, port):
                pass
            ended.pop()
            seen |= {line["conn"] for line in ended}
        self.assertEqual(len(seen), 10)

    @needs("ss")
    def test_it_is_what_ss_prints(self):
        port = free_port()
        with traced(3, port) as ended, requests(3, port):
            said = subprocess.run(["ss", "-Htane", "state", "syn-recv"], stdout=subprocess.PIPE, text=True, check=True).stdout
        ended.pop()
        self.assertEqual({line["conn"] for line in ended}, set(re.findall(r"\bsk:([0-9a-f]+)", said)))


if __name__ == "__main__":
    support.main()
