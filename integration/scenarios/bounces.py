"""Mail that cannot be delivered goes back to its sender, and never when there is none."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage

import client
from harness import World, require, same, test, wait_for

SENDER = "bounced@sender.example"


def fields(part: EmailMessage) -> list[dict[str, str]]:
    """The groups of fields of a message/delivery-status part."""
    return [dict(group.items()) for group in part.iter_parts()]


@test("a domain that does not exist fails at once and the sender gets a report [SMTP-02 DSN-01 DSN-08 DSN-10 DSN-11 DSN-12 DSN-18]")
def nonexistent(world: World) -> None:
    with world.daemon() as daemon:
        original = client.message("to a domain that is none", "user@nosuch.example")
        queue_id = client.submit(["user@nosuch.example"], original, sender=SENDER)
        stored = world.wait_for_mail(SENDER, b"nosuch.example")
        same("what is left in the queue", wait_for("an empty queue", lambda: not daemon.queue()), True)
        require(f"{queue_id}: to=<user@nosuch.example>" in daemon.log_text(), "the log has no line of the recipient")
    report = email.message_from_bytes(stored, policy=email.policy.default)
    assert isinstance(report, EmailMessage)
    same("the type of the report", report.get_content_type(), "multipart/report")
    same("report-type", report.get_param("report-type"), "delivery-status")
    same("Auto-Submitted", report["Auto-Submitted"], "auto-replied")
    same("To", report["To"].addresses[0].addr_spec, SENDER)
    require(report["From"] and report["Date"] and report["Message-ID"], "From, Date or Message-ID is missing")
    parts = list(report.iter_parts())
    types = ["text/plain", "message/delivery-status", "message/rfc822"]
    same("the parts", [part.get_content_type() for part in parts], types)
    require("user@nosuch.example" in parts[0].get_content(), "the text does not name the recipient")
    message, recipient = fields(parts[1])
    same("Reporting-MTA", message["Reporting-MTA"], "dns; sealpost.example")
    require("Arrival-Date" in message, "Arrival-Date is missing")
    same("Final-Recipient", recipient["Final-Recipient"].replace(" ", ""), "rfc822;user@nosuch.example")
    same("Action", recipient["Action"], "failed")
    same("Status", recipient["Status"], "5.1.2")
    require("Remote-MTA" not in recipient, "Remote-MTA is told, but no remote host was involved")
    require(original.strip() in stored, "the report does not return the message")


@test("the report of a failure has the null reverse-path [DSN-03]")
def null_path(world: World) -> None:
    with world.daemon():
        client.submit(["user@null-mx.example"], client.message("null path"), sender="nullpath@sender.example")
        world.wait_for_mail("nullpath@sender.example", b"null-mx.example")
    log = (world.lab / "log" / "postfix.log").read_text()
    ids = [line.split(": ")[1] for line in log.splitlines() if "to=<nullpath@sender.example>" in line]
    require(ids and f"{ids[0]}: from=<>," in log, "the receiver's log has no from=<> for the report")


@test("mail with the null reverse-path that fails is dropped without a report [DSN-04 SMTP-24]")
def no_report(world: World) -> None:
    before = {path for path in (world.lab / "mail").rglob("*.eml")}
    with world.daemon() as daemon:
        queue_id = client.submit(["user@nosuch.example"], client.message("from nobody"), sender="")
        wait_for("the failure", lambda: f"{queue_id}: removed" in daemon.log_text())
        same("what is left in the queue", daemon.queue(), [])
        daemon.stop()
    same("new mail", {path for path in (world.lab / "mail").rglob("*.eml")} - before, set())
