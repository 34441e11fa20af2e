# SPDX-License-Identifier: BSD-2-Clause
"""The files that -o makes: whose they are, where links lead, and two writers of one."""

import contextlib
import os
import shutil
import stat
import subprocess

import support
from support import HERE, NOBODY, Live, binary_for_all, environment, free_port, peers, read_trace, run, scratch, scratch_file, shell

setUpModule = support.own_network

SOON = ("--duration", "100ms", "-q")


def mode_of(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def content(path):
    with open(path, "rb") as file:
        return file.read()


def directory_of(user, name):
    path = scratch_file(name)
    os.mkdir(path)
    os.chown(path, user, user)
    return path


class Permissions(support.TestCase):
    """A trace is as private as a capture of packets; --mode says otherwise, the umask does not."""

    def writers(self):
        trace = scratch_file("read.json")
        run("record", "-o", trace, *HERE, *SOON)
        return {
            "record": ("record", *HERE, *SOON),
            "trace": ("trace", *HERE, *SOON),
            "stat": ("stat", *HERE, *SOON),
            "stuck": ("stuck", *HERE),
            "report": ("report", trace),
            "diff": ("diff", trace, trace),
        }

    def test_new_files(self):
        for name, words in self.writers().items():
            for umask in (0o022, 0o077):
                for mode, flags in ((0o600, ()), (0o664, ("--mode", "0664"))):
                    with self.subTest(name=name, umask=umask, mode=mode):
                        path = scratch_file(f"new-{name}")
                        outcome = run(*words, "-o", path, *flags, umask=umask)
                        self.assertEqual((outcome.status, outcome.err), (0, ""))
                        self.assertEqual(oct(mode_of(path)), oct(mode))
                        os.unlink(path)

    def test_rotated_ones(self):
        for mode, flags in ((0o600, ()), (0o640, ("--mode", "640"))):
            path = scratch_file(f"rotated-{mode}.json")
            made = lambda: [name for name in os.listdir(scratch()) if name.startswith(f"rotated-{mode}-")]
            until_two = support.shell_until(f'[ "$(ls {scratch()} | grep -c ^rotated-{mode}-)" -gt 1 ]')
            outcome = run("record", "-o", path, "--rotate", "1s", *flags, *HERE, "-q", "--", "sh", "-c", until_two, umask=0o022)
            self.assertEqual(outcome.status, 0, outcome.err)
            self.assertGreater(len(made()), 1)
            for name in made():
                self.assertEqual(oct(mode_of(scratch_file(name))), oct(mode))

    def test_what_is_there_keeps_its_own(self):
        path = scratch_file("shared.json", "old" * 100_000)
        os.chmod(path, 0o644)
        self.assertEqual(run("record", "-o", path, "--force", *HERE, *SOON).status, 0)
        self.assert_whole(read_trace(path))
        self.assertEqual(oct(mode_of(path)), oct(0o644))

    def test_bad_usage(self):
        for mode in ("", "9", "rw", "1777", "-1", "640x"):
            with self.subTest(mode=mode):
                outcome = run("record", "-o", scratch_file("never.json"), f"--mode={mode}", *HERE, *SOON)
                self.assert_error(outcome, 2, "--mode", "octal")


class Links(support.TestCase):
    """A link that somebody else made could lead to any file of root's."""

    def setUp(self):
        self.victim = scratch_file("victim", "precious")

    def test_of_another_user(self):
        directory = directory_of(NOBODY, "of-nobody")
        link = f"{directory}/t.json"
        os.symlink(self.victim, link)
        os.lchown(link, NOBODY, NOBODY)
        indirect = scratch_file("indirect.json")
        os.symlink(link, indirect)
        for path in (link, indirect):
            for words in (("record", *HERE, *SOON), ("trace", *HERE, *SOON), ("stuck", *HERE)):
                with self.subTest(path=path, words=words):
                    self.assert_error(run(*words, "-o", path), 1, path, "link", str(NOBODY))
                    self.assertEqual(content(self.victim), b"precious")

    def test_our_own_are_followed(self):
        directory = scratch_file("links")
        os.mkdir(directory)
        for name, target in (
            ("absolute", f"{directory}/one"), ("relative", "two"), ("twice", "absolute"), ("up", "../links/three")
        ):
            with self.subTest(name=name):
                os.symlink(target, f"{directory}/{name}")
                path = f"{directory}/{name}"
                self.assertEqual(run("record", "-o", path, *HERE, *SOON).err, "")
                self.assertTrue(os.path.islink(path))
                self.assert_whole(read_trace(path))
                self.assertEqual(oct(mode_of(os.path.realpath(path))), oct(0o600))

    def test_in_a_circle(self):
        path = scratch_file("circle")
        os.symlink("circle", path)
        self.assert_error(run("record", "-o", path, *HERE, *SOON), 1, path, "symbolic links")

    def test_devices_and_pipes(self):
        for path in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "/dev/stderr"):
            with self.subTest(path=path):
                outcome = run("record", "-o", path, *HERE, *SOON)
                self.assertEqual(outcome.status, 0, outcome.err)
                self.assert_whole(support.Trace(outcome.err if path == "/dev/stderr" else outcome.out))
        self.assertEqual(run("record", "-o", "/dev/null", *HERE, *SOON).status, 0)
        fifo = scratch_file("fifo")
        os.mkfifo(fifo)
        with subprocess.Popen(["cat", fifo], stdout=subprocess.PIPE, encoding="utf-8") as reader:
            self.assertEqual(run("record", "-o", fifo, *HERE, *SOON).status, 0)
            self.assert_whole(support.Trace(reader.communicate(timeout=support.TIMEOUT)[0]))

    def test_standard_output_in_a_user_namespace(self):
        """Root there is nobody on the host, whose /dev it sees."""
        trace = scratch_file("read.json")
        run("record", "-o", trace, *HERE, *SOON)
        outcome = shell('unshare -Ur "$0" report -o /dev/stdout "$1"', trace)
        if "unshare failed" in outcome.err:
            self.skipTest(outcome.err)
        self.assertEqual((outcome.status, outcome.out), (0, run("report", trace).out), outcome.err)


class Two(support.TestCase):
    """Two writers of one file would ruin it without a word."""

    def test_the_second_ends(self):
        for suffix in ("", ".zst"):
            with self.subTest(suffix=suffix):
                path = scratch_file("two.json" + suffix)
                with Live("record", "-o", path) as live:
                    subprocess.run(peers("both", free_port()), check=True)
                    for words in (("record", *HERE, *SOON), ("trace", "--format", "json", *HERE, *SOON)):
                        self.assert_error(run(*words, "-o", path), 1, path, f"process {live.process.pid}")
                    outcome = live.stop()
                self.assertEqual(outcome.status, 0, outcome.err)
                report = run("report", path)
                self.assertEqual((report.status, report.err), (0, ""))
                self.assertRegex(report.out, r"(?m)^LAST_ACK +1 ")
                self.assertEqual(run("record", "-o", path, *HERE, *SOON).status, 0)

    def test_rotating_ones_keep_out_of_each_others_way(self):
        path = scratch_file("beside.json")
        with contextlib.ExitStack() as both:
            made = lambda: [name for name in os.listdir(scratch()) if name.startswith("beside-")]
            lives = [both.enter_context(Live("record", "-o", path, "--rotate", "1s")) for _ in range(2)]
            support.wait_for(lambda: len(made()) >= 6)
            for live in lives:
                self.assertEqual(live.stop().status, 0)
        for name in made():
            self.assert_whole(read_trace(scratch_file(name)))


class SetId(support.TestCase):
    def test_is_refused(self):
        for bits in (0o4755, 0o2755):
            program = shutil.copyfile(binary_for_all(), scratch_file(f"set-id-{bits:o}"))
            os.chmod(program, bits)
            for words in (("record", "-o", scratch_file("set-id.json"), *SOON), ("--version",)):
                with self.subTest(bits=oct(bits), words=words):
                    done = subprocess.run([program, *words], capture_output=True, encoding="utf-8", env=environment(),
                                          timeout=support.TIMEOUT, user=NOBODY, group=NOBODY, extra_groups=[])
                    # LeakSanitizer, which reads no options of such a program, ends it with a status of its own.
                    status = done.returncode if support.SANITIZED else 3
                    self.assert_error(support.Outcome(done.returncode, done.stdout, done.stderr), status, "set-user-ID")


if __name__ == "__main__":
    support.main()
