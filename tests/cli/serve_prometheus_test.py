# SPDX-License-Identifier: BSD-2-Clause
"""A real Prometheus scrapes a real serve under a storm: what it computes is what tcpdwell knows."""

import contextlib
import json
import os
import subprocess
import time
import urllib.parse
import urllib.request

from serving import Serving, storm, waits_of
from support import HERE, Live, TestCase, free_port, main, needs, needs_root, own_network, scratch, scratch_file, wait_for

CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: tcpdwell
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""
# docs/metrics.md
BOUNDS = sorted([f * 10.0**e for e in range(-5, 4) for f in (1, 2, 5)] + [60.0, 70.0])


def setUpModule():
    own_network()


@contextlib.contextmanager
def prometheus(serve_port):
    """Its address, once it answers."""
    config = scratch_file("prometheus.yml", CONFIG.format(port=serve_port))
    address = f"127.0.0.1:{free_port()}"
    with open(scratch_file("prometheus.log"), "w+", encoding="utf-8") as log:
        process = subprocess.Popen(
            ["prometheus", f"--config.file={config}", f"--web.listen-address={address}",
             f"--storage.tsdb.path={os.path.join(scratch(), 'tsdb')}"],
            stdout=log, stderr=log,
        )  # fmt: skip
        try:
            def ready():
                assert process.poll() is None, open(log.name, encoding="utf-8").read()
                with contextlib.suppress(OSError):
                    return urllib.request.urlopen(f"http://{address}/-/ready", timeout=5).status == 200
            wait_for(ready)
            yield address
        finally:
            process.terminate()
            process.wait(20)


def query(address, expression):
    """The value of an expression that gives one, nan if it gives none."""
    url = f"http://{address}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(url, timeout=20) as answer:
        result = json.load(answer)["data"]["result"]
    assert len(result) <= 1, result
    return float(result[0]["value"][1]) if result else float("nan")


def bucket_of(seconds):
    return next(i for i, bound in enumerate(BOUNDS) if seconds <= bound)


@needs_root
@needs("prometheus")
class Prometheus(TestCase):
    def test_quantiles_are_those_of_stat(self):
        with Serving() as serve, Live("stat", "--format", "json") as stat, prometheus(serve.port) as address:
            wait_for(lambda: query(address, 'up{job="tcpdwell"}') == 1)  # what comes before the first scrape has no rate
            # A server that waits 5, 30 or 150 ms in CLOSE_WAIT. The clients' TIME_WAIT takes a minute.
            waits = waits_of(storm(8, waits="5,5,30,150", rate=60))
            made = len(waits)
            over = time.monotonic()
            self.assertGreater(made, 50)
            wait_for(lambda: serve.metrics()['tcpdwell_sockets{state="TIME_WAIT"}'] >= made)
            time.sleep(max(0, over + 63 - time.monotonic()))
            count = 'tcpdwell_dwell_seconds_count{state="TIME_WAIT"}'
            wait_for(lambda: serve.metrics()[count] >= made)
            scraped = f'sum({count.replace("}", ",job=" + chr(34) + "tcpdwell" + chr(34) + "}")})'
            wait_for(lambda: query(address, scraped) >= made)
            wait_for(lambda: query(address, 'up{job="tcpdwell"}') == 1)  # one scrape may have come too late
            lost = {place: query(address, f'tcpdwell_lost_total{{where="{place}"}}') for place in ("ring", "recursion", "map")}
            self.assertEqual(lost, dict.fromkeys(lost, 0))
            rows = {row["state"]: row for row in serve.json("/api/states")["rows"]}
            theirs = {}
            for state in ("TIME_WAIT", "CLOSE_WAIT"):
                for percent in (50, 90, 99):
                    theirs[state, percent] = query(
                        address,
                        f'histogram_quantile({percent / 100}, sum by (le) (tcpdwell_dwell_seconds_bucket{{state="{state}"}}))',
                    )
            # What has a rate has come while it was scraped.
            self.assertGreater(query(address, 'sum(increase(tcpdwell_dwell_seconds_count{state="CLOSE_WAIT"}[5m]))'), made / 2)
        table = {row["state"]: row for row in json.loads(stat.outcome.out)["rows"]}
        for (state, percent), value in theirs.items():
            with self.subTest(state=state, percent=percent):
                for ours in (rows, table):
                    truth = ours[state][f"p{percent}_ns"] / 1e9
                    self.assertLessEqual(abs(bucket_of(value) - bucket_of(truth)), 1, (value, truth))
        self.assertTrue(60 <= theirs["TIME_WAIT", 50] <= 70, theirs)
        # 150 ms and what the machine added to them: the bucket of the workload's own, or one beside it.
        least, most = (sorted(of)[int(0.99 * made)] for of in zip(*waits))
        self.assertTrue(bucket_of(least) - 1 <= bucket_of(theirs["CLOSE_WAIT", 99]) <= bucket_of(most) + 1, (theirs, least, most))
        self.assertGreaterEqual(table["CLOSE_WAIT"]["count"], made)


if __name__ == "__main__":
    main()
