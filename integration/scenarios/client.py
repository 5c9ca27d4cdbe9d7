"""Hands mail to the daemon, as a host of our own would."""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

SERVER = ("127.0.0.1", 2525)
SENDER = "alice@sender.example"
TIMEOUT = 30.0
QUEUED = re.compile(rb"queued as (\w+)")


class Refused(Exception):
    """The listener said no. `code` is the reply code."""

    def __init__(self, code: int, text: bytes) -> None:
        super().__init__(f"{code} {text.decode(errors='replace')}")
        self.code = code


def message(subject: str, recipient: str = "undisclosed-recipients:;", body: str = "One line.\n") -> bytes:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = SENDER, recipient, subject
    made["Date"], made["Message-ID"] = formatdate(), make_msgid(domain="sender.example")
    made.set_content(body)
    return made.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


class Client:
    """One SMTP session, with `tls` over STARTTLS. Raises OSError or smtplib.SMTPException when the daemon goes away."""

    def __init__(self, server: tuple[str, int] = SERVER, source: str = "", tls: ssl.SSLContext | None = None) -> None:
        self.smtp = smtplib.SMTP(*server, timeout=TIMEOUT, source_address=(source, 0) if source else None)
        self.smtp.ehlo()
        if tls:
            self.smtp.starttls(context=tls)
            self.smtp.ehlo()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.smtp.close()

    def submit(
        self,
        recipients: Sequence[str],
        data: bytes,
        sender: str = SENDER,
        options: Sequence[str] = (),
        wishes: Sequence[str] = (),
    ) -> str:
        """The queue id. `data` ends in CR LF; its dots are stuffed here. `wishes` stand behind each RCPT."""
        for code, text in (self.smtp.mail(sender, options), *(self.smtp.rcpt(r, wishes) for r in recipients)):
            if code >= 400:
                self.smtp.rset()
                raise Refused(code, text)
        try:
            code, text = self.smtp.data(data)
        except smtplib.SMTPDataError as error:
            raise Refused(error.smtp_code, bytes(error.smtp_error)) from error
        found = QUEUED.search(text)
        if code != 250 or not found:
            raise Refused(code, text)
        return found[1].decode()


def submit(
    recipients: Sequence[str],
    data: bytes,
    sender: str = SENDER,
    options: Sequence[str] = (),
    wishes: Sequence[str] = (),
) -> str:
    with Client() as client:
        return client.submit(recipients, data, sender, options, wishes)
