"""What holds for every mapping: the frame around the directives."""

from typing import Any

import pytest

from junctor.sdk.mapping import MISSING, MappingRunError, compile_mapping, transform

EVENT: dict[str, Any] = {"event": "Order Completed", "revenue": 100.0, "null": None, "zero": 0}


def path(text: Any) -> dict[str, Any]:
    return {"@path": text}


def run(mapping: Any) -> Any:
    return transform(mapping, EVENT)


def fails(mapping: Any) -> str:
    shape = compile_mapping(mapping)
    with pytest.raises(MappingRunError) as caught:
        shape(EVENT)
    return str(caught.value)


def test_plain_data_is_kept_and_walked() -> None:
    mapping = {"a": 1, "b": [path("event"), {"c": path("zero")}], "e": [], "o": {}, "n": None}
    assert run(mapping) == {
        "a": 1,
        "b": ["Order Completed", {"c": 0}],
        "e": [],
        "o": {},
        "n": None,
    }


def test_missing_removes_keys_and_null_stays() -> None:
    assert run({"a": path("nope"), "b": path("null"), "c": {"d": path("nope")}}) == {
        "b": None,
        "c": {},
    }


def test_a_missing_list_item_becomes_null() -> None:
    assert run({"a": [path("nope"), 1, [path("nope")]]}) == {"a": [None, 1, [None]]}


def test_a_directive_at_the_root_may_answer_anything() -> None:
    assert run(path("revenue")) == 100.0
    assert run(path("nope")) is MISSING


def test_a_missing_payload_is_an_empty_object() -> None:
    assert transform({"a": path("x"), "b": 1}) == {"b": 1}


@pytest.mark.parametrize("payload", [None, [], "text", 5, True])
def test_a_payload_must_be_an_object(payload: object) -> None:
    with pytest.raises(MappingRunError, match="expected an object as payload"):
        transform({}, payload)


def test_the_result_shares_nothing_with_payload_or_mapping() -> None:
    payload = {"o": {"l": [1]}}
    shape = compile_mapping({"o": path("o"), "fixed": {"l": [1]}})
    first = shape(payload)
    first["o"]["l"].append(2)
    first["fixed"]["l"].append(2)
    assert payload == {"o": {"l": [1]}}
    assert shape(payload) == {"o": {"l": [1]}, "fixed": {"l": [1]}}


def test_later_changes_to_the_mapping_have_no_effect() -> None:
    mapping: dict[str, Any] = {"a": {"b": [1]}}
    shape = compile_mapping(mapping)
    mapping["a"]["b"].append(2)
    assert shape({}) == {"a": {"b": [1]}}


def test_metadata_may_stand_beside_a_directive() -> None:
    assert run({"a": {"@path": "zero", "_metadata": {"label": "Zero"}}}) == {"a": 0}


def test_in_a_list_an_impure_directive_is_plain_data_and_the_first_of_two_wins() -> None:
    assert run({"a": [{"@path": "event", "x": path("zero")}]}) == {
        "a": [{"@path": "event", "x": 0}]
    }
    assert run({"a": [{"@literal": 1, "@path": "event"}]}) == {"a": [1]}


def test_an_unknown_directive_in_a_list_fails_only_when_evaluated() -> None:
    assert "a[0].@nope" in fails({"a": [{"@nope": 1}]})
    branch = {"@if": {"exists": path("nope"), "then": [{"@nope": 1}], "else": 1}}
    assert run({"a": branch}) == {"a": 1}


def test_the_root_directive_takes_the_other_keys_as_its_mapping() -> None:
    assert run(
        {
            "__segment_internal_directive": {"@transform": {"apply": {"e": path("event")}}},
            "a": path("e"),
            "b": path("event"),
        }
    ) == {"a": "Order Completed"}


def test_errors_name_the_place_and_never_the_value() -> None:
    assert fails({"a": {"b": path(path("revenue"))}}) == (
        "a.b.@path: expected a string, got a number"
    )


def test_too_deep_a_payload_is_a_run_error() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    with pytest.raises(MappingRunError, match="nested too deeply"):
        transform({"x": path(".")}, deep)


LONG = "x" * 20_000


@pytest.mark.parametrize(
    ("mapping", "payload"),
    [
        ({"@template": "{{{a}}}"}, {"a": "{{b}}" * 2000, "b": LONG}),
        ({"@template": path("a")}, {"a": "{{b}}" * 2000, "b": LONG}),
        (
            {"@flatten": {"separator": ".", "value": path("a")}},
            {"a": {LONG: {str(n): n for n in range(2000)}}},
        ),
        ({"@replace": {"pattern": "x", "replacement": "$`", "value": path("b")}}, {"b": LONG}),
        ({"@liquid": "{{ b | replace: a, b }}"}, {"a": "", "b": LONG}),
    ],
)
def test_a_payload_cannot_blow_the_result_up(mapping: Any, payload: Any) -> None:
    shape = compile_mapping(mapping)
    with pytest.raises(MappingRunError, match="grows too long"):
        shape(payload)
