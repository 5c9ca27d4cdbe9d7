"""The scenario tables, checked and typed. Adding a scenario is a row in one of them, never code here."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TABLES = [HERE / "scenarios.toml", *sorted((HERE / "scenarios.d").glob("*.toml"))]

# The lab's fixed addresses. All ranges are set aside for documentation and benchmarks: they route nowhere outside.
SENDER = ("192.0.2.25", "2001:db8::25")  # what Sealpost's own connections come from
ROOT_NS = ("192.0.2.1", "2001:db8::1")
TLD_NS = ("192.0.2.2", "2001:db8::2")
ZONE_NS = ("192.0.2.3", "2001:db8::3")
LAME_NS = ("192.0.2.4", "2001:db8::4")
HOSTILE_NS = ("192.0.2.5", "2001:db8::5")  # ours, in front of ALL_NS
ALL_NS = ("192.0.2.53", "2001:db8::53")  # every zone on one address: for dig, libc and delv, not for Sealpost
POLICY_HOST = ("192.0.2.43", "2001:db8::43")
STORE = ("127.0.0.1", 24)  # LMTP: what the receivers accepted goes to DIR/mail

LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?")
# A record's owner, type and octets: given in hexadecimal, so many random ones more, so many such records.
RAW = re.compile(
    r"(?P<name>\S+) (?P<type>TLSA) (?P<head>(?:[0-9a-f]{2})*)(?:\+(?P<random>\d{1,5}))?(?:\*(?P<count>\d{1,4}))?"
)


class TableError(Exception):
    """The table is wrong; the text says where."""


@dataclass(frozen=True)
class Certificate:
    """What a certificate says. Its files are DIR/certs/<id>.*"""

    id: str
    names: tuple[str, ...]
    issuer: str = "self"
    expired: bool = False
    anchor: bool = False


@dataclass(frozen=True)
class Host:
    name: str
    fqdn: str
    server: str
    addresses: tuple[str, ...]
    certificate: Certificate
    tls: bool = True
    behaviour: str = "normal"


@dataclass(frozen=True)
class Policy:
    host: str
    body: str
    behaviour: str
    certificate: Certificate
    addresses: tuple[str, ...] = POLICY_HOST


@dataclass(frozen=True)
class Scenario:
    number: int
    title: str
    domain: str
    signed: bool
    zone: str
    hosts: dict[str, Host]
    tlsrpt: bool = True
    recipient: str = ""  # the domain that mail goes to
    ds: str = "none"
    denial: str = "nsec"
    algorithm: str = "ECDSAP256SHA256"
    generate: tuple[str, ...] = ()
    corrupt: tuple[str, ...] = ()
    signatures: dict[str, str] = field(default_factory=dict)
    raw: tuple[str, ...] = ()
    hostile: tuple[str, ...] = ()
    lame: tuple[str, ...] = ()
    policy: Policy | None = None
    rule: dict[str, Any] = field(default_factory=dict)
    dns: tuple[tuple[str, str, str], ...] = ()
    rows: tuple[str, ...] = ()
    expect: dict[str, Any] = field(default_factory=dict)

    def absolute(self, name: str) -> str:
        """A name as the zone data writes it ("@", "mx") -> full name without the final dot."""
        return self.domain if name == "@" else f"{name}.{self.domain}"

    @property
    def nameserver(self) -> tuple[str, ...]:
        return HOSTILE_NS if self.raw or self.hostile else ZONE_NS


def _take(row: dict[str, Any], where: str, allowed: dict[str, type]) -> dict[str, Any]:
    for key, value in row.items():
        if key not in allowed:
            raise TableError(f"{where}: unknown key '{key}' (allowed: {', '.join(allowed)})")
        if not isinstance(value, allowed[key]):
            raise TableError(f"{where}: '{key}' must be of type {allowed[key].__name__}")
    return row


def _choice(value: str, where: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise TableError(f"{where}: '{value}' is none of {', '.join(choices)}")
    return value


def _certificate(row: dict[str, Any], name: str, where: str) -> Certificate:
    issuer = _choice(row.get("issuer", "self"), where, ("self", "ca", "other"))
    anchor = row.get("anchor", False)
    if anchor and issuer == "self":
        raise TableError(f"{where}: a self-signed certificate has no other anchor to send")
    return Certificate(name, tuple(row.get("names", [name])), issuer, row.get("expired", False), anchor)


CERTIFICATE_KEYS: dict[str, type] = {"issuer": str, "names": list, "expired": bool, "anchor": bool}
HOST_KEYS = {"server": str, "tls": bool, "behaviour": str, "families": str} | CERTIFICATE_KEYS
POLICY_KEYS = {"body": str, "behaviour": str, "address": str} | CERTIFICATE_KEYS
SCENARIO_KEYS: dict[str, type] = {
    "number": int, "title": str, "domain": str, "recipient": str, "signed": bool, "tlsrpt": bool, "zone": str,
    "ipv6": bool, "algorithm": str, "ds": str, "denial": str, "generate": list, "corrupt": list, "signatures": dict,
    "raw": list, "hostile": list, "lame": list, "hosts": dict, "policy": dict, "rule": dict, "dns": list, "rows": list,
    "expect": dict,
}  # fmt: skip
EXPECT_KEYS = {
    "outcome": str, "relay": str, "server": str, "sni": str, "level": str, "reason": str, "mx": str, "hops": list,
    "tlsrpt": list, "untouched": list,
}  # fmt: skip
DENIALS = ("nsec", "nsec3", "nsec3-500", "opt-out")
STATUSES = ("secure", "insecure", "secure-denied", "insecure-denied", "bogus", "servfail")


def _host(row: dict[str, Any], name: str, index: int, number: int, domain: str, ipv6: bool) -> Host:
    where = f"scenario {number}, host {name}"
    _take(row, where, HOST_KEYS)
    if name != "@" and not all(LABEL.fullmatch(label) for label in name.split(".")):
        raise TableError(f"{where}: not a host name")
    families = _choice(row.get("families", "4"), where, ("4", "6", "46"))
    addresses = []
    if "4" in families or not ipv6:
        addresses.append(f"198.18.{number}.{index}")
    if "6" in families and ipv6:
        addresses.append(f"2001:db8:{number}::{index}")
    server = _choice(row.get("server", ""), where, ("postfix", "smtpd", "none"))
    fqdn = domain if name == "@" else f"{name}.{domain}"
    certificate = _certificate(row, fqdn, where)
    return Host(
        name, fqdn, server, tuple(addresses), certificate, row.get("tls", True), row.get("behaviour", "normal")
    )


def _scenario(row: dict[str, Any], ipv6: bool) -> Scenario:
    where = f"scenario {row.get('number')}"
    _take(row, where, SCENARIO_KEYS)
    for key in ("number", "title", "domain", "signed", "zone", "hosts"):
        if key not in row:
            raise TableError(f"{where}: '{key}' is missing")
    number, domain = row["number"], row["domain"]
    if not 1 <= number <= 255:
        raise TableError(f"{where}: the number must be 1 to 255, it is part of the addresses")
    if not re.fullmatch(rf"{LABEL.pattern}\.example", domain):
        raise TableError(f"{where}: domain '{domain}' must be one label below 'example'")
    hosts = {
        name: _host(data, name, index, number, domain, ipv6)
        for index, (name, data) in enumerate(row["hosts"].items(), start=1)
    }
    policy = None
    if (data := row.get("policy")) is not None:
        _take(data, f"{where}, policy", POLICY_KEYS)
        name = f"mta-sts.{domain}"
        certificate = _certificate({"issuer": "ca"} | data, name, f"{where}, policy")
        addresses = (data["address"],) if "address" in data else POLICY_HOST
        policy = Policy(name, data.get("body", ""), data.get("behaviour", "ok"), certificate, addresses)
    dns = tuple(tuple(entry.split()) for entry in row.get("dns", []))
    for entry in dns:
        if len(entry) != 3 or entry[2] not in STATUSES:
            raise TableError(f"{where}: dns wants 'NAME TYPE STATUS', STATUS one of {', '.join(STATUSES)}")
    expect = _take(row.get("expect", {}), f"{where}, expect", EXPECT_KEYS)
    if expect:
        _choice(expect.get("outcome", ""), f"{where}, expect.outcome", ("delivered", "held", "deferred", "failed"))
    signed = row["signed"]
    if not signed and (row.get("raw") or row.get("signatures") or row.get("corrupt")):
        raise TableError(f"{where}: an unsigned zone has no signatures to make or break")
    for entry in row.get("raw", []):
        if not RAW.fullmatch(entry):
            raise TableError(f"{where}: raw wants 'NAME TYPE OCTETS', OCTETS as in '0301+32*1000', not '{entry}'")
    for entry in row.get("hostile", []):
        if len(entry.split()) != 3:
            raise TableError(f"{where}: hostile wants 'NAME TYPE BEHAVIOUR', not '{entry}'")
    for kind in row.get("signatures", {}).values():
        _choice(kind, f"{where}, signatures", ("expired", "expired-too", "early", "stripped"))
    recipient = row.get("recipient", "@")
    return Scenario(
        number=number,
        title=row["title"],
        domain=domain,
        signed=signed,
        zone=row["zone"],
        hosts=hosts,
        tlsrpt=row.get("tlsrpt", True),
        recipient=domain if recipient == "@" else f"{recipient}.{domain}",
        ds=_choice(row.get("ds", "right" if signed else "none"), f"{where}, ds", ("right", "none", "wrong", "unknown")),
        denial=_choice(row.get("denial", "nsec"), f"{where}, denial", DENIALS),
        algorithm=row.get("algorithm", "ECDSAP256SHA256"),
        generate=tuple(row.get("generate", [])),
        corrupt=tuple(row.get("corrupt", [])),
        signatures=row.get("signatures", {}),
        raw=tuple(row.get("raw", [])),
        hostile=tuple(row.get("hostile", [])),
        lame=tuple(row.get("lame", [])),
        policy=policy,
        rule=row.get("rule", {}),
        dns=dns,
        rows=tuple(row.get("rows", [])),
        expect=expect,
    )


def read_tables(short: bool = False) -> list[dict[str, Any]]:
    """The rows of all tables, or of the first alone, unchecked."""
    rows = []
    for table in TABLES[:1] if short else TABLES:
        try:
            rows += tomllib.loads(table.read_text()).get("scenario", [])
        except tomllib.TOMLDecodeError as error:
            raise TableError(f"{table.name}: {error}") from error
    return rows


def load(ipv6: bool = True, short: bool = False) -> list[Scenario]:
    """All scenarios in order of their numbers.

    Without IPv6 in the kernel every host gets an IPv4 address, and what cannot be shown so is left out.
    """
    scenarios = [_scenario(row, ipv6) for row in read_tables(short) if ipv6 or not row.get("ipv6")]
    for attribute in ("number", "domain"):
        seen = [getattr(s, attribute) for s in scenarios]
        if twice := {value for value in seen if seen.count(value) > 1}:
            raise TableError(f"two scenarios with the same {attribute}: {', '.join(map(str, sorted(twice)))}")
    return sorted(scenarios, key=lambda s: s.number)
