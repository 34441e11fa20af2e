# SPDX-License-Identifier: BSD-2-Clause
"""report's svg, dot and perfetto, read back by readers nobody here wrote: an XML parser and a browser, Graphviz,
and speedscope."""

import base64
import json
import os
import subprocess
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import support
from browser import Browser
from report_test import end, header, life, text
from support import run, scratch_file

SVG = "{http://www.w3.org/2000/svg}"


def big_trace():
    path = scratch_file("pictures.json.zst")
    if not os.path.exists(path):
        subprocess.run([os.environ["MAKE_TRACE"], path, "5000", "web-1", "1", "troubled"], check=True)
    return path


def picture(form, *traces):
    path = scratch_file(f"picture.{form}")
    outcome = run("report", *traces, "--format", form, "-o", path)
    assert (outcome.status, outcome.err) == (0, ""), outcome
    return path


def observed_edges(*traces):
    """(from, to) and how often, from another of report's formats."""
    rows = run("report", *traces, "--format", "csv", "--table", "edges").out.splitlines()
    names = rows[0].split(",")
    cells = [dict(zip(names, row.split(","), strict=True)) for row in rows[1:]]
    return {(c["old"], c["new"]): int(c["count"]) for c in cells}


class Svg(support.TestCase):
    def test_every_edge_is_an_arrow_with_its_count(self):
        root = ElementTree.parse(picture("svg", big_trace())).getroot()
        edges = observed_edges(big_trace())
        titles = [t.text for t in root.iter(SVG + "title")]
        for (old, new), count in edges.items():
            self.assertTrue(any(t.startswith(f"{old} → {new}: {count:,}") for t in titles), (old, new))
        self.assertEqual(len([p for p in root.iter(SVG + "path") if p.get("class") == "e"]), len(edges))
        states = {state for edge in edges for state in edge}
        drawn = {t.text for t in root.iter(SVG + "text") if t.get("class") == "t"}
        self.assertLessEqual(states - {"CLOSE"}, drawn)

    @support.needs("chromium", "chromedriver")
    def test_a_browser_draws_it_within_its_frame(self):
        with Browser() as browser:
            browser.open(picture("svg", big_trace()))
            outside = browser.run("""
              const frame = document.documentElement.viewBox.baseVal;
              return [...document.querySelectorAll('text')].filter(t => { const b = t.getBBox();
                return b.x < frame.x || b.y < frame.y || b.x + b.width > frame.x + frame.width ||
                       b.y + b.height > frame.y + frame.height; }).map(t => t.textContent)""")
            self.assertEqual(outside, [])
            self.assertEqual(browser.console(), [])


class Dot(support.TestCase):
    @support.needs("dot")
    def test_graphviz_reads_every_edge_and_its_count(self):
        read = subprocess.run(["dot", "-Tjson0", picture("dot", big_trace())], capture_output=True, text=True, check=True)
        self.assertEqual(read.stderr, "")
        graph = json.loads(read.stdout)
        name = {node["_gvid"]: node["name"] for node in graph["objects"]}
        counts = {(name[e["tail"]], name[e["head"]]): int(e["label"].split(" ")[0].replace(",", "")) for e in graph["edges"]}
        self.assertEqual(counts, observed_edges(big_trace()))


def speedscope():
    """speedscope's page, from its package (scripts/deps)."""
    return support.ENGINES / "node_modules/speedscope/dist/release/index.html"


@support.needs("chromium", "chromedriver")
class Speedscope(support.TestCase):
    def load(self, browser, profile):
        """What it says when it has read the profile."""
        script = Path(scratch_file("profile.js"))
        content = base64.b64encode(Path(profile).read_bytes()).decode()
        script.write_text(f"speedscope.loadFileFromBase64('profile.json', '{content}')")
        browser.open(f"{speedscope()}#localProfilePath={script}")
        shown = lambda: browser.run("return document.body.innerText")
        try:
            support.wait_for(lambda: "Time Order" in shown())
        except TimeoutError:
            self.fail(f"speedscope shows no profile: {shown()}\n{browser.console()}")
        return shown()

    def complaints(self, browser):
        return [c["message"] for c in browser.console()
                if c["source"] != "rendering" and c["level"] in ("WARNING", "SEVERE")]  # fmt: skip

    def test_it_reads_each_connection_as_a_track_of_the_owner(self):
        with Browser() as browser:
            shown = self.load(browser, picture("perfetto", big_trace()))
            connections = json.loads(run("report", big_trace(), "--by", "end", "--format", "json").out)
            finished = sum(row["count"] for row in connections["rows"])
            tracks = int(shown.split("(1/")[1].split(")")[0].replace(",", ""))
            self.assertGreaterEqual(tracks, finished)
            self.assertRegex(shown, r"\w+ \(pid \d+\), [0-9a-f.]+ \S+:\d+ > \S+:\d+")
            # It says where slices overlap or do not end.
            self.assertEqual(self.complaints(browser), [])

    def test_hostile_names_are_text(self):
        lines = [{**line, "comm": "<img src=x onerror=alert(1)>\u2028"} if "comm" in line else line for line in life("1", 0)]
        path = scratch_file("hostile-slices.json", text([header(), *lines, end(10**7, 5, 1)]))
        with Browser() as browser:
            self.assertIn("<img src=x", self.load(browser, picture("perfetto", path)))
            self.assertEqual(self.complaints(browser), [])


if __name__ == "__main__":
    unittest.main()
