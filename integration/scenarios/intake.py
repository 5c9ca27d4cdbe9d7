"""The listener over a real socket: smuggled ends of data, and who may relay."""

from __future__ import annotations

import socket

import client
from harness import Failed, World, require, same, test

FALSE_ENDS = [
    b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n.\r", b"\r\n\x00.\r\n", b"\r\n.\x00\r\n",
]  # fmt: skip
SMUGGLED = b"MAIL FROM:<alice@sender.example>\r\nRCPT TO:<smuggled@plain.example>\r\nDATA\r\nSubject: smuggled\r\n\r\n"
FOREIGN = "192.0.2.25"


class Raw:
    """Octets as they are."""

    def __init__(self) -> None:
        self.socket = socket.create_connection(client.SERVER, timeout=10)
        self.file = self.socket.makefile("rb")

    def reply(self) -> bytes:
        """One reply, all its lines; b"" when the connection has ended."""
        lines = b""
        while line := self.file.readline(4096):
            lines += line
            if line[3:4] != b"-":
                break
        return lines

    def command(self, line: bytes) -> bytes:
        self.socket.sendall(line + b"\r\n")
        return self.reply()


def smuggle(end: bytes) -> None:
    raw = Raw()
    raw.reply()
    for line in (b"EHLO [127.0.0.1]", b"MAIL FROM:<alice@sender.example>", b"RCPT TO:<user@plain.example>", b"DATA"):
        require((reply := raw.command(line))[:1] in b"23", f"{line!r} was answered {reply!r}")
    raw.socket.sendall(b"Subject: smuggling\r\n\r\ntext" + end + SMUGGLED + b"text\r\n.\r\nQUIT\r\n")
    replies = []
    while reply := raw.reply():
        replies.append(reply[:3])
    raw.socket.close()
    if not replies or replies[0][:1] != b"5" or replies[1:] not in ([], [b"221"]):
        raise Failed(f"after {end!r} the replies were {replies}, expected one 5xx and at most the 221 to QUIT")


@test("only CR LF . CR LF ends a message; whatever holds a bare CR or LF or a NUL is refused [SMTP-29 SMTP-31]")
def smuggling(world: World) -> None:
    with world.daemon() as daemon:
        for end in FALSE_ENDS:
            smuggle(end)
        same("what is in the queue", daemon.queue(), [])
        same("what was smuggled", world.mail("smuggled@plain.example"), [])
        client.submit(["user@plain.example"], client.message("after the smuggling"))
        world.wait_for_mail("user@plain.example", b"after the smuggling")


@test("nobody outside listener.relay_networks may relay")
def relay(world: World) -> None:
    with world.daemon(f'[listener]\nlisten = ["127.0.0.1:2525", "{FOREIGN}:2525"]\n') as daemon:
        try:
            with client.Client((FOREIGN, 2525), source=FOREIGN) as session:
                session.submit(["user@plain.example"], client.message("relayed"))
            raise Failed("mail of a foreign host was taken")
        except client.Refused as refused:
            same("the reply code", refused.code // 100, 5)
        same("what is in the queue", daemon.queue(), [])
