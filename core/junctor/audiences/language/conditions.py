"""Reading conditions: a table with exactly one kind key, and what refines it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, Literal

from junctor.audiences.comparison import AnyOf, Compare, Comparison
from junctor.audiences.language import figures, occurrences, sequences
from junctor.audiences.language.occurrences import read_occurrences
from junctor.audiences.language.refusal import Refusal
from junctor.audiences.language.sequences import read_sequence
from junctor.audiences.language.table import Table
from junctor.audiences.nodes import (
    AttributeCondition,
    AudienceCondition,
    Condition,
    Group,
    KnownCondition,
    SampleCondition,
    ScoreCondition,
    SequenceCondition,
    StateCondition,
    TraitCondition,
)
from junctor.model.problems import closest

EXAMPLE: Final = '{ event = "login", within = "7d" }'
_GROUPS: Final = ("all", "any", "none")
_REFINEMENTS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "event": occurrences.KEYS,
        "sequence": (*sequences.KEYS, "hold"),
        "score": ("is",),
        "trait": ("is", "changed_within"),
        "attribute": ("is",),
        "state": ("is", "for", "spent", "within"),
        "audience": ("is", "for", "left_within"),
        "known": (),
        "sample": ("salt",),
        **dict.fromkeys(_GROUPS, ()),
    }
)
KINDS: Final = tuple(_REFINEMENTS)
_ALL_REFINEMENTS: Final = frozenset(
    key for refinements in _REFINEMENTS.values() for key in refinements
)


@dataclass(frozen=True, slots=True)
class Around:
    """What a condition stands in: the time zone of local days, and the `hold` of a root."""

    zone: str = "UTC"
    hold: int | None = None


def read_condition(table: Table, around: Around) -> Condition | None:
    """Return the condition that a table says, None if something is wrong.

    The keys of the condition are known to the table afterwards; it is not closed, since the root of
    an audience stands among other keys.
    """
    before = len(table.notes.problems)
    kind = kind_of(table)
    if kind is None:
        return None
    table.know(kind, *_REFINEMENTS[kind])
    condition = _READERS[kind](table, around)
    return condition if len(table.notes.problems) == before else None


def read_inner(table: Table, around: Around) -> Condition | None:
    """Return the condition of a table that holds nothing else."""
    condition = read_condition(table, replace(around, hold=None))
    close(table)
    return condition


def kind_of(table: Table) -> str | None:
    """Return the kind key of a table; complain if there is not exactly one."""
    kinds = [key for key in KINDS if table.has(key)]
    if len(kinds) == 1:
        return kinds[0]
    table.know(*table.raw)  # one complaint is enough
    if kinds:
        hint = "give each a table of its own, inside of all = [ … ] or any = [ … ]"
        named = " and ".join(f"`{kind}`" for kind in kinds)
        table.complain(None, f"has {named}, of which only one may be", hint)
        return None
    for key in table.raw:
        if key not in _ALL_REFINEMENTS and (match := closest(key, KINDS)):
            table.complain(key, "unknown key", f'did you mean "{match}"?')
            return None
    hint = "write one of " + ", ".join(f"`{kind}`" for kind in KINDS)
    table.complain(None, "says no condition", hint)
    return None


def close(table: Table) -> None:
    """Complain of unknown keys; of those that refine another kind, say which."""
    table.close(
        {
            key: "it goes with "
            + ", ".join(f"`{kind}`" for kind in KINDS if key in _REFINEMENTS[kind])
            for key in _ALL_REFINEMENTS
        }
    )


def _sequence(table: Table, around: Around) -> SequenceCondition | None:
    sequence = read_sequence(table)
    own = table.duration("hold")
    if table.has("hold") and around.hold is not None and own != around.hold:
        table.complain("hold", "is there twice", "keep one of the two")
    if not table.has("hold") and around.hold is None and not table.has("within"):
        hint = 'say how long one is in after it: hold = "14d"'
        table.complain("hold", "is required: the sequence is unbounded", hint)
    if sequence is None:
        return None
    hold = own or around.hold or sequence.within
    return SequenceCondition(sequence, hold) if hold is not None else None


def _score(table: Table, around: Around) -> ScoreCondition | None:
    name = _named(table, "score", "scores")
    comparison = table.value("is", figures.parse_figure)
    if not table.require("is", 'compare it: is = ">=12"') or comparison is None:
        return None
    return ScoreCondition(name, comparison)


def _trait(table: Table, around: Around) -> TraitCondition | None:
    path = table.filled("trait")
    comparison = table.comparison("is")
    changed_within = table.duration("changed_within")
    if not table.has("is") and not table.has("changed_within"):
        table.complain("is", "is required", "compare it, or ask for { exists = true }")
    return TraitCondition(path, comparison, changed_within)


def _attribute(table: Table, around: Around) -> AttributeCondition | None:
    comparison = table.comparison("is")
    name = _named(table, "attribute", "attributes", _texts(comparison))
    if not table.require("is", 'compare it: is = ">=12"') or comparison is None:
        return None
    return AttributeCondition(name, comparison)


def _state(table: Table, around: Around) -> StateCondition | None:
    name = _named(table, "state", "states")
    comparison = table.comparison("is")
    lasting = table.length("for")
    spent = table.length("spent")
    within = table.duration("within")
    table.require("is", 'say which value: is = "payment"')
    if table.has("for") and table.has("spent"):
        table.complain("spent", "is a second time beside `for`", "keep one of the two")
    if table.has("spent"):
        table.require("within", 'say in which time: within = "7d"')
    elif table.has("within"):
        table.complain("within", "does not go without `spent`", 'add spent = ">=5m"')
    if spent is not None and within is not None and (spent.low or 0) > within:
        table.complain("spent", "can never be met: it is longer than `within`", "make it shorter")
    return StateCondition(name, comparison, lasting, spent, within) if comparison else None


def _audience(table: Table, around: Around) -> AudienceCondition:
    name = _named(table, "audience", "audiences")
    member = table.flag("is", default=True)
    lasting = table.length("for")
    left_within = table.duration("left_within")
    if table.has("left_within"):
        table.refuse(("is", "for"), "does not go with `left_within`", "who left is no member")
    return AudienceCondition(name, member, lasting, left_within)


def _known(table: Table, around: Around) -> KnownCondition | None:
    age = table.length("known")
    return KnownCondition(age) if age is not None else None


def _sample(table: Table, around: Around) -> SampleCondition | None:
    fraction = table.value("sample", _fraction)
    salt = table.text("salt")
    return SampleCondition(fraction, salt) if fraction is not None else None


def _fraction(raw: Any) -> float:
    percent = raw[:-1] if isinstance(raw, str) and raw.endswith("%") else ""
    try:
        fraction = float(percent) / 100
    except ValueError:
        raise Refusal("must be a percentage, as text", 'write for example "10%"') from None
    if not 0 < fraction <= 1:
        raise Refusal("must be over 0% and at most 100%", 'write for example "10%"')
    return fraction


def _group(kind: Literal["all", "any", "none"]) -> "_Reader":
    def read(table: Table, around: Around) -> Group:
        items = [read_inner(inner, around) for inner in table.tables(kind, EXAMPLE)]
        return Group(kind, tuple(item for item in items if item is not None))

    return read


def _named(table: Table, key: str, section: str, values: tuple[str, ...] = ()) -> str:
    name = table.filled(key)
    if name:
        table.notes.mention(section, name, table.at(key), values)
    return name


def _texts(comparison: Comparison | None) -> tuple[str, ...]:
    """Return the texts that a comparison asks to be equal."""
    items = comparison.items if isinstance(comparison, AnyOf) else (comparison,)
    return tuple(
        item.operand
        for item in items
        if isinstance(item, Compare) and item.op == "eq" and isinstance(item.operand, str)
    )


_Reader = Callable[[Table, Around], Condition | None]
_READERS: Final[Mapping[str, _Reader]] = MappingProxyType(
    {
        "event": lambda table, around: read_occurrences(table, around.zone),
        "sequence": _sequence,
        "score": _score,
        "trait": _trait,
        "attribute": _attribute,
        "state": _state,
        "audience": _audience,
        "known": _known,
        "sample": _sample,
        "all": _group("all"),
        "any": _group("any"),
        "none": _group("none"),
    }
)
