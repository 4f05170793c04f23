"""Hostile events, one a file: what real traffic holds and no documentation shows.

A file is `{"why": TEXT, "event": {...}}`; the event is a complete Segment-shaped call as the hub
stores it, so ids, type and timestamp are there and all else is as strange as JSON allows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from junctor.sdk import parse_json


@dataclass(frozen=True, slots=True)
class Hostile:
    """One event of the corpus; `name` is its file's, `why` what it has broken elsewhere."""

    name: str
    why: str
    body: dict[str, Any]


def corpus() -> Sequence[Hostile]:
    """Return all events of the corpus, by name."""
    folder = files(__name__)
    found = []
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".json"):
            content = parse_json(file.read_bytes())
            found.append(Hostile(file.name[:-5], content["why"], content["event"]))
    return found
