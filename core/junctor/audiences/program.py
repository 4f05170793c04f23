"""Definitions compiled: which events feed which states, and which audiences rest on these."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from junctor.audiences import exits
from junctor.audiences.attributes import AttributeReader
from junctor.audiences.canonical import version
from junctor.audiences.comparison import compile_comparison
from junctor.audiences.event_leaf import event_leaf
from junctor.audiences.function_signals import function_signal
from junctor.audiences.functions import Function
from junctor.audiences.index import PatternIndex
from junctor.audiences.language.checks import order
from junctor.audiences.leaf import Kind, Leaf, States, Verdict
from junctor.audiences.moment import AllNode, AnyNode, Node, NoneNode, StateNode
from junctor.audiences.nodes import (
    ACCOUNT,
    SESSION,
    USER,
    AttributeCondition,
    Audience,
    AudienceCondition,
    Condition,
    Definitions,
    EventCondition,
    Group,
    KnownCondition,
    Pattern,
    SampleCondition,
    ScoreCondition,
    SequenceCondition,
    Service,
    Signal,
    StateCondition,
    TraitCondition,
)
from junctor.audiences.person_nodes import AudienceNode, KnownNode, SampleNode, TraitNode
from junctor.audiences.presence import EXIT, IDLE, ExitDetector, PresenceKind
from junctor.audiences.scope_program import Compiled, Feed, ScopeProgram
from junctor.audiences.scores import ScoreReader
from junctor.audiences.seen import Reader, reader
from junctor.audiences.signals import Detector, detector
from junctor.audiences.states.changes import ChangesKind
from junctor.audiences.states.latest import LatestKind
from junctor.audiences.states.sequence import SequenceLeaf
from junctor.audiences.states.times import Times
from junctor.audiences.timelines import StateReader

_GROUPS: Final[Mapping[str, Callable[[tuple[Node, ...]], Node]]] = MappingProxyType(
    {"all": AllNode, "any": AnyNode, "none": NoneNode}
)


class Program:
    """What a configuration defines, ready to run."""

    def __init__(
        self,
        definitions: Definitions,
        idles: Mapping[str, int] | None = None,
        functions: Iterable[Function] = (),
    ) -> None:
        """Compile checked definitions; `idles` are the `exit_idle` of sources, in milliseconds.

        A signal of which the function is not among `functions`, by name and version, is silent.
        """
        self.definitions = definitions
        self.functions = {(one.name, one.version): one for one in functions}
        self.services: dict[str, Service] = {one.name: one for one in definitions.services}
        self.scores = {one.name: ScoreReader(exits.in_score(one)) for one in definitions.scores}
        self.attributes = {
            one.name: AttributeReader(replace(one, pattern=exits.in_pattern(one.pattern)))
            for one in definitions.attributes
        }
        self.states = {one.name: StateReader(exits.in_state(one)) for one in definitions.states}
        self.scopes: dict[str, ScopeProgram] = {
            USER: ScopeProgram(USER),
            SESSION: ScopeProgram(SESSION),
        }
        self.audiences: dict[str, Compiled] = {}
        self.kinds_of: dict[str, tuple[Kind, ...]] = {}
        """Kinds that each audience rests on."""
        self.dependents: dict[str, list[Compiled]] = {}
        self._numbers: dict[Pattern, int] = {}
        self._by_name = {audience.name: audience for audience in definitions.audiences}
        for number, name in enumerate(order(definitions)):
            self._add_audience(self._by_name[name], number)
        user = self.scopes[USER]
        for score in self.scores.values():
            for kind in score.kinds:
                self._add_kind(user, kind)
        for attribute in self.attributes.values():
            for kind in attribute.kinds:
                self._add_kind(user, kind)
        for signal in definitions.signals:
            if signal.function:
                self._add_function(user, signal)
            else:
                self._add_detector(user, detector(exits.in_signal(signal)))
        self.index = PatternIndex(tuple(self._numbers))
        self.has_sessions = bool(self.scopes[SESSION].audiences)
        self.has_exits = self.index.knows(EXIT) or self.index.knows(IDLE)
        if self.has_exits:
            presence = PresenceKind(dict(idles or {}))
            user.kinds[presence.key] = presence
            user.detectors[presence.key] = [
                ExitDetector(presence, True), ExitDetector(presence, False),
            ]  # fmt: skip
        self.revision = version(
            tuple((name, compiled.version) for name, compiled in self.audiences.items()),
            definitions.signals,
        )
        """Names what memberships and signals mean: changes with any of them."""
        self.is_empty = not (self._numbers or self.audiences or self.attributes or self.scores)

    def keep_also(self, other: "Program") -> None:
        """Feed the states of another program as well, so that it can take over later."""
        for key, theirs in other.scopes.items():
            mine = self.scope(key)
            for kind in theirs.kinds.values():
                if isinstance(kind, LatestKind | ChangesKind):
                    self._add_values(mine, kind)
                else:
                    self._add_kind(mine, kind)
        self.index = PatternIndex(tuple(self._numbers))
        self.has_sessions = self.has_sessions or other.has_sessions
        self.has_exits = self.has_exits or other.has_exits
        self.is_empty = self.is_empty and other.is_empty

    def needs(self) -> dict[str, int]:
        """Return how much is kept of each kind, by `SORT KEY` of scope and kind."""
        return {
            f"{key} {kind.key}": kind.size
            for key, scope in self.scopes.items()
            for kind in scope.kinds.values()
        }

    def is_degraded(self, kinds: Iterable[Kind], states: States) -> bool:
        """Whether a cap was exceeded in what some kinds keep."""
        return any(kind.key in states and kind.degraded(states[kind.key]) for kind in kinds)

    # -- audiences -------------------------------------------------------------------------------

    def scope(self, key: str) -> ScopeProgram:
        """Return the program of subjects of a sort; made on first use while compiling."""
        if key not in self.scopes:
            self.scopes[key] = ScopeProgram(key)
        return self.scopes[key]

    def _add_audience(self, audience: Audience, number: int) -> None:
        scope = self.scope(audience.key)
        uses = _Uses()
        node = self._node(audience.condition, audience.key, uses)
        exit_kind = Times(exits.in_pattern(audience.exit_event)) if audience.exit_event else None
        if exit_kind is not None:
            uses.own.append(exit_kind)
        exit_node = None
        if audience.exit_while is not None:
            exit_node = self._node(audience.exit_while, audience.key, uses)
        compiled = Compiled(
            audience, self._version(audience), number, node, exit_kind, exit_node, _needs(node)
        )
        self.kinds_of[audience.name] = (*uses.own, *uses.subject)
        scope.audiences[audience.name] = self.audiences[audience.name] = compiled
        for kind in uses.own:
            self._add_kind(scope, kind)
            _append(scope.by_kind, kind.key, compiled)
        subject = self.scopes[USER] if audience.key == SESSION else scope
        for kind in uses.subject:
            self._add_kind(subject, kind)
            _append(subject.by_kind if subject is scope else subject.crossing, kind.key, compiled)
        for values in uses.values:
            self._add_values(subject, values)
            _append(subject.by_kind if subject is scope else subject.crossing, values.key, compiled)
        for path in uses.traits:
            scope.by_trait.setdefault(path.partition(".")[0], {})[audience.name] = compiled
            scope.by_trait.setdefault(path, {})[audience.name] = compiled
        for name in uses.audiences:
            _append(self.dependents, name, compiled)
        in_session = audience.key == SESSION and uses.is_elsewhere
        if in_session or from_nothing(audience.condition, node)[0]:
            scope.at_birth.append(compiled)
        if uses.age:
            scope.by_age.append(compiled)

    def _version(self, audience: Audience) -> str:
        """Return the version of an audience together with all that it refers to."""
        told = replace(
            audience, about="", lever="", send=(), outcome=None, backfill=None,
            notify_backfill=False,
        )  # fmt: skip
        definitions = self.definitions
        return version(told, _references(told, definitions))

    def _node(self, condition: Condition, key: str, uses: "_Uses") -> Node:
        """Return the node of a condition; note in `uses` what it rests on."""
        if isinstance(condition, Group):
            items = tuple(self._node(item, key, uses) for item in condition.items)
            return _GROUPS[condition.kind](items)
        if isinstance(condition, EventCondition):
            condition = replace(condition, pattern=exits.in_pattern(condition.pattern))
            return _on_states(event_leaf(condition), uses)
        if isinstance(condition, SequenceCondition):
            leave = exits.in_pattern(condition.exit) if condition.exit is not None else None
            changed = replace(condition, sequence=exits.in_sequence(condition.sequence), exit=leave)
            return _on_states(SequenceLeaf(changed), uses)
        if isinstance(condition, ScoreCondition):
            return _on_states(self.scores[condition.name].leaf(condition), uses, key == SESSION)
        if isinstance(condition, AttributeCondition):
            leaf = self.attributes[condition.name].leaf(condition)
            return _on_states(leaf, uses, key == SESSION)
        if isinstance(condition, StateCondition):
            read = self.states[condition.name]
            of_subject = key == SESSION and not read.state.per_session
            return _on_states(read.leaf(condition), uses, of_subject)
        if isinstance(condition, TraitCondition):
            return self._trait(condition, key, uses)
        if isinstance(condition, AudienceCondition):
            uses.audiences.append(condition.name)
            uses.age = uses.age or condition.lasting is not None
            other = self._by_name[condition.name]
            return AudienceNode(condition, other.key == SESSION)
        if isinstance(condition, KnownCondition):
            uses.age = True
            return KnownNode(condition.age)
        assert isinstance(condition, SampleCondition)
        return SampleNode(condition.fraction, condition.salt)

    def _trait(self, condition: TraitCondition, key: str, uses: "_Uses") -> TraitNode:
        path = condition.path
        uses.traits.append(path)
        newest = changes = None
        if path.startswith("context."):
            newest = LatestKind(path, reader(path))
            uses.values.append(newest)
        if condition.changed_within is not None:
            read = reader(path) if newest is not None else _telling(path, key)
            changes = ChangesKind(path, read)
            uses.values.append(changes)
        test = compile_comparison(condition.comparison) if condition.comparison else None
        return TraitNode(path, test, newest, changes, condition.changed_within or 0)

    # -- kinds -----------------------------------------------------------------------------------

    def _add_kind(self, scope: ScopeProgram, kind: Kind) -> None:
        """Let a kind be fed; of two with the same key the larger serves both."""
        known = scope.kinds.get(kind.key)
        if known is None:
            for bit, pattern in enumerate(kind.patterns):
                number = self._numbers.setdefault(pattern, len(self._numbers))
                scope.feeds.setdefault(number, []).append(Feed(kind.key, bit))
        if known is None or known.size < kind.size:
            scope.kinds[kind.key] = kind

    def _add_values(self, scope: ScopeProgram, kind: LatestKind | ChangesKind) -> None:
        if kind.key not in scope.kinds:
            scope.kinds[kind.key] = kind
            scope.values.append((kind.read, kind))

    def _add_detector(self, scope: ScopeProgram, found: Detector) -> None:
        self._add_kind(scope, found.kind)
        scope.detectors.setdefault(found.kind.key, []).append(found)

    def _add_function(self, scope: ScopeProgram, signal: Signal) -> None:
        reads = tuple(map(exits.in_pattern, signal.reads))
        function = self.functions.get((signal.name, signal.function))
        found = function_signal(signal.name, reads, signal.within or 0, function)
        self._add_kind(scope, found.kind)
        scope.functions.setdefault(found.kind.key, []).append(found)


class _Uses:
    """What the conditions of one audience rest on."""

    def __init__(self) -> None:
        self.own: list[Kind] = []
        self.subject: list[Kind] = []
        self.values: list[LatestKind | ChangesKind] = []
        self.traits: list[str] = []
        self.audiences: list[str] = []
        self.age = False

    @property
    def is_elsewhere(self) -> bool:
        """Whether an audience of sessions rests on anything that the person has before them."""
        return bool(self.subject or self.values or self.traits or self.audiences)


def _on_states(leaf: Leaf, uses: _Uses, of_subject: bool = False) -> StateNode:
    (uses.subject if of_subject else uses.own).extend(leaf.kinds)
    return StateNode(leaf, of_subject)


def _telling(path: str, key: str) -> Reader:
    """Return what reads a trait off the calls that teach it: an account learns by `group` only."""
    own, carried = reader(f"traits.{path}"), reader(f"context.traits.{path}")

    def read(body: Mapping[str, Any]) -> Any:
        sort = body.get("type")
        if key == ACCOUNT:
            return own(body) if sort == "group" else None
        if sort == "group":
            return None
        value = own(body) if sort == "identify" else None
        return carried(body) if value is None else value

    return read


def _append(lists: dict[str, list[Compiled]], key: str, compiled: Compiled) -> None:
    found = lists.setdefault(key, [])
    if compiled not in found:
        found.append(compiled)


def from_nothing(condition: Condition, node: Node) -> tuple[bool, bool]:
    """Return whether a condition may hold, and may fail, for somebody who has done nothing yet.

    What may hold must be looked at when a profile is made, though no event speaks of it.
    """
    if isinstance(node, AllNode | AnyNode | NoneNode):
        assert isinstance(condition, Group)
        each = [from_nothing(*pair) for pair in zip(condition.items, node.items, strict=True)]
        may_hold, may_fail = [one[0] for one in each], [one[1] for one in each]
        if condition.kind == "all":
            return all(may_hold), any(may_fail)
        if condition.kind == "any":
            return any(may_hold), all(may_fail)
        return all(may_fail), any(may_hold)
    if isinstance(node, StateNode):
        holds = node.leaf.verdict({}, 0, 0).holds
        return holds, not holds
    if isinstance(node, TraitNode):
        holds = node.changes is None and (node.test is None or node.test(None))
        return holds, not holds
    if isinstance(condition, AudienceCondition):
        return not condition.member, condition.member or condition.lasting is not None
    return True, True


def _needs(node: Node) -> tuple[tuple[str, ...], ...]:
    """Return groups of keys of kinds, of each of which one must have a state for a node to hold."""
    if isinstance(node, AllNode):
        return tuple(group for item in node.items for group in _needs(item))
    if not isinstance(node, StateNode) or node.of_subject:
        return ()
    without_any = node.leaf.verdict({}, 0, 0)
    return (tuple(kind.key for kind in node.leaf.kinds),) if without_any == Verdict(False) else ()


# -- versions ------------------------------------------------------------------------------------


def _references(audience: Audience, definitions: Definitions) -> tuple[object, ...]:
    """Return the scores, attributes and states that an audience's meaning includes."""
    named = set(_names(audience.condition))
    if audience.exit_while is not None:
        named.update(_names(audience.exit_while))
    tables = (
        ("score", definitions.scores), ("attribute", definitions.attributes),
        ("state", definitions.states),
    )  # fmt: skip
    return tuple(one for sort, table in tables for one in table if (sort, one.name) in named)


def _names(condition: Condition) -> Iterable[tuple[str, str]]:
    if isinstance(condition, Group):
        for item in condition.items:
            yield from _names(item)
    elif isinstance(condition, ScoreCondition):
        yield "score", condition.name
    elif isinstance(condition, AttributeCondition):
        yield "attribute", condition.name
    elif isinstance(condition, StateCondition):
        yield "state", condition.name
