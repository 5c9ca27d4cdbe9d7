"""What a message itself asks of TLS (RFC 8689): how the listener learns it, and that the queue keeps it."""

from __future__ import annotations

import email
import ssl
import subprocess
from pathlib import Path
from typing import Any

import client
from daemon import Daemon
from harness import Failed, World, require, same, test
from intake import Raw

NAME = "sealpost.example"
STUCK = "user@mx-bogus.example"  # waits whatever it asks for: the MX answer is forged
FIELD = b"TLS-Required: No\r\n"


def trusting(world: World) -> ssl.SSLContext:
    """Verifies the listener's certificate as a client would; its name is looked at afterwards."""
    context = ssl.create_default_context(cafile=str(world.lab / "ca.pem"))
    context.check_hostname = False  # smtplib would ask for the address
    return context


def secured(world: World) -> client.Client:
    session = client.Client(tls=trusting(world))
    assert isinstance(session.smtp.sock, ssl.SSLSocket)
    certificate = session.smtp.sock.getpeercert() or {}
    same("the name in the listener's certificate", certificate.get("subjectAltName"), (("DNS", NAME),))
    return session


def shown(daemon: Daemon, queue_id: str) -> tuple[str, str]:
    """What `queue show` says of TLS: the JSON's word and the text's line."""
    lines = [line.split(maxsplit=1) for line in daemon.text("queue", "show", queue_id).splitlines() if line]
    text = next((rest[0] for name, *rest in lines if name == "tls:"), "")
    return daemon.json("queue", "show", queue_id)["tls"], text


@test("STARTTLS is offered and REQUIRETLS inside it alone; in clear or with a value it is refused [REQTLS-01 REQTLS-02]")
def offers(world: World) -> None:
    with world.daemon():
        raw = Raw()
        raw.reply()
        offered = raw.command(b"EHLO [127.0.0.1]")
        require(b"STARTTLS" in offered, f"STARTTLS is not offered: {offered!r}")
        require(b"REQUIRETLS" not in offered, f"REQUIRETLS is offered in clear: {offered!r}")
        same("the answer in clear", raw.command(b"MAIL FROM:<alice@sender.example> REQUIRETLS")[:9], b"530 5.7.0")
        with secured(world) as session:
            require(session.smtp.has_extn("requiretls"), "REQUIRETLS is not offered inside TLS")
            same("the parameters of REQUIRETLS", session.smtp.esmtp_features["requiretls"], "")
            require(not session.smtp.has_extn("starttls"), "STARTTLS is offered inside TLS")
            code, text = session.smtp.mail(client.SENDER, ["REQUIRETLS=yes"])
            same("the answer to a value", (code, text[:5]), (501, b"5.5.4"))


@test("what a client asks of TLS is kept with its message, also over a restart [REQTLS-04 REQTLS-05 REQTLS-06 REQTLS-22 SUB-10]")
def kept(world: World) -> None:
    config = world.configuration()
    plain = client.message("about TLS", STUCK)
    wanted: dict[str, tuple[str, str]] = {}
    with world.daemon(config=config):
        with secured(world) as session:
            for options, data, tag in (
                (["REQUIRETLS"], plain, ("required", "required on every hop (REQUIRETLS)")),
                (["REQUIRETLS"], FIELD + plain, ("required", "required on every hop (REQUIRETLS)")),
                ([], FIELD + plain, ("optional", "optional (TLS-Required: No)")),
                ([], plain, ("by-policy", "by policy")),
            ):
                wanted[session.submit([STUCK], data, options=options)] = tag
        with client.Client() as session:
            for data, tag in (
                (FIELD + plain, ("optional", "optional (TLS-Required: No)")),
                (FIELD + FIELD + plain, ("by-policy", "by policy")),
                (b"TLS-Required: Yes\r\n" + plain, ("by-policy", "by policy")),
                (plain + FIELD, ("by-policy", "by policy")),
            ):
                wanted[session.submit([STUCK], data)] = tag
    with world.daemon(config=config) as daemon:
        for queue_id, tag in wanted.items():
            same(f"what {queue_id} asks of TLS", shown(daemon, queue_id), tag)


@test("mail that came over TLS says so in its Received field, with the cipher suite [TLS-21]")
def received(world: World) -> None:
    with world.daemon():
        with secured(world) as session:
            cipher: Any = session.smtp.sock.cipher()  # type: ignore[union-attr]
            session.submit(["user@plain.example"], client.message("over TLS"))
        client.submit(["user@plain.example"], client.message("in clear"))
        for subject, with_word, clause in (("over TLS", "ESMTPS", f" tls {cipher[0]};"), ("in clear", "ESMTP", "")):
            data = world.wait_for_mail("user@plain.example", f"Subject: {subject}".encode())
            fields = email.message_from_bytes(data).get_all("Received", [])
            ours = " ".join(next(field for field in fields if f"by {NAME}" in field).split())
            require(f" with {with_word} id " in ours, f"Received of the mail {subject} is: {ours}")
            require(clause in ours and (" tls " in ours) == bool(clause), f"Received of the mail {subject} is: {ours}")


@test("octets that came in clear are never taken for what TLS protects [3207 §4.2]")
def injected(world: World) -> None:
    with world.daemon() as daemon:
        raw = Raw()
        raw.reply()
        raw.command(b"EHLO [127.0.0.1]")
        raw.socket.sendall(b"STARTTLS\r\nEHLO evil.example\r\nMAIL FROM:<evil@sender.example>\r\n")
        same("the answer to STARTTLS with more behind it", raw.reply()[:9], b"554 5.5.0")
        same("what follows", raw.reply(), b"")
        raw = Raw()
        raw.reply()
        raw.command(b"EHLO [127.0.0.1]")
        same("the answer to STARTTLS", raw.command(b"STARTTLS")[:3], b"220")
        raw.socket.sendall(b"EHLO evil.example\r\nMAIL FROM:<evil@sender.example>\r\n")
        answer = raw.file.read(4096)
        require(b"250" not in answer, f"commands in clear behind the 220 were answered {answer!r}")
        require("TLS handshake with [127.0.0.1] failed" in daemon.log_text(), "the log says nothing of the handshake")
        client.submit([STUCK], client.message("and the listener goes on"))


@test("a client that is silent in the handshake is not waited for")
def silent(world: World) -> None:
    with world.daemon('[listener]\ncommand_timeout = "1s"\n'):
        raw = Raw()
        raw.reply()
        raw.command(b"EHLO [127.0.0.1]")
        same("the answer to STARTTLS", raw.command(b"STARTTLS")[:3], b"220")
        same("what comes after a second of silence", raw.file.read(4096), b"")


@test("a certificate or key that cannot be used ends the start with 78 and says what to do")
def unusable(world: World) -> None:
    good = world.lab / "certs" / NAME
    other = next(key for key in (world.lab / "certs").glob("mx*.key") if key.stem != NAME)
    for certificate, key, words in (
        (f"{good}.pem", other, ("listener.tls_key", "is not the key of the first certificate", "name the key")),
        ("/nonexistent.pem", f"{good}.key", ("listener.tls_certificate '/nonexistent.pem' cannot be read", "correct the path")),
        (f"{good}.pem", "", ("listener.tls_key", "set both, or none of them")),
    ):  # fmt: skip
        config = world.configuration(f'[listener]\ntls_certificate = "{certificate}"\ntls_key = "{key}"\n')
        code, text = start(world.binary, config)
        same(f"the exit code with {certificate} and {key or 'no key'}", code, 78)
        for word in words:
            require(word in text, f"'{word}' is not in: {text.strip()}")


def start(binary: Path, config: Path) -> tuple[int, str]:
    """The exit code and the words of a daemon that is expected not to start."""
    try:
        done = subprocess.run(
            [binary, "serve", "-c", config], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Failed("the daemon started") from None
    return done.returncode, done.stderr


@test("without a certificate there is neither STARTTLS nor REQUIRETLS [REQTLS-02]")
def without(world: World) -> None:
    with world.daemon('[listener]\ntls_certificate = ""\ntls_key = ""\n'):
        raw = Raw()
        raw.reply()
        offered = raw.command(b"EHLO [127.0.0.1]")
        require(b"TLS" not in offered, f"TLS is offered: {offered!r}")
        same("the answer to STARTTLS", raw.command(b"STARTTLS")[:3], b"502")
        same("the answer to REQUIRETLS", raw.command(b"MAIL FROM:<> REQUIRETLS")[:9], b"530 5.7.0")
