# SPDX-License-Identifier: BSD-2-Clause
"""A process may give itself any 15 bytes for a name: every format keeps its form."""

import csv
import io
import json
import os

import support
from support import HERE, Trace, free_port, peers, run

setUpModule = support.own_network


class HostileNames(support.TestCase):
    NAME = b'"a\n\x1b[31m\\\xff,b'

    def trace(self, *options):
        name = os.fsdecode(self.NAME)
        return run(
            *options,
            *HERE,
            "--",
            *peers("both", free_port(), "--client-name", name, "--server-name", name),
        )

    def test_json_stays_json(self):
        trace = Trace(self.trace("trace", "--format", "json").out)
        self.assert_whole(trace)
        self.assertEqual(
            {line["comm"] for line in trace.transitions}, {self.NAME.decode("utf-8", "replace")}
        )

    def test_text_has_no_escape_and_no_line_of_its_own(self):
        outcome = self.trace("trace", "--by", "comm")
        for text in (outcome.out, outcome.err):
            self.assertNotIn("\x1b", text)
            self.assertNotRegex(text, r"(?m)^\W*\[31m")
        for line in outcome.out.removesuffix("\n").split("\n")[1:]:
            self.assertIn(" -> ", line)

    def test_csv_stays_csv(self):
        rows = list(
            csv.DictReader(
                io.StringIO(self.trace("trace", "--format", "csv", "-q").out, newline=""),
                strict=True,
            )
        )
        self.assertTrue(rows)
        for row in rows:
            self.assertNotIn(None, row)
            self.assertRegex(row["new"], r"\A[A-Z_12]+\Z")
            self.assertNotIn("\x1b", row["comm"])

    def test_tables_by_name_stay_whole(self):
        table = json.loads(self.trace("stat", "--by", "comm", "--format", "json").out)
        # A socket of a test before this one, in TIME_WAIT, has no owner.
        names = {row["comm"] for row in table["rows"]} - {None}
        self.assertEqual(names, {self.NAME.decode("utf-8", "replace")})


if __name__ == "__main__":
    support.main()
