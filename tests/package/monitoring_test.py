# SPDX-License-Identifier: BSD-2-Clause
"""Prometheus rules, the Grafana dashboard and the manifests: what a program can say of them."""

import json
import re
import tempfile
import unittest
from pathlib import Path

from support import PACKAGING, SOURCE, main, needs, output

PROMETHEUS = PACKAGING / "prometheus"
# What `serve` exports; docs/metrics.md is held against this.
EXPORTED = {
    "tcpdwell_dwell_seconds", "tcpdwell_dwells_inexact_total", "tcpdwell_sockets", "tcpdwell_oldest_seconds",
    "tcpdwell_survey_age_seconds",
    "tcpdwell_transitions_total", "tcpdwell_connections_opened_total", "tcpdwell_connections_ended_total",
    "tcpdwell_ports_used", "tcpdwell_ports_range", "tcpdwell_open_sockets_owner", "tcpdwell_findings",
    "tcpdwell_ports_bound", "tcpdwell_ports_unconnected", "tcpdwell_ports_available",
    "tcpdwell_container_sockets", "tcpdwell_container_oldest_seconds",
    "tcpdwell_listen_queue", "tcpdwell_listen_queue_limit", "tcpdwell_listen_drops_total",
    "tcpdwell_listen_overflows_total", "tcpdwell_accept_wait_seconds", "tcpdwell_listen_port_sockets",
    "tcpdwell_connection_life_seconds", "tcpdwell_connection_lives_unknown_total", "tcpdwell_connects_failed_total",
    "tcpdwell_lost_total", "tcpdwell_not_followed_total", "tcpdwell_build_info",
    "process_cpu_seconds_total", "process_resident_memory_bytes", "process_start_time_seconds",
}
NAME = re.compile(r"\b((?:tcpdwell|process)_[a-z_]+)\b")


def asked(expression):
    """Metrics that an expression names, without a histogram's suffixes."""
    return {re.sub("_(bucket|sum|count)$", "", name) for name in NAME.findall(expression)}


def rules():
    return re.findall(r"expr: (?:>\n)?((?:.+\n)(?: {12}.+\n)*)", (PROMETHEUS / "tcpdwell.rules.yml").read_text())


def dashboard():
    return json.loads((PACKAGING / "grafana/tcpdwell.json").read_text())


def expressions():
    return [target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", [])]


class Metrics(unittest.TestCase):
    def test_every_metric_asked_for_is_exported(self):
        self.assertGreater(len(rules()), 9)
        for expression in rules() + expressions():
            self.assertLessEqual(asked(expression), EXPORTED, expression)

    def test_every_metric_has_a_panel(self):
        shown = set().union(*map(asked, expressions())) | {"tcpdwell_build_info", "tcpdwell_not_followed_total"}  # the latter is always 0
        self.assertEqual(EXPORTED - shown, set())

    def test_the_documentation_lists_them(self):
        page = SOURCE / "docs/metrics.md"
        if not page.exists():
            self.skipTest("there is no docs/metrics.md")
        self.assertEqual(EXPORTED, set(re.findall(r"^\| `([a-z_]+)` \|", page.read_text(), re.M)))


class Dashboard(unittest.TestCase):
    def test_panels_do_not_overlap_and_say_what_they_are(self):
        taken = set()
        for panel in dashboard()["panels"]:
            place = panel["gridPos"]
            cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                     for y in range(place["y"], place["y"] + place["h"])}
            self.assertFalse(taken & cells, panel["title"])
            taken |= cells
            if panel["type"] != "row":
                self.assertTrue(panel["description"], panel["title"])

    def test_every_finding_has_a_panel(self):
        text = json.dumps(dashboard())
        kinds = re.findall(r"^\| `([a-z0-9_]+)` \| .* \|$", (SOURCE / "docs/report.md").read_text().split("## Findings")[1], re.M)
        self.assertGreaterEqual(len(kinds), 8)
        self.assertEqual([kind for kind in kinds if kind != "kind" and kind not in text], [])


@needs("promtool")
class Promtool(unittest.TestCase):
    def test_rules(self):
        self.assertIn("SUCCESS", output("promtool", "check", "rules", PROMETHEUS / "tcpdwell.rules.yml"))

    def test_rules_fire_on_their_stories(self):
        self.assertIn("SUCCESS", output("promtool", "test", "rules", PROMETHEUS / "tcpdwell.rules.test.yml"))

    def test_every_alert_has_a_story(self):
        stories = (PROMETHEUS / "tcpdwell.rules.test.yml").read_text().replace("\n", " ")
        for alert in re.findall(r"- alert: (\w+)", (PROMETHEUS / "tcpdwell.rules.yml").read_text()):
            self.assertRegex(stories, rf"alertname: {alert} +exp_alerts: +- exp_labels|alertname: {alert} +exp_alerts: \[")

    def test_scrape_configuration(self):
        self.assertIn("SUCCESS", output("promtool", "check", "config", PROMETHEUS / "scrape.yml"))

    def test_dashboard_expressions(self):
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch, "panels.yml")
            panels = [{"record": f"panel:{i}", "expr": expression.replace("$__rate_interval", "5m")}
                      for i, expression in enumerate(expressions())]
            path.write_text(json.dumps({"groups": [{"name": "panels", "rules": panels}]}))
            self.assertIn(f"SUCCESS: {len(panels)} rules", output("promtool", "check", "rules", path))


class Manifests(unittest.TestCase):
    def setUp(self):
        try:
            import yaml
        except ImportError:
            self.skipTest("not installed: python3-yaml")
        self.documents = list(yaml.safe_load_all((PACKAGING / "kubernetes/daemonset.yaml").read_text()))

    def test_daemonset(self):
        self.assertEqual([d["kind"] for d in self.documents], ["Namespace", "DaemonSet"])
        spec = self.documents[1]["spec"]
        self.assertEqual(spec["selector"]["matchLabels"].items() - spec["template"]["metadata"]["labels"].items(), set())
        pod = spec["template"]["spec"]
        self.assertTrue(pod["hostPID"] and pod["hostNetwork"])
        mounted = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
        self.assertEqual(mounted, {volume["name"] for volume in pod["volumes"]})

    def test_capabilities_are_those_of_the_unit_and_to_be_root_no_more(self):
        unit = (PACKAGING / "systemd/tcpdwell.service.in").read_text()
        wanted = re.search(r"^CapabilityBoundingSet=(.*)$", unit, re.M)[1].replace("CAP_", "").split()
        wanted += ["SETUID", "SETGID"]  # it begins as root
        container = self.documents[1]["spec"]["template"]["spec"]["containers"][0]
        self.assertEqual(container["securityContext"]["capabilities"], {"drop": ["ALL"], "add": wanted})
        dockerfile = (PACKAGING / "container/Dockerfile").read_text()
        self.assertEqual(re.findall(r"--cap-add=(\w+)", dockerfile), wanted)


if __name__ == "__main__":
    main()
