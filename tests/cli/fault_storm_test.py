# SPDX-License-Identifier: BSD-2-Clause
"""A reader that stands still, or has hardly a ring, while connections come as fast as they can."""

import contextlib
import signal
import socket
import time

import faults
import support
from faults import Storm, found, tries
from support import Live, free_port, run, scratch_file


MILLISECOND = 1_000_000
# A tracer that stops decides nothing about what ended less than TD_MOMENT_NS before.
A_MOMENT = 0.1


def setUpModule():
    support.own_network()
    faults.enlarge_network()


class Later:
    """Three connections, one after the other; .stays: by the client's port, for how many nanoseconds both ends were
    ESTABLISHED at least and at most."""

    def __init__(self, talk=0.1, pause=0.0):
        self.stays = {}
        with socket.create_server(("127.0.0.1", free_port())) as listener:
            self.port = listener.getsockname()[1]
            for _ in range(3):
                time.sleep(pause)  # for a reader whose ring is small
                connecting = time.monotonic_ns()
                client = socket.create_connection(listener.getsockname())
                server, _ = listener.accept()
                established = time.monotonic_ns()
                time.sleep(talk)
                closing = time.monotonic_ns()
                name = client.getsockname()[1]
                client.close()
                server.recv(1)
                self.stays[name] = (closing - established, time.monotonic_ns() - connecting)
                server.close()


class Storms(support.TestCase):
    def check_conservation(self, trace, fired):
        """Every transition of the workload is a line, or is counted as lost; none is both."""
        self.assertEqual(trace.end["transitions"], len(trace.transitions))
        lost = trace.end["lost"]
        self.assertEqual({where for where, count in lost.items() if count} - {"ring"}, set(), lost)
        self.assertEqual(fired, len(trace.transitions) + lost["ring"], lost)
        self.assertEqual(sum(line["count"] for line in trace.of_type("loss")), lost["ring"])
        return lost["ring"]

    def check_later_dwells(self, trace, later):
        """Of connections made after the loss all is known again, to the millisecond."""
        chains = [c for c in trace.connections().values() if later.port in (c[-1]["lport"], c[-1]["rport"])]
        chains = [c for c in chains if c[-1]["rport"] != 0]  # not the listener's
        self.assertEqual(len(chains), 6)  # three of each side
        for chain in chains:
            self.assertTrue(support.begins(chain), support.states(chain))
            self.assertFalse(any("gap" in line for line in chain))
            [line] = [line for line in chain if line["old"] == "ESTABLISHED"]
            self.assertEqual(line["dwell"], "exact")
            [(least, most)] = [known for client, known in later.stays.items() if client in (line["lport"], line["rport"])]
            self.assertGreaterEqual(line["dwell_ns"], least - MILLISECOND)
            self.assertLessEqual(line["dwell_ns"], most + MILLISECOND)

    def test_a_reader_that_is_stopped(self):
        """SIGSTOP under a storm: the ring runs over, the loss is counted to the line."""
        seconds = tries(3, 10)
        path = scratch_file("stopped.json")
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            live = stack.enter_context(Live("record", "-o", path, "--buffer", "1M", "-q"))
            before = time.monotonic_ns()
            long = stack.enter_context(socket.create_connection(listener.getsockname()))
            opened = time.monotonic_ns()
            storm = stack.enter_context(Storm(tries(15_000, 60_000)))
            other, _ = listener.accept()
            time.sleep(0.1)
            live.process.send_signal(signal.SIGSTOP)
            time.sleep(seconds)
            storm.end()
            live.process.send_signal(signal.SIGCONT)
            faults.wait_until_idle(live.process.pid)  # the reader takes what is left of it
            later = Later()
            name = long.getsockname()[1]
            closed = time.monotonic_ns()
            long.close()
            after = time.monotonic_ns()
            other.close()
            time.sleep(A_MOMENT)
            outcome = live.stop()
        self.assertEqual(outcome.status, 0, outcome.err)
        trace = support.read_trace(path)
        # Three connections of ten lines and a listener's two; the long one's ten; and a listener's close is
        # not in the trace, as the block above is left.
        lost = self.check_conservation(trace, storm.lines() + 3 * 10 + 2 + 10)
        self.assertGreater(lost, 0, "the ring was too large for this storm")
        self.check_later_dwells(trace, later)
        # A connection through all of it: its stay is known, whatever was lost meanwhile.
        [stay] = [t for t in trace.transitions if t["lport"] == name and t["old"] == "ESTABLISHED"]
        self.assertEqual(stay["dwell"], "exact")
        self.assertGreaterEqual(stay["dwell_ns"], closed - opened - MILLISECOND)
        self.assertLessEqual(stay["dwell_ns"], after - before + MILLISECOND)
        report = run("report", path)
        self.assertEqual(report.status, 0)
        self.assertIn("lost", report.out + report.err)
        truth = storm.truth
        found(
            "reader stopped (SIGSTOP) under a storm",
            f"{seconds} s, {truth['connections']:,} connections at "
            f"{truth['connections'] / truth['seconds']:,.0f}/s, --buffer 1M",
            f"{lost:,} of {storm.lines() + 42:,} lines, each counted; no dwell of later connections, nor of one "
            "that was open throughout",
            "`loss` lines and `end` (`ring`); report says how many",
        )

    def test_the_smallest_ring(self):
        """A page: four thousand bytes hold some thirty lines."""
        path = scratch_file("smallest.json")
        with Live("record", "-o", path, "--buffer", "1", "-q") as live, Storm(tries(5_000, 50_000)) as storm:
            storm.end()
            faults.wait_until_idle(live.process.pid)  # the reader takes what is left of it
            later = Later(pause=0.1)
            time.sleep(A_MOMENT)
            self.assertEqual(live.stop().status, 0)
        trace = support.read_trace(path)
        lost = self.check_conservation(trace, storm.lines() + 3 * 10 + 2)
        self.check_later_dwells(trace, later)
        found(
            "ring of the smallest size",
            f"--buffer 1 (one page), {storm.truth['connections']:,} connections",
            f"{lost:,} of {storm.lines() + 32:,} lines, each counted",
            "`loss` lines and `end` (`ring`)",
        )


if __name__ == "__main__":
    support.main()
