# SPDX-License-Identifier: BSD-2-Clause
"""Traces of two hosts in a real ClickHouse server on loopback (packaging/clickhouse): what it says of
them is what report says. Needs no root."""

import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest

import support
from support import run, scratch_file

PACKAGING = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../packaging/clickhouse")
CONFIG = """<yandex><logger><level>warning</level><console>0</console><log>{dir}/log</log><errorlog>{dir}/err</errorlog></logger>
<listen_host>127.0.0.1</listen_host><tcp_port>{port}</tcp_port><http_port>{http}</http_port><path>{dir}/data/</path><tmp_path>{dir}/tmp/</tmp_path>
<users_config>{dir}/users.xml</users_config><mark_cache_size>100000000</mark_cache_size><default_profile>default</default_profile>
<default_database>default</default_database></yandex>"""
USERS = """<yandex><profiles><default></default></profiles><users><default><password></password><networks><ip>127.0.0.1</ip></networks>
<profile>default</profile><quota>default</quota></default></users><quotas><default></default></quotas></yandex>"""


@support.needs("clickhouse-server", "clickhouse-client", "jq", "zstd")
class ClickHouse(support.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="tcpdwell-clickhouse-")
        cls.addClassCleanup(shutil.rmtree, cls.dir, True)
        cls.port, http = support.free_port(), support.free_port()
        for name, content in {"config.xml": CONFIG, "users.xml": USERS}.items():
            with open(os.path.join(cls.dir, name), "w", encoding="utf-8") as file:
                file.write(content.format(dir=cls.dir, port=cls.port, http=http))
        os.makedirs(os.path.join(cls.dir, "data"))
        cls.server = subprocess.Popen(
            ["clickhouse-server", f"--config-file={cls.dir}/config.xml"],
            cwd=cls.dir, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        cls.addClassCleanup(cls.server.wait, 30)
        cls.addClassCleanup(cls.server.terminate)
        cls.client = ["clickhouse-client", "--host=127.0.0.1", f"--port={cls.port}"]
        deadline = time.monotonic() + 30
        while subprocess.run([*cls.client, "--query", "SELECT 1"], capture_output=True, check=False).returncode != 0:
            if cls.server.poll() is not None or time.monotonic() > deadline:
                raise unittest.SkipTest(f"clickhouse-server does not start here (status {cls.server.poll()})")
            time.sleep(0.2)
        cls.query_file("schema.sql")

    @classmethod
    def query(cls, text):
        done = subprocess.run([*cls.client, "--multiquery", "--query", text], capture_output=True, check=True, encoding="utf-8")
        return [line.split("\t") for line in done.stdout.splitlines()]

    @classmethod
    def query_file(cls, name):
        with open(os.path.join(PACKAGING, name), encoding="utf-8") as file:
            return cls.query(file.read())

    def test_quantiles_are_those_of_report(self):
        traces = [scratch_file("one.json.zst"), scratch_file("two.json")]
        for seed, path in enumerate(traces, 1):
            subprocess.run([os.environ["MAKE_TRACE"], path, "40000", f"host-{seed}", str(seed), "troubled"], check=True)
        subprocess.run(
            [os.path.join(PACKAGING, "load"), *traces], check=True,
            env={**os.environ, "CLICKHOUSE_CLIENT": " ".join(self.client)},
        )  # fmt: skip
        self.assertEqual(self.query("SELECT count(), uniq(host) FROM tcpdwell.transitions"), [["80000", "2"]])
        rows = {
            row[0]: (int(row[1]), json.loads(row[2]))
            for row in self.query(
                "SELECT old, sum(dwells), quantilesExactWeighted(0.5, 0.9, 0.99)(about_ns, dwells)"
                " FROM tcpdwell.dwell_per_minute GROUP BY old"
            )
        }
        exact = {
            row[0]: json.loads(row[1])
            for row in self.query(
                "SELECT old, quantilesExact(0.5, 0.9, 0.99)(assumeNotNull(dwell_ns)) FROM tcpdwell.transitions"
                " WHERE dwell = 'exact' GROUP BY old"
            )
        }
        table = json.loads(run("report", *traces, "--format", "json").out)["rows"]
        table = {row["state"]: row for row in table if row["count"] > 0}
        self.assertEqual(set(rows), set(table))
        for state, row in table.items():
            self.assertEqual(rows[state][0], row["count"], state)
            for i, name in enumerate(("p50_ns", "p90_ns", "p99_ns")):
                # A histogram is within 1/128; where values lie far apart the rank decides.
                self.assertAlmostEqual(row[name], exact[state][i], delta=exact[state][i] / 64 + 2, msg=(state, name))
                self.assertAlmostEqual(row[name], rows[state][1][i], delta=row[name] / 64 + 2, msg=(state, name))
        self.query_file("queries.sql")


if __name__ == "__main__":
    unittest.main()
