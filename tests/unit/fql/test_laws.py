"""Laws of FQL on generated expressions and events."""

import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from junctor import fql
from junctor.fql.glob import compile_glob

NAMES = ("a", "b", "items", "length")
WORDS = ("", "a", "5", "true", "Order Completed", "it's", "héllo", "\N{GRINNING FACE}")

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(WORDS),
    st.integers(),
    st.sampled_from([0, 1, 5, 5.0, 1.5, -1, 2**53 + 1, 10**400]),
    st.floats(allow_nan=False),
    st.text(max_size=5),
)
json_values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
events = st.dictionaries(
    st.sampled_from(["type", "event", "userId", "properties", "traits", "a"]), json_values
)

paths = st.one_of(
    st.sampled_from(["type", "event", "userId", "a"]),
    st.lists(st.sampled_from((*NAMES, "0", "1")), min_size=1, max_size=3).map(
        lambda keys: ".".join(["properties", *keys])
    ),
)
texts = st.sampled_from(WORDS).map(lambda word: f'"{word}"')
numbers = st.sampled_from(["5", "0", "-1", "1.5", "+5.0", "9007199254740993"])
literals = texts | numbers | st.sampled_from(["true", "false", "null"])
comparisons = st.one_of(
    st.tuples(paths, st.sampled_from(["=", "!="]), literals).map(" ".join),
    st.tuples(paths, st.sampled_from(["<", "<=", ">", ">="]), numbers).map(" ".join),
    st.tuples(paths, st.lists(literals, min_size=1, max_size=3)).map(
        lambda parts: f"{parts[0]} in [{', '.join(parts[1])}]"
    ),
    st.tuples(st.sampled_from(["string", "lowercase"]), paths, texts).map(
        lambda parts: f"{parts[0]}({parts[1]}) = {parts[2]}"
    ),
    st.tuples(st.sampled_from(["length", "number"]), paths, numbers).map(
        lambda parts: f"{parts[0]}({parts[1]}) >= {parts[2]}"
    ),
)
calls = st.one_of(
    st.tuples(paths, literals).map(lambda parts: f"contains({parts[0]}, {parts[1]})"),
    st.tuples(paths, st.sampled_from(["a*", "*d", "*", "?", "*e*o*", "[a-z]*"])).map(
        lambda parts: f'match({parts[0]}, "{parts[1]}")'
    ),
)
leaves = st.one_of(comparisons, calls, calls.map("!{}".format), paths, paths.map("not {}".format))
conditions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(" ".join),
        inner.map("({})".format),
        inner.map("!({})".format),
    ),
    max_leaves=6,
)

law = settings(max_examples=60, deadline=None)


@law
@given(conditions, events)
def test_any_condition_answers_true_or_false_for_any_event(
    condition: str, event: dict[str, Any]
) -> None:
    assert fql.compile(condition)(event) in (True, False)


@law
@given(conditions, conditions, events)
def test_de_morgan(a: str, b: str, event: dict[str, Any]) -> None:
    neither = fql.compile(f"!(({a}) or ({b}))")(event)
    assert neither is fql.compile(f"!({a}) and !({b})")(event)
    not_both = fql.compile(f"!(({a}) and ({b}))")(event)
    assert not_both is fql.compile(f"!({a}) or !({b})")(event)


@law
@given(conditions, events)
def test_a_double_negation_is_none(condition: str, event: dict[str, Any]) -> None:
    assert fql.compile(f"not (!({condition}))")(event) is fql.compile(condition)(event)


@law
@given(leaves, leaves, leaves, events)
def test_and_binds_tighter_than_or(a: str, b: str, c: str, event: dict[str, Any]) -> None:
    grouped = fql.compile(f"{a} or ({b} and {c})")
    assert fql.compile(f"{a} or {b} and {c}")(event) is grouped(event)
    assert fql.compile(f"{b} and {c} or {a}")(event) is grouped(event)


@law
@given(paths, st.lists(literals, min_size=1, max_size=4), events)
def test_in_is_equality_with_any_item(path: str, items: list[str], event: dict[str, Any]) -> None:
    spelled_out = " or ".join(f"{path} = {item}" for item in items)
    member = fql.compile(f"{path} in [{', '.join(items)}]")
    assert member(event) is fql.compile(spelled_out)(event)


@law
@given(paths, texts | st.sampled_from(["true", "false", "null"]), events)
def test_unequal_is_not_equal_but_for_numbers(
    path: str, literal: str, event: dict[str, Any]
) -> None:
    equal = fql.compile(f"{path} = {literal}")(event)
    assert fql.compile(f"{path} != {literal}")(event) is not equal


@law
@given(paths, numbers, events)
def test_a_number_orders_every_number_and_nothing_else(
    path: str, number: str, event: dict[str, Any]
) -> None:
    below, equal, above = (
        fql.compile(f"number({path}) {sign} {number} and typeof({path}) = 'number'")(event)
        for sign in ("<", "=", ">")
    )
    is_number = fql.compile(f"typeof({path}) = 'number'")(event)
    assert below + equal + above == is_number


@law
@given(numbers, st.sampled_from(["<", "<=", ">", ">=", "=", "!="]), events)
def test_a_comparison_can_be_read_from_either_side(
    number: str, sign: str, event: dict[str, Any]
) -> None:
    mirrored = sign.translate(str.maketrans("<>", "><"))
    left = fql.compile(f"{number} {sign} properties.a")
    assert left(event) is fql.compile(f"properties.a {mirrored} {number}")(event)


@law
@given(conditions, st.randoms(use_true_random=False), events)
def test_white_space_means_nothing(condition: str, random: Any, event: dict[str, Any]) -> None:
    space = [" ", "  ", "\t", "\n", "\r\n"]
    parts = re.split(r"(\"[^\"]*\"| )", condition)
    spread = "".join(random.choice(space) if part == " " else part for part in parts)
    padded = random.choice(space) + spread + random.choice(space)
    assert fql.compile(padded)(event) is fql.compile(condition)(event)


@law
@given(
    st.text("ab*?[]^-\\", max_size=8),
    st.lists(st.text("abc*\n", max_size=8), min_size=1, max_size=5),
)
def test_a_glob_means_its_regular_expression(pattern: str, samples: list[str]) -> None:
    regex = _as_regex(pattern)
    if regex is None:
        return
    fits = compile_glob(pattern)
    for sample in samples:
        assert fits(sample) is (re.fullmatch(regex, sample, re.DOTALL) is not None)


def _as_regex(pattern: str) -> str | None:
    """Translate a pattern of whole, simple classes; None for any other."""
    token = r"\\(?P<escaped>.)|(?P<star>\*)|(?P<any>\?)|(?P<class>\[\^?[ab*?]+\])|(?P<plain>[ab^-])"
    if not re.fullmatch(f"(?:{re.sub(r'[?]P<[a-z]+>', '', token)})*", pattern):
        return None
    regex = ""
    for found in re.finditer(token, pattern):
        if found["star"]:
            regex += ".*"
        elif found["any"]:
            regex += "."
        elif found["class"]:
            regex += found["class"]
        else:
            regex += re.escape(found["escaped"] or found["plain"])
    return regex


SIGNS = [*"()[]!=<>,.\\\"'& \n", "!=", ">=", "==", "é", "“"]
FRAGMENTS = ["and", "or", "not", "in", "AND", "true", "null", "type", "properties.a"]
CALLS_AND_VALUES = ["contains(", "match(", "length(", '"a"', "'b'", "5", "-1", "1."]
fragments = st.sampled_from(SIGNS + FRAGMENTS + CALLS_AND_VALUES)


def compiled_or_refused(text: str) -> fql.Predicate | fql.FqlError:
    try:
        return fql.compile(text)
    except fql.FqlError as error:
        return error


@settings(max_examples=200, deadline=None)
@given(st.lists(fragments, max_size=12).map("".join) | st.text(max_size=20), events)
def test_any_text_is_compiled_or_refused_with_a_place(text: str, event: dict[str, Any]) -> None:
    result = compiled_or_refused(text)
    if isinstance(result, fql.FqlError):
        lines = text.replace("\r\n", "\n").split("\n")
        assert 1 <= result.line <= len(lines)
        assert 1 <= result.column <= len(lines[result.line - 1]) + 1
        assert result.message in str(result)
    else:
        assert result(event) in (True, False)
