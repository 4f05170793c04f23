"""Where an event goes. Pure: event, profile and configuration decide.

Consent is looked at first, then the event's `integrations` object, then the routes [Segment,
consent in connections; filtering with the integrations object].
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from junctor.audiences.seen import HUB
from junctor.model.processed import Decision
from junctor.model.profile import Profile
from junctor.pipeline.forget import is_parting
from junctor.sdk.event import NOBODY, EventType

SENT: Final = ""
WRONG_TYPE: Final = "type not accepted"
NO_ROUTE: Final = "no route"
CONDITION: Final = "condition not met"
CONSENT: Final = "filtered by end user consent"
_MOST_REMEMBERED: Final = 4_096
SILENT: Final = "entered by backfill"
GONE: Final = "the person was erased"
TOLD_BY_DELETE: Final = "the delete tells it"
INTEGRATIONS: Final = "filtered by integrations object"


NO_SENDS: Final[Mapping[str, frozenset[str]]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class RouteRule:
    """A route as the configuration has it; `sources` None stands for all."""

    sources: frozenset[str] | None
    to: frozenset[str]
    when: Callable[[Mapping[str, Any]], bool] | None = None
    reads_profile: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """A destination as routing sees it; `names` are those by which `integrations` calls it.

    `keeps_audiences`: it keeps a copy of memberships, and wants those that fire no trigger, too.
    """

    id: str
    accepts: frozenset[str]
    consent: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    keeps_audiences: bool = False


class Router:
    """All routes and destinations of one configuration."""

    def __init__(
        self,
        routes: Sequence[RouteRule],
        targets: Sequence[Target],
        sends: Mapping[str, frozenset[str]] = NO_SENDS,
    ) -> None:
        """Prepare the table of one configuration.

        `sends` are the destinations that an audience's `send` names, by audience.
        """
        self._sends = sends
        self.targets = tuple(targets)
        self._routes = tuple((1 << number, route) for number, route in enumerate(routes))
        self._plain: dict[tuple[str, int, int], Decision] = {}
        led_to = {id for route in routes for id in route.to}.union(*sends.values())
        self._deletion = tuple((target.id, _told_to_delete(target, led_to)) for target in targets)

    def decide(self, event: Mapping[str, Any], source: str, profile: Profile | None) -> Decision:
        """Return the decision for a canonical event.

        Most events say nothing of consent or integrations; for these only their type and the
        routes that match count, and equal decisions are the same object.

        A delete goes to all that can delete and that some route leads to, whatever else is said:
        who may have got the person's events is to hear of it.
        """
        if event["type"] == EventType.DELETE:
            return self._deletion
        matched, refused = self._match(event, source, profile)
        if source == HUB:
            return self._made_here(event, matched, refused)
        consent = consent_preferences(event)
        integrations = event.get("integrations")
        if consent is None and (not integrations or not isinstance(integrations, dict)):
            key = (event["type"], matched, refused)
            decision = self._plain.get(key)
            if decision is None:
                decision = self._decision(event, matched, refused, None, None)
                if len(self._plain) < _MOST_REMEMBERED:
                    self._plain[key] = decision
            return decision
        if not isinstance(integrations, dict) or not integrations:
            integrations = None
        return self._decision(event, matched, refused, consent, integrations)

    def _made_here(self, event: Mapping[str, Any], matched: int, refused: int) -> Decision:
        """Return the decision for an event that the hub made: of an audience, or a signal."""
        context = event.get("context")
        said = context.get(HUB) if isinstance(context, dict) else None
        silent = isinstance(said, dict) and said.get("silent") is True
        keeps = {target.id for target in self.targets if target.keeps_audiences}
        decision = self._decision(
            event, matched, refused, consent_preferences(event), None, also=self.sends_of(event)
        )
        if is_parting(event):
            deleting = self.deleting
            return tuple(
                (id, TOLD_BY_DELETE if reason == SENT and id in deleting else reason)
                for id, reason in decision
            )
        if not silent:
            return decision
        return tuple(
            (id, SILENT if reason == SENT and id not in keeps else reason)
            for id, reason in decision
        )

    @property
    def deleting(self) -> list[str]:
        """The destinations that get deletes."""
        return [id for id, reason in self._deletion if reason == SENT]

    def nowhere(self, why: str) -> Decision:
        """Return the decision that sends an event to no destination."""
        return tuple((target.id, why) for target in self.targets)

    def sends_of(self, event: Mapping[str, Any]) -> frozenset[str]:
        """Return the destinations that `send` of its audience names, of an event the hub made."""
        return self._sends.get(audience_of(event) or "", frozenset())

    def _match(
        self, event: Mapping[str, Any], source: str, profile: Profile | None
    ) -> tuple[int, int]:
        """Return the routes that match and those whose condition does not, as bits."""
        matched = refused = 0
        payload: Mapping[str, Any] | None = None
        for bit, route in self._routes:
            if route.sources is not None and source not in route.sources:
                continue
            if route.when is None:
                matched |= bit
                continue
            if route.reads_profile:
                payload = payload or with_profile(event, profile)
            if route.when(payload if payload and route.reads_profile else event):
                matched |= bit
            else:
                refused |= bit
        return matched, refused

    def _decision(
        self,
        event: Mapping[str, Any],
        matched: int,
        refused: int,
        consent: Mapping[str, Any] | None,
        integrations: Mapping[str, Any] | None,
        also: frozenset[str] = frozenset(),
    ) -> Decision:
        wanted = {id for bit, route in self._routes if bit & matched for id in route.to} | also
        declined = {id for bit, route in self._routes if bit & refused for id in route.to}
        reasons = []
        for target in self.targets:
            if event["type"] not in target.accepts:
                reason = WRONG_TYPE
            elif target.id not in wanted:
                reason = CONDITION if target.id in declined else NO_ROUTE
            else:
                reason = reconcile(target, event, consent, integrations)
            reasons.append((target.id, reason))
        return tuple(reasons)


def _told_to_delete(target: Target, led_to: Collection[str]) -> str:
    if EventType.DELETE not in target.accepts:
        return WRONG_TYPE
    return SENT if target.id in led_to else NO_ROUTE


def audience_of(event: Mapping[str, Any]) -> str | None:
    """Return the audience that an event tells of, None if it tells of none."""
    context = event.get("context")
    personas = context.get("personas") if isinstance(context, dict) else None
    audience = personas.get("computation_key") if isinstance(personas, dict) else None
    return audience if isinstance(audience, str) else None


def consent_preferences(event: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return `context.consent` of an event that carries a consent object, else None."""
    context = event.get("context")
    consent = context.get("consent") if isinstance(context, dict) else None
    return consent if isinstance(consent, dict) else None


def reconcile(
    target: Target,
    event: Mapping[str, Any],
    consent: Mapping[str, Any] | None,
    integrations: Mapping[str, Any] | None,
) -> str:
    """Return "" or the reason why consent or the integrations object keeps the event back.

    The rows of Segment's table: without a consent object nothing is enforced; an empty one counts
    as no consent at all only beside an integrations object, an empty `categoryPreferences` always.
    """
    if consent is not None and target.consent:
        preferences = consent.get("categoryPreferences")
        if isinstance(preferences, dict):
            if not all(preferences.get(category) is True for category in target.consent):
                return CONSENT
        elif integrations is not None:
            return CONSENT
    return SENT if integrations is None else _by_integrations(target, event, integrations)


def _by_integrations(
    target: Target, event: Mapping[str, Any], integrations: Mapping[str, Any]
) -> str:
    for name in target.names:
        if name in integrations:
            value = integrations[name]
            enabled = value is True or isinstance(value, dict)
            return SENT if enabled else INTEGRATIONS
    if integrations.get("All") is False and not _is_computed(event):
        return INTEGRATIONS
    return SENT


def _is_computed(event: Mapping[str, Any]) -> bool:
    """Whether Segment Engage made the event: such calls always carry `All: false`."""
    context = event.get("context")
    personas = context.get("personas") if isinstance(context, dict) else None
    return isinstance(personas, dict) and isinstance(personas.get("computation_class"), str)


def with_profile(event: Mapping[str, Any], profile: Profile | None) -> Mapping[str, Any]:
    """Return the event with `profile` and `audiences` beside its fields, whatever it calls so."""
    view = profile.view() if profile is not None else NOBODY
    return {**event, "profile": view.as_dict(), "audiences": view.audiences}
