"""The quirks of each directive, as mapping-kit has them."""

from typing import Any

import pytest

from junctor.sdk.mapping import (
    MISSING,
    MappingRunError,
    compile_mapping,
    compile_template,
    transform,
)

EVENT: dict[str, Any] = {
    "event": "Order Completed",
    "name": "Straße",
    "revenue": 100.0,
    "small": 1e-7,
    "yes": True,
    "null": None,
    "zero": 0,
    "empty": "",
    "space": "  ",
    "list": [1, [2, None], {"a": 1}],
    "object": {"b": {"c": None, "d": [None]}, "1": "x", "0": {}},
    "items": [{"sku": "A", "n": None}, {"sku": "B"}, None, 0],
    "none": [],
    "nested": "{{event}}",
    "json": '{"k": [1]}',
}


def path(text: str) -> dict[str, str]:
    return {"@path": text}


def run(mapping: Any) -> Any:
    return transform(mapping, EVENT)


def fails(mapping: Any) -> str:
    shape = compile_mapping(mapping)
    with pytest.raises(MappingRunError) as caught:
        shape(EVENT)
    return str(caught.value)


class TestTemplate:
    @pytest.mark.parametrize(
        ("template", "text"),
        [
            ("{{event}} for {{ revenue }}", "Order Completed for 100"),
            ("{{small}} {{yes}} {{zero}}", "1e-7 true 0"),
            ("[{{nope}}{{null}}{{empty}}]", "[]"),
            ("{{list}}", "1,2,,[object Object]"),
            ("{{object}} {{ }} {{.}}", "[object Object] [object Object] [object Object]"),
            ("{{}}", "{{}}"),
            ("{{$.event}}", ""),
            ("{{ event | upcase }}{{#if}}", ""),
            ("{{{event}}", ""),
            ("{{zero}}}", "0}"),
            ("{{nested}}", "{{event}}"),
            ("{{{nested}}}", "Order Completed"),
            ("{{ items[1].sku }}", "B"),
            ("plain", "plain"),
        ],
    )
    def test_renders(self, template: str, text: str) -> None:
        assert run({"@template": template}) == text
        assert compile_template(template)(EVENT) == text

    def test_may_come_from_the_payload(self) -> None:
        assert run({"@template": path("nested")}) == "Order Completed"
        assert "expected a string, got null" in fails({"@template": path("null")})

    def test_halves_of_a_character_that_meet_are_one_again(self) -> None:
        assert transform({"@template": "{{x.0}}{{x.1}}"}, {"x": "😀"}) == "😀"


class TestLiteral:
    def test_resolves_directives_but_not_templates(self) -> None:
        assert run({"@literal": {"a": path("zero"), "b": "{{event}}"}}) == {
            "a": 0,
            "b": "{{event}}",
        }


class TestIf:
    @pytest.mark.parametrize("field", ["empty", "zero", "none", "event"])
    def test_exists_takes_what_is_neither_missing_nor_null(self, field: str) -> None:
        assert run({"@if": {"exists": path(field), "then": 1, "else": 2}}) == 1

    @pytest.mark.parametrize("field", ["nope", "null"])
    def test_missing_and_null_do_not_exist(self, field: str) -> None:
        assert run({"@if": {"exists": path(field), "then": 1, "else": 2}}) == 2

    @pytest.mark.parametrize(
        ("value", "then"),
        [
            ("", 0),
            (0, 0),
            (-0.0, 0),
            (False, 0),
            ([], 0),
            ([[]], 0),
            ([None], 0),
            ([""], 0),
            ("  ", 1),
            ("0", 1),
            ({}, 1),
            ([[], []], 1),
            ([0], 1),
            (True, 1),
            (5, 1),
            (None, 0),
        ],
    )
    def test_blank_takes_then_when_the_value_is_not_blank(self, value: Any, then: int) -> None:
        mapping = {"@if": {"blank": path("v"), "then": 1, "else": path("zero")}}
        assert transform(mapping, {"v": value, "zero": 0}) == then

    @pytest.mark.parametrize("exists", [False, 0, "", None])
    def test_exists_decides_whenever_it_is_present(self, exists: Any) -> None:
        mapping = {"@if": {"exists": exists, "blank": path("event"), "then": 1, "else": 2}}
        assert run(mapping) == (2 if exists is None else 1)

    @pytest.mark.parametrize("options", [{"then": 1}, {"exists": 0}, {"exists": "", "then": 1}])
    def test_only_falsy_literal_conditions_are_a_run_error(self, options: Any) -> None:
        assert 'needs "exists" or "blank"' in fails({"@if": options})

    def test_then_may_be_null_but_a_falsy_else_is_missing(self) -> None:
        assert run({"@if": {"exists": 1, "then": None}}) is None
        for falsy in ("", 0, False, None):
            assert run({"@if": {"exists": path("nope"), "else": falsy}}) is MISSING
        assert run({"@if": {"exists": path("nope"), "else": []}}) == []

    def test_only_the_chosen_branch_is_evaluated(self) -> None:
        failing = {"@path": path("zero")}
        assert run({"@if": {"exists": 1, "then": 1, "else": failing}}) == 1
        fails({"@if": {"exists": 1, "then": failing}})


class TestCase:
    def test_converts_the_whole_of_unicode(self) -> None:
        assert run({"@case": {"operator": "upper", "value": path("name")}}) == "STRASSE"
        assert run({"@case": {"operator": "lower", "value": "ΑΣ"}}) == "ας"

    def test_passes_other_types_even_with_a_bad_operator(self) -> None:
        assert run({"@case": {"operator": "title", "value": path("revenue")}}) == 100.0
        assert 'expected "lower" or "upper"' in fails(
            {"@case": {"operator": "title", "value": "x"}}
        )

    def test_needs_an_operator_but_no_value(self) -> None:
        fails({"@case": {"value": "x"}})
        fails({"@case": {"operator": "", "value": "x"}})
        assert run({"@case": {"operator": "upper"}}) is MISSING
        assert run({"@case": {"operator": "upper", "value": ""}}) is MISSING


class TestReplace:
    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"pattern": "e", "replacement": "E"}, "OrdEr ComplEtEd"),
            ({"pattern": "e", "replacement": "E", "global": False}, "OrdEr Completed"),
            ({"pattern": "O", "replacement": "_", "ignorecase": True}, "_rder C_mpleted"),
            ({"pattern": "."}, "Order Completed"),
            ({"pattern": " ", "replacement": "[$&$$$1]"}, "Order[ $$1]Completed"),
            ({"pattern": " Comp", "replacement": "<$`|$'>"}, "Order<Order|leted>leted"),
            ({"pattern": "e", "pattern2": "rd", "replacement2": "-"}, "O-r Compltd"),
            ({"pattern": "e", "pattern2": 5}, "Ordr Compltd"),
        ],
    )
    def test_replaces_literal_text(self, options: dict[str, Any], text: str) -> None:
        assert run({"@replace": {**options, "value": path("event")}}) == text

    @pytest.mark.parametrize(
        ("char", "other"),
        [("ß", "\u1e9e"), ("k", "\u212a"), ("s", "\u017f"), ("\U00010400", "\U00010428")],
    )
    def test_ignores_case_as_a_regexp_without_the_u_flag(self, char: str, other: str) -> None:
        options = {"pattern": char, "replacement": "-", "ignorecase": True, "value": other}
        assert run({"@replace": options}) == other

    @pytest.mark.parametrize(
        ("field", "text"),
        [
            ("revenue", "-00"),
            ("yes", "true"),
            ("null", ""),
            ("nope", ""),
            ("list", ""),
            ("object", ""),
            ("empty", ""),
        ],
    )
    def test_makes_text_of_scalars_and_nothing_of_the_rest(self, field: str, text: str) -> None:
        options = {"pattern": "1", "replacement": "-", "value": path(field)}
        assert run({"@replace": options}) == text

    def test_an_empty_literal_value_is_missing(self) -> None:
        assert run({"@replace": {"pattern": "a", "value": ""}}) is MISSING

    def test_the_second_pair_is_limited_when_it_is_applied(self) -> None:
        second = {"pattern": "e", "pattern2": "12345678901"}
        assert "expected at most 10 characters" in fails(
            {"@replace": {**second, "value": path("event")}}
        )
        assert run({"@replace": {**second, "value": path("list")}}) == ""


class TestArrayPath:
    def test_shapes_every_item_with_the_item_as_the_payload(self) -> None:
        assert run({"@arrayPath": ["$.items", {"id": path("$.sku"), "e": path("event")}]}) == [
            {"id": "A"},
            {"id": "B"},
            {"id": None, "e": None},
            {"id": 0, "e": 0},
        ]

    def test_an_object_counts_as_a_list_of_one(self) -> None:
        assert run({"@arrayPath": ["object", {"one": path("1")}]}) == [{"one": "x"}]

    @pytest.mark.parametrize("shape", [[], [{}], ["text"], [[1]], [5], [None]])
    def test_without_an_object_shape_the_value_is_returned(self, shape: list[Any]) -> None:
        assert run({"@arrayPath": ["items", *shape]}) == EVENT["items"]

    def test_scalars_and_missing_are_returned(self) -> None:
        assert run({"@arrayPath": ["event", {"x": 1}]}) == "Order Completed"
        assert run({"@arrayPath": ["nope", {"x": 1}]}) is MISSING

    def test_a_directive_as_path_gives_the_value_itself(self) -> None:
        assert run({"@arrayPath": [{"@literal": "items"}, {"x": 1}]}) == "items"
        assert run({"@arrayPath": [path("items"), path("sku")]}) == ["A", "B", None, 0]

    def test_missing_items_become_null(self) -> None:
        assert transform({"@arrayPath": ["l", path("x")]}, {"l": [{}, {"x": 1}]}) == [None, 1]


class TestFlatten:
    def test_joins_keys_and_drops_empty_objects_and_lists(self) -> None:
        options = {"separator": "_", "value": path("object")}
        assert run({"@flatten": options}) == {"1": "x", "b_c": None, "b_d_0": None}

    @pytest.mark.parametrize("truthy", [True, "no", 1, [], {}])
    def test_may_keep_lists_whole(self, truthy: Any) -> None:
        options = {"separator": ".", "value": {"a": {"l": [], "m": [1]}}, "omitArrays": truthy}
        assert run({"@flatten": options}) == {"a.l": [], "a.m": [1]}

    @pytest.mark.parametrize(
        ("field", "flat"),
        [("event", {"": "Order Completed"}), ("null", {"": None}), ("nope", {}), ("none", {})],
    )
    def test_of_a_leaf(self, field: str, flat: Any) -> None:
        assert run({"@flatten": {"separator": ".", "value": path(field)}}) == flat

    def test_needs_a_separator(self) -> None:
        fails({"@flatten": {"value": path("object")}})
        fails({"@flatten": {"separator": "", "value": path("object")}})


class TestJson:
    def encode(self, value: Any) -> Any:
        return run({"@json": {"mode": "encode", "value": value}})

    def test_encodes_as_json_stringify(self) -> None:
        assert self.encode(
            {"b": 1.0, "10": 1e21, "9": "é\n", "01": [path("nope")], "m": path("nope")}
        ) == ('{"9":"é\\n","10":1e+21,"b":1,"01":[null]}')
        assert self.encode(path("event")) == '"Order Completed"'
        assert self.encode(path("null")) == "null"
        assert self.encode(path("nope")) is MISSING
        assert transform({"@json": {"mode": "encode", "value": path("x.0")}}, {"x": "😀"}) == (
            '"\\ud83d"'
        )

    @pytest.mark.parametrize("text", ["{oops", "NaN", "Infinity", "01", "", "\ufeff1", '"\t"'])
    def test_unparsable_text_is_returned_unchanged(self, text: str) -> None:
        assert transform({"@json": {"mode": "decode", "value": path("x")}}, {"x": text}) == text

    def test_decodes_text_and_passes_the_rest(self) -> None:
        assert run({"@json": {"mode": "decode", "value": path("json")}}) == {"k": [1]}
        assert run({"@json": {"mode": "decode", "value": path("revenue")}}) == 100.0

    def test_numbers_too_large_become_null(self) -> None:
        mapping = {"@json": {"mode": "decode", "value": path("x")}}
        assert transform(mapping, {"x": "[1e999," + "9" * 5000 + "]"}) == [None, None]

    @pytest.mark.parametrize("falsy", ["", 0, False, None])
    def test_a_falsy_literal_value_is_a_run_error(self, falsy: Any) -> None:
        assert 'needs "value"' in fails({"@json": {"mode": "encode", "value": falsy}})


class TestMerge:
    OBJECTS: tuple[Any, ...] = (
        {"a": 1, "b": 2},
        {"b": path("nope"), "a": None},
        path("null"),
        path("zero"),
    )

    def test_the_side_wins_and_missing_deletes(self) -> None:
        assert run({"@merge": {"direction": "right", "objects": [*self.OBJECTS]}}) == {"a": None}
        assert run({"@merge": {"direction": "left", "objects": [*self.OBJECTS]}}) == {
            "a": 1,
            "b": 2,
        }

    def test_texts_and_lists_spread(self) -> None:
        objects = [{"@literal": "ab"}, {"@literal": [5]}]
        assert run({"@merge": {"direction": "right", "objects": objects}}) == {"0": 5, "1": "b"}

    def test_needs_a_direction(self) -> None:
        assert 'needs "direction"' in fails({"@merge": {"objects": []}})
        assert run({"@merge": {"direction": "left", "objects": []}}) == {}


class TestTransform:
    def test_the_applied_object_is_the_whole_payload(self) -> None:
        options = {
            "apply": {"n": path("name"), "m": path("nope")},
            "mapping": {"n": path("n"), "event": path("event"), "all": path(".")},
        }
        assert run({"@transform": options}) == {"n": "Straße", "all": {"n": "Straße"}}

    def test_paths_see_what_apply_answered(self) -> None:
        options = {"apply": path("revenue"), "mapping": {"all": path("."), "deep": path("x")}}
        assert run({"@transform": options}) == {"all": 100.0}

    def test_a_missing_list_item_is_missing_for_the_mapping(self) -> None:
        options = {"apply": {"l": [path("nope")]}, "mapping": {"x": path("l.0"), "l": path("l")}}
        assert run({"@transform": options}) == {"l": [None]}

    def test_needs_an_object_as_payload(self) -> None:
        inner = {"@transform": {"apply": {"a": 1}, "mapping": path("a")}}
        assert "expected an object as payload, got null" in fails({"@arrayPath": ["items", inner]})


class TestExcludeWhenNull:
    def test_removes_nulls_of_objects_but_not_of_lists(self) -> None:
        assert run({"a": {"@excludeWhenNull": path("object")}}) == {
            "a": {"b": {"d": [None]}, "1": "x", "0": {}}
        }
        assert run({"a": {"@excludeWhenNull": path("null")}}) == {}
        assert run({"@excludeWhenNull": path("empty")}) == ""
