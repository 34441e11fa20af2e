# SPDX-License-Identifier: BSD-2-Clause
"""The collector's configuration and the page of names: what can be said of them without a collector."""

import json
import re
import tempfile
import unittest
from pathlib import Path

from monitoring_test import EXPORTED
from support import ENGINES, PACKAGING, SOURCE, main, needs, output

import yaml

PAGE = SOURCE / "docs/opentelemetry.md"
LABELS = {"state", "laddr", "lport", "raddr", "rport", "comm", "namespace", "pod", "container", "node"}


def conventions():
    """Every name and word of the semantic conventions."""
    script = "console.log(JSON.stringify(Object.values(require('@opentelemetry/semantic-conventions/incubating'))))"
    return set(json.loads(output("node", "-e", script, cwd=ENGINES)))


def states():
    """Our words, and those of the conventions."""
    ours = json.loads((SOURCE / "docs/trace.schema.json").read_text())["$defs"]["state"]["enum"]
    script = """const all = require('@opentelemetry/semantic-conventions/incubating');
        console.log(JSON.stringify(Object.keys(all).filter(name => name.startsWith('NETWORK_CONNECTION_STATE_VALUE_')).map(name => all[name])))"""
    return set(ours), set(json.loads(output("node", "-e", script, cwd=ENGINES)))


class Collector(unittest.TestCase):
    def setUp(self):
        self.config = yaml.safe_load((PACKAGING / "opentelemetry/collector.yaml").read_text())
        self.statements = [(group["context"], group.get("conditions", []), group["statements"])
                           for group in self.config["processors"]["transform"]["metric_statements"]]  # fmt: skip

    def words(self, pattern):
        return {word for _, conditions, statements in self.statements for line in conditions + statements for word in re.findall(pattern, line)}

    def test_the_pipeline_is_whole(self):
        self.assertEqual(set(self.config), {"receivers", "processors", "exporters", "service"})
        [pipeline] = self.config["service"]["pipelines"].values()
        for kind in "receivers", "processors", "exporters":
            self.assertLessEqual(set(pipeline[kind]), set(self.config[kind]), kind)
        # A limit comes first, a batch last; all processors are used, and of the receivers one of the two.
        self.assertEqual([pipeline["processors"][0], pipeline["processors"][-1]], ["memory_limiter", "batch"])
        self.assertEqual(set(pipeline["processors"]), set(self.config["processors"]))
        self.assertEqual(set(self.config["receivers"]), {"prometheus/host", "prometheus/kubernetes"})

    @needs("promtool")
    def test_prometheus_takes_what_it_scrapes(self):
        for name, receiver in self.config["receivers"].items():
            [job] = receiver["config"]["scrape_configs"]
            # Debian's is built without Kubernetes.
            if discovery := job.pop("kubernetes_sd_configs", None):
                self.assertEqual(discovery, [{"role": "pod", "namespaces": {"names": ["tcpdwell"]}}])
                job["static_configs"] = [{"targets": ["10.0.0.1:9978"]}]
            text = json.dumps(receiver["config"])
            self.assertNotRegex(text.replace("$$", ""), r"\$", "the collector takes it for a variable")
            with tempfile.TemporaryDirectory() as scratch:
                path = Path(scratch, "prometheus.yml")
                path.write_text(text.replace("$$", "$"))
                self.assertIn("SUCCESS", output("promtool", "check", "config", path), name)

    def test_the_daemonset_has_the_annotations_that_it_reads(self):
        manifests = list(yaml.safe_load_all((PACKAGING / "kubernetes/daemonset.yaml").read_text()))
        template = manifests[1]["spec"]["template"]
        read = re.findall(r"__meta_kubernetes_pod_annotation_(\w+)", json.dumps(self.config["receivers"]["prometheus/kubernetes"]))
        annotations = {re.sub("[./]", "_", name): value for name, value in template["metadata"]["annotations"].items()}
        self.assertEqual(set(read), set(annotations))
        [port] = template["spec"]["containers"][0]["ports"]
        self.assertEqual((port["name"], str(port["containerPort"])), ("metrics", annotations["prometheus_io_port"]))
        self.assertEqual(annotations["prometheus_io_path"], "/metrics")

    def test_it_reads_what_is_there(self):
        self.assertEqual(self.words(r'name == "(\w+)"') - EXPORTED, set())
        self.assertEqual(self.words(r'attributes\["(\w+)"\]'), LABELS)
        [away] = self.words(r"\^\(([\w|]+)\)\$\$")
        self.assertEqual(set(away.split("|")), LABELS)

    def test_every_state_gets_its_word(self):
        ours, theirs = states()
        special = dict(re.findall(r'"([a-z_0-9]+)"\) where attributes\["state"\] == "([A-Z_0-9]+)"', "\n".join(sum((s for _, _, s in self.statements), []))))
        special = {ours: word for word, ours in special.items()}
        self.assertEqual({special.get(state, state.lower()) for state in ours - {"UNKNOWN"}}, theirs)

    def test_every_name_is_one_of_the_conventions(self):
        names = self.words(r'set\(attributes\["([a-z_0-9]+\.[a-z_.0-9]+)"') | self.words(r'set\(name, "([^"]+)"\)')
        self.assertGreater(len(names), 12)
        self.assertEqual(names - conventions(), set())
        self.assertEqual(names - set(re.findall(r"`([^`]+)`", PAGE.read_text())), {"k8s.node.name"})


class Page(unittest.TestCase):
    def test_the_names_in_its_tables(self):
        rows = re.findall(r"^\| (.*?) \| (.*?) \|", PAGE.read_text(), re.M)
        theirs = {name for _, cell in rows for name in re.findall(r"`([^`]+)`", cell)}
        self.assertGreater(len(theirs), 18)
        self.assertEqual(theirs - conventions(), set())
        metrics = {name for cell, _ in rows for name in re.findall(r"`((?:tcpdwell|process)_\w+)`", cell)}
        self.assertEqual(metrics - EXPORTED, set())


if __name__ == "__main__":
    main()
