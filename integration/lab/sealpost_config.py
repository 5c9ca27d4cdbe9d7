"""The configuration of the Sealpost that lives in the lab: the unchanged daemon, pointed at the lab's DNS and CA."""

from __future__ import annotations

import os
import pwd
from datetime import date
from pathlib import Path

from certificates import Authority
from scenarios import Certificate, Scenario

USER = "nobody"
NAME = "sealpost.example"
CERTIFICATE = Certificate(NAME, (NAME,), issuer="ca")  # what its listener shows

CONFIG = """\
# Written by integration/lab/up. Only what differs from the defaults.
[daemon]
hostname = "{name}"
state_directory = "{base}/state"
admin_socket = "{base}/run/admin.sock"
user = "{user}"
shutdown_timeout = "5s"

[listener]
listen = ["127.0.0.1:2525"]
tls_certificate = "{lab}/certs/{name}.pem"
tls_key = "{lab}/certs/{name}.key"

[queue]
retry_first = "2min"
retry_max = "10min"

[delivery]
# The lab's receivers have addresses that are forbidden by default, because they route nowhere.
forbidden_networks = ["0.0.0.0/8", "10.0.0.0/8", "127.0.0.0/8", "::1/128"]
ipv6 = {ipv6}
connect_timeout = "5s"
greeting_timeout = "5s"
helo_timeout = "5s"
starttls_timeout = "5s"
handshake_timeout = "5s"
mail_timeout = "10s"
rcpt_timeout = "10s"
data_timeout = "10s"
block_timeout = "10s"
final_timeout = "20s"

[dns]
trust_anchor_file = "{lab}/root.key"
root_hints_file = "{lab}/root.hints"
timeout = "5s"
ipv6 = {ipv6}

[tls]
ca_file = "{lab}/ca.pem"

[mta_sts]
fetch_timeout = "5s"
forbidden_networks = ["0.0.0.0/8", "127.0.0.0/8", "::1/128"]

[reports]
organization_name = "Sealpost lab"
contact_info = "tlsrpt@sender.example"
"""


def toml_value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(toml_value(v) for v in value) + "]"
    return str(value) if isinstance(value, int | date) else '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def rule_value(scenario: Scenario, authority: Authority, key: str, value: object) -> object:
    """What the table leaves open: "@HOST" is the digest of that host's key, "@other" the file of that CA."""
    if key == "ca_file" and str(value).startswith("@"):
        return authority.issuer(str(value)[1:])
    if key != "pins" or not isinstance(value, list):
        return value
    digest = lambda name: authority.association(authority.pem(scenario.hosts[name].certificate.id), 1, 1)  # noqa: E731
    return [digest(pin[1:]) if pin.startswith("@") else pin for pin in value]


def write(lab: Path, table: list[Scenario], ipv6: bool, authority: Authority) -> Path:
    base = lab / "sealpost"
    account = pwd.getpwnam(USER)
    for name, mode in ((".", 0o755), ("domains.d", 0o755), ("state", 0o700), ("run", 0o755)):
        (base / name).mkdir(exist_ok=True)
        (base / name).chmod(mode)
    for name in ("state", "run"):
        os.chown(base / name, account.pw_uid, account.pw_gid)
    rules = "# Written by integration/lab/up from the rules of the scenario table.\n"
    for scenario in table:
        if scenario.rule:
            rules += f'\n[domain."{scenario.domain}"]\n'
            for key, value in scenario.rule.items():
                rules += f"{key} = {toml_value(rule_value(scenario, authority, key, value))}\n"
    (base / "domains.d" / "lab.toml").write_text(rules)
    config = base / "sealpost.toml"
    config.write_text(CONFIG.format(base=base, name=NAME, lab=lab, user=USER, ipv6=toml_value(ipv6)))
    return config
