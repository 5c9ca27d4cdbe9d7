"""A long queue must not be felt: at the start, in memory, by who gives us mail, or by who looks at it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

from daemon import Daemon
from form import figure, times
from harness import Void, World, require, same, test, wait_for
from load import tagged
from preload import sanitizer
from sink import ZONE, domain, settings, sink
from slow_receivers import resident

QUEUED = times(20_000, 1_000_000)
# Seconds, seconds, octets. The short form runs beside other work and under sanitizers: it only sees what is far off.
MAX_START, MAX_PAGE, MAX_MEMORY = 10.0, times(2.0, 0.2), times(1200 << 20, 400 << 20)
LEAST_RATE = times(0.3, 0.8)  # of the rate with an empty queue
CLIENTS, EACH, PASSES = 8, times(100, 500), 3
FILL_TIMEOUT = 900


def fill(world: World, directory: Path) -> float:
    """Returns how long it took."""
    program = world.binary.parent / "fill_queue"
    if not program.exists():
        raise Void(f"there is no {program}; remedy: ninja -C {program.parent} fill_queue")
    directory.mkdir(mode=0o700)
    began = time.monotonic()
    subprocess.run([program, directory, str(QUEUED), ZONE], check=True, timeout=FILL_TIMEOUT)
    for file in (directory, *directory.iterdir()):
        shutil.chown(file, "nobody", "nogroup")
    return time.monotonic() - began


def one_client(number: int, failures: list[str]) -> None:
    """Pipelined, so that it is the daemon that is measured and not we."""
    message = tagged(f"accept-{number}", bytes(500)) + b".\r\n"
    try:
        with socket.create_connection(("127.0.0.1", 2525), timeout=60) as sock, sock.makefile("rb") as replies:
            replies.readline()
            sock.sendall(b"EHLO client.example\r\n")
            while replies.readline()[3:4] == b"-":
                pass
            envelope = f"MAIL FROM:<alice@sender.example>\r\nRCPT TO:<load@{domain(number)}>\r\nDATA\r\n".encode()
            for _ in range(EACH):
                sock.sendall(envelope)
                codes = [replies.readline()[:3] for _ in range(3)]
                sock.sendall(message)
                codes.append(replies.readline()[:3])
                if codes != [b"250", b"250", b"354", b"250"]:
                    failures.append(str(codes))
                    return
    except OSError as error:
        failures.append(str(error))


def rate(daemon: Daemon) -> float:
    """Messages a second that are accepted; the best of several passes, because others use this machine, too."""
    best, failures = 0.0, list[str]()
    for _ in range(PASSES):
        threads = [threading.Thread(target=one_client, args=(n, failures)) for n in range(CLIENTS)]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        best = max(best, CLIENTS * EACH / (time.monotonic() - began))
        same("what the clients were told", failures, [])
    # What was delivered at once is no part of the queue that is measured.
    left = daemon.status()["recipients"]
    wait_for("the deliveries", lambda: daemon.status()["recipients"] in (0, QUEUED), 60 if left else 1)
    return best


def page(daemon: Daemon, *filters: str) -> float:
    """The shortest time for one page of the queue, without what starting any command costs."""

    def took(*command: str) -> float:
        began = time.monotonic()
        daemon.text(*command)
        return time.monotonic() - began

    return min(took("queue", "list", "--json", *filters) for _ in range(5)) - min(took("--version") for _ in range(5))


@test("a long queue costs little at the start, in memory, for who gives us mail and for who looks at it")
def huge_queue(world: World) -> None:
    with sink(world):
        with world.daemon(settings()) as daemon:
            empty = rate(daemon)
        config = world.configuration(settings())
        filled = fill(world, config.parent / "state")
        began = time.monotonic()
        with world.daemon(config=config) as daemon:
            start = time.monotonic() - began
            same("the messages", daemon.status()["messages"], QUEUED)
            full = rate(daemon)
            pages = {
                "first": page(daemon),
                "of a domain": page(daemon, "--domain", domain(500)),
                "of a sender": page(daemon, "--from", "alice@sender.example"),
            }
            memory = resident(daemon)
        shutil.rmtree(config.parent / "state")
    shown = ", ".join(f"{what} {took * 1000:.0f} ms" for what, took in pages.items())
    figure(f"huge queue: {QUEUED} messages put in within {filled:.0f} s; start {start:.1f} s, {memory >> 20} MiB; accepted "
           f"{full:.0f}/s, empty queue {empty:.0f}/s; a page: {shown}")  # fmt: skip
    require(start < MAX_START, f"the start took {start:.1f} s")
    if sanitizer(world):
        return  # what it costs is no measure
    require(memory < MAX_MEMORY, f"{memory >> 20} MiB of memory")
    require(full >= LEAST_RATE * empty, f"{full:.0f} messages/s are accepted, with an empty queue {empty:.0f}/s")
    for what, took in pages.items():
        require(took < MAX_PAGE, f"the page '{what}' took {took * 1000:.0f} ms")
