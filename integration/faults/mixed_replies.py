"""One message to a hundred recipients of whom some are refused, some put off, and a daemon that is killed meanwhile."""

from __future__ import annotations

import random
import time

import client
from daemon import Daemon
from form import figure, times
from harness import World, require, same, test, wait_for
from load import tagged
from sink import domain, settings, sink

ROUNDS = times(3, 40)
GOOD, REJECTED, DEFERRED = 40, 30, 30
LATENCY = 0.4  # seconds between the end of the message and the reply to it


@test("of a hundred recipients with mixed replies each is served once, told or kept, though the daemon is killed between [SMTP-33 SMTP-34]")
def mixed(world: World) -> None:
    chance, copies = random.Random(10), 0
    daemon = Daemon(world.binary, world.configuration(settings(queue="")))
    world.logs.append(daemon.log)
    good, rejected, deferred = (
        [f"{kind}{number}@{domain(7)}" for number in range(count)]
        for kind, count in (("good", GOOD), ("reject", REJECTED), ("defer", DEFERRED))
    )
    recipients = [*good, *rejected, *deferred]
    chance.shuffle(recipients)
    with sink(world) as receivers:
        try:
            for number in range(ROUNDS):
                token = f"mixed-{number}"
                receivers.ask(latency=LATENCY)
                daemon.start()
                queue_id = client.submit(recipients, tagged(token))
                wait_for("the receiver took it", lambda: receivers.taken().get(f"{token} {good[0]}"), 10)
                # Before the reply, between it and the commit, or behind both.
                time.sleep(chance.uniform(0, 1.3 * LATENCY))
                daemon.kill()
                receivers.ask(latency=0)
                daemon.start()
                daemon.run("queue", "retry", queue_id)
                waits = lambda: {e["recipient"] for e in daemon.queue() if e["id"] == queue_id}  # noqa: E731
                wait_for("the others are settled", lambda: waits() == set(deferred), 20)
                world.wait_for_mail(client.SENDER, f"X-Token: {token}".encode())
                # What is settled stays so.
                daemon.kill()
                daemon.start()
                same("who waits after the second kill", waits(), set(deferred))
                daemon.run("queue", "delete", queue_id)
                taken = {key.partition(" ")[2]: n for key, n in receivers.taken().items() if key.startswith(f"{token} ")}
                same("who was served", set(taken), set(good))
                require(max(taken.values()) <= 2, "somebody was served more often than the message was in flight")
                copies += sum(taken.values()) - len(good)
                reports = [m for m in world.mail(client.SENDER) if f"X-Token: {token}\r\n".encode() in m.read_bytes()]
                told = {to for to in rejected if any(f"; {to}\r\n".encode() in m.read_bytes() for m in reports)}
                same("the refused ones that the sender was told of", told, set(rejected))
                daemon.kill()
        finally:
            daemon.kill()
            world.check_sanitizer(daemon)
    figure(f"mixed replies: {ROUNDS} messages to {len(recipients)} recipients, 0 lost, {copies} copies of what was in flight")
