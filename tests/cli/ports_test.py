# SPDX-License-Identifier: BSD-2-Clause
"""Local ports as the kernel counts them: each way in a network of its own, against what the workload itself knows."""

import json
import os
import re
import subprocess
import sys
import unittest

import support
from reasons_test import BEGIN
from serving import Serving
from support import Live, needs

# Scripts run in a network of their own (reasons_test.BEGIN) after this; ports are those of `RANGE`.
MORE = """
import errno, itertools, sys
RESERVED = "ip_local_reserved_ports"
def ports(first, last, reserved=""):
    sysctl("ip_local_port_range", f"{first} {last}")
    sysctl(RESERVED, reserved)
def fill(make, most=99):
    \"\"\"What `make` makes until there is no port left.\"\"\"
    made = []
    while len(made) < most:
        try:
            made.append(make())
        except OSError as error:
            assert error.errno in (errno.EADDRNOTAVAIL, errno.EADDRINUSE), error
            break
    return made
def bound(address=("127.0.0.1", 0), reuse=False, family=socket.AF_INET):
    one = socket.socket(family)
    if reuse:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(address)
    return one
def to(port, one=None):
    one = one or socket.socket()
    one.connect(("127.0.0.1", port))
    return one
def equal(is_, should):
    assert is_ == should, (is_, should)
def until_told():  # what the test waits for
    print("made", flush=True)
    sys.stdin.readline()
"""

LINKS = """
set -e
for name in $1 $2 $3; do ip netns add $name; ip -n $name link set lo up
    ip netns exec $name sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0; done
stat -Lc %i /run/netns/$1
ip link add v0 netns $1 type veth peer name w0 netns $2; ip link add v1 netns $1 type veth peer name w0 netns $3
ip netns exec $1 sysctl -qw net.ipv4.ip_local_port_range="40000 40009"
for name in $2 $3; do ip -n $name addr add fe80::1/64 dev w0 nodad; ip -n $name addr add 10.8.0.1/24 dev w0; ip -n $name link set w0 up; done
for dev in v0 v1; do ip -n $1 addr add fe80::2/64 dev $dev nodad; ip -n $1 link set $dev up; done
ip -n $1 addr add 10.8.0.2/24 dev v0; ip -n $1 addr add 10.8.0.2/24 dev v1
"""

SERVE = """
import socket, sys
server = socket.socket(socket.AF_INET6)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("::", 9913))
server.listen(64)
print(flush=True)
kept = [server.accept() for _ in range(int(sys.argv[1]))]
sys.stdin.read()
"""


@support.needs_root
@needs("ip")
class Ports(support.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.path = support.scratch_file("ports.json")
        cls.netns = {}
        with Live("record", "-q", "-o", cls.path, network=()):
            for name in [name for name in dir(cls) if name.startswith("world_")]:
                cls.netns[name[6:]] = getattr(cls, name)()
        with open(cls.path, encoding="utf-8") as file:
            cls.lines = [json.loads(line) for line in file]
        cls.report = json.loads(support.run("report", "--format", "json", cls.path).out)

    @classmethod
    def keep(cls, path):
        """The network stays for as long as the test, so that no other one gets its number."""
        cls.addClassCleanup(os.close, os.open(path, os.O_RDONLY))

    @classmethod
    def python(cls, script, *told):
        """The script ends with what it holds open, and does so until its ports are told; where it holds on before that, it
        is until what `told` names."""
        with subprocess.Popen(
            [sys.executable, "-c", BEGIN + MORE + script + "\nuntil_told()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            netns = int(process.stdout.readline())
            cls.keep(f"/proc/{process.pid}/ns/net")
            cls.until_told(process, netns, *(told or ({},)))
        assert process.returncode == 0, script
        return netns

    @classmethod
    def until_told(cls, process, netns, *told):
        """A line of the namespace's ports has this in it, each time the process waits for it."""
        for wanted in told:
            assert process.stdout.readline() == "made\n", process.args
            support.wait_for(lambda: any(wanted.items() <= line.items() for line in cls.told_of(netns)))
            process.stdin.write("\n")
            process.stdin.flush()
        process.communicate(timeout=support.TIMEOUT)

    @classmethod
    def told_of(cls, netns):
        with open(cls.path, encoding="utf-8") as file:
            whole = [line for line in file if line.startswith('{"type":"ports"') and line.endswith("\n")]
        return [line for line in map(json.loads, whole) if line["netns"] == netns]

    def of_ours(self):
        """Without what others did in a network that had the number of one of ours before."""
        return [row for row in self.report["ports"] if row["rport"] in (0, 80, 9913, *range(9200, 9300))]

    def rows(self, name):
        """What is told of each destination, without when: (remote, iface): (peak, bound, range, reserved)."""
        rows = [row for row in self.of_ours() if row["netns"] == self.netns[name]]
        told = {
            (row["raddr"], row["rport"], row.get("iface"), row["own_range"]): (row["peak"], row["range"], row["reserved"])
            for row in rows
        }
        self.assertEqual(len(told), len(rows), rows)
        self.assertTrue(all(row["range_known"] for row in rows), rows)
        for row in rows:
            self.assertLessEqual(row["peak"] + row["bound"], row["range"], row)
        return told

    def namespace(self, name):
        (told,) = [one for one in self.report["local_ports"] if one["netns"] == self.netns[name]]
        return told

    def findings(self, *words):
        return [
            (f["severity"], f["text"])
            for f in self.report["findings"]
            if f["kind"] == "port_exhaustion" and all(word in f["text"] for word in words)
        ]

    def warned(self, severity, *words):
        found = self.findings(*words)
        self.assertEqual([s for s, _ in found], [severity], (words, self.findings()))

    @classmethod
    def world_plain(cls):
        return cls.python("""
ports(40000, 40009)
server = listener(9201)
kept = fill(lambda: to(9201))
equal(len(kept), 10)
""")

    def test_the_range_is_that_of_the_namespace(self):
        self.assertEqual(self.rows("plain"), {("127.0.0.1", 9201, None, False): (10, 10, 0)})
        self.warned("critical", "127.0.0.1:9201", "10 of 10 local ports (100 %)")
        self.warned("critical", "127.0.0.1:9201", "1 of 11 attempts")

    @classmethod
    def world_reserved(cls):
        return cls.python("""
ports(40000, 40009, "39000-40003,40005,40007-40009")
server = listener(9202)
kept = fill(lambda: to(9202))
equal(len(kept), 2)
""")

    def test_reserved_ports_cannot_be_had(self):
        self.assertEqual(self.rows("reserved"), {("127.0.0.1", 9202, None, False): (2, 2, 8)})
        self.warned("critical", "127.0.0.1:9202", "2 of 2 local ports (100 %)", "of which 8 are reserved")

    @classmethod
    def world_changed(cls):
        return cls.python("""
ports(40000, 40005)
server = listener(9203)
kept = fill(lambda: to(9203))
equal(len(kept), 6)
until_told()
for one in kept:
    abort(one)
ports(50000, 50099, "50000-50049")
kept = [to(9203) for _ in range(20)]
""", {"ip_local_port_range": [40000, 40005]}, {"ip_local_port_range": [50000, 50099]})

    def test_a_range_that_changes(self):
        self.assertEqual(self.rows("changed"), {("127.0.0.1", 9203, None, False): (6, 6, 0)})
        told = [l for l in self.lines if l["type"] == "ports" and l["netns"] == self.netns["changed"]]
        self.assertEqual(told[-1]["ip_local_port_range"], [50000, 50099])
        self.assertEqual(told[-1]["reserved"], 50)

    @classmethod
    def world_bound_first(cls):
        return cls.python("""
ports(40000, 40009)
servers = [listener(port) for port in range(9210, 9215)]
turn = itertools.cycle(range(9210, 9215))
kept = fill(lambda: to(next(turn), bound()))
equal(len(kept), 10)
""", {"bound": 10, "unconnected": 0})

    def test_what_is_bound_before_is_taken_for_all_destinations(self):
        self.assertEqual(self.rows("bound_first"), {("any", 0, None, False): (10, 10, 0)})
        self.assertEqual(self.namespace("bound_first")["bound"], 10)
        self.assertEqual(self.namespace("bound_first")["unconnected"], 0)
        self.assertEqual(len(self.findings("from 127.0.0.1 for all destinations")), 1)
        self.assertEqual(len(self.findings(f"network namespace {self.netns['bound_first']} ")), 0, "said once")
        bound = [l for l in self.lines if l.get("netns") == self.netns["bound_first"] and l.get("new") == "SYN_SENT"]
        self.assertEqual([l.get("bound") for l in bound], [True] * 10)

    @classmethod
    def world_reuseaddr(cls):
        return cls.python("""
ports(40000, 40009)
servers = [listener(port) for port in range(9220, 9225)]
kept = [to(port, bound(("127.0.0.1", 40003), reuse=True)) for port in range(9220, 9225)]
kept.append(to(9220, bound(("127.0.0.1", 20000), reuse=True)))
""", {"bound": 1})

    def test_a_port_that_several_share_is_one(self):
        self.assertEqual(self.rows("reuseaddr"), {("any", 0, None, False): (1, 10, 0)})
        self.assertEqual(self.namespace("reuseaddr")["bound"], 1)

    @classmethod
    def world_unconnected(cls):
        return cls.python("""
ports(40000, 40009)
server = listener(9231)
kept = fill(bound)
equal(len(kept), 10)
equal(len(fill(lambda: to(9231), 3)), 0)
""", {"bound": 10, "unconnected": 10})

    def test_what_is_bound_and_never_connects(self):
        self.assertEqual(self.rows("unconnected"), {})
        told = self.namespace("unconnected")
        self.assertEqual((told["bound"], told["unconnected"], told["range"]), (10, 10, 10))
        number = self.netns["unconnected"]
        self.warned("critical", f"network namespace {number} were bound at once, 10 of them without a connection")
        self.warned("critical", "127.0.0.1:9231", "1 of 1 attempts", "10 of the 10", "10 of them without a connection")

    @classmethod
    def world_some_bound(cls):
        return cls.python("""
ports(40000, 40009)
server = listener(9241)
kept = [bound(("127.0.0.1", port)) for port in (40001, 40003, 40005, 20000)]
another = listener(40007)
more = [to(9241) for _ in range(3)]
""", {"bound": 4, "unconnected": 3})

    def test_a_warning_before_it_is_too_late(self):
        told = self.namespace("some_bound")
        self.assertEqual((told["bound"], told["unconnected"]), (4, 3))
        (row,) = [r for r in self.of_ours() if r["netns"] == self.netns["some_bound"]]
        self.assertEqual((row["raddr"], row["peak"], row["bound"], row["range"]), ("127.0.0.1", 3, 4, 10))
        self.warned("warning", "127.0.0.1:9241", "7 of 10 local ports (70 %)")
        self.assertEqual(self.findings(f"network namespace {self.netns['some_bound']} "), [])

    @classmethod
    def world_families(cls):
        return cls.python("""
ports(40000, 40009)
server = socket.socket(socket.AF_INET6)
server.setsockopt(41, socket.IPV6_V6ONLY, 0)
server.bind(("::", 9251))
server.listen(64)
def mapped():
    one = socket.socket(socket.AF_INET6)
    one.connect(("::ffff:127.0.0.1", 9251))
    return one
kept = [to(9251) for _ in range(4)]
kept += fill(mapped)
equal(len(kept), 10)
six = [socket.create_connection(("::1", 9251)) for _ in range(3)]
""")

    def test_mapped_addresses_are_ipv4(self):
        self.assertEqual(
            self.rows("families"), {("127.0.0.1", 9251, None, False): (10, 10, 0), ("::1", 9251, None, False): (3, 10, 0)}
        )
        self.warned("critical", "127.0.0.1:9251", "10 of 10 local ports")
        self.assertEqual(self.findings("[::1]:9251"), [])

    @classmethod
    def world_own_range(cls):
        return cls.python("""
ports(40000, 40099, "40012")
server = listener(9261)
def own():
    one = socket.socket()
    one.setsockopt(0, 51, struct.pack("I", 40010 | 40014 << 16))  # IP_LOCAL_PORT_RANGE
    return to(9261, one)
try:
    kept = fill(own)
    equal(len(kept), 4)
except OSError as error:
    equal(error.errno, errno.ENOPROTOOPT)
more = [to(9261) for _ in range(3)]
""")

    def test_a_range_of_the_sockets_own(self):
        rows = self.rows("own_range")
        if len(rows) == 1:
            self.skipTest("this kernel has no IP_LOCAL_PORT_RANGE")
        self.assertEqual(rows, {("127.0.0.1", 9261, None, True): (4, 4, 1), ("127.0.0.1", 9261, None, False): (3, 99, 1)})
        self.warned("critical", "127.0.0.1:9261", "4 of 4 local ports", "IP_LOCAL_PORT_RANGE")

    @classmethod
    def world_syn_sent(cls):
        return cls.python("""
ports(40000, 40009)
subprocess.run("ip link add d0 type veth peer name d1; ip link set d1 up; ip addr add 10.8.0.1/24 dev d0; ip link set d0 up; "
               "ip neigh add 10.8.0.9 lladdr 02:00:00:00:00:09 dev d0", shell=True, check=True)
kept = []
for _ in range(8):
    one = socket.socket()
    one.setblocking(False)
    one.connect_ex(("10.8.0.9", 80))
    kept.append(one)
""")

    def test_a_connection_has_its_port_from_the_beginning(self):
        self.assertEqual(self.rows("syn_sent"), {("10.8.0.9", 80, None, False): (8, 10, 0)})
        self.warned("warning", "10.8.0.9:80", "8 of 10 local ports (80 %)")

    @classmethod
    def world_transparent(cls):
        return cls.python("""
ports(40000, 40009)
subprocess.run("ip rule add to 10.66.0.0/24 lookup 100; ip route add local 10.66.0.0/24 dev lo table 100", shell=True, check=True)
server = listener(9271)
kept = []
for n in range(3):
    one = socket.socket()
    one.setsockopt(0, 19, 1)  # IP_TRANSPARENT
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind((f"10.66.0.{n + 1}", 40002))
    kept.append(to(9271, one))
more = fill(lambda: to(9271))
equal(len(more), 9)
""", {"bound": 1})

    def test_a_port_of_an_address_that_is_not_the_hosts_is_taken_all_the_same(self):
        rows = [(r["laddr"], r["raddr"], r["peak"], r["bound"]) for r in self.of_ours() if r["netns"] == self.netns["transparent"]]
        self.assertEqual(
            sorted(rows),
            [("10.66.0.1", "any", 1, 0), ("10.66.0.2", "any", 1, 0), ("10.66.0.3", "any", 1, 0), ("127.0.0.1", "127.0.0.1", 9, 1)],
        )
        self.assertEqual(self.namespace("transparent")["bound"], 1)
        self.warned("critical", "127.0.0.1:9271", "10 of 10 local ports")

    @classmethod
    def links(cls, script):
        """`script` in a network with fe80::2 and 10.8.0.2 on v0 and on v1, behind each of which fe80::1 and 10.8.0.1 serve port 9913."""
        names = [f"{letter}{os.getpid()}" for letter in "abc"]
        servers = []
        try:
            made = subprocess.run(["sh", "-c", LINKS, "sh", *names], capture_output=True, text=True, check=True, timeout=support.TIMEOUT)
            for name in names:
                cls.keep(f"/run/netns/{name}")
            for name in names[1:]:
                servers.append(subprocess.Popen(
                    ["ip", "netns", "exec", name, sys.executable, "-c", SERVE, "99"],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))  # fmt: skip
                servers[-1].stdout.readline()
            script += '\nimport sys\nprint("made", flush=True)\nsys.stdin.readline()\n'
            with subprocess.Popen(["ip", "netns", "exec", names[0], sys.executable, "-c", script],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # fmt: skip
                cls.until_told(process, int(made.stdout.split()[0]), {})
            assert process.returncode == 0, script
        finally:
            for server in servers:
                server.kill()
                server.communicate()
            for name in names:
                subprocess.run(["ip", "netns", "del", name], check=False)
        return int(made.stdout.split()[0])

    @classmethod
    def world_link_local(cls):
        return cls.links("""
import socket, time
time.sleep(1)
kept = []
for device in ("v0", "v1"):
    for _ in range(5):
        one = socket.socket(socket.AF_INET6)
        one.setsockopt(0, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        one.bind(("fe80::2", 0, 0, socket.if_nametoindex(device)))
        one.connect(("fe80::1", 9913, 0, socket.if_nametoindex(device)))
        kept.append(one)
""")

    def test_a_link_local_address_is_one_devices(self):
        self.assertEqual(
            self.rows("link_local"),
            {("fe80::1", 9913, "v0", False): (5, 10, 0), ("fe80::1", 9913, "v1", False): (5, 10, 0)},
        )
        self.assertEqual(self.findings("fe80::"), [])
        lines = [l for l in self.lines if l.get("netns", self.netns["link_local"]) == self.netns["link_local"]]
        path = support.scratch_file("link_local.json", "".join(json.dumps(line) + "\n" for line in lines))
        text = support.run("report", path).out
        self.assertRegex(text, r"fe80::2%v0 +\[fe80::1%v0\]:9913")
        self.assertRegex(text, r"fe80::2%v1 +\[fe80::1%v1\]:9913")

    @classmethod
    def world_device(cls):
        return cls.links("""
import socket, time
time.sleep(1)
kept = []
for device in (b"v0", b"v1"):
    for _ in range(7):
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device)
        one.connect(("10.8.0.1", 9913))
        kept.append(one)
""")

    def test_a_socket_bound_to_a_device(self):
        self.assertEqual(
            self.rows("device"),
            {("10.8.0.1", 9913, "v0", False): (7, 10, 0), ("10.8.0.1", 9913, "v1", False): (7, 10, 0)},
        )
        self.warned("warning", "10.8.0.2%v0", "7 of 10 local ports (70 %)")
        self.warned("warning", "10.8.0.2%v1", "7 of 10 local ports (70 %)")

    def test_nothing_is_told_of_namespaces_where_nothing_is_wrong(self):
        for severity, text in self.findings():
            number = re.search(r"network namespace (\d+) were bound at once", text)
            if number:
                self.assertEqual(int(number[1]), self.netns["unconnected"], (severity, text))

    def test_lines_of_ports_are_of_the_namespaces_that_were_there(self):
        ranges = {l["netns"]: tuple(l["ip_local_port_range"]) for l in self.lines if l["type"] == "ports"}
        for name, netns in self.netns.items():
            self.assertIn(netns, ranges, name)

    def test_older_readers_skip_them(self):
        with open(self.path, encoding="utf-8") as file:
            text = file.read().replace('{"type":"ports"', '{"type":"later"')
        outcome = support.run("report", "--format", "json", support.scratch_file("later.json", text))
        self.assertEqual((outcome.status, outcome.err), (0, ""))


@support.needs_root
@needs("ip")
class Served(support.TestCase):
    """The same of what is open now, which the kernel side counts when somebody asks."""

    WORLD = """
ports(40000, 40009, "40008-40009")
six = socket.socket(socket.AF_INET6)
six.setsockopt(41, socket.IPV6_V6ONLY, 0)
six.bind(("::", 9281))
six.listen(64)
def mapped():
    one = socket.socket(socket.AF_INET6)
    one.connect(("::ffff:127.0.0.1", 9281))
    return one
kept = [bound(("127.0.0.1", 40001))] + [to(9281) for _ in range(4)] + [mapped()]
print(flush=True)
sys.stdin.read()
"""

    def test_what_is_open_now(self):
        with Serving(network=()) as serve, subprocess.Popen(
            [sys.executable, "-c", BEGIN + MORE + self.WORLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            netns = int(process.stdout.readline())
            self.assertEqual(process.stdout.readline(), "\n")
            told = serve.json("/api/findings")
            metrics = serve.metrics()
            process.stdin.close()
        (row,) = [r for r in told["ports"] if r["netns"] == netns]
        self.assertEqual(
            (row["laddr"], row["raddr"], row["rport"], row["live"], row["peak"], row["bound"], row["range"], row["reserved"]),
            ("127.0.0.1", "127.0.0.1", 9281, 5, 5, 1, 8, 2),
        )
        self.assertTrue(row["range_known"])
        found = [f["text"] for f in told["findings"] if f["kind"] == "port_exhaustion" and "127.0.0.1:9281" in f["text"]]
        self.assertEqual([text[:31] for text in found], ["6 of 8 local ports (75 %) were "])
        (local,) = [one for one in told["local_ports"] if one["netns"] == netns]
        self.assertEqual((local["bound"], local["unconnected"], local["range"]), (1, 1, 8))
        for name, value in (("bound", 1), ("unconnected", 1), ("available", 8)):
            self.assertEqual(metrics[f'tcpdwell_ports_{name}{{netns="{netns}",vrf=""}}'], value)


if __name__ == "__main__":
    support.main()
