"""The resolver process by itself, over its socketpair as the daemon has it."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess

from harness import World, same, test

A_RECORD, QUESTION, ANSWER = 1, 1, 2
TIMEOUT = 20.0


def frame(payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + payload


def configuration(world: World) -> bytes:
    return json.dumps(
        {
            "trust_anchor": (world.lab / "root.key").read_text().partition(";")[0],
            "root_hints_file": str(world.lab / "root.hints"),
            "stub_zones": [],
            "max_pending": 100,
            "outgoing_range": 100,
            "cache_size": 1 << 20,
            "cache_max_ttl_ms": 86_400_000,
            "nsec3_iterations": 50,
            "ipv4": True,
            "ipv6": True,
        }
    ).encode()


def question(number: int, name: str) -> bytes:
    return struct.pack(">BIHH", QUESTION, number, A_RECORD, len(name)) + name.encode()


@test("questions that reach the resolver process together with its configuration are answered")
def early_questions(world: World) -> None:
    """They did get lost: the daemon asks as soon as the process is started, not when it has read its configuration."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(TIMEOUT)
        questions = frame(question(7, "mx.dane-ok.example")) + frame(question(8, "nosuch.example"))
        ours.sendall(frame(configuration(world)) + questions)
        process = subprocess.Popen(
            [world.binary, "resolver-process"],
            stdin=subprocess.DEVNULL, preexec_fn=lambda: os.dup2(theirs.fileno(), 3), pass_fds=[3],
        )  # fmt: skip
        theirs.close()
        try:
            answered = set()
            with ours.makefile("rb") as stream:
                while len(answered) < 2:
                    payload = stream.read(struct.unpack(">I", stream.read(4))[0])
                    kind, number = struct.unpack(">BI", payload[:5])
                    same("the kind of the frame", kind, ANSWER)
                    answered.add(number)
            same("the questions that were answered", answered, {7, 8})
        finally:
            process.kill()
            process.wait(TIMEOUT)
