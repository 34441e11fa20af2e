# SPDX-License-Identifier: BSD-2-Clause
"""Metrics of serve by container and by listening socket, against what is really there."""

import contextlib
import re
import socket
import subprocess
import time

from pods_test import LABELS, node
from serving import Serving
from support import TestCase, main, needs, needs_root, own_network, wait_for

LINE = re.compile(r'^(\w+)\{(.*)\} (\S+)$')


def setUpModule():
    own_network()


def series(text, name):
    """Label values, joined with "/", and what the metric is."""
    found = {}
    for line in text.splitlines():
        match = LINE.match(line)
        if match and match[1] == name:
            key = "/".join(re.findall(r'"((?:[^"\\]|\\.)*)"', match[2]))
            assert key not in found, f"twice: {line}"
            found[key] = float(match[3])
    return found


def listen_overflows():
    with open("/proc/self/net/netstat", encoding="ascii") as file:
        names, values = [line.split() for line in file if line.startswith("TcpExt:")]
    return int(values[names.index("ListenOverflows")])


@needs_root
class ContainerMetricsTest(TestCase):
    def test_sockets_of_pods(self):
        with node() as (root, pods):
            began = time.monotonic()
            pods[0].start()  # older than serve
            with Serving("--host-root", root) as serve:
                newer = time.monotonic()
                pods[1].start()
                made = time.monotonic()
                time.sleep(0.3)
                asked, texts = [], []

                def told():
                    asked.append(time.monotonic())
                    texts.append(serve.get("/metrics")[2])
                    return series(texts[-1], "tcpdwell_container_sockets").get(f"{LABELS[1]}/TIME_WAIT") == 1

                wait_for(told)
                answered = time.monotonic()
                sockets = series(texts[-1], "tcpdwell_container_sockets")
                oldest = series(texts[-1], "tcpdwell_container_oldest_seconds")
            for label in LABELS:
                self.assertEqual(sockets[f"{label}/LISTEN"], 1)
                self.assertEqual(sockets[f"{label}/ESTABLISHED"], 2)
            # What was in TIME_WAIT before has no cgroup; what has come since keeps its own.
            self.assertEqual(sockets[f"{LABELS[1]}/TIME_WAIT"], 1)
            self.assertNotIn(f"{LABELS[0]}/TIME_WAIT", sockets)
            self.assertEqual({key.rsplit("/", 1)[0] for key in sockets}, set(LABELS))
            self.assertGreater(oldest[f"{LABELS[1]}/ESTABLISHED"], asked[-1] - made - 1.1)  # an answer may be a second old
            self.assertGreater(oldest[f"{LABELS[1]}/ESTABLISHED"], 0.2)
            self.assertLess(oldest[f"{LABELS[1]}/ESTABLISHED"], answered - newer + 0.1)
            self.assertLess(oldest[f"{LABELS[0]}/ESTABLISHED"], answered - began + 0.1, "since serve knows it, at least")

    def test_those_beyond_the_largest_are_other(self):
        with node() as (root, pods):
            with Serving("--host-root", root, "--top", "1") as serve:
                for pod in pods:
                    pod.start()
                with socket.create_server(("127.0.0.1", 0)):
                    text = serve.get("/metrics")[2]
            sockets = series(text, "tcpdwell_container_sockets")
            of = {key.rsplit("/", 1)[0] for key in sockets}
            self.assertEqual(len(of), 2)
            self.assertIn("//other", of)
            self.assertEqual(sockets["//other/ESTABLISHED"], 2)
            self.assertEqual(len(series(text, "tcpdwell_listen_queue")), 1)

    def test_lives_and_failed_connects(self):
        with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as nobody, Serving() as serve:
            nobody.bind(("127.0.0.1", 0))
            for _ in range(3):
                client = socket.create_connection(server.getsockname())
                accepted, _ = server.accept()
                time.sleep(0.12)
                client.close()
                accepted.close()
            for _ in range(4):
                with socket.socket() as refused:
                    self.assertNotEqual(refused.connect_ex(nobody.getsockname()), 0)
            port = nobody.getsockname()[1]

            def told():
                text = serve.get("/metrics")[2]
                failed = series(text, "tcpdwell_connects_failed_total")
                passive = series(text, "tcpdwell_connection_life_seconds_count")["passive"]
                return text if failed.get(f"127.0.0.1/{port}/refused") == 4 and passive == 3 else None

            found = []
            wait_for(lambda: found.append(told()) or found[-1])
        text = found[-1]
        buckets = series(text, "tcpdwell_connection_life_seconds_bucket")
        # The client is in TIME_WAIT, and its life is told when that is over.
        self.assertEqual(series(text, "tcpdwell_connection_life_seconds_count")["active"], 4)
        self.assertEqual((buckets["passive/0.1"], buckets["passive/10.0"]), (0, 3))

    def test_a_listener_that_nobody_accepts_from(self):
        """listen(3) holds 4. What comes then is dropped, which the kernel counts in ListenOverflows. Both are found."""
        before = listen_overflows()
        with Serving() as serve, contextlib.ExitStack() as stack, socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen(3)
            lport = server.getsockname()[1]
            for _ in range(7):
                client = stack.enter_context(socket.socket())
                client.setblocking(False)
                client.connect_ex(server.getsockname())
            # The same moment: SYNs are sent again.
            def the_same():
                counted = listen_overflows() - before
                text = serve.get("/metrics")[2]
                return text if listen_overflows() - before == counted else None

            found = []
            wait_for(lambda: self.findings_of(serve, lport).keys() >= {"not_accepted", "accept_queue_full"})
            wait_for(lambda: found.append(the_same()) or found[-1])
            key = next(key for key in series(found[-1], "tcpdwell_listen_queue") if key.endswith(f"/127.0.0.1/{lport}"))
            self.assertEqual(series(found[-1], "tcpdwell_listen_queue")[key], 4)
            self.assertEqual(series(found[-1], "tcpdwell_listen_queue_limit")[key], 3)
            drops = series(found[-1], "tcpdwell_listen_drops_total")[key]
            self.assertGreaterEqual(drops, 3)
            self.assertEqual(drops, listen_overflows() - before)
            self.check_what_fentry_tells(found[-1], key, drops)
            of_port = {at: n for at, n in series(found[-1], "tcpdwell_listen_port_sockets").items() if f"/{lport}/" in at}
            netns = key.split("/")[0]
            self.assertEqual(of_port, {f"{netns}/{lport}/LISTEN": 1, f"{netns}/{lport}/ESTABLISHED": 4})
            waits = self.findings_of(serve, lport)["not_accepted"]
            self.assertEqual((waits["severity"], waits["count"]), ("critical", 4))
            self.assertIn("does not accept: 4 of 3 wait in the accept queue", waits["text"])

    def findings_of(self, serve, lport):
        """By their kind, those of the listener."""
        findings = serve.json("/api/findings")["findings"]
        return {one["kind"]: one for one in findings if one["subject"].endswith(f":{lport}")}

    def check_what_fentry_tells(self, text, key, drops):
        """What cannot be known is not there, by name or by number."""
        overflows, waits = "tcpdwell_listen_overflows_total", "tcpdwell_accept_wait_seconds"
        if 'minisockets="fentry"' not in text:
            self.assertNotIn(overflows, text)
            self.assertNotIn(waits, text)
            return
        self.assertIn(waits, text)
        if overflows in text:  # not Linux 6.1
            self.assertEqual(series(text, overflows)[key], drops)

    def test_listening_ports_beyond_those_with_most_are_other(self):
        with contextlib.ExitStack() as stack, Serving("--top", "1") as serve:
            servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
            lport = servers[0].getsockname()[1]
            for _ in range(2):
                stack.enter_context(socket.create_connection(servers[0].getsockname()))
                stack.enter_context(servers[0].accept()[0])
            with socket.socket() as bound:  # a client, at whose port nobody listens
                bound.bind(("127.0.0.1", 0))
                bound.connect(servers[1].getsockname())
                of_port = series(serve.get("/metrics")[2], "tcpdwell_listen_port_sockets")
        self.assertEqual({at.split("/", 1)[1]: n for at, n in of_port.items() if f"/{lport}/" in at},
                         {f"{lport}/LISTEN": 1, f"{lport}/ESTABLISHED": 2})
        others = {at: n for at, n in of_port.items() if at.startswith("/other/")}
        # Two of these, and the one of serve, which is being asked.
        self.assertEqual(others["/other/LISTEN"], 3)
        self.assertEqual(len(of_port), 2 + len(others), of_port)

    @needs("promtool")
    def test_promtool_finds_nothing_to_say(self):
        with Serving() as serve, socket.create_server(("127.0.0.1", 0)) as server:
            with socket.create_connection(server.getsockname()):
                text = serve.get("/metrics")[2]
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))


if __name__ == "__main__":
    main()
