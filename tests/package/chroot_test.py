# SPDX-License-Identifier: BSD-2-Clause
"""chroot_test.py SUITE: the .deb installs in a clean Debian of that suite and traces a connection there.

The chroot's tarball is kept for a month in $TCPDWELL_CHROOTS, else ~/.cache/tcpdwell.
"""

import ctypes
import fcntl
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from support import PACKAGES, main, needs, output

SUITE = sys.argv.pop(1) if __name__ == "__main__" and len(sys.argv) > 1 and not sys.argv[1].startswith("-") else "bookworm"
KEPT = Path(os.environ.get("TCPDWELL_CHROOTS", Path.home() / ".cache/tcpdwell"))
MONTH = 30 * 86400


def tarball():
    """A minimal Debian, packed; made when there is none, or an old one."""
    path = KEPT / f"{SUITE}.tar"
    if path.exists() and time.time() - path.stat().st_mtime < MONTH:
        return path
    KEPT.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(f".{os.getpid()}.tar")
    mirror = subprocess.run("grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d | head -1",
                            shell=True, capture_output=True, text=True, check=False).stdout.strip()
    done = subprocess.run(["mmdebstrap", "--mode=root", "--variant=essential", "--quiet", SUITE, str(new),
                           *([mirror] if mirror else [])], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        new.unlink(missing_ok=True)
        if path.exists():
            return path
        said = done.stderr.strip().splitlines()
        raise unittest.SkipTest(f"no Debian {SUITE} to be had: {said[-1] if said else done.returncode}")
    new.rename(path)
    return path


def own_world():
    """A network and mounts that end with this process."""
    clone_newns, clone_newnet, ms_rec, ms_private = 0x20000, 0x40000000, 0x4000, 0x40000
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(clone_newns | clone_newnet) != 0 or libc.mount(None, b"/", None, ms_rec | ms_private, None) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP


def connect_and_close():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
        client.close()
        accepted.recv(1)
        accepted.close()
    return port


@needs("mmdebstrap", "chroot")
@unittest.skipUnless(os.geteuid() == 0, "a chroot needs root")
class Chroot(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        packed = tarball()
        own_world()
        cls.scratch = tempfile.mkdtemp(prefix="tcpdwell-chroot-")
        output("mount", "-t", "tmpfs", "chroot", cls.scratch)
        cls.root = Path(cls.scratch, "root")
        cls.root.mkdir()
        output("tar", "-xpf", packed, "-C", cls.root)
        output("mount", "-t", "proc", "proc", cls.root / "proc")
        output("mount", "-t", "sysfs", "-o", "ro", "sysfs", cls.root / "sys")
        shutil.copy(next(PACKAGES.glob("*.deb")), cls.root / "tcpdwell.deb")
        output("chroot", cls.root, "dpkg", "-i", "/tcpdwell.deb")

    @classmethod
    def tearDownClass(cls):
        output("umount", "-l", cls.scratch)
        os.rmdir(cls.scratch)

    def inside(self, *words, **options):
        return output("chroot", self.root, *words, **options)

    def test_1_it_is_that_debian(self):
        self.assertIn(f"VERSION_CODENAME={SUITE}", (self.root / "etc/os-release").read_text())
        self.assertIn("install ok installed", self.inside("dpkg-query", "-W", "-f", "${Status}", "tcpdwell"))

    def test_2_it_traces_a_connection(self):
        with tempfile.TemporaryFile("w+") as lines:
            tracer = subprocess.Popen(["chroot", str(self.root), "tcpdwell", "trace", "--format", "json", "--netns", "/proc/self/ns/net", "-v"],
                                      stdout=lines, stderr=subprocess.PIPE, text=True)
            try:
                said = ""
                while " existed before" not in said:  # it is attached then
                    line = tracer.stderr.readline()
                    self.assertTrue(line, said)
                    said += line
                port = connect_and_close()
                time.sleep(0.5)
                tracer.send_signal(signal.SIGINT)
                _, rest = tracer.communicate(timeout=60)
                said += rest
            finally:
                tracer.kill()
            self.assertEqual(tracer.returncode, 0, said)
            lines.seek(0)
            seen = [json.loads(line) for line in lines]
        ours = [line for line in seen if line["type"] == "transition" and port in (line["lport"], line["rport"])]
        client = [line["new"] for line in ours if line["rport"] == port]
        server = [line["new"] for line in ours if line["lport"] == port]
        self.assertEqual(client[:4], ["SYN_SENT", "ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2"])
        for state in ("ESTABLISHED", "CLOSE_WAIT", "LAST_ACK", "CLOSE"):
            self.assertIn(state, server)
        self.assertEqual(seen[-1]["type"], "end")
        self.assertEqual(sum(seen[-1]["lost"].values()), 0)

    def test_3_it_reads_its_own_trace(self):
        self.inside("tcpdwell", "record", "-o", "/trace.json.zst", "--duration", "200ms", "-q")
        self.assertIn("UTC", self.inside("tcpdwell", "report", "/trace.json.zst"))

    def test_4_it_goes_without_a_trace(self):
        self.inside("dpkg", "--purge", "tcpdwell")
        output("umount", self.root / "proc")
        output("umount", self.root / "sys")
        left = {path.name for path in self.root.rglob("*tcpdwell*")}
        self.assertEqual(left, {"tcpdwell.deb"})


if __name__ == "__main__":
    main()
