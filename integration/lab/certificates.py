"""The lab's own CA and every certificate of the scenario table, made with openssl, new in each run."""

from __future__ import annotations

import hashlib
import subprocess
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


class Authority:
    """Makes certificates in DIR/certs: <id>.pem (certificate), <id>.key, <id>.chain (key first, as Postfix wants)."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.config = directory / "openssl.cnf"
        directory.mkdir()
        self.config.write_text(OPENSSL_CONFIG.format(dir=directory))
        (directory / "index.txt").touch()
        self.ca = directory / "ca.pem"
        self.ca_key = directory / "ca.key"
        self._request("Sealpost lab CA", self.ca, self.ca_key, (), "critical,CA:TRUE", ["-x509", "-days", "30"])

    def _request(
        self, name: str, out: Path, key: Path, names: tuple[str, ...], constraints: str, extra: list[str]
    ) -> None:
        extensions = ["-addext", f"basicConstraints={constraints}", "-addext", "subjectKeyIdentifier=hash"]
        if names:
            extensions += ["-addext", "subjectAltName=" + ",".join(f"DNS:{n}" for n in names)]
        openssl(
            "req", "-config", self.config, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", key, "-out", out, "-subj", f"/CN={name}", *extensions, *extra,
        )  # fmt: skip

    def make(self, certificate: Certificate) -> None:
        pem, key = self.pem(certificate.id), self.directory / f"{certificate.id}.key"
        names, subject = certificate.names, certificate.names[0]
        if certificate.expired:
            request = self.directory / f"{certificate.id}.csr"
            self._request(subject, request, key, names, "critical,CA:FALSE", [])
            now = datetime.now(timezone.utc)
            start, end = ((now - timedelta(days=d)).strftime("%Y%m%d%H%M%SZ") for d in (30, 1))
            openssl(
                "ca", "-config", self.config, "-batch", "-notext", "-selfsign", "-keyfile", key,
                "-startdate", start, "-enddate", end, "-in", request, "-out", pem,
            )  # fmt: skip
        else:
            signer = ["-CA", str(self.ca), "-CAkey", str(self.ca_key)] if certificate.issuer == "ca" else []
            self._request(subject, pem, key, names, "critical,CA:FALSE", ["-x509", "-days", "30", *signer])
        chain = self.directory / f"{certificate.id}.chain"
        chain.write_bytes(key.read_bytes() + pem.read_bytes())
        chain.chmod(0o600)

    def pem(self, id: str) -> Path:
        return self.directory / f"{id}.pem"

    def association(self, id: str, selector: int, matching: int) -> str:
        """TLSA association data of a certificate in hexadecimal (RFC 6698 §2.1.4)."""
        data = openssl("x509", "-in", self.pem(id), "-outform", "DER")
        if selector == 1:
            public = openssl("x509", "-in", self.pem(id), "-noout", "-pubkey")
            data = subprocess.run(
                ["openssl", "pkey", "-pubin", "-outform", "DER"], input=public, capture_output=True, check=True
            ).stdout
        if matching == 0:
            return data.hex()
        return (hashlib.sha256 if matching == 1 else hashlib.sha512)(data).hexdigest()
