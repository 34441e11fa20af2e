# SPDX-License-Identifier: BSD-2-Clause
"""What tracing costs: each function loads the host in turn without and with a tool, and gives medians."""

import contextlib
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import time

from tools import Running, on_cpu

TRANSITIONS = 10  # of one loopback connection, both ends, to the client's TIME_WAIT


def load(build, *args, cpu=None):
    done = subprocess.run([*on_cpu(cpu), os.path.join(build, "bench", "bench_load"), *map(str, args)],
                          capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@contextlib.contextmanager
def bpf_stats():
    """The kernel times every BPF program meanwhile, which itself costs each run some 25 to 60 ns."""
    subprocess.run(["sysctl", "-qw", "kernel.bpf_stats_enabled=1"], check=True)
    try:
        yield
    finally:
        subprocess.run(["sysctl", "-qw", "kernel.bpf_stats_enabled=0"], check=True)


def medians(rows):
    return {key: statistics.median(row[key] for row in rows) for key in rows[0] if rows[0][key] is not None}


def lower_quartile(values):
    return statistics.quantiles(values, n=4, method="inclusive")[0]


def spread(rows, key):
    values = sorted(row[key] for row in rows)
    return [values[0], values[-1]]


def storm(build, tool, kind, connections, workers, rounds):
    """Rate and processor time, each traced run beside an untraced one."""
    rows = []
    for n in range(rounds):
        plain = load(build, kind, connections, workers) if n % 2 == 0 else None
        with Running(tool) as run:
            traced = load(build, kind, connections, workers)
        plain = plain or load(build, kind, connections, workers)
        events = TRANSITIONS * connections
        rows.append({
            "ratio": traced["rate"] / plain["rate"],
            "rate": traced["rate"], "untraced_rate": plain["rate"],
            "cpu_us": traced["cpu_us"], "untraced_cpu_us": plain["cpu_us"],
            "consumer_ns_per_event": 1e9 * run.cpu_s / events,
            "bytes_per_event": run.bytes_written / events,
            "rss_bytes": run.rss_bytes, "lost": run.lost,
            "p99_ratio": traced["p99_us"] / plain["p99_us"] if "p99_us" in plain else None,
        })
    return {**medians(rows), "ratio_spread": spread(rows, "ratio"),
            "lost": None if rows[0]["lost"] is None else sum(row["lost"] for row in rows)}


def levels(build, tools, load_args, rounds, apart=False):
    """Microseconds of processor time a connection beyond an untraced one, all tools in turn in each round: of who makes
    the connections (the kernel's part, which runs there) and of the tool. `apart`: each on a processor of its own.

    A virtual machine's processors are slower for seconds at a time while its host does something else, which makes medians
    of few rounds differ by a third. So the best quarter is told too: where the lower quartile of the runs traced is beyond
    that of all runs untraced."""
    rows = {tool.name: [] for tool in tools}
    untraced = []
    made_on = 1 if apart else None
    connections = load_args[1]
    for _ in range(rounds):
        for tool in tools:
            plain = load(build, *load_args, cpu=made_on)
            with Running(tool, cpu=0 if apart else None) as run:
                traced = load(build, *load_args, cpu=made_on)
            untraced.append(plain["cpu_us"])
            kernel, reader = traced["cpu_us"] - plain["cpu_us"], 1e6 * run.cpu_s / connections
            rows[tool.name].append({
                "kernel_us": kernel, "reader_us": reader, "both_us": kernel + reader, "traced_us": traced["cpu_us"],
                "ratio": traced["rate"] / plain["rate"], "rss_bytes": run.rss_bytes,
                "bytes_per_connection": run.bytes_written / connections, "lost": run.lost})
    best = lower_quartile(untraced)
    return {name: {**medians(of), "spread": spread(of, "both_us"),
                   "best_us": lower_quartile(row["traced_us"] + row["reader_us"] for row in of) - best}
            for name, of in rows.items()}


def kernel_ns(build, tool, connections, rounds, warm_up=0):
    """Time in the tool's programs for one transition, by the kernel's own count, after so many connections before."""
    rows = []
    with bpf_stats():
        for _ in range(rounds):
            with Running(tool) as run:
                if warm_up:
                    load(build, "storm", warm_up, 1)
                    run.begin_anew()
                load(build, "storm", connections, 1)
            rows.append({"kernel_ns": run.kernel_ns / (TRANSITIONS * connections)})
    return {**medians(rows), "kernel_ns_spread": spread(rows, "kernel_ns")}


def timers(build, tool, times, rounds):
    """What a timer that has nothing to do with TCP's closing pays."""
    rows = []
    for _ in range(rounds):
        plain = load(build, "timers", times)
        with Running(tool):
            traced = load(build, "timers", times)
        rows.append({"timer_ns": 1e9 / plain["rate"], "traced_timer_ns": 1e9 / traced["rate"]})
    return medians(rows)


@contextlib.contextmanager
def held(build, sockets):
    """So many sockets are open meanwhile."""
    holder = subprocess.Popen([os.path.join(build, "bench", "bench_load"), "hold", str(sockets)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if not holder.stdout.readline():
            raise RuntimeError("the sockets could not be opened")
        yield
    finally:
        holder.stdin.close()
        holder.wait()


def scraping(build, serve, sockets, seconds):
    """What serve takes of a processor while nothing else happens: never asked for anything, and then asked for /metrics
    every five seconds."""
    with held(build, sockets), Running(serve) as run:
        time.sleep(seconds / 10)
        unasked = run.cpu_since_s() / (seconds / 10)
        run.begin_anew()
        start, slowest_s = time.monotonic(), 0.0
        while time.monotonic() - start < seconds:
            slowest_s = max(slowest_s, run.ask_metrics_s())
            time.sleep(5 - (time.monotonic() - start) % 5)
        return {"sockets": sockets, "unasked": unasked, "share": run.cpu_since_s() / (time.monotonic() - start),
                "slowest_ms": 1e3 * slowest_s}


def growth(build, tool, sockets, connections):
    """The kernel's and the consumer's cost of a transition while `sockets` others are open."""
    with held(build, sockets), bpf_stats(), Running(tool) as run:
        load(build, "storm", connections, 1)
        slowest = max((run.ask_metrics_s() for _ in range(10)), default=None) if run.is_serve else None
    events = TRANSITIONS * connections
    return {"sockets": sockets, "metrics_ms": slowest and 1e3 * slowest, "kernel_ns": run.kernel_ns / events,
            "consumer_ns_per_event": 1e9 * run.cpu_s / events, "rss_bytes": run.rss_bytes, "lost": run.lost}


NGINX = """
worker_processes 1; pid {0}/pid; error_log {0}/err; daemon on; user root;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_timeout {1}; keepalive_requests 1000000000;
client_body_temp_path {0}/a; proxy_temp_path {0}/b; fastcgi_temp_path {0}/c; uwsgi_temp_path {0}/d; scgi_temp_path {0}/e;
server {{ listen 127.0.0.1:8099 backlog=4096; location / {{ return 200 "hello\\n"; }} }} }}
"""


class Nginx:
    """A web server in a network namespace of its own, and wrk to ask it."""

    def __init__(self, keepalive):
        self.keepalive = keepalive
        self.name = f"tcpdwell-bench-{os.getpid()}"
        self.directory = tempfile.mkdtemp(prefix="tcpdwell-bench-")

    def inside(self, *command):
        return subprocess.run(["ip", "netns", "exec", self.name, *command], capture_output=True, text=True, check=True)

    def __enter__(self):
        os.chmod(self.directory, 0o755)
        path = os.path.join(self.directory, "nginx.conf")
        with open(path, "w") as file:
            file.write(NGINX.format(self.directory, 60 if self.keepalive else 0))
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.inside("ip", "link", "set", "lo", "up")
        self.inside("sysctl", "-qw", "net.ipv4.ip_local_port_range=1024 65000", "net.ipv4.tcp_tw_reuse=1")
        self.inside("nginx", "-c", path)
        return self

    def __exit__(self, *_):
        with open(os.path.join(self.directory, "pid")) as file:
            os.kill(int(file.read()), signal.SIGTERM)
        time.sleep(0.3)
        subprocess.run(["ip", "netns", "del", self.name], check=True)
        shutil.rmtree(self.directory)

    def ask(self, seconds):
        header = [] if self.keepalive else ["-H", "Connection: close"]
        said = self.inside("wrk", "-t1", "-c16", f"-d{seconds}s", "--latency", *header, "http://127.0.0.1:8099/").stdout
        number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", said).groups()
        return {"rate": float(re.search(r"Requests/sec:\s+([\d.]+)", said).group(1)),
                "p99_us": float(number) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]}


def web(tool, keepalive, seconds, rounds):
    rows = []
    with Nginx(keepalive) as nginx:
        nginx.ask(1)
        for n in range(rounds):
            plain = nginx.ask(seconds) if n % 2 == 0 else None
            with Running(tool):
                traced = nginx.ask(seconds)
            plain = plain or nginx.ask(seconds)
            rows.append({"ratio": traced["rate"] / plain["rate"], "p99_ratio": traced["p99_us"] / plain["p99_us"],
                         "untraced_rate": plain["rate"], "untraced_p99_us": plain["p99_us"], "p99_us": traced["p99_us"]})
    return {**medians(rows), "p99_spread": spread(rows, "p99_ratio")}


def micro(build, names, seconds):
    """Google Benchmark's own figures, ns an item, by benchmark."""
    figures = {}
    for name in names:
        done = subprocess.run([os.path.join(build, "bench", f"bench_{name}"), "--benchmark_format=json",
                               f"--benchmark_min_time={seconds}"], capture_output=True, text=True, check=True)
        for b in json.loads(done.stdout)["benchmarks"]:
            if "items_per_second" in b:
                figures[b["name"]] = 1e9 / b["items_per_second"]
    return figures


def reports(build, connections):
    """How fast a recorded trace is read again, beside jq on the same file; and the connections of the same storm from lines of
    connections."""
    us = os.path.join(build, "tcpdwell")
    with tempfile.TemporaryDirectory(prefix="tcpdwell-bench-") as directory:
        path, by_connection = (os.path.join(directory, name) for name in ("trace.json", "connections.json"))
        recorders = [subprocess.Popen([us, "record", "-q", "-o", path]),
                     subprocess.Popen([us, "record", "--lines", "connections", "-q", "-o", by_connection])]
        time.sleep(2)
        for _ in range(4):
            load(build, "storm", connections, 1)
        for record in recorders:
            record.send_signal(signal.SIGINT)
            record.wait()
        with open(path, "rb") as file:
            lines = sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))

        def seconds(*command, times=5):
            """Of processor time, and by the clock: medians."""
            rows = []
            for _ in range(times):
                before = os.times()
                start = time.monotonic()
                subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
                after = os.times()
                cpu = after.children_user + after.children_system - before.children_user - before.children_system
                rows.append((cpu, time.monotonic() - start))
            return [statistics.median(column) for column in zip(*rows)]

        cpu, wall = seconds(us, "report", path)
        result = {"lines": lines, "report_per_cpu_s": lines / cpu, "report_per_s": lines / wall,
                  "connections_times": wall / seconds(us, "report", by_connection)[1]}
        if shutil.which("jq"):
            count = 'reduce (inputs | select(.type == "transition")) as $t ({}; .[$t.old] += 1)'
            result["jq_per_cpu_s"], result["jq_per_s"] = (lines / s for s in seconds("jq", "-n", count, path, times=1))
        return result
