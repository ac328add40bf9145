"""
Both ends of the isolation tests, for many network namespaces from one process each.

peers.py serve JSON   {"ports": [80], "places": {"NAME": "/path/of/a/namespace"}}: answers TCP and UDP on all addresses of each
                      place with its name; says "ready" when it listens.
peers.py ask          reads {"patience": seconds, "questions": [{"from": path, "protocol": "tcp" | "udp" | "icmp", "address", "port"}]}
                      and asks all at once; writes who answered each ("pong" for ICMP), or null.
peers.py send         reads {"from": path, "by": "eth0", "to": path, "link": "eth0", "patience": seconds, "frames": [hexadecimal]},
                      sends the frames by one link, and writes which of them were seen on the other.
"""

import ctypes
import json
import os
import resource
import selectors
import socket
import struct
import sys
import time

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
# linux/in.h, linux/in6.h: the answer shall leave with the address that was asked
IP_PKTINFO = 8
ANY = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}


def enter(path):
    with open(path) as namespace:
        if LIBC.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {path}")


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def serve(ports, places):
    selector = selectors.DefaultSelector()
    for name, path in places.items():
        enter(path)
        for port in ports:
            for family in ANY:
                selector.register(listen(family, port), selectors.EVENT_READ, (accept, name))
                selector.register(bind(family, port), selectors.EVENT_READ, (answer, name))
    print("ready", flush=True)
    while True:
        for key, _ in selector.select():
            action, name = key.data
            try:
                action(key.fileobj, name.encode())
            except OSError:
                pass  # the client is gone


def bound(family, kind, port):
    server = socket.socket(family, kind)
    server.setblocking(False)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    server.bind((ANY[family], port))
    return server


def listen(family, port):
    server = bound(family, socket.SOCK_STREAM, port)
    server.listen(1024)
    return server


def bind(family, port):
    server = bound(family, socket.SOCK_DGRAM, port)
    if family == socket.AF_INET:
        server.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    else:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    return server


def accept(server, name):
    client, _ = server.accept()
    client.send(name)
    client.close()


def answer(server, name):
    _, information, _, client = server.recvmsg(64, 128)
    server.sendmsg([name], [reversed_information(*one) for one in information], 0, client)


def reversed_information(level, kind, data):
    if level == socket.IPPROTO_IP:  # struct in_pktinfo: index, local address, destination
        return level, kind, struct.pack("=i", 0) + data[8:12] + bytes(4)
    return level, kind, data[:16] + bytes(4)  # struct in6_pktinfo: address, index


class Question:
    """One probe. `step` is called when its socket can be read or written; `again` while it keeps silent."""

    def __init__(self, number, protocol, address, port=0, **_):
        self.number = number & 0xFFFF
        self.target = (address, port)
        self.family = family_of(address)
        self.protocol = protocol
        self.events = selectors.EVENT_WRITE if protocol == "tcp" else selectors.EVENT_READ
        self.answer = None
        self.socket = self.open()
        self.socket.setblocking(False)
        self.send()

    def open(self):
        if self.protocol == "tcp":
            return socket.socket(self.family, socket.SOCK_STREAM)
        if self.protocol == "udp":
            return socket.socket(self.family, socket.SOCK_DGRAM)
        if self.family == socket.AF_INET:
            return socket.socket(self.family, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        return socket.socket(self.family, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)

    def send(self):
        try:
            if self.protocol == "tcp":
                self.socket.connect_ex(self.target)
            elif self.protocol == "udp":
                self.socket.sendto(b"?", self.target)
            else:
                self.socket.sendto(self.echo(), self.target)
        except OSError:
            pass  # no way there

    def again(self):
        if self.protocol != "tcp":
            self.send()

    def echo(self):
        kind = 8 if self.family == socket.AF_INET else 128
        message = struct.pack("!BBHHH", kind, 0, 0, self.number, 1)
        total = sum(struct.unpack("!4H", message))
        checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
        return message[:2] + struct.pack("!H", checksum) + message[4:]

    def is_pong(self, data):
        kind, offset = (0, 20) if self.family == socket.AF_INET else (129, 0)
        return len(data) >= offset + 8 and data[offset] == kind and data[offset + 4 : offset + 6] == struct.pack("!H", self.number)

    def step(self, selector):
        """Whether there is nothing more to come."""
        if self.protocol == "tcp" and self.events == selectors.EVENT_WRITE:
            if self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0:
                return True
            self.events = selectors.EVENT_READ
            selector.modify(self.socket, self.events, self)
            return False
        try:
            data = self.socket.recv(2048)
        except OSError:
            return self.protocol == "tcp"
        if self.protocol == "icmp":
            self.answer = "pong" if self.is_pong(data) else None
            return self.answer is not None
        self.answer = data.decode() or None
        return True


def ask(patience, questions):
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    selector = selectors.DefaultSelector()
    asked = []
    place = None
    for number, question in enumerate(questions):
        if question["from"] != place:
            place = question["from"]
            enter(place)
        asked.append(Question(number, **question))
        selector.register(asked[-1].socket, asked[-1].events, asked[-1])
    waiting = set(asked)
    begin = time.monotonic()
    for deadline in (begin + patience / 3, begin + patience):
        wait(selector, waiting, deadline)
        for question in waiting:
            question.again()
    json.dump([question.answer for question in asked], sys.stdout)


def wait(selector, waiting, deadline):
    while waiting and time.monotonic() < deadline:
        for key, _ in selector.select(max(0, deadline - time.monotonic())):
            if key.data.step(selector):
                selector.unregister(key.fileobj)
                key.fileobj.close()
                waiting.discard(key.data)


def packet_socket(path, link):
    enter(path)
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))  # ETH_P_ALL
    opened.bind((link, 3))
    return opened


def send(to, link, by, patience, frames, **source):
    """A frame is told by what follows its two MAC addresses, or by what follows its VLAN tag, which the kernel takes off."""
    frames = [bytes.fromhex(frame) for frame in frames]
    ear, mouth = packet_socket(to, link), packet_socket(source["from"], by)
    for frame in frames:
        mouth.send(frame)
    seen = set()
    begin = time.monotonic()
    while len(seen) < len(frames) and (left := begin + patience - time.monotonic()) > 0:
        ear.settimeout(left)
        try:
            heard = ear.recv(2048)
        except TimeoutError:
            break
        seen.update(at for at, frame in enumerate(frames) if heard in (frame, frame[:12] + frame[16:]))
    json.dump([at in seen for at in range(len(frames))], sys.stdout)


if sys.argv[1] == "send":
    send(**json.load(sys.stdin))
elif sys.argv[1] == "serve":
    serve(**json.loads(sys.argv[2]))
else:
    ask(**json.load(sys.stdin))
