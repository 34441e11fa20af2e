# SPDX-License-Identifier: BSD-2-Clause
"""The page of tcpdwell report, in a browser: it renders, filters and sorts, and a hostile trace
gets nothing into it but text."""

import os
import subprocess
import unittest

import axe
import support
from browser import Browser
from report_test import end, header, life, text
from support import run, scratch_file

CELLS = "return [...document.querySelectorAll('#connections tbody tr')].map(r => r.cells[arguments[0]].textContent)"
# Labels of the diagram that an arrow goes through, and boxes that one ends behind.
STRUCK = """
const svg = [...document.querySelectorAll('#diagram svg')].find(s => s.getBoundingClientRect().width), found = [];
const inside = (p, box, x, y) => p.x > box.x - x && p.x < box.x + box.width + x && p.y > box.y - y && p.y < box.y + box.height + y;
for (const path of svg.querySelectorAll('path.e')) {
  const length = path.getTotalLength();
  for (let at = 0; at <= length; at += 4) {
    const p = path.getPointAtLength(at);
    for (const label of svg.querySelectorAll('.l')) if (inside(p, label.getBBox(), path.getAttribute('stroke-width') / 2 + 1, -4)) found.push(label.textContent + ' / ' + path.textContent);
    for (const box of svg.querySelectorAll('rect.n')) if (inside(p, box.getBBox(), -1, -1)) found.push('box / ' + path.textContent);
  }
}
return [...new Set(found)];
"""
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

    def at_each_width(self, path):
        """Every width and colour scheme of the page, at 1,280 px last."""
        for width in (400, 1280):
            for scheme in ("dark", "light"):
                self.browser.width(width)
                self.browser.colours(scheme)
                self.load(path)
                with self.subTest(width=width, scheme=scheme):
                    yield width

    def test_nobody_scrolls_sideways_and_all_can_read_it(self):
        few = scratch_file("few.json", text([header(), *life("1", 0), *life("2", 5), end(10**9, 10, 2)]))
        for name, trace in (("few", few), ("many", big_trace())):
            for _ in self.at_each_width(page(f"narrow-{name}.html", trace)):
                wide, window = self.browser.run("return [document.documentElement.scrollWidth, innerWidth]")
                self.assertLessEqual(wide, window)
                self.assertEqual(axe.serious(self.browser), [])

    def test_the_diagram_is_upright_where_there_is_no_width(self):
        for width in self.at_each_width(page("upright.html", big_trace())):
            shown = self.browser.run(
                "return [...document.querySelectorAll('#diagram svg')].filter(s => s.getBoundingClientRect().width).map(s => s.getAttribute('class'))"
            )
            self.assertEqual(shown, ["upright" if width == 400 else "across"])
            letters = self.browser.run(
                "const svg = [...document.querySelectorAll('#diagram svg')].find(s => s.getBoundingClientRect().width);"
                "return svg.querySelector('.l').getBoundingClientRect().height"
            )
            self.assertGreater(letters, 9)

    def test_no_label_is_struck_through_and_no_arrow_is_behind_a_box(self):
        for _ in self.at_each_width(page("labels.html", big_trace())):
            self.assertEqual(self.browser.run(STRUCK), [])

    def test_a_sample_is_called_one_where_it_is_one(self):
        listens = {"type": "transition", "mono_ns": 1, "dwell_ns": None, "dwell": "unknown", "netns": 1, "family": 4, "laddr": "10.0.0.1",
                   "lport": 80, "raddr": "0.0.0.0", "rport": 0, "old": "CLOSE", "new": "LISTEN", "ts": "2026-01-02T03:04:05Z",
                   "conn": "9", "pid": 1, "comm": "c", "owner": "listen", "cgroup": 1}  # fmt: skip
        few = scratch_file("listens.json", text([header(), listens, *life("1", 0), *life("2", 5), end(10**9, 11, 3)]))
        self.load(page("listens.html", few))
        shown = self.browser.run("return document.getElementById('shown').textContent")
        self.assertEqual(shown, "2; listening sockets are not listed")

    def test_what_there_is_nothing_of_is_not_shown(self):
        self.load(page("nothing.html", scratch_file("nothing.json", text([header(), end(0, 0, 0)]))))
        shown = self.browser.run("return [...document.querySelectorAll('section')].filter(s => s.offsetHeight).map(s => s.querySelector('h2').textContent)")
        self.assertEqual(shown, ["Findings"])

    def test_durations_have_one_unit_style(self):
        self.load(page("units.html", big_trace()))
        self.assertNotRegex(self.browser.run("return document.body.innerText"), r"\d ?us\b|\d (ns|µs|ms|s)\b")

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
