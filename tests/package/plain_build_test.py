# SPDX-License-Identifier: BSD-2-Clause
"""`cmake -S . -B DIRECTORY -DCMAKE_BUILD_TYPE=Release && cmake --build DIRECTORY`, as somebody does who knows none of our
presets. All of it would take as long again as the build that is being tested. But that build is made with the same
optimisation and more warnings that end it, which is looked at file by file; so what is built here in the plain way is
what differs: CMake's own generator, the kernel program, a room, a test."""

import json
import os
import shlex
import tempfile
import unittest
from pathlib import Path

from support import BUILD, SOURCE, main, output

# The preset's: other bytes, the same warnings.
OURS = {"-g1", "-Werror"}


def commands(build):
    """For each source its compiler's words, without those that name the place of the build."""
    words = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        said = shlex.split(entry["command"])
        said = [word.replace(str(build), "BUILD") for word in said if "-ffile-prefix-map=" not in word]
        # A build with ccache has none (tests/CMakeLists.txt).
        if entry["file"].endswith(".hxx.cxx"):
            continue
        # scripts/test has them compiled, and nobody else asks for them.
        if "/bench/" in entry["file"]:
            continue
        said = [word for word in said if word not in ("-include", "-Winvalid-pch") and not word.endswith("/cmake_pch.hxx")]
        object_at = said.index("-o")
        key = said[object_at + 1].removeprefix("tests/").split("CMakeFiles/")[-1]
        del said[object_at:object_at + 2]
        words[key] = said
    return words


class PlainBuild(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="tcpdwell-plain-")
        cls.plain = os.path.realpath(cls.directory.name)
        output("cmake", "-S", SOURCE, "-B", cls.plain, "-DCMAKE_BUILD_TYPE=Release", "-DTCPDWELL_TESTS=ON",
               "-DCMAKE_CXX_COMPILER_LAUNCHER=", "-DCMAKE_C_COMPILER_LAUNCHER=")

    @classmethod
    def tearDownClass(cls):
        cls.directory.cleanup()

    def test_the_build_that_is_tested_has_its_flags_and_more_errors(self):
        plain, ours = commands(Path(self.plain)), commands(BUILD.resolve())
        if "-O3" not in ours["tcpdwell.dir/main.cpp.o"]:
            self.skipTest("of the preset `release` alone")
        self.assertGreater(len(plain), 100)
        self.assertEqual(plain.keys(), ours.keys())
        for name, words in plain.items():
            with self.subTest(name=name):
                self.assertNotIn("-Werror", words, "a warning of another compiler ends no build")
                self.assertEqual([word for word in ours[name] if word not in OURS], words)
                if "-Wall" in words:
                    self.assertIn("-Werror", ours[name])

    def test_it_builds(self):
        target = "tests_unit_util_escape_test"
        output("cmake", "--build", self.plain, "-j", os.cpu_count(), "--target", "tcpdwell_bpf_skeleton", "tcpdwell_model", target)
        self.assertIn("PASSED", output(os.path.join(self.plain, "tests", target)))


if __name__ == "__main__":
    main()
