# SPDX-License-Identifier: BSD-2-Clause
"""The binary on a real loopback connection, its TIME_WAIT of a minute included."""
import json
import os
import signal
import socket
import subprocess
import time

MINUTE_S = 60
# The timer wheel of the kernel is up to 1/8 late (kernel/time/timer.c); measured 60 to 64 s.
LATEST_S = 64


class Smoke:
    """start() and, when more than a minute has passed, finish(): a list of what was wrong."""

    def __init__(self, binary, way):
        self.binary, self.way = binary, way

    def start(self):
        self.tracer = subprocess.Popen(
            [self.binary, "trace", "--format", "json", "--minisockets", self.way, "--netns", str(os.getpid())],
            stdout=open("/tmp/smoke.json", "w"), stderr=open("/tmp/smoke.err", "w"))
        self.wait_for_header()
        with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
            client.connect(listener.getsockname())
            self.port = client.getsockname()[1]
            server, _ = listener.accept()
            client.shutdown(socket.SHUT_WR)
            server.recv(1)
            server.close()
            client.recv(1)
        self.closed = time.monotonic()

    def wait_for_header(self):
        end = time.monotonic() + 30
        while '"type":"header"' not in open("/tmp/smoke.json").read():
            if self.tracer.poll() is not None or time.monotonic() > end:
                raise RuntimeError("tcpdwell trace does not begin: " + open("/tmp/smoke.err").read())
            time.sleep(0.05)

    def finish(self):
        time.sleep(max(0, self.closed + LATEST_S + 2 - time.monotonic()))
        self.tracer.send_signal(signal.SIGINT)
        status = self.tracer.wait(20)
        lines = [json.loads(line) for line in open("/tmp/smoke.json")]
        # connect() chooses its port after the first line.
        ids = {line["conn"] for line in lines if line.get("lport") == self.port}
        mine = [line for line in lines if line["type"] == "transition" and line["conn"] in ids]
        return list(self.faults(status, lines, mine))

    def faults(self, status, lines, mine):
        if status != 0:
            yield f"exit status {status}"
        if lines[0].get("minisockets") != self.way:
            yield f"way in {lines[0].get('minisockets')}, not {self.way}"
        if not mine:
            yield "no lines of the client"
            return
        chain = [line["old"] for line in mine] + [mine[-1]["new"]]
        if chain != ["CLOSE", "SYN_SENT", "ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE"]:
            yield "chain " + ">".join(chain)
            return
        last = mine[-1]
        if last["dwell"] != "exact" or not MINUTE_S <= last["dwell_ns"] / 1e9 <= LATEST_S:
            yield f"TIME_WAIT of {last['dwell_ns']} ns ({last['dwell']})"
        if last.get("reason") != "expired":
            yield f"reason {last.get('reason')}"
        if any(line["pid"] != os.getpid() for line in mine):
            yield f"owners {[line['pid'] for line in mine]}, not {os.getpid()}"
        # Recursion is the host's: storms of other tests make it too.
        if lines[-1].get("type") != "end" or any(n for where, n in lines[-1]["lost"].items() if where != "recursion"):
            yield f"last line {lines[-1]}"
