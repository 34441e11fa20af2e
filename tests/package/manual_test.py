# SPDX-License-Identifier: BSD-2-Clause
"""The manual page and the completions say what --help says."""

import re
import unittest

from support import MADE, TCPDWELL, main, needs, output

PAGE = MADE / "tcpdwell.1"
FLAG = re.compile(r"(?<![\w-])(-[a-zA-Z0-9]|--[a-z][a-z0-9-]+)\b")


def commands():
    """Names of the commands, from the program's own help."""
    text = output(TCPDWELL, "--help")
    return re.findall(r"^  ([a-z]+) ", text[text.index("ommands"):], re.M)


def help_flags(command):
    """Flags that the help of a command lists: they begin their line."""
    lines = re.findall(r"^  (-\S+)", output(TCPDWELL, *command, "--help"), re.M)
    return {flag for line in lines for flag in line.split(",")}


def all_help_flags():
    return set().union(help_flags([]), *(help_flags([command]) for command in commands()))


@needs("mandoc")
class Page(unittest.TestCase):
    def sections(self):
        text = re.sub(".\b", "", output("mandoc", "-T", "ascii", "-O", "width=200", PAGE))
        parts = re.split(r"^([A-Z][A-Z ]+)$", text, flags=re.M)
        return dict(zip(parts[1::2], parts[2::2]))

    def test_lint(self):
        # FIELDS is no name that mandoc knows, the "--" of an example is meant, and the host's index is not ours.
        known = ("possible typo in section name: Sh FIELDS", 'verbatim "--"', "outdated mandoc.db")
        said = output("mandoc", "-T", "lint", "-W", "style", PAGE, status=None).splitlines()
        self.assertEqual([line for line in said if not any(one in line for one in known)], [])

    def test_it_has_the_sections(self):
        for name in ("SYNOPSIS", "COMMANDS", "OPTIONS", "FIELDS", "OVERHEAD", "EXIT STATUS", "EXAMPLES", "LIMITATIONS"):
            self.assertIn(name, self.sections())

    def test_it_has_the_flags_of_help_and_no_others(self):
        named = set(FLAG.findall("\n".join(re.findall(r"^     (-.*)$", self.sections()["OPTIONS"], re.M))))
        self.assertGreater(len(named), 30)
        self.assertEqual(named, all_help_flags())

    def test_flags_in_the_prose_exist(self):
        prose = "".join(text for name, text in self.sections().items() if name not in ("OPTIONS", "COMMANDS"))
        own = re.sub(r"(curl) .*", "", prose)
        self.assertEqual(set(FLAG.findall(own)) - all_help_flags() - {"--"}, set())

    def test_it_has_every_command(self):
        self.assertGreaterEqual(len(commands()), 8)
        for command in commands():
            self.assertRegex(self.sections()["COMMANDS"], rf"(?m)^     \[?{command}\b")

    def test_every_example_is_good_usage(self):
        lines = re.findall(r"^ +[#$] tcpdwell (.*)$", self.sections()["EXAMPLES"], re.M)
        self.assertGreater(len(lines), 8)
        for line in lines:
            words = line.split(" -- ")[0].replace("--", " --").split()
            if words and words[0] == "--":
                continue
            # --help ends a command line whose words are all known.
            self.assertIn("Usage:", output(TCPDWELL, *words, "--help"), line)


class Bash(unittest.TestCase):
    def complete(self, *words):
        """What bash offers for the last of these words."""
        script = ('source "$1"; shift; COMP_WORDS=(tcpdwell "$@"); COMP_CWORD=$#; complete -p tcpdwell >/dev/null || exit 9; '
                  '_tcpdwell tcpdwell "${@: -1}" "" && printf "%s\\n" "${COMPREPLY[@]}"')
        return output("bash", "--norc", "-uc", script, "bash", MADE / "tcpdwell.bash", *words).split()

    def test_commands(self):
        self.assertEqual(set(self.complete("")), set(commands()))
        self.assertEqual(self.complete("rep"), ["report"])

    def test_flags_of_each_command(self):
        for command in commands():
            with self.subTest(command=command):
                self.assertEqual(set(self.complete(command, "-")), help_flags([command]))

    def test_without_a_command_it_is_trace(self):
        self.assertLessEqual(help_flags(["trace"]), set(self.complete("-")))
        self.assertEqual(self.complete("--min-d"), ["--min-dwell"])
        self.assertIn("close-wait", self.complete("-q", "--state", "clo"))

    def test_values(self):
        self.assertEqual(self.complete("trace", "--format", ""), ["text", "json", "csv"])
        self.assertIn("perfetto", self.complete("report", "--format", ""))
        self.assertEqual(self.complete("trace", "--state", "time-wait,fin-w"), ["time-wait,fin-wait1", "time-wait,fin-wait2"])
        self.assertEqual(self.complete("trace", "--format", "=", "j"), ["json"])
        self.assertEqual(self.complete("trace", "--minisockets", ""), ["auto", "fentry", "timer", "off"])
        self.assertEqual(self.complete("trace", "--pid", ""), [])

    def test_values_are_those_of_help(self):
        """They are not made of the help text, so the two might differ."""
        for command in commands():
            text = output(TCPDWELL, command, "--help")
            for flag in help_flags([command]) & {"--format", "--by", "--table", "--minisockets"}:
                with self.subTest(command=command, flag=flag):
                    said = re.search(rf"(?ms)^  (?:-\w,)?{flag} .*?(?=^  -|^\S|\Z)", text).group()
                    said = re.split(":|among", re.sub(r"\(.*?\)|\[.*?\]", "", said.removeprefix(f"  {flag}"), flags=re.S))[-1]
                    named = set(re.findall(r"(?<![\w-])[a-z][a-z-]*", said)) - {"or"}
                    self.assertEqual(set(self.complete(command, flag, "")), named)

    def test_files_and_programs(self):
        self.assertIn("/etc/passwd", self.complete("report", "/etc/pass"))
        self.assertIn("/etc/passwd", self.complete("record", "-o", "/etc/pass"))
        self.assertIn("true", self.complete("trace", "--", "tru"))

    def test_every_value_offered_is_taken(self):
        for state in self.complete("explain", ""):
            output(TCPDWELL, "explain", state)
        for flag in ("--format", "--by", "--state", "--table"):
            values = self.complete("report", flag, "")
            self.assertGreater(len(values), 4, flag)
            for value in values:
                said = output(TCPDWELL, "report", "--format", "csv", flag, value, "/no/such/trace", status=2) if flag != "--format" \
                    else output(TCPDWELL, "report", flag, value, "/no/such/trace", status=2)
                self.assertIn("/no/such/trace", said)


@needs("zsh")
class Zsh(unittest.TestCase):
    def test_it_is_taken_for_tcpdwell(self):
        output("zsh", "-n", MADE / "_tcpdwell")
        script = 'fpath=($1 $fpath); autoload -Uz compinit; compinit -u -D; print $_comps[tcpdwell]; autoload +X _tcpdwell'
        self.assertIn("_tcpdwell", output("zsh", "-fc", script, "zsh", MADE))

    def test_it_has_every_flag(self):
        text = (MADE / "_tcpdwell").read_text()
        for flag in set().union(*(help_flags([command]) for command in commands())):
            self.assertIn(flag, text)


@needs("fish")
class Fish(unittest.TestCase):
    def complete(self, line):
        said = output("fish", "--no-config", "-c", 'source $argv[1]; complete -C $argv[2]', MADE / "tcpdwell.fish", line)
        return [entry.split("\t")[0] for entry in said.splitlines()]

    def test_commands_and_flags(self):
        self.assertLessEqual(set(commands()), set(self.complete("tcpdwell ")))
        for command in commands():
            wanted = {flag for flag in help_flags([command]) if flag.startswith("--")} - {"--help"}
            self.assertLessEqual(wanted, set(self.complete(f"tcpdwell {command} --")))

    def test_values(self):
        self.assertEqual(set(self.complete("tcpdwell report --format ")) & {"html", "svg", "none"}, {"html", "svg"})
        self.assertIn("close-wait", self.complete("tcpdwell explain clo"))
        self.assertIn("--min-dwell", self.complete("tcpdwell --min"))


if __name__ == "__main__":
    main()
