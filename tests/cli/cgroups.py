# SPDX-License-Identifier: BSD-2-Clause
"""Cgroups of a test's own, and processes in them."""

import contextlib
import ctypes
import functools
import os
import subprocess
import tempfile
import unittest

import support


def writable(path):
    return os.access(path, os.W_OK) and not os.statvfs(path).f_flag & os.ST_RDONLY


@functools.cache
def hierarchy():
    """Where cgroup v2 is mounted; where it is nowhere, mounted here for this process and its children."""
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        at = [line.split()[1] for line in mounts if line.split()[2] == "cgroup2"]
    if at and writable(at[0]):
        return at[0]
    clone_newns, ms_rec, ms_private = 0x20000, 0x4000, 0x40000
    libc = ctypes.CDLL(None, use_errno=True)
    place = tempfile.mkdtemp(prefix="tcpdwell-cgroup-", dir=support.scratch())
    if (
        at
        or libc.unshare(clone_newns) != 0
        or libc.mount(b"none", b"/", None, ms_rec | ms_private, None) != 0
        or libc.mount(b"none", place.encode(), b"cgroup2", 0, None) != 0
    ):
        raise unittest.SkipTest("no cgroup v2 hierarchy to write to")
    return place


@contextlib.contextmanager
def cgroup(parent=None, name=None):
    """A new directory in `parent`, which goes with the block: who is in it has to have ended."""
    parent = parent or hierarchy()
    path = f"{parent}/{name}" if name else tempfile.mkdtemp(prefix="tcpdwell-test-", dir=parent)
    if name:
        os.mkdir(path)
    os.chmod(path, 0o755)  # as those of a manager are: who has given up its privileges walks over them
    try:
        yield path
    finally:
        support.wait_for(lambda: gone(path))


def gone(path):
    """A process that has ended may be in it a moment longer."""
    with contextlib.suppress(OSError):
        os.rmdir(path)
    return not os.path.exists(path)


def inode(path):
    return os.stat(path).st_ino


def within(path, command):
    """The command line that runs `command` in the cgroup."""
    return ["sh", "-c", 'echo $$ > "$0/cgroup.procs"; exec "$@"', path, *command]


def run_within(path, command):
    subprocess.run(within(path, command), check=True)
