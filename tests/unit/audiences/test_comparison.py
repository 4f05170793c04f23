"""What comparisons say about one value."""

import re
from datetime import date
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junctor.audiences.canonical import fingerprint
from junctor.audiences.comparison import (
    AllOf,
    AnyOf,
    Between,
    Compare,
    Comparison,
    Exists,
    Glob,
    Has,
    Operator,
    Reference,
    Regex,
    compare,
    compile_comparison,
    compile_glob,
)
from junctor.audiences.language import Refusal, parse_comparison

READ: Final[list[tuple[Any, Comparison]]] = [
    ("free", Compare("eq", "free")),
    (3, Compare("eq", 3)),
    (True, Compare("eq", True)),
    ("3", Compare("eq", "3")),
    (3.0, Compare("eq", 3)),
    (">=3", Compare("gte", 3)),
    (">3", Compare("gt", 3)),
    ("<= 2.5", Compare("lte", 2.5)),
    ("<-1", Compare("lt", -1)),
    ("=3", Compare("eq", 3)),
    ("==3", Compare("eq", 3)),
    ("=free", Compare("eq", "free")),
    ("!=free", Compare("ne", "free")),
    ("!=3", Compare("ne", 3)),
    ("!=true", Compare("ne", True)),
    (">=2026-11-01", Compare("gte", "2026-11-01")),
    (">=1e3", Compare("gte", 1000)),
    ("3..5", Between(3, 5)),
    ("-0.5..0.5", Between(-0.5, 0.5)),
    ("/pricing*", Glob("/pricing*")),
    ("a**b", Glob("a*b")),
    (["a", 1, ">=5"], AnyOf((Compare("eq", "a"), Compare("eq", 1), Compare("gte", 5)))),
    ([1, True, 1], AnyOf((Compare("eq", 1), Compare("eq", True)))),
    ({"re": "^a"}, Regex("^a")),
    ({"has": "x"}, Has("x")),
    ({"exists": True}, Exists(True)),
    ({"exists": False}, Exists(False)),
    ({"lt": 5, "gte": 1}, AllOf((Compare("gte", 1), Compare("lt", 5)))),
    ({"gt": 1}, Compare("gt", 1)),
    ({"lte": "m"}, Compare("lte", "m")),
    ({"eq": ">literal"}, Compare("eq", ">literal")),
    ({"eq": "$a.b"}, Compare("eq", "$a.b")),
    ({"ne": "a*"}, Compare("ne", "a*")),
    ("", Compare("eq", "")),
    ("$5.00", Compare("eq", "$5.00")),
    ("v1..2", Compare("eq", "v1..2")),
]


@pytest.mark.parametrize(("raw", "comparison"), READ)
def test_a_value_of_toml_says_a_comparison(raw: Any, comparison: Comparison) -> None:
    assert parse_comparison(raw) == comparison


@pytest.mark.parametrize(
    ("raw", "message", "hint", "place"),
    [
        ([], "is empty: no value would fit", "list the values", ()),
        ([["a"]], "is a list inside a list", "put all into one", (0,)),
        (["a", "5..3"], "is an empty range", "lower end first", (1,)),
        (["!=a", "!=b"], "a list is any-of", "none = [", ()),
        ({}, "is empty", "gte = 1", ()),
        ({"gtee": 1}, "is no comparison", 'did you mean "gte"?', ("gtee",)),
        ({"gte": 5, "lt": 1}, "can never be met", "below the upper", ()),
        ({"gt": 1, "lt": 1}, "can never be met", "below the upper", ()),
        (
            {"re": "("},
            "is no regular expression (at character 1): unclosed group",
            "single quotes",
            ("re",),
        ),
        ({"re": "[[a]"}, "is no regular expression (at character 1): unclosed", "quotes", ("re",)),
        ({"re": r"a\Z"}, "is no regular expression (at character 2): unrec", "quotes", ("re",)),
        ({"re": "a\n("}, "is no regular expression: unclosed group", "quotes", ("re",)),
        (
            {"re": "^(?!(a|b)$)"},
            "is no regular expression (at character 2): look-around",
            "properties.x != ",
            ("re",),
        ),
        (
            {"re": r"(a)\1"},
            "is no regular expression (at character 4): backreferences",
            "none = [",
            ("re",),
        ),
        (
            {"re": r"(\w{1,50}\s?){50}$"},
            "is no regular expression: Compiled regex exceeds",
            "less often",
            ("re",),
        ),
        ({"re": 3}, "must be a regular expression, as text", None, ("re",)),
        ({"exists": "yes"}, "must be true or false", None, ("exists",)),
        ({"has": ["x"]}, "must be a text, a number, true or false", None, ("has",)),
        ({"gte": True}, "true and false have no order", "a number or a text", ("gte",)),
        (">=", "has nothing to compare with", "{ eq =", ()),
        ("!=a*", "`*` is no pattern behind `!=`", "{ ne =", ()),
        ("3..", "is a range with one end", '">=3"', ()),
        ("..3", "is a range with one end", '">=3"', ()),
        ("$cart.id", "refers to no earlier step", "{ eq =", ()),
        (">$cart.total", "refers to no earlier step", "{ eq =", ()),
        (date(2026, 11, 1), "must be a text, a number, true or false", '"2026-11-25"', ()),
        (float("nan"), "is no number that can be compared", "smaller", ()),
        (float("inf"), "is no number that can be compared", "smaller", ()),
        (2**70, "is no number that can be compared", "smaller", ()),
        (">=1" + "0" * 400, "is no number that can be compared", "smaller", ()),
        (None, "must be a text, a number, true or false", None, ()),
    ],
)
def test_what_can_not_be_meant_is_refused_with_place_and_mend(
    raw: Any, message: str, hint: str | None, place: tuple[str | int, ...]
) -> None:
    with pytest.raises(Refusal) as caught:
        parse_comparison(raw)

    assert caught.value.message.startswith(message)
    assert (caught.value.hint or "").find(hint or "") >= 0
    assert caught.value.place == place


def test_a_reference_is_one_only_to_an_earlier_step() -> None:
    assert parse_comparison("$cart.id", ["cart"]) == Reference("eq", "cart", "id")
    assert parse_comparison(">$cart.a.b", ["cart"]) == Reference("gt", "cart", "a.b")
    assert parse_comparison("!=$cart.context.ip", {"cart"}) == Reference("ne", "cart", "context.ip")
    with pytest.raises(Refusal, match="refers to no earlier step"):
        parse_comparison("$other.id", ["cart"])
    with pytest.raises(Refusal, match="a list can't refer"):
        parse_comparison(["$cart.id"], ["cart"])


def test_a_reference_alone_can_not_be_compiled() -> None:
    with pytest.raises(ValueError, match="one event"):
        compile_comparison(Reference("eq", "cart", "id"))


@pytest.mark.parametrize(
    ("raw", "fits", "fits_not"),
    [
        (3, [3, 3.0], [None, "3", True, 4, [3]]),
        (1, [1, 1.0], [True]),
        (True, [True], [1, "true", None]),
        ("free", ["free"], ["Free", None, ["free"], 3]),
        ("!=free", ["plus", None, 3, ["free"]], ["free"]),
        ("!=1", [True, 2, None], [1, 1.0]),
        (">=3", [3, 3.5, 2**60], [2, "5", True, None, [3]]),
        (">0", [1], [True, 0]),
        ("<3", [2, -1], [3, None, False]),
        (">=2026-11-01", ["2026-11-01", "2026-12"], ["2026-10-31", 20261101, None]),
        ("3..5", [3, 5, 4.2], [2.9, 5.1, "4", None, True]),
        ("/pricing*", ["/pricing", "/pricing/a/b"], ["/Pricing", "x/pricing", None, 3]),
        ("*", ["", "a"], [None, 3]),
        (["a", 1, ">=5"], ["a", 1, 1.0, 7], [True, "b", 4, None, ["a"]]),
        (["a", "b"], ["a", "b"], ["c", None, ["a"], {}]),
        ({"re": "b+"}, ["abbc"], ["ac", None, 3]),
        ({"has": "x"}, [["y", "x"]], ["x", ["y"], None, [], {"x": 1}]),
        ({"has": 1}, [[1.0]], [[True], ["1"]]),
        ({"exists": True}, [0, "", [], False], [None]),
        ({"exists": False}, [None], [0, ""]),
        ({"gte": 1, "lt": 5}, [1, 4.9], [0, 5, None]),
        ({"gt": 1, "lte": 2}, [1.1, 2], [1, 3]),
    ],
)
def test_values_fit_or_not(raw: Any, fits: list[Any], fits_not: list[Any]) -> None:
    test = compile_comparison(parse_comparison(raw))

    assert [value for value in fits if not test(value)] == []
    assert [value for value in fits_not if test(value)] == []


JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from([0.5, 1.0, 2.0])
    | st.sampled_from(["", "a", "b", "1", "true"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.just("k"), inner, max_size=1),
    max_leaves=3,
)  # fmt: skip
SCALARS: Final = st.booleans() | st.integers(-2, 3) | st.just(0.5) | st.sampled_from(["", "a", "1"])
OPERATORS: Final = st.sampled_from(["eq", "ne", "gt", "gte", "lt", "lte"])


@given(op=OPERATORS, value=JSON, operand=SCALARS)
def test_a_compiled_comparison_and_compare_say_the_same(
    op: Operator, value: Any, operand: Any
) -> None:
    assert compile_comparison(Compare(op, operand))(value) is compare(op, value, operand)


@given(left=JSON, right=JSON)
def test_not_equal_is_the_negation_of_equal_and_orders_fit_together(left: Any, right: Any) -> None:
    assert compare("ne", left, right) is not compare("eq", left, right)
    assert compare("gt", left, right) is compare("lt", right, left)
    if compare("gte", left, right):
        assert compare("gt", left, right) or compare("eq", left, right)
    if left is None or right is None:
        assert not any(compare(op, left, right) for op in ("eq", "gt", "gte", "lt", "lte"))


@given(one=SCALARS, other=SCALARS)
def test_equal_comparisons_are_those_that_say_the_same(one: Any, other: Any) -> None:
    first, second = Compare("eq", one), Compare("eq", other)

    assert (first == second) is compare("eq", one, other)
    assert (Has(one) == Has(other)) is compare("eq", one, other)
    if first == second:
        assert hash(first) == hash(second)
        assert fingerprint(parse_comparison({"eq": one})) == fingerprint(
            parse_comparison({"eq": other})
        )


@given(
    pattern=st.text("ab*", max_size=6),
    text=st.text("ab\n", max_size=8),
    infix=st.text("ab", max_size=3),
)
def test_a_glob_is_its_regular_expression(pattern: str, text: str, infix: str) -> None:
    regex = re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)
    for tried in (text, pattern.replace("*", infix)):
        assert compile_glob(pattern)(tried) is (regex.fullmatch(tried) is not None)
