"""A DNS of its own for the resolver's tests: a root, signed zones of every kind, and a server that misbehaves.

It lives inside the lab, on addresses that the lab does not use, and is asked through the unchanged resolver process.
"""

from __future__ import annotations

import atexit
import base64
import json
import os
import re
import secrets
import socket
import struct
import subprocess
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

ROOT, ZONES, ODD, STRANGER = "192.0.2.111", "192.0.2.112", "192.0.2.113", "192.0.2.114"
A, CNAME, MX, TXT, AAAA, DNSKEY, TLSA = 1, 5, 15, 16, 28, 48, 52
STATUS = ("secure", "insecure", "bogus", "indeterminate", "error")
DATA = ("data", "NODATA", "NXDOMAIN")
QUESTION, ANSWER = 1, 2
TIMEOUT = 40.0
ZONE_HEAD = "$ORIGIN {zone}\n$TTL 300\n@ SOA ns hostmaster 1 3600 600 604800 300\n@ NS ns\nns A {address}\n"
NSD = """
server:
    ip-address: {address}
    server-count: 1
    username: ""
    chroot: ""
    zonesdir: "{home}"
    database: ""
    pidfile: ""
    zonelistfile: "{state}/zone.list"
    xfrdfile: "{state}/xfrd.state"
    xfrdir: "{state}"
    logfile: "{state}/nsd.log"
    rrl-ratelimit: 0
    rrl-whitelist-ratelimit: 0
remote-control:
    control-enable: no
"""


def run(*args: object, cwd: Path) -> str:
    done = subprocess.run([str(a) for a in args], cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise RuntimeError(f"{args[0]}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


@dataclass
class Answer:
    status: str
    data: str
    ttl: int
    canonical: str
    why: str
    rdata: list[bytes]
    rrsig: list[bytes]

    @property
    def state(self) -> tuple[str, str]:
        return self.status, self.data if self.status in ("secure", "insecure") else ""


class Process:
    """The resolver process as the daemon has it, over a socketpair."""

    def __init__(self, binary: Path, anchor: str, hints: Path, **settings: object) -> None:
        config = {
            "trust_anchor": anchor, "root_hints_file": str(hints), "stub_zones": [], "max_pending": 1000,
            "outgoing_range": 200, "cache_size": 8 << 20, "cache_max_ttl_ms": 86_400_000, "nsec3_iterations": 50,
            "ipv4": True, "ipv6": False, **settings,
        }  # fmt: skip
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(TIMEOUT)
        self.process = subprocess.Popen(
            [binary, "resolver-process"],
            stdin=subprocess.DEVNULL, preexec_fn=lambda: os.dup2(theirs.fileno(), 3), pass_fds=[3],
        )  # fmt: skip
        theirs.close()
        self.stream = self.socket.makefile("rb")
        self.number = 0
        self.send(json.dumps(config).encode())

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(10)
        self.stream.close()
        self.socket.close()

    def send(self, payload: bytes) -> None:
        self.socket.sendall(struct.pack(">I", len(payload)) + payload)

    def ask(self, name: str, rrtype: int = A) -> Answer:
        self.number += 1
        self.send(struct.pack(">BIHH", QUESTION, self.number, rrtype, len(name)) + name.encode())
        payload = self.stream.read(struct.unpack(">I", self.stream.read(4))[0])
        kind, number, _, status, data, ttl = struct.unpack(">BIHBBI", payload[:13])
        assert (kind, number) == (ANSWER, self.number)
        at = 13

        def take(form: str) -> bytes:
            nonlocal at
            size = struct.calcsize(form)
            length = struct.unpack(form, payload[at : at + size])[0]
            at += size + length
            return payload[at - length : at]

        _, canonical, why = (take(">H").decode() for _ in range(3))
        sets = []
        for _ in range(2):
            (count,) = struct.unpack(">H", payload[at : at + 2])
            at += 2
            sets.append([take(">I") for _ in range(count)])
        return Answer(STATUS[status], DATA[data], ttl, canonical, why, sets[0], sets[1])


class OddServer:
    """Answers by the first label of the question, over UDP alone. Notes how it was asked."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((ODD, 53))
        self.stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.stranger.bind((STRANGER, 53))
        self.asked: list[tuple[str, int, int]] = []  # name, source port, ID
        self.do: list[bool] = []  # whether the question had EDNS0 with DO
        self.broken = True  # what flaky.odd is
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            query, peer = self.socket.recvfrom(4096)
            end = 12
            while query[end]:
                end += query[end] + 1
            name = b".".join(self.labels(query[12:end])).decode().lower()
            self.asked.append((name, peer[1], struct.unpack(">H", query[:2])[0]))
            opt = query[end + 5 :]
            self.do.append(opt[:3] == b"\0\0\x29" and bool(opt[7] & 0x80))
            self.answer(query, query[12 : end + 5], name.partition(".")[0], peer)

    @staticmethod
    def labels(octets: bytes) -> list[bytes]:
        out = []
        while octets:
            out.append(octets[1 : octets[0] + 1])
            octets = octets[octets[0] + 1 :]
        return out

    def answer(self, query: bytes, question: bytes, kind: str, peer: tuple[str, int]) -> None:
        def reply(records: bytes = b"", count: int = 0, rcode: int = 0, number: bytes = query[:2], asked: bytes = question) -> bytes:
            return number + struct.pack(">HHHHH", 0x8400 | rcode, 1, count, 0, 0) + asked + records

        def address(last: int, owner: bytes = b"\xc0\x0c") -> bytes:
            return owner + struct.pack(">HHIH", A, 1, 300, 4) + bytes((198, 51, 100, last))

        wrong_id = bytes((query[0] ^ 1, query[1]))
        rcodes = {"formerr": 1, "servfail": 2, "notimp": 4, "refused": 5}
        if kind in rcodes or (kind == "flaky" and self.broken):
            out = [reply(rcode=rcodes.get(kind, 2))]
        elif kind == "garbage":
            out = [query[:2] + b"\x84\x00\xff\xff\xff\xff"]
        elif kind == "authentic":  # says that it has validated (AD)
            out = [reply(address(1), 1, rcode=0x20)]
        elif kind == "truncated":  # and nothing listens on TCP
            out = [query[:2] + struct.pack(">HHHHH", 0x8600, 1, 0, 0, 0) + question]
        elif kind == "forged":
            self.stranger.sendto(reply(address(66), 1), peer)
            self.socket.sendto(reply(address(66), 1, number=wrong_id), peer)
            time.sleep(0.1)
            out = [reply(address(1), 1)]
        elif kind == "misasked" and [name for name, _, _ in self.asked].count("misasked.odd") == 1:
            out = [reply(address(66), 1, asked=b"\x05wrong" + question[question[0] + 1 :])]
        elif kind == "extra":
            mx = b"\xc0\x0c" + struct.pack(">HHIHH", MX, 1, 300, 4, 10) + b"\xc0\x0c"
            stray = address(66, b"\x05stray\x03odd\x00")
            out = [reply(mx + stray + address(1), 3)]
        elif kind == "stripped" or question.endswith(b"\x08stripped\x00\x00\x01\x00\x01"):
            out = [reply(rcode=3)]
        else:
            out = [reply(address(1), 1)]
        for datagram in out:
            self.socket.sendto(datagram, peer)


class SmallInternet:
    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir()
        self.root_records = f"a A {ROOT}\n"
        self.zones: list[str] = []
        self.bases: dict[str, list[str]] = {}
        self.odd = OddServer()
        self.make_zones()
        self.make_root()
        self.serve("root", ROOT, ["."])
        self.serve("zones", ZONES, self.zones)

    def key(self, zone: str, algorithm: str = "ECDSAP256SHA256") -> tuple[str, str]:
        """The base name of a key pair's files, and its DS record."""
        bits = ["-b", "2048"] if algorithm.startswith("RSA") else []
        base = run("ldns-keygen", "-a", algorithm, *bits, "-k", zone, cwd=self.home).strip()
        return base, run("ldns-key2ds", "-n", "-2", f"{base}.key", cwd=self.home).strip()

    def sign(self, zone: str, text: str, bases: list[str], *options: str, start: float = -1, end: float = 30) -> Path:
        """Valid from `start` days to `end` days from now."""
        path = self.home / f"{zone.rstrip('.') or 'root'}.zone"
        path.write_text(text)
        now = datetime.now(timezone.utc)
        dates = [(now + timedelta(days=d)).strftime("%Y%m%d%H%M%S") for d in (start, end)]
        run(
            "ldns-signzone", "-i", dates[0], "-e", dates[1], *options, "-o", zone, "-f", path.name, path.name, *bases,
            cwd=self.home,
        )  # fmt: skip
        return path

    def delegate(self, zone: str, ds: str = "", address: str = ZONES) -> None:
        self.root_records += f"{zone} NS ns.{zone}\nns.{zone} A {address}\n{ds}\n"
        if address == ZONES:
            self.zones.append(zone)

    def zone(self, zone: str, records: str, *options: str, algorithm: str = "ECDSAP256SHA256", **dates: float) -> Path:
        base, ds = self.key(zone, algorithm)
        self.delegate(zone, ds)
        self.bases[zone] = [base]
        return self.sign(zone, ZONE_HEAD.format(zone=zone, address=ZONES) + records, [base], *options, **dates)

    def unsigned(self, zone: str, records: str, ds: str = "") -> None:
        self.delegate(zone, ds)
        path = self.home / f"{zone.rstrip('.')}.zone"
        path.write_text(ZONE_HEAD.format(zone=zone, address=ZONES) + records)

    def make_zones(self) -> None:
        www = "www A 198.51.100.1\n"
        nsec3 = ("-n", "-t", "0")
        chain = "".join(f"c{i} CNAME c{i + 1}\n" for i in range(40)) + "c40 A 198.51.100.1\n"
        big = "".join(f"_25._tcp TLSA 3 0 1 {secrets.token_hex(32)}\n" for _ in range(60))
        links = (
            "good CNAME www.nsec3.\nplain CNAME www.plain.\nbad CNAME www.expired.\ngone CNAME nosuch.nsec3.\n"
            "broken CNAME servfail.odd.\nback CNAME viaplain.plain.\nloop CNAME loop2\nloop2 CNAME loop\n"
            "tree DNAME nsec3.\n"
        )
        self.zone("nsec.", www + links + chain + "*.wild A 198.51.100.2\n")
        self.zone("nsec3.", www + "_25._tcp.www TLSA 3 1 1 " + "ab" * 32 + "\n", *nsec3)
        self.zone("iter50.", www, "-n", "-t", "50")
        self.zone("iter51.", www, "-n", "-t", "51")
        self.zone("optout.", www + f"child NS ns.child\nns.child A {ZONES}\n", *nsec3, "-p")
        self.zone("expired.", www, start=-30, end=-2)
        self.zone("future.", www, start=2)
        self.zone("big.", big)
        for algorithm in ("RSASHA256", "RSASHA512", "ECDSAP256SHA256", "ED25519"):
            self.zone(f"{algorithm.lower()}.", www, algorithm=algorithm)
        self.unsigned("plain.", www + "viaplain CNAME www.nsec3.\n")
        self.zones.append("child.optout.")
        (self.home / "child.optout.zone").write_text(
            ZONE_HEAD.format(zone="child.optout.", address=ZONES) + "_25._tcp TLSA 3 1 1 " + "ab" * 32 + "\n"
        )
        digest = secrets.token_hex(32)
        self.unsigned("newalgorithm.", www, f"newalgorithm. DS 4711 200 2 {digest}")
        self.unsigned("newdigest.", www, f"newdigest. DS 4711 13 200 {digest}")
        self.unsigned("rsamd5.", www, f"rsamd5. DS 4711 1 2 {digest}")
        self.unsigned("dsa.", www, f"dsa. DS 4711 3 2 {digest}")
        self.delegate("odd.", address=ODD)
        self.delegate("stripped.", self.key("stripped.")[1], address=ODD)
        self.make_two_signatures()
        self.make_mixed_ds()
        self.make_key_trap()

    def make_two_signatures(self) -> None:
        """Signed with two keys; the signatures of one of them over the address are false."""
        (one, ds_one), (two, ds_two) = self.key("two."), self.key("two.")
        self.delegate("two.", f"{ds_one}\n{ds_two}")
        text = ZONE_HEAD.format(zone="two.", address=ZONES) + "www A 198.51.100.1\n"
        path = self.sign("two.", text, [one, two], "-A")
        pattern = re.compile(r"^(www\.two\.\s+\d+\s+IN\s+RRSIG\s+A\s+.*\s)(\S+)$", re.M)
        signatures = pattern.findall(path.read_text())
        assert len(signatures) == 2, signatures
        path.write_text(pattern.sub(lambda m: m[1] + flipped(m[2]), path.read_text(), count=1))

    def make_mixed_ds(self) -> None:
        """One DS of an unknown algorithm beside one that works."""
        base, ds = self.key("mixed.")
        self.delegate("mixed.", f"{ds}\nmixed. DS 4711 200 2 {secrets.token_hex(32)}")
        self.sign("mixed.", ZONE_HEAD.format(zone="mixed.", address=ZONES) + "www A 198.51.100.1\n", [base])

    def make_key_trap(self) -> None:
        """Many keys of one tag and many false signatures by it: each pair costs a validator one verification."""
        base, ds = self.key("trap.")
        self.delegate("trap.", ds)
        real = (self.home / f"{base}.key").read_text()
        flags, protocol, algorithm, key = re.search(r"DNSKEY\s+(\d+) (\d+) (\d+) (\S+)", real).groups()  # type: ignore[union-attr]
        tag = key_tag(256, base64.b64decode(key))
        keys = "".join(f"@ DNSKEY 256 {protocol} {algorithm} {twin(tag)}\n" for _ in range(100))
        path = self.sign("trap.", ZONE_HEAD.format(zone="trap.", address=ZONES) + "www A 198.51.100.1\n" + keys, [base])
        pattern = re.compile(r"^(www\.trap\.\s+\d+\s+IN\s+RRSIG\s+A\s+\S+ \S+ \S+ \S+ \S+ )\d+ (\S+) (\S+)$", re.M)
        found = pattern.search(path.read_text())
        assert found, "no signature to replace"
        false = "".join(
            f"{found[1]}{tag} {found[2]} {base64.b64encode(secrets.token_bytes(64)).decode()}\n" for _ in range(200)
        )
        path.write_text(pattern.sub("", path.read_text()) + false)

    def make_root(self) -> None:
        """Two keys sign everything; only the first is in the trust anchor, as when a rollover begins."""
        (first, _), (second, _) = self.key("."), self.key(".")
        head = "$ORIGIN .\n$TTL 300\n@ SOA a hostmaster 1 3600 600 604800 300\n@ NS a\n"
        self.sign(".", head + self.root_records, [first, second], "-A")
        self.anchor = (self.home / f"{first}.key").read_text().partition(";")[0].strip()
        self.new_key = (self.home / f"{second}.key").read_text().partition(";")[0].split()[-1]
        self.anchor_file = self.home / "root.key"
        self.anchor_file.write_text(self.anchor + "\n")
        self.hints = self.home / "root.hints"
        self.hints.write_text(f". 3600000 NS a.\na. 3600000 A {ROOT}\n")

    def serve(self, name: str, address: str, zones: list[str]) -> None:
        state = self.home / f"nsd-{name}"
        state.mkdir()
        text = NSD.format(address=address, home=self.home, state=state)
        for zone in zones:
            text += f'zone:\n    name: "{zone}"\n    zonefile: "{zone.rstrip(".") or "root"}.zone"\n'
        (state / "nsd.conf").write_text(text)
        process = subprocess.Popen(["nsd", "-d", "-c", state / "nsd.conf"], stdin=subprocess.DEVNULL)
        atexit.register(process.kill)
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection((address, 53), 1).close()
                return
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"nsd for {name} did not start: {state}/nsd.log") from None
                time.sleep(0.05)


def flipped(signature: str) -> str:
    return ("B" if signature[0] == "A" else "A") + signature[1:]


def key_tag(flags: int, key: bytes) -> int:
    """RFC 4034 appendix B, of an ECDSA P-256 key."""
    octets = struct.pack(">HBB", flags, 3, 13) + key
    total = sum(o if i & 1 else o << 8 for i, o in enumerate(octets))
    return (total + (total >> 16)) & 0xFFFF


def twin(tag: int) -> str:
    """Some other key with this tag, in base64."""
    while True:
        key = bytearray(secrets.token_bytes(62)) + b"\0\0"
        key[-2:] = struct.pack(">H", (tag - key_tag(256, bytes(key))) & 0xFFFF)
        if key_tag(256, bytes(key)) == tag:  # not when the carry differs
            return base64.b64encode(key).decode()
