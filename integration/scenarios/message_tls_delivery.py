"""What becomes of mail that itself asks something of TLS (RFC 8689), from submission to the receiver or back."""

from __future__ import annotations

import email
import email.policy
import json
from email.message import EmailMessage
from typing import Any

import client
from harness import World, require, same, test, wait_for
from message_tls import FIELD, secured

SECRET = "the secret of the body"


def mail_commands(world: World, domain: str, sender: str) -> list[dict[str, Any]]:
    """The MAIL commands of this sender that the domain's host heard."""
    table = json.loads((world.lab / "scenarios.json").read_text())
    hosts = next(row["hosts"] for row in table if row["domain"] == domain)
    address = next(iter(hosts.values()))["addresses"][0]
    return [e for e in world.events(address) if e["event"] == "command" and f"MAIL FROM:<{sender}>" in e["text"]]


def bounce(world: World, sender: str) -> tuple[EmailMessage, bytes]:
    stored = world.wait_for_mail(sender, b"multipart/report")
    report = email.message_from_bytes(stored, policy=email.policy.default)
    assert isinstance(report, EmailMessage)
    return report, stored


def status(report: EmailMessage) -> str:
    part = next(p for p in report.iter_parts() if p.get_content_type() == "message/delivery-status")
    return [dict(group.items()) for group in part.iter_parts()][1]["Status"]


def refused(world: World, domain: str, sender: str, code: str) -> None:
    """REQUIRETLS mail for the domain comes back with this status, without its body, and none of it was sent."""
    recipient = f"required@{domain}"
    with world.daemon() as daemon:
        with secured(world) as session:
            session.submit([recipient], client.message("requires", recipient, SECRET), sender, ["REQUIRETLS"])
        report, stored = bounce(world, sender)
        wait_for("an empty queue", lambda: not daemon.queue())
    same("the status of the bounce", status(report), code)
    require(SECRET.encode() not in stored, "the bounce returns the body of a REQUIRETLS message")
    require(b"Subject: requires" in stored, "the bounce returns no header")
    same("what the receiver got", world.mail(recipient), [])


@test("REQUIRETLS is passed on inside TLS to a host that is vouched for and offers it [REQTLS-08 REQTLS-09 REQTLS-13]")
def passed_on(world: World) -> None:
    with world.daemon():
        with secured(world) as session:
            message = client.message("passed on", "user@requiretls.example")
            session.submit(["user@requiretls.example"], message, "on@sender.example", ["REQUIRETLS"])
        world.wait_for_mail("user@requiretls.example", b"Subject: passed on")
        client.submit(["user@requiretls.example"], client.message("by policy"), "by-policy@sender.example")
        world.wait_for_mail("user@requiretls.example", b"Subject: by policy")
    heard = mail_commands(world, "requiretls.example", "on@sender.example")
    same("MAIL inside TLS with REQUIRETLS", [(e["tls"], e["text"].endswith(" REQUIRETLS")) for e in heard], [(True, True)])
    others = mail_commands(world, "requiretls.example", "by-policy@sender.example")
    require(others and not any("REQUIRETLS" in e["text"] for e in others), f"MAIL without a tag was {others}")


@test("a host that offers REQUIRETLS in clear alone gets no REQUIRETLS mail [REQTLS-11 REQTLS-14 REQTLS-17]")
def in_clear_alone(world: World) -> None:
    refused(world, "requiretls-clear.example", "clear@sender.example", "5.7.30")
    same("MAIL commands", mail_commands(world, "requiretls-clear.example", "clear@sender.example"), [])


@test("without REQUIRETLS at the receiver the message comes back as its header [REQTLS-14 REQTLS-17 DSN-19]")
def not_offered(world: World) -> None:
    refused(world, "dane-ok.example", "not-offered@sender.example", "5.7.30")


@test("without TLS at the receiver the message comes back as its header [REQTLS-15 REQTLS-17]")
def no_tls(world: World) -> None:
    refused(world, "plain.example", "no-tls@sender.example", "5.7.10")


@test("TLS-Required: No delivers where a policy would hold the message, still over TLS [REQTLS-19]")
def optional(world: World) -> None:
    recipient = "optional@dane-mismatch.example"
    with world.daemon():
        client.submit([recipient], FIELD + client.message("optional", recipient), "optional@sender.example")
        world.wait_for_mail(recipient, b"Subject: optional")
    heard = mail_commands(world, "dane-mismatch.example", "optional@sender.example")
    same("MAIL inside TLS", [e["tls"] for e in heard], [True])
