"""DNS of the lab: a signed root, a signed `example`, one zone for each scenario; served by NSD.

Root, `example` and the leaf zones live on servers of their own, so a resolver follows real delegations. A further
server has all zones on one address, for tools that do not iterate; the lame one knows its zones but has no data.
"""

from __future__ import annotations

import os
import re
import secrets
import subprocess
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

import scenarios
from certificates import Authority
from scenarios import Scenario

TTL = 300
TLSA = re.compile(r"\bTLSA\s+(\d+)\s+(\d+)\s+(\d+)\s+(@\S+|random)")
DIGEST_OCTETS = {0: 91, 1: 32, 2: 64}

NSD_CONFIG = """
server:
    {addresses}
    port: 53
    server-count: 1
    username: ""
    chroot: ""
    zonesdir: "{zones}"
    database: ""
    pidfile: ""
    zonelistfile: "{state}/zone.list"
    xfrdfile: "{state}/xfrd.state"
    xfrdir: "{state}"
    logfile: "{log}"
    hide-version: yes
    tcp-count: 100
    rrl-ratelimit: 0
    rrl-whitelist-ratelimit: 0
remote-control:
    control-enable: no
{zone_clauses}
"""


def run(*args: str | Path, cwd: Path) -> str:
    done = subprocess.run([str(a) for a in args], cwd=cwd, capture_output=True, text=True, timeout=30)
    if done.returncode:
        raise RuntimeError(f"{args[0]}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def address_records(name: str, addresses: tuple[str, ...], ipv6: bool) -> str:
    return "".join(
        f"{name} {'AAAA' if ':' in a else 'A'} {a}\n" for a in addresses if ipv6 or ":" not in a
    )


@dataclass
class Keys:
    """One key pair; `base` is the path of its files without suffix."""

    base: str
    ds: str
    dnskey: str


@dataclass
class Dns:
    """Builds and signs every zone below `directory`, then writes one NSD configuration for each server."""

    directory: Path
    logs: Path
    ipv6: bool
    keys: dict[str, Keys] = field(default_factory=dict)

    def make_key(self, zone: str) -> Keys:
        base = run("ldns-keygen", "-a", "ECDSAP256SHA256", "-k", zone, cwd=self.directory).strip()
        ds = run("ldns-key2ds", "-n", "-2", f"{base}.key", cwd=self.directory).strip()
        self.keys[zone] = Keys(base, ds, (self.directory / f"{base}.key").read_text())
        return self.keys[zone]

    def write(self, zone: str, nameserver: str, records: str) -> Path:
        path = self.directory / f"{zone.rstrip('.') or 'root'}.zone"
        path.write_text(
            f"$ORIGIN {zone}\n$TTL {TTL}\n@ SOA {nameserver} hostmaster.example. 1 3600 600 604800 {TTL}\n"
            f"@ NS {nameserver}\n{records}\n"
        )
        return path

    def sign(self, zone: str, path: Path, nsec3: bool = False) -> Path:
        """Valid from an hour ago, for clocks that differ, to a month ahead. Writes over the unsigned file."""
        now = datetime.now(timezone.utc)
        start, end = ((now + d).strftime("%Y%m%d%H%M%S") for d in (timedelta(hours=-1), timedelta(days=30)))
        denial = ["-n", "-t", "0"] if nsec3 else []
        run(
            "ldns-signzone", "-i", start, "-e", end, *denial, "-o", zone, "-f", path.name, path.name,
            self.keys[zone].base, cwd=self.directory,
        )  # fmt: skip
        return path

    def corrupt(self, path: Path, owner: str, rrtype: str) -> None:
        """Swap the signature's first octets: well-formed, current, right key tag, and false."""
        pattern = re.compile(rf"^({re.escape(owner)}\.\s+\d+\s+IN\s+RRSIG\s+{rrtype}\s+.*\.\s+)(\S)(\S+)", re.M | re.I)
        text, count = pattern.subn(lambda m: m[1] + ("B" if m[2] == "A" else "A") + m[3], path.read_text())
        if not count:
            raise RuntimeError(f"no signature over {owner} {rrtype} to corrupt in {path.name}")
        path.write_text(text)

    def scenario_zone(self, scenario: Scenario, authority: Authority) -> None:
        zone = f"{scenario.domain}."

        def association(match: re.Match[str]) -> str:
            usage, selector, matching = (int(match[i]) for i in (1, 2, 3))
            if match[4] == "random":
                data = secrets.token_hex(DIGEST_OCTETS.get(matching, 32))
            else:
                host = scenario.hosts[match[4][1:]]
                data = authority.association(host.certificate.id, selector, matching)
            return f"TLSA {usage} {selector} {matching} {data}"

        records = address_records("ns", scenarios.ZONE_NS, self.ipv6)
        records += TLSA.sub(association, scenario.zone) + "\n"
        for host in scenario.hosts.values():
            records += address_records(host.name, host.addresses, self.ipv6)
        if scenario.policy:
            records += address_records("mta-sts", scenarios.POLICY_HOST, self.ipv6)
        if scenario.tlsrpt:
            records += f'_smtp._tls TXT "v=TLSRPTv1; rua=mailto:tlsrpt@{scenario.domain}"\n'
        for name in scenario.lame:
            key = self.make_key(f"{scenario.absolute(name)}.")
            records += f"{name} NS lame.example.\n{key.ds}\n"
        path = self.write(zone, f"ns.{zone}", records)
        if scenario.signed:
            self.make_key(zone)
            self.sign(zone, path)
        for entry in scenario.corrupt:
            name, rrtype = entry.split()
            self.corrupt(path, scenario.absolute(name), rrtype)

    def build(self, table: list[Scenario], authority: Authority) -> None:
        self.directory.mkdir()
        example = address_records("ns", scenarios.TLD_NS, self.ipv6)
        example += address_records("lame", scenarios.LAME_NS, self.ipv6)
        example += address_records("sealpost", scenarios.SENDER, self.ipv6)
        for scenario in table:
            self.scenario_zone(scenario, authority)
            name = scenario.domain.removesuffix(".example")
            example += f"{name} NS ns.{scenario.domain}.\n"
            example += address_records(f"ns.{name}", scenarios.ZONE_NS, self.ipv6)
            if scenario.signed:
                example += self.keys[f"{scenario.domain}."].ds + "\n"
        self.make_key("example.")
        self.sign("example.", self.write("example.", "ns.example.", example), nsec3=True)
        root_address = address_records("a.root.", scenarios.ROOT_NS, self.ipv6)
        root = root_address + "example. NS ns.example.\n" + self.keys["example."].ds + "\n"
        root += address_records("ns.example.", scenarios.TLD_NS, self.ipv6)
        self.make_key(".")
        self.sign(".", self.write(".", "a.root.", root))
        (self.directory / "root.key").write_text(self.keys["."].dnskey)
        (self.directory / "root.hints").write_text(
            f". 3600000 NS a.root.\n{root_address.replace('a.root. ', 'a.root. 3600000 ')}"
        )

    def servers(self, table: list[Scenario]) -> dict[str, tuple[tuple[str, ...], list[str]]]:
        leaves = [f"{s.domain}." for s in table]
        lame = [f"{s.absolute(name)}." for s in table for name in s.lame]
        return {
            "root": (scenarios.ROOT_NS, ["."]),
            "example": (scenarios.TLD_NS, ["example."]),
            "zones": (scenarios.ZONE_NS, leaves),
            "lame": (scenarios.LAME_NS, lame),
            "all": (scenarios.ALL_NS, [".", "example.", *leaves, *lame]),
        }

    def configure(self, table: list[Scenario]) -> dict[str, Path]:
        """Write one configuration for each server; a zone without a file is answered SERVFAIL by NSD."""
        configs = {}
        for server, (addresses, zones) in self.servers(table).items():
            state = self.directory / f"nsd-{server}"
            os.makedirs(state)
            clauses = "".join(
                f'zone:\n    name: "{zone}"\n    zonefile: "{zone.rstrip(".") or "root"}.zone"\n' for zone in zones
            )
            configs[server] = state / "nsd.conf"
            configs[server].write_text(
                NSD_CONFIG.format(
                    addresses="\n    ".join(f"ip-address: {a}" for a in addresses if self.ipv6 or ":" not in a),
                    zones=self.directory,
                    state=state,
                    log=self.logs / f"nsd-{server}.log",
                    zone_clauses=clauses,
                )
            )
        return configs
