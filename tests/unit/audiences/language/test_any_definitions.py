"""Laws for whatever somebody may write."""

import re
import tomllib
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from junctor.audiences.canonical import version
from junctor.audiences.language import order, parse_definitions
from junctor.audiences.words import in_words
from junctor.model.problems import written

EXAMPLES: dict[str, Any] = tomllib.loads(
    Path(__file__).with_name("examples.toml").read_text(encoding="utf-8")
)
CANARY = "cAnArY-5f3a"
KEYS = st.sampled_from(
    ["event", "sequence", "score", "trait", "attribute", "state", "audience", "known", "sample",
     "all", "any", "none", "when", "where", "count", "days", "distinct", "sum", "within",
     "between", "since", "until", "same", "first", "per", "is", "for", "spent", "hold", "exit",
     "settle", "zone", "send", "outcome", "goal", "value", "as", "after", "without", "not",
     "add", "rules", "range", "set", "to", "agg", "prop", "bands", "re", "has", "exists", "gte",
     "lt", "eq", "a.b", "x"]
)  # fmt: skip
TEXTS = st.sampled_from(
    ["7d", "0s", "3..5", ">=3", "<=0", "!=x", ">=", "$c.x", "$a.b", "*", "", "signal:rage_click",
     "signal:*", "high_intent", "churn_risk", "readiness", "checkout", "ltv_band", "2026-11-01",
     "10%", "session", "counter", "Europe/Vienna", "Europe", "(", 'type = "track"', CANARY]
)  # fmt: skip
SCALARS = st.one_of(
    TEXTS, st.text(max_size=6), st.booleans(), st.integers(-3, 400), st.integers(), st.floats(),
    st.dates(), st.datetimes(), st.none(),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[str | int, ...] = ()) -> dict[tuple[str | int, ...], Any]:
    """Return everything in `value` by its path."""
    found = {path: value}
    if isinstance(value, dict | list):
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            found |= places(child, (*path, key))
    return found


def copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: copied(child) for key, child in value.items()}
    return [copied(child) for child in value] if isinstance(value, list) else value


@st.composite
def changed(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the examples with a few values replaced, taken away or put in."""
    raw: dict[str, Any] = copied(EXAMPLES)
    for _ in range(draw(st.integers(1, 4))):
        paths = [path for path in places(raw) if path]
        *above, key = draw(st.sampled_from(paths))
        holder = places(raw)[tuple(above)]
        change = draw(st.sampled_from(["replace", "remove", "add"]))
        if change == "remove":
            del holder[key]
        elif change == "add" and isinstance(holder, dict):
            holder[draw(KEYS)] = copied(draw(VALUES))
        else:
            holder[key] = copied(draw(VALUES))
        if not raw:
            break
    return raw


RANDOM = st.dictionaries(
    st.sampled_from(["audiences", "signals", "states", "scores", "attributes", "services"]),
    st.dictionaries(st.sampled_from(["a", "b", "rage_click"]), VALUES, max_size=2) | VALUES,
)


def check(raw: dict[str, Any]) -> None:
    definitions, problems = parse_definitions(raw)
    known = {written(path) for path in places(raw) if path}
    for problem in problems:
        above = re.sub(r"(\.[A-Za-z0-9_-]+|\[\d+\])$", "", problem.path)
        assert problem.path in known or above in known, problem
        assert CANARY not in problem.message + (problem.hint or "")
        assert "\n" not in problem.message
    assert sorted(order(definitions)) == sorted(one.name for one in definitions.audiences)
    for audience in definitions.audiences:
        assert in_words(audience)
        assert version(audience)


@settings(max_examples=150, deadline=None)
@given(raw=changed())
def test_changed_examples_load_or_are_refused_in_words_at_a_place_that_is_there(
    raw: dict[str, Any],
) -> None:
    check(raw)


@settings(max_examples=150, deadline=None)
@given(raw=RANDOM)
def test_anything_at_all_is_refused_in_words(raw: dict[str, Any]) -> None:
    check(raw)
