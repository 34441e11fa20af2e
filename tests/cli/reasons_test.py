# SPDX-License-Identifier: BSD-2-Clause
"""Why connections end, and who closed them: each way in a network of its own, against what the workload itself knows."""

import collections
import json
import os
import subprocess
import sys
import unittest

import support
from support import Live, needs

# A network of its own, whose number it prints first; `lo` is up, and sysctl() writes below net/ipv4.
BEGIN = """
import ctypes, os, socket, struct, subprocess, time
assert ctypes.CDLL(None).unshare(0x40000000) == 0
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
print(os.stat("/proc/self/ns/net").st_ino, flush=True)
def sysctl(name, value):
    with open("/proc/sys/net/ipv4/" + name, "w") as file:
        file.write(str(value))
def listener(port=9000, backlog=64, defer=False):
    one = socket.socket()
    if defer:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 30)
    one.bind(("127.0.0.1", port))
    one.listen(backlog)
    return one
def connect(port=9000):
    return socket.create_connection(("127.0.0.1", port))
def abort(one):
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()
"""

# A router between a client, in whose network `script` runs, and addresses that it treats as `routes` says.
ROUTED = """
set -e
for name in $1 $2; do ip netns add $name; ip -n $name link set lo up; done
stat -Lc %i /run/netns/$1
ip link add x0 netns $1 type veth peer name x1 netns $2
ip -n $1 addr add 10.8.0.1/24 dev x0; ip -n $1 link set x0 up
ip -n $2 addr add 10.8.0.2/24 dev x1; ip -n $2 link set x1 up
ip -n $1 route add default via 10.8.0.2
ip netns exec $2 sysctl -qw net.ipv4.ip_forward=1 net.ipv4.icmp_ratelimit=0
ip -n $2 route add unreachable 10.9.1.0/24; ip -n $2 route add prohibit 10.9.2.0/24; ip -n $2 route add blackhole 10.9.3.0/24
sleep 0.5
"""


@support.needs_root
@needs("ip")
class Reasons(support.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.path = support.scratch_file("reasons.json")
        cls.netns, cls.said = {}, {}
        with Live("record", "-q", "-o", cls.path, network=()):
            for name in [name for name in dir(cls) if name.startswith("world_")]:
                cls.netns[name[6:]] = getattr(cls, name)()
            # Requests are told to be over a moment later.
            subprocess.run(["sleep", "1"], check=True)
        with open(cls.path, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        cls.ends = {
            name: [l for l in lines if l.get("netns") == netns and l["type"] == "transition"]
            for name, netns in cls.netns.items()
        }

    @classmethod
    def keep(cls, path):
        """The network stays for as long as the test, so that no other one gets its number."""
        cls.addClassCleanup(os.close, os.open(path, os.O_RDONLY))

    @classmethod
    def python(cls, script):
        with subprocess.Popen(
            [sys.executable, "-c", BEGIN + "input()\n" + script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            netns = int(process.stdout.readline())
            cls.keep(f"/proc/{process.pid}/ns/net")
            process.communicate("\n", timeout=support.TIMEOUT)
        assert process.returncode == 0, script
        return netns

    @classmethod
    def routed(cls, script):
        names = f"c{os.getpid()}", f"r{os.getpid()}"
        try:
            made = subprocess.run(["sh", "-c", ROUTED, "sh", *names], capture_output=True, text=True, check=True, timeout=support.TIMEOUT)
            for name in names:
                cls.keep(f"/run/netns/{name}")
            command = ["ip", "netns", "exec", names[0], sys.executable, "-c", script]
            cls.said[script] = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=support.TIMEOUT).stdout
        finally:
            for name in names:
                subprocess.run(["ip", "netns", "del", name], check=False)
        return int(made.stdout.split()[0])

    def counted(self, name, old, new="CLOSE", port=None):
        """Lines of that transition, by reason, closer and error; with `port`, of the socket that has it."""
        chosen = [
            l for l in self.ends[name] if (l["old"], l["new"]) == (old, new) and (port is None or l["lport"] == port)
        ]
        return dict(collections.Counter((l.get("reason"), l.get("closer"), l.get("errno")) for l in chosen))

    @classmethod
    def world_no_port(cls):
        # An even number: of an odd one, connect() may leave a port out (__inet_hash_connect()).
        return cls.python("""
sysctl("ip_local_port_range", "40000 40005")
server, kept, failed = listener(9107), [], 0
for _ in range(9):
    one = socket.socket()
    try:
        one.connect(("127.0.0.1", 9107))
        kept.append(one)
    except OSError:
        failed += 1
assert failed == 3, failed
""")

    def test_no_local_port(self):
        self.assertEqual(self.counted("no_port", "SYN_SENT"), {("no_local_port", "none", "EADDRNOTAVAIL"): 3})
        report = json.loads(support.run("report", "--format", "json", self.path).out)
        found = [f["text"] for f in report["findings"] if f["kind"] == "port_exhaustion" and "attempts to connect to 127.0.0.1:9107" in f["text"]]
        self.assertEqual(len(found), 1, found)
        self.assertTrue(found[0].startswith("3 of 9 attempts"), found)

    @classmethod
    def world_unreachable(cls):
        return cls.routed("""
import socket
for address in ("10.9.1.1", "10.9.2.1", "10.9.4.1", "10.8.0.9"):
    try:
        socket.create_connection((address, 80), 12)
    except OSError:
        pass
""")

    def test_unreachable(self):
        found = self.counted("unreachable", "SYN_SENT")
        self.assertEqual({(reason, closer) for reason, closer, _ in found}, {("unreachable", "none")})
        self.assertEqual(sum(found.values()), 4)
        self.assertLessEqual({"EHOSTUNREACH", "ENETUNREACH"}, {error for _, _, error in found})

    @classmethod
    def world_given_up(cls):
        return cls.routed("""
import socket, time
waiting = [socket.socket() for _ in range(5)]
for one in waiting:
    one.setblocking(False)
    one.connect_ex(("10.9.3.1", 80))
time.sleep(1.2)
""")

    def test_given_up_by_the_application(self):
        self.assertEqual(self.counted("given_up", "SYN_SENT"), {("given_up", "none", None): 5})
        for line in self.ends["given_up"]:
            if line["new"] == "CLOSE":
                self.assertGreaterEqual(line["segs_out"], 1)

    @classmethod
    def world_overflow(cls):
        return cls.python("""
sysctl("tcp_abort_on_overflow", 1)
server = listener(backlog=2, defer=True)
first = [connect() for _ in range(2)]
for one in first:
    one.send(b"x")
time.sleep(0.1)
more = [connect() for _ in range(4)]
for one in more:
    one.send(b"x")
time.sleep(0.2)
""")

    def test_an_accept_queue_that_overflows_is_this_sides_reset(self):
        requests = self.counted("overflow", "SYN_RECV")
        self.assertEqual(set(requests), {("reset_local", "local", None)})
        self.assertGreaterEqual(sum(requests.values()), 3)
        # Those that waited in it until their listener was closed.
        self.assertEqual(set(self.counted("overflow", "ESTABLISHED", port=9000)), {("listener_closed", "local", None)})

    @classmethod
    def world_listener_closed(cls):
        return cls.python("""
server = listener(defer=True)
clients = [connect() for _ in range(4)]
time.sleep(0.2)
server.close()
time.sleep(2.5)
""")

    def test_a_listener_that_is_closed_takes_its_requests_along(self):
        self.assertEqual(self.counted("listener_closed", "SYN_RECV"), {("listener_closed", "local", None): 4})

    @classmethod
    def world_reset_by_client(cls):
        return cls.python("""
server = listener(defer=True)
for _ in range(3):
    abort(connect())
time.sleep(0.2)
""")

    def test_a_request_that_the_peer_resets(self):
        self.assertEqual(self.counted("reset_by_client", "SYN_RECV"), {("reset_by_peer", "remote", None): 3})

    @classmethod
    def world_reused(cls):
        return cls.python("""
sysctl("ip_local_port_range", "40000 40000")
sysctl("tcp_tw_reuse", 1)
if os.path.exists("/proc/sys/net/ipv4/tcp_tw_reuse_delay"):
    sysctl("tcp_tw_reuse_delay", 20)
server = listener()
for n in range(3):
    one = socket.socket()
    if n == 0:
        one.connect(("127.0.0.1", 9000))
    else:
        one.sendto(b"x", 0x20000000, ("127.0.0.1", 9000))  # MSG_FASTOPEN
    other, _ = server.accept()
    if n > 0:
        other.recv(1)
    one.close()
    other.close()
    time.sleep(1.2)
""")

    def test_whatever_connects_reuses_a_time_wait(self):
        self.assertEqual(self.counted("reused", "TIME_WAIT")[("reused", "local", None)], 2)

    @classmethod
    def world_repair(cls):
        return cls.python("""
server = listener()
one = connect()
other, _ = server.accept()
REPAIR, QUEUE, SEQ = 19, 20, 21
one.setsockopt(6, REPAIR, 1)
here = one.getsockname()
one.setsockopt(6, QUEUE, 2); sent = one.getsockopt(6, SEQ) & 0xffffffff
one.setsockopt(6, QUEUE, 1); received = one.getsockopt(6, SEQ) & 0xffffffff
one.close()
time.sleep(0.1)
again = socket.socket()
again.setsockopt(6, REPAIR, 1)
again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
again.setsockopt(6, QUEUE, 2); again.setsockopt(6, SEQ, struct.pack("I", sent))
again.setsockopt(6, QUEUE, 1); again.setsockopt(6, SEQ, struct.pack("I", received))
again.bind(here)
again.connect(("127.0.0.1", 9000))
again.setsockopt(6, REPAIR, 0)
again.send(b"hi")
assert other.recv(2) == b"hi"
""")

    def test_what_tcp_repair_takes_sends_nothing_and_brings_back_without_a_handshake(self):
        self.assertEqual(self.counted("repair", "ESTABLISHED"), {("repaired", "none", None): 1})
        back = [l for l in self.ends["repair"] if l.get("reason") == "restored"]
        self.assertEqual([(l["old"], l["new"], l["dwell"]) for l in back], [("SYN_SENT", "ESTABLISHED", "unknown")])

    # What it prints is for how long it was FIN_WAIT2 at least, but for the delayed acknowledgment of the FIN, and at most.
    PENDING_ERROR = """
import socket, struct, subprocess, time
# The answer to what is sent while the route is gone is an ICMP message; IP_RECVERR keeps it as an error of the socket.
# The other end is in this network too, by a detour over the router.
subprocess.run("ip addr add 10.8.0.3/32 dev lo", shell=True, check=True)
server = socket.create_server(("10.8.0.3", 9000))
one = socket.create_connection(("10.8.0.3", 9000))
other, _ = server.accept()
one.setsockopt(0, 11, 1)
time.sleep(0.1)
begin = time.monotonic_ns()
one.close()
closed = time.monotonic_ns()
time.sleep(0.7)
then = time.monotonic_ns()
other.close()
print(then - closed, time.monotonic_ns() - begin)
time.sleep(0.2)
"""

    @classmethod
    def world_pending_error(cls):
        return cls.routed(cls.PENDING_ERROR)

    def test_ends_without_an_error_have_none(self):
        self.assertEqual(self.counted("pending_error", "LAST_ACK"), {(None, "remote", None): 1})
        waited = [l["dwell_ns"] for l in self.ends["pending_error"] if (l["old"], l["new"]) == ("FIN_WAIT2", "TIME_WAIT")]
        least, most = map(int, self.said[self.PENDING_ERROR].split())
        self.assertEqual([least - 100_000_000 < ns < most + 1_000_000 for ns in waited], [True], (waited, least, most))

    @classmethod
    def world_plain(cls):
        return cls.python("""
server = listener()
def pair():
    one = connect()
    return one, server.accept()[0]
one, other = pair(); abort(one); other.close()                      # SO_LINGER 0
one, other = pair(); other.send(b"unread"); time.sleep(0.05); one.close(); other.close()
one, other = pair(); one.setsockopt(6, 8, -1); one.close(); time.sleep(0.05); other.close()  # TCP_LINGER2
one, other = pair(); one.connect_ex(("0.0.0.0", 0)); one = socket.socket()
try:
    connect(9001)
except ConnectionRefusedError:
    pass
""")

    def test_resets_say_who_sent_them(self):
        self.assertEqual(self.counted("plain", "SYN_SENT"), {("refused", "remote", None): 1})
        established = self.counted("plain", "ESTABLISHED")
        self.assertLessEqual(set(established), {("reset_local", "local", None), ("reset_by_peer", "remote", None)})
        self.assertGreaterEqual(established[("reset_local", "local", None)], 2)

    @classmethod
    def world_fast_open(cls):
        return cls.python("""
sysctl("tcp_fastopen", 0x203)  # both sides, no cookie asked for
server = listener()
server.setsockopt(6, 23, 16)  # TCP_FASTOPEN
one = socket.socket()
one.sendto(b"", 0x20000000, ("127.0.0.1", 9000))  # MSG_FASTOPEN, and no data
other, _ = server.accept()
one.close(); time.sleep(0.1); other.close(); time.sleep(0.1)
# TCP_FASTOPEN_CONNECT: no SYN until there is data, and there is none.
sysctl("tcp_fastopen", 0x207)
for bound in (False, True):
    one = socket.socket()
    one.setsockopt(6, 30, 1)
    if bound:
        one.bind(("127.0.0.1", 9100))
    one.connect(("127.0.0.1", 9000))
    one.close()
""")

    def test_fast_open_without_data(self):
        begun = [l for l in self.ends["fast_open"] if l["old"] == "SYN_RECV"]
        self.assertEqual([(l["new"], l["dwell"]) for l in begun], [("ESTABLISHED", "exact")])
        ended = [l for l in self.ends["fast_open"] if l["old"] == "LAST_ACK"]
        self.assertEqual([("life_ns" in l, l["path"].split(">")[0], l["closer"]) for l in ended], [(True, "SYN_RECV", "remote")])
        self.assertEqual(self.counted("fast_open", "SYN_SENT"), {("given_up", "none", None): 2})

    @classmethod
    def world_dropped_here(cls):
        return cls.python("""
server = listener()
def pair(port=9000):
    one = connect(port)
    return one, server.accept()[0]
# Both ends write: of those that connected and of those that accepted bytes leave only before the queue drops all.
pairs = [pair() for _ in range(3)]
for one, other in pairs:
    one.send(bytes(100)); other.send(bytes(50))
time.sleep(0.1)
for one, other in pairs:
    one.recv(50); other.recv(100)
    for end in (one, other):
        end.setsockopt(6, 18, 900)  # TCP_USER_TIMEOUT
plain, other = pair(); plain.send(bytes(7)); time.sleep(0.05); plain.close(); other.recv(7); other.close()
time.sleep(0.1)
subprocess.run("tc qdisc add dev lo root pfifo limit 0", shell=True, check=True)
for one, other in pairs:
    one.send(bytes(1000)); other.send(b"x")
time.sleep(3)
""")

    def test_bytes_that_never_left_were_not_sent(self):
        sent = collections.Counter((l["old"], l["rport"] == 9000, l["bytes_sent"], l.get("reason")) for l in self.ends["dropped_here"] if "bytes_sent" in l)
        self.assertEqual(sent[("ESTABLISHED", True, 100, "timeout")], 3, sent)
        self.assertEqual(sent[("ESTABLISHED", False, 50, "timeout")], 3, sent)
        self.assertEqual(sent[("LAST_ACK", False, 0, None)], 1, sent)

    @classmethod
    def world_icmp(cls):
        return cls.python("""
subprocess.run("ip link add d0 type veth peer name d1; ip link set d1 up; ip addr add 10.8.0.1/24 dev d0; ip link set d0 up;"
               "ip neigh add 10.8.0.9 lladdr 02:00:00:00:00:09 dev d0 nud permanent", shell=True, check=True)
def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
heard = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
heard.bind(("d1", 0x0800))
heard.settimeout(5)
answers = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
# Protocol unreachable, source route failed, host isolated, host and administrator prohibit, time exceeded, parameter problem.
for kind, code in ((3, 2), (3, 5), (3, 8), (3, 10), (3, 13), (11, 0), (12, 0)):
    one = socket.socket()
    one.setblocking(False)
    one.connect_ex(("10.8.0.9", 80))
    port = one.getsockname()[1]
    while True:
        syn = heard.recv(100)
        if syn[9] == 6 and struct.unpack("!H", syn[20:22])[0] == port:
            break
    message = struct.pack("!BBHI", kind, code, 0, 0) + syn[:28]
    message = message[:2] + struct.pack("!H", checksum(message)) + message[4:]
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(message), 1, 0, 64, 1, 0,
                         socket.inet_aton("10.8.0.9"), socket.inet_aton("10.8.0.1"))
    answers.sendto(header + message, ("10.8.0.1", 0))
    time.sleep(0.05)
    one.close()
""")

    def test_every_kind_of_icmp_message(self):
        found = collections.Counter()
        for (reason, closer, error), count in self.counted("icmp", "SYN_SENT").items():
            found[error] += count
            self.assertEqual((reason, closer), ("unreachable", "none"))
        self.assertEqual(found, {"ENOPROTOOPT": 1, "EOPNOTSUPP": 1, "ENONET": 1, "EHOSTUNREACH": 3, "EPROTO": 1})

    @classmethod
    def world_mptcp(cls):
        return cls.python("""
try:
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
except OSError:
    raise SystemExit(0)
server.bind(("127.0.0.1", 9000))
server.listen(8)
for how in (socket.socket.close, abort):
    one = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
    one.connect(("127.0.0.1", 9000))
    other, _ = server.accept()
    one.send(b"x"); other.recv(1)
    how(one)
    time.sleep(0.1)
    other.close()
    time.sleep(0.1)
""")

    def test_subflows_of_mptcp_were_accepted(self):
        if not self.ends["mptcp"]:
            self.skipTest("no MPTCP here")
        self.assertEqual(self.counted("mptcp", "LAST_ACK"), {(None, "remote", None): 1})
        self.assertEqual(
            self.counted("mptcp", "ESTABLISHED"), {("reset_local", "local", None): 1, ("reset_by_peer", "remote", None): 1}
        )

    @classmethod
    def world_killed(cls):
        return cls.python("""
subprocess.run("ip link add d0 type veth peer name d1; ip link set d1 up; ip addr add 10.8.0.1/24 dev d0; ip link set d0 up;"
               "ip neigh add 10.8.0.9 lladdr 02:00:00:00:00:09 dev d0 nud permanent", shell=True, check=True)
server = listener(defer=True)
half = connect()
one = socket.socket(); one.setblocking(False); one.connect_ex(("10.8.0.9", 80))
whole = listener(9001); pair = connect(9001), whole.accept()[0]
time.sleep(0.1)
for chosen in ("state syn-recv", "state syn-sent", "state established sport = :9001"):
    subprocess.run("ss -K " + chosen, shell=True, check=True, stdout=subprocess.DEVNULL)
    time.sleep(0.1)
""")

    def test_what_is_killed_before_it_is_established_sends_nothing(self):
        if not any(line.get("reason") == "aborted" for line in self.ends["killed"]):
            self.skipTest("this kernel kills no sockets (CONFIG_INET_DIAG_DESTROY)")
        self.assertEqual(self.counted("killed", "SYN_RECV"), {("aborted", "none", None): 1})
        self.assertEqual(self.counted("killed", "SYN_SENT"), {("aborted", "none", "ECONNABORTED"): 1})
        self.assertEqual(self.counted("killed", "ESTABLISHED", port=9001), {("aborted", "local", "ECONNABORTED"): 1})

    def test_only_plain_closes_have_no_reason(self):
        reasons = collections.Counter(line.get("reason") for lines in self.ends.values() for line in lines if line["new"] == "CLOSE")
        print(f"{reasons.total()} ends: {dict(reasons)}", flush=True)
        for name, lines in self.ends.items():
            for line in lines:
                if line["new"] != "CLOSE" or "reason" in line:
                    continue
                self.assertIn(line["old"], ("LISTEN", "LAST_ACK"), (name, line))


if __name__ == "__main__":
    unittest.main()
