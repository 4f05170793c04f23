"""Where events go: types, routes, consent, the integrations object."""

from typing import Any

import pytest

from junctor.fql import compile
from junctor.model.profile import Profile
from junctor.pipeline.route import (
    CONDITION,
    CONSENT,
    INTEGRATIONS,
    NO_ROUTE,
    SENT,
    WRONG_TYPE,
    Router,
    RouteRule,
    Target,
    consent_preferences,
)

from .bodies import track

ALL = frozenset({"track", "identify", "page", "screen", "group", "alias", "delete"})


def route(to: str, *, sources: str | None = None, when: str | None = None) -> RouteRule:
    predicate = compile(when) if when is not None else None
    return RouteRule(
        None if sources is None else frozenset(sources.split()),
        frozenset(to.split()),
        predicate,
        predicate is not None and bool(predicate.reads & {"profile", "audiences"}),
    )


def decide(
    routes: list[RouteRule], event: dict[str, Any], *, source: str = "web",
    profile: Profile | None = None, targets: str = "crm alerts",
) -> dict[str, str]:  # fmt: skip
    router = Router(routes, [Target(id, ALL) for id in targets.split()])
    return dict(router.decide(event, source, profile or Profile(1)))


# -- routes --------------------------------------------------------------------------------------


def test_without_a_route_nothing_goes_anywhere() -> None:
    assert decide([], track()) == {"crm": NO_ROUTE, "alerts": NO_ROUTE}


def test_a_route_without_sources_takes_those_of_all() -> None:
    assert decide([route("crm")], track(), source="any") == {"crm": SENT, "alerts": NO_ROUTE}


@pytest.mark.parametrize(
    ("source", "reason"), [("web", SENT), ("ios", SENT), ("tv", NO_ROUTE), ("we", NO_ROUTE)]
)
def test_a_route_takes_its_own_sources_only(source: str, reason: str) -> None:
    assert decide([route("crm", sources="web ios")], track(), source=source)["crm"] == reason


def test_a_condition_that_is_not_met_is_told_from_no_route() -> None:
    routes = [route("crm", when='event = "Order Completed"')]
    assert decide(routes, track(event="Order Completed")) == {"crm": SENT, "alerts": NO_ROUTE}
    assert decide(routes, track(event="Seen")) == {"crm": CONDITION, "alerts": NO_ROUTE}


@pytest.mark.parametrize("turned", [1, -1])
def test_one_route_that_takes_the_event_is_enough(turned: int) -> None:
    routes = [
        route("crm alerts", when='event = "Never"'),
        route("crm", when="properties.revenue >= 100"),
        route("crm", sources="other"),
    ][::turned]
    event = track(properties={"revenue": 129.5})
    assert decide(routes, event) == {"crm": SENT, "alerts": CONDITION}


def test_a_condition_of_another_sources_route_is_no_refusal() -> None:
    routes = [route("crm", sources="other", when='event = "Never"')]
    assert decide(routes, track()) == {"crm": NO_ROUTE, "alerts": NO_ROUTE}


def test_a_condition_may_read_the_profile() -> None:
    routes = [route("crm", when='profile.traits.plan = "pro"'), route("alerts")]
    pro = Profile(1, traits={"plan": ("pro", 1)})
    assert decide(routes, track(), profile=pro) == {"crm": SENT, "alerts": SENT}
    free = Profile(1, traits={"plan": ("free", 1)})
    assert decide(routes, track(), profile=free) == {"crm": CONDITION, "alerts": SENT}
    router = Router(routes, [Target("crm", ALL)])
    assert router.decide(track(), "web", None) == (("crm", CONDITION),), "a person erased since"


def test_an_event_can_not_pretend_to_be_a_profile() -> None:
    routes = [route("crm", when='profile.traits.plan = "pro"')]
    forged = track(profile={"traits": {"plan": "pro"}})
    assert decide(routes, forged)["crm"] == CONDITION


def test_an_erased_person_can_not_be_pretended_either() -> None:
    router = Router([route("crm", when='profile.traits.plan = "pro"')], [Target("crm", ALL)])
    forged = track(profile={"traits": {"plan": "pro"}})
    assert router.decide(forged, "web", None) == (("crm", CONDITION),)


def test_the_type_must_be_accepted_whatever_the_routes_say() -> None:
    targets = [Target("crm", frozenset({"identify"})), Target("alerts", frozenset({"track"}))]
    router = Router([route("crm alerts")], targets)
    assert dict(router.decide(track(), "web", None)) == {"crm": WRONG_TYPE, "alerts": SENT}


def test_a_deactivated_destination_is_still_decided_on() -> None:
    """It is paused, and holds its events: routing does not know."""
    assert decide([route("crm gone")], track()) == {"crm": SENT, "alerts": NO_ROUTE}


def test_equal_decisions_are_one_object() -> None:
    router = Router([route("crm")], [Target("crm", ALL)])
    assert router.decide(track(), "web", None) is router.decide(track("u-2"), "web", None)


# -- consent and integrations: Segment's table ---------------------------------------------------

NONE: Any = object()
BOTH = {"fb": True, "amp": False}
AD = {"fb": ["ad"], "ga": ["ad"]}
AD_ANALYTICS = AD | {"amp": ["analytics"]}
AD_AND_ANALYTICS = {"fb": ["ad", "analytics"], "ga": ["ad"], "amp": ["analytics"]}
GRANTED = {"categoryPreferences": {"ad": True, "analytics": False}}
GRANTED_BOTH = {"categoryPreferences": {"ad": True, "analytics": True}}
GRANTED_ANALYTICS = {"categoryPreferences": {"ad": False, "analytics": True}}
EMPTY: dict[str, Any] = {"categoryPreferences": {}}

# number, consent, categories of destinations, integrations, who receives it; `raw` is unmapped
ROWS: list[tuple[str, Any, dict[str, list[str]], Any, str]] = [
    ("1", NONE, AD_ANALYTICS, NONE, "fb ga amp raw"),
    ("1, empty integrations", NONE, AD_ANALYTICS, {}, "fb ga amp raw"),
    ("1, empty consent", {}, AD_ANALYTICS, NONE, "fb ga amp raw"),
    ("1, both empty", {}, AD_ANALYTICS, {}, "fb ga amp raw"),
    ("2", EMPTY, AD_ANALYTICS, NONE, "raw"),
    ("2, empty integrations", EMPTY, AD_ANALYTICS, {}, "raw"),
    ("3", NONE, AD_ANALYTICS, BOTH, "fb ga raw"),
    ("4, empty consent", {}, AD_ANALYTICS, BOTH, "raw"),
    ("4, no preferences", EMPTY, AD_ANALYTICS, BOTH, "raw"),
    ("4, unmapped and true", {}, {"ga": ["ad"], "amp": ["ad"]}, BOTH, "fb raw"),
    ("4, unmapped and false", EMPTY, {"fb": ["ad"]}, BOTH, "ga raw"),
    ("5", GRANTED, {}, NONE, "fb ga amp raw"),
    ("5, integrations restrict", GRANTED, {}, BOTH, "fb ga raw"),
    ("6", GRANTED, AD | {"amp": ["analytics"]}, NONE, "fb ga raw"),
    ("6, empty integrations", GRANTED, AD | {"amp": ["analytics"]}, {}, "fb ga raw"),
    ("7", GRANTED, AD_ANALYTICS, BOTH, "fb ga raw"),
    ("8", GRANTED, AD_ANALYTICS, {"fb": False, "amp": False}, "ga raw"),
    ("9", GRANTED, AD_AND_ANALYTICS, BOTH, "ga raw"),
    ("10", GRANTED_BOTH, AD_AND_ANALYTICS, BOTH, "fb ga raw"),
    ("11", GRANTED_ANALYTICS, AD_AND_ANALYTICS, BOTH, "raw"),
    ("a category the tool does not know", GRANTED, {"fb": ["other"]}, NONE, "ga amp raw"),
    ("a category nobody is mapped to", {"categoryPreferences": {"x": False}}, {}, NONE,
     "fb ga amp raw"),
    ("consent is a yes or nothing", {"categoryPreferences": {"ad": "true", "analytics": 1}},
     AD_ANALYTICS, NONE, "raw"),
    ("consent that is no object", "granted", AD_ANALYTICS, NONE, "fb ga amp raw"),
    ("preferences that are no object", {"categoryPreferences": True}, AD_ANALYTICS, BOTH, "raw"),
]  # fmt: skip


@pytest.mark.case(23)
@pytest.mark.parametrize(
    ("consent", "mapping", "integrations", "receivers"),
    [row[1:] for row in ROWS],
    ids=[row[0] for row in ROWS],
)
def test_consent_and_integrations_are_reconciled_as_at_segment(
    consent: Any, mapping: dict[str, list[str]], integrations: Any, receivers: str
) -> None:
    targets = [
        Target(id, ALL, tuple(mapping.get(id, ())), (id,)) for id in ("fb", "ga", "amp", "raw")
    ]
    router = Router([route("fb ga amp raw")], targets)
    event = track()
    if consent is not NONE:
        event["context"] = {"consent": consent}
    if integrations is not NONE:
        event["integrations"] = integrations
    decision = dict(router.decide(event, "web", None))
    assert {id for id, reason in decision.items() if not reason} == set(receivers.split())
    assert set(decision.values()) <= {SENT, CONSENT, INTEGRATIONS}


@pytest.mark.case(23)
def test_consent_is_looked_at_before_integrations() -> None:
    router = Router([route("crm")], [Target("crm", ALL, ("ad",), ("crm",))])
    event = track(context={"consent": EMPTY}, integrations={"crm": False})
    assert router.decide(event, "web", None) == (("crm", CONSENT),)


def test_the_reason_of_a_missing_route_goes_before_consent() -> None:
    router = Router([], [Target("crm", ALL, ("ad",), ("crm",))])
    assert router.decide(track(context={"consent": EMPTY}), "web", None) == (("crm", NO_ROUTE),)


@pytest.mark.parametrize("context", [None, {}, {"consent": None}, {"consent": [1]}, {"other": 1}])
def test_no_consent_object_is_no_consent_object(context: Any) -> None:
    assert consent_preferences(track(context=context)) is None


ENGAGE = {"personas": {"computation_class": "audience", "computation_key": "vip"}}


@pytest.mark.case(24)
@pytest.mark.parametrize(
    ("integrations", "is_sent"),
    [
        (None, True),
        ({}, True),
        ({"All": True}, True),
        ({"All": False}, False),
        ({"All": None}, True),
        ({"All": False, "Slack": True}, True),
        ({"All": False, "Slack": {}}, True),
        ({"All": False, "Slack": {"channel": "#x"}}, True),
        ({"All": False, "alerts": True}, True),
        ({"All": False, "Mixpanel": True}, False),
        ({"Slack": True}, True),
        ({"Slack": {"channel": "#x"}}, True),
        ({"Slack": False}, False),
        ({"Slack": None}, False),
        ({"Slack": 0}, False),
        ({"Slack": "true"}, False),
        ({"alerts": False}, False),
        ({"All": True, "Slack": False}, False),
        ({"Slack": True, "alerts": False}, True),  # the field's name goes before the hub's own
        ({"slack": False, "SLACK": False, "Alerts": False}, True),  # names have their case
        ({"Mixpanel": False, "Segment.io": False}, True),
        ([], True),
        ("none", True),
    ],
)
def test_the_integrations_object(integrations: Any, is_sent: bool) -> None:
    router = Router([route("alerts")], [Target("alerts", ALL, (), ("Slack", "alerts"))])
    [(_, reason)] = router.decide(track(integrations=integrations), "web", None)
    assert reason == (SENT if is_sent else INTEGRATIONS)


@pytest.mark.parametrize(
    ("context", "integrations", "is_sent"),
    [
        (ENGAGE, {"All": False, "Webhooks": True}, True),
        (ENGAGE, {"All": False}, True),
        (ENGAGE, {"All": False, "Slack": False}, False),
        ({"personas": {"computation_class": "trait"}}, {"All": False}, True),
        ({"personas": {}}, {"All": False}, False),
        ({"personas": "audience"}, {"All": False}, False),
        ({"personas": {"computation_class": None}}, {"All": False}, False),
        ({}, {"All": False, "Webhooks": True}, False),
    ],
)
def test_what_engage_computed_always_says_all_false_and_is_meant_for_the_hub(
    context: Any, integrations: Any, is_sent: bool
) -> None:
    router = Router([route("alerts")], [Target("alerts", ALL, (), ("Slack", "alerts"))])
    event = track(context=context, integrations=integrations)
    [(_, reason)] = router.decide(event, "web", None)
    assert reason == (SENT if is_sent else INTEGRATIONS)
