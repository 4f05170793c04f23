"""The rules of the conformance kit as data: the name, the tier it proves, and why it matters.

A rule `delivers-2xx` is checked by the method `test_delivers_2xx` of a conformance class.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Tier(StrEnum):
    """How far a connector can be trusted; each tier includes the ones before it."""

    BRONZE = "bronze"
    SILVER = "silver"
    GOLD = "gold"


class Kind(StrEnum):
    """The three kinds of connector."""

    DESTINATION = "destination"
    PUSH = "push source"
    PULL = "pull source"


MEANING: Final = {
    Tier.BRONZE: "safe to load",
    Tier.SILVER: "safe to run",
    Tier.GOLD: "a joy to own",
}

_ALL: Final = frozenset(Kind)
_DESTINATION: Final = frozenset({Kind.DESTINATION})
_SOURCES: Final = frozenset({Kind.PUSH, Kind.PULL})
_PUSH: Final = frozenset({Kind.PUSH})
_PULL: Final = frozenset({Kind.PULL})
_CALLS_OUT: Final = frozenset({Kind.DESTINATION, Kind.PULL})
_FED: Final = frozenset({Kind.DESTINATION, Kind.PUSH})


@dataclass(frozen=True, slots=True)
class Rule:
    """One promise: `why` says what it saves its operator from, `kinds` whom it applies to."""

    name: str
    tier: Tier
    why: str
    kinds: frozenset[Kind] = _ALL

    @property
    def method(self) -> str:
        """Name of the test method that checks this rule."""
        return "test_" + self.name.replace("-", "_")


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "manifest-valid",
        Tier.BRONZE,
        "The hub plans batches, rates and routes by the manifest before the first event: it must "
        "be a `Manifest`, its `rate` readable as `1/s` or `100/m`, and it must accept something.",
    ),
    Rule(
        "type-matches-entry-point",
        Tier.BRONZE,
        "A configuration says `type = NAME`, the hub looks NAME up among the installed entry "
        "points: if the manifest says another name, docs, metrics and errors speak of a connector "
        "that nobody can configure.",
    ),
    Rule(
        "settings-documented",
        Tier.BRONZE,
        "The docstring of a setting is its documentation, everywhere it is shown. A setting "
        "without one has to be guessed.",
    ),
    Rule(
        "secrets-are-secret",
        Tier.BRONZE,
        "Only a `Secret` is given by reference and kept out of logs. A key in a plain `str` ends "
        "up in the configuration file, and from there in a repository.",
    ),
    Rule(
        "unknown-settings-refused",
        Tier.BRONZE,
        "A misspelt setting that is ignored is a setting that silently has its default.",
    ),
    Rule(
        "settings-model-agrees",
        Tier.BRONZE,
        "`settings_model` is what the hub validates, `Destination[S]` what the type checker "
        "believes: if they differ, type-checked code fails on its first event.",
    ),
    Rule(
        "no-io-in-init",
        Tier.BRONZE,
        "Connectors are built to be listed, checked and documented, not only to run: building one "
        "must not dial, open files, or start tasks.",
    ),
    Rule(
        "stop-unstarted",
        Tier.BRONZE,
        "When one connector fails to start, the hub stops all of them, the unstarted ones too.",
        _DESTINATION,
    ),
    Rule(
        "stop-twice",
        Tier.BRONZE,
        "A second signal during shutdown stops everything again; it must find nothing to break.",
        _DESTINATION,
    ),
    Rule(
        "secrets-never-printed",
        Tier.BRONZE,
        "Reprs, logs and errors travel to log stores, tickets and chat rooms: no secret may be in "
        "them, whatever went wrong.",
    ),
    Rule(
        "imports-only-sdk",
        Tier.BRONZE,
        "`junctor.sdk` is the promise that holds from release to release. Other modules of junctor "
        "change without notice, and a second HTTP or retry library escapes the hub's egress guard "
        "and hides attempts from the ledger.",
    ),
    Rule(
        "delivers-2xx",
        Tier.SILVER,
        "Every event type in `accepts` goes out while `deliver` runs, and 201, 202 and 204 are as "
        "good as 200.",
        _DESTINATION,
    ),
    Rule(
        "errors-typed",
        Tier.SILVER,
        "The error class is the event's fate. 401 and 403 pause the destination; 408, 5xx, a "
        "refused or reset connection and a timeout retry; 400, 413 and 422 dead-letter this event; "
        "429 slows down.",
        _CALLS_OUT,
    ),
    Rule(
        "retry-after-kept",
        Tier.SILVER,
        "A vendor that says when to come back means it; who comes earlier is locked out for "
        "longer. Both seconds and an HTTP-date must reach the hub.",
        _DESTINATION,
    ),
    Rule(
        "retry-idempotent",
        Tier.SILVER,
        "After a timeout nobody knows whether the event arrived, so it is sent again: only a "
        "second attempt that is byte for byte the first (but for what `stamp` adds) lets the "
        "vendor recognize it.",
        _DESTINATION,
    ),
    Rule(
        "events-not-mutated",
        Tier.SILVER,
        "All destinations share one event object: what one changes, its neighbors deliver.",
        _DESTINATION,
    ),
    Rule(
        "batch-limit-kept",
        Tier.SILVER,
        "`deliver` is given one to `max_batch` events, and its return means that all of them were "
        "handed over. An event left out of the request is lost without a trace.",
        _DESTINATION,
    ),
    Rule(
        "cancellation-clean",
        Tier.SILVER,
        "On shutdown and at its deadline a delivery is cancelled: it must end, leave no task "
        "behind, and the next delivery must work.",
        _DESTINATION,
    ),
    Rule(
        "concurrent-delivery",
        Tier.SILVER,
        "The hub calls `deliver` several times at once on one object: state kept between calls "
        "mixes up events.",
        _DESTINATION,
    ),
    Rule(
        "redirect-not-followed-with-credentials",
        Tier.SILVER,
        "A redirect is how a hijacked or mistyped address collects keys and personal data: nothing "
        "is sent to where it points, and the event is not delivered.",
        _DESTINATION,
    ),
    Rule(
        "corpus-survives",
        Tier.SILVER,
        "Real traffic holds emoji, NUL, deep nesting and nulls where nobody expects them. A "
        "strange event is delivered or declined by itself; it never crashes the connector or "
        "pauses the destination.",
        _FED,
    ),
    Rule(
        "signature-refused",
        Tier.SILVER,
        "The address of a push source is public: without the right key or signature, nothing gets "
        "in.",
        _PUSH,
    ),
    Rule(
        "replayed-request-deduped",
        Tier.SILVER,
        "Senders repeat a request whose answer was lost. The same request must give the same "
        "records, above all the same `messageId`, or each event counts twice.",
        _PUSH,
    ),
    Rule(
        "records-normalize",
        Tier.SILVER,
        "A source's records become events only when they are Segment-shaped: a known `type`, "
        "somebody they are about, a readable `timestamp`, objects where objects belong.",
        _SOURCES,
    ),
    Rule(
        "empty-is-quiet",
        Tier.SILVER,
        "Most polls find nothing and many hooks ping: that is no event and no failure.",
        _SOURCES,
    ),
    Rule(
        "cursor-resumes",
        Tier.SILVER,
        "The hub commits a page and its cursor together and may be killed after any page: from "
        "that cursor on everything comes that had not come yet, and nothing else.",
        _PULL,
    ),
    Rule(
        "pages-ordered",
        Tier.SILVER,
        "Profiles and audiences are folds over time: a page must not be older than the one before "
        "it, and reading twice gives the same order.",
        _PULL,
    ),
    Rule(
        "check-proves-credentials",
        Tier.GOLD,
        "`junctor check --online` answers before the first event whether a key works, and not at "
        "3 a.m. after it.",
        _DESTINATION,
    ),
    Rule(
        "partial-failure-mapped",
        Tier.GOLD,
        "A vendor that refuses 2 of 500 items took 498: each item by its own fate, or either 498 "
        "are sent twice or 2 are lost.",
        _DESTINATION,
    ),
    Rule(
        "golden-requests",
        Tier.GOLD,
        "One file per event type holds the exact request: a change on the wire is seen in review, "
        "not by the vendor.",
        _DESTINATION,
    ),
)


def rules_page() -> str:
    """Return `docs/rules.md`: every rule with a heading of its own, by tier."""
    parts = [
        "# Rules of the conformance kit",
        "Written by `python -m junctor.testkit docs/rules.md`; change "
        "`core/junctor/testkit/rules.py` instead.",
        "A tier is proven by passing all of its rules and those of the tiers before it. A rule "
        "that a vendor makes impossible is exempted by name, with the reason: "
        '`exempt = {"rule": "reason"}`.',
    ]
    for tier in Tier:
        parts.append(f"## {tier.title()}: {MEANING[tier]}")
        for one in RULES:
            if one.tier is tier:
                parts.append(f"### {one.name}")
                parts.append(f"Applies to: {_names(one.kinds)}.")
                parts.append(one.why)
    return "\n\n".join(parts) + "\n"


def _names(kinds: frozenset[Kind]) -> str:
    return ", ".join(kind for kind in Kind if kind in kinds)
