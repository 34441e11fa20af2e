# SPDX-License-Identifier: BSD-2-Clause
"""A run that cannot wait for what ends it, or for what the ring holds, says so instead of going on without."""

import os
import unittest

import support
from support import HERE, environment, run, run_on_terminal


def without(call, **changes):
    return environment(LD_PRELOAD=os.environ["NO_WAITING"], FAILING_CALL=call, **changes)


@support.needs_root
class Waiting(support.TestCase):
    @classmethod
    def setUpClass(cls):
        support.own_network()

    def test_each_call_that_may_fail(self):
        for call in ("epoll_create1", "epoll_ctl", "epoll_wait", "timerfd_create", "timerfd_settime", "eventfd"):
            with self.subTest(call=call):
                outcome = run("trace", *HERE, "-q", "--duration", "300ms", env=without(call))
                self.assertEqual(outcome.status, 1, outcome)
                self.assertRegex(outcome.err, r"\Atcpdwell: cannot (wait for|make|set) [a-z ]+: Cannot allocate memory\n\Z")

    def test_the_signals_of_a_terminal(self):
        status, shown = run_on_terminal("top", *HERE, "--duration", "300ms", env=without("signalfd", TERM="linux"))
        self.assertEqual(status, 1, shown)
        self.assertIn("cannot wait for signals: Cannot allocate memory", shown)

    def test_a_regular_file_is_no_error(self):
        with open(support.scratch_file("out"), "w+", encoding="utf-8") as out:
            outcome = run("trace", *HERE, "-q", "--duration", "100ms", stdout=out)
        self.assertEqual((outcome.status, outcome.err), (0, ""))


if __name__ == "__main__":
    support.main()
