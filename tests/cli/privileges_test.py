# SPDX-License-Identifier: BSD-2-Clause
"""What an unprivileged user may do, and what a tracer that may not trace says."""

import json
import os
import socket
import subprocess

import support
from support import Live, NOBODY, peers, free_port, run, scratch, scratch_file, wait_for

setUpModule = support.own_network


def addresses_are_shown_to_all():
    """kallsyms_show_value(), kernel/ksyms_common.c."""
    restrict, paranoid = (
        int(open(f"/proc/sys/kernel/{name}", encoding="utf-8").read()) for name in ("kptr_restrict", "perf_event_paranoid")
    )
    return restrict == 0 and paranoid <= 1


def setpriv(capabilities):
    """The words before tcpdwell that leave it, as nobody, these capabilities alone."""
    return [
        "setpriv",
        "--reuid",
        str(NOBODY),
        "--regid",
        str(NOBODY),
        "--clear-groups",
        "--inh-caps",
        capabilities,
        "--ambient-caps",
        capabilities,
        "--bounding-set",
        capabilities,
        support.binary_for_all(),
    ]


class Nobody(support.TestCase):
    def test_tracing_is_not_permitted_and_it_says_why(self):
        for args in (
            (),
            ("trace",),
            ("stat",),
            ("stat", "1", "2"),
            ("record", "-o", "-"),
            ("trace", "--", "true"),
        ):
            with self.subTest(args=args):
                outcome = run(*args, user=NOBODY)
                self.assert_error(outcome, 3, "CAP_BPF", "CAP_PERFMON")
                self.assertEqual(outcome.out, "")

    def test_no_file_is_left_behind(self):
        os.chmod(scratch(), 0o777)
        run("record", "-o", scratch_file("nobody.json"), user=NOBODY)
        left = scratch_file("nobody.json")
        self.assertTrue(not os.path.exists(left) or os.path.getsize(left) == 0)

    def test_reading_needs_no_privilege(self):
        path = scratch_file("trace.json.zst")
        run("record", "-o", path, "--mode", "644", *support.HERE, "-q", "--", *peers("both", free_port()))
        self.assertEqual(run("report", path, user=NOBODY), run("report", path))
        for args in (
            ("explain",),
            ("explain", "close-wait"),
            ("--version",),
            ("--help",),
            ("trace", "--help"),
        ):
            self.assertEqual(run(*args, user=NOBODY), run(*args), args)

    def test_bad_usage_comes_first(self):
        self.assert_error(run("trace", "-L", "http", user=NOBODY), 2, "http")


@support.needs("setpriv")
class Capabilities(support.TestCase):
    def run_with(self, capabilities, *args):
        script = '"${@:1}"'
        return support.shell(script, *setpriv(capabilities), *args)

    def test_only_what_is_missing_is_named(self):
        outcome = self.run_with("-all,+bpf", "trace")
        self.assert_error(outcome, 3, "CAP_PERFMON")
        self.assertNotIn("CAP_BPF missing", outcome.err)
        self.assertNotIn("CAP_BPF and", outcome.err)
        self.assertIn("CAP_BPF missing", self.run_with("-all,+perfmon", "trace").err)

    def traced_with(self, capabilities, *options):
        """A trace by nobody with these capabilities of a connection, and of a listener that was there before."""
        wrapper = scratch_file("with-capabilities", "#!/bin/sh\nexec " + " ".join(setpriv(capabilities)) + ' "$@"\n')
        os.chmod(wrapper, 0o755)
        with socket.create_server(("127.0.0.1", 0)) as older:
            port = free_port()
            with Live("trace", "--format", "json", *options, network=(), binary=wrapper) as live:
                with open(f"/proc/{live.process.pid}/status", encoding="utf-8") as file:
                    self.assertIn(f"\nUid:\t{NOBODY}\t{NOBODY}\t{NOBODY}\t{NOBODY}\n", file.read())
                subprocess.run(peers("both", port, "--count", 3, "--talk", 0.05), check=True)
                outcome = live.stop()
            self.assertEqual(outcome.status, 0, outcome.err)
            trace = support.Trace(outcome.out)
            seeds = [seed for seed in trace.seeds if seed["lport"] == older.getsockname()[1]]
        self.assertEqual([seed["state"] for seed in seeds], ["LISTEN"])
        chains = [c for c in trace.connections().values() if port in (c[-1]["lport"], c[-1]["rport"]) and c[-1]["rport"]]
        self.assertEqual(len(chains), 6)
        for chain in chains:
            self.assertTrue(support.begins(chain))
            [stay] = [line for line in chain if line["old"] == "ESTABLISHED"]
            self.assertEqual(stay["dwell"], "exact")
            self.assertGreater(stay["dwell_ns"], 50_000_000)
            self.assertIn(stay["comm"], ("client", "server"))
        return trace, outcome.err

    def test_the_two_are_enough(self):
        """Nobody with CAP_BPF and CAP_PERFMON alone: this network's sockets, the older ones too, in full; what is
        missing of other namespaces is named."""
        trace, said = self.traced_with("-all,+bpf,+perfmon")
        self.assertIn("CAP_SYS_PTRACE", said)
        if trace.header["minisockets"] == "off":
            self.assertIn("not observed", said)
            self.assertIn("CAP_SYSLOG", said)
        self.assertEqual(set(trace.end["lost"].values()), {0})

    def test_kernel_addresses_are_a_matter_of_permission(self):
        if not os.path.exists("/proc/sys/kernel/perf_event_paranoid") or addresses_are_shown_to_all():
            self.skipTest("this kernel shows its addresses to all")
        outcome = self.run_with("-all,+bpf,+perfmon", "trace", "--minisockets", "timer", "--duration", "50ms")
        self.assert_error(outcome, 3, "CAP_SYSLOG")
        self.assertNotIn("kernel.kptr_restrict=0)", outcome.err)

    def test_what_more_serves(self):
        """Nothing is missing any more, so nothing is said."""
        trace, said = self.traced_with("-all,+bpf,+perfmon,+sys_ptrace,+sys_admin,+syslog")
        self.assertNotIn("CAP_", said)
        self.assertNotEqual(trace.header["minisockets"], "off")

    def test_check_names_them(self):
        def missing(capabilities):
            answer = json.loads(self.run_with(capabilities, "check", "--format", "json").out)
            return answer["ok"], {one["name"]: one for one in answer["checks"] if not one["ok"]}

        ok, items = missing("-all,+bpf,+perfmon")
        self.assertTrue(ok)
        for name in ("CAP_SYS_PTRACE", "CAP_SYS_ADMIN"):
            self.assertFalse(items[name]["needed"])
            self.assertIn("namespaces", items[name]["serves"])
            self.assertIn(name.lower(), items[name]["mend"])
        ok, items = missing("-all,+bpf")
        self.assertFalse(ok)
        self.assertTrue(items["CAP_PERFMON"]["needed"])


@support.needs_root
class GivenUp(support.TestCase):
    """A tracer that has attached holds no privilege any more, and traces on."""

    def test_status(self):
        for command in (("trace", "--format", "json"), ("stat",), ("record", "-o", scratch_file("given-up.json"))):
            with self.subTest(command=command), Live(*command) as live:
                wait_for(lambda: self.fields(live)["NoNewPrivs"] == "1" and self.fields(live)["Seccomp"] == support.SECCOMP)
                fields = self.fields(live)
                for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                    self.assertEqual(int(fields[name], 16), 0, name)
                self.assertEqual(fields["NoNewPrivs"], "1")
                subprocess.run(peers("both", free_port(), "--count", 3), check=True)
                outcome = live.stop()
                self.assertEqual(outcome.status, 0)
                self.assertIn("LAST_ACK", outcome.out + outcome.err)

    def test_what_stays_is_said(self):
        env = support.environment(LD_PRELOAD=os.environ["NO_CONFINEMENT"])
        for quiet in ((), ("-q",)):
            outcome = run("trace", "--duration", "50ms", *quiet, *support.HERE, env=env)
            self.assertEqual(outcome.status, 0, outcome.err)
            self.assertEqual("privileges" in outcome.err, not quiet, outcome.err)

    @staticmethod
    def fields(live):
        with open(f"/proc/{live.process.pid}/status", encoding="utf-8") as file:
            return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


if __name__ == "__main__":
    support.main()
