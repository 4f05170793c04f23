import datetime
import math
from typing import Any

import pytest

from junctor.sdk.mapping import MappingError, compile_mapping


def problems(mapping: Any) -> dict[str, str]:
    with pytest.raises(MappingError) as caught:
        compile_mapping(mapping)
    return {"/".join(map(str, where)): message for where, message in caught.value.problems}


@pytest.mark.parametrize(
    ("mapping", "where", "message"),
    [
        ({"a": {"@pth": "x"}}, "a", "there is no directive @pth; did you mean @path?"),
        ({"@zzzzzz": 1}, "", "there is no directive @zzzzzz"),
        ({"@path": "x", "b": 1}, "", "a directive stands alone, but beside @path there is b"),
        ({"@path": "x", "@if": 1}, "", "beside @path there is @if"),
        ({"a": {"@path": 5}}, "a/@path", "expected a string, got a number"),
        ({"@template": ["x"]}, "@template", "expected a string, got a list"),
        ({"@liquid": {"@path": "x"}}, "@liquid", "expected a string, got a directive"),
        ({"@if": {"@path": "x"}}, "@if", "expected an object of options, got a directive"),
        ({"@case": "x"}, "@case", "expected an object of options, got a string"),
        ({"@case": {"operator": {"@path": "x"}}}, "@case/operator", "expected a plain string"),
        ({"@case": {"value": 5}}, "@case/value", "expected a string or a directive"),
        ({"@replace": {"value": "x"}}, "@replace", '"pattern" is missing'),
        ({"@replace": {"pattern": "", "value": "x"}}, "@replace/pattern", "1 to 10 characters"),
        ({"@replace": {"pattern": "123456789😀", "value": "x"}}, "@replace/pattern", "1 to 10"),
        (
            {"@replace": {"pattern": "a", "replacement": None, "value": "x"}},
            "@replace/replacement",
            "expected a plain string, got null",
        ),
        (
            {"@replace": {"pattern": "a", "global": 1, "value": "x"}},
            "@replace/global",
            "expected true or false, got a number",
        ),
        ({"@arrayPath": "x"}, "@arrayPath", "expected a list of a path and a shape"),
        ({"@arrayPath": []}, "@arrayPath/0", "expected a string or a directive, got nothing"),
        ({"@arrayPath": ["x", {"@path": 5}]}, "@arrayPath/1/@path", "expected a string"),
        ({"@flatten": {"separator": "."}}, "@flatten", '"value" is missing'),
        ({"@json": {"mode": "x", "value": 1}}, "@json/mode", "expected one of encode, decode"),
        ({"@merge": {"direction": "up", "objects": []}}, "@merge/direction", "left, right"),
        ({"@merge": {"objects": {}}}, "@merge/objects", "expected a list, got an object"),
        ({"@merge": {"objects": ["x"]}}, "@merge/objects/0", "expected an object or a directive"),
        ({"@transform": {"apply": {}}}, "@transform", '"mapping" is missing'),
        ({"@transform": {"apply": [], "mapping": {}}}, "@transform/apply", "got a list"),
        ({"@if": {"extra": {"@path": 5}}}, "@if/extra/@path", "expected a string"),
        ({"__segment_internal_directive": {}}, "__segment_internal_directive", "one directive"),
    ],
)
def test_each_problem_has_its_place_and_reason(mapping: Any, where: str, message: str) -> None:
    found = problems(mapping)
    assert message in found[where]


def test_all_problems_are_collected() -> None:
    mapping = {"a": {"@path": 1}, "b": {"c": {"@nope": 1}}, "d": {"@json": {}}}
    with pytest.raises(MappingError) as caught:
        compile_mapping(mapping)
    assert [where for where, _ in caught.value.problems] == [
        ("a", "@path"),
        ("b", "c"),
        ("d", "@json"),
        ("d", "@json"),
    ]
    assert str(caught.value).splitlines()[1] == "b.c: there is no directive @nope"


@pytest.mark.parametrize(
    "mapping",
    [
        {"a": [{"@nope": 1}]},
        {"@literal": {"a": {"@nope": 1}}},
        {"@excludeWhenNull": {"a": {"@nope": 1}}},
    ],
)
def test_lists_and_plain_objects_in_literals_are_not_looked_into(mapping: Any) -> None:
    compile_mapping(mapping)


@pytest.mark.parametrize("mapping", [None, [], "x", 5, True])
def test_a_mapping_is_an_object(mapping: Any) -> None:
    assert "expected an object as mapping" in problems(mapping)[""]


@pytest.mark.parametrize("literal", ["$.email", "", 0, 5, True, None, [], {"a": 1}])
def test_a_literal_condition_of_blank_is_refused(literal: Any) -> None:
    branch = {"@if": {"blank": literal, "then": 1}}
    assert "a literal condition never changes" in problems({"a": branch})["a/@if/blank"]
    assert "a literal condition never changes" in problems({"a": [branch]})["a/0/@if/blank"]


@pytest.mark.parametrize("condition", [{"@literal": ""}, [{"@path": "x"}], {"a": {"@path": "x"}}])
def test_a_condition_of_blank_with_a_directive_is_accepted(condition: Any) -> None:
    compile_mapping({"@if": {"blank": condition, "then": 1}})


@pytest.mark.parametrize(
    ("mapping", "where"),
    [
        ({"@merge": {"direction": "Left", "objects": []}}, "@merge/direction"),
        ({"@json": {"mode": "Encode", "value": 1}}, "@json/mode"),
        ({"@json": {"mode": "DECODE", "value": 1}}, "@json/mode"),
    ],
)
def test_words_in_the_wrong_case_are_refused(mapping: Any, where: str) -> None:
    assert "in lower case" in problems(mapping)[where]
    assert "in lower case" in problems({"a": [mapping]})[f"a/0/{where}"]


@pytest.mark.parametrize(
    "value", [datetime.datetime(2026, 1, 1), datetime.date(2026, 1, 1), math.nan, math.inf, b"x"]
)
def test_values_json_cannot_write_are_refused(value: object) -> None:
    assert set(problems({"a": [value]})) == {"a/0"}


def test_too_deep_a_mapping_is_refused() -> None:
    mapping: Any = {"@path": "x"}
    for _ in range(5000):
        mapping = {"a": mapping}
    assert "nested too deeply" in problems(mapping)[""]
