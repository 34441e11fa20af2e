# SPDX-License-Identifier: BSD-2-Clause
"""A process may give itself any 15 bytes for a name: every format keeps its form."""

import csv
import html.parser
import io
import json
import os
import re
import resource
import subprocess
import unicodedata
import xml.etree.ElementTree as ElementTree

import support
from support import HERE, Outcome, Trace, free_port, peers, run, scratch_file

setUpModule = support.own_network


class HostileNames(support.TestCase):
    NAME = b'"a\n\x1b[31m\\\xff,b'

    def trace(self, *options):
        name = os.fsdecode(self.NAME)
        return run(
            *options,
            *HERE,
            "--",
            *peers("both", free_port(), "--client-name", name, "--server-name", name),
        )

    def test_json_stays_json(self):
        trace = Trace(self.trace("trace", "--format", "json").out)
        self.assert_whole(trace)
        self.assertEqual(
            {line["comm"] for line in trace.transitions}, {self.NAME.decode("utf-8", "replace")}
        )

    def test_text_has_no_escape_and_no_line_of_its_own(self):
        outcome = self.trace("trace", "--by", "comm")
        for text in (outcome.out, outcome.err):
            self.assertNotIn("\x1b", text)
            self.assertNotRegex(text, r"(?m)^\W*\[31m")
        for line in outcome.out.removesuffix("\n").split("\n")[1:]:
            self.assertIn(" -> ", line)

    def test_csv_stays_csv(self):
        rows = list(
            csv.DictReader(
                io.StringIO(self.trace("trace", "--format", "csv", "-q").out, newline=""),
                strict=True,
            )
        )
        self.assertTrue(rows)
        for row in rows:
            self.assertNotIn(None, row)
            self.assertRegex(row["new"], r"\A[A-Z_12]+\Z")
            self.assertNotIn("\x1b", row["comm"])

    def test_tables_by_name_stay_whole(self):
        table = json.loads(self.trace("stat", "--by", "comm", "--format", "json").out)
        # A socket of a test before this one, in TIME_WAIT, has no owner.
        names = {row["comm"] for row in table["rows"]} - {None}
        self.assertEqual(names, {self.NAME.decode("utf-8", "replace")})


# One set for every sink: bytes that end a field, a line, a string, a page or a statement, that a terminal
# obeys, that turn the direction of what follows, that a spreadsheet runs, that are no UTF-8.
HOSTILE = [
    b'"a\n\x1b[31m\\\xff,b', b"=cmd|'/C x'!A1", b"+1+1", b"-2", b"@SUM(A1)", b"\t=1", b"\r=1", b"</script><b>",
    b"<!--", b"&lt;\"'", b"\xe2\x80\xaeevil", b"\xc2\x9b31m", b"';DROP--", b"%s%n%x", b"]]>", b"\x7f\x00x", b"{{7*7}}",
    b"\\u0000", b'x" } ; //', b"\x1b]0;t\x07",
    "＝1+1".encode(), "＋1".encode(), "−2".encode(), "＠A1".encode(), b";=1+1;", b"a|=1", b"a\n=1", "\u3000=1".encode(), b'";"=1',
    "a\u200bb".encode(), "\ufeffsshd".encode(), "ss\u00adhd".encode(), "a\U000e0041\U000e0042".encode(), "a\ufe0f\u034f".encode(),
    "\u2066x\u061c".encode(), "\u3164".encode(), "\u200dx".encode(),
]
NAMES = [name.decode("utf-8", "replace") for name in HOSTILE]
# A trace may have been made by somebody else: what it says of its host is no better.
HOST = NAMES[0] + NAMES[7]


class Page(html.parser.HTMLParser):
    """The elements of a page, and what is in its scripts."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.scripts = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)

    def handle_data(self, data):
        if self.elements and self.elements[-1] == "script":
            self.scripts.append(data)


def trace_of(path, names, host):
    """A trace in which each name has a connection."""
    header = {
        "type": "header", "schema": 1, "tool": "tcpdwell", "version": "0", "host": host, "kernel": host, "arch": host,
        "boot_id": host, "start": "2026-01-02T03:04:05.000000000Z", "clock": "monotonic", "minisockets": "fentry",
        "filters": {"comm": [host]},
    }
    rows = [header]
    chain = ["CLOSE", "SYN_SENT", "ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE"]
    for number, name in enumerate(names):
        for step, (old, new) in enumerate(zip(chain, chain[1:] if number % 2 == 0 else chain[1:4])):
            mono = 10**9 + number * 10**6 + step * 1000
            row = {
                "type": "transition", "ts": f"2026-01-02T03:04:05.{mono % 10**9:09}Z", "mono_ns": mono,
                "conn": f"{number + 1:x}", "netns": 4026531840, "family": 4, "laddr": "127.0.0.1",
                "lport": 40000 + number, "raddr": "127.0.0.1", "rport": 80, "old": old, "new": new,
                "dwell_ns": 1000 if step else None, "dwell": "exact" if step else "unknown", "pid": 7, "comm": name,
                "owner": "connect", "cgroup": 1,
            }
            if new == "CLOSE":
                row |= {"life_ns": 5000, "path": ">".join(chain[1:]), "closer": "local"}
            rows.append(row)
    end = {"type": "end", "ts": "2026-01-02T03:04:06.000000000Z", "transitions": len(rows) - 1,
           "lost": {"ring": 0, "recursion": 0, "map": 0, "output": 0}, "duration_ns": 10**9, "connections": len(names)}
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in [*rows, end])
    return path


class Checks(support.TestCase):
    """What an output must be, whatever the names."""

    def assert_text(self, text):
        """Nothing a terminal acts on, nothing that cannot be seen, and no line that a name has made."""
        for character in text:
            self.assertFalse(ord(character) < 0x20 and character != "\n" or 0x7F <= ord(character) <= 0x9F, repr(character))
            self.assertNotIn(unicodedata.category(character), ("Cf", "Zl", "Zp"), repr(character))
            self.assertNotIn(character, "\u034f\u3164\ufe0f", repr(character))

    def assert_csv(self, text):
        """Each row whole, no cell that a spreadsheet would run, no control character but in a quoted break."""
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
        self.assertGreater(len(rows), 1)
        for row in rows:
            self.assertEqual(len(row), len(rows[0]))
            for cell in row:
                # Where the semicolon divides cells, quotes after a comma mean nothing.
                for part in [cell, *re.split("[;|\r\n]", cell)]:
                    begin = unicodedata.normalize("NFKC", part).lstrip(' "')[:1]
                    self.assertNotIn(begin or "x", "=+-@\t\r\n\u2212", cell)
                self.assertNotRegex(cell, "[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]")
        return rows

    def assert_json(self, text):
        """An object a line; no raw character a terminal acts on."""
        self.assert_text(text)
        return [json.loads(line) for line in text.splitlines()]

    def assert_page(self, hostile, plain):
        """The page has the elements it has with plain names: none came from a name."""
        mine, other = Page(hostile), Page(plain)
        self.assertEqual(sorted(set(mine.elements)), sorted(set(other.elements)))
        self.assertEqual(mine.elements.count("script"), other.elements.count("script"))
        self.assertNotRegex(hostile, "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]")


class EverySink(Checks):
    """The same set through every format there is."""

    @classmethod
    def setUpClass(cls):
        cls.hostile = trace_of(scratch_file("hostile\x1b[31m.json"), NAMES, HOST)
        cls.plain = trace_of(scratch_file("plain.json"), [f"name{i}" for i in range(len(NAMES))], "host")

    def report(self, *options, command="report", files=None):
        outcome = run(command, *(files or [self.hostile]), *options)
        self.assertEqual((outcome.status, outcome.err), (0, ""), options)
        return outcome.out

    def test_text(self):
        for by in ("comm", "state", "remote,comm"):
            self.assert_text(self.report("--by", by, "--wide"))
        self.assertIn("=cmd|'/C x'!A1", self.report("--by", "comm"))

    def test_json(self):
        [table] = self.assert_json(self.report("--by", "comm", "--format", "json"))
        self.assertLessEqual({name.split("\0")[0][:15] for name in NAMES if "\ufffd" not in name and name.isascii()},
                             {row["comm"] for row in table["rows"]})

    def test_csv(self):
        for table in ("states", "ends", "edges", "ports", "series", "slowest", "stuck", "findings"):
            with self.subTest(table=table):
                text = self.report("--by", "comm", "--format", "csv", "--table", table)
                if text.count("\n") > 1:
                    self.assert_csv(text)

    def test_html(self):
        page = lambda file: self.report("--format", "html", files=[file])
        self.assert_page(page(self.hostile), page(self.plain))

    def test_svg(self):
        ElementTree.fromstring(self.report("--format", "svg"))
        self.assertEqual(self.report("--format", "svg"), self.report("--format", "svg", files=[self.plain]))

    def test_dot(self):
        """States alone are in it."""
        self.assertEqual(self.report("--format", "dot"), self.report("--format", "dot", files=[self.plain]))

    def test_perfetto(self):
        text = self.report("--format", "perfetto")
        self.assert_text(text)
        events = json.loads(text)
        self.assertTrue(events)

    def test_diff(self):
        both = [self.hostile, self.plain]
        self.assert_text(self.report("--by", "comm", command="diff", files=both))
        self.assert_json(self.report("--by", "comm", "--format", "json", command="diff", files=both))
        page = lambda *files: self.report("--by", "comm", "--format", "html", command="diff", files=files)
        self.assert_page(page(self.hostile, self.plain), page(self.plain, self.plain))

    def test_messages(self):
        """A file's own name, and what is wrong in it, on standard error."""
        outcome = run("report", scratch_file("none\x1b[31m\n.json"))
        self.assert_error(outcome, 2)
        self.assert_text(outcome.err)

    def test_addresses(self):
        """An address that is none makes its line one that is not understood."""
        with open(self.hostile, encoding="utf-8") as file:
            text = file.read()
        for address in ("</script>", "=1+1", "\x1b[31m", "127.0.0.1\n", "::1%lo", "1.2.3.4.5", "127.0.0.1\0x"):
            with self.subTest(address=address):
                path = scratch_file("addresses.json", text.replace('"laddr": "127.0.0.1"', f'"laddr": {json.dumps(address)}'))
                outcome = run("report", path, "--format", "csv", "--table", "slowest")
                self.assertNotIn(address, outcome.out)
                self.assert_text(outcome.err)
                self.assertIn("not understood", outcome.err)


class CollidingKeys(Checks):
    """A trace whose connections all met in one bucket of a table while its hash had no secret."""

    @staticmethod
    def trace_with(count, number_of):
        """Connections that were established; the nth has the id number_of(n)."""
        line = ('{"type":"transition","ts":"2026-01-02T03:04:05.000000001Z","mono_ns":1,"conn":"%x","netns":1,"family":4,'
                '"laddr":"10.0.0.1","lport":443,"raddr":"10.0.0.2","rport":40000,"old":"SYN_RECV","new":"ESTABLISHED",'
                '"dwell_ns":1000,"dwell":"exact","pid":7,"comm":"x","owner":"accept","cgroup":1}\n')
        header = ('{"type":"header","schema":1,"tool":"tcpdwell","start":"2026-01-02T03:04:05.000000000Z",'
                  '"minisockets":"fentry"}\n')
        return scratch_file("colliding.json", header + "".join(line % number_of(n) for n in range(1, count + 1)))

    @staticmethod
    def colliding(n):
        return ((n << 32 | n ^ 0x1234) * pow(0x9E3779B97F4A7C15, -1, 1 << 64) % (1 << 64)) ^ (1 << 48)

    @staticmethod
    def limited(*args):
        """What it printed within 1 GB of address space and a minute, and what it took: CPU seconds and KiB."""

        def limit():
            if not support.SANITIZED:
                resource.setrlimit(resource.RLIMIT_AS, (1_000_000 << 10,) * 2)
            resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
            os.sched_setaffinity(0, set(list(os.sched_getaffinity(0))[:2]))  # each thread reserves some of it

        with subprocess.Popen([support.TCPDWELL, *args], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              encoding="utf-8", env=support.environment(), preexec_fn=limit) as process:
            out = process.stdout.read()
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        return Outcome(process.returncode, out, ""), used.ru_utime + used.ru_stime, used.ru_maxrss

    def test_take_what_others_take(self):
        for count in (8_300, 200_000):
            with self.subTest(connections=count):
                expected, usual, _ = self.limited("report", self.trace_with(count, lambda n: n))
                found, seconds, kib = self.limited("report", self.trace_with(count, self.colliding))
                self.assertEqual(found.status, 0)
                self.assertIn(f"SYN_RECV {count:,} ", re.sub(" +", " ", found.out))
                self.assertEqual(found, expected)
                if not support.SANITIZED:
                    self.assertLess(seconds, 2 * usual + 1)
                    self.assertLess(kib, 200_000)

    def test_two_of_them_differ_in_no_time(self):
        path = self.trace_with(8_300, self.colliding)
        found, *_ = self.limited("diff", path, path)
        self.assertEqual(found.status, 0)
        self.assertIn("SYN_RECV", found.out)

    def test_the_same_trace_is_always_told_the_same(self):
        """Tables with a secret have an order of their own in each run, and no output has it."""
        path = self.trace_with(1_000, lambda n: n)  # all of them equal but for their id
        for options in (["--format", "json"], ["--format", "perfetto"], ["--format", "html"],
                        *(["--format", "csv", "--table", table] for table in ("slowest", "stuck", "ports", "findings"))):
            with self.subTest(options=options):
                first, *_ = self.limited("report", path, *options)
                self.assertEqual(first.status, 0)
                for _ in range(2):
                    self.assertEqual(self.limited("report", path, *options)[0], first)


@support.needs_root
class Stuck(Checks):
    """What exists now."""

    def test_stuck(self):
        script = (
            "import ctypes, os, socket, sys; s = socket.create_server(('127.0.0.1', 0));"
            "ctypes.CDLL(None).prctl(15, os.fsencode(sys.argv[1]), 0, 0, 0); print('ready', flush=True); sys.stdin.read()"
        )
        processes = [
            subprocess.Popen(["python3", "-S", "-c", script, os.fsdecode(name.split(b"\0")[0])], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
            for name in HOSTILE
        ]
        try:
            for process in processes:
                process.stdout.readline()
            found = lambda *options: run("stuck", "--all", "--listening", *HERE, *options).out
            self.assert_text(found())
            self.assert_text(found("--wide"))
            self.assert_csv(found("--format", "csv"))
            rows = self.assert_json(found("--format", "json"))
            self.assertIn("=cmd|'/C x'!A1"[:15], {row.get("comm") for row in rows})
        finally:
            for process in processes:
                process.communicate()


if __name__ == "__main__":
    support.main()
