# SPDX-License-Identifier: BSD-2-Clause
"""What boots: a kernel without its packing, and an initramfs of init.c and the modules it loads."""
import gzip
import lzma
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from kernels import Unavailable

HERE = Path(__file__).resolve().parent
# For the host's files, and for what the guest says.
FOR_FILES = ("virtio_pci", "virtiofs", "virtio_console", "overlay")
# For a disk of its own: ext4 asks for a checksum by its name.
FOR_DISK = ("virtio_pci", "virtio_blk", "virtio_console", "crc32c_generic", "ext4")


def uncompressed(data, name):
    if name.endswith(".xz"):
        return lzma.decompress(data)
    if name.endswith(".zst"):
        return subprocess.run(["zstd", "-dc"], input=data, stdout=subprocess.PIPE, check=True).stdout
    return gzip.decompress(data) if name.endswith(".gz") else data


def modules_in_order(modules, wanted):
    """Files of the wanted modules after those they depend on, by the kernel's own modules.dep."""
    dependencies, paths = {}, {}
    for line in (modules / "modules.dep").read_text().splitlines():
        path, needs = line.split(":")
        dependencies[path] = needs.split()
        paths[Path(path).name.split(".ko")[0].replace("-", "_")] = path
    order = []
    for name in wanted:
        path = paths.get(name)  # built in: not listed
        for file in [*reversed(dependencies.get(path, [])), path]:
            if file and file not in order:
                order.append(file)
    return order


def newc(entries):
    """A cpio archive in the format the kernel unpacks (Documentation/driver-api/early-userspace)."""
    archive = bytearray()
    for number, (name, mode, data) in enumerate([*entries, ("TRAILER!!!", 0, b"")]):
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        archive += b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        archive += bytes(-len(archive) % 4) + data
        archive += bytes(-len(archive) % 4)
    return bytes(archive)


def compile_init(folder):
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        program = Path(scratch) / "init"
        subprocess.run(["cc", "-static", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, HERE / "init.c"], check=True)
        return program.read_bytes()


def make_initramfs(kernel, wanted=FOR_FILES):
    made = kernel.folder / ("initramfs" if wanted == FOR_FILES else "initramfs-disk")
    sources = [HERE / "init.c", Path(__file__)]
    if made.exists() and made.stat().st_mtime > max(source.stat().st_mtime for source in sources):
        return made
    entries = [("modules", 0o40755, b""), ("init", 0o100755, compile_init(kernel.folder))]
    names = []
    for file in modules_in_order(kernel.modules, wanted):
        names.append(Path(file).name.split(".ko")[0] + ".ko")
        entries.append((f"modules/{names[-1]}", 0o100644, uncompressed((kernel.modules / file).read_bytes(), file)))
    entries.append(("modules/order", 0o100644, "".join(name + "\n" for name in names).encode()))
    made.write_bytes(newc(entries))
    return made


def unpacked_image(kernel):
    """The ELF image inside a bzImage: an emulated machine would take seconds to unpack it."""
    made = kernel.folder / "vmlinux"
    if made.exists():
        return made
    image = kernel.image.read_bytes()
    for magic, tool in ((b"\x28\xb5\x2f\xfd", "zstd"), (b"\xfd7zXZ\0", "xz"), (b"\x1f\x8b\x08", "gzip"), (b"\x02\x21\x4c\x18", "lz4")):
        if not shutil.which(tool):
            continue
        for found in re.finditer(re.escape(magic), image):
            data = subprocess.run([tool, "-dc"], input=image[found.start():], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
            if data.startswith(b"\x7fELF"):
                made.write_bytes(data)
                return made
    raise Unavailable(f"no image to boot in {kernel.image.name}")
