# SPDX-License-Identifier: BSD-2-Clause
"""What the tests of faults share: how often to try, what they found, what a tracer leaves behind.

Each says what it found in a line `fault: {JSON}`, of which scripts/faults makes the table of
docs/reliability.md. With TCPDWELL_FAULTS=full they try as often as that table says, else less.
"""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import time

import support

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 1 << 18

# Storms and many tries take the machine to themselves.
support.TIMEOUT = max(support.TIMEOUT, 60)

FULL = os.environ.get("TCPDWELL_FAULTS") == "full"


def tries(few, many):
    """How much of it: `many` for the table, `few` in each run of the tests."""
    return many if FULL else few


def found(fault, tried, lost, said, times=1):
    """A row of the table: what was tried, how often, what was lost, what was said of it."""
    row = {"fault": fault, "tried": tried, "times": times, "lost": lost, "said": said}
    print("fault: " + json.dumps(row), flush=True)


@contextlib.contextmanager
def at(**what):
    """Names the case that fails. Not subTest(), after which the test goes on and the row is made all the same."""
    try:
        yield
    except AssertionError as failure:
        raise AssertionError(f"{what}: {failure}") from failure


def enlarge_network():
    """Room for a storm in the network of this process; no time-wait socket of it is reused, so that none
    ends within its minute."""
    for name, value in (
        ("ip_local_port_range", "1024 65000"),
        ("tcp_max_tw_buckets", "1000000"),
        ("tcp_tw_reuse", "0"),
    ):
        with open(f"/proc/sys/net/ipv4/{name}", "w", encoding="ascii") as file:
            file.write(value)


class Storm:
    """Quick connections in another process; .truth says what they were once it has ended."""

    def __init__(self, connections, workers=2):
        self.process = subprocess.Popen(
            [os.environ["STORM"], str(connections), str(workers)], stdout=subprocess.PIPE, encoding="utf-8"
        )
        self.truth = None

    def end(self):
        out, _ = self.process.communicate(timeout=120)
        if self.process.returncode != 0:
            raise RuntimeError("the storm failed")
        self.truth = json.loads(out)
        return self.truth

    def lines(self):
        """What a tracer has to see of it before its time-wait sockets expire: ten transitions a
        connection, TIME_WAIT entered and not left, and two of each listener."""
        return 10 * self.truth["connections"] + 2 * self.truth["listeners"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()


def checked(result, what):
    """The result of a function of libc, or an OSError."""
    if result < 0:
        raise OSError(ctypes.get_errno(), what)
    return result


def own_mounts():
    """Mounts of this process are seen by it and its children alone."""
    if os.geteuid() != 0:
        raise support.unittest.SkipTest("tracing needs root")
    checked(libc.unshare(CLONE_NEWNS), "unshare")
    checked(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount")


def own_bpf_file_system():
    """Where something could be pinned; after own_mounts()."""
    checked(libc.mount(b"bpf", b"/sys/fs/bpf", b"bpf", 0, None), "mount")


def freeze(pid):
    """Stops a process, and returns once it stands still."""
    os.kill(pid, signal.SIGSTOP)
    support.wait_for(lambda: state_of(pid) in "TZ")


def state_of(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return file.read().rpartition(")")[2].split()[0]


def wait_until_idle(pid):
    """Until it sleeps a third of the time, for which a reader has read all; one that has much to read runs, or waits for a
    processor."""

    def sleeps():
        states = []
        for _ in range(30):
            states.append(state_of(pid))
            time.sleep(0.01)
        return states.count("S") > 10

    support.wait_for(sleeps)


def is_writing_to_a_full_pipe(pid):
    with open(f"/proc/{pid}/wchan", encoding="utf-8") as file:
        where = file.read()
    # Without /proc/PID/wchan's names: it sleeps in write(1).
    with open(f"/proc/{pid}/syscall", encoding="utf-8") as file:
        call = file.read().split()
    return "pipe" in where or call[:2] == ["1", "0x1"]


def bpf_ids(pid):
    """The BPF objects a process has open: {("prog", 17), ("map", 4), ("link", 9)}."""
    ids = set()
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for fd in os.listdir(f"/proc/{pid}/fdinfo"):
            with contextlib.suppress(FileNotFoundError), open(f"/proc/{pid}/fdinfo/{fd}", encoding="utf-8") as file:
                for line in file:
                    name, _, value = line.partition(":")
                    if name in ("prog_id", "map_id", "link_id"):
                        ids.add((name.removesuffix("_id"), int(value)))
    return ids


def existing_bpf_ids():
    """All of the host, as bpftool lists them."""
    ids = set()
    for kind in ("prog", "map", "link"):
        out = subprocess.run(["bpftool", "-j", kind, "list"], capture_output=True, check=True).stdout
        ids |= {(kind, one["id"]) for one in json.loads(out or b"[]")}
    return ids


def pinned():
    """What is in the BPF file systems of the host."""
    with open("/proc/mounts", encoding="utf-8") as mounts:
        roots = [line.split()[1] for line in mounts if line.split()[2] == "bpf"]
    return sorted(os.path.join(at, name) for root in roots for at, _, names in os.walk(root) for name in names)
