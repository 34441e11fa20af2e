# SPDX-License-Identifier: BSD-2-Clause
"""What is measured: tcpdwell in its modes, and its peers, each started, watched and stopped alike."""

import dataclasses
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

TICK = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass
class Tool:
    name: str
    command: list  # {out} stands for the file it writes
    suffix: str = ".out"
    writes_stdout: bool = False  # what it prints is what it is for: kept in the file, counted as bytes
    missing: str = ""  # why it is not measured


def bpftrace(script):
    return ["bpftrace", "-e", script]


def tools(build):
    """By name, in the order of the table."""
    us = os.path.join(build, "tcpdwell")
    histogram = (
        "tracepoint:sock:inet_sock_set_state "
        "{ @ns[args->oldstate] = hist(nsecs - @since[args->skaddr]); @since[args->skaddr] = nsecs; }")
    lines = (
        "tracepoint:sock:inet_sock_set_state "
        '{ printf("%llu %p %d %d\\n", nsecs, args->skaddr, args->oldstate, args->newstate); }')
    before = os.path.join(build, "bench", "before", "build", "tcpdwell")
    found = [
        Tool("empty program", [os.path.join(build, "bench", "bench_floor")]),
        Tool("tcpdwell stat", [us, "stat", "--format", "json", "-o", "{out}"]),
        Tool("tcpdwell stat --by comm", [us, "stat", "--by", "comm", "--format", "json", "-o", "{out}"]),
        Tool("tcpdwell record", [us, "record", "-q", "-o", "{out}"], ".json"),
        Tool("tcpdwell record .zst", [us, "record", "-q", "-o", "{out}"], ".json.zst"),
        Tool("tcpdwell record connections", [us, "record", "--lines", "connections", "-q", "-o", "{out}"], ".json"),
        Tool("tcpdwell record connections .zst", [us, "record", "--lines", "connections", "-q", "-o", "{out}"], ".json.zst"),
        Tool("tcpdwell trace json", [us, "trace", "-q", "--format", "json"], ".json", writes_stdout=True),
        Tool("tcpdwell serve", [us, "serve", "-q", "--listen", "127.0.0.1:19978", "--socket", "{out}"]),
        Tool("tcpdwell stat, minisockets off", [us, "stat", "--minisockets", "off", "--format", "json", "-o", "{out}"]),
        Tool("da8e1f8 stat", [before, "stat", "--format", "json", "-o", "{out}"]),
        Tool("da8e1f8 serve", [before, "serve", "-q", "--listen", "127.0.0.1:19978", "--socket", "{out}"]),
        Tool("da8e1f8 record", [before, "record", "-q", "-o", "{out}"], ".json"),
        Tool("da8e1f8 record .zst", [before, "record", "-q", "-o", "{out}"], ".json.zst"),
        Tool("tcpstates", ["tcpstates"], writes_stdout=True),
        Tool("tcplife", ["tcplife"], writes_stdout=True),
        Tool("bpftrace histogram", bpftrace(histogram), writes_stdout=True),
        Tool("bpftrace printf", bpftrace(lines), writes_stdout=True),
    ]
    for tool in found:
        if shutil.which(tool.command[0]) is None:
            tool.missing = f"{os.path.basename(tool.command[0])} is not there"
    return {tool.name: tool for tool in found}


def programs():
    """The BPF programs of the host by id: what they have run, and how often."""
    shown = subprocess.run(["bpftool", "-j", "prog", "show"], capture_output=True, text=True, check=True)
    return {p["id"]: p for p in json.loads(shown.stdout or "[]")}


def on_cpu(cpu):
    return [] if cpu is None else ["taskset", "-c", str(cpu)]


class Running:
    """A tool from its being attached to its end.

    with Running(tool) as run: load()
    run.cpu_s, run.rss_bytes, run.bytes_written, run.kernel_ns, run.lost
    """

    def __init__(self, tool, cpu=None):
        self.tool, self.cpu = tool, cpu
        self.directory = tempfile.TemporaryDirectory(prefix="tcpdwell-bench-")
        self.path = os.path.join(self.directory.name, "out" + tool.suffix)
        self.before = set(programs())
        self.is_serve = tool.name.endswith(" serve")

    def __enter__(self):
        stdout = open(self.path, "wb") if self.tool.writes_stdout else subprocess.DEVNULL
        self.errors = open(os.path.join(self.directory.name, "err"), "wb+")
        self.process = subprocess.Popen(
            on_cpu(self.cpu) + [word.format(out=self.path) if "{out}" in word else word for word in self.tool.command],
            stdin=subprocess.DEVNULL, stdout=stdout, stderr=self.errors)
        self._wait_until_attached()
        self._wait_until_at_rest()  # a walk over the sockets of before is another matter
        self.begin_anew()
        return self

    def begin_anew(self):
        self.cpu_at_start = self._cpu_s()
        self.kernel_ns_at_start = self._kernel_ns()

    def cpu_since_s(self):
        return self._cpu_s() - self.cpu_at_start

    def _wait_until_at_rest(self):
        """Of a million sockets the walk takes seconds."""
        for _ in range(60):
            before = self._cpu_s()
            time.sleep(0.5)
            if self._cpu_s() - before < 0.1:
                return

    def _wait_until_attached(self):
        """Its programs are there, and no more of them come."""
        known, since = 0, time.monotonic()
        while time.monotonic() - since < 1 or known == 0:
            if self.process.poll() is not None or time.monotonic() - since > 20:
                self.errors.seek(0)
                raise RuntimeError(f"{self.tool.name} did not start: {self.errors.read().decode(errors='replace')}")
            now = len(set(programs()) - self.before)
            if now != known:
                known, since = now, time.monotonic()
            time.sleep(0.1)

    def __exit__(self, kind, *_):
        time.sleep(0.3)  # the last events reach it
        self.cpu_s = self.cpu_since_s()
        self.rss_bytes = self._rss_bytes()
        self.kernel_ns = self._kernel_ns() - self.kernel_ns_at_start
        asked = self._ask_serve() if self.is_serve else None
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.bytes_written = os.path.getsize(self.path) if os.path.exists(self.path) else 0
        self.lost = asked if asked is not None else self._lost() if kind is None else None
        self.errors.close()
        self.directory.cleanup()

    def _kernel_ns(self):
        return sum(p.get("run_time_ns", 0) for i, p in programs().items() if i not in self.before)

    def _cpu_s(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def _rss_bytes(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        return 0

    def _lost(self):
        """What it says it lost; None where it does not say."""
        if self.tool.name.startswith(("tcpdwell", "da8e1f8")):
            return sum(json.loads(self._last_line())["lost"].values())
        if self.tool.name.startswith("bpftrace"):
            self.errors.seek(0)
            with open(self.path, errors="replace") as file:
                said = self.errors.read().decode(errors="replace") + file.read()
            return sum(int(line.split()[1]) for line in said.splitlines() if line.startswith("Lost "))
        return None

    def _ask(self, what):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.path)
            connection.sendall(b"GET " + what + b" HTTP/1.0\r\n\r\n")
            return b"".join(iter(lambda: connection.recv(65536), b"")).partition(b"\r\n\r\n")[2]

    def _ask_serve(self):
        return sum(json.loads(self._ask(b"/api/states"))["lost"].values())

    def ask_metrics_s(self):
        """How long an answer takes, half a second after the one before."""
        time.sleep(0.5)
        start = time.monotonic()
        self._ask(b"/metrics")
        return time.monotonic() - start

    def _last_line(self):
        if self.path.endswith(".zst"):
            command = f"zstd -dc {self.path} | tail -n 1"
            return subprocess.run(command, shell=True, capture_output=True, text=True, check=True).stdout
        with open(self.path, "rb") as file:
            file.seek(max(0, os.path.getsize(self.path) - 65536))
            return file.read().decode().strip().rsplit("\n", 1)[-1]
