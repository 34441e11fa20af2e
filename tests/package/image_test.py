# SPDX-License-Identifier: BSD-2-Clause
"""The OCI image of this build: others read it, and it runs as a container engine would run it."""

import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from deb_test import digest, the
from support import main, needs, output


@needs("umoci")
@unittest.skipUnless(os.geteuid() == 0, "a root of its own needs root")
class Image(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory(prefix="tcpdwell-image-")
        cls.addClassCleanup(cls.scratch.cleanup)
        cls.layout, cls.bundle = Path(cls.scratch.name, "layout"), Path(cls.scratch.name, "bundle")
        cls.layout.mkdir()
        output("tar", "-xf", the("*.oci.tar"), "-C", cls.layout)
        cls.index = json.loads((cls.layout / "index.json").read_text())
        cls.tag = cls.index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"]
        # It checks each blob against its digest and size.
        output("umoci", "unpack", "--image", f"{cls.layout}:{cls.tag}", cls.bundle)
        cls.root = cls.bundle / "rootfs"

    def test_it_holds_the_binary_and_its_licences(self):
        files = {str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file()}
        rest = {name for name in files if not name.startswith("usr/share/doc/tcpdwell/licences/")}
        self.assertEqual(rest, {"usr/bin/tcpdwell", "usr/share/doc/tcpdwell/copyright", "usr/share/doc/tcpdwell/sbom.spdx.json"})
        self.assertGreater(len(files - rest), 10)
        with tempfile.TemporaryDirectory() as other:
            output("dpkg-deb", "-x", the("*.deb"), other)
            self.assertEqual(digest(self.root / "usr/bin/tcpdwell"), digest(Path(other, "usr/bin/tcpdwell")))

    def test_what_an_engine_is_told(self):
        process = json.loads((self.bundle / "config.json").read_text())["process"]
        self.assertEqual(process["args"], ["/usr/bin/tcpdwell", "serve"])
        self.assertEqual({"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine], self.index["manifests"][0]["platform"]["architecture"])

    def test_it_runs(self):
        process = json.loads((self.bundle / "config.json").read_text())["process"]
        for name in "proc", "sys":
            (self.root / name).mkdir(exist_ok=True)
        # In namespaces of its own but for the host's processes and network, as docs/operations.md has it; its first process
        # is the program. The mounts end with it.
        inside = 'mount -t proc proc "$1/proc" && mount -t sysfs -o ro sysfs "$1/sys" && root=$1 && shift && exec chroot "$root" "$@"'
        words = [*process["args"], "--listen", "127.0.0.1:0", "--socket", "", "--duration", "500ms", "-v"]
        done = subprocess.run(["unshare", "-m", "-u", "-i", "sh", "-c", inside, "-", self.root, *words], env=dict(entry.split("=", 1) for entry in process["env"]) | {"PATH": os.environ["PATH"]},
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("answers on", done.stdout)


if __name__ == "__main__":
    main()
