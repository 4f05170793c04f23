"""The functions of FQL: Segment's documented examples and junctor's answers where it is silent."""

from typing import Any

import pytest

from junctor import fql

EVENT = {
    "event": "Button Clicked",
    "type": "track",
    "context": {"library": {"name": "analytics.js", "version": "1.0"}},
    "properties": {"features": ["discounts", "dark-mode"]},
}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("event = 'Button Clicked'", True),
        ("event = 'Screen Tapped'", False),
        ("context.path.path = '/login'", False),
        ("type = 'identify' or type = 'track'", True),
        ("event = 'Button Clicked' and type = 'track'", True),
        ("match( context.library.version, '1.*' )", True),
        ("match( context.library.version, '2.*' )", False),
        ("type = 'track' and ( event = 'Click' or match( event, 'Button *' ) )", True),
        ("!contains( context.library.name, 'js' )", False),
        ("'dark-mode' in properties.features", True),
        ("'blink' in properties.features", False),
        ("!( type in ['track', 'identify'] )", False),
        ("length( userId ) > 0", False),
    ],
)
def test_the_examples_of_segments_documentation_hold(expression: str, expected: bool) -> None:
    assert fql.compile(expression)(EVENT) is expected


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("abcd", "a*d", True),
        ("", "*", True),
        ("abc", "ab", False),
        ("abcd", "a??d", True),
        ("abcd", "*d", True),
        ("ab*d", r"ab\*d", True),
        ("abxd", r"ab\*d", False),
        ("abCd", "ab[cC]d", True),
        ("abcd", "ab[a-z]d", True),
        ("abcd", "ab[A-Z]d", False),
        ("abcd", "ab[^A-Z]d", True),
        ("abcd", "ab[^a-z]d", False),
        ("a]d", r"a[\]]d", True),
        ("a^d", r"a[x\^]d", True),
        ("a-d", r"a[\-]d", True),
        ("a.d", "a.d", True),
        ("axd", "a.d", False),
        ("a(d", "a(*", True),
        ("/a/b\nc", "/*c", True),
        ("abab", "*ab", True),
        ("ab", "*ab*ab", False),
        ("abab", "*ab*ab", True),
        ("abcabc", "a*b*c", True),
        ("aXbYc", "a*b*c", True),
        ("acb", "a*b*c", False),
        ("a", "a**", True),
        ("ab", "a*ab", False),
        ("xay", "*a*", True),
        ("xay", "*[a-b]*", True),
        ("xcy", "*[a-b]*", False),
        ("\N{GRINNING FACE}", "?", True),
        ("ab", "?", False),
    ],
)
def test_match_is_a_glob_over_the_whole_text(text: str, pattern: str, expected: bool) -> None:
    plain = fql.compile(f'match(properties.p, "{pattern}")')
    negated = fql.compile(f'!match(properties.p, "{pattern}")')
    assert plain({"properties": {"p": text}}) is expected
    assert negated({"properties": {"p": text}}) is not expected


def test_a_pattern_of_many_stars_takes_no_long_time_on_hostile_text() -> None:
    test = fql.compile('match(properties.p, "' + "*a" * 50 + '*b")')
    assert not test({"properties": {"p": "a" * 20_000}})


FACE = "\N{GRINNING FACE}"


@pytest.mark.parametrize(
    ("operand", "value", "literal"),
    [
        ("length(properties.p)", "abc", "3"),
        ("length(properties.p)", FACE, "2"),
        ("length(properties.p)", [1, [2, 3]], "2"),
        ("length(properties.p)", None, "0"),
        ("length(properties.q)", None, "0"),
        ("length(properties.p)", 5, "null"),
        ("length(properties.p)", {}, "null"),
        ("lowercase(properties.p)", "ÄbC", '"äbc"'),
        ("uppercase(properties.p)", "straße", '"STRASSE"'),
        ("lowercase(properties.p)", None, "null"),
        ("uppercase(properties.p)", 5, "null"),
        ("snakecase(properties.p)", "test string", '"test_string"'),
        ("kebabcase(properties.p)", "test string", '"test-string"'),
        ("titlecase(properties.p)", "test sTring", '"Test STring"'),
        ("titlecase(lowercase(properties.p))", "TEST  STRING", '"Test  String"'),
        ("titlecase(properties.p)", True, "null"),
        ("typeof(properties.p)", "x", '"string"'),
        ("typeof(properties.p)", 1.5, '"number"'),
        ("typeof(properties.p)", [], '"list"'),
        ("typeof(properties.p)", False, '"bool"'),
        ("typeof(properties.p)", None, '"null"'),
        ("typeof(properties.q)", 1, '"null"'),
        ("typeof(properties.p)", {}, '"object"'),
        ("bool(properties.p)", 1, "true"),
        ("bool(properties.p)", "false", "true"),
        ("bool(properties.p)", [], "true"),
        ("bool(properties.p)", "", "false"),
        ("bool(properties.p)", 0, "false"),
        ("bool(properties.q)", 0, "false"),
        ("string(properties.p)", 5.0, '"5"'),
        ("string(properties.p)", 1e21, '"1e+21"'),
        ("string(properties.p)", 12345678901234567890, '"12345678901234567000"'),
        ("string(properties.p)", True, '"true"'),
        ("string(properties.p)", [1, [], [None, ["x"]]], '"1,,,x"'),
        ("string(properties.p)", [], '""'),
        ("string(properties.p)", None, "null"),
        ("string(properties.p)", {"a": 1}, "null"),
        ("number(properties.p)", " 5.50 ", "5.5"),
        ("number(properties.p)", "-1e2", "-100"),
        ("number(properties.p)", 7, "7"),
        ("number(properties.p)", "5 apples", "null"),
        ("number(properties.p)", "", "null"),
        ("number(properties.p)", "Infinity", "null"),
        ("number(properties.p)", True, "null"),
        ("contains(properties.p, lowercase(properties.p))", "abc", "true"),
        ("contains(properties.p, properties.q)", "abc", "false"),
        ('contains(null, "a")', None, "false"),
        ('match(null, "*")', None, "false"),
    ],
)
def test_a_function_answers(operand: str, value: Any, literal: str) -> None:
    event = {"properties": {"p": value}}
    assert fql.compile(f"{operand} = {literal}")(event)


@pytest.mark.parametrize(
    ("part", "value", "expected"),
    [
        ("lowercase(event)", ["signup"], True),
        ("lowercase(event)", ["Signup"], False),
        ("lowercase(event)", "my signup", True),
        ("properties.q", [5.0, "x"], True),
        ("properties.q", [True], False),
        ("5", [5.0], True),
        ("5", ["5"], False),
        ("null", [None], True),
        ("true", [1], False),
    ],
)
def test_contains_looks_for_a_value_in_a_list(part: str, value: Any, expected: bool) -> None:
    test = fql.compile(f"contains(properties.p, {part})")
    assert test({"event": "Signup", "properties": {"p": value, "q": 5}}) is expected


def test_contains_negated_with_two_fields_wants_text_that_fails() -> None:
    test = fql.compile("!contains(properties.p, properties.q)")
    assert test({"properties": {"p": "abc", "q": "x"}})
    assert not test({"properties": {"p": "abc", "q": "b"}})
    assert not test({"properties": {"p": "abc", "q": 5}})
    assert not test({"properties": {"p": ["abc"], "q": "x"}})
    assert not test({"properties": {"q": "x"}})


def test_functions_stand_as_conditions_and_negated() -> None:
    event = {"properties": {"p": 1}}
    assert fql.compile("bool(properties.p)")(event)
    assert not fql.compile("!bool(properties.p)")(event)
    assert fql.compile("not bool(properties.q)")(event)
    assert fql.compile("number(properties.p) < number(properties.r)")(
        {"properties": {"p": "1", "r": "2"}}
    )
    assert fql.compile('properties.p = lowercase("ABC")')({"properties": {"p": "abc"}})


def test_a_list_nested_without_end_is_printed_and_compared_all_the_same() -> None:
    deep: list[Any] = []
    for _ in range(5_000):
        deep = [deep]
    event = {"properties": {"p": deep, "q": deep}}
    assert fql.compile('string(properties.p) = ""')(event)
    assert fql.compile("properties.p = properties.q")(event)
