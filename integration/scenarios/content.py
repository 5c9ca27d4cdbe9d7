"""What arrives is what was handed in, and how it was carried."""

from __future__ import annotations

import random
import re

import client
from harness import World, require, same, test

OURS = re.compile(
    rb"Received: from \S+ \(\[127\.0\.0\.1\]\) by sealpost\.example \(Sealpost\)\r\n"
    rb"(?:\t[^\r\n]*\r\n)+\Z"
)
HEADER = b"From: Alice <alice@sender.example>\r\nX-Odd:   spaces  and\r\n\tfolding \r\nsubject: %s\r\n\r\n"


def long_body() -> bytes:
    """A mebibyte of lines of every length up to the limit of 998 octets."""
    chance = random.Random(1)
    body = bytearray()
    while len(body) < 1 << 20:
        body += bytes(chance.choices(b"abc .", k=chance.randint(0, 998))) + b"\r\n"
    return bytes(body)


BODIES = {
    "dots": b".\r\n..\r\n...\r\n.hidden\r\nlast line\r\n.\r\n",
    "octets": bytes(range(1, 10)) + b"\x0b\x0c" + bytes(range(14, 256)) + b"\r\n\xff\xfe\r\n",
    "long": long_body(),
    "empty lines": b"\r\n\r\n\r\n",
}


@test("what arrives has one Received field of ours on top and is otherwise the same octet for octet [SMTP-27 SMTP-30]")
def unchanged(world: World) -> None:
    with world.daemon() as daemon:
        for domain in ("dane-ok.example", "plain.example"):
            for name, body in BODIES.items():
                token = f"{name} at {domain}".encode()
                message = HEADER % token + body
                queue_id = client.submit([f"user@{domain}"], message, options=["BODY=8BITMIME"])
                stored = world.wait_for_mail(f"user@{domain}", token)
                require(stored.endswith(message), f"'{name}' was changed on its way to {domain}")
                # On top of ours is only what the receiving Postfix added.
                prefix = stored.removesuffix(message)
                same("the number of Received fields", prefix.count(b"Received: "), 2)
                own = prefix[prefix.rindex(b"Received: ") :]
                require(OURS.match(own) and queue_id.encode() in own, f"our Received field is odd: {own!r}")
        same("what is left in the queue", daemon.queue(), [])


@test("EHLO is sent again after STARTTLS and the envelope only then, with the size and 8BITMIME [TLS-01 TLS-05 EXT-01 EXT-13 SMTP-28 SMTP-36]")
def dialog(world: World) -> None:
    host = world.row("dane-watched.example")["hosts"]["mx"]
    before = len(world.events(host["addresses"][0]))
    message = HEADER % b"watched" + BODIES["octets"]
    with world.daemon() as daemon:
        client.submit(["User.Name+Tag@dane-watched.example"], message, options=["BODY=8BITMIME"])
        stored = world.wait_for_mail("user.name+tag@dane-watched.example", b"watched")
        daemon.stop()
    events = world.events(host["addresses"][0])[before:]
    commands = [(event["tls"], event["text"]) for event in events if event["event"] == "command"]
    ehlo, mail = "EHLO sealpost.example", f"MAIL FROM:<alice@sender.example> SIZE={len(stored)} BODY=8BITMIME"
    wanted = [(False, ehlo), (False, "STARTTLS"), (True, ehlo), (True, mail)]
    wanted += [(True, "RCPT TO:<User.Name+Tag@dane-watched.example>"), (True, "DATA"), (True, "QUIT")]
    same("what the receiver was told", commands, wanted)
