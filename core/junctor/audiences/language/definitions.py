"""Reading all that a configuration defines: a table for each section, all problems at once."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from junctor.audiences.language.attributes import read_attribute
from junctor.audiences.language.audiences import read_audience
from junctor.audiences.language.checks import Name, check_bands, check_mentions
from junctor.audiences.language.derived import (
    read_score,
    read_service,
    read_signal,
    read_state,
)
from junctor.audiences.language.table import Notes, Table
from junctor.audiences.nodes import Definitions
from junctor.model.problems import Problem

SECTIONS: Final = ("audiences", "signals", "states", "scores", "attributes", "services")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
Definition = TypeVar("Definition")


def parse_definitions(raw: Mapping[str, Any]) -> tuple[Definitions, list[Problem]]:
    """Return what the sections of `raw`, a file as tomllib gives it, define, and all problems.

    Other sections are not looked at. Of definitions with problems none is returned.
    """
    notes = Notes()
    audiences = _section(raw, "audiences", read_audience, notes)
    signals = _section(raw, "signals", read_signal, notes)
    states = _section(raw, "states", read_state, notes)
    scores = _section(raw, "scores", read_score, notes)
    attributes = _section(raw, "attributes", read_attribute, notes)
    services = _section(raw, "services", read_service, notes)
    declared = {section: _tables(raw, section) for section in SECTIONS}
    faulty = check_mentions(notes, declared) | check_bands(notes, attributes)
    definitions = Definitions(
        _without(audiences, "audiences", faulty),
        _without(signals, "signals", faulty),
        _without(states, "states", faulty),
        _without(scores, "scores", faulty),
        _without(attributes, "attributes", faulty),
        _without(services, "services", faulty),
    )
    return definitions, list(dict.fromkeys(notes.problems))


def _tables(raw: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    tables = raw.get(section, {})
    return tables if isinstance(tables, dict) else {}


def _section(
    raw: Mapping[str, Any],
    section: str,
    read: Callable[[str, Table], Definition | None],
    notes: Notes,
) -> dict[str, Definition]:
    """Return the definitions of a section by name, without those that something is wrong with."""
    if not isinstance(raw.get(section, {}), dict):
        notes.complain((section,), "must be a table", f"write [{section}.NAME]")
    found = {}
    for name, table in _tables(raw, section).items():
        notes.owner = (section, name)
        if not _NAME.fullmatch(name):
            message = f"is no id: must match pattern '^{_NAME.pattern}$'"
            notes.complain((section, name), message, "use a-z, 0-9, _ and -")
        if not isinstance(table, dict):
            notes.complain((section, name), "must be a table")
            continue
        definition = read(name, Table(table, (section, name), notes))
        if definition is not None and _NAME.fullmatch(name):
            found[name] = definition
    return found


def _without(
    found: Mapping[str, Definition], section: str, faulty: set[Name]
) -> tuple[Definition, ...]:
    return tuple(one for name, one in found.items() if (section, name) not in faulty)
