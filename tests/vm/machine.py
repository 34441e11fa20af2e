# SPDX-License-Identifier: BSD-2-Clause
"""A throw-away machine: boots a kernel, runs one command in it as root, brings back what it printed."""
import json
import os
import platform
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from initramfs import FOR_DISK, FOR_FILES, make_initramfs, unpacked_image
from kernels import Unavailable

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
# An emulated machine hangs now and then before it gets to its first process.
BOOTS = 3
# Ends with this process, however that ends.
TIED = ("setpriv", "--pdeathsig", "KILL")


@dataclass
class Outcome:
    booted: bool
    status: int | None  # of the command; None if it was cut off
    stdout: str
    stderr: str
    console: str
    seconds: float


def require_host():
    """Raises Unavailable with what keeps this host from running machines."""
    if os.geteuid() != 0:
        raise Unavailable("needs root: shows the host's files in a mount namespace")
    if platform.machine() != "x86_64":
        raise Unavailable(f"machines are x86-64 only, this host is {platform.machine()}")
    for program in ("qemu-system-x86_64", "depmod", "zstd", "xz"):
        if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            raise Unavailable(f"{program} is not installed (scripts/deps vm)")
    find_virtiofsd()


def find_virtiofsd():
    for path in ("/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd"):
        if Path(path).exists():
            return path
    raise Unavailable("virtiofsd is not installed (scripts/deps vm)")


def processor(kernel):
    """With these two features emulated, boots hang now and then. But where there is kmalloc_nolock()
    it needs the second, and socket storage is had from it (seen in Linux 7.2)."""
    needs_cx16 = b"kmalloc_nolock" in unpacked_image(kernel).read_bytes()
    return "max,la57=off" if needs_cx16 else "max,la57=off,-cx16"


# The host's files as the guest sees them: the root file system and the project, read-only, in a
# mount namespace that goes with its last process. Other mounts (/proc, /sys, /tmp) are not in it.
SHARE = """
set -e
root=$1 socket=$2 virtiofsd=$3; shift 3
mount --bind / "$root"
mount -o remount,bind,ro "$root"
for folder; do
  mount --bind "$folder" "$root$folder"
  mount -o remount,bind,ro "$root$folder"
done
exec "$virtiofsd" --socket-path="$socket" -o source="$root" -o sandbox=chroot -o cache=always -o xattr -o log_level=err
"""


def fresh_jobs(cache):
    """The folder of jobs, without those of processes that were killed."""
    jobs = cache / "jobs"
    jobs.mkdir(parents=True, exist_ok=True)
    for job in jobs.iterdir():
        if not Path("/proc", job.name.partition("-")[0]).exists():
            shutil.rmtree(job, ignore_errors=True)
    return jobs


class Machine:
    """One boot. Its folder holds what passes between host and guest, and goes when it ends."""

    modules = FOR_FILES
    boot_limit_s = 60

    def __init__(self, kernel, cache, cpus=2, memory_mib=1536):
        self.kernel, self.cpus, self.memory_mib = kernel, cpus, memory_mib
        self.job = Path(tempfile.mkdtemp(dir=fresh_jobs(cache), prefix=f"{os.getpid()}-"))
        (self.job / "root").mkdir()
        (self.job / "modules").write_text(str(kernel.modules))
        self.cache, self.files, self.qemu = cache, None, None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in (self.qemu, self.files):
            if process and process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(self.job, ignore_errors=True)

    def read(self, name):
        try:
            return (self.job / name).read_bytes().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def share_files(self):
        files = self.job / "files.sock"
        with open(self.job / "files.log", "wb") as log:
            self.files = subprocess.Popen(
                [*TIED, "unshare", "-m", "--propagation", "private", "bash", "-c", SHARE, "share", self.job / "root", files,
                 find_virtiofsd(), PROJECT, self.cache], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        for _ in range(100):
            if files.exists():
                return
            if self.files.poll() is not None:
                break
            time.sleep(0.05)
        raise Unavailable("virtiofsd did not start: " + self.read("files.log").strip())

    def root(self):
        """Where the guest's files are, in QEMU's words, and in words for init.c."""
        return (["-object", f"memory-backend-memfd,id=mem,size={self.memory_mib}M,share=on", "-numa", "node,memdev=mem",
                 "-chardev", f"socket,id=files,path={self.job / 'files.sock'}",
                 "-device", "vhost-user-fs-pci,queue-size=1024,chardev=files,tag=root"],
                f"td_guest={HERE / 'guest.sh'} td_job={self.job}")

    def start(self):
        files, for_init = self.root()
        ports = ["-device", "virtio-serial-pci"]
        for name in ("out", "err", "status"):
            ports += ["-chardev", f"file,id={name},path={self.job / name}",
                      "-device", f"virtserialport,chardev={name},name={name}"]
        append = ("console=ttyS0 loglevel=4 panic=-1 mitigations=off nokaslr tsc=reliable no_timer_check "
                  f"cryptomgr.notests {for_init}")
        with open(self.job / "qemu.log", "wb") as log:
            self.qemu = subprocess.Popen(
                [*TIED, "qemu-system-x86_64", "-accel", "tcg,thread=multi",
                 "-cpu", processor(self.kernel), "-M", "pc", "-smp", str(self.cpus), "-m", str(self.memory_mib),
                 "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-nic", "none",
                 *files, *ports, "-chardev", f"file,id=console,path={self.job / 'console'}", "-serial", "chardev:console",
                 "-qmp", f"unix:{self.job / 'qmp'},server=on,wait=off",
                 "-kernel", unpacked_image(self.kernel), "-initrd", make_initramfs(self.kernel, self.modules), "-append", append],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def freeze(self, seconds):
        """As a host that is short of processors does: the guest's clocks go on, nothing of it runs."""
        self.qemu.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.qemu.send_signal(signal.SIGCONT)

    def pause(self, seconds):
        """As an administrator does (virsh suspend): the guest's clocks stand still as well."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(str(self.job / "qmp"))
            lines = monitor.makefile("rw", encoding="utf-8")
            lines.readline()
            for command in ("qmp_capabilities", "stop", "cont"):
                if command == "cont":
                    time.sleep(seconds)
                lines.write(json.dumps({"execute": command}) + "\n")
                lines.flush()
                while "return" not in (answer := json.loads(lines.readline())):  # events come in between
                    if "error" in answer:
                        raise RuntimeError(f"{command}: {answer['error']['desc']}")

    def wait(self, limit_s, attend=None):
        """Until the machine is off, it has not booted in time, or the time is over. attend(machine) is called now and then."""
        begin = time.monotonic()
        while self.qemu.poll() is None:
            if attend:
                attend(self)
            passed = time.monotonic() - begin
            if passed > limit_s or (passed > self.boot_limit_s and "booted" not in self.read("status")):
                break
            time.sleep(0.1)

    def run(self, command, limit_s, attend=None):
        begin = time.monotonic()
        (self.job / "command").write_text(command)
        self.share_files()
        self.start()
        self.wait(limit_s, attend)
        status = self.read("status").split()
        return Outcome("booted" in status, int(status[2]) if len(status) == 3 else None, self.read("out"),
                       self.read("err"), self.read("console") + self.read("qemu.log"), time.monotonic() - begin)


class DiskMachine(Machine):
    """One boot of what is on a disk, by the init that is there: it writes "booted" to the port `status` and, at its end,
    "exit STATUS". `data` is a second disk, `words` are for the kernel or that init."""

    modules = FOR_DISK
    boot_limit_s = 400

    def __init__(self, kernel, cache, disk, data, words):
        super().__init__(kernel, cache, cpus=2)
        self.disk, self.data, self.words = disk, data, words

    def share_files(self):
        pass

    def root(self):
        drives = [word for file in (self.disk, self.data)
                  for word in ("-drive", f"file={file},format=raw,if=virtio,cache=unsafe")]
        return drives, f"td_disk=/dev/vda {self.words}"


def run(kernel, cache, command, limit_s, attend=None):
    """`command` is a list of words, run in the project's folder; attend(machine) is called now and then meanwhile."""
    script = f"cd {shlex.quote(str(PROJECT))} && exec {shlex.join(command)}\n"
    for _ in range(BOOTS):
        with Machine(kernel, cache) as machine:
            outcome = machine.run(script, limit_s, attend)
        if outcome.booted:
            break
    return outcome
