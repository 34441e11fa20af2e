# SPDX-License-Identifier: BSD-2-Clause
"""What an unprivileged user may do, and what a tracer that may not trace says."""

import json
import os
import signal
import socket
import subprocess
import tempfile
import unittest

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
        self.assert_nothing_lost(trace.end["lost"])

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
                if not support.SANITIZED:
                    self.assertEqual(fields["Uid"], "\t".join([str(NOBODY)] * 4))
                    self.assertEqual(fields["Gid"], "\t".join([str(NOBODY)] * 4))
                    self.assertEqual(fields["Groups"].strip(), "")
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


@support.needs_root
@unittest.skipIf(support.SANITIZED, "an instrumented build stays the user it is")
class AnotherUser(support.TestCase):
    """Root's process goes on as nobody, or whom --user says, once it has attached."""

    OTHER = 12345

    def ids(self, live):
        fields = GivenUp.fields(live)
        return {number for name in ("Uid", "Gid") for number in map(int, fields[name].split())}

    def wait_until_confined(self, live):
        wait_for(lambda: GivenUp.fields(live)["Seccomp"] == support.SECCOMP)

    def test_user_says_who(self):
        for asked, got in ((self.OTHER, self.OTHER), ("nobody", NOBODY), ("root", 0), (0, 0)):
            with self.subTest(asked=asked), Live("trace", "--user", asked) as live:
                self.wait_until_confined(live)
                self.assertEqual(self.ids(live), {got})
                self.assertEqual(int(GivenUp.fields(live)["CapPrm"], 16), 0)

    def test_who_there_is_not(self):
        for asked in ("no such user", "-1", "4294967295", "12x"):
            self.assert_error(run("trace", f"--user={asked}"), 2, "--user", "no such user")

    def test_who_may_not_become_it(self):
        self.assert_error(run("trace", "--user", self.OTHER, user=NOBODY), 3, "CAP_SETUID", "CAP_SETGID")

    @support.needs("setpriv")
    def test_root_without_the_capabilities_says_so(self):
        """As in a container: serve does not answer, the others go on with less."""
        words = ["setpriv", "--bounding-set", "-all,+bpf,+perfmon,+sys_admin,+sys_ptrace,+syslog", support.TCPDWELL]
        limited = lambda *args: support.shell('"$@"', *words, *args)
        serve = ("serve", "--listen", f"127.0.0.1:{free_port()}", "--socket", "", "--duration", "1s", *support.HERE)
        self.assert_error(limited(*serve), 3, "CAP_SETUID", "--user root")
        self.assertEqual(limited(*serve, "--user", "root").status, 0)
        traced = limited("trace", "--duration", "50ms", *support.HERE)
        self.assertEqual(traced.status, 0)
        self.assertIn("CAP_SETUID", traced.err)
        checked = json.loads(limited("check", "--format", "json").out)
        [item] = [one for one in checked["checks"] if one["name"] == "CAP_SETUID"]
        self.assertFalse(item["ok"] or item["needed"])

    def test_a_command_runs_as_it_would_without_us(self):
        """As root, not confined; and it ends with the trace, by a signal of somebody who may send it no other."""
        script = "grep -E '^(Uid|CapEff|NoNewPrivs|Seccomp):' /proc/self/status >&2; exec sleep 60"
        plain = support.shell("grep -E '^(Uid|CapEff|NoNewPrivs|Seccomp):' /proc/self/status")
        outcome = run("trace", "--duration", "1s", "-q", *support.HERE, "--", "sh", "-c", script)
        self.assertEqual(outcome.status, 128 + signal.SIGTERM)
        self.assertEqual(outcome.err, plain.out)

    def test_files_of_a_rotation_are_who_began_its(self):
        directory = tempfile.mkdtemp(dir=scratch())
        with Live("record", "-o", f"{directory}/t.json", "--rotate", "1s") as live:
            self.wait_until_confined(live)
            self.assertEqual(self.ids(live), {0})
            wait_for(lambda: len(os.listdir(directory)) >= 3)
            self.assertEqual(live.stop().status, 0)
        self.assertEqual({os.stat(f"{directory}/{name}").st_uid for name in os.listdir(directory)}, {0})

    def test_files_of_a_rotation_by_another_user(self):
        directory = tempfile.mkdtemp(dir=scratch())
        refused = run("record", "-o", f"{directory}/t.json", "--rotate", "1s", "--user", self.OTHER, "--duration", "2s")
        self.assert_error(refused, 3, str(self.OTHER), directory)
        os.chown(directory, self.OTHER, self.OTHER)
        with Live("record", "-o", f"{directory}/u.json", "--rotate", "1s", "--keep", 1, "--user", self.OTHER) as live:
            self.wait_until_confined(live)
            self.assertEqual(self.ids(live), {self.OTHER})
            made_later = lambda: [n for n in os.listdir(directory) if n.startswith("u-") and n.endswith("0004.json.part")]
            wait_for(made_later)
            [part] = made_later()
            self.assertEqual(os.stat(f"{directory}/{part}").st_uid, self.OTHER)
            self.assertEqual(live.stop().status, 0)
        self.assertEqual(len([n for n in os.listdir(directory) if n.startswith("u-")]), 1)


if __name__ == "__main__":
    support.main()
