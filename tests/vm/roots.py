# SPDX-License-Identifier: BSD-2-Clause
"""Disks of a Debian that boots with systemd and, as its last unit, runs what is on the machine's second disk (a tar file)."""
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from kernels import Unavailable, mirror, run

KEPT = Path(os.environ.get("TCPDWELL_CHROOTS", Path.home() / ".cache/tcpdwell"))
MONTH_S = 30 * 86400
PACKAGES = "systemd,systemd-sysv,init-system-helpers,python3,iproute2"
NOT_NEEDED = ("/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/man/*", "/usr/share/info/*")
SIZE = "1500M"  # sparse
# What would run apt beside the test, wait for devices and a bus that there are not, or only take time.
MASKED = ("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer",
          "systemd-firstboot.service", "systemd-timesyncd.service", "systemd-logind.service", "systemd-modules-load.service",
          "systemd-update-utmp.service", "systemd-random-seed.service", "systemd-pstore.service", "getty.target")
UNIT = """[Unit]
Description=The test
After=basic.target

[Service]
Type=exec
ExecStartPre=/bin/mkdir /run/test
ExecStartPre=/bin/tar -xf /dev/vdb -C /run/test
ExecStart=/usr/bin/python3 -B /run/test/guest_service.py

[Install]
WantedBy=multi-user.target
"""


def arrange(root):
    (root / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    (root / "etc/hostname").write_text("guest\n")
    (root / "etc/fstab").write_text("")
    # Where each instruction is emulated, a start takes its time.
    (root / "etc/systemd/system.conf.d").mkdir()
    (root / "etc/systemd/system.conf.d/slow.conf").write_text("[Manager]\nDefaultTimeoutStartSec=600\n")
    units = root / "etc/systemd/system"
    (units / "the-test.service").write_text(UNIT)
    (units / "multi-user.target.wants").mkdir(exist_ok=True)
    (units / "multi-user.target.wants/the-test.service").symlink_to("/etc/systemd/system/the-test.service")
    for name in MASKED:
        (units / name).unlink(missing_ok=True)
        (units / name).symlink_to("/dev/null")


def disk(suite):
    """The disk of that release, kept for a month, or until this file is another. May raise Unavailable."""
    made = KEPT / f"{suite}-init-{hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]}.ext4"
    if made.exists() and time.time() - made.stat().st_mtime < MONTH_S:
        return made
    for program in ("mmdebstrap", "mke2fs"):
        if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            raise Unavailable(f"{program} is not installed (scripts/deps vm)")
    KEPT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=KEPT) as scratch:
        root, new = Path(scratch, "root"), Path(scratch, "disk")
        excluded = [f"--dpkgopt=path-exclude={pattern}" for pattern in NOT_NEEDED]
        run(["mmdebstrap", "--mode=root", "--variant=apt", f"--include={PACKAGES}", "--quiet", *excluded, suite, str(root), mirror()],
            f"making a Debian {suite}")
        arrange(root)
        run(["mke2fs", "-q", "-t", "ext4", "-E", "lazy_itable_init=1", "-d", str(root), str(new), SIZE],
            env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"})
        for before in KEPT.glob(f"{suite}-init-*.ext4"):
            before.unlink()
        new.rename(made)
    return made


def copy_of(file, target):
    """Holes stay holes."""
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", file, target], check=True)
    return target
