"""The HTTPS host of every MTA-STS policy of the lab.

usage: policyhost.py CONFIG.json

The configuration has the addresses to listen on and for each host name (mta-sts.DOMAIN) its chain (key and certificate,
chosen by SNI), behaviour, body, and the path of a file whose text takes the body's place while it exists. Every request
is written to LOG/policyhost.jsonl.
"""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

BEHAVIOURS = {
    "ok": "200, text/plain, the body",
    "not-found": "404",
    "error": "503",
    "redirect": "301 to a place where the policy can be had",
    "wrong-type": "the body as text/html",
    "no-type": "the body without a Content-Type",
    "gzip": "the body compressed, which nobody asked for",
    "no-content": "204",
    "huge": "a body without end, up to 16 MiB",
    "slow": "one octet of the body in a second",
    "hang": "no answer",
}
PATH = "/.well-known/mta-sts.txt"
TIMEOUT = 60.0
MAX_EVENTS = 20000
MAX_CONNECTIONS = 100


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "sealpost-lab"
    timeout = TIMEOUT
    server: PolicyServer

    def do_GET(self) -> None:
        name = (self.headers.get("Host") or "").partition(":")[0].lower()
        sni = getattr(self.connection, "lab_sni", "")
        host = self.server.hosts.get(name)
        self.server.record(host=name, sni=sni, path=self.path[:200], peer=self.client_address[0])
        if host is None:
            return self.send("no such policy host\n", 404)
        if self.path == "/moved.txt" and host["behaviour"] == "redirect":
            return self.send(host["body"])
        if self.path != PATH:
            return self.send("not here\n", 404)
        self.answer(host)

    def answer(self, host: dict[str, str]) -> None:
        behaviour, body = host["behaviour"], self.server.body_of(host)
        if behaviour == "not-found":
            self.send("no policy\n", 404)
        elif behaviour == "error":
            self.send("not now\n", 503)
        elif behaviour == "redirect":
            self.send("", 301, location="/moved.txt")
        elif behaviour == "wrong-type":
            self.send(body, kind="text/html")
        elif behaviour == "no-type":
            self.send(body, kind="")
        elif behaviour == "gzip":
            packed = gzip.compress(body.encode())
            self.start(200, len(packed), encoding="gzip")
            self.wfile.write(packed)
        elif behaviour == "no-content":
            self.start(204, 0)
        elif behaviour == "huge":
            self.start(200, 16 << 20)
            for _ in range(16 << 8):
                self.wfile.write(b"x-filler: 0123456789abcdef\r\n".ljust(4096, b"\n"))
        elif behaviour == "slow":
            self.start(200, len(body))
            for octet in body.encode():
                self.wfile.write(bytes([octet]))
                time.sleep(1)
        elif behaviour == "hang":
            time.sleep(TIMEOUT)
            self.close_connection = True
        else:
            self.send(body)

    def start(
        self,
        status: int,
        length: int,
        kind: str = "text/plain; charset=utf-8",
        location: str = "",
        encoding: str = "",
    ) -> None:
        self.send_response(status)
        fields = {"Content-Type": kind, "Location": location, "Content-Encoding": encoding}
        for name, value in fields.items():
            if value:
                self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def send(self, body: str, status: int = 200, **headers: str) -> None:
        self.start(status, len(body.encode()), **headers)
        self.wfile.write(body.encode())

    def log_message(self, *_args: Any) -> None:
        """The server's own record is kept instead."""


class PolicyServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: str, hosts: dict[str, dict[str, str]], log: Path) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.hosts = hosts
        self._log = log.open("a", encoding="utf-8")
        self._lock = threading.Lock()
        self._left = MAX_EVENTS
        self._slots = threading.Semaphore(MAX_CONNECTIONS)
        self._contexts = {name: self._context(host["chain"]) for name, host in hosts.items()}
        super().__init__((address, 443), Handler)

    def _context(self, chain: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(chain)
        context.sni_callback = self._choose
        return context

    def _choose(self, connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> int | None:
        if name not in self._contexts:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        connection.context = self._contexts[name]
        setattr(connection, "lab_sni", name)
        return None

    def body_of(self, host: dict[str, str]) -> str:
        """The policy as it stands now: a test may put another one in the place of the table's."""
        override = Path(host["override"])
        return override.read_text() if override.exists() else host["body"]

    def record(self, **event: Any) -> None:
        with self._lock:
            if self._left > 0:
                self._left -= 1
                self._log.write(json.dumps({"time": round(time.time(), 3)} | event) + "\n")
                self._log.flush()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._slots.acquire()
        super().process_request(request, client_address)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the connection's own thread, so that a slow handshake holds up nobody else."""
        request.settimeout(TIMEOUT)
        try:
            secured = next(iter(self._contexts.values())).wrap_socket(request, server_side=True)
        except OSError as error:
            return self.record(event="tls", error=str(error), peer=client_address[0])
        with secured:
            try:
                Handler(secured, client_address, self)
            except OSError as error:
                self.record(event="close", error=str(error), peer=client_address[0])

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()


def main() -> None:
    config = json.loads(Path(sys.argv[1]).read_text())
    for name, host in config["hosts"].items():
        if host["behaviour"] not in BEHAVIOURS:
            sys.exit(f"policyhost.py: behaviour '{host['behaviour']}' of {name} is none of {', '.join(BEHAVIOURS)}")
    log = Path(config["log"]) / "policyhost.jsonl"
    servers = [PolicyServer(address, config["hosts"], log) for address in config["addresses"]]
    for server in servers:
        threading.Thread(target=server.serve_forever).start()


if __name__ == "__main__":
    main()
