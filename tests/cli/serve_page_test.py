# SPDX-License-Identifier: BSD-2-Clause
"""The live page of tcpdwell serve, in a browser: it moves, in light and dark, and hostile names stay text."""

import contextlib
import ctypes
import datetime
import json
import os
import re
import signal
import socket
import subprocess
import time

import axe
import support
from browser import Browser
from pods_test import LABELS, node
from serving import Leak, Serving, made_by, storm
from support import wait_for

COUNT = """
const row = [...document.querySelectorAll('#states tbody tr')].find(r => r.cells[0].textContent === arguments[0]);
return row ? Number(row.cells[arguments[1]].textContent.replaceAll(',', '')) : 0;
"""
NOW, FINISHED = 1, 3
# What is said of each point of the line of CLOSE_WAIT when it is pointed at.
POINTS = """
const svg = document.querySelector('#series svg'), box = svg.getBoundingClientRect();
return [...svg.querySelectorAll('polyline.CLOSE_WAIT')].flatMap(line => [...line.points]).map(point => {
  const x = point.x / svg.viewBox.baseVal.width * box.width;
  svg.dispatchEvent(new MouseEvent('mousemove', {clientX: box.left + x, clientY: box.top + 50}));
  return document.getElementById('at').textContent;
});
"""
# Heads of a narrow page's cells that have less room than their longest word.
BROKEN_HEADS = """
const pen = document.createElement('canvas').getContext('2d');
return [...document.querySelectorAll('td')].filter(cell => cell.offsetHeight).filter(cell => {
  const head = getComputedStyle(cell, '::before');
  pen.font = `${head.fontWeight} ${head.fontSize} ${head.fontFamily}`;
  return parseFloat(head.width) + 1 < Math.max(...cell.dataset.head.split(' ').map(word => pen.measureText(word).width));
}).map(cell => cell.dataset.head + ': ' + cell.textContent);
"""
TOO_WIDE = "return [...document.querySelectorAll('.card')].filter(c => c.scrollWidth > c.clientWidth).map(c => c.id)"
PICTURE = "return [...document.querySelectorAll('#diagram text')].map(t => t.textContent)"


def setUpModule():
    support.own_network()


@support.needs_root
@support.needs("chromium", "chromedriver")
class LivePage(support.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = cls.enterClassContext(Browser())
        cls.browser.open_url("about:blank")
        cls.browser.console()  # what the browser's own first page had to say
        cls.serve = cls.enterClassContext(Serving())
        cls.address = f"http://127.0.0.1:{cls.serve.port}/"

    def tearDown(self):
        self.assertEqual(self.browser.console(), [])

    def load(self):
        self.browser.open_url(self.address)
        wait_for(lambda: self.browser.run("return document.documentElement.dataset.ready") == "yes")

    def test_counts_move(self):
        self.load()
        before = self.browser.run(COUNT, "CLOSE_WAIT", FINISHED)
        leak = Leak(7)
        made = made_by(storm(2, waits="20", rate=30))
        wait_for(lambda: self.browser.run(COUNT, "CLOSE_WAIT", FINISHED) >= before + made)
        wait_for(lambda: self.browser.run(COUNT, "CLOSE_WAIT", NOW) == 7)
        wait_for(lambda: self.browser.run(COUNT, "TIME_WAIT", NOW) >= made)
        wait_for(lambda: "7" in self.browser.run(PICTURE))
        for selector, least in {"#diagram svg rect": 6, "#distributions rect": 4, "#series polyline": 3,
                                "#stuck tbody tr": 7, "#owners tbody tr": 1, "#ports tbody tr": 1}.items():  # fmt: skip
            there = lambda: self.browser.run("return document.querySelectorAll(arguments[0]).length", selector)
            with contextlib.suppress(TimeoutError):
                wait_for(lambda: there() >= least)
            self.assertGreaterEqual(there(), least, selector)
        for scheme in ("light", "dark"):
            self.browser.colours(scheme)
            paper = self.browser.run("return getComputedStyle(document.body).backgroundColor")
            self.assertEqual(paper, {"light": "rgb(246, 248, 250)", "dark": "rgb(13, 17, 23)"}[scheme])
            if shots := os.environ.get("SCREENSHOTS"):
                self.browser.screenshot(os.path.join(shots, f"live-{scheme}.png"))
        leak.close()
        wait_for(lambda: self.browser.run(COUNT, "CLOSE_WAIT", NOW) == 0)

    def test_nobody_scrolls_sideways_and_all_can_read_it(self):
        leak = Leak(3)
        # An address of the greatest length.
        address = "2001:db8:1111:2222:3333:4444:5555:6666"
        subprocess.run(["ip", "address", "replace", address + "/128", "dev", "lo", "nodad"], check=True)
        far = [socket.create_server((address, 0), family=socket.AF_INET6)]

        def connected():
            try:
                far.append(socket.create_connection(far[0].getsockname()[:2]))
            except OSError:  # its route comes a moment after the address
                return False
            return far.append(far[0].accept()[0]) is None

        wait_for(connected)
        try:
            for width in (400, 1280):
                for scheme in ("dark", "light"):
                    self.browser.width(width)
                    self.browser.colours(scheme)
                    self.load()
                    with self.subTest(width=width, scheme=scheme):
                        wide, window = self.browser.run("return [document.documentElement.scrollWidth, innerWidth]")
                        self.assertLessEqual(wide, window)
                        wait_for(lambda: address in self.browser.run("return document.getElementById('ports').textContent"))
                        self.assertEqual(self.browser.run(TOO_WIDE), [])
                        self.assertEqual(axe.serious(self.browser), [])
                        if width == 400:
                            self.assertEqual(self.browser.run(BROKEN_HEADS), [])
        finally:
            for one in far:
                one.close()
            leak.close()

    def test_what_waits_is_listed_however_many_are_established_longer(self):
        idle = []
        with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
            for _ in range(30):
                idle += [socket.create_connection(server.getsockname()), server.accept()[0]]
        leak = Leak(3)
        rows = "return [...document.querySelectorAll(`#${arguments[0]} tbody tr`)].map(r => r.textContent)"
        try:
            self.load()
            wait_for(lambda: sum("CLOSE_WAIT" in row for row in self.browser.run(rows, "stuck")) == 3)
            wait_for(lambda: len(self.browser.run(rows, "idle")) == 15)
        finally:
            for one in idle:
                one.close()
            leak.close()

    def test_it_filters_and_idle_ones_are_apart(self):
        leak = Leak(6)
        rows = "return [...document.querySelectorAll(`#${arguments[0]} tbody tr`)].map(r => r.textContent)"
        with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as idle:
            accepted, _ = server.accept()
            try:
                self.load()
                wait_for(lambda: sum("CLOSE_WAIT" in row for row in self.browser.run(rows, "stuck")) == 6)
                self.assertFalse([row for row in self.browser.run(rows, "stuck") if row.startswith("ESTABLISHED")])
                port = str(idle.getsockname()[1])
                wait_for(lambda: any(port in row for row in self.browser.run(rows, "idle")))
                self.browser.run("const f = document.getElementById('filter'); f.value = 'no such'; f.dispatchEvent(new Event('input'))")
                self.assertEqual(self.browser.run(rows, "stuck"), [])
            finally:
                accepted.close()
        leak.close()

    def test_a_banner_when_it_is_no_longer_live(self):
        """Frozen, not gone: nothing comes, and no connection ends."""
        self.load()
        shown = "return !document.getElementById('banner').hidden"
        self.assertFalse(self.browser.run(shown))
        self.serve.process.send_signal(signal.SIGSTOP)
        try:
            wait_for(lambda: self.browser.run(shown))
            self.assertEqual(self.browser.run("return getComputedStyle(document.getElementById('banner')).position"), "sticky")
        finally:
            self.serve.process.send_signal(signal.SIGCONT)
        wait_for(lambda: not self.browser.run(shown))

    def test_what_was_before_the_page_was_opened(self):
        """Nobody looks, and nobody asks."""
        self.browser.open_url("about:blank")
        leak = Leak(40)
        begun = datetime.datetime.now(datetime.UTC)
        time.sleep(9)  # a point is made every five seconds, or a little later
        for _ in range(20):
            leak.kept.pop().close()
        time.sleep(9)
        opened = datetime.datetime.now(datetime.UTC)
        self.load()

        def is_before(text):
            moment = datetime.datetime.combine(opened.date(), datetime.time.fromisoformat(text.split()[0]), datetime.UTC)
            return 4 < (opened - moment).total_seconds() % 86400 < 30

        wait_for(lambda: any(re.search(r"CLOSE_WAIT 4\d\b", text) and is_before(text) for text in self.browser.run(POINTS)))

        def history():
            return json.loads(self.serve.ask("/api/history"))["points"]

        def at(point):
            return datetime.datetime.fromisoformat(point["ts"])

        def waiting():
            """In tens: connections of the browser wait now and then too."""
            of = [p["sockets"]["CLOSE_WAIT"] // 10 for p in history() if begun < at(p) < opened]
            return [n for n, before in zip(of, [None, *of]) if n != before]

        wait_for(lambda: waiting() == [4, 2])
        points = history()
        leak.close()
        stamps = [at(p) for p in points]
        self.assertEqual(stamps, sorted(stamps))
        self.assertTrue(all(4.5 < (b - a).total_seconds() < 20 for a, b in zip(stamps, stamps[1:])), stamps)
        self.assertGreaterEqual(points[-1]["opened"] - points[-3]["opened"], 0)
        self.assertLess(len(points), 121)

    def test_containers_have_their_names(self):
        rows = "return [...document.querySelectorAll(`#${arguments[0]} tbody tr`)].map(r => [...r.cells].map(c => c.textContent))"
        with node() as (root, pods), Serving("--host-root", root) as serve:
            for pod in pods:
                pod.start()
            self.browser.open_url(f"http://127.0.0.1:{serve.port}/")
            wait_for(lambda: {row[0]: row[1:3] for row in self.browser.run(rows, "containers")} == {label: ["4", "2"] for label in LABELS})
            wait_for(lambda: self.browser.run(rows, "idle"))  # of which there is no news in every event
            for pod, label in zip(pods, LABELS):
                of_pod = lambda: [row for row in self.browser.run(rows, "idle") if any(cell.endswith(f":{pod.port}") for cell in row)]
                wait_for(lambda: len(of_pod()) == 2)
                self.assertTrue(all(label in row for row in of_pod()), of_pod())
            self.browser.run("const f = document.getElementById('filter'); f.value = 'bank/ledger'; f.dispatchEvent(new Event('input'))")
            self.assertEqual(len(self.browser.run(rows, "idle")), 2)
            told = {one.get("cgroup_name") for one in serve.json("/api/connections")["stuck"]}
            self.assertLessEqual(set(LABELS), told)
        self.browser.open_url("about:blank")
        self.browser.console()  # that its serve has gone

    def test_hostile_names_stay_text(self):
        name = b"<img src=x>'\"&"
        pr_set_name = 15
        libc = ctypes.CDLL(None)
        pid = os.fork()
        if pid == 0:
            libc.prctl(pr_set_name, name, 0, 0, 0)
            server = socket.create_server(("127.0.0.1", 0))
            client = socket.create_connection(server.getsockname())
            kept, _ = server.accept()
            signal.pause()  # killed below, with client and kept
            os._exit(client.fileno() + kept.fileno())
        try:
            self.load()
            owners = "return [...document.querySelectorAll('#owners tbody tr')].map(r => r.cells[0].textContent)"
            wait_for(lambda: name.decode() in self.browser.run(owners))
            self.assertEqual(self.browser.run("return document.querySelectorAll('img').length"), 0)
            self.assertIn('comm="<img src=x>\'\\"&"', self.serve.get("/metrics")[2])
        finally:
            os.kill(pid, 9)
            os.waitpid(pid, 0)

    def test_a_page_of_somebody_else_gets_nothing(self):
        self.browser.open_url("data:text/html,<p>elsewhere")
        got = self.browser.run(f"try {{ return await (await fetch('{self.address}api/states')).text() }} catch (e) {{ return 'refused' }}")
        self.assertEqual(got, "refused")
        self.browser.console()  # which says so too


if __name__ == "__main__":
    support.main()
