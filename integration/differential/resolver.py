"""Debian's unbound on the loopback address: the validating resolver that Postfix and Exim rely on."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNBOUND = Path("/usr/sbin/unbound")
ADDRESS = "127.0.0.1"
START_TIMEOUT = 10.0
STOP_TIMEOUT = 10.0

CONFIG = """\
server:
    directory: "{home}"
    username: ""
    chroot: ""
    pidfile: ""
    use-syslog: no
    logfile: "{home}/unbound.log"
    interface: {address}
    access-control: 127.0.0.0/8 allow
    num-threads: 1
    do-ip6: {ipv6}
    module-config: "validator iterator"
    trust-anchor-file: "{lab}/root.key"
    root-hints: "{lab}/root.hints"
    rrset-roundrobin: no
    val-log-level: 2
remote-control:
    control-enable: no
"""

# The C library strips the AD bit of a resolver that is not called trusted (resolv.conf(5), trust-ad).
RESOLV_CONF = f"nameserver {ADDRESS}\noptions edns0 trust-ad timeout:8 attempts:1\n"


@contextmanager
def running(lab: Path, home: Path, ipv6: bool) -> Iterator[None]:
    """An unbound with an empty cache."""
    home.mkdir(parents=True)
    config = home / "unbound.conf"
    config.write_text(CONFIG.format(home=home, lab=lab, address=ADDRESS, ipv6="yes" if ipv6 else "no"))
    # A copy: Debian's AppArmor profile goes by the path, and lets the original read no file of the lab.
    program = home / "unbound"
    shutil.copy(UNBOUND, program)
    with (home / "unbound.out").open("wb") as out:
        process = subprocess.Popen(
            [program, "-d", "-c", config], stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    try:
        wait_until_answering(process, home)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_answering(process: subprocess.Popen[bytes], home: Path) -> None:
    """A query of its own rather than a connection: unbound is ready when it answers for the root."""
    query = bytes.fromhex("5ea1 0100 0001 0000 0000 0000 00 0002 0001")  # . IN NS, recursion desired
    deadline = time.monotonic() + START_TIMEOUT
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(0.5)
        asker.connect((ADDRESS, 53))
        while True:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"unbound does not answer: {(home / 'unbound.out').read_text().strip()}")
            try:
                asker.send(query)
                answer = asker.recv(4096)
            except OSError:
                time.sleep(0.05)
                continue
            if answer[:2] == query[:2] and answer[3] & 0x0F == 0:
                return
