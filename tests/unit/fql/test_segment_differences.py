"""Warnings where Segment's action triggers read an expression differently, and the agreed cases."""

import json
from pathlib import Path
from typing import Any

import pytest

from junctor import fql

# Answers recorded from `@segment/destination-subscriptions` 3.37.0, `validate(parseFql(…), event)`.
AGREED: list[dict[str, Any]] = json.loads(
    Path(__file__).with_name("agreed_with_segment.json").read_text(encoding="utf-8")
)


def test_segments_engine_and_junctor_agree_on_the_recorded_cases() -> None:
    assert len(AGREED) >= 300
    differing = [
        case
        for case in AGREED
        if fql.compile(case["expression"])(case["event"]) != case["expected"]
    ]
    assert differing == []


def test_what_both_read_alike_has_no_warning() -> None:
    warned = [case["expression"] for case in AGREED if fql.compile(case["expression"]).warnings]
    assert warned == []


@pytest.mark.parametrize(
    "expression",
    [
        'type = "track" and event = "Order Completed" and properties.revenue >= 100',
        '(type = "track" or type = "page") and (name = null or userId != null)',
        '(type = "track" and contains(event, "a")) or !match(event, "b*")',
        '!contains(traits.email, "@example.com") and match(context.page.path, "*/pricing")',
        r"properties.product\ 1.price = 5 and properties.b = false",
        "event = true and userId = 5",
    ],
)
def test_common_expressions_have_no_warning(expression: str) -> None:
    assert fql.compile(expression).warnings == ()


# expression, place, part of the sentence
WARNED = [
    ('type = "a" or type = "b" and name = "c"', "column 26", "mixed without parentheses"),
    ('type = "a" and (name = "b" or name = "c" and name = "d")', "column 42", "mixed"),
    ('((type = "a") or name = "b")', "column 2", "one level of parentheses"),
    ('(contains(event, "a") and name = "b") or name = "c"', "column 21", "function last"),
    ("event = 'a'", "column 9", "single quotes"),
    ('anonymousId = "a"', "column 1", "drop a condition on `anonymousId`"),
    ("profile.traits.a = 1", "column 1", "drop a condition on `profile.traits.a`"),
    ("properties = null", "column 1", "drop a condition on `properties`"),
    ('event.a = "b"', "column 1", "drop a condition on `event.a`"),
    ('contains(type, "a")', "column 10", "drop a condition on `type` in contains()"),
    ('!(type = "a")', "column 1", "ignore `!` before a parenthesis"),
    ('not contains(event, "a")', "column 1", "do not know `not`"),
    ('! contains(event, "a")', "column 1", "no space after `!`"),
    ('type in ["a"]', "column 1", "do not know `in`"),
    ("length(event) > 1", "column 1", "compare only a field"),
    ("5 < properties.a", "column 1", "compare only a field"),
    ("properties.a = properties.b", "column 1", "compare only a field"),
    ("bool(properties.a)", "column 1", "do not know bool()"),
    ('contains(lowercase(event), "a")', "column 1", "want a field and a written text"),
    ("properties.a", "column 1", "`= true` after a boolean field"),
    ("!properties.a", "column 2", "`= true` after a boolean field"),
    ("true", "column 1", "lone true or false"),
    ("properties.a != true", "column 1", 'the text "true" or "false"'),
    ("userId != false", "column 1", 'the text "true" or "false"'),
    ("event = null", "column 1", 'event with the text "null"'),
    ("type != null", "column 1", 'type with the text "null"'),
    ('match(event, "a")', "column 14", '"start*" and "*end"'),
    ('match(event, "a*b")', "column 14", '"start*" and "*end"'),
    ('match(event, "*a*")', "column 14", '"start*" and "*end"'),
    ('match(event, "[ab]*")', "column 14", '"start*" and "*end"'),
    ("properties.a>5", "column 1", "a space after `properties.a`"),
    ("properties.a >=5", "column 14", "a space after `>=`"),
    ('event = "a"and name = "b"', "column 9", 'a space after `"a"`'),
    ('event = "a" and(name = "b")', "column 13", "a space after `and`"),
    ('event = "a"\r\nand name = "b"', "column 12", "carriage return"),
    ('properties.items[0] = "a"', "column 1", "brackets"),
    ('properties.items.0 = "a"', "column 1", "cannot read `properties.items.0`"),
    ('properties.or = "a"', "column 1", "cannot read `properties.or`"),
    ('properties.größe = "a"', "column 1", "cannot read `properties.größe`"),
    (r'properties.a\.b = "a"', "column 1", "take an escaped `.`"),
    ('type = "a"\nand (\n  userId != true)', "line 3, column 3", 'the text "true"'),
    ("userId = 12345678901234567890", "column 10", "12345678901234567000"),
    ("messageId in [12345678901234567890]", "column 15", "quote the digits"),
]


@pytest.mark.parametrize(("expression", "place", "sentence"), WARNED)
def test_a_difference_is_named_with_its_place(expression: str, place: str, sentence: str) -> None:
    warnings = fql.compile(expression).warnings
    assert any(w.startswith(f"{place}: ") and sentence in w for w in warnings), warnings


def test_a_difference_is_named_once() -> None:
    warnings = fql.compile("properties.a != true or properties.b != true").warnings
    assert len(warnings) == 1
