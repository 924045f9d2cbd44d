#!/usr/bin/env python3
"""Records what the running kernel and conntrack(8) really send, one .hex file for each topic.

    unshare --net python3 tests/captures/capture.py            # as root
    unshare --user --map-root-user --net python3 tests/captures/capture.py

Needs python 3.9, nft, and for requests-*.hex conntrack and strace. It overwrites the .hex files beside it; ids and
times change with every run, nothing else should. Everything happens in the new network namespace.

A .hex file has comments, then messages with an empty line between them: the header of a message is a line, and so is
every attribute, indented under the nest that holds it. Readers may ignore all white space but the empty lines.
"""

import os
import platform
import socket
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
NESTED = 0x8000
REQUEST, MULTI, ACK, DUMP, CREATE, EXCL = 0x1, 0x2, 0x4, 0x300, 0x400, 0x200
NEW, GET, DELETE, GET_STATS_CPU, GET_STATS = 0x100, 0x101, 0x102, 0x104, 0x105

RULES = """
flush ruleset
table inet track {
    ct helper ftp { type "ftp" protocol tcp; }
    chain zones {
        type filter hook output priority -300;
        udp dport 7001 ct zone set 7
        udp sport 7001 ct zone set 7
        udp dport 7002 ct original zone set 9
    }
    chain output {
        type filter hook output priority 0;
        tcp dport 2121 ct helper set "ftp"
        udp dport 7003 ct mark set 0x2a
        udp dport 7004 ct label set 5
        ct state new,related,established accept
    }
    chain translate {
        type nat hook output priority -100;
        ip daddr 10.99.99.99 dnat ip to 127.0.0.1
    }
    chain source {
        type nat hook postrouting priority 100;
        udp dport 7005 snat ip to 127.0.0.9:4000-4100
    }
}
"""


# What a netlink program needs.

def attribute(kind, payload):
    if isinstance(payload, list):
        kind, payload = kind | NESTED, b"".join(payload)
    return struct.pack("=HH", 4 + len(payload), kind) + payload + bytes(-len(payload) % 4)


def tuple_v4(number, src, dst, protocol, sport, dport):
    return attribute(number, [
        attribute(1, [attribute(1, socket.inet_aton(src)), attribute(2, socket.inet_aton(dst))]),
        attribute(2, [attribute(1, bytes([protocol])), attribute(2, struct.pack("!H", sport)),
                      attribute(3, struct.pack("!H", dport))]),
    ])


class Netlink:
    def __init__(self, groups=0):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
        self.socket.setsockopt(270, 11, 1)  # NETLINK_EXT_ACK
        self.socket.bind((0, groups))
        self.seq = 0

    def send(self, kind, flags, body=b"", family=0):
        self.seq += 1
        length = 20 + len(body)
        self.socket.send(struct.pack("=IHHIIBBH", length, kind, REQUEST | flags, self.seq, 0, family, 0, 0) + body)

    def receive(self, timeout=0.3):
        """Every message until nothing comes any more."""
        self.socket.settimeout(timeout)
        messages = []
        while True:
            try:
                messages += split(self.socket.recv(1 << 16))
            except socket.timeout:
                return messages
            if messages[-1][4:6] == b"\x03\x00":
                return messages

    def ask(self, *request, **keywords):
        self.send(*request, **keywords)
        return self.receive()


def split(datagram):
    messages = []
    while datagram:
        length = struct.unpack_from("=I", datagram)[0]
        messages.append(datagram[:length])
        datagram = datagram[length + -length % 4:]
    return messages


# The files.

def spaced(octets):
    return octets.hex(" ")


def lines(octets, indent):
    """One attribute a line, nests indented."""
    while len(octets) >= 4:
        length, kind = struct.unpack_from("=HH", octets)
        if length < 4 or length > len(octets):
            break
        padded = length + -length % 4
        if kind & NESTED:
            yield indent + spaced(octets[:4])
            yield from lines(octets[4:length], indent + "  ")
        else:
            yield indent + spaced(octets[:4]) + "  " + spaced(octets[4:padded])
        octets = octets[padded:]
    if octets:
        yield indent + spaced(octets)


def write(name, about, messages):
    text = "".join(f"# {line}\n" for line in [*about, f"Linux {platform.release().split('-')[0]} {platform.machine()}"])
    for message in messages:
        kind = struct.unpack_from("=H", message, 4)[0]
        text += "\n" + spaced(message[:16]) + "\n"
        if kind < 0x10:
            # An error or a DONE: a code, perhaps the request, perhaps attributes. As it comes.
            rest = message[16:]
            text += "".join(spaced(rest[at:at + 16]) + "\n" for at in range(0, len(rest), 16))
        else:
            text += spaced(message[16:20]) + "\n" + "".join(line + "\n" for line in lines(message[20:], "  "))
    with open(os.path.join(HERE, name + ".hex"), "w") as file:
        file.write("\n".join(line.rstrip() for line in text.split("\n")))
    print(f"{name}.hex: {len(messages)} messages")


# The traffic.

def sh(command, stdin=None):
    subprocess.run(command, shell=True, check=True, input=stdin, text=True)


def tcp(family, host, port, close=False):
    server = socket.socket(family)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((host, port))
    server.listen()
    client = socket.create_connection((host, port))
    peer = server.accept()[0]
    client.send(b"hello")
    peer.recv(5)
    if close:
        client.close()
        peer.recv(1)
        peer.close()
        server.close()
    return server, client, peer


def udp(family, host, port, answer=True):
    server = socket.socket(family, socket.SOCK_DGRAM)
    server.bind((host, port))
    client = socket.socket(family, socket.SOCK_DGRAM)
    client.sendto(b"hello", (host, port))
    data, sender = server.recvfrom(5)
    if answer:
        server.sendto(data, sender)
    return server, client


def raw(family, host, protocol, payload):
    one = socket.socket(family, socket.SOCK_RAW, protocol)
    one.sendto(payload, (host, 0))
    return one


def checksum(octets):
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ping(family, host):
    kind = 8 if family == socket.AF_INET else 128
    header = struct.pack("!BBHHH", kind, 0, 0, 0x1234, 1)
    if family == socket.AF_INET:
        header = struct.pack("!BBHHH", kind, 0, checksum(header), 0x1234, 1)
    return raw(family, host, 1 if family == socket.AF_INET else 58, header)


def sctp(family, host):
    init = struct.pack("!BBHIIHHI", 1, 0, 20, 0x11223344, 65535, 10, 10, 1)
    return raw(family, host, 132, struct.pack("!HHII", 5000, 5001, 0, 0) + init)


def gre(family, host):
    return raw(family, host, 47, struct.pack("!HHHH", 0x3001, 0x880b, 4, 77) + bytes(8))


def ftp(host):
    """A control connection with a helper, and the data connection that it announces."""
    control = socket.socket()
    control.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    control.bind(("127.0.0.1", 2121))
    control.listen()
    data = socket.socket()
    data.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    data.bind(("127.0.0.1", 5123))
    data.listen()
    client = socket.create_connection((host, 2121))
    peer = control.accept()[0]
    # The helper reads from the second line of a direction on.
    peer.send(b"220 Ready\r\n")
    client.recv(64)
    client.send(b"PASV\r\n")
    peer.recv(64)
    peer.send(b"227 Entering Passive Mode (127,0,0,1,20,3)\r\n")
    client.recv(64)
    child = socket.create_connection((host, 5123))
    child.send(b"hello")
    data.accept()[0].recv(5)
    return control, data, client, peer, child


V4, V6 = (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")


def both(traffic, *arguments):
    return [traffic(*V4, *arguments), traffic(*V6, *arguments)]


def dump(netlink, name, about, traffic):
    netlink.ask(DELETE, ACK)
    keep = traffic()
    write(name, [about, "CT_GET, NLM_F_DUMP, after that traffic in an empty table"], netlink.ask(GET, DUMP))
    del keep


def dumps():
    netlink = Netlink()
    dump(netlink, "dump-tcp", "TCP connections, IPv4 and IPv6, established", lambda: both(tcp, 6001))
    dump(netlink, "dump-tcp-closed", "TCP connections, IPv4 and IPv6, closed", lambda: both(tcp, 6002, True))
    dump(netlink, "dump-udp", "UDP, IPv4 and IPv6, answered and not",
         lambda: [both(udp, 6003), both(udp, 6004, False)])
    dump(netlink, "dump-icmp", "ICMP and ICMPv6 echo", lambda: both(ping))
    dump(netlink, "dump-sctp", "an SCTP INIT, IPv4 and IPv6", lambda: both(sctp))
    dump(netlink, "dump-gre", "GRE version 1, IPv4 and IPv6", lambda: both(gre))
    dump(netlink, "dump-generic", "ESP, IPv4 and IPv6", lambda: both(raw, 50, bytes(16)))
    dump(netlink, "dump-udplite", "UDP-Lite, IPv4 and IPv6",
         lambda: both(raw, 136, struct.pack("!HHHH", 4000, 4001, 0, 0xbeef) + bytes(8)))
    dump(netlink, "dump-zone", "nft: ct zone set 7; ct original zone set 9",
         lambda: [udp(*V4, 7001), udp(*V4, 7002, False)])
    dump(netlink, "dump-mark-labels", "nft: ct mark set 0x2a; ct label set 5",
         lambda: [udp(*V4, 7003), udp(*V4, 7004)])
    dump(netlink, "dump-snat", "nft: snat to 127.0.0.9:4000-4100", lambda: [udp(*V4, 7005)])
    dump(netlink, "dump-ftp", "an FTP control connection with its helper and the data connection it announced",
         lambda: ftp("127.0.0.1"))
    dump(netlink, "dump-ftp-dnat",
         "the same to an address that is translated: the reply that names the data port is rewritten, "
         "so sequence numbers are adjusted", lambda: ftp("10.99.99.99"))


def create(port, *more):
    return b"".join([
        tuple_v4(1, "10.0.0.1", "10.0.0.2", 6, port, 80), tuple_v4(2, "10.0.0.2", "10.0.0.1", 6, 80, port),
        attribute(7, struct.pack("!I", 300)), *more])


def replies():
    netlink = Netlink()
    netlink.ask(DELETE, ACK)
    write("ack", ["CT_NEW, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK: the acknowledgement"],
          netlink.ask(NEW, ACK | CREATE | EXCL, create(1000), family=2))
    write("get", ["CT_GET of the flow that CT_NEW created: one message with NLM_F_MULTI and no NLMSG_DONE, then the ack"],
          netlink.ask(GET, ACK, tuple_v4(1, "10.0.0.1", "10.0.0.2", 6, 1000, 80), family=2))
    write("error-exist", ["the same CT_NEW again: EEXIST, and the request"],
          netlink.ask(NEW, ACK | CREATE | EXCL, create(1000), family=2))
    write("error-offset", ["CT_NEW with a CTA_MARK of two bytes: ERANGE, the request, and an extended ack with its offset"],
          netlink.ask(NEW, ACK | CREATE, create(1001, attribute(8, b"\0\7")), family=2))
    write("error-absent", ["CT_GET of a flow that is not there: ENOENT"],
          netlink.ask(GET, ACK, tuple_v4(1, "10.0.0.1", "10.0.0.2", 6, 2, 80), family=2))
    netlink.ask(NEW, ACK | CREATE | EXCL, create(1002, attribute(8, struct.pack("!I", 7))), family=2)
    write("dump-created", ["CT_GET, NLM_F_DUMP: flows that CT_NEW created, with CTA_SYNPROXY"], netlink.ask(GET, DUMP))
    write("dump-filtered", ["CT_GET, NLM_F_DUMP with CTA_MARK 7: NLM_F_DUMP_FILTERED is set"],
          netlink.ask(GET, DUMP, attribute(8, struct.pack("!I", 7))))
    netlink.ask(DELETE, ACK)
    write("dump-empty", ["CT_GET, NLM_F_DUMP of an empty table: NLMSG_DONE alone"], netlink.ask(GET, DUMP))
    write("stats", ["CT_GET_STATS: one message with NLM_F_MULTI and no NLMSG_DONE"], netlink.ask(GET_STATS, 0))
    write("stats-cpu", ["CT_GET_STATS_CPU, NLM_F_DUMP: a message for each CPU"], netlink.ask(GET_STATS_CPU, DUMP))


def events():
    netlink, listener = Netlink(), Netlink(groups=0b111)
    for name, about, traffic in [
        ("events-tcp", "a TCP connection from SYN to both FINs", lambda: tcp(*V6, 6101, True)),
        ("events-udp", "UDP, IPv4, answered", lambda: udp(*V4, 6102)),
        ("events-icmp", "ICMP and ICMPv6 echo", lambda: both(ping)),
        ("events-sctp", "an SCTP INIT, IPv4", lambda: sctp(*V4)),
        ("events-mark-labels-zone", "nft: ct mark set 0x2a; ct label set 5; ct zone set 7",
         lambda: [udp(*V4, 7003), udp(*V4, 7004), udp(*V4, 7001)]),
        ("events-ftp", "an FTP control connection with its helper and the data connection it announced",
         lambda: ftp("127.0.0.1")),
    ]:
        netlink.ask(DELETE, ACK)
        listener.receive()
        keep = traffic()
        netlink.ask(DELETE, ACK)
        write(name, [f"groups NEW, UPDATE and DESTROY: {about}, then a flush"], listener.receive())
        del keep


# What conntrack(8) sends.

COMMANDS = {
    "create-udp": "conntrack -I -p udp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 2000 -t 60",
    "create-tcp": "conntrack -I -p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 80 -t 60 --state ESTABLISHED "
                  "-u SEEN_REPLY,ASSURED -m 7",
    "create-udp6": "conntrack -I -p udp -s fd00::1 -d fd00::2 --sport 1000 --dport 2000 -t 60",
    "create-snat": "conntrack -I -p udp -s 10.0.0.1 -d 10.0.0.2 --sport 1001 --dport 2000 -t 60 --src-nat 192.0.2.1",
    "get-udp": "conntrack -G -p udp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 2000",
    "get-tcp": "conntrack -G -p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 80",
    "update-mark": "conntrack -U -p udp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 2000 -m 9",
    "dump": "conntrack -L",
    "dump-ipv4": "conntrack -L -f ipv4",
    "dump-mark": "conntrack -L -m 7",
    "delete-udp": "conntrack -D -p udp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 2000",
    "flush": "conntrack -F",
    "flush-ipv4": "conntrack -F -f ipv4",
    "stats": "conntrack -C",
}


def sent_by(command):
    """The bytes of every send of a command."""
    with tempfile.NamedTemporaryFile("r") as trace:
        subprocess.run(["strace", "-qq", "-o", trace.name, "-e", "trace=sendto,sendmsg", "-e", "write=all",
                        *command.split()], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        messages, current = [], b""
        for line in trace:
            if line.startswith(" | "):
                current += bytes.fromhex(line[9:59].replace(" ", ""))
            elif not line.startswith(" *"):
                messages, current = messages + split(current), b""
        return messages + split(current)


def requests():
    Netlink().ask(DELETE, ACK)
    for name, command in COMMANDS.items():
        version = subprocess.run(["conntrack", "-V"], capture_output=True, text=True, check=True).stdout.split()[1]
        write(f"conntrack-{name}", [command, f"what conntrack(8) {version} sends, by strace -e write=all"], sent_by(command))


def main():
    if [name for _, name in socket.if_nameindex() if name not in ("lo", "sit0", "gre0", "tunl0")]:
        sys.exit("run it in a network namespace of its own: see the top of this file")
    sh("ip link set lo up")
    sh("ip route add local 10.99.99.99 dev lo")
    sh("nft -f -", RULES)
    for name, value in [("events", 1), ("acct", 1), ("timestamp", 1), ("checksum", 0)]:
        with open(f"/proc/sys/net/netfilter/nf_conntrack_{name}", "w") as sysctl:
            sysctl.write(str(value))
    dumps()
    events()
    replies()
    requests()


main()
