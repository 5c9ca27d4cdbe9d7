"""The lab's own CA, one that nobody trusts, and every certificate of the scenario tables, new in each run."""

from __future__ import annotations

import hashlib
import ssl
import subprocess
import threading
from base64 import b64decode
from datetime import datetime, timedelta, timezone
from pathlib import Path

from scenarios import Certificate

OPENSSL_CONFIG = """
[req]
distinguished_name = dn
prompt = no
[dn]
CN = unused
[ca]
default_ca = lab
[lab]
database = {dir}/index.txt
rand_serial = yes
new_certs_dir = {dir}
default_md = sha256
unique_subject = no
policy = any
email_in_dn = no
copy_extensions = copy
[any]
commonName = supplied
"""


def openssl(*args: str | Path) -> bytes:
    done = subprocess.run(["openssl", *map(str, args)], capture_output=True, timeout=30)
    if done.returncode:
        raise RuntimeError(f"openssl {args[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def alternative_names(names: tuple[str, ...]) -> str:
    """The value of subjectAltName. A name with odd octets in it is more than openssl's own syntax can say."""
    if all(name.isprintable() for name in names):
        return ",".join(f"DNS:{name}" for name in names)
    entries = b"".join(b"\x82" + bytes([len(name)]) + name.encode("ascii") for name in names)
    assert len(entries) < 128, "the long form of DER lengths is not written here"
    return "DER:" + (b"\x30" + bytes([len(entries)]) + entries).hex(":")


class Authority:
    """Makes certificates in DIR/certs: <id>.pem (certificate), <id>.key, <id>.chain (key first, as Postfix wants)."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.config = directory / "openssl.cnf"
        directory.mkdir()
        self.config.write_text(OPENSSL_CONFIG.format(dir=directory))
        (directory / "index.txt").touch()
        self.database = threading.Lock()
        for issuer, name in (("ca", "Sealpost lab CA"), ("other", "A CA that nobody trusts")):
            key = self.issuer_key(issuer)
            self._request(name, self.issuer(issuer), key, (), "critical,CA:TRUE", ["-x509", "-days", "30"])

    def issuer(self, issuer: str) -> Path:
        return self.directory / f"{issuer}.pem"

    def issuer_key(self, issuer: str) -> Path:
        return self.directory / f"{issuer}.key"

    def _request(
        self, name: str, out: Path, key: Path, names: tuple[str, ...], constraints: str, extra: list[str | Path]
    ) -> None:
        extensions = ["-addext", f"basicConstraints={constraints}", "-addext", "subjectKeyIdentifier=hash"]
        if names:
            extensions += ["-addext", f"subjectAltName={alternative_names(names)}"]
        openssl(
            "req", "-config", self.config, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", key, "-out", out, "-subj", f"/CN={name}", *extensions, *extra,
        )  # fmt: skip

    def make(self, certificate: Certificate) -> None:
        pem, key = self.pem(certificate.id), self.directory / f"{certificate.id}.key"
        names, issuer = certificate.names, certificate.issuer
        subject = names[0] if names and names[0].isprintable() else certificate.id
        if certificate.expired:
            request = self.directory / f"{certificate.id}.csr"
            self._request(subject, request, key, names, "critical,CA:FALSE", [])
            now = datetime.now(timezone.utc)
            start, end = ((now - timedelta(days=d)).strftime("%Y%m%d%H%M%SZ") for d in (30, 1))
            signer = ["-selfsign", "-keyfile", key]
            if issuer != "self":
                signer = ["-cert", self.issuer(issuer), "-keyfile", self.issuer_key(issuer)]
            with self.database:  # of `openssl ca`: one at a time
                openssl(
                    "ca", "-config", self.config, "-batch", "-notext", *signer,
                    "-startdate", start, "-enddate", end, "-in", request, "-out", pem,
                )  # fmt: skip
        else:
            signer = []
            if issuer != "self":
                signer = ["-CA", self.issuer(issuer), "-CAkey", self.issuer_key(issuer)]
            self._request(subject, pem, key, names, "critical,CA:FALSE", ["-x509", "-days", "30", *signer])
        chain = self.directory / f"{certificate.id}.chain"
        anchor = self.issuer(issuer).read_bytes() if certificate.anchor else b""
        chain.write_bytes(key.read_bytes() + pem.read_bytes() + anchor)
        chain.chmod(0o600)

    def pem(self, id: str) -> Path:
        return self.directory / f"{id}.pem"

    @staticmethod
    def association(pem: Path, selector: int, matching: int) -> str:
        """TLSA association data of a certificate in hexadecimal (RFC 6698 §2.1.4)."""
        data = ssl.PEM_cert_to_DER_cert(pem.read_text())
        if selector == 1:  # a PEM public key is the DER of the SubjectPublicKeyInfo in base64
            public = openssl("x509", "-in", pem, "-noout", "-pubkey").decode()
            data = b64decode("".join(line for line in public.splitlines() if not line.startswith("-")))
        if matching == 0:
            return data.hex()
        return (hashlib.sha256 if matching == 1 else hashlib.sha512)(data).hexdigest()
