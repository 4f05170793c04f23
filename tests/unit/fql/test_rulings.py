"""junctor's rulings on FQL, row by row: the value of `properties.p` and what is true of it."""

from types import MappingProxyType
from typing import Any

import pytest

from junctor import fql
from junctor.sdk.mapping import MISSING

TEXT = ("s", "S", " s ", "", "5", "true", "null")
NUMBERS = (5, 5.0, 0, -1, 1.5)
OTHERS: tuple[Any, ...] = (MISSING, None, True, False, [], ["s"], {}, {"s": 1})
EVERYTHING = (*TEXT, *NUMBERS, *OTHERS)


def properties(value: Any) -> dict[str, Any]:
    return {"type": "track", "properties": {} if value is MISSING else {"p": value}}


def accepted(expression: str) -> list[Any]:
    """The values of EVERYTHING for which an expression on `properties.p` is true."""
    test = fql.compile(expression)
    return [value for value in EVERYTHING if test(properties(value))]


def values(*wanted: Any) -> list[Any]:
    """Those values of EVERYTHING that are wanted; 1, 1.0 and True are kept apart."""
    return [v for v in EVERYTHING if any(type(v) is type(w) and v == w for w in wanted)]


def all_but(*unwanted: Any) -> list[Any]:
    excluded = values(*unwanted)
    return [v for v in EVERYTHING if not any(v is e for e in excluded)]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('properties.p = "s"', values("s")),
        ("properties.p = 's'", values("s")),
        ('properties.p = "5"', values("5")),
        ('properties.p = ""', values("")),
        ('properties.p != "s"', all_but("s")),
        ("properties.p = 5", values(5, 5.0)),
        ("properties.p = +5.00", values(5, 5.0)),
        ("properties.p = -0", values(0)),
        ("properties.p != 5", values(0, -1, 1.5)),
        ("properties.p > 1.5", values(5, 5.0)),
        ("properties.p >= 1.5", values(5, 5.0, 1.5)),
        ("properties.p < 0", values(-1)),
        ("properties.p <= 0", values(0, -1)),
        ("0 > properties.p", values(-1)),
        ("properties.p = true", values(True)),
        ("properties.p = false", values(False)),
        ("properties.p != true", all_but(True)),
        ("properties.p != false", all_but(False)),
        ("properties.p", values(True)),
        ("!properties.p", all_but(True)),
        ("not properties.p", all_but(True)),
        ("properties.p = null", [MISSING, None]),
        ("properties.p != null", all_but(MISSING, None)),
        ('contains(properties.p, "s")', ["s", " s ", ["s"]]),
        ('contains(properties.p, "")', [*TEXT]),
        ("contains(properties.p, 5)", ["5"]),
        ('!contains(properties.p, "s")', ["S", "", "5", "true", "null"]),
        ('not contains(properties.p, "s")', ["S", "", "5", "true", "null"]),
        ('!(contains(properties.p, "s"))', all_but("s", " s ", ["s"])),
        ('match(properties.p, "s*")', ["s"]),
        ('match(properties.p, "*s")', ["s"]),
        ('match(properties.p, "*")', [*TEXT]),
        ('match(properties.p, "s")', ["s"]),
        ('match(properties.p, "")', [""]),
        ('match(properties.p, "?")', ["s", "S", "5"]),
        ('!match(properties.p, "s*")', ["S", " s ", "", "5", "true", "null"]),
        ('properties.p in ["s", 5, null]', [*values("s", 5, 5.0), MISSING, None]),
        ("properties.p in [true]", values(True)),
        ('!(properties.p in ["s"])', all_but("s")),
        ('"s" in properties.p', [["s"]]),
    ],
)
def test_a_comparison_is_true_of_exactly_the_values_of_its_row(
    expression: str, expected: list[Any]
) -> None:
    assert sorted(map(repr, accepted(expression))) == sorted(map(repr, expected))


@pytest.mark.parametrize(
    ("expression", "event", "expected"),
    [
        ("userId = 5", {"userId": "5"}, True),
        ("userId = 5.0", {"userId": "5"}, True),
        ("userId = 5", {"userId": 5}, False),
        ("userId != 5", {"userId": "6"}, True),
        ("userId != 5", {}, True),
        ("event = 5", {"event": "5"}, True),
        ("anonymousId = 5", {"anonymousId": "5"}, True),
        ("userId in [5, 6]", {"userId": "6"}, True),
        ("userId > 4", {"userId": "5"}, False),
        ("event = true", {"event": "true"}, True),
        ("userId = true", {"userId": "true"}, False),
        ("event = null", {}, True),
        ("event = null", {"event": "null"}, False),
        ("type != null", {"type": "null"}, True),
        ("type = null", {"type": None}, True),
        ("timestamp = 5", {"timestamp": 5}, True),
    ],
)
def test_text_fields_compare_a_number_as_text_and_know_null(
    expression: str, event: dict[str, Any], expected: bool
) -> None:
    assert fql.compile(expression)(event) is expected


@pytest.mark.parametrize(
    ("value", "expression", "expected"),
    [
        (9007199254740993, "properties.p = 9007199254740992", True),
        (9007199254740992, "properties.p = 9007199254740993", True),
        (-(10**400), "properties.p < 0", True),
        (10**400, "properties.p >= " + "9" * 400, True),
        (1.5, "properties.p = 1.5", True),
        (True, "properties.p = 1", False),
        (True, "properties.p >= 0", False),
        (False, "properties.p != 1", False),
    ],
)
def test_numbers_are_doubles_and_booleans_are_none(
    value: Any, expression: str, expected: bool
) -> None:
    assert fql.compile(expression)(properties(value)) is expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("properties.zero.b.c = 0", True),
        ('properties.empty.b = ""', True),
        ("properties.no.b = false", True),
        ("properties.nil.b = null", True),
        ("properties.one.b = null", True),
        ("properties.yes.b = null", True),
        ("properties.name.length = 4", True),
        ("properties.items.length = 2", True),
        ('properties.items.0.sku = "a"', True),
        ('properties.items[0].sku = "a"', True),
        ('properties . items [ 0 ] . sku = "a"', True),
        ("properties.items.2 = null", True),
        ("properties.items.00 = null", True),
        ("properties.items.-1 = null", True),
        ('properties.name.0 = "a"', True),
        ("properties.nothing.at.all = null", True),
        (r'properties.product\ 1.price = "19.99"', True),
        (r'properties.a\.b = "dotted"', True),
        (r'properties.\and = "word"', True),
        ('properties.and = "word"', True),
        ('properties.größe = "XL"', True),
        ("properties.a-b_c = 1", True),
        ("Properties.a-b_c = 1", False),
        ("properties.A-b_c = 1", False),
        (r"\not\-a = 7", True),
        ("properties = 0", False),
        ('integrations.All = "yes"', True),
        ("audiences.high_intent", True),
        ('profile.traits.plan = "pro"', True),
    ],
)
def test_a_path_reaches_its_value(expression: str, expected: bool) -> None:
    event = {
        "not-a": 7,
        "integrations": {"All": "yes"},
        "audiences": {"high_intent": True},
        "profile": {"traits": {"plan": "pro"}},
        "properties": {
            "zero": 0,
            "empty": "",
            "no": False,
            "nil": None,
            "one": 1,
            "yes": True,
            "name": "ab\N{GRINNING FACE}",
            "items": [{"sku": "a"}, {"sku": "b"}],
            "product 1": {"price": "19.99"},
            "a.b": "dotted",
            "and": "word",
            "größe": "XL",
            "a-b_c": 1,
        },
    }
    assert fql.compile(expression)(event) is expected


@pytest.mark.parametrize(("falsy", "written"), [(0, "0"), ("", '""'), (False, "false")])
def test_a_falsy_object_is_the_value_of_every_path_below_it(falsy: Any, written: str) -> None:
    assert fql.compile(f"properties.a.b = {written}")({"properties": falsy})


@pytest.mark.parametrize(
    ("expression", "meant"),
    [
        ("a or b and c", "a or (b and c)"),
        ("a and b or c", "(a and b) or c"),
        ("a or b and c or d", "a or (b and c) or d"),
        ("!(a) and b", "(!(a)) and b"),
        ("not a or b", "(not a) or b"),
        ("((a)) and (((b) or c))", "a and (b or c)"),
    ],
)
def test_and_binds_tighter_than_or(expression: str, meant: str) -> None:
    left, right = fql.compile(expression), fql.compile(meant)
    for bits in range(16):
        event = {name: bool(bits >> index & 1) for index, name in enumerate("abcd")}
        assert left(event) is right(event)


@pytest.mark.parametrize(
    "expression",
    [
        'type="track"and event="A"and(properties.n>=5)',
        '\r\n type\t= "track"\r\n  and event\n=\n"A" and ( properties . n >=5 )\n',
        "type='track' and event='A' and properties.n>=5",
    ],
)
def test_white_space_and_quotes_are_free(expression: str) -> None:
    test = fql.compile(expression)
    assert test({"type": "track", "event": "A", "properties": {"n": 5}})
    assert not test({"type": "track", "event": "A", "properties": {"n": 4}})


def test_text_holds_no_escapes_and_may_span_lines() -> None:
    assert fql.compile(r'event = "a\"')({"event": "a\\"})
    assert fql.compile('event = "it\'s"')({"event": "it's"})
    assert fql.compile("event = 'say \"hi\"'")({"event": 'say "hi"'})
    assert fql.compile('event = "a\nb"')({"event": "a\nb"})


def test_two_fields_of_an_event_can_be_compared() -> None:
    same = fql.compile("properties.a = properties.b")
    differs = fql.compile("properties.a != properties.b")
    more = fql.compile("properties.a > properties.b")
    table: list[tuple[Any, Any, bool]] = [
        (1, 1.0, True),
        (1, True, False),
        (1, "1", False),
        ("x", "x", True),
        (None, MISSING, True),
        ([1, [2]], [1.0, [2]], True),
        ([1], [1, 2], False),
        ({"k": 1}, {"k": 1}, True),
        ({"k": 1}, {"k": True}, False),
        ({"k": 1}, {"j": 1}, False),
        ([], {}, False),
    ]
    for a, b, equal in table:
        event = {"properties": {k: v for k, v in (("a", a), ("b", b)) if v is not MISSING}}
        assert same(event) is equal
        assert differs(event) is not equal
    assert more({"properties": {"a": 2, "b": 1.5}})
    assert not more({"properties": {"a": "2", "b": 1}})
    assert not more({"properties": {"a": 2}})


def test_an_event_may_be_any_mapping() -> None:
    event = MappingProxyType({"type": "track", "properties": {"n": 5}})
    assert fql.compile('type = "track" and properties.n >= 5')(event)


def test_a_predicate_says_what_it_reads_and_prints_as_its_text() -> None:
    text = 'type = "track" and ("vip" in profile.traits.tags or audiences.x) and length(userId) > 2'
    test = fql.compile(text)
    assert test.reads == {"type", "profile", "audiences", "userId"}
    assert test.text == text
    assert test == fql.compile(text)
    assert hash(test) == hash(fql.compile(text))
    with pytest.raises(AttributeError):
        test.text = "other"  # type: ignore[misc]
