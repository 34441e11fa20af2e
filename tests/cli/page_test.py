# SPDX-License-Identifier: BSD-2-Clause
"""The page of tcpdwell report, in a browser: it renders, filters and sorts, and a hostile trace
gets nothing into it but text."""

import os
import subprocess
import unittest

import support
from browser import Browser
from report_test import end, header, life, text
from support import run, scratch_file

CELLS = "return [...document.querySelectorAll('#connections tbody tr')].map(r => r.cells[arguments[0]].textContent)"
HOSTILE = "</script><b id=x>"


def page(name, *traces):
    path = scratch_file(name)
    outcome = run("report", *traces, "--format", "html", "-o", path)
    assert (outcome.status, outcome.err) == (0, ""), outcome
    return path


def big_trace():
    path = scratch_file("big.json.zst")
    if not os.path.exists(path):
        subprocess.run([os.environ["MAKE_TRACE"], path, "100000", "web-1", "1", "troubled"], check=True)
    return path


@support.needs("chromium", "chromedriver")
class Page(support.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = cls.enterClassContext(Browser())

    def load(self, path):
        self.browser.open(path)
        self.assertEqual(self.browser.run("return document.documentElement.dataset.ready"), "yes")

    def tearDown(self):
        self.assertEqual(self.browser.console(), [])

    def test_everything_is_drawn(self):
        self.load(page("whole.html", big_trace()))
        for selector, least in {
            "#findings .finding": 6, "#states tbody tr": 7, "#diagram svg rect": 8, "#diagram svg path.e": 10,
            "#distributions rect": 50, "#series polyline": 5, "#ends tbody tr": 3, "#ports tbody tr": 5,
            "#connections tbody tr": 500, "#connections .bar span": 1000,
        }.items():  # fmt: skip
            found = self.browser.run("return document.querySelectorAll(arguments[0]).length", selector)
            self.assertGreaterEqual(found, least, selector)
        self.assertIn("a sample of the trace's", self.browser.run("return document.getElementById('shown').textContent"))

    def test_it_filters(self):
        self.load(page("filter.html", big_trace()))
        self.browser.run(
            "const f = document.getElementById('filter'); f.value = 'java close_wait'; f.dispatchEvent(new Event('input'))"
        )
        self.assertEqual(set(self.browser.run(CELLS, 3)), {"java"})
        self.browser.run("const f = document.getElementById('filter'); f.value = 'no such'; f.dispatchEvent(new Event('input'))")
        self.assertEqual(self.browser.run(CELLS, 3), [])

    def test_it_sorts_both_ways(self):
        self.load(page("sort.html", big_trace()))
        click = "document.querySelectorAll('#connections th button')[2].click()"
        self.browser.run(click)
        down = [int(pid) for pid in self.browser.run(CELLS, 2)]
        self.browser.run(click)
        up = [int(pid) for pid in self.browser.run(CELLS, 2)]
        self.assertEqual((down, up), (sorted(down, reverse=True), sorted(up)))
        self.assertGreater(down[0], up[0])

    def test_hostile_text_stays_text(self):
        lines = [
            header(host="<img src=x onerror=alert(1)>"),
            *({**line, "comm": HOSTILE[:15]} for line in life("1", 0)),
            *({**line, "comm": "<svg onload=1>"} for line in life("2", 5)),
            end(9, 10, 2),
        ]
        path = scratch_file("<b>hostile<b>\u202e.json", text(lines))
        self.load(page("hostile.html", path))
        self.assertEqual(set(self.browser.run(CELLS, 3)), {HOSTILE[:15], "<svg onload=1>"})
        self.assertEqual(self.browser.run("return document.querySelectorAll('img, b, [onload], [onerror]').length"), 0)
        self.assertIn("<b>hostile<b>", self.browser.run("return document.getElementById('meta').textContent"))

    def test_what_cannot_be_seen_is_shown(self):
        names = {"ss\u00adhd": r"ss\u{ad}hd", "a\u200bb\u202e": r"a\u{200b}b\u{202e}", "t\U000e0041": r"t\u{e0041}", "日本 é": "日本 é"}
        lines = [{**line, "comm": name} for number, name in enumerate(names) for line in life(f"{number + 1:x}", 0)]
        self.load(page("unseen.html", scratch_file("unseen.json", text([header(), *lines, end(9, 16, 4)]))))
        self.assertEqual(set(self.browser.run(CELLS, 3)), set(names.values()))

    def test_flaws_are_on_the_page(self):
        path = scratch_file("cut.json", text([header(), *life("1", 0)]))
        target = scratch_file("cut.html")
        run("report", path, "--format", "html", "-o", target)
        self.load(target)
        self.assertIn("cut off", self.browser.run("return document.getElementById('flaws').textContent"))

    def test_an_empty_trace_has_a_page(self):
        self.load(page("empty.html", scratch_file("empty.json", text([header(), end(0, 0, 0)]))))


class Document(support.TestCase):
    def test_it_needs_no_network(self):
        with open(page("alone.html", big_trace()), encoding="utf-8") as file:
            content = file.read()
        self.assertNotRegex(content, r"(src|href)=\"?(https?:)?//")
        self.assertLess(len(content), 5_000_000)


if __name__ == "__main__":
    unittest.main()
