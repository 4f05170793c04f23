"""Checks across definitions: unknown names, circles; and the order that references ask for."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType
from typing import Final

from junctor.audiences.language.table import Mention, Notes
from junctor.audiences.nodes import (
    Attribute,
    Audience,
    AudienceCondition,
    Condition,
    Definitions,
    Group,
)
from junctor.audiences.patterns import SIGNAL, fits_name
from junctor.model.problems import TomlPath, suggest

Name = tuple[str, str]
"""Section and name of a definition."""
_SINGULAR: Final[Mapping[str, str]] = MappingProxyType(
    {"audiences": "audience", "signals": "signal", "states": "state", "scores": "score",
     "attributes": "attribute"}
)  # fmt: skip
_OF_ENGAGE: Final = "a Segment Engage audience is read as a trait: { trait = …, is = true }"


def check_mentions(notes: Notes, declared: Mapping[str, Collection[str]]) -> set[Name]:
    """Complain of names that nothing has, and of circles; return the definitions that have them.

    `declared` are the names of each section as the file has them.
    """
    faulty: set[Name] = set()
    edges: dict[Name, dict[Name, TomlPath]] = {}
    for mention in notes.mentions:
        targets = _targets(mention, declared.get(mention.section, ()))
        if not targets:
            faulty.add(mention.owner)
            _complain_of_unknown(notes, mention, declared.get(mention.section, ()))
        for target in targets:
            edges.setdefault(mention.owner, {}).setdefault(target, mention.path)
    for circle in _circles(edges):
        faulty.update(circle)
        first, second = circle[0], circle[1]
        shown = " -> ".join(_shown(name) for name in circle)
        notes.complain(
            edges[first][second],
            f"the definitions refer to each other in a circle: {shown}",
            "take one of these references out",
        )
    return faulty


def check_bands(notes: Notes, attributes: Mapping[str, Attribute]) -> set[Name]:
    """Complain of comparisons with bands that an attribute does not have; return whose they are."""
    faulty: set[Name] = set()
    for mention in notes.mentions:
        attribute = attributes.get(mention.name) if mention.section == "attributes" else None
        bands = [name for name, _ in attribute.bands] if attribute is not None else []
        if bands and not set(mention.values) <= set(bands):
            strange = next(value for value in mention.values if value not in bands)
            place = (*mention.path[:-1], "is")
            notes.complain(place, "the attribute has no such band", suggest(strange, bands))
            faulty.add(mention.owner)
    return faulty


def order(definitions: Definitions) -> list[str]:
    """Return the names of the audiences, each after those that its conditions name.

    Raises:
        ValueError: they refer to each other in a circle; never for what was loaded.
    """
    places = {audience.name: place for place, audience in enumerate(definitions.audiences)}
    sorter = TopologicalSorter(
        {
            audience.name: places.keys() & set(_named_by(audience))
            for audience in definitions.audiences
        }
    )
    sorter.prepare()
    ordered: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=places.__getitem__)
        ordered += ready
        sorter.done(*ready)
    return ordered


def _named_by(audience: Audience) -> Iterator[str]:
    left: list[Condition] = [audience.condition]
    if audience.exit_while is not None:
        left.append(audience.exit_while)
    while left:
        condition = left.pop()
        if isinstance(condition, Group):
            left += condition.items
        elif isinstance(condition, AudienceCondition):
            yield condition.name


def _targets(mention: Mention, known: Collection[str]) -> list[Name]:
    if mention.section == "signals" and "*" in mention.name:
        pattern = SIGNAL + mention.name
        names = [name for name in known if fits_name(pattern, SIGNAL + name)]
    else:
        names = [mention.name] if mention.name in known else []
    return [(mention.section, name) for name in names]


def _complain_of_unknown(notes: Notes, mention: Mention, known: Collection[str]) -> None:
    what = _SINGULAR[mention.section]
    hint = suggest(mention.name, known) or f"define it as [{mention.section}.NAME]"
    if mention.section == "audiences" and mention.owner[0] == "audiences":
        hint += f"; {_OF_ENGAGE}"
    notes.complain(mention.path, f"there is no {what} of this name", hint)


def _circles(edges: Mapping[Name, Mapping[Name, TomlPath]]) -> Iterator[Sequence[Name]]:
    """Yield circles, each with its first name at both ends, until no reference is in one."""
    left = {name: list(targets) for name, targets in edges.items()}
    place = {name: number for number, name in enumerate(edges)}
    while True:
        try:
            TopologicalSorter(left).prepare()
        except CycleError as error:
            circle: list[Name] = error.args[1][:0:-1]  # each name refers to the next one
        else:
            return
        start = circle.index(min(circle, key=place.__getitem__))
        circle = circle[start:] + circle[: start + 1]
        left[circle[0]].remove(circle[1])
        yield circle


def _shown(name: Name) -> str:
    section, own = name
    return SIGNAL + own if section == "signals" else own
