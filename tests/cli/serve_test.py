# SPDX-License-Identifier: BSD-2-Clause
"""tcpdwell serve: what it answers, to whom, and that nobody who asks can hurt it."""

import contextlib
import json
import os
import re
import signal
import socket
import stat
import subprocess
import time

from serving import Leak, Serving, lost_by_place, made_by, samples, storm, waits_of
from support import HERE, NOBODY, SANITIZED, SECCOMP, TIMEOUT, Live, TestCase, environment, free_port, main, needs, needs_root, own_network, run, scratch_file, wait_for


def raw(port, text, timeout=TIMEOUT):
    """What comes back for these bytes, until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        got = b""
        with contextlib.suppress(ConnectionError):  # closed while we still sent
            connection.sendall(text)
            while piece := connection.recv(65536):
                got += piece
        return got


@needs_root
class Serve(TestCase):
    def setUp(self):
        own_network()  # one a test: what a test leaves in TIME_WAIT is counted in no other

    def test_every_endpoint(self):
        leak = Leak(3)
        with Serving() as serve:
            made = made_by(storm(0.5, rate=40))
            # A hand-over may be told a quarter of a second later.
            wait_for(lambda: serve.json("/api/states")["sockets"]["TIME_WAIT"] == made)
            states = serve.json("/api/states")
            rows = {row["state"]: row for row in states["rows"]}
            self.assertEqual(states["type"], "summary")
            self.assertEqual(rows["CLOSE_WAIT"]["count"], made)
            self.assertEqual(rows["CLOSE_WAIT"]["open"], 3)
            self.assertEqual(rows["TIME_WAIT"]["open"], made)
            self.assertEqual(states["sockets"]["TIME_WAIT"], made)
            self.assert_nothing_lost(states["lost"])

            stuck = serve.json("/api/stuck?state=close-wait&limit=2")
            self.assertEqual((stuck["matching"], len(stuck["sockets"])), (3, 2))
            one = stuck["sockets"][0]
            self.assertEqual((one["type"], one["state"], one["pid"]), ("socket", "CLOSE_WAIT", os.getpid()))
            self.assertEqual(serve.json("/api/stuck?state=close-wait&older=1h")["sockets"], [])

            connections = serve.json("/api/connections")
            self.assertEqual({c["state"] for c in connections["stuck"]} & {"TIME_WAIT", "LISTEN"}, set())
            self.assertEqual(len([c for c in connections["slowest"] if c["path"].endswith("LAST_ACK>CLOSE")]), made)
            self.assertIn("findings", serve.json("/api/findings"))

            text = serve.ask("/api/sockets")
            lines = [json.loads(line) for line in text.splitlines()]
            self.assertEqual((lines[0]["type"], lines[-1]["type"]), ("header", "end"))
            self.assertEqual(lines[-1]["connections"], len(lines) - 2)
            self.assertEqual(len([line for line in lines if line.get("state") == "CLOSE_WAIT"]), 3)
            report = run("report", "-", "--format", "json", input=text)
            self.assertEqual(report.status, 0, report)

            status, headers, page = serve.get("/")
            self.assertEqual((status, headers["content-type"]), (200, "text/html; charset=utf-8"))
            nonce = re.search(r"script-src 'nonce-([0-9a-f]{32})'", headers["content-security-policy"])[1]
            self.assertIn(f'<script nonce="{nonce}">', page)
            self.assertNotIn("http://", page.replace("http://www.w3.org/2000/svg", ""))
            self.assertNotIn(nonce, serve.get("/")[2])
            self.assertEqual(serve.get("/healthz")[::2], (200, "ok\n"))

            for path, status in [("/nothing", 404), ("/api/stuck?state=odd", 400), ("/api/stuck?limit=10001", 400),
                                 ("/api/stuck?wish=1", 400), ("/api/stuck?older=soon", 400)]:  # fmt: skip
                self.assertEqual(serve.get(path)[0], status, path)
            for method in ("POST", "PUT", "DELETE", "OPTIONS"):
                status, headers, _ = serve.get("/metrics", method)
                self.assertEqual((status, headers["allow"]), (405, "GET, HEAD"), method)
            for path in ("/", "/metrics", "/api/stuck", "/api/sockets"):
                status, headers, text = serve.get(path, "HEAD")
                self.assertEqual((status, text), (200, ""), path)
        leak.close()

    @needs("promtool")
    def test_metrics_as_prometheus_wants_them(self):
        leak = Leak(3)
        with Serving() as serve:
            waits = waits_of(storm(0.5, waits="30", rate=40))
            made = len(waits)
            wait_for(lambda: serve.metrics()['tcpdwell_sockets{state="TIME_WAIT"}'] == made)
            text = serve.ask("/metrics")
            check = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
            self.assertEqual((check.returncode, check.stdout + check.stderr), (0, ""))
            got = samples(text)
            self.assertEqual(got['tcpdwell_sockets{state="CLOSE_WAIT"}'], 3)
            self.assertEqual(got['tcpdwell_sockets{state="TIME_WAIT"}'], made)
            self.assertEqual(got['tcpdwell_sockets{state="CLOSING"}'], 0)
            self.assertEqual(got['tcpdwell_dwell_seconds_count{state="CLOSE_WAIT"}'], made)
            self.assertEqual(got['tcpdwell_dwell_seconds_bucket{state="CLOSE_WAIT",le="0.02"}'], 0)
            for bound in ("0.05", "0.5", "5.0"):
                within = got[f'tcpdwell_dwell_seconds_bucket{{state="CLOSE_WAIT",le="{bound}"}}']
                self.assertGreaterEqual(within, sum(most < float(bound) - 0.001 for _, most in waits), bound)
                self.assertLessEqual(within, sum(least < float(bound) + 0.001 for least, _ in waits), bound)
            total = got['tcpdwell_dwell_seconds_sum{state="CLOSE_WAIT"}']
            self.assertGreater(total, sum(least for least, _ in waits) - 0.001 * made)
            self.assertLess(total, sum(most for _, most in waits) + 0.001 * made)
            self.assertEqual(got['tcpdwell_transitions_total{old="ESTABLISHED",new="CLOSE_WAIT"}'], made)
            self.assertEqual(got['tcpdwell_connections_opened_total{side="active"}'], made)
            self.assertEqual(got['tcpdwell_connections_opened_total{side="passive"}'], made)
            self.assertEqual(got['tcpdwell_connections_ended_total{reason="none",closer="remote"}'], made)
            self.assert_nothing_lost(lost_by_place(got))
            owners = {name: n for name, n in got.items() if name.startswith("tcpdwell_open_sockets_owner")}
            self.assertEqual(sum(owners.values()), sum(n for name, n in got.items() if name.startswith("tcpdwell_sockets")))
            ports = [n for name, n in got.items() if name.startswith("tcpdwell_ports_used") and "other" not in name]
            self.assertEqual(sum(ports), made)
            self.assertGreater(got["process_resident_memory_bytes"], 1e6)
            self.assertAlmostEqual(got["process_start_time_seconds"], time.time(), delta=30)

            status, headers, _ = serve.get("/metrics")
            self.assertEqual((status, headers["content-type"]), (200, "text/plain; version=0.0.4; charset=utf-8"))
            open_text = serve.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
            self.assertTrue(open_text[1]["content-type"].startswith("application/openmetrics-text"))
            self.assertTrue(open_text[2].endswith("\n# EOF\n"))
            self.assertIn("# TYPE tcpdwell_lost counter\n", open_text[2])
        leak.close()

    def test_without_minisockets_theirs_are_absent(self):
        with Serving("--minisockets", "off") as serve:
            made_by(storm(0.2, rate=40))
            metrics, states = serve.metrics(), serve.json("/api/states")
            self.assertIn('tcpdwell_sockets{state="ESTABLISHED"}', metrics)
            for state in ("TIME_WAIT", "SYN_RECV"):
                for name in ("tcpdwell_sockets", "tcpdwell_dwell_seconds_count"):
                    self.assertNotIn(f'{name}{{state="{state}"}}', list(metrics))
                self.assertIsNone(states["sockets"][state])
            self.assertIsNone({row["state"]: row["open"] for row in states["rows"]}["SYN_RECV"])
            self.assertEqual(states["sockets"]["ESTABLISHED"], 0)

    def test_every_metric_is_documented(self):
        with open(os.path.join(os.path.dirname(__file__), "../../docs/metrics.md"), encoding="utf-8") as file:
            documented = set(re.findall(r"^\| `(\w+)` \|", file.read(), re.M))
        with Serving() as serve:
            made_by(storm(0.2, rate=20))
            told = set(re.findall(r"^# TYPE (\w+) ", serve.get("/metrics")[2], re.M))
        through_fentry = {"tcpdwell_accept_wait_seconds", "tcpdwell_listen_overflows_total"}
        self.assertLess(through_fentry, documented)
        self.assertEqual(told | through_fentry, documented)

    def test_stuck_asks_it(self):
        old = Leak(50)
        time.sleep(2)
        with Serving() as serve:
            time.sleep(1)
            new = Leak(5)
            made_by(storm(0.2, rate=20))
            time.sleep(1.5)
            ask = ("stuck", *HERE, "--socket", serve.socket, "--format", "json")

            def found(*args):
                outcome = run(*ask, *args)
                self.assertEqual(outcome.status, 0, outcome)
                return [json.loads(line) for line in outcome.out.splitlines()]

            asked = time.monotonic()
            exact = found("-L", new.port, "--state", "close-wait")
            answered = time.monotonic()
            self.assertEqual(len(exact), 5)
            for one in exact:
                self.assertEqual((one["age"], one["pid"]), ("exact", os.getpid()))
                self.assertGreater(one["age_ns"] / 1e9, asked - new.since - 0.5)
                self.assertLess(one["age_ns"] / 1e9, answered - new.began + 0.1)
                self.assertIn("recv_queue", one)  # which the kernel tells, as before
            asked = time.monotonic()
            bounded = found("-L", old.port, "--state", "close-wait")
            answered = time.monotonic()
            self.assertEqual(len(bounded), 50)
            for one in bounded:
                self.assertEqual(one["age"], "at_least")
                self.assertGreater(one["age_ns"] / 1e9, asked - old.since - 1)
                self.assertLess(one["age_ns"] / 1e9, answered - old.began + 0.2)
            # An established connection has no age one-shot; and who had a TIME_WAIT, the kernel has forgotten.
            client = socket.create_connection(new.server.getsockname())
            time.sleep(0.6)
            (one,) = found("--state", "established", "-p", os.getpid(), "-D", new.port)
            self.assertEqual(one["age"], "exact")
            self.assertEqual(found("--state", "established", "--older", "1m"), [])
            self.assertEqual(len(found("--older", "500ms", "--state", "established", "-D", new.port)), 1)
            self.assertTrue(all(one["pid"] for one in found("--state", "time-wait")))
            (listener,) = found("-l", "-L", new.port)
            self.assertEqual(listener["age"], "exact")
            client.close()

            told = run(*ask, "-v").err
            self.assertIn("serve knows how long", told)
            told = run("stuck", *HERE, "--socket", serve.socket + ".none", "-v").err
            self.assertIn("no serve answers", told)
            one_shot = run("stuck", *HERE, "--socket", "", "-L", new.port, "--state", "close-wait").out
            self.assertRegex(one_shot, r"CLOSE_WAIT +>=")
            timed = run(*ask[:-2], "-L", new.port, "--state", "close-wait", "-T").out
            now = time.time() - time.monotonic()
            entered = [time.strftime("%Y-%m-%d %H:%M", time.localtime(now + moment)) for moment in (new.began, new.since)]
            self.assertIn("SINCE", timed)
            self.assertTrue(any(minute in timed for minute in entered), (entered, timed))
            new.close()
        old.close()

    def test_the_unix_socket_is_its_owners(self):
        with Serving() as serve:
            self.assertEqual(stat.S_IMODE(os.stat(serve.socket).st_mode), 0o600)
            other = run("serve", "--listen", f"127.0.0.1:{free_port()}", "--socket", serve.socket, *HERE)
            self.assert_error(other, 1, serve.socket, "another tcpdwell serve")
            taken = run("serve", "--listen", f"127.0.0.1:{serve.port}", "--socket", "", *HERE)
            self.assert_error(taken, 1, f"127.0.0.1:{serve.port}", "in use")
        # It may remove nothing any more: nobody answers there, and the next one takes the place.
        if not SANITIZED:  # an instrumented build gives nothing up, and removes it
            self.assertTrue(stat.S_ISSOCK(os.stat(serve.socket).st_mode))
        self.assertIn("no serve answers", run("stuck", *HERE, "--socket", serve.socket, "-v").err)
        with Live("serve", "--listen", f"127.0.0.1:{free_port()}", "--socket", serve.socket) as again:
            wait_for(lambda: run("stuck", *HERE, "--socket", serve.socket, "-v").err.startswith("tcpdwell: serve knows"))
        self.assertEqual(again.outcome.status, 0)
        with Serving() as first:
            os.unlink(first.socket)
            with Live("serve", "--listen", f"127.0.0.1:{free_port()}", "--socket", first.socket):
                wait_for(lambda: run("stuck", *HERE, "--socket", first.socket, "-v").err.startswith("tcpdwell: serve knows"))
                self.assertEqual(first.stop().status, 0)
                self.assertTrue(os.path.exists(first.socket))
                self.assertIn("serve knows how long", run("stuck", *HERE, "--socket", first.socket, "-v").err)
        file = scratch_file("a file", "kept")
        self.assert_error(run("serve", "--socket", file, *HERE), 1, "exists")
        with open(file, encoding="utf-8") as kept:
            self.assertEqual(kept.read(), "kept")

    def test_bad_usage(self):
        for address in ("9978", "127.0.0.1", "127.0.0.1:70000", "example.org:80", "::1:80", ""):
            self.assert_error(run("serve", "--listen", address, "--socket", "", *HERE), 2, "--listen")
        self.assert_error(run("serve", "--state", "time-wait"), 2, "/api/stuck?state=")
        self.assert_error(run("serve", "--", "true"), 2, "takes no command")

    def test_names_of_another_host_are_refused(self):
        with Serving() as serve:
            for host in ("evil.example", "evil.example:9978", "localhost.evil.example", "127.evil.example", "127.0.0.1.evil.example"):
                self.assertEqual(serve.get("/metrics", headers={"Host": host})[0], 403, host)
            for host in ("localhost..", "[::ffff:10.0.0.1]", "[::2]", "[::1", "[evil.example]"):
                self.assertEqual(serve.get("/metrics", headers={"Host": host})[0], 403, host)
            for host in ("localhost", f"localhost:{serve.port}", "127.0.0.1", "[::1]:9978", "LOCALHOST", "localhost.",
                         f"Localhost.:{serve.port}", "[::ffff:127.0.0.1]:9978", "[0:0::1]"):  # fmt: skip
                self.assertEqual(serve.get("/metrics", headers={"Host": host})[0], 200, host)

    def test_loopback_by_its_ipv6_name_is_loopback(self):
        port, path = free_port(), scratch_file("mapped.sock")
        with Live("serve", "--listen", f"[::ffff:127.0.0.1]:{port}", "--socket", path) as serve:
            wait_for(lambda: f"answers on {path}\n" in serve._text(serve._err) or serve.process.poll() is not None)
            ask = "GET /healthz HTTP/1.1\r\nConnection: close\r\nHost: {}\r\n\r\n"
            self.assertIn(b" 200 ", raw(port, ask.format("[::ffff:127.0.0.1]").encode())[:20])
            self.assertIn(b" 403 ", raw(port, ask.format("evil.example").encode())[:20])

    def test_signals_and_the_service_manager(self):
        name = f"\0tcpdwell-test-{os.getpid()}"
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        manager.bind(name)
        manager.settimeout(TIMEOUT)
        os.environ["NOTIFY_SOCKET"] = "@" + name[1:]
        os.environ["WATCHDOG_USEC"] = "2000000"
        try:
            serve = Serving()
        finally:
            del os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"]
        with serve:
            told = lambda: manager.recv(4096).decode()
            self.assertEqual(told(), "READY=1")
            told_at = [time.monotonic()]
            for _ in range(4):
                self.assertEqual(told(), "WATCHDOG=1")
                told_at.append(time.monotonic())
            self.assertLess(max(b - a for a, b in zip(told_at, told_at[1:])), 2, "it would be killed")
            self.assertGreater(told_at[-1] - told_at[0], 3, "more often than twice in the time it has")
            serve.process.send_signal(signal.SIGHUP)
            wait_for(lambda: told().startswith("RELOADING=1\nMONOTONIC_USEC="))
            wait_for(lambda: told() == "READY=1")
            self.assertEqual(serve.get("/healthz")[0], 200)
            outcome = serve.stop(signal.SIGTERM)
            self.assertEqual(outcome.status, 0)
            wait_for(lambda: told() == "STOPPING=1")
        manager.close()

    def test_it_gives_up_its_privileges(self):
        with Serving() as serve:
            serve.get("/metrics")
            for task in os.listdir(f"/proc/{serve.process.pid}/task"):
                with open(f"/proc/{serve.process.pid}/task/{task}/status", encoding="utf-8") as file:
                    status = dict(line.split(":\t") for line in file.read().splitlines() if ":\t" in line)
                self.assertEqual(int(status["CapEff"], 16) & ~(1 << 39), 0, status["Name"])
                self.assertEqual(status["NoNewPrivs"], "1")
                self.assertEqual(status["Seccomp"], SECCOMP)
                if not SANITIZED:
                    self.assertEqual(status["Uid"], "\t".join([str(NOBODY)] * 4), status["Name"])
                    self.assertEqual(status["Groups"].strip(), "")

    def test_it_serves_nobody_while_it_cannot_give_them_up(self):
        env = environment(LD_PRELOAD=os.environ["NO_CONFINEMENT"])
        refused = run("serve", "--listen", f"127.0.0.1:{free_port()}", "--socket", "", "--duration", "5s", *HERE, env=env)
        self.assert_error(refused, 1, "privileges", "no_new_privs")
        self.assertNotIn("answers on", refused.err)

    def test_hostile_clients_and_a_storm(self):
        with Serving() as serve, contextlib.ExitStack() as held:
            flood = storm(6)

            def hold(text):
                connection = socket.create_connection(("127.0.0.1", serve.port), timeout=TIMEOUT)
                with contextlib.suppress(OSError):
                    connection.sendall(text)
                held.callback(connection.close)
                return connection

            slow = [hold(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Slow: ") for _ in range(200)]
            for _ in range(40):  # ask for much, take nothing
                hold(b"GET /api/sockets HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
            for _ in range(40):
                hold(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertNotIn(b" 200 ", raw(serve.port, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000)[:20])
            for text in (b"\x00" * 5000, b"GET\r\n\r\n", b"GET /%zz?%%%=%00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                         b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n",
                         b"GET http://[/ HTTP/1.1\r\nConnection: close\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"):  # fmt: skip
                self.assertNotIn(b" 200 ", raw(serve.port, text)[:20], text)
            # Whoever behaves is answered meanwhile.
            for _ in range(10):
                for one in slow:
                    with contextlib.suppress(OSError):
                        one.send(b"x")
                self.assertEqual(serve.get("/metrics")[0], 200)
                time.sleep(0.3)
            made = made_by(flood)
            got = serve.metrics()
            self.assert_nothing_lost(lost_by_place(got))
            # Its own clients are loopback connections too, and counted.
            self.assertGreaterEqual(got['tcpdwell_transitions_total{old="CLOSE_WAIT",new="LAST_ACK"}'], made)
            if not SANITIZED:
                self.assertLess(got["process_resident_memory_bytes"], 200e6)
            self.assertLess(len(os.listdir(f"/proc/{serve.process.pid}/fd")), 400)
        self.assertEqual(serve.outcome.status, 0, serve.outcome)


if __name__ == "__main__":
    main()
