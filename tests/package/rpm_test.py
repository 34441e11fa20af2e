# SPDX-License-Identifier: BSD-2-Clause
"""The .rpm of this build: what is in it, what rpmlint says; it installs into an rpm root with nothing else and runs there."""

import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from deb_test import digest, the
from support import PACKAGES, PACKAGING, main, needs, output


def query(*words):
    return output("rpm", "-qp", *words, the("*.rpm")).splitlines()


@needs("rpm")
class Rpm(unittest.TestCase):
    def test_it_needs_nothing_but_rpm(self):
        self.assertEqual([line for line in query("--requires") if not line.startswith("rpmlib(")], [])

    def test_it_has_what_the_deb_has(self):
        with tempfile.TemporaryDirectory() as scratch:
            output("dpkg-deb", "-x", the("*.deb"), scratch)
            wanted = {str(path.relative_to(scratch)) for path in Path(scratch).rglob("*") if path.is_file()}
        wanted = {name.replace("zsh/vendor-completions", "zsh/site-functions") for name in wanted}
        wanted -= {"usr/share/lintian/overrides/tcpdwell", "usr/share/doc/tcpdwell/changelog.Debian.gz"}
        files = {line.split("|")[1].lstrip("/") for line in query("--qf", "[%{FILEMODES:perms}|%{FILENAMES}\n]") if line.startswith("-")}
        self.assertEqual(files, wanted)
        self.assertEqual({line.split("|")[0] for line in query("--qf", "[%{FILEUSERNAME} %{FILEGROUPNAME}|\n]")}, {"root root"})

    def test_it_tells_nothing_of_who_made_it(self):
        [said] = query("--qf", "%{BUILDHOST} %{BUILDTIME} %{ARCH} %{LICENSE}")
        host, when, architecture, licence = said.split(" ", 3)
        newest = max(int(line) for line in query("--qf", "[%{FILEMTIMES}\n]"))
        self.assertEqual((host, architecture), ("localhost", os.uname().machine))
        self.assertGreaterEqual(int(when), newest)
        self.assertIn("BSD-2-Clause", licence)

    @needs("rpmlint")
    def test_rpmlint(self):
        said = output("rpmlint", "--config", PACKAGING / "rpm/rpmlint.toml", the("*.rpm"), env={**os.environ, "LC_ALL": "C.UTF-8"})
        self.assertRegex(said, r"\b0 errors, 0 warnings")


@needs("rpm", "chroot")
@unittest.skipUnless(os.geteuid() == 0, "a root of its own needs root")
class Installed(unittest.TestCase):
    def test_it_installs_runs_and_goes(self):
        with tempfile.TemporaryDirectory(prefix="tcpdwell-rpm-") as root:
            said = output("rpm", "--root", root, "-i", the("*.rpm"))
            # Debian's rpm would rather not.
            self.assertEqual([line for line in said.splitlines() if not line.startswith("rpm: ")], [])
            self.assertEqual(output("rpm", "--root", root, "-V", "tcpdwell"), "")
            self.assertTrue(output("chroot", root, "/usr/bin/tcpdwell", "--version").startswith("tcpdwell "))
            self.assertIn("TIME_WAIT", output("chroot", root, "/usr/bin/tcpdwell", "explain", "TIME_WAIT"))
            unit = Path(root, "usr/lib/systemd/system/tcpdwell.service").read_text()
            program = re.search(r"^ExecStart=/(\S+)", unit, re.M)[1]
            # The same binary in each package.
            with tempfile.TemporaryDirectory() as other:
                output("dpkg-deb", "-x", the("*.deb"), other)
                self.assertEqual(digest(Path(root, program)), digest(Path(other, "usr/bin/tcpdwell")))
            output("rpm", "--root", root, "-e", "tcpdwell")
            self.assertEqual([path for path in Path(root).rglob("*tcpdwell*")], [])

    def test_it_traces(self):
        with tempfile.TemporaryDirectory(prefix="tcpdwell-rpm-") as root:
            output("rpm", "--root", root, "-i", the("*.rpm"))
            for name in "proc", "sys":
                os.mkdir(Path(root, name))
            # Mounts that end with the shell.
            inside = 'mount -t proc proc "$1/proc" && mount -t sysfs -o ro sysfs "$1/sys" && exec chroot "$1" /usr/bin/tcpdwell stat --duration 200ms'
            said = output("unshare", "-m", "sh", "-c", inside, "-", root)
            self.assertRegex(said, r"(?m)^state +count +open")


if __name__ == "__main__":
    main()
