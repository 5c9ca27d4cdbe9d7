"""How long a fault test runs, and the figures that it leaves behind.

The short form is part of every `integration/run`; the long one (`integration/run --long`, or SEALPOST_FAULTS=long) goes
on until rare interleavings have had their turn.
"""

from __future__ import annotations

import os
from typing import TypeVar

T = TypeVar("T")
LONG = os.environ.get("SEALPOST_FAULTS") == "long"
FIGURES: list[str] = []


def times(short: T, long: T) -> T:
    return long if LONG else short


def figure(text: str) -> None:
    """What was measured: shown with the test, and once more at the end of the long form."""
    FIGURES.append(text)
    print(f"       {text}", flush=True)
