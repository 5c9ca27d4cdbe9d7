"""What traces and explanations are, seen over every scenario: one decision, one schema. Imported last."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from daemon import SEEN_TRACES
from harness import Failed, World, require, same, test
from twelve import see

SCHEMA = Path(__file__).resolve().parent.parent.parent / "deploy" / "schemas" / "trace-1.json"


def decisions(trace: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {hop["host"]: (hop["decision"]["action"], hop["decision"]["reason"]) for hop in trace["hops"]}


@test("an explanation decides each hop as the delivery did and connects to nobody [COMB-09]")
def explanations(world: World) -> None:
    seen = world.once("seen", lambda: see(world))
    compared = 0
    for number, got in seen.outcomes.items():
        explained = decisions(seen.explained[number])
        for host, decision in decisions(got.trace).items():
            if host not in explained and "more_hops" in got.trace | seen.explained[number]:
                continue  # of the twenty that are told, others
            same(f"what is explained of {host} (scenario {number})", explained.get(host), decision)
            compared += 1
        if not got.trace["hops"]:
            word = {"failed": "would fail", "deferred": "would wait", "held": "would be held"}[got.outcome]
            same(f"the outcome that is explained of scenario {number}", seen.explained[number]["outcome"], word)
        require(not any(hop["sessions"] for hop in seen.explained[number]["hops"]), "an explanation has sessions")
    require(compared > 50, f"only {compared} hops were compared")


@test("every trace and every explanation follows the schema that is shipped [COMB-09]")
def schema(world: World) -> None:
    require(len(SEEN_TRACES) > 100, f"only {len(SEEN_TRACES)} traces were seen; run the whole")
    root = json.loads(SCHEMA.read_text())
    definitions = root.pop("definitions")
    wrapper, instance = world.lab / "traces.schema.json", world.lab / "traces.json"
    wrapper.write_text(json.dumps({"definitions": definitions, "type": "array", "items": root}))
    instance.write_text(json.dumps(list(SEEN_TRACES.values())))
    program = shutil.which("jsonschema", path="/usr/bin")
    require(program, "there is no /usr/bin/jsonschema; remedy: deploy/install-deps")
    done = subprocess.run([program, "-i", instance, wrapper], capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise Failed(f"jsonschema: {(done.stdout + done.stderr)[-1500:]}")
    # The check itself: a member that the schema does not know is refused.
    broken = dict(next(iter(SEEN_TRACES.values())), unheard_of=True)
    instance.write_text(json.dumps([broken]))
    done = subprocess.run([program, "-i", instance, wrapper], capture_output=True, text=True, timeout=120)
    require(done.returncode != 0, "the schema allows a member that it does not name")
