# SPDX-License-Identifier: BSD-2-Clause
"""guest_faults.py BUILD: runs in the guest. Traces through every way in at once while a processor goes offline and
the host stops the machine. Prints a JSON object for each fault; an exception, and its status 1, where
something was wrong."""
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

FULL = os.environ.get("TCPDWELL_FAULTS") == "full"
WAYS = ("fentry", "timer")
CPU = Path("/sys/devices/system/cpu/cpu1/online")
MINUTE_S = 60
# The timer wheel of the kernel is up to 1/8 late (kernel/time/timer.c), an emulated machine a little more.
LATEST_S = 66
CLIENT = ["CLOSE", "SYN_SENT", "ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT"]
SERVER = ["LISTEN", "SYN_RECV", "ESTABLISHED", "CLOSE_WAIT", "LAST_ACK", "CLOSE"]


def require(holds, *what):
    if not holds:
        raise SystemExit("wrong: " + " ".join(map(str, what)))


def wait_for(condition, what, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        require(time.monotonic() < deadline, "did not happen:", what)
        time.sleep(0.05)


class Tracer:
    def __init__(self, binary, name, way):
        self.path, self.errors, self.way = f"/tmp/{name}-{way}.json", f"/tmp/{name}-{way}.err", way
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(
                [binary, "record", "-o", self.path, "--minisockets", way, "--netns", str(os.getpid()), "-v"],
                stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)
        # What -v says once it is attached and knows the sockets that were there before.
        wait_for(lambda: b" existed before\n" in Path(self.errors).read_bytes(), f"a trace through {way}")

    def stop(self):
        """Its lines, after the end that a trace should have."""
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(60)
        require(status == 0, self.way, "exit status", status, Path(self.errors).read_text()[-500:])
        lines = [json.loads(line) for line in Path(self.path).read_text().splitlines()]
        require(lines[0]["minisockets"] == self.way, lines[0])
        require(lines[-1]["type"] == "end" and not any(lines[-1]["lost"].values()), self.way, lines[-1])
        require(lines[-1]["transitions"] == sum(line["type"] == "transition" for line in lines), self.way, lines[-1])
        return lines


def chains_of(lines):
    """The transitions of each connection that began in the trace."""
    seeded = {line["conn"] for line in lines if line["type"] == "seed"}
    chains = {}
    for line in lines:
        if line["type"] == "transition" and line["conn"] not in seeded:
            chains.setdefault(line["conn"], []).append(line)
    return list(chains.values())


def states(chain):
    for before, line in zip(chain, chain[1:]):
        require(line["old"] == before["new"] and "gap" not in line, "chain", chain)
    return [chain[0]["old"], *(line["new"] for line in chain)]


class Storms:
    """Connections without a pause until it is left; .connections and .listeners are the sum."""

    def __init__(self, binary):
        self.command = [binary, "500" if FULL else "200", "2"]
        self.connections = self.listeners = 0
        self.process = None

    def begin(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, encoding="utf-8")

    def __enter__(self):
        self.begin()
        return self

    def go_on(self):
        """Has one under way, if the one before has ended."""
        if self.process.poll() is not None:
            self.end()
            self.begin()

    def end(self):
        truth = json.loads(self.process.communicate(timeout=120)[0])
        self.connections += truth["connections"]
        self.listeners += truth["listeners"]

    def __exit__(self, *_):
        self.end()


def switch(storms, online):
    storms.go_on()
    CPU.write_text("1" if online else "0")
    now = Path("/sys/devices/system/cpu/online").read_text().strip()
    require(now == ("0-1" if online else "0"), "processors online:", now)
    for _ in range(5):
        time.sleep(0.1)
        storms.go_on()


def offline(binary, storm):
    """A storm, and its second processor comes and goes; traces that begin meanwhile."""
    times = 10 if FULL else 2
    with Storms(storm) as first:
        for _ in range(times):
            switch(first, False)
            switch(first, True)
        switch(first, False)
    # With one processor only, of two that are possible.
    late = [Tracer(binary, "late", way) for way in WAYS]
    with Storms(storm) as second:
        switch(second, True)
    return {"late": late, "first": first, "second": second, "times": times + 1}


def rtc():
    """Seconds of a clock that no one stops."""
    return int(Path("/sys/class/rtc/rtc0/since_epoch").read_text())


def stopped(what, seconds):
    """A connection through a stop of the machine: its port, how long it was by the guest's own clock and outside."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with socket.create_connection(listener.getsockname()) as client:
            begin, outside = time.monotonic_ns(), rtc()
            server, _ = listener.accept()
            port = client.getsockname()[1]
            print(f"host: {what} {seconds}", file=sys.stderr, flush=True)
            # Long enough for the host to notice, whether this clock is stopped as well or not.
            wait_for(lambda: rtc() - outside >= seconds + 1, "a stop of the machine", 600)
            time.sleep(1)
            end, outside = time.monotonic_ns(), rtc() - outside
        server.close()
    return port, (end - begin) / 1e9, outside


def check_stay(way, lines, port, seconds):
    """How long a connection of this port was established."""
    mine = [line for line in lines if line.get("lport") == port and line.get("old") == "ESTABLISHED"]
    require(len(mine) == 1 and mine[0]["dwell"] == "exact", way, mine)
    dwell = mine[0]["dwell_ns"] / 1e9
    require(abs(dwell - seconds) < 0.1, way, mine, "not", seconds)
    return dwell


def check_connections(way, lines, connections, listeners):
    """Every connection there was, each whole; how many time-wait sockets ended meanwhile."""
    clients = servers = listening = ended = 0
    for chain in chains_of(lines):
        path = states(chain)
        if path[-2:] == ["TIME_WAIT", "CLOSE"]:
            last = chain[-1]
            require(last.get("reason") == "expired" and last["dwell"] == "exact", way, last)
            require(MINUTE_S <= last["dwell_ns"] / 1e9 <= LATEST_S, way, last)
            ended += 1
            path.pop()
        # Either side may close first.
        clients += path in (CLIENT, CLIENT[:3] + SERVER[3:])
        servers += path in (SERVER, SERVER[:3] + CLIENT[3:])
        listening += path == ["CLOSE", "LISTEN", "CLOSE"]
    require((clients, servers, listening) == (connections, connections, listeners), way, "clients, servers, listeners",
            (clients, servers, listening), "not", connections, listeners)
    return ended


def offline_row(done, ended):
    expired = f"; {ended:,} time-wait sockets expired, each after its minute" if ended else ""
    connections = done["first"].connections + done["second"].connections
    return {"fault": "processor taken offline", "times": done["times"],
            "tried": f"under a storm, and back, traced through fentry and through timers: {connections:,} connections; "
                     "a trace begun meanwhile",
            "lost": f"nothing: every line of every connection{expired}", "said": "–"}


def frozen_row(seconds, dwell):
    return {"fault": "virtual machine stopped, its clocks go on", "times": 1,
            "tried": f"SIGSTOP to the emulator for {seconds} s, in the middle of a connection",
            "lost": f"nothing: the dwell of {dwell:.1f} s holds the stop, as the machine's clock does", "said": "–"}


def paused_row(seconds, dwell, outside):
    return {"fault": "virtual machine stopped with its clocks", "times": 1,
            "tried": f"`stop` of the monitor for {seconds} s, in the middle of a connection of {outside:.0f} s",
            "lost": f"the stop: the dwell is {dwell:.1f} s, `ts` is behind from there on; the machine cannot know",
            "said": "–"}


def main(build):
    binary, storm = build / "tcpdwell", build / "tests/storm"
    for name, value in (("ip_local_port_range", "1024 65000"), ("tcp_max_tw_buckets", "1000000"), ("tcp_tw_reuse", "0")):
        Path("/proc/sys/net/ipv4", name).write_text(value)
    early, seconds = [Tracer(binary, "early", way) for way in WAYS], 20 if FULL else 3
    frozen, inside, _ = stopped("freeze", seconds)
    require(inside >= seconds, "frozen for", inside, "not", seconds)  # this clock says it, too
    paused, paused_inside, outside = stopped("pause", seconds)
    require(paused_inside <= outside - seconds + 2, "paused for", outside, "and noticed", paused_inside)
    done = offline(binary, storm)
    if FULL:
        time.sleep(LATEST_S)
    ended, first, second = 0, done["first"], done["second"]
    for tracer in early:
        lines = tracer.stop()
        dwell = check_stay(tracer.way, lines, frozen, inside)
        paused_dwell = check_stay(tracer.way, lines, paused, paused_inside)
        # The two above, each with a listener of its own, and the storms.
        ended += check_connections(tracer.way, lines, 2 + first.connections + second.connections,
                                   2 + first.listeners + second.listeners)
    for tracer in done["late"]:
        ended += check_connections(tracer.way, tracer.stop(), second.connections, second.listeners)
    require(ended > 0 or not FULL, "no time-wait socket ended")
    for row in (offline_row(done, ended), frozen_row(seconds, dwell), paused_row(seconds, paused_dwell, outside)):
        print(json.dumps(row))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
