"""A small SMTP and LMTP server that can misbehave and writes down every command it gets.

usage: smtpd.py CONFIG.json

The configuration lists listeners: address, port, name (in the greeting), chain (key and certificate; "" for no TLS),
behaviour, protocol ("smtp" or "lmtp"). One line of JSON for each event goes to LOG/smtpd-ADDRESS.jsonl:
session, event (connect, command, reply, tls, data, close), tls (whether the channel was encrypted) and its text. What is
accepted goes to MAIL/RECIPIENT/NUMBER.eml, octet for octet as sent (dot-stuffing undone), CR LF kept.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import socket
import ssl
import sys
import threading
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BEHAVIOURS = {
    "normal": "an ordinary server",
    "no-starttls": "STARTTLS is not offered, as if stripped on the way",
    "refuse-starttls": "STARTTLS is offered and answered 454",
    "unknown-starttls": "STARTTLS is offered and answered 502",
    "helo-only": "EHLO is answered 502, HELO is not",
    "tls1": "TLS 1.0 and nothing newer",
    "tls1.1": "TLS 1.1 and nothing newer",
    "tls1.2": "TLS 1.2 and nothing newer",
    "garbage-tls": "STARTTLS is answered 220, then comes no TLS",
    "inject": "more replies follow the 220 of STARTTLS in clear",
    "requiretls": "REQUIRETLS is offered inside TLS",
    "requiretls-in-clear": "REQUIRETLS is offered before TLS and not inside it, as if somebody had put it in",
    "hang": "no greeting",
    "hang-starttls": "STARTTLS is answered 220, then silence",
    "reject-rcpt": "every recipient is refused with 550",
    "defer-rcpt": "every recipient is put off with 451",
    "close-after-data": "the connection ends where the reply to the message should come",
}
OLD_VERSIONS = {"tls1": ssl.TLSVersion.TLSv1, "tls1.1": ssl.TLSVersion.TLSv1_1, "tls1.2": ssl.TLSVersion.TLSv1_2}
TIMEOUT = 60.0
MAX_LINE = 4096
MAX_MESSAGE = 64 << 20
MAX_SESSIONS = 100
MAX_EVENTS = 20000  # lines of one log
MAX_STORED = 50_000  # messages kept in all
RECIPIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.@_+=-]{0,150}")


class Gone(Exception):
    """The peer left, or broke a limit: the session is over."""


class Log:
    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()
        self._left = MAX_EVENTS

    def write(self, **event: Any) -> None:
        with self._lock:
            if self._left > 0:
                self._left -= 1
                self._file.write(json.dumps({"time": round(time.time(), 3)} | event) + "\n")
                self._file.flush()


class Mailbox:
    """DIR/mail. A message appears under its final name only when it is complete."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._numbers = itertools.count(1)

    def store(self, recipient: str, message: bytes) -> bool:
        number = next(self._numbers)
        if number > MAX_STORED or not RECIPIENT.fullmatch(recipient):
            return False
        folder = self.directory / recipient.lower()
        folder.mkdir(exist_ok=True)
        part = folder / f".{number:06}.part"
        part.write_bytes(message)
        os.rename(part, folder / f"{number:06}.eml")
        return True


@dataclass(frozen=True)
class Listener:
    address: str
    port: int
    name: str
    chain: str
    behaviour: str = "normal"
    protocol: str = "smtp"


class Session:
    def __init__(self, sock: socket.socket, listener: Listener, log: Log, mailbox: Mailbox, number: int) -> None:
        self.sock, self.listener, self.log, self.mailbox, self.number = sock, listener, log, mailbox, number
        self.buffer = bytearray()
        self.tls = False
        self.sender: str | None = None
        self.recipients: list[str] = []
        sock.settimeout(TIMEOUT)

    def event(self, event: str, text: str = "") -> None:
        self.log.write(session=self.number, event=event, tls=self.tls, text=text)

    def fill(self) -> None:
        more = self.sock.recv(65536)
        if not more:
            raise Gone("closed by the peer")
        self.buffer += more

    def line(self) -> str:
        while b"\r\n" not in self.buffer:
            if len(self.buffer) > MAX_LINE:
                raise Gone("line too long")
            self.fill()
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line.decode("utf-8", "backslashreplace")

    def message(self) -> bytes:
        """Up to CR LF . CR LF; the dots that were stuffed are removed."""
        self.buffer[:0] = b"\r\n"
        searched = 0
        while (end := self.buffer.find(b"\r\n.\r\n", max(0, searched - 5))) < 0:
            searched = len(self.buffer)
            if searched > MAX_MESSAGE:
                raise Gone("message too large")
            self.fill()
        data, self.buffer = self.buffer[: end + 2], self.buffer[end + 5 :]
        return bytes(data.replace(b"\r\n.", b"\r\n")[2:])

    def reply(self, *lines: str) -> None:
        code, texts = lines[0][:3], [lines[0][4:], *lines[1:]]
        wire = "".join(f"{code}{'-' if i < len(texts) else ' '}{t}\r\n" for i, t in enumerate(texts, 1))
        self.event("reply", lines[0])
        self.sock.sendall(wire.encode())

    def hang(self) -> None:
        """Silence until the peer leaves or the time is up; what it sends meanwhile is dropped."""
        until = time.monotonic() + TIMEOUT
        while time.monotonic() < until and self.sock.recv(65536):
            pass
        raise Gone("hung")

    def starttls(self) -> None:
        behaviour = self.listener.behaviour
        if self.tls or not self.listener.chain or behaviour == "no-starttls":
            return self.reply("502 5.5.1 STARTTLS is not offered here")
        if behaviour == "refuse-starttls":
            return self.reply("454 4.7.0 TLS not available due to temporary reason")
        if behaviour == "unknown-starttls":
            return self.reply("502 5.5.2 Not understood")
        if behaviour == "inject":
            self.event("reply", "220 with injected replies")
            self.sock.sendall(b"220 2.0.0 Ready\r\n250-injected.example\r\n250 SIZE 1\r\n")
        else:
            self.reply("220 2.0.0 Ready to start TLS")
        if behaviour == "hang-starttls":
            self.hang()
        if behaviour == "garbage-tls":
            self.sock.recv(65536)  # sent before the ClientHello it would be an injection
            self.sock.sendall(b"this is not TLS\r\n" * 8)
            raise Gone("garbage sent")
        if self.buffer:
            self.event("command", f"{len(self.buffer)} octets after STARTTLS, dropped")
            self.buffer.clear()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if old := OLD_VERSIONS.get(behaviour):
            with warnings.catch_warnings():  # that they are deprecated is why they are here
                warnings.simplefilter("ignore", DeprecationWarning)
                context.minimum_version = context.maximum_version = old
            context.set_ciphers("ALL:@SECLEVEL=0")
        context.load_cert_chain(self.listener.chain)
        asked: list[str] = []
        context.sni_callback = lambda _sock, name, _context: asked.append(name or "")
        try:
            secured = context.wrap_socket(self.sock, server_side=True)
        except (ssl.SSLError, OSError) as error:
            self.event("tls", f"handshake failed: {error}")
            raise Gone("handshake failed") from error
        self.sock, self.tls, self.sender, self.recipients = secured, True, None, []
        self.event("tls", f"{secured.version()} sni={asked[0] if asked else ''}")

    def ehlo(self) -> None:
        offers = ["PIPELINING", "SIZE 67108864", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"]
        if self.listener.chain and not self.tls and self.listener.behaviour != "no-starttls":
            offers.append("STARTTLS")
        if self.listener.behaviour == ("requiretls" if self.tls else "requiretls-in-clear"):
            offers.append("REQUIRETLS")
        self.sender, self.recipients = None, []
        self.reply(f"250 {self.listener.name}", *offers)

    def rcpt(self, argument: str) -> None:
        refusals = {"reject-rcpt": "550 5.1.1 No such user", "defer-rcpt": "451 4.3.0 Try again later"}
        if self.sender is None:
            return self.reply("503 5.5.1 MAIL first")
        if refusal := refusals.get(self.listener.behaviour):
            return self.reply(refusal)
        match = re.match(r"TO:<([^<>]*)>", argument, re.I)
        if not match or len(self.recipients) >= 1000:
            return self.reply("452 4.5.3 Bad or too many recipients")
        self.recipients.append(match[1])
        self.reply("250 2.1.5 OK")

    def data(self) -> None:
        if not self.recipients:
            return self.reply("503 5.5.1 RCPT first")
        self.reply("354 End with a dot")
        message = self.message()
        self.event("data", f"{len(message)} octets")
        if self.listener.behaviour == "close-after-data":
            raise Gone("closed after data")
        stored = [self.mailbox.store(recipient, message) for recipient in self.recipients]
        results = stored if self.listener.protocol == "lmtp" else [all(stored)]
        for good in results:
            self.reply("250 2.0.0 Stored" if good else "452 4.3.1 The lab's mailbox is full")
        self.sender, self.recipients = None, []

    def command(self, line: str) -> bool:
        """Answer one command; False: the session ends."""
        self.event("command", line)
        verb, _, argument = line.partition(" ")
        verb = verb.upper()
        if verb == "QUIT":
            self.reply("221 2.0.0 Bye")
            return False
        if verb == "HELO":
            self.sender, self.recipients = None, []
            self.reply(f"250 {self.listener.name}")
        elif verb == "EHLO" and self.listener.behaviour == "helo-only":
            self.reply("502 5.5.2 Not understood")
        elif verb in ("EHLO", "LHLO"):
            self.ehlo()
        elif verb == "STARTTLS":
            self.starttls()
        elif verb == "MAIL":
            self.sender, self.recipients = argument, []
            self.reply("250 2.1.0 OK")
        elif verb == "RCPT":
            self.rcpt(argument)
        elif verb == "DATA":
            self.data()
        elif verb in ("RSET", "NOOP"):
            if verb == "RSET":
                self.sender, self.recipients = None, []
            self.reply("250 2.0.0 OK")
        else:
            self.reply("502 5.5.2 Not understood")
        return True

    def run(self, peer: str) -> None:
        self.event("connect", peer)
        try:
            if self.listener.behaviour == "hang":
                self.hang()
            self.reply(f"220 {self.listener.name} {'LMTP' if self.listener.protocol == 'lmtp' else 'ESMTP'}")
            while self.command(self.line()):
                pass
            reason = "quit"
        except (Gone, OSError) as error:
            reason = str(error)
        self.event("close", reason)
        self.sock.close()


def listen(listener: Listener, log: Log, mailbox: Mailbox, slots: threading.Semaphore) -> threading.Thread:
    family = socket.AF_INET6 if ":" in listener.address else socket.AF_INET
    server = socket.create_server((listener.address, listener.port), family=family, backlog=64)

    def serve(sock: socket.socket, peer: str, number: int) -> None:
        try:
            Session(sock, listener, log, mailbox, number).run(peer)
        finally:
            slots.release()

    def accept() -> None:
        for number in itertools.count(1):
            sock, peer = server.accept()
            slots.acquire()
            threading.Thread(target=serve, args=(sock, peer[0], number), daemon=True).start()

    thread = threading.Thread(target=accept)
    thread.start()
    return thread


def main() -> None:
    config = json.loads(Path(sys.argv[1]).read_text())
    listeners = [Listener(**entry) for entry in config["listeners"]]
    for listener in listeners:
        if listener.behaviour not in BEHAVIOURS:
            sys.exit(f"smtpd.py: behaviour '{listener.behaviour}' of {listener.name} is none of {', '.join(BEHAVIOURS)}")
    mailbox, slots = Mailbox(Path(config["mail"])), threading.Semaphore(MAX_SESSIONS)
    for listener in listeners:
        log = Log(Path(config["log"]) / f"smtpd-{listener.address}.jsonl")
        listen(listener, log, mailbox, slots)


if __name__ == "__main__":
    main()
