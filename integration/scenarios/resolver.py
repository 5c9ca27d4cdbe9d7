"""The resolver: what it makes of real zones, and what becomes of its self test and of the root's key."""

from __future__ import annotations

import json
import time

import client
from harness import World, require, same, test, wait_for
from small_internet import A, DNSKEY, MX, ODD, TLSA, TXT, Process, SmallInternet

MIB = 1 << 20


def internet(world: World) -> SmallInternet:
    return world.once("small internet", lambda: SmallInternet(world.lab / "small-internet"))


def process(world: World, **settings: object) -> Process:
    net = internet(world)
    anchor = str(settings.pop("anchor", net.anchor))
    return Process(world.binary, anchor, net.hints, **settings)


def check(resolver: Process, name: str, rrtype: int, status: str, data: str = "") -> None:
    answer = resolver.ask(name, rrtype)
    same(f"{name} (type {rrtype}, {answer.why})", answer.state, (status, data))


@test("from the trust anchor down every algorithm that counts validates [DNS-19 DNS-26]")
def algorithms(world: World) -> None:
    with process(world) as resolver:
        for zone in ("rsasha256", "rsasha512", "ecdsap256sha256", "ed25519"):
            check(resolver, f"www.{zone}", A, "secure", "data")


@test("a signature outside its time is bogus and says so with its RFC 8914 code [DNS-19 DNS-28]")
def times(world: World) -> None:
    with process(world) as resolver:
        for zone, code in (("expired", "EDE 7 (Signature Expired)"), ("future", "EDE 8 (Signature Not Yet Valid)")):
            answer = resolver.ask(f"www.{zone}")
            same(f"www.{zone}", answer.status, "bogus")
            require(code in answer.why, f"the reason of www.{zone} is {answer.why!r}, without {code!r}")


@test("denials with NSEC and NSEC3 are proven and one without proof is bogus [DNS-08 DNS-20]")
def denials(world: World) -> None:
    with process(world) as resolver:
        for zone in ("nsec", "nsec3"):
            check(resolver, f"nosuch.{zone}", A, "secure", "NXDOMAIN")
            check(resolver, f"www.{zone}", TXT, "secure", "NODATA")
        check(resolver, "x.y.wild.nsec", A, "secure", "data")
        check(resolver, "x.wild.nsec", MX, "secure", "NODATA")
        check(resolver, "nosuch.plain", A, "insecure", "NXDOMAIN")
        check(resolver, "www.plain", TXT, "insecure", "NODATA")
        check(resolver, "nosuch.stripped", A, "bogus")


@test("an opt-out span makes the child insecure and proves nothing about names in it [DNS-25]")
def opt_out(world: World) -> None:
    with process(world) as resolver:
        check(resolver, "www.optout", A, "secure", "data")
        check(resolver, "_25._tcp.child.optout", TLSA, "insecure", "data")
        check(resolver, "_26._tcp.child.optout", TLSA, "insecure", "NXDOMAIN")
        check(resolver, "_25._tcp.nosuch.optout", TLSA, "insecure", "NXDOMAIN")


@test("NSEC3 iterations above the threshold make a denial insecure [DNS-24]")
def iterations(world: World) -> None:
    with process(world) as resolver:
        check(resolver, "nosuch.iter50", A, "secure", "NXDOMAIN")
        check(resolver, "nosuch.iter51", A, "insecure", "NXDOMAIN")
        check(resolver, "www.iter51", A, "secure", "data")
    with process(world, nsec3_iterations=49) as resolver:
        check(resolver, "nosuch.iter50", A, "insecure", "NXDOMAIN")
    with process(world, nsec3_iterations=51) as resolver:
        check(resolver, "nosuch.iter51", A, "secure", "NXDOMAIN")


@test("a zone whose only DS records cannot be used is insecure and never bogus or secure [DNS-21 DNS-26]")
def unsupported(world: World) -> None:
    with process(world) as resolver:
        for zone in ("newalgorithm", "newdigest", "rsamd5", "dsa"):
            check(resolver, f"www.{zone}", A, "insecure", "data")


@test("one true signature is enough and one DS that works is enough [DNS-22]")
def several(world: World) -> None:
    with process(world) as resolver:
        check(resolver, "www.two", A, "secure", "data")
        check(resolver, "www.mixed", A, "secure", "data")


@test("colliding keys and hundreds of false signatures end in an error soon [DNS-23]")
def key_trap(world: World) -> None:
    with process(world) as resolver:
        began = time.monotonic()
        status = resolver.ask("www.trap").status
        took = time.monotonic() - began
        require(status in ("bogus", "error"), f"www.trap is {status}")
        require(took < 5, f"it took {took:.1f} s")
        check(resolver, "www.nsec", A, "secure", "data")


@test("a CNAME chain is as secure as its weakest link and an error when a link is one [DNS-09 DNS-10 DNS-12]")
def chains(world: World) -> None:
    with process(world) as resolver:
        good = resolver.ask("good.nsec")
        same("good.nsec", (good.state, good.canonical), (("secure", "data"), "www.nsec3"))
        check(resolver, "gone.nsec", A, "secure", "NXDOMAIN")
        check(resolver, "plain.nsec", A, "insecure", "data")
        check(resolver, "back.nsec", A, "insecure", "data")  # secure, insecure, secure
        check(resolver, "bad.nsec", A, "bogus")
        check(resolver, "broken.nsec", A, "error")
        # Neither a partial answer nor its records: what cannot be followed to its end is an error.
        for name in ("loop.nsec", "c0.nsec", "broken.nsec"):
            answer = resolver.ask(name)
            same(f"{name} ({answer.why})", (answer.status, answer.rdata), ("error", []))
        eight = resolver.ask("c32.nsec")
        same("a chain of eight", (eight.state, eight.canonical), (("secure", "data"), "c40.nsec"))


@test("a DNAME is followed and covers the CNAME that was made of it [DNS-13]")
def dname(world: World) -> None:
    with process(world) as resolver:
        answer = resolver.ask("www.tree.nsec")
        same("www.tree.nsec", (answer.state, answer.canonical), (("secure", "data"), "www.nsec3"))


@test("questions carry DO and an AD bit in a reply is not believed wherever it comes from [DNS-03 DNS-04]")
def authentic(world: World) -> None:
    odd = internet(world).odd
    odd.do.clear()
    stub = [{"zone": "odd", "servers": [f"{ODD}:53"]}]
    for settings in ({}, {"stub_zones": stub}):
        with process(world, **settings) as resolver:
            check(resolver, "authentic.odd", A, "insecure", "data")
    require(len(odd.do) >= 2 and all(odd.do), f"questions with DO: {odd.do}")


@test("a truncated reply is asked again over TCP and without TCP it is an error [DNS-14 DNS-07]")
def truncated(world: World) -> None:
    with process(world) as resolver:
        answer = resolver.ask("_25._tcp.big", TLSA)
        same("the large TLSA set", (answer.state, len(answer.rdata)), (("secure", "data"), 60))
        check(resolver, "truncated.odd", A, "error")


@test("a server that answers with an error or with rubbish is an error and never a denial [DNS-07]")
def errors(world: World) -> None:
    with process(world) as resolver:
        for kind in ("servfail", "refused", "notimp", "formerr", "garbage"):
            check(resolver, f"{kind}.odd", A, "error")
        check(resolver, "fine.odd", A, "insecure", "data")


@test("a reply with another ID or question or source is dropped and the query goes on [DNS-15]")
def forged(world: World) -> None:
    odd = internet(world).odd
    with process(world) as resolver:
        for name in ("forged.odd", "misasked.odd"):
            same(f"the address of {name}", resolver.ask(name).rdata, [bytes((198, 51, 100, 1))])
        odd.asked.clear()
        for number in range(40):
            check(resolver, f"n{number}.odd", A, "insecure", "data")
        ports, ids = ({asked[field] for asked in odd.asked} for field in (1, 2))
        require(len(ports) > 30, f"40 questions came from {len(ports)} ports")
        require(len(ids) > 35, f"40 questions had {len(ids)} IDs")
        spread = max(ids) - min(ids), max(ports) - min(ports)
        require(min(spread) > 10_000, f"IDs and ports lie within {spread}")


@test("records of another type or owner in an answer are ignored [DNS-30]")
def extra(world: World) -> None:
    with process(world) as resolver:
        answer = resolver.ask("extra.odd")
        same("extra.odd", (answer.canonical, answer.rdata), ("extra.odd", [bytes((198, 51, 100, 1))]))
        # Nor did the stranger come into the cache.
        same("stray.odd", resolver.ask("stray.odd").rdata, [bytes((198, 51, 100, 1))])


@test("an answer keeps its state in the cache and its TTL runs down [DNS-17]")
def cached(world: World) -> None:
    with process(world) as resolver:
        first = resolver.ask("www.nsec3")
        time.sleep(2.1)
        second = resolver.ask("www.nsec3")
        same("the cached answer", (second.state, second.rdata), (first.state, first.rdata))
        require(first.ttl - 5 <= second.ttl <= first.ttl - 2, f"its TTL is {second.ttl} after {first.ttl}")
    with process(world, cache_max_ttl_ms=2000) as resolver:
        require(resolver.ask("www.nsec3").ttl <= 2, "the ceiling does not count")


@test("a failure is forgotten within seconds and a bogus answer within minutes [DNS-16]")
def failures(world: World) -> None:
    odd = internet(world).odd
    odd.broken = True
    with process(world) as resolver:
        check(resolver, "www.nsec", A, "secure", "data")
        bogus = resolver.ask("www.expired")
        require(bogus.ttl <= 300, f"a bogus answer lives for {bogus.ttl} s")
        check(resolver, "flaky.odd", A, "error")
        odd.broken = False
        wait_for("flaky.odd", lambda: resolver.ask("flaky.odd").state == ("insecure", "data"), 60)
        check(resolver, "www.nsec", A, "secure", "data")


@test("a name under no trust anchor is insecure and answered [DNS-05]")
def no_anchor(world: World) -> None:
    net = internet(world)
    island = (net.home / f"{net.bases['nsec3.'][0]}.key").read_text().partition(";")[0].strip()
    with process(world, anchor=island) as resolver:
        check(resolver, "www.nsec", A, "insecure", "data")
        check(resolver, "www.expired", A, "insecure", "data")
        check(resolver, "www.nsec3", A, "secure", "data")  # an anchor of its own


@test("the root's keys come with their signatures [DNS-27]")
def root_keys(world: World) -> None:
    with process(world) as resolver:
        answer = resolver.ask(".", DNSKEY)
        same("the root's keys", (answer.state, len(answer.rdata)), (("secure", "data"), 2))
        same("their signatures", len(answer.rrsig), 2)


def dns_settings(world: World, **settings: str) -> str:
    net = internet(world)
    lines = {"trust_anchor_file": str(net.anchor_file), "root_hints_file": str(net.hints), **settings}
    return "[dns]\n" + "".join(f'{key} = "{value}"\n' for key, value in lines.items())


@test("the self test passes where a false name is refused and shows a failure at once [DNS-01]")
def self_test(world: World) -> None:
    names = {"self_test_secure": "www.nsec", "self_test_bogus": "www.expired"}
    with world.daemon(dns_settings(world, **names)) as daemon:
        wait_for("the self test", lambda: daemon.status()["resolver"]["self_test"] == "passed")
        require('sealpost_resolver_self_test{state="passed"} 1' in daemon.text("metrics"), "the metrics do not say so")
    with world.daemon(dns_settings(world, self_test_secure="www.plain", self_test_bogus="www.expired")) as daemon:
        wait_for("the failure", lambda: daemon.status()["resolver"]["self_test"] == "failed")
        require("www.plain must validate and is insecure" in daemon.log_text(), "the log does not say why")


@test("while what must be refused is accepted no answer is believed and mail waits [DNS-01 DNS-07]")
def accepted(world: World) -> None:
    settings = '[dns]\nself_test_secure = "."\nself_test_bogus = "mx.dane-ok.example"\n'
    with world.daemon(settings) as daemon:
        resolver = wait_for("the hold", lambda: (s := daemon.status()["resolver"]).get("held") and s)
        require("mx.dane-ok.example must be refused" in resolver["message"], resolver["message"])
        require("self test failed" in daemon.log_text(), "the log does not say so")
        require("sealpost_resolver_held 1" in daemon.text("metrics"), "the metrics do not say so")
        before = len(world.mail("user@dane-ok.example"))
        client.submit(["user@dane-ok.example"], client.message("held by the self test"))
        wait_for("the deferral", lambda: "status=deferred" in daemon.log_text())
        require("self test failed" in daemon.log_text().partition("status=deferred")[2], "the deferral has another reason")
        same("what arrived meanwhile", len(world.mail("user@dane-ok.example")), before)


@test("the root's key state survives a restart and a broken file falls back to the seed [DNS-27]")
def trust_state(world: World) -> None:
    net = internet(world)
    config = world.configuration(dns_settings(world, self_test_secure="www.nsec", self_test_bogus="www.expired"))
    state = config.parent / "state" / "trust-anchor.json"

    def keys() -> dict[str, dict[str, object]]:
        return {key["dnskey"].split()[-1]: key for key in json.loads(state.read_text())["keys"]}

    with world.daemon(config=config):
        wait_for("the state file", state.exists)
        same("the states", sorted(str(key["state"]) for key in keys().values()), ["add_pend", "valid"])
        first = state.read_text()
    with world.daemon(config=config) as daemon:
        wait_for("the self test", lambda: daemon.status()["resolver"]["self_test"] == "passed")
        same("the state file after a restart", state.read_text(), first)

    # A month later the new key counts, and the process is started with it.
    text = json.loads(first)
    for key in text["keys"]:
        key["since"] -= 31 * 24 * 3600
    state.write_text(json.dumps(text))
    with world.daemon(config=config) as daemon:
        wait_for("the new key", lambda: keys()[net.new_key]["state"] == "valid")
        wait_for("a word of the new key", lambda: "the trusted root keys have changed" in daemon.log_text())
        wait_for("an answer", lambda: (s := daemon.status()["resolver"])["running"] and s["self_test"] == "passed")
        same("restarts that count as deaths", daemon.status()["resolver"]["restarts"], 0)

    state.write_text('{"schema": 1, "keys": "no')
    with world.daemon(config=config) as daemon:
        wait_for("the self test", lambda: daemon.status()["resolver"]["self_test"] == "passed")
        require("the trust anchor's state is not usable" in daemon.log_text(), "nothing is said of the broken file")
        wait_for("a new state file", lambda: "add_pend" in state.read_text())
