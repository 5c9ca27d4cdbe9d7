"""The receivers of the fault tests: any number of addresses on one port 25, in a network namespace of their own.

usage: sinkd.py CONTROL

Listens on every address of its namespace, for mail and for questions: it is the name server of sink.plain.example, an
unsigned zone. dN below it is a domain with one MX host, mx.dN, at 10.80.(N/250).(N%250+1). holeN below it is a zone
delegated to an address from which nothing ever comes back. CONTROL is the path of a Unix socket that answers one JSON object for each
line of JSON it gets:
  {"set": {"10.80.1.0/24": "drip"}, "latency": 0.2}   behaviours by network, the longest prefix counts; seconds before
                                                      each reply to the end of a message
  {"report": true}     what was taken: {"taken": {"TOKEN RECIPIENT": count}, "altered": n, "open": n, "connections": n}
  {"forget": true}     forget all that
Behaviours:
  accept    an ordinary server without TLS. A recipient whose local part begins with "reject" gets 550, with "defer" 451
  drip      one octet of an endless greeting each ten seconds
  down      the connection is reset
A message has an X-Token and an X-Digest field, as load.py makes them; only these are kept of it.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import json
import re
import socket
import struct
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

HEAD = re.compile(rb"X-Token: (\S+)\r\nX-Digest: (\w+)\r\n\r\n")
TIMEOUT = 600.0
DRIP = 10.0
MAX_LINE = 4096
MAX_MESSAGE = 16 << 20
BACKLOG = 4096


ZONE = "sink.plain.example"
A, NS, SOA, MX = 1, 2, 6, 15
NXDOMAIN, AUTHORITATIVE = 3, 0x8400


def wire(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def record(name: str, rrtype: int, data: bytes) -> bytes:
    return wire(name) + struct.pack(">HHIH", rrtype, 1, 300, len(data)) + data


class NameServer(asyncio.DatagramProtocol):
    """Answers over UDP alone; what it does not understand it does not answer."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, peer: Any) -> None:
        labels, at = [], 12
        try:
            while data[at]:
                labels.append(data[at + 1 : at + 1 + data[at]].decode("ascii").lower())
                at += 1 + data[at]
            rrtype = struct.unpack(">H", data[at + 1 : at + 3])[0]
        except (IndexError, UnicodeDecodeError, struct.error):
            return
        question = data[12 : at + 5]
        flags, answer, authority, additional = self.answer(".".join(labels), rrtype)
        counts = struct.pack(">HHHHH", flags, 1, len(answer), len(authority), len(additional))
        self.transport.sendto(data[:2] + counts + question + b"".join(answer + authority + additional), peer)

    @staticmethod
    def answer(name: str, rrtype: int) -> tuple[int, list[bytes], list[bytes], list[bytes]]:
        soa = record(ZONE, SOA, wire("ns." + ZONE) + wire("hostmaster.example") + struct.pack(">5I", 1, 600, 600, 9999, 300))
        host, domain = re.fullmatch(r"(mx\.|)d(\d+)\." + ZONE, name), rrtype == MX
        hole = re.fullmatch(r"(?:.*\.)?(hole(\d+)\." + ZONE + ")", name)
        if hole:
            number, server = int(hole[2]), "ns." + hole[1]
            address = bytes([10, 81, number // 250, number % 250 + 1])
            return 0x8000, [], [record(hole[1], NS, wire(server))], [record(server, A, address)]
        if host and not host[1] and domain:
            return AUTHORITATIVE, [record(name, MX, b"\0\x0a" + wire("mx." + name))], [], []
        if host and host[1] and rrtype == A:
            number = int(host[2])
            return AUTHORITATIVE, [record(name, A, bytes([10, 80, number // 250, number % 250 + 1]))], [], []
        if name == ZONE and rrtype == NS:
            return AUTHORITATIVE, [record(ZONE, NS, wire("ns." + ZONE))], [], []
        return AUTHORITATIVE | (0 if host or name == ZONE else NXDOMAIN), [], [soa], []


@dataclass
class State:
    behaviours: dict[Any, str] = field(default_factory=dict)
    latency: float = 0.0
    taken: Counter[str] = field(default_factory=Counter)
    altered: int = 0
    open: int = 0
    connections: int = 0

    def behaviour(self, address: str) -> str:
        here = ipaddress.ip_address(address)
        matching = [network for network in self.behaviours if here in network]
        return self.behaviours[max(matching, key=lambda n: n.prefixlen)] if matching else "accept"

    def take(self, message: bytes, recipients: list[str]) -> None:
        head = HEAD.search(message)
        if not head or hashlib.sha256(message[head.end() :]).hexdigest().encode() != head[2]:
            self.altered += 1
            return
        for recipient in recipients:
            self.taken[f"{head[1].decode()} {recipient}"] += 1


async def session(state: State, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    def reply(text: str) -> None:
        writer.write(text.encode() + b"\r\n")

    reply("220 sink.example ESMTP")
    recipients: list[str] = []
    while line := await asyncio.wait_for(reader.readline(), TIMEOUT):
        verb, _, argument = line.decode("latin-1").strip().partition(" ")
        verb = verb.upper()
        if verb == "EHLO":
            reply("250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 16777216\r\n250 ENHANCEDSTATUSCODES")
        elif verb == "RCPT":
            recipient = argument.partition("<")[2].partition(">")[0]
            if recipient.startswith("reject"):
                reply("550 5.1.1 No such user")
            elif recipient.startswith("defer"):
                reply("451 4.3.0 Try again later")
            else:
                recipients.append(recipient)
                reply("250 2.1.5 OK")
        elif verb == "DATA" and not recipients:
            reply("554 5.5.1 No recipient")
        elif verb == "DATA":
            reply("354 End with a dot")
            await writer.drain()
            message = await asyncio.wait_for(reader.readuntil(b"\r\n.\r\n"), TIMEOUT)
            state.take(message[:-3].replace(b"\r\n.", b"\r\n"), recipients)
            recipients = []
            await asyncio.sleep(state.latency)
            reply("250 2.0.0 Stored")
        elif verb in ("MAIL", "RSET", "NOOP", "HELO"):
            recipients = []
            reply("250 2.0.0 OK")
        elif verb == "QUIT":
            reply("221 2.0.0 Bye")
            break
        else:
            reply("502 5.5.2 Not understood")
        await writer.drain()


async def drip(writer: asyncio.StreamWriter) -> None:
    writer.write(b"220-")
    for _ in range(int(TIMEOUT / DRIP)):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(DRIP)


async def serve(state: State, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    state.open += 1
    state.connections += 1
    try:
        behaviour = state.behaviour(writer.get_extra_info("sockname")[0])
        if behaviour == "down":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif behaviour == "drip":
            await drip(writer)
        else:
            await session(state, reader, writer)
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
        pass  # the peer went away, or did not keep to the limits
    finally:
        state.open -= 1
        writer.close()


async def control(state: State, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        asked = json.loads(line)
        if "set" in asked:
            state.behaviours |= {ipaddress.ip_network(network): mode for network, mode in asked["set"].items()}
        state.latency = asked.get("latency", state.latency)
        if asked.get("forget"):
            state.taken.clear()
            state.altered = state.connections = 0
        answer: dict[str, Any] = {"open": state.open, "connections": state.connections, "altered": state.altered}
        if asked.get("report"):
            answer["taken"] = state.taken
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
    writer.close()


async def main() -> None:
    state = State()
    server = await asyncio.start_server(
        lambda r, w: serve(state, r, w), "0.0.0.0", 25, limit=MAX_MESSAGE, backlog=BACKLOG
    )
    await asyncio.get_running_loop().create_datagram_endpoint(NameServer, ("0.0.0.0", 53), family=socket.AF_INET)
    asked = await asyncio.start_unix_server(lambda r, w: control(state, r, w), sys.argv[1])
    async with server, asked:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
