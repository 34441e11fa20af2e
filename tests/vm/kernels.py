# SPDX-License-Identifier: BSD-2-Clause
"""Kernels to run under: Debian packages, downloaded with a temporary apt configuration, unpacked, never installed.

The mirror is the one this machine's own apt uses.
"""
import os
import re
import shutil
import subprocess
from pathlib import Path

# Series, and the Debian releases that have it.
KERNELS = {
    "5.10": "bullseye",
    "6.1": "bookworm",
    "6.12": "trixie",
    "6.16": "trixie-backports",
    "6.17": "trixie-backports",
    "6.18": "trixie-backports",
    "7.2": "trixie-backports",
    "7.3": "trixie-backports",
}
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class Unavailable(Exception):
    """The kernel could not be had; the message is the reason, for a test that is skipped."""


def run(command, purpose=None, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        raise Unavailable(f"{purpose or command[0]} failed: {said}")
    return done.stdout


def mirror():
    """Where this machine gets its own Debian packages from."""
    found = run(["apt-get", "indextargets", "--format", "$(REPO_URI)",
                 "Created-By: Packages", "Origin: Debian", "Label: Debian"]).split()
    if not found:
        raise Unavailable("this machine's apt knows no Debian archive (apt-get update has not run, or it is not Debian)")
    return found[0]


class Suite:
    """A Debian release as apt sees it, apart from the machine's own configuration and lists."""

    def __init__(self, cache, name, architecture="amd64"):
        self.architecture = architecture
        self.folder = cache / "apt" / f"{name}-{architecture}"
        for part in ("lists/partial", "cache/archives/partial", "parts", "preferences"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        sources = self.folder / "sources.list"
        sources.write_text(f"deb [signed-by={KEYRING}] {mirror()} {name} main\n")
        self.options = ["-o", "APT::Architectures::="]  # not those of the host: the one below alone
        for key, value in (("APT::Architecture", architecture), ("Dir::Etc::sourcelist", sources), ("Dir::Etc::sourceparts", self.folder / "parts"),
                           ("Dir::Etc::preferencesparts", self.folder / "preferences"),
                           ("Dir::State::lists", self.folder / "lists"), ("Dir::Cache", self.folder / "cache"),
                           # As root apt downloads as another user, who may not enter our folders.
                           ("APT::Sandbox::User", "root")):
            self.options += ["-o", f"{key}={value}"]
        run(["apt-get", *self.options, "-q", "-o", "APT::Update::Error-Mode=any", "update"],
            f"asking the mirror for the kernels of Debian {name}")

    def parts(self, package):
        """A kernel's packages: the image, and since Linux 6.18 or 6.19 those it is divided into."""
        release = package.removeprefix("linux-image-")
        depends = run(["apt-cache", *self.options, "depends", "--important", package])
        return [package, *sorted(set(re.findall(rf"linux-(?:binary|modules)-{re.escape(release)}(?![^\s>])", depends)))]

    def newest_kernel(self, series):
        """The packages of the newest kernel of a series that the mirror has in full; its release first."""
        pattern = re.compile(rf"linux-image-({re.escape(series)}\.\d\S*-cloud-{self.architecture})$")
        known = set(run(["apt-cache", *self.options, "pkgnames", "linux-"]).split())
        images = sorted(filter(pattern.match, known), key=lambda name: [int(number) for number in re.findall(r"\d+", name)])
        if not images:
            raise Unavailable(f"no kernel package of the series {series}")
        # apt knows the names of packages that are only depended on, too.
        offered = {line.split(" ")[0] for line in
                   run(["apt-cache", *self.options, "search", "--names-only", r"^linux-(image|binary|modules)-"]).splitlines()}
        for image in reversed(images):
            parts = self.parts(image)
            if offered.issuperset(parts):
                return parts
        missing = sorted(set(parts) - offered)
        raise Unavailable(f"the mirror lacks {' and '.join(missing)}")

    def download(self, packages, folder):
        folder.mkdir(parents=True, exist_ok=True)
        run(["apt-get", *self.options, "-q", "download", *packages],
            f"downloading {' '.join(packages)}", cwd=folder)
        return sorted(folder.glob("*.deb"))


def unpack(suite, packages, folder):
    for deb in suite.download(packages, folder / "debs"):
        run(["dpkg-deb", "-x", str(deb), str(folder)])
    shutil.rmtree(folder / "debs")
    return packages[0].removeprefix("linux-image-")


class Kernel:
    """An unpacked kernel: `release` (uname -r), `image` (what boots), `modules` (its folder of them)."""

    def __init__(self, folder):
        self.folder = folder
        self.release = (folder / "release").read_text().strip()
        self.image = next(path for path in (folder / f"boot/vmlinuz-{self.release}",
                                            folder / f"usr/lib/modules/{self.release}/vmlinuz") if path.exists())
        self.modules = next(path for path in (folder / f"usr/lib/modules/{self.release}",
                                              folder / f"lib/modules/{self.release}") if path.is_dir())


def kernel(cache, series, suite_name=None, architecture="amd64"):
    """The newest kernel of the series, from the cache or downloaded into it. May raise Unavailable."""
    cache = cache.resolve()  # apt takes a relative one for its own
    folder = cache / "kernels" / (series if architecture == "amd64" else f"{series}-{architecture}")
    if not (folder / "release").exists():
        shutil.rmtree(folder, ignore_errors=True)
        suite = Suite(cache, suite_name or KERNELS[series], architecture)
        release = unpack(suite, suite.newest_kernel(series), folder)
        base = next(path for path in (folder / "usr", folder) if (path / "lib/modules" / release).is_dir())
        run(["depmod", "-b", str(base), release], env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"})
        (folder / "release").write_text(release)
    return Kernel(folder)
