"""Templates show values as people write them, and refuse what they can't read."""

from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junctor.sdk.template import (
    Placeholder,
    TemplateError,
    compile_template,
    has_placeholders,
    parse_template,
    plain_text,
)

PAYLOAD: dict[str, Any] = {
    "event": "Order Completed",
    "userId": None,
    "properties": {
        "revenue": 39.95,
        "total": 40.0,
        "tiny": 1e-7,
        "huge": 1e21,
        "id": 9007199254740993,
        "zero": 0,
        "gift": False,
        "note": "",
        "items": [{"sku": "s-1"}, {"sku": "s-2"}],
        "tags": ["red", 1, None],
        "address": {"city": "Zürich"},
        "a key": "spaced",
    },
    "profile": {"traits": MappingProxyType({"email": "ada@example.com"}), "emails": ("a", "b")},
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("no placeholder", "no placeholder"),
        ("", ""),
        ("{{event}}", "Order Completed"),
        ("{{ event }}!", "Order Completed!"),
        ("{{profile.traits.email}} for {{properties.revenue}}", "ada@example.com for 39.95"),
        ("{{$.properties.revenue}}", "39.95"),
        ("{{properties.total}}", "40"),
        ("{{properties.tiny}}", "0.0000001"),
        ("{{properties.huge}}", "1000000000000000000000"),
        ("{{properties.id}}", "9007199254740993"),
        ("{{properties.zero}} {{properties.gift}}", "0 false"),
        ("{{properties.items[1].sku}} {{properties.items.0.sku}}", "s-2 s-1"),
        ("{{properties.items[2].sku}}{{properties.items[-1]}}{{properties.items.x}}", ""),
        ("{{properties.items.length}} {{event.length}}", "2 15"),
        ("{{properties.tags}}", "red, 1, "),
        ("{{properties.address}}", '{"city":"Zürich"}'),
        ("{{profile.traits}}", '{"email":"ada@example.com"}'),
        ("{{profile.emails[1]}}", "b"),
        ("{{properties.a key}}", "spaced"),
        (
            "[{{userId}}] [{{missing.at.all}}] [{{event.deeper}}] [{{properties.zero.x}}]",
            "[] [] [] []",
        ),
        ("{{userId | a guest}}", "a guest"),
        ("{{properties.note|nothing}}", "nothing"),
        ("{{properties.zero | none}}", "0"),
        ("{{userId | }}", ""),
        ("{{userId | a | b}}", "a | b"),
        ("{ } {a} }{", "{ } {a} }{"),
    ],
)
def test_a_template_reads_as_plain_text(template: str, expected: str) -> None:
    assert compile_template(template)(PAYLOAD) == expected


@pytest.mark.parametrize(
    ("template", "position", "words"),
    [
        ("Hi {{name", 4, "never closed"),
        ("Hi {{a {{b}}", 4, "never closed"),
        ("Hi a}} {{b}}", 5, "without `{{` before"),
        ("{{a}} b}}", 8, "without `{{` before"),
        ("Hi {{{raw}}}", 4, "no raw values"),
        ("{{a}}}", 4, "too many"),
        ("Hi {{}}", 4, "no path"),
        ("Hi {{ | x}}", 4, "no path"),
    ],
)
def test_an_unreadable_template_names_the_place(template: str, position: int, words: str) -> None:
    with pytest.raises(TemplateError, match=words) as caught:
        compile_template(template)
    assert caught.value.position == position - 1
    assert str(caught.value).startswith(f"character {position}:")


def test_every_value_is_escaped_and_nothing_of_the_author() -> None:
    render = compile_template("<b>{{a}}</b> {{x | <i>none</i>}}", escape=lambda text: f"({text})")
    assert render({"a": "1"}) == "<b>(1)</b> <i>none</i>"


def test_escape_sees_empty_values_without_default() -> None:
    assert compile_template("{{a}}", escape=lambda text: text or "?")({}) == "?"


def test_pieces_are_literals_and_placeholders_in_order() -> None:
    assert parse_template("a{{b.c|d}}e") == ("a", Placeholder(1, ("b", "c"), "d"), "e")
    assert has_placeholders("{{a}}")
    assert not has_placeholders("{a}")


def test_a_value_too_deep_for_json_is_empty() -> None:
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"a": deep}
    assert plain_text(deep) == ""


@given(st.text().filter(lambda text: "{{" not in text and "}}" not in text))
def test_text_without_braces_stays_as_it_is(text: str) -> None:
    assert compile_template(text)({}) == text


@given(st.text())
def test_values_are_inserted_once_and_never_read_as_templates(text: str) -> None:
    assert compile_template("<{{a}}>")({"a": text}) == f"<{text}>"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_have_no_exponent_and_read_back_the_same(number: float) -> None:
    text = plain_text(number)
    assert "e" not in text
    assert float(text) == number
