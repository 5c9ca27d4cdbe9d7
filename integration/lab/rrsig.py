"""Signatures over records that no zone signer would read: TLSA RDATA of one octet, of 60000, or a thousand of them.

Source: RFC 4034 §3.1.8.1 (what is signed) and §6.3 (canonical order); RFC 6605 §4 (ECDSA P-256 signatures).
"""

from __future__ import annotations

import re
import struct
import subprocess
import time
from base64 import b64decode
from pathlib import Path

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "MX": 15, "TXT": 16, "AAAA": 28, "RRSIG": 46, "NSEC": 47, "TLSA": 52}
CLASS_IN = 1
ALGORITHM = 13  # ECDSAP256SHA256
# An ECPrivateKey (RFC 5915) of curve P-256 around the 32 octets of the private key.
EC_KEY_HEAD, EC_KEY_TAIL = bytes.fromhex("30310201010420"), bytes.fromhex("a00a06082a8648ce3d030107")


def wire_name(name: str) -> bytes:
    """Uncompressed and in lower case."""
    labels = [label.encode() for label in name.lower().rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def integer(der: bytes, at: int) -> tuple[bytes, int]:
    """The INTEGER at this place in 32 octets, and where it ends."""
    assert der[at] == 0x02
    end = at + 2 + der[at + 1]
    return der[at + 2 : end].lstrip(b"\0").rjust(32, b"\0"), end


def ecdsa(private: Path, data: bytes) -> bytes:
    """r and s over SHA-256 of the data, with a key as ldns-keygen writes it."""
    found = re.search(r"^PrivateKey: (\S+)", private.read_text(), re.M)
    assert found
    key = private.with_suffix(".der")
    key.write_bytes(EC_KEY_HEAD + b64decode(found[1]).rjust(32, b"\0") + EC_KEY_TAIL)
    command = ["openssl", "dgst", "-sha256", "-keyform", "DER", "-sign", str(key)]
    der = subprocess.run(command, input=data, capture_output=True, timeout=30, check=True).stdout
    r, end = integer(der, 2)
    s, _ = integer(der, end)
    return r + s


def sign(
    key: Path, zone: str, owner: str, rrtype: str, ttl: int, rdata: list[bytes], days: tuple[float, float]
) -> bytes:
    """The RDATA of the RRSIG. `key` is the path of the key's files without suffix; valid from and to so many days."""
    inception, expiration = (int(time.time() + day * 86400) for day in days)
    head = struct.pack(
        "!HBBIIIH", TYPES[rrtype], ALGORITHM, owner.rstrip(".").count(".") + 1, ttl, expiration, inception,
        int(key.name.rpartition("+")[2]),
    )  # fmt: skip
    head += wire_name(zone)
    fixed = wire_name(owner) + struct.pack("!HHI", TYPES[rrtype], CLASS_IN, ttl)
    records = b"".join(fixed + struct.pack("!H", len(octets)) + octets for octets in sorted(set(rdata)))
    return head + ecdsa(key.with_name(f"{key.name}.private"), head + records)
