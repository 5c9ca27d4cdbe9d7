"""Process 1 of the lab's own namespaces: builds everything in DIR, starts the servers, and ends with any of them.

Called by integration/lab/up, never by hand: it would change the network and the mounts it finds.
When it ends, the kernel ends every other process of the lab, and network and mounts are gone with it.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import receivers
import scenarios
import sealpost_config
from certificates import Authority
from zones import Dns

HERE = Path(__file__).resolve().parent
SPOOL_SIZE = "256m"
MAX_FILE = 1 << 30  # of any file that a server of the lab writes
READY_TIMEOUT = 20.0


def call(*args: str) -> None:
    done = subprocess.run(args, capture_output=True, text=True, timeout=20)
    if done.returncode:
        raise RuntimeError(f"{' '.join(args)}: {(done.stderr or done.stdout).strip()}")


def set_up_network() -> bool:
    """The lab's ranges are local as a whole, connections come from SENDER. False: the kernel has no IPv6."""
    call("ip", "link", "set", "lo", "up")
    call("ip", "addr", "add", f"{scenarios.SENDER[0]}/32", "dev", "lo")
    for network in ("192.0.2.0/24", "198.18.0.0/16"):
        call("ip", "route", "add", "local", network, "dev", "lo", "src", scenarios.SENDER[0])
    try:
        call("ip", "addr", "add", f"{scenarios.SENDER[1]}/128", "dev", "lo", "nodad")
        call("ip", "-6", "route", "add", "local", "2001:db8::/32", "dev", "lo", "src", scenarios.SENDER[1])
        Path("/proc/sys/net/ipv6/ip_nonlocal_bind").write_text("1")  # unlike IPv4, a local route alone lets nobody bind
    except (RuntimeError, OSError):
        return False
    return True


def set_up_mounts(lab: Path, spool: Path) -> None:
    """Postfix's queue in memory; libc asks the lab's DNS."""
    spool.mkdir(parents=True)
    call("mount", "-t", "tmpfs", "-o", f"size={SPOOL_SIZE},mode=0755", "lab-spool", str(spool))
    (lab / "resolv.conf").write_text(f"nameserver {scenarios.ALL_NS[0]}\noptions timeout:1 attempts:1\n")
    (lab / "hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    for name in ("resolv.conf", "hosts"):
        place = os.path.realpath(f"/etc/{name}")
        if os.path.exists(place):
            call("mount", "--bind", str(lab / name), place)


def check_reachable(lab: Path) -> None:
    """Postfix and Sealpost become other users: they must be able to reach their files."""
    command = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "test", "-r", f"{lab}/root.key"]
    if subprocess.run(command, check=False).returncode:
        raise RuntimeError(
            f"other users cannot enter {lab}: give a directory whose parents everybody may pass, up --dir DIR"
        )


class Servers:
    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.running: dict[int, str] = {}

    def start(self, name: str, *command: str | Path) -> None:
        with (self.logs / f"{name}.out").open("ab") as out:
            process = subprocess.Popen(
                [str(c) for c in command], stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )
        self.running[process.pid] = name

    def tail(self, name: str) -> str:
        files = [self.logs / f"{name}{end}" for end in (".out", ".log")]
        return " | ".join(line for f in files if f.exists() for line in f.read_text(errors="replace").splitlines()[-3:])

    def reap(self, block: bool) -> str | None:
        """The name of a server that ended. Orphans of the whole namespace end here as well."""
        while True:
            try:
                pid, _ = os.waitpid(-1, 0 if block else os.WNOHANG)
            except ChildProcessError:
                return None
            if pid == 0:
                return None
            if name := self.running.pop(pid, None):
                return name

    def wait_until_listening(self, places: list[tuple[str, int]]) -> None:
        """By the kernel's table of listening sockets: connecting would show in the receivers' logs."""
        deadline = time.monotonic() + READY_TIMEOUT
        missing = set(places)
        while missing := missing - listening():
            if name := self.reap(block=False):
                raise RuntimeError(f"{name} did not start: {self.tail(name)}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"nothing listens on {', '.join(f'{a} port {p}' for a, p in sorted(missing))}")
            time.sleep(0.05)


def listening() -> set[tuple[str, int]]:
    found = set()
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        path = Path("/proc/net") / table
        for line in path.read_text().splitlines()[1:] if path.exists() else []:
            _, local, _, state, *_ = line.split()
            if state != "0A":  # TCP_LISTEN
                continue
            address, port = local.split(":")
            words = [bytes.fromhex(address[i : i + 8])[::-1] for i in range(0, len(address), 8)]
            found.add((socket.inet_ntop(family, b"".join(words)), int(port, 16)))
    return found


def summary(lab: Path, table: list[scenarios.Scenario], config: Path, ipv6: bool) -> str:
    lines = [
        f"The lab runs in {lab}{'' if ipv6 else ' (no IPv6 in this kernel: IPv4 only)'}.",
        "",
        f"  root servers {scenarios.ROOT_NS[0]}, example {scenarios.TLD_NS[0]}, recipient zones {scenarios.ZONE_NS[0]}, "
        f"all zones for dig {scenarios.ALL_NS[0]}, policy host {scenarios.POLICY_HOST[0]}",
        "",
    ]
    for s in table:
        hosts = ", ".join(f"{h.name} {'+'.join(h.addresses)} ({h.server})" for h in s.hosts.values())
        lines.append(f"  {s.number:>3}  {s.domain:<26} {s.expect.get('outcome', '-'):<9} {hosts}")
    lines += [
        "",
        f"  configuration   {config}",
        f"  what arrived    {lab}/mail/RECIPIENT/*.eml",
        f"  logs            {lab}/log/  (postfix.log, smtpd-ADDRESS.jsonl, policyhost.jsonl)",
        "",
        f"  {HERE}/exec build/dev/sealpost serve --config {config}",
        f"  {HERE}/send --to user@dane-ok.example",
        f"  {HERE}/check        the DNS is as the table says",
        f"  {HERE}/down",
    ]
    return "\n".join(lines) + "\n"


def build(lab: Path, short: bool) -> Servers:
    ipv6 = set_up_network()
    table = scenarios.load(ipv6, short)
    logs, certs, spool = lab / "log", lab / "certs", lab / "postfix" / "spool"
    logs.mkdir(exist_ok=True)
    (lab / "postfix").mkdir()
    set_up_mounts(lab, spool)

    authority = Authority(certs)
    certificates = [host.certificate for s in table for host in s.hosts.values()]
    certificates += [s.policy.certificate for s in table if s.policy]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(authority.make, certificates))
    shutil.copy(authority.issuer("ca"), lab / "ca.pem")
    dns = Dns(lab / "dns", logs, ipv6)
    dns.build(table, authority)
    dns.write_nameserver(lab / "nameserver.json")
    for name in ("root.key", "root.hints"):
        shutil.copy(lab / "dns" / name, lab / name)
    check_reachable(lab)
    authority.make(sealpost_config.CERTIFICATE)
    receivers.write_postfix(lab / "postfix" / "etc", spool, logs, certs, table, ipv6)
    receivers.make_spool(spool)
    receivers.write_smtpd(lab / "smtpd.json", lab / "mail", logs, certs, table)
    receivers.write_policyhost(lab / "policyhost.json", logs, certs, table, ipv6)
    config = sealpost_config.write(lab, table, ipv6, authority)
    (lab / "scenarios.json").write_text(json.dumps([asdict(s) for s in table], indent=1, default=str) + "\n")

    servers = Servers(logs)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE, MAX_FILE))
    for name, nsd_config in dns.configure(table).items():
        servers.start(f"nsd-{name}", "nsd", "-d", "-c", nsd_config)
    servers.start("nameserver", sys.executable, HERE / "nameserver.py", lab / "nameserver.json")
    servers.start("smtpd", sys.executable, HERE / "smtpd.py", lab / "smtpd.json")
    servers.start("policyhost", sys.executable, HERE / "policyhost.py", lab / "policyhost.json")
    servers.start("postfix", "/usr/lib/postfix/sbin/master", "-d", "-c", lab / "postfix" / "etc")
    places = [(a, 53) for pair, _ in dns.servers(table).values() for a in pair if ipv6 or ":" not in a]
    places += [(a, 53) for a in scenarios.HOSTILE_NS if ipv6 or ":" not in a]
    places += [(a, 443) for a in scenarios.POLICY_HOST if ipv6 or ":" not in a]
    places += [(a, 25) for s in table for h in s.hosts.values() if h.server != "none" for a in h.addresses]
    servers.wait_until_listening([*places, scenarios.STORE])
    (lab / "summary").write_text(summary(lab, table, config, ipv6))
    return servers


def main() -> int:
    if os.getpid() != 1:
        sys.exit("supervise.py is started by integration/lab/up, in namespaces of its own")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    os.umask(0o022)
    lab = Path(sys.argv[1])
    try:
        servers = build(lab, short="--short" in sys.argv[2:])
    except Exception as error:  # whatever went wrong, `up` shows this line
        (lab / "failed").write_text(f"{error}\n")
        raise
    (lab / "ready").touch()
    name = servers.reap(block=True)
    (lab / "failed").write_text(f"{name} ended: {servers.tail(name or '')}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
