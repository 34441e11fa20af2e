# SPDX-License-Identifier: BSD-2-Clause
"""A tcpdwell serve for tests, its clients, and connections for it to see."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time

from support import HERE, TIMEOUT, Live, free_port, scratch_file, wait_for

# Both ends of connections, one after the other: argv is seconds to go on, milliseconds that the server waits
# in CLOSE_WAIT (each in turn), a rate limit, the server's port. Prints how long it did, at least and at most, in seconds.
STORM = """
import json, socket, sys, time
seconds, waits, rate = float(sys.argv[1]), [float(w) / 1000 for w in sys.argv[2].split(",")], float(sys.argv[3])
server = socket.create_server(("127.0.0.1", int(sys.argv[4])), backlog=512)
begin, n, waited = time.monotonic(), 0, []
while time.monotonic() - begin < seconds:
    client = socket.create_connection(server.getsockname())
    kept, _ = server.accept()
    closing = time.monotonic()
    client.close()
    closed = time.monotonic()
    time.sleep(waits[n % len(waits)])
    leaving = time.monotonic()
    kept.close()
    waited.append((leaving - closed, time.monotonic() - closing))
    n += 1
    ahead = n / rate - (time.monotonic() - begin)
    if ahead > 0: time.sleep(ahead)
print(json.dumps(waited), flush=True)
"""


def storm(seconds, waits="0", rate=1e9):
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", STORM, str(seconds), waits, str(rate), str(free_port())],
        stdout=subprocess.PIPE,
        text=True,
    )


def waits_of(process):
    """When a storm is over: for how many seconds each of its connections was in CLOSE_WAIT, at least and at most."""
    out, _ = process.communicate(timeout=100)
    assert process.returncode == 0
    return json.loads(out)


def made_by(process):
    """How many connections a storm made, when it is over."""
    return len(waits_of(process))


class Serving(Live):
    """A serve; entered once it answers. `port`, `socket` are where."""

    count = 0

    def __init__(self, *args, network=HERE):
        Serving.count += 1
        self.port = free_port()
        self.socket = scratch_file(f"serve-{os.getpid()}-{Serving.count}.sock")
        super().__init__(
            "serve", "--listen", f"127.0.0.1:{self.port}", "--socket", self.socket, *args, network=network
        )

    def __enter__(self):
        wait_for(lambda: f"answers on {self.socket}\n" in self._text(self._err) or self.process.poll() is not None)
        return self

    def get(self, path, method="GET", headers=None):
        """Status, headers (lower case) and text of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        try:
            connection.request(method, path, headers=headers or {})
            answer = connection.getresponse()
            text = answer.read().decode("utf-8")
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, text
        finally:
            connection.close()

    def ask(self, path):
        """Over the unix socket: no TCP connection that would be counted itself."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(TIMEOUT)
            connection.connect(self.socket)
            connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        head, _, text = answer.decode("utf-8").partition("\r\n\r\n")
        assert " 200 " in head.splitlines()[0], (path, head, text)
        return text

    def json(self, path):
        return json.loads(self.ask(path))

    def metrics(self):
        return samples(self.ask("/metrics"))


def samples(text):
    """Of Prometheus text: {'name{label="value"}': number}."""
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if not line.startswith("#")
    }


def lost_by_place(metrics):
    return {name.split('"')[1]: int(value) for name, value in metrics.items() if name.startswith("tcpdwell_lost_total{")}


class Leak:
    """Sockets of this process that came to CLOSE_WAIT between `began` and `since`."""

    def __init__(self, count):
        self.server = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.server.getsockname()[1]
        self.kept = []
        self.began = time.monotonic()
        for _ in range(count):
            client = socket.create_connection(self.server.getsockname())
            self.kept.append(self.server.accept()[0])
            client.close()
        self.since = time.monotonic()

    def close(self):
        for one in [*self.kept, self.server]:
            one.close()
