"""Configuration of the receiving side: Postfix, the hostile SMTP server, the policy host, and where the mail goes."""

from __future__ import annotations

import json
import os
import pwd
from grp import getgrnam
from pathlib import Path

import scenarios
from scenarios import Scenario

MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {spool}
data_directory = {data}
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
meta_directory = {etc}
mail_owner = postfix
setgid_group = postdrop
maillog_file = {log}
maillog_file_prefixes = {log_directory}
inet_interfaces = loopback-only
inet_protocols = {protocols}
myhostname = postfix.lab.example
mydestination =
alias_maps =
local_recipient_maps =
mynetworks = 127.0.0.0/8
virtual_mailbox_domains = {domains}
virtual_mailbox_maps = static:accepted
virtual_transport = lmtp:inet:{store_host}:{store_port}
smtpd_relay_restrictions = reject_unauth_destination
smtpd_peername_lookup = no
disable_dns_lookups = yes
lmtp_host_lookup = native
lmtp_connection_cache_on_demand = no
smtpd_error_sleep_time = 0
smtpd_client_connection_count_limit = 0
smtpd_forbid_bare_newline = yes
smtpd_tls_security_level = may
smtpd_tls_loglevel = 1
smtpd_tls_received_header = yes
smtpd_tls_mandatory_protocols = >=TLSv1.2
tls_append_default_CA = no
message_size_limit = 67108864
mailbox_size_limit = 0
enable_long_queue_ids = yes
biff = no
"""

MASTER_CF = """\
cleanup   unix  n  -  n  -    0  cleanup
qmgr      unix  n  -  n  300  1  qmgr
tlsmgr    unix  -  -  n  1000? 1 tlsmgr
rewrite   unix  -  -  n  -    -  trivial-rewrite
bounce    unix  -  -  n  -    0  bounce
defer     unix  -  -  n  -    0  bounce
trace     unix  -  -  n  -    0  bounce
flush     unix  n  -  n  1000? 0 flush
proxymap  unix  -  -  n  -    -  proxymap
showq     unix  n  -  n  -    -  showq
error     unix  -  -  n  -    -  error
retry     unix  -  -  n  -    -  error
lmtp      unix  -  -  n  -    20 lmtp
anvil     unix  -  -  n  -    1  anvil
postlog   unix-dgram n - n  -  1  postlogd
"""


def write_postfix(directory: Path, spool: Path, logs: Path, certs: Path, table: list[Scenario], ipv6: bool) -> None:
    """One Postfix with a listener for every address of the table that wants a real receiver."""
    directory.mkdir()
    (directory / "main.cf").write_text(
        MAIN_CF.format(
            spool=spool / "queue",
            data=spool / "data",
            etc=directory,
            log=logs / "postfix.log",
            log_directory=logs,
            protocols="all" if ipv6 else "ipv4",
            domains=", ".join(s.domain for s in table),
            store_host=scenarios.STORE[0],
            store_port=scenarios.STORE[1],
        )
    )
    master = MASTER_CF
    for host in (h for s in table for h in s.hosts.values() if h.server == "postfix"):
        options = f"  -o myhostname={host.fqdn} -o syslog_name=postfix/{host.fqdn}"
        if host.tls:
            options += f" -o smtpd_tls_chain_files={certs / host.certificate.id}.chain"
        else:
            options += " -o smtpd_tls_security_level=none"
        for address in host.addresses:
            shown = f"[{address}]" if ":" in address else address
            master += f"{shown}:25 inet n - n - 50 smtpd\n{options}\n"
    (directory / "master.cf").write_text(master)


def make_spool(spool: Path) -> None:
    """What Postfix's own installation makes of its queue, with the owners and modes that it checks."""
    owner, group = pwd.getpwnam("postfix").pw_uid, getgrnam("postdrop").gr_gid
    queue = spool / "queue"
    queue.mkdir()
    (queue / "pid").mkdir()
    for name in ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace"):
        (queue / name).mkdir(mode=0o700)
        os.chown(queue / name, owner, -1)
    for name, mode in (("maildrop", 0o730), ("public", 0o710)):
        (queue / name).mkdir()
        os.chown(queue / name, owner, group)
        os.chmod(queue / name, mode)
    (spool / "data").mkdir(mode=0o700)
    os.chown(spool / "data", owner, -1)


def write_smtpd(path: Path, mail: Path, logs: Path, certs: Path, table: list[Scenario]) -> None:
    listeners = [
        {
            "address": address,
            "port": 25,
            "name": host.fqdn,
            "chain": f"{certs / host.certificate.id}.chain" if host.tls else "",
            "behaviour": host.behaviour,
        }
        for scenario in table
        for host in scenario.hosts.values()
        if host.server == "smtpd"
        for address in host.addresses
    ]
    store = {"address": scenarios.STORE[0], "port": scenarios.STORE[1], "name": "store", "chain": "", "protocol": "lmtp"}
    mail.mkdir()
    path.write_text(json.dumps({"mail": str(mail), "log": str(logs), "listeners": [*listeners, store]}, indent=1))


def write_policyhost(path: Path, logs: Path, certs: Path, table: list[Scenario], ipv6: bool) -> None:
    hosts = {
        policy.host: {
            "chain": f"{certs / policy.certificate.id}.chain",
            "behaviour": policy.behaviour,
            "override": str(path.parent / "policies" / policy.host),
            "body": "".join(f"{line}\r\n" for line in policy.body.strip().splitlines()),
        }
        for policy in (s.policy for s in table)
        if policy
    }
    addresses = [a for a in scenarios.POLICY_HOST if ipv6 or ":" not in a]
    path.write_text(json.dumps({"addresses": addresses, "log": str(logs), "hosts": hosts}, indent=1))
