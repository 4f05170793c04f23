"""The tree that the language is parsed into: frozen, hashable, free of defaults left open.

Durations and times are milliseconds. A node says what is meant, not how it is computed.
"""

from dataclasses import dataclass
from typing import Final, Literal

from junctor.audiences.comparison import Comparison, Scalar

USER: Final = "user"
SESSION: Final = "session"
ACCOUNT: Final = "account"


@dataclass(frozen=True, slots=True)
class Pattern:
    """What one event must be like: one of `names` (exact, or with `*`), and `where`.

    `where` holds pairs of a path and a comparison, all of which must hold. A bare path is a
    property; `context.…` and `traits.…` reach the envelope. `fql` is a condition in FQL instead.
    """

    names: tuple[str, ...]
    where: tuple[tuple[str, Comparison], ...] = ()
    fql: str | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """Which events count. Without any field: all there ever were.

    `within`: age below it. `far`, `near`: near <= age < far. `since` is included, `until` not.
    """

    within: int | None = None
    far: int | None = None
    near: int | None = None
    since: int | None = None
    until: int | None = None


Measured = Literal["distinct", "sum", "avg", "min", "max"]


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure over the matching events: `sum = { prop = "revenue", is = ">=100" }`."""

    kind: Measured
    prop: str
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class EventCondition:
    """Matching events occurred: so many, on so many days, with such figures.

    `days` counts local days in `zone`. `same` counts events that agree in these properties.
    `first`: the first event ever that matches lies in the window. `per_session`: in one session.
    """

    pattern: Pattern
    count: Comparison
    window: Window
    days: Comparison | None = None
    measure: Measure | None = None
    same: tuple[str, ...] = ()
    first: bool = False
    per_session: bool = False
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a sequence: `count` matching events, timed at the last of them.

    `within` is the longest, `after` the shortest time from the step before; `without` are events
    that must not lie strictly between the step before and this one; `name` is what `as` gives.
    """

    pattern: Pattern
    count: int = 1
    within: int | None = None
    after: int | None = None
    without: tuple[Pattern, ...] = ()
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Silence:
    """The end of a sequence: no such event for `length` after the last step's event."""

    pattern: Pattern
    length: int


@dataclass(frozen=True, slots=True)
class Sequence:
    """Steps in order. `within` is measured from the first event to the last, silence on top."""

    steps: tuple[Step, ...]
    silence: Silence | None = None
    within: int | None = None
    same: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SequenceCondition:
    """True from a completion of the sequence for `hold`, or until an event that fits `exit`."""

    sequence: Sequence
    hold: int
    exit: Pattern | None = None


@dataclass(frozen=True, slots=True)
class ScoreCondition:
    """A score compares."""

    name: str
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class TraitCondition:
    """A trait compares, or changed not longer than `changed_within` ago; both if both are given.

    `path` is a trait's, or begins with `context.`: then the newest event's that has it.
    """

    path: str
    comparison: Comparison | None = None
    changed_within: int | None = None


@dataclass(frozen=True, slots=True)
class AttributeCondition:
    """A computed attribute (its band, if it has bands) compares."""

    name: str
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class Length:
    """How long something lasts: `low` <= length < `high`, either may be open."""

    low: int | None = None
    high: int | None = None


@dataclass(frozen=True, slots=True)
class StateCondition:
    """A state has a value now (for so long), or had it for so long in total `within` a time."""

    name: str
    comparison: Comparison
    lasting: Length | None = None
    spent: Length | None = None
    within: int | None = None


@dataclass(frozen=True, slots=True)
class AudienceCondition:
    """Member of another audience, or not; for so long; or left it not longer ago than that."""

    name: str
    member: bool = True
    lasting: Length | None = None
    left_within: int | None = None


@dataclass(frozen=True, slots=True)
class KnownCondition:
    """Age of the profile, from its oldest event."""

    age: Length


@dataclass(frozen=True, slots=True)
class SampleCondition:
    """A stable share of profiles, `fraction` of 1."""

    fraction: float
    salt: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """`all`, `any` or `none` of the conditions hold."""

    kind: Literal["all", "any", "none"]
    items: "tuple[Condition, ...]"


Condition = (
    EventCondition | SequenceCondition | ScoreCondition | TraitCondition | AttributeCondition
    | StateCondition | AudienceCondition | KnownCondition | SampleCondition | Group
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outcome:
    """What members are hoped to do: `goal` not later than `within` after entering.

    `value` is the property of the goal's event that is added up.
    """

    goal: Pattern
    within: int
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is in. `exit` leaves early: an event's pattern, or a condition that must not hold.

    On a sequence root `hold` and an exit by event are part of the condition already. `backfill` is
    how far back the log is read for it, None for not at all. `key` is "user", "session", "account"
    or a kind of identifier.
    """

    name: str
    condition: Condition
    about: str = ""
    lever: str = ""
    key: str = USER
    settle: int = 0
    hold: int = 0
    exit_event: Pattern | None = None
    exit_while: Condition | None = None
    cooldown: int = 0
    once: bool = False
    zone: str = "UTC"
    backfill: int | None = None
    notify_backfill: bool = False
    outcome: Outcome | None = None
    send: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Signal:
    """A pattern that emits the event `signal:NAME` each time that it is completed.

    Either so many events (`count` of them `within` a time, alike in `same`), or a sequence, or
    those of the events that it `reads` of which a Python function of that version says so.
    """

    name: str
    pattern: Pattern | None = None
    count: int = 1
    within: int | None = None
    same: tuple[str, ...] = ()
    sequence: Sequence | None = None
    function: str = ""
    reads: tuple[Pattern, ...] = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """An event that sets a state: `to` is a text, or the event's property `prop`; "" ends it."""

    pattern: Pattern
    to: Scalar = ""
    prop: str | None = None


@dataclass(frozen=True, slots=True)
class State:
    """A value that lasts until the next event that sets it, in each session by itself or not."""

    name: str
    settings: tuple[Setting, ...]
    per_session: bool = False


@dataclass(frozen=True, slots=True)
class ScoreRule:
    """What adds to a score: each matching event (the earliest only, if `once`), or completion."""

    add: float
    pattern: Pattern | None = None
    once: bool = False
    sequence: Sequence | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """A sum of rules, of which each addition halves every `half_life`; `low`, `high` bound it."""

    name: str
    rules: tuple[ScoreRule, ...]
    half_life: int | None = None
    low: float | None = None
    high: float | None = None


Aggregation = Literal[
    "counter", "sum", "min", "max", "mean", "first", "last", "unique_list", "most_frequent",
    "least_frequent", "category_count", "approx_count_distinct", "time_since_last",
    "time_since_first",
]  # fmt: skip
DatePart = Literal[
    "hour_of_day", "day_of_week", "month_of_year", "active_day", "active_week", "active_month"
]


@dataclass(frozen=True, slots=True)
class Prop:
    """A property of an event, or one calculated from several; `$time` is the event's time.

    `calculation` is None for a single path. `date_part` takes a part of a time, in UTC.
    """

    paths: tuple[str, ...]
    calculation: Literal["concat", "sum", "product", "min", "max", "coalesce"] | None = None
    date_part: DatePart | None = None


@dataclass(frozen=True, slots=True)
class Attribute:
    """A figure of a profile, computed when it is read. `period` None stands for ever.

    `ttl` forgets a lifetime value that long after its last event; `unit` is milliseconds of the
    unit of `time_since_…`; `bands` are names with their lowest values, ascending.
    """

    name: str
    agg: Aggregation
    pattern: Pattern
    prop: Prop | None = None
    period: int | None = None
    ttl: int | None = None
    unit: int = 1000
    default: Scalar | None = None
    bands: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """What is read together, by name."""

    name: str
    attributes: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    scores: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Definitions:
    """Everything that a configuration defines, each by its name, in the order of the file."""

    audiences: tuple[Audience, ...] = ()
    signals: tuple[Signal, ...] = ()
    states: tuple[State, ...] = ()
    scores: tuple[Score, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    services: tuple[Service, ...] = ()
