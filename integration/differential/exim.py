"""Debian's Exim as the sender. Its package conflicts with Postfix's: it is unpacked into a cache, never installed."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from grp import getgrall
from pathlib import Path

import client
from fate import Fate, Fates, Row
from submission import message, recipient

# The program, and those of its libraries that are on no machine without an Exim.
PACKAGES = ("exim4-daemon-light", "libgnutls-dane0", "libidn12", "libnsl2")
USER = "Debian-exim"  # compiled in: without such a user it does not start
AT_ONCE = 6
PATIENCE = 90.0

CONFIG = """\
exim_path = {program}
spool_directory = {home}/spool
log_file_path = {home}/log/%slog
primary_hostname = sealpost.example
qualify_domain = sender.example
local_interfaces = <; 127.0.0.1
extra_local_interfaces = <; {addresses}
disable_ipv6 = {no_ipv6}
dns_dnssec_ok = 1
keep_environment =
never_users =
trusted_users = root
bounce_return_body = false
log_selector = -retry_defer

begin routers
remote:
  driver = dnslookup
  dnssec_request_domains = *
  transport = remote_smtp

begin transports
remote_smtp:
  driver = smtp
  dnssec_request_domains = *
  {dane} = *
  tls_verify_certificates = {lab}/ca.pem
  connection_max_messages = 1
  connect_timeout = 5s
  command_timeout = 5s
  data_timeout = 10s
  final_timeout = 20s

begin retry
* * F,4d,15m
"""

ARRIVED = re.compile(r"^\S+ \S+ (\S+) <= ")
DELIVERED = re.compile(r"^\S+ \S+ (\S+) [=-]> \S+ .*?H=\S+ \[([^\]]+)\](.*)$")
DEFERRED = re.compile(r"^\S+ \S+ (\S+) == \S+ (?:R=\S+ )?(?:T=\S+ )?defer \((-?\d+)\)(.*)$")
FAILED = re.compile(r"^\S+ \S+ (\S+) \*\* [^ :]+(.*)$")
HOST = re.compile(r"^\S+ \S+ (\S+) (H=.*)$")
# CV=yes: the chain and a name are fine, but the name came from DNS that nothing vouches for.
LEVELS = {"dane": "Verified", "yes": "Trusted", "no": "Untrusted"}


class Missing(Exception):
    """Exim could not be had; the text says the remedy."""


def fetch(cache: Path) -> Path:
    """The folder with its program and libraries. Asks apt, and the network, only the first time."""
    if shutil.which("apt-get") is None:
        raise Missing("this is not Debian: there is no apt-get to fetch Exim with")
    root = cache / "exim"
    if (root / "usr/sbin/exim4").exists():
        return root
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        done = subprocess.run(["apt-get", "-q", "download", *PACKAGES], cwd=scratch, capture_output=True, text=True)
        if done.returncode:
            raise Missing(f"apt-get download failed: {done.stderr.strip()}; remedy: apt-get update, or a network")
        for package in Path(scratch).glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, f"{scratch}/root"], check=True)
        program = Path(scratch) / "root/usr/sbin/exim4"
        program.chmod(0o755)  # root in the lab starts it: nobody needs a set-user-ID Exim in a cache
        version = next(Path(scratch).glob("exim4-daemon-light_*.deb")).name.split("_")[1]
        Path(scratch, "root", "version").write_text(f"{version}\n")
        os.rename(f"{scratch}/root", root)
    return root


def add_user(home: Path) -> tuple[int, int]:
    """Its user, in this mount namespace alone: (uid, gid)."""
    if known := [entry for entry in pwd.getpwall() if entry.pw_name == USER]:
        return known[0].pw_uid, known[0].pw_gid
    taken = {entry.pw_uid for entry in pwd.getpwall()} | {group.gr_gid for group in getgrall()}
    number = next(n for n in range(60000, 65000) if n not in taken)
    for name, line in (
        ("passwd", f"{USER}:x:{number}:{number}::/nonexistent:/usr/sbin/nologin"),
        ("group", f"{USER}:x:{number}:"),
    ):
        copy = home / name
        copy.write_text(f"{Path('/etc', name).read_text().rstrip()}\n{line}\n")
        subprocess.run(["mount", "--bind", copy, f"/etc/{name}"], check=True)
    return number, number


class Exim:
    def __init__(self, root: Path, lab: Path, home: Path, dane: str, addresses: list[str]) -> None:
        self.home, self.program = home, root / "usr/sbin/exim4"
        home.mkdir(parents=True)
        uid, gid = add_user(home)
        for folder in ("spool", "log"):
            (home / folder).mkdir()
            os.chown(home / folder, uid, gid)
        ipv6 = any(":" in address for address in addresses)
        self.config = home / "exim.conf"
        self.config.write_text(
            CONFIG.format(
                program=self.program, home=home, lab=lab, dane=dane,
                addresses=" ; ".join(addresses), no_ipv6="false" if ipv6 else "true",
            )
        )  # fmt: skip
        libraries = ":".join(str(path) for path in (root / "usr/lib").glob("*-linux-gnu*"))
        self.environment = {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": libraries}
        version = self.run("-bV").stdout
        if "DANE" not in version:
            raise Missing(f"this Exim cannot do DANE: {version.strip() or 'it says nothing'}")

    def run(self, *arguments: str, data: bytes = b"") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [self.program, "-C", self.config, *arguments],
            input=data, capture_output=True, timeout=PATIENCE, env=self.environment,
        )  # fmt: skip
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        )

    def main_log(self) -> str:
        log = self.home / "log" / "mainlog"
        return log.read_text(errors="replace") if log.exists() else ""

    def submit(self, user: str, row: Row) -> str:
        """The message id. Only queued: root then delivers it itself, and no part needs a set-user-ID program."""
        before = len(self.main_log())
        data = message(user, row).replace(b"\r\n", b"\n")
        done = self.run("-odq", "-oi", "-f", client.SENDER, recipient(user, row), data=data)
        for line in self.main_log()[before:].splitlines():
            if found := ARRIVED.match(line):
                return found[1]
        raise RuntimeError(f"Exim did not take the message to {row['domain']}: {done.stderr.strip()}")

    def deliver(self, message_id: str) -> None:
        self.run("-M", message_id)

    def send(self, rows: list[Row], user: str) -> Fates:
        ids = {row["number"]: self.submit(user, row) for row in rows}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self.deliver, ids.values()))
        found = fates(ids, self.main_log())
        if late := [row["domain"] for row in rows if row["number"] not in found]:
            raise RuntimeError(f"Exim made no attempt for {', '.join(late)}; its log: {self.home}/log/mainlog")
        return found


def fates(ids: dict[int, str], log: str) -> Fates:
    """Of the messages that the log has a first result for."""
    numbers = {message_id: number for number, message_id in ids.items()}
    found: Fates = {}
    hosts: dict[str, str] = {}  # what it last said of a host of each message
    for line in log.splitlines():
        if delivered := DELIVERED.match(line):
            message_id, address, rest = delivered.groups()
            if (number := numbers.get(message_id)) is None:
                continue
            verified = re.search(r" CV=(\w+)", rest)
            level = "in clear" if " X=" not in rest else LEVELS[verified[1] if verified else "no"]
            found.setdefault(number, Fate("delivered", address, level))
        elif deferred := DEFERRED.match(line):
            message_id, code, text = deferred.groups()
            if number := numbers.get(message_id):
                said = hosts.get(message_id) or text.strip(" :") or f"error {code}"
                found.setdefault(number, Fate("deferred", said=said))
        elif failed := FAILED.match(line):
            if number := numbers.get(failed[1]):
                found.setdefault(number, Fate("bounced", said=failed[2].strip(" :")))
        elif said := HOST.match(line):
            hosts[said[1]] = said[2]
    return found
