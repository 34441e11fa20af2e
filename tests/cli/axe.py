# SPDX-License-Identifier: BSD-2-Clause
"""axe-core, which finds what keeps people from reading a page."""

import functools
import unittest

from support import ENGINES

RUN = """
const done = arguments[arguments.length - 1];
axe.run({resultTypes: ["violations"]}).then(found => done([found.passes.length, found.violations.map(v =>
  [v.impact, v.id, v.nodes.map(node => node.html.slice(0, 200) + " " + node.failureSummary)])]));
"""


@functools.cache
def source():
    try:
        return (ENGINES / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
    except FileNotFoundError:
        raise unittest.SkipTest("not installed: axe-core (scripts/deps test)") from None


def serious(browser):
    """What a page does wrong that is serious or critical, as axe-core sees it now."""
    browser.run(source())
    passed, violations = browser.run_async(RUN)
    assert passed > 5, "it looked at next to nothing"
    return [violation for violation in violations if violation[0] in ("serious", "critical")]
