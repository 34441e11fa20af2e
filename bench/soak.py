#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""bench/soak.py TCPDWELL [SECONDS [WORKERS]]: `serve` under a storm without an end (480 s and 2 unless told).

In a network namespace of its own, processes make loopback connections as fast as they can, closed by either side in
turn. Every tenth of the time they are halted for a moment, and what serve says of every state is held against `ss`.
Prints a line each time and what came of it; exit status 1 if memory grew, or anything was lost or populations were wrong
by more than what the host kept from BPF programs (docs/limitations.md): what the kernel's own event trace shows under
tasks for which bpftrace, a program that has nothing to do with tcpdwell, was never run; and a line or two in 500,000,
for events that are not looked for there. It asks over the unix socket, so that it makes no connections of its own.
"""
import collections
import ctypes
import fcntl
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

STATES = {  # ss's names
    "LISTEN": "listening", "SYN_SENT": "syn-sent", "SYN_RECV": "syn-recv", "ESTABLISHED": "established",
    "FIN_WAIT1": "fin-wait-1", "FIN_WAIT2": "fin-wait-2", "CLOSING": "closing", "TIME_WAIT": "time-wait",
    "CLOSE_WAIT": "close-wait", "LAST_ACK": "last-ack",
}  # fmt: skip


def own_network():
    if ctypes.CDLL(None, use_errno=True).unshare(0x40000000) != 0:
        sys.exit("bench/soak.py: cannot make a network namespace: run as root")
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 1))
    for name, value in [("ip_local_port_range", "1024 65535"), ("tcp_max_tw_buckets", "2000000")]:
        with open(f"/proc/sys/net/ipv4/{name}", "w", encoding="ascii") as file:
            file.write(value)


def work(number, counter):
    """Connections one after the other, to many addresses so that ports suffice; some are kept."""
    servers = [socket.create_server((f"127.{number + 1}.0.{i}", 8000), backlog=64) for i in range(1, 101)]
    kept, n = [], 0
    while True:
        server = servers[n % len(servers)]
        client = socket.create_connection(server.getsockname())
        peer, _ = server.accept()
        first, second = (client, peer) if n % 2 else (peer, client)
        first.close()
        if n % 5000 == 0 and len(kept) < 200:
            kept.append(second)  # a leak in CLOSE_WAIT
        else:
            second.close()
        n += 1
        if n % 100 == 0:
            os.pwrite(counter, struct.pack("q", n), number * 8)


def get(path, what):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(path)
        connection.sendall(f"GET {what} HTTP/1.0\r\n\r\n".encode())
        text = b""
        while piece := connection.recv(1 << 16):
            text += piece
    return text.partition(b"\r\n\r\n")[2].decode()


def metrics(path):
    lines = [line.rpartition(" ") for line in get(path, "/metrics").splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def by_ss():
    out = {}
    for state, name in STATES.items():
        listed = subprocess.run(["ss", "-Htan", "state", name], capture_output=True, text=True, check=True).stdout
        out[state] = listed.count("\n")
    return out


def populations(path):
    """By ss, by serve, by ss again: what expires in between may be in one and not in the other."""
    before = by_ss()
    begin = time.monotonic()
    told = metrics(path)
    # A list of very many sockets is not waited for: then the one before is told, and how old it is.
    while told["tcpdwell_survey_age_seconds"] > time.monotonic() - begin and time.monotonic() - begin < 150:
        time.sleep(0.3)
        told = metrics(path)
    after = by_ss()
    ours = {state: int(told[f'tcpdwell_sockets{{state="{state}"}}']) for state in STATES}
    wrong = {
        state: (before[state], ours[state], after[state])
        for state in STATES
        if not min(before[state], after[state]) <= ours[state] <= max(before[state], after[state])
    }
    return told, ours, wrong


class Hidden:
    """Under which task each time-wait timer ran out and each state changed, by the kernel's own event trace; and under
    which tasks BPF programs are run. The workers and the idle tasks are left out: there are too many of theirs."""

    PROGRAM = "tracepoint:timer:timer_expire_entry { @[tid] = 1; } tracepoint:sock:inet_sock_set_state { @[tid] = 1; }"

    # In a mount namespace of its own: bpftrace looks for the events in one place only.
    BPFTRACE = ["unshare", "-m", "sh", "-c", 'mount -t tracefs none /sys/kernel/tracing && exec bpftrace -e "$0"', PROGRAM]

    def __init__(self, directory):
        self.events, self.bpftrace, self.instance = collections.Counter(), None, None
        place = os.path.join(directory, "tracing")
        os.mkdir(place)
        if not shutil.which("bpftrace") or subprocess.run(["mount", "-t", "tracefs", "none", place], check=False).returncode:
            self.without("there is no bpftrace, or no tracefs")
            return
        tracefs = os.open(place, os.O_PATH | os.O_DIRECTORY)
        subprocess.run(["umount", "-l", place], check=True)
        bpftrace = subprocess.Popen(self.BPFTRACE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said = []
        while not said or "Attaching" not in said[-1]:
            said.append(bpftrace.stdout.readline())
            if not said[-1]:
                bpftrace.wait()
                self.without(f"bpftrace ended: {' '.join(''.join(said).split())}")
                return
        self.bpftrace = bpftrace
        self.instance = f"/proc/{os.getpid()}/fd/{tracefs}/instances/tcpdwell-soak-{os.getpid()}"
        os.mkdir(self.instance)
        with open("/proc/kallsyms", encoding="ascii") as file:
            address = next(line.split()[0] for line in file if line.split()[2] == "tw_timer_handler")
        self.put("buffer_size_kb", "32768")
        self.put("events/timer/timer_expire_entry/filter", f"function == 0x{address} && common_pid != 0")
        self.put("events/sock/inet_sock_set_state/filter", f'common_pid != 0 && comm != "{self.own_name()}"')
        for event in "timer/timer_expire_entry", "sock/inet_sock_set_state":
            self.put(f"events/{event}/enable", "1")

    @staticmethod
    def without(why):
        """A line that is not seen is then ours, whoever hid it: more of them than a few fail the run."""
        print(f"what the host hides is not looked for: {why}", flush=True)

    @staticmethod
    def own_name():
        with open("/proc/self/comm", encoding="ascii") as file:
            return file.read().strip()

    def put(self, name, value):
        with open(os.path.join(self.instance, name), "w", encoding="ascii") as file:
            file.write(value)

    def collect(self):
        """What came since: the trace has room for more than a tenth of a run."""
        if not self.instance:
            return
        with open(os.path.join(self.instance, "trace"), encoding="ascii", errors="replace") as file:
            for line in file:
                if line[0] != "#":
                    self.events[line.partition(" [")[0].strip()] += 1
        self.put("trace", "")

    def end(self):
        """Of each task under which no program ran, how many events."""
        if not self.instance:
            return {}
        self.collect()
        os.rmdir(self.instance)
        self.bpftrace.send_signal(signal.SIGINT)
        ran = {line.partition("[")[2].partition("]")[0] for line in self.bpftrace.communicate(timeout=60)[0].splitlines()}
        if "0" not in ran:
            self.without("bpftrace did not see the idle tasks, where most timers run out")
            return {}
        return {task: n for task, n in self.events.items() if task.rpartition("-")[2] not in ran}


def main(tcpdwell, seconds=480, workers=2):
    seconds, workers = float(seconds), int(workers)
    own_network()
    directory = tempfile.TemporaryDirectory(prefix="tcpdwell-soak-")
    path = os.path.join(directory.name, "socket")
    counter = os.open(os.path.join(directory.name, "count"), os.O_RDWR | os.O_CREAT)
    os.ftruncate(counter, 8 * workers)
    hidden = Hidden(directory.name)
    serve = subprocess.Popen(
        [tcpdwell, "serve", "--listen", "127.0.0.1:0", "--socket", path, "--netns", str(os.getpid()), "-q",
         "--max-time-wait", "2000000"]
    )  # fmt: skip
    while not os.path.exists(path):
        if serve.poll() is not None:
            sys.exit("bench/soak.py: serve ended")
        time.sleep(0.05)
    pids = []
    for number in range(workers):
        if (pid := os.fork()) == 0:
            work(number, counter)
        pids.append(pid)
    failures, residents = [], []
    begin = time.monotonic()
    connections = lambda: sum(struct.unpack(f"{workers}q", os.pread(counter, 8 * workers, 0)))
    try:
        for step in range(1, 11):
            time.sleep(max(0, begin + seconds * step / 10 - time.monotonic()))
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            time.sleep(0.5)  # what was under way comes to rest, and the reader to the end of the ring
            told, ours, wrong = populations(path)
            residents.append(told["process_resident_memory_bytes"] / 1e6)
            lost = {name: int(n) for name, n in told.items() if name.startswith("tcpdwell_lost_total") and n}
            passed = time.monotonic() - begin
            print(
                f"{passed:5.0f} s  {connections():9,} connections  {sum(ours.values()):8,} sockets  "
                f"TIME_WAIT {ours['TIME_WAIT']:8,}  CLOSE_WAIT {ours['CLOSE_WAIT']:4}  {residents[-1]:6.1f} MB  "
                f"cpu {told['process_cpu_seconds_total'] / passed:5.1%}  lost {lost or 'nothing'}  "
                f"{'populations as ss has them' if not wrong else f'(ss, serve, ss): {wrong}'}",
                flush=True,
            )
            hidden.collect()
            few = 1 + connections() * 10 // 250_000
            if {name: n for name, n in lost.items() if "recursion" not in name}:
                failures.append(f"lost {lost}")
            off = sum(max(min(a, c) - b, b - max(a, c)) for a, b, c in wrong.values())
            if off > 2 * few:  # one missed line is wrong in two states
                failures.append(f"populations {wrong}")
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        # TIME_WAIT is full after a minute: from then on nothing is to grow.
        settled = residents[len(residents) // 2 :]
        if seconds >= 240 and max(settled) > min(settled) * 1.2 + 5:
            failures.append(f"memory grew: {residents}")
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        kept_back = hidden.end()
        serve.terminate()
        status = serve.wait(30)
    total = connections()
    unseen = sum(n for name, n in lost.items() if "recursion" in name)
    if unseen > few + sum(kept_back.values()):
        failures.append(f"not seen: {unseen}, of which the host hid {kept_back or 'none'}")
    print(json.dumps({"seconds": round(time.monotonic() - begin), "connections": total,
                      "rate": round(total / seconds), "resident_mb": [round(r, 1) for r in residents],
                      "not_seen": unseen, "hidden_by_the_host": kept_back, "failures": failures, "status": status}))  # fmt: skip
    return 1 if failures or status else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
