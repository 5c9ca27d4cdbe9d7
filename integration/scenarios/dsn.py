"""What a client may ask about notices (NOTIFY, RET, ENVID, ORCPT), and what it gets."""

from __future__ import annotations

import email
import email.policy
import json
from email.message import EmailMessage

import client
from harness import World, require, same, test, wait_for

NOWHERE = "user@nosuch.example"
HELD = "dane-mismatch.example"
WITHOUT_DSN = "requiretls.example"  # its host is the lab's own server, which does not offer DSN
PROMPT = '[queue]\nnotify_after = "1s"\nretry_first = "2s"\nretry_max = "2s"\nretry_jitter = 0.0\n'


class Notice:
    """A stored report, taken apart by Python's own parser."""

    def __init__(self, stored: bytes) -> None:
        self.stored = stored
        report = email.message_from_bytes(stored, policy=email.policy.default)
        assert isinstance(report, EmailMessage)
        self.report = report
        same("the type of the report", report.get_content_type(), "multipart/report")
        same("its defects", [d for part in report.walk() for d in part.defects], [])
        text, status, self.returned = list(report.iter_parts())
        self.text = " ".join(text.get_content().split())
        self.message, *self.recipients = [dict(group.items()) for group in status.iter_parts()]

    def fields(self, recipient: str) -> dict[str, str]:
        return next(r for r in self.recipients if r["Final-Recipient"].endswith(recipient))


def notice(world: World, sender: str, holding: bytes = b"multipart/report") -> Notice:
    return Notice(world.wait_for_mail(sender, holding))


@test("a failure is told as NOTIFY, ORCPT, ENVID and RET=HDRS ask for it [DSN-01 DSN-09 DSN-10 DSN-11 DSN-14]")
def asked_for(world: World) -> None:
    sender = "asked@sender.example"
    secret = "the words of the body"
    with world.daemon():
        client.submit(
            [NOWHERE], client.message("headers only", NOWHERE, secret), sender,
            ["RET=HDRS", "ENVID=QQ+2B314+20x"], ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;Old+2BName@NoSuch.example"],
        )  # fmt: skip
        got = notice(world, sender)
    recipient = got.fields(NOWHERE)
    same("Original-Envelope-Id", got.message["Original-Envelope-Id"], "QQ+314 x")
    same("Original-Recipient", recipient["Original-Recipient"], "rfc822; Old+Name@NoSuch.example")
    same("Action", recipient["Action"], "failed")
    same("what is returned", got.returned.get_content_type(), "text/rfc822-headers")
    require(b"Subject: headers only" in got.stored, "the header is not returned")
    require(secret.encode() not in got.stored, "RET=HDRS, and yet the body is returned")


@test("a held message is told of once, with rule and remedy and end [DSN-07 DSN-17]")
def delayed(world: World) -> None:
    sender, silent = "delayed@sender.example", "delayed-never@sender.example"
    recipient = f"delayed@{HELD}"
    with world.daemon(PROMPT) as daemon:
        queue_id = client.submit([recipient], client.message("is held"), sender, ["ENVID=held-1"])
        without = client.submit([recipient], client.message("is held too"), silent, (), ["NOTIFY=FAILURE"])
        got = notice(world, sender)
        # Two more attempts of each: nobody is told again, and who did not want to know was not told at all.
        for one in (queue_id, without):
            known = len(daemon.traces(one))
            wait_for("two more attempts", lambda one=one, known=known: len(daemon.traces(one)) >= known + 2)  # type: ignore[misc]
        require(f"{queue_id}: sender delay notification: " in daemon.log_text(), "the log has no line of the notice")
        require(f"{without}: sender delay notification" not in daemon.log_text(), "NOTIFY=FAILURE was told of a delay")
        same("the notices of the delay", len(world.mail(sender)), 1)
        same("the notices of who did not ask", world.mail(silent), [])
        same("the queue", sorted(row["id"] for row in daemon.queue()), sorted([queue_id, without]))
    fields = got.fields(recipient)
    same("Action", fields["Action"], "delayed")
    same("Status", fields["Status"], "4.7.5")
    same("Original-Envelope-Id", got.message["Original-Envelope-Id"], "held-1")
    require("Will-Retry-Until" in fields, "Will-Retry-Until is missing")
    require("Original-Recipient" not in fields, "Original-Recipient, but there was no ORCPT")
    same("what is returned", got.returned.get_content_type(), "text/rfc822-headers")
    for words in ("Transport security holds this message back (validation-failure,", f"mx.{HELD}", "What helps:",
                  "Who must act: the recipient's side.", "It is tried until"):  # fmt: skip
        require(words in got.text, f"the text has no {words!r}: {got.text}")


@test("a success that nobody further on will tell is told as relayed, if it was asked for [DSN-06 DSN-09]")
def relayed(world: World) -> None:
    sender, silent = "relayed@sender.example", "relayed-silent@sender.example"
    recipient = f"relayed@{WITHOUT_DSN}"
    with world.daemon() as daemon:
        client.submit([recipient], client.message("told"), sender, ["RET=FULL"], ["NOTIFY=SUCCESS,FAILURE"])
        client.submit([recipient], client.message("not told"), silent, ["RET=FULL"], ["NOTIFY=FAILURE"])
        world.wait_for_mail(recipient, b"Subject: not told")
        got = notice(world, sender)
        wait_for("an empty queue", lambda: not daemon.queue())
    fields = got.fields(recipient)
    same("Action", fields["Action"], "relayed")
    require(fields["Status"].startswith("2."), f"Status is {fields['Status']}")
    same("Remote-MTA", fields["Remote-MTA"], f"dns; mx.{WITHOUT_DSN}")
    same("what is returned", got.returned.get_content_type(), "text/rfc822-headers")
    same("the notices of who did not ask", world.mail(silent), [])
    heard = [e["text"] for e in events(world, WITHOUT_DSN) if sender in e["text"] or recipient in e["text"]]
    require(heard, "the receiver heard nothing")
    require(not [line for line in heard if "NOTIFY" in line or "RET=" in line], f"sent to a host without DSN: {heard}")


def events(world: World, domain: str) -> list[dict[str, str]]:
    """The commands that the domain's host heard."""
    table = json.loads((world.lab / "scenarios.json").read_text())
    hosts = next(row["hosts"] for row in table if row["domain"] == domain)
    address = next(iter(hosts.values()))["addresses"][0]
    return [e for e in world.events(address) if e["event"] == "command"]


@test("NOTIFY=NEVER is silence, whatever becomes of the message [DSN-02]")
def never(world: World) -> None:
    sender = "never@sender.example"
    with world.daemon(PROMPT) as daemon:
        failed = client.submit([NOWHERE], client.message("fails"), sender, (), ["NOTIFY=NEVER"])
        wait_for("the failure", lambda: f"{failed}: removed" in daemon.log_text())
        held = client.submit([f"never@{HELD}"], client.message("waits"), sender, (), ["NOTIFY=NEVER"])
        wait_for("three attempts", lambda: len(daemon.traces(held)) >= 3)
        require("notification" not in daemon.log_text(), "the log tells of a notice")
        same("what is left in the queue", [row["id"] for row in daemon.queue()], [held])
    same("mail for the sender", world.mail(sender), [])


@test("a notice that cannot be delivered is told to nobody [DSN-03 DSN-04]")
def of_a_notice(world: World) -> None:
    with world.daemon(PROMPT) as daemon:
        first = client.submit([NOWHERE], client.message("fails"), f"sender@{HELD}")
        note = f"{first}: sender non-delivery notification: "
        line = wait_for("the notice", lambda: next((t for t in daemon.log_text().splitlines() if note in t), None))
        queue_id = line.partition(note)[2].strip()
        wait_for("three attempts at the notice", lambda: len(daemon.traces(queue_id)) >= 3)
        same("the queue", [row["id"] for row in daemon.queue()], [queue_id])
        same("the lines of notices", daemon.log_text().count("notification: "), 1)


@test("what is asked about notices is refused when it is malformed, and by its name [DSN-14 DSN-15]")
def malformed(world: World) -> None:
    with world.daemon(), client.Client() as session:
        require(session.smtp.has_extn("dsn"), "DSN is not offered")
        require(session.smtp.has_extn("smtputf8"), "SMTPUTF8 is not offered")
        for option in ("RET=ALL", "ENVID=a+2b", f"ENVID={'x' * 101}", "RET=FULL RET=FULL"):
            code, text = session.smtp.mail(client.SENDER, [option])
            same(f"the reply to {option[:20]}", (code, option.split("=")[0].encode() + b"=" in text), (501, True))
        for option in ("NOTIFY=NEVER,FAILURE", "ORCPT=nobody", "ORCPT=rfc822;a+0Ab", "NOTIFY=DELAY NOTIFY=DELAY"):
            session.smtp.rset()
            same("the reply to MAIL", session.smtp.mail(client.SENDER)[0], 250)
            code, text = session.smtp.rcpt(NOWHERE, [option])
            same(f"the reply to {option[:20]}", (code, option.split("=")[0].encode() + b"=" in text), (501, True))
