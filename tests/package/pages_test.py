# SPDX-License-Identifier: BSD-2-Clause
"""The pages for those who carry on are true to the tree: links and paths exist, numbers are event.h's."""

import re
import unittest

from support import SOURCE, main

EVENT = (SOURCE / "include/tcpdwell/event.h").read_text()
PAGE = (SOURCE / "docs/events.md").read_text()


class Links(unittest.TestCase):
    def test_links_lead_somewhere(self):
        for page in [*SOURCE.glob("*.md"), *SOURCE.glob("docs/*.md")]:
            for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
                if target == "metrics.md":
                    continue  # comes with serve
                self.assertTrue((page.parent / target).exists(), f"{page.name}: {target}")

    def test_paths_that_contributors_are_sent_to_exist(self):
        text = (SOURCE / "CONTRIBUTING.md").read_text()
        for path in re.findall(r"`((?:user|bpf|tests|scripts|docs|capture|model|cli|util|sinks|trace|vmlinux|include)/[\w./-]+)`", text):
            if "logfmt" in path:
                continue  # the example's own
            self.assertTrue((SOURCE / path).exists() or (SOURCE / "user" / path).exists(), path)

    def test_the_release_checklist_is_what_the_script_does(self):
        steps = re.findall(r'^  "([\w-]+)\|(\d+)\|', (SOURCE / "scripts/release-check").read_text(), re.M)
        rows = re.findall(r"^\| `([\w-]+)` \| .* \| (\d+) \|$", (SOURCE / "CONTRIBUTING.md").read_text(), re.M)
        self.assertGreater(len(steps), 10)
        self.assertEqual(steps, rows)

    def test_the_version_is_the_same_everywhere(self):
        version = re.search(r"^project\(tcpdwell VERSION ([\d.]+)", (SOURCE / "CMakeLists.txt").read_text(), re.M)[1]
        released = re.findall(r"^## \[([\d.]+)\] - \d{4}-\d\d-\d\d$", (SOURCE / "CHANGELOG.md").read_text(), re.M)
        self.assertEqual(released[0], version)
        self.assertIn(f"image: tcpdwell:{version}\n", (SOURCE / "packaging/kubernetes/daemonset.yaml").read_text())

    def test_functions_that_contributors_are_sent_to_exist(self):
        text = (SOURCE / "CONTRIBUTING.md").read_text()
        sources = "".join(path.read_text() for folder in ("user", "bpf") for path in (SOURCE / folder).rglob("*")
                          if path.suffix in (".h", ".c", ".cpp"))
        for name in set(re.findall(r"`(\w+)\(\)`", text)) - {"parse_owner_sources"}:
            self.assertTrue(re.search(rf"\b{name}[(,]", sources), name)


class Events(unittest.TestCase):
    def enum(self, prefix):
        return {name.lower(): int(number) for name, number in re.findall(rf"\bTD_{prefix}_(\w+) = (\d+)", EVENT)}

    def test_reasons(self):
        told = {name: int(number) for number, name in re.findall(r"^\| (\d+) \| `(\w+)` \|", PAGE, re.M)}
        wanted = {name: number for name, number in self.enum("REASON").items() if name not in ("none", "count")}
        self.assertEqual(told, wanted)

    def test_states(self):
        told = {name: int(number) for number, name in re.findall(r"(\d+) ([A-Z_0-9]+)[,.;]", PAGE[PAGE.index("## States"):PAGE.index("## Events")])}
        states = re.search(r"enum td_state \{(.*?)\};", EVENT, re.S)[1]
        wanted = {name: int(number) for name, number in re.findall(r"TD_(\w+) = (\d+)", states) if name not in ("UNKNOWN", "STATE_COUNT")}
        self.assertEqual(told, wanted)


if __name__ == "__main__":
    main()
