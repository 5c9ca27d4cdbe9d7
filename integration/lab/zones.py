"""DNS of the lab: a signed root, a signed `example`, one zone for each scenario; served by NSD.

Root, `example` and the leaf zones live on servers of their own, so a resolver follows real delegations. A further
server has all zones on one address, for tools that do not iterate; the lame one knows its zones but has no data. Zones
with `raw` records or `hostile` behaviour are delegated to nameserver.py, which passes on what that further server says.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

import rrsig
import scenarios
from certificates import Authority
from scenarios import Scenario

TTL = 300
VALID = (-1 / 24, 30)  # days from now, of a good signature: clocks may differ
WINDOWS = {"expired": (-30, -2), "early": (2, 30), "expired-too": (-30, -2)}  # validators forgive a day
DENIAL = {
    "nsec": [], "nsec3": ["-n", "-t", "0"], "nsec3-500": ["-n", "-t", "500"], "opt-out": ["-n", "-t", "0", "-p"],
}  # fmt: skip
TLSA = re.compile(r"\bTLSA\s+(\d+)\s+(\d+)\s+(\d+)\s+([@^]\S+|random)")
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
    answers: list[dict[str, object]] = field(default_factory=list)  # for nameserver.py
    behaviours: list[dict[str, str]] = field(default_factory=list)

    def make_key(self, zone: str, algorithm: str = "ECDSAP256SHA256") -> Keys:
        base = run("ldns-keygen", "-a", algorithm, "-b", "2048", "-k", zone, cwd=self.directory).strip()
        ds = run("ldns-key2ds", "-n", "-2", f"{base}.key", cwd=self.directory).strip()
        return Keys(base, ds, (self.directory / f"{base}.key").read_text())

    def write(self, zone: str, nameserver: str, records: str) -> Path:
        path = self.directory / f"{zone.rstrip('.') or 'root'}.zone"
        path.write_text(
            f"$ORIGIN {zone}\n$TTL {TTL}\n@ SOA {nameserver} hostmaster.example. 1 3600 600 604800 {TTL}\n"
            f"@ NS {nameserver}\n{records}\n"
        )
        return path

    def sign(self, zone: str, path: Path, denial: str = "nsec", days: tuple[float, float] = VALID) -> None:
        """From so many days from now to so many. Writes over the unsigned file."""
        now = datetime.now(timezone.utc)
        start, end = ((now + timedelta(days=d)).strftime("%Y%m%d%H%M%S") for d in days)
        run(
            "ldns-signzone", "-i", start, "-e", end, *DENIAL[denial], "-o", zone, "-f", path.name, path.name,
            self.keys[zone].base, cwd=self.directory,
        )  # fmt: skip

    def corrupt(self, path: Path, owner: str, rrtype: str) -> None:
        """Swap the signature's first octets: well-formed, current, right key tag, and false."""
        pattern = re.compile(rf"^({re.escape(owner)}\.\s+\d+\s+IN\s+RRSIG\s+{rrtype}\s+.*\.\s+)(\S)(\S+)", re.M | re.I)
        text, count = pattern.subn(lambda m: m[1] + ("B" if m[2] == "A" else "A") + m[3], path.read_text())
        if not count:
            raise RuntimeError(f"no signature over {owner} {rrtype} to corrupt in {path.name}")
        path.write_text(text)

    def replace_signature(self, path: Path, owner: str, rrtype: str, other: str, keep: bool) -> None:
        """The signature of one RRset as it stands in another signing of the zone; none there: it is taken away.

        `keep`: the good one stays as well.
        """
        pattern = re.compile(rf"^{re.escape(owner)}\.\s+\d+\s+IN\s+RRSIG\s+{rrtype}\s.*\n", re.M | re.I)
        found = pattern.search(other)
        text, count = pattern.subn(lambda m: (found[0] if found else "") + (m[0] if keep else ""), path.read_text())
        if count != 1:
            raise RuntimeError(f"{count} signatures over {owner} {rrtype} to replace in {path.name}")
        path.write_text(text)

    def association(self, match: re.Match[str], scenario: Scenario, authority: Authority) -> str:
        """A TLSA record of the table in DNS's own words."""
        usage, selector, matching = (int(match[i]) for i in (1, 2, 3))
        if match[4] == "random":
            data = secrets.token_hex(DIGEST_OCTETS.get(matching, 32))
        else:
            host = scenario.hosts.get(match[4][1:])
            pem = authority.pem(host.certificate.id if host else match[4][1:])
            if host and match[4][0] == "^":
                pem = authority.issuer(host.certificate.issuer)
            data = authority.association(pem, selector, matching)
        return f"TLSA {usage} {selector} {matching} {data}"

    def scenario_records(self, scenario: Scenario, authority: Authority) -> str:
        records = address_records("ns", scenario.nameserver, self.ipv6)
        records += TLSA.sub(lambda match: self.association(match, scenario, authority), scenario.zone) + "\n"
        for line in scenario.generate:
            numbers, _, template = line.partition(" ")
            first, last = map(int, numbers.split("-"))
            records += "".join(f"{template.format(number)}\n" for number in range(first, last + 1))
        for host in scenario.hosts.values():
            records += address_records(host.name, host.addresses, self.ipv6)
        if scenario.policy:
            records += address_records("mta-sts", scenario.policy.addresses, self.ipv6)
        if scenario.tlsrpt:
            records += f'_smtp._tls TXT "v=TLSRPTv1; rua=mailto:tlsrpt@{scenario.domain}"\n'
        return records

    def scenario_zone(self, scenario: Scenario, authority: Authority) -> None:
        zone = f"{scenario.domain}."
        records = self.scenario_records(scenario, authority)
        for name in scenario.lame:
            records += f"{name} NS lame.example.\n{self.make_key(f'{scenario.absolute(name)}.').ds}\n"
        path = self.write(zone, f"ns.{zone}", records)
        if scenario.signed or scenario.ds != "none":
            self.keys[zone] = self.make_key(zone, scenario.algorithm)
        if scenario.signed:
            unsigned = path.read_text()
            self.sign(zone, path, scenario.denial)
            for entry, kind in scenario.signatures.items():
                name, rrtype = entry.split()
                other = path.with_suffix(f".{kind}")
                if kind in WINDOWS:
                    other.write_text(unsigned)
                    self.sign(zone, other, scenario.denial, WINDOWS[kind])
                signed = other.read_text() if kind in WINDOWS else ""
                self.replace_signature(path, scenario.absolute(name), rrtype, signed, keep=kind == "expired-too")
        for entry in scenario.corrupt:
            name, rrtype = entry.split()
            self.corrupt(path, scenario.absolute(name), rrtype)
        self.answers += self.raw_answers(scenario)
        for entry in scenario.hostile:
            name, rrtype, behaviour = entry.split()
            self.behaviours.append({"name": scenario.absolute(name), "type": rrtype, "behaviour": behaviour})

    def raw_answers(self, scenario: Scenario) -> list[dict[str, object]]:
        """RRsets of octets that no zone file can say, each with a good signature of the zone's key."""
        sets: dict[tuple[str, str], list[bytes]] = {}
        for entry in scenario.raw:
            match = scenarios.RAW.fullmatch(entry)
            assert match
            head, more = bytes.fromhex(match["head"]), int(match["random"] or 0)
            rdata = sets.setdefault((scenario.absolute(match["name"]), match["type"]), [])
            rdata += [head + secrets.token_bytes(more) for _ in range(int(match["count"] or 1))]
        zone, made = f"{scenario.domain}.", []
        for (name, rrtype), rdata in sets.items():
            signature = rrsig.sign(self.directory / self.keys[zone].base, zone, name, rrtype, TTL, rdata, VALID)
            texts = {"rdata": [octets.hex() for octets in rdata], "rrsig": signature.hex()}
            made.append({"name": name, "type": rrtype, "ttl": TTL} | texts)
        return made

    def ds(self, scenario: Scenario) -> str:
        """What `example` says of the zone's key."""
        zone = f"{scenario.domain}."
        if scenario.ds == "none":
            return ""
        if scenario.ds == "wrong":
            return self.make_key(zone).ds + "\n"
        if scenario.ds == "unknown":  # an algorithm that nobody has heard of
            return re.sub(r"(\sDS\s+\d+) 13 ", r"\1 200 ", self.keys[zone].ds) + "\n"
        return self.keys[zone].ds + "\n"

    def build(self, table: list[Scenario], authority: Authority) -> None:
        self.directory.mkdir()
        example = address_records("ns", scenarios.TLD_NS, self.ipv6)
        example += address_records("lame", scenarios.LAME_NS, self.ipv6)
        example += address_records("sealpost", scenarios.SENDER, self.ipv6)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda scenario: self.scenario_zone(scenario, authority), table))
        for scenario in table:
            name = scenario.domain.removesuffix(".example")
            example += f"{name} NS ns.{scenario.domain}.\n"
            example += address_records(f"ns.{name}", scenario.nameserver, self.ipv6)
            example += self.ds(scenario)
        self.keys["example."] = self.make_key("example.")
        self.sign("example.", self.write("example.", "ns.example.", example), "nsec3")
        root_address = address_records("a.root.", scenarios.ROOT_NS, self.ipv6)
        root = root_address + "example. NS ns.example.\n" + self.keys["example."].ds + "\n"
        root += address_records("ns.example.", scenarios.TLD_NS, self.ipv6)
        self.keys["."] = self.make_key(".")
        self.sign(".", self.write(".", "a.root.", root))
        (self.directory / "root.key").write_text(self.keys["."].dnskey)
        (self.directory / "root.hints").write_text(
            f". 3600000 NS a.root.\n{root_address.replace('a.root. ', 'a.root. 3600000 ')}"
        )

    def write_nameserver(self, path: Path) -> None:
        """The configuration of nameserver.py."""
        addresses = [a for a in scenarios.HOSTILE_NS if self.ipv6 or ":" not in a]
        config = {
            "addresses": addresses, "upstream": scenarios.ALL_NS[0], "answers": self.answers, "rules": self.behaviours,
        }  # fmt: skip
        path.write_text(json.dumps(config, indent=1))

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
