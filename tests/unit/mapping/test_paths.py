from typing import Any

import pytest

from junctor.sdk.mapping import MISSING, Missing, compile_path, lookup

EVENT: dict[str, Any] = {
    "a": {"b": {"c": 1}, "0": "zero", " s": 2, "b.c": 3},
    "items": [{"sku": "A"}, {"sku": "B"}],
    "zero": 0,
    "null": None,
    "no": False,
    "empty": "",
    "text": "a😀b",
    "yes": True,
    "$": 7,
    "x[usd]": 9,
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$.a.b.c", 1),
        ("a.b.c", 1),
        ("a.$.b.c", 1),
        ("a['b'][\"c\"]", 1),
        ("$.['a'].b.c", 1),
        ("a[0]", "zero"),
        ("a.0", "zero"),
        ("a. s", 2),
        ("items[1].sku", "B"),
        ("items.1.sku", "B"),
        ("x[usd]", 9),
        ("$", 7),
        ("", EVENT),
        (".", EVENT),
        ("$.", EVENT),
        ("..", EVENT),
    ],
)
def test_a_path_finds_its_value(path: str, value: object) -> None:
    assert lookup(EVENT, path) == value
    assert compile_path(path)(EVENT) == value


@pytest.mark.case(19)
@pytest.mark.parametrize(
    "path",
    [
        "A",
        "nope",
        "a.nope.c",
        "$['a']",
        "a['b.d']",
        "items.sku",
        "items[-1]",
        "items.01",
        "items[*].sku",
        "items[0:1]",
        "items.2",
        "text.9",
        "yes.x",
        "a.length",
        "a.toString",
    ],
)
def test_what_is_not_there_is_missing(path: str) -> None:
    assert lookup(EVENT, path) is MISSING
    assert compile_path(path)(EVENT) is MISSING


@pytest.mark.parametrize(
    ("path", "value"), [("zero.b.c", 0), ("null.b", None), ("no.b.c", False), ("empty.x", "")]
)
def test_a_falsy_value_on_the_way_is_the_result(path: str, value: object) -> None:
    found = lookup(EVENT, path)
    assert found == value
    assert type(found) is type(value)


def test_texts_and_lists_have_a_length_in_utf16_units() -> None:
    assert lookup(EVENT, "text.length") == 4
    assert lookup(EVENT, "items.length") == 2
    assert lookup(EVENT, "text.3") == "b"


def test_missing_is_one_falsy_value() -> None:
    assert not MISSING
    assert repr(MISSING) == "MISSING"
    assert Missing("missing") is MISSING
