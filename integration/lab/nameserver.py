"""A small name server that says what no zone file can, and misbehaves for single questions.

usage: nameserver.py CONFIG.json

It passes each question on to the name server `upstream` and its reply back, octet for octet, so that all signatures
stay good. Excepted are the questions of two lists: `answers` has RRsets as octets with their signature, `rules` has a
behaviour for a name and type. It lives in the lab's own network namespace; nobody else can ask it.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rrsig import CLASS_IN, TYPES, wire_name

BEHAVIOURS = {
    "drop": "no reply at all",
    "servfail": "SERVFAIL",
    "refused": "REFUSED",
    "notimp": "NOTIMP",
    "garbage": "a reply that ends in the middle of a record",
    "bare-denial": "no records and no proof that there are none",
    "forged-first": "a reply with another ID says that there is nothing; then comes the right one",
    "truncate": "TC over UDP, the answer over TCP",
    "truncate-only": "TC over UDP, and TCP closes without an answer",
}
TIMEOUT = 5.0
MAX_QUESTION = 4096
MAX_TASKS = 64
OPT = 41
SERVFAIL, NOTIMP, REFUSED = 2, 4, 5
AUTHORITATIVE, TRUNCATED, RESPONSE = 0x0400, 0x0200, 0x8000


class Malformed(Exception):
    """The question cannot be read: it gets no reply."""


@dataclass(frozen=True)
class Question:
    id: int
    flags: int
    name: bytes  # wire format, lower case
    type: int
    section: bytes  # the question section as it came
    udp_size: int  # 0: no EDNS

    @staticmethod
    def parse(octets: bytes) -> Question:
        if len(octets) < 12:
            raise Malformed
        number, flags, questions, _, _, additional = struct.unpack_from("!6H", octets)
        at = 12
        while at < len(octets) and octets[at]:
            if octets[at] > 63:
                raise Malformed
            at += octets[at] + 1
        end = at + 5
        if questions != 1 or flags & RESPONSE or end > len(octets):
            raise Malformed
        (rrtype,) = struct.unpack_from("!H", octets, at + 1)
        size = 0
        if additional and octets[end : end + 3] == b"\0\0" + bytes([OPT]) and len(octets) >= end + 5:
            (size,) = struct.unpack_from("!H", octets, end + 3)
        return Question(number, flags, octets[12 : at + 1].lower(), rrtype, octets[12:end], size)

    def reply(self, flags: int = 0, answers: bytes = b"", count: int = 0) -> bytes:
        edns = b"\0" + struct.pack("!HHIH", OPT, 1232, 0x8000, 0) if self.udp_size else b""  # DO stays set
        header = (self.id, RESPONSE | AUTHORITATIVE | self.flags & 0x0100 | flags, 1, count, 0, 1 if edns else 0)
        return struct.pack("!6H", *header) + self.section + answers + edns


def record(rrtype: int, ttl: int, rdata: bytes) -> bytes:
    """Its owner is the name in the question."""
    return b"\xc0\x0c" + struct.pack("!HHIH", rrtype, CLASS_IN, ttl, len(rdata)) + rdata


def receive_exactly(sock: socket.socket, size: int) -> bytes:
    octets = b""
    while len(octets) < size:
        more = sock.recv(size - len(octets))
        if not more:
            raise Malformed
        octets += more
    return octets


def receive_framed(sock: socket.socket) -> bytes:
    (size,) = struct.unpack("!H", receive_exactly(sock, 2))
    return receive_exactly(sock, size)


class Server:
    def __init__(self, config: dict[str, Any]) -> None:
        self.upstream = (config["upstream"], 53)
        self.rules = {(wire_name(r["name"]), TYPES[r["type"]]): r["behaviour"] for r in config["rules"]}
        self.answers: dict[tuple[bytes, int], tuple[bytes, int]] = {}
        for entry in config["answers"]:
            rrtype, ttl = TYPES[entry["type"]], entry["ttl"]
            records = [record(rrtype, ttl, bytes.fromhex(octets)) for octets in entry["rdata"]]
            records.append(record(TYPES["RRSIG"], ttl, bytes.fromhex(entry["rrsig"])))
            self.answers[wire_name(entry["name"]), rrtype] = (b"".join(records), len(records))

    def ask_upstream(self, octets: bytes, tcp: bool) -> bytes:
        if tcp:
            with socket.create_connection(self.upstream, TIMEOUT) as sock:
                sock.sendall(struct.pack("!H", len(octets)) + octets)
                return receive_framed(sock)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(TIMEOUT)
            sock.connect(self.upstream)
            sock.send(octets)
            return sock.recv(65535)

    def right_answer(self, octets: bytes, question: Question, tcp: bool) -> bytes:
        if not (prepared := self.answers.get((question.name, question.type))):
            return self.ask_upstream(octets, tcp)
        reply = question.reply(0, *prepared)
        return reply if tcp or len(reply) <= max(512, question.udp_size) else question.reply(TRUNCATED)

    def replies(self, octets: bytes, tcp: bool) -> list[bytes]:
        """What goes back for one question, in this order."""
        question = Question.parse(octets)
        match self.rules.get((question.name, question.type), ""):
            case "drop":
                return []
            case "servfail":
                return [question.reply(SERVFAIL)]
            case "refused":
                return [question.reply(REFUSED)]
            case "notimp":
                return [question.reply(NOTIMP)]
            case "bare-denial":
                return [question.reply()]
            case "garbage":
                return [question.reply(0, record(question.type, 300, b"x" * 32)[:20], 7)]
            case "truncate-only":
                return [] if tcp else [question.reply(TRUNCATED)]
            case "truncate" if not tcp:
                return [question.reply(TRUNCATED)]
            case "forged-first" if not tcp:
                forged = bytes([octets[0] ^ 0xFF, octets[1] ^ 0xFF]) + question.reply()[2:]
                return [forged, self.right_answer(octets, question, tcp)]
        return [self.right_answer(octets, question, tcp)]

    def serve_udp(self, sock: socket.socket, octets: bytes, peer: Any) -> None:
        try:
            for reply in self.replies(octets, tcp=False):
                sock.sendto(reply, peer)
        except (Malformed, OSError):
            pass  # silence; who asks will ask again

    def serve_tcp(self, sock: socket.socket) -> None:
        with sock:
            try:
                sock.settimeout(TIMEOUT)
                while replies := self.replies(receive_framed(sock), tcp=True):
                    for reply in replies:
                        sock.sendall(struct.pack("!H", len(reply)) + reply)
            except (Malformed, OSError):
                pass  # the connection ends

    def listen(self, address: str, pool: ThreadPoolExecutor) -> list[threading.Thread]:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        udp = socket.socket(family, socket.SOCK_DGRAM)
        udp.bind((address, 53))
        tcp = socket.create_server((address, 53), family=family, backlog=64)
        slots = threading.BoundedSemaphore(MAX_TASKS)

        def bounded(task: Callable[..., None], *arguments: Any) -> None:
            slots.acquire()
            pool.submit(task, *arguments).add_done_callback(lambda _: slots.release())

        def receive() -> None:
            while True:
                octets, peer = udp.recvfrom(MAX_QUESTION)
                bounded(self.serve_udp, udp, octets, peer)

        def accept() -> None:
            while True:
                bounded(self.serve_tcp, tcp.accept()[0])

        threads = [threading.Thread(target=loop) for loop in (receive, accept)]
        for thread in threads:
            thread.start()
        return threads


def main() -> None:
    config = json.loads(Path(sys.argv[1]).read_text())
    for rule in config["rules"]:
        if rule["behaviour"] not in BEHAVIOURS:
            sys.exit(f"nameserver.py: '{rule['behaviour']}' for {rule['name']} is none of {', '.join(BEHAVIOURS)}")
    server = Server(config)
    with ThreadPoolExecutor(2 * MAX_TASKS) as pool:
        for thread in [thread for address in config["addresses"] for thread in server.listen(address, pool)]:
            thread.join()


if __name__ == "__main__":
    main()
