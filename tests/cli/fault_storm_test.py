# SPDX-License-Identifier: BSD-2-Clause
"""A reader that stands still, or has hardly a ring, while connections come as fast as they can."""

import signal
import socket
import subprocess
import time

import faults
import support
from faults import Storm, found, tries
from support import Live, free_port, peers, run, scratch_file


def setUpModule():
    support.own_network()
    faults.enlarge_network()


class Storms(support.TestCase):
    def check_conservation(self, trace, fired):
        """Every transition of the workload is a line, or is counted as lost; none is both."""
        self.assertEqual(trace.end["transitions"], len(trace.transitions))
        lost = trace.end["lost"]
        self.assertEqual({where for where, count in lost.items() if count} - {"ring"}, set(), lost)
        self.assertEqual(fired, len(trace.transitions) + lost["ring"], lost)
        self.assertEqual(sum(line["count"] for line in trace.of_type("loss")), lost["ring"])
        return lost["ring"]

    def check_later_dwells(self, trace, port, talk):
        """Of connections made after the loss all is known again, to the millisecond."""
        chains = [c for c in trace.connections().values() if port in (c[-1]["lport"], c[-1]["rport"])]
        chains = [c for c in chains if c[-1]["rport"] != 0]  # not the listener's
        self.assertEqual(len(chains), 6)  # three of each side
        for chain in chains:
            self.assertTrue(support.begins(chain), support.states(chain))
            self.assertFalse(any("gap" in line for line in chain))
            [dwell] = [line["dwell_ns"] for line in chain if line["old"] == "ESTABLISHED"]
            self.assertGreaterEqual(dwell, talk * 1e9)
            self.assertLess(dwell, (talk + 0.15) * 1e9)
            self.assertEqual({line["dwell"] for line in chain if line["old"] == "ESTABLISHED"}, {"exact"})

    def test_a_reader_that_is_stopped(self):
        """SIGSTOP under a storm: the ring runs over, the loss is counted to the line."""
        seconds, talk, port = tries(3, 10), 0.1, free_port()
        path = scratch_file("stopped.json")
        with socket.create_server(("127.0.0.1", 0)) as listener, Live(
            "record", "-o", path, "--buffer", "1M", "-q"
        ) as live, socket.create_connection(listener.getsockname()) as long, Storm(
            tries(15_000, 60_000)
        ) as storm:
            opened = time.monotonic_ns()
            other, _ = listener.accept()
            time.sleep(0.1)
            live.process.send_signal(signal.SIGSTOP)
            time.sleep(seconds)
            storm.end()
            live.process.send_signal(signal.SIGCONT)
            time.sleep(0.3)  # the reader takes what is left of it
            subprocess.run(peers("both", port, "--count", 3, "--talk", talk), check=True)
            closed = time.monotonic_ns()
            name = long.getsockname()[1]
            long.close()
            other.close()
            time.sleep(0.1)
            outcome = live.stop()
        self.assertEqual(outcome.status, 0, outcome.err)
        trace = support.read_trace(path)
        # Three connections of ten lines and a listener's two; the long one's ten; and a listener's close is
        # not in the trace, as the block above is left.
        lost = self.check_conservation(trace, storm.lines() + 3 * 10 + 2 + 10)
        self.assertGreater(lost, 0, "the ring was too large for this storm")
        self.check_later_dwells(trace, port, talk)
        # A connection through all of it: its stay is known, whatever was lost meanwhile.
        [stay] = [t for t in trace.transitions if t["lport"] == name and t["old"] == "ESTABLISHED"]
        self.assertEqual(stay["dwell"], "exact")
        self.assertAlmostEqual(stay["dwell_ns"], closed - opened, delta=200_000_000)
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
        port, talk = free_port(), 0.1
        with Live("record", "-o", path, "--buffer", "1", "-q") as live, Storm(tries(5_000, 50_000)) as storm:
            storm.end()
            time.sleep(0.3)  # the reader takes what is left of it
            subprocess.run(peers("both", port, "--count", 3, "--talk", talk), check=True)
            time.sleep(0.1)
            self.assertEqual(live.stop().status, 0)
        trace = support.read_trace(path)
        lost = self.check_conservation(trace, storm.lines() + 3 * 10 + 2)
        self.check_later_dwells(trace, port, talk)
        found(
            "ring of the smallest size",
            f"--buffer 1 (one page), {storm.truth['connections']:,} connections",
            f"{lost:,} of {storm.lines() + 32:,} lines, each counted",
            "`loss` lines and `end` (`ring`)",
        )


if __name__ == "__main__":
    support.main()
