# SPDX-License-Identifier: BSD-2-Clause
"""tcpdwell explain: every state, in words. Needs no root."""

import support
from support import run

STATES = (
    "LISTEN",
    "SYN_SENT",
    "SYN_RECV",
    "ESTABLISHED",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "CLOSING",
    "TIME_WAIT",
    "CLOSE_WAIT",
    "LAST_ACK",
    "CLOSE",
    "UNKNOWN",
)


class Explain(support.TestCase):
    def explain(self, *args):
        outcome = run("explain", *args)
        self.assertEqual((outcome.status, outcome.err), (0, ""))
        return outcome.out

    def test_every_state_has_a_text_of_its_own(self):
        texts = {state: self.explain(state) for state in STATES}
        for state, text in texts.items():
            self.assertIn(state, text)
            self.assertGreater(len(text.split()), 40, state)
        self.assertEqual(len(set(texts.values())), len(STATES))

    def test_names_in_any_case_with_dash_or_underscore(self):
        for name in ("time-wait", "TIME-WAIT", "time_wait", "Time_Wait"):
            self.assertEqual(self.explain(name), self.explain("TIME_WAIT"), name)

    def test_without_a_state_all_and_the_pictures(self):
        text = self.explain()
        for state in STATES:
            self.assertIn(state, text)
        self.assertRegex(text, r"(?i)one side .*first|first")
        self.assertRegex(text, r"(?i)both .*at once|at once|simultaneous")

    def test_lines_fit_a_terminal(self):
        for text in (self.explain(), *map(self.explain, STATES)):
            for line in text.split("\n"):
                self.assertLessEqual(len(line), 80, line)

    def test_no_such_state(self):
        for name in ("bogus", "", "TIME WAIT", "\x1b[31m"):
            outcome = run("explain", name)
            if name:
                self.assert_error(outcome, 2)
            self.assertNotIn("\x1b", outcome.err)


if __name__ == "__main__":
    support.main()
