# SPDX-License-Identifier: BSD-2-Clause
"""Sockets are named by their pods and containers, by what a node has on disk; the trace keeps the names."""

import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile

import cgroups
import support
from support import HERE, Live, TestCase, Trace, main, needs_root, own_network, run, scratch_file

UIDS = ("0f5b3c1e-1d2a-4b3c-8d9e-123456789abc", "1f5b3c1e-1d2a-4b3c-8d9e-123456789abc")
IDS = ("a" * 60 + "0123", "b" * 60 + "4567")
LABELS = ("shop/web-0/nginx", "bank/ledger-7/java")

# Accepts what is made for it, and holds it; ends one of two connections first, for a TIME_WAIT.
WORK = """
import socket, sys
server = socket.create_server(("127.0.0.1", 0))
kept = []
for _ in range(2):
    client = socket.create_connection(server.getsockname())
    kept.append((client, server.accept()[0]))
client, accepted = kept.pop()
client.close()
accepted.close()
print(server.getsockname()[1], flush=True)
sys.stdin.read()
"""


def setUpModule():
    own_network()


class Pod:
    """A pod's cgroup and what its node has of it, with a process in it."""

    def __init__(self, root, parent, uid, container, label):
        self.root, self.container = root, container
        namespace, pod, name = label.split("/")
        self.logs = f"{root}/var/log/pods/{namespace}_{pod}_{uid}"
        self.link = f"{root}/var/log/containers/{pod}_{namespace}_{name}-{container}.log"
        os.makedirs(f"{self.logs}/{name}")
        os.makedirs(os.path.dirname(self.link), exist_ok=True)
        os.symlink(f"{self.logs}/{name}/0.log", self.link)
        self.slice = f"{parent}/kubepods-burstable-pod{uid.replace('-', '_')}.slice"
        self.path = f"{self.slice}/cri-containerd-{container}.scope"
        os.makedirs(self.path)
        self.id = cgroups.inode(self.path)
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            cgroups.within(self.path, [sys.executable, "-I", "-S", "-c", WORK]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.port = int(self.process.stdout.readline())

    def stop(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def remove(self):
        self.stop()
        shutil.rmtree(self.logs, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.link)
        for path in (self.path, self.slice):
            support.wait_for(lambda path=path: cgroups.gone(path))


@contextlib.contextmanager
def node():
    """Two pods on a node, whose files are in a directory."""
    with tempfile.TemporaryDirectory() as root, cgroups.cgroup() as parent:
        os.chmod(root, 0o755)
        pods = [Pod(root, parent, *of) for of in zip(UIDS, IDS, LABELS)]
        try:
            yield root, pods
        finally:
            for pod in pods:
                pod.remove()


def named(line):
    return "/".join(line.get(key, "?") for key in ("pod_namespace", "pod_name", "container_name"))


@needs_root
class PodsTest(TestCase):
    def test_stuck_names_them(self):
        with node() as (root, pods):
            for pod in pods:
                pod.start()
            lines = [json.loads(line) for line in
                     run("stuck", *HERE, "-a", "--format", "json", "--host-root", root).out.splitlines()]
            for pod, label in zip(pods, LABELS):
                ours = [one for one in lines if one["cgroup"] == pod.id]
                self.assertEqual({named(one) for one in ours}, {label})
                self.assertEqual({one["pod"] for one in ours}, {UIDS[pods.index(pod)]})
                self.assertLessEqual({"LISTEN", "ESTABLISHED"}, {one["state"] for one in ours})
            text = run("stuck", *HERE, "--host-root", root).out
            for label in LABELS:
                self.assertIn(label, text)
            # Elsewhere nothing is known of them but what the path tells.
            for line in run("stuck", *HERE, "--host-root", "/nonexistent").out.splitlines():
                self.assertNotIn("shop", line)

    def test_they_are_asked_for_by_their_names(self):
        with node() as (root, pods):
            for pod in pods:
                pod.start()
            for asked in ("shop/web-0/nginx", "shop/web-0", "web-0", "nginx", "aaaaaaaa", "container:aaaaaaaaaaaa"):
                lines = [json.loads(line) for line in run("stuck", *HERE, "-a", "--format", "json", "--host-root", root,
                                                          "--cgroup", asked).out.splitlines()]
                self.assertEqual({one["cgroup"] for one in lines}, {pods[0].id}, asked)
            refused = run("stuck", *HERE, "--host-root", root, "--cgroup", "shop/web-1")
            self.assert_error(refused, 2, "--cgroup shop/web-1", "no unit, container or pod")

    def test_the_trace_has_the_names_of_pods_that_are_gone(self):
        path = scratch_file("pods.json")
        with node() as (root, pods):
            pods[0].start()
            with Live("record", "-o", path, "-q", "--host-root", root):
                pods[1].start()
                # What a pod was called is looked up when its first line is read, a moment after that was made.
                support.wait_for(lambda: all(name in pathlib.Path(path).read_text() for name in ("web-0", "ledger-7")))
                for pod in pods:
                    pod.remove()
        trace = support.read_trace(path)
        self.assert_whole(trace)
        names = trace.of_type("name")
        self.assertEqual({line["cgroup"]: named(line) for line in names if "pod" in line},
                         {pod.id: label for pod, label in zip(pods, LABELS)})
        for pod in pods:
            first = next(i for i, line in enumerate(trace.lines) if line.get("cgroup") == pod.id)
            self.assertEqual(trace.lines[first]["type"], "name", "before the first that has it")
            self.assertEqual(len([line for line in names if line["cgroup"] == pod.id]), 1)
        # The one that is gone is named in the report, through TIME_WAIT too.
        report = run("report", "-q", "--by", "cgroup", path).out
        for label in LABELS:
            self.assertRegex(report, rf"(?m)^ *{label} +ESTABLISHED ")
        # A time-wait socket older than the trace has no cgroup.
        self.assertRegex(report, rf"(?m)^ *{LABELS[1]} +TIME_WAIT ")
        table = json.loads(run("report", "-q", "--by", "cgroup", "--format", "json", path).out)
        self.assertLessEqual(set(LABELS), {row.get("cgroup_name") for row in table["rows"]})
        self.assertLessEqual({pod.id for pod in pods}, {row["cgroup"] for row in table["rows"]})
        self.assertIn(LABELS[0], run("report", "-q", "--format", "html", path).out)

    def test_each_file_of_a_rotated_trace_has_them(self):
        path = scratch_file("rotated.json")
        with node() as (root, pods):
            pods[0].start()
            files = lambda: [name for name in os.listdir(os.path.dirname(path)) if name.startswith("rotated")]
            with Live("record", "-o", path, "-q", "--rotate", "1s", "--host-root", root):
                support.wait_for(lambda: len(files()) > 2)
        for name in files():
            trace = support.read_trace(os.path.join(os.path.dirname(path), name))
            ours = [line for line in trace.of_type("name") if line["cgroup"] == pods[0].id]
            self.assertEqual([named(line) for line in ours], [LABELS[0]], name)

    def test_stat_by_cgroup(self):
        with node() as (root, pods):
            with Live("stat", "--by", "cgroup", "--host-root", root) as live:
                for pod in pods:
                    pod.start()
                    pod.stop()
            for label in LABELS:
                self.assertIn(label, live.outcome.out)

    def test_names_are_shown_as_what_they_are(self):
        """Who may write there may write anything."""
        with node() as (root, pods):
            folder = f"{root}/var/lib/containers/storage/overlay-containers"
            os.unlink(pods[0].link)
            shutil.rmtree(pods[0].logs)
            os.makedirs(folder)
            with open(f"{folder}/containers.json", "w", encoding="utf-8") as file:
                json.dump([{"id": IDS[0], "names": ["\x1b[31m<script>\"},\n"]}], file)
            pods[0].start()
            outcome = run("stuck", *HERE, "--host-root", root)
            self.assertNotIn("\x1b[31m", outcome.out)
            lines = [json.loads(line) for line in
                     run("stuck", *HERE, "--format", "json", "--host-root", root).out.splitlines()]
            self.assertIn("<script>", " ".join(line.get("container_name", "") for line in lines))


if __name__ == "__main__":
    main()
