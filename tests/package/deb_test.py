# SPDX-License-Identifier: BSD-2-Clause
"""The .deb and the tarball of this build: what is in them, what lintian says; and that all packages come out the same."""

import hashlib
import json
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from support import BUILD, PACKAGES, PACKAGING, SOURCE, main, needs, output


def the(pattern, directory=PACKAGES):
    found = sorted(Path(directory).glob(pattern))
    if len(found) != 1:
        raise AssertionError(f"{directory}: expected one {pattern}, found {found}")
    return found[0]


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


class Deb(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.deb = the("*.deb")
        cls.scratch = tempfile.TemporaryDirectory()
        cls.root = Path(cls.scratch.name)
        output("dpkg-deb", "-x", cls.deb, cls.root)

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def test_what_is_in_it(self):
        for name in ("bin/tcpdwell", "share/man/man1/tcpdwell.1.gz", "share/bash-completion/completions/tcpdwell",
                     "share/zsh/vendor-completions/_tcpdwell", "share/fish/vendor_completions.d/tcpdwell.fish",
                     "lib/systemd/system/tcpdwell.service", "lib/tmpfiles.d/tcpdwell.conf", "share/doc/tcpdwell/copyright",
                     "share/doc/tcpdwell/changelog.gz", "share/doc/tcpdwell/changelog.Debian.gz",
                     "share/doc/tcpdwell/limitations.md", "share/doc/tcpdwell/sbom.spdx.json",
                     "share/doc/tcpdwell/examples/prometheus/tcpdwell.rules.yml",
                     "share/doc/tcpdwell/examples/grafana/tcpdwell.json"):
            self.assertTrue((self.root / "usr" / name).is_file(), name)
        self.assertEqual([path.name for path in self.root.iterdir()], ["usr"])

    def test_the_unit_starts_what_is_installed(self):
        unit = (self.root / "usr/lib/systemd/system/tcpdwell.service").read_text()
        program = re.search(r"^ExecStart=/(\S+)", unit, re.M)[1]
        self.assertTrue(os.access(self.root / program, os.X_OK), program)

    def test_it_depends_on_nothing(self):
        self.assertNotIn("NEEDED", output("objdump", "-p", self.root / "usr/bin/tcpdwell"))
        self.assertEqual(output("dpkg-deb", "-f", self.deb, "Depends", "Pre-Depends").strip(), "")

    def test_nothing_tells_where_it_was_built(self):
        for path in self.root.rglob("*"):
            if path.is_file():
                self.assertNotIn(str(SOURCE).encode(), path.read_bytes(), path)

    def test_what_is_linked_in_is_listed_with_its_licence(self):
        doc = self.root / "usr/share/doc/tcpdwell"
        packages = json.loads((doc / "sbom.spdx.json").read_text())["packages"]
        names = {package["name"] for package in packages}
        self.assertLessEqual({"libbpf-dev", "libelf-dev", "libzstd-dev", "libseccomp-dev", "zlib1g-dev", "libfmt-dev",
                              "libcli11-dev", "rapidjson-dev", "libhighwayhash-dev", "libutf8proc-dev", "libc6-dev",
                              "ncurses-base"}, names)
        for package in packages:
            self.assertNotEqual(package["licenseDeclared"], "NOASSERTION", package["name"])
            if package["name"] != "tcpdwell":
                self.assertGreater((doc / "licences" / package["name"]).stat().st_size, 100)

    @needs("lintian")
    def test_lintian(self):
        said = output("lintian", "--allow-root", "--fail-on", "none", "--tag-display-limit", "0", self.deb)
        self.assertEqual(said, "")


class Tarball(unittest.TestCase):
    def test_it_unpacks_to_a_prefix(self):
        names = output("tar", "-tzf", the("*.tar.gz")).splitlines()
        top = the("*.tar.gz").name.removesuffix(".tar.gz")
        self.assertEqual({name.split("/")[0] for name in names}, {top})
        for name in ("bin/tcpdwell", "share/man/man1/tcpdwell.1.gz", "lib/systemd/system/tcpdwell.service"):
            self.assertIn(f"{top}/{name}", names)
        unit = output("tar", "-xzOf", the("*.tar.gz"), f"{top}/lib/systemd/system/tcpdwell.service")
        self.assertIn("ExecStart=/usr/local/bin/tcpdwell ", unit)


class Again(unittest.TestCase):
    def test_packing_again_gives_the_same_bytes(self):
        with tempfile.TemporaryDirectory() as scratch:
            output(PACKAGING / "pack", BUILD, scratch)
            for pattern in ("*.deb", "*.rpm", "*.tar.gz", "*.oci.tar"):
                self.assertEqual(digest(the(pattern)), digest(the(pattern, scratch)), pattern)


if __name__ == "__main__":
    main()
