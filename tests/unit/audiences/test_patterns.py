"""Which events fit a pattern."""

from typing import Any

import pytest

from junctor.audiences.comparison import Compare, Reference
from junctor.audiences.language import parse_comparison
from junctor.audiences.nodes import Pattern
from junctor.audiences.patterns import compile_pattern, equalities, fits_name, references
from junctor.audiences.seen import Seen


def seen(name: str, properties: Any = None, **body: Any) -> Seen:
    whole = {"type": "track", "event": name, "properties": properties or {}, **body}
    return Seen(name, whole, 0, 0, 0)


def pattern(*names: str, **where: Any) -> Pattern:
    pairs = tuple((path, parse_comparison(value)) for path, value in where.items())
    return Pattern(names, pairs)


ENTERED = seen("Audience Entered", context={"personas": {"computation_class": "audience"}})


@pytest.mark.parametrize(
    ("names", "fits", "fits_not"),
    [
        (["login"], ["login"], ["Login", "login ", ""]),
        (["a", "b"], ["a", "b"], ["c"]),
        (["Checkout*"], ["Checkout Started", "Checkout"], ["checkout", "My Checkout"]),
        (["*"], ["a", "page_view", "$pageview"], ["", "signal:rage_click", "$exit", "$idle"]),
        (["*click"], ["dblclick"], ["signal:rage_click", ""]),
        (["$*"], ["$pageview"], ["$exit", "$idle"]),
        (["signal:*"], ["signal:a", "signal:b"], ["a", "signal", "$exit"]),
        (["signal:a"], ["signal:a"], ["signal:b"]),
        (["$exit"], ["$exit"], ["$idle"]),
        (["*", "signal:a"], ["x", "signal:a"], ["signal:b", ""]),
    ],
)
def test_names_are_exact_or_globs_and_what_the_hub_makes_is_called_by_its_name(
    names: list[str], fits: list[str], fits_not: list[str]
) -> None:
    test = compile_pattern(Pattern(tuple(names)))

    assert [name for name in fits if not test(seen(name))] == []
    assert [name for name in fits_not if test(seen(name))] == []
    for name in (*fits, *fits_not):
        assert any(fits_name(written, name) for written in names) is test(seen(name))


def test_transitions_of_audiences_are_met_by_their_exact_name_only() -> None:
    assert compile_pattern(Pattern(("Audience Entered",)))(ENTERED)
    assert not compile_pattern(Pattern(("*",)))(ENTERED)
    assert not compile_pattern(Pattern(("Audience*",)))(ENTERED)
    plain = seen("Audience Entered", context={"personas": None})
    assert compile_pattern(Pattern(("*",)))(plain)
    identify = Seen("a", {**ENTERED.body, "type": "identify"}, 0, 0, 0)
    assert compile_pattern(Pattern(("*",)))(identify)


def test_all_of_where_must_hold() -> None:
    fits = compile_pattern(pattern("a", x=1, y=">=2", z={"exists": False}))

    assert fits(seen("a", {"x": 1, "y": 2}))
    assert not fits(seen("b", {"x": 1, "y": 2}))
    assert not fits(seen("a", {"x": 1, "y": 1}))
    assert not fits(seen("a", {"x": True, "y": 2}))
    assert not fits(seen("a", {"x": 1, "y": 2, "z": 3}))


def test_paths_reach_properties_and_the_envelope() -> None:
    event = seen(
        "a", {"cart": {"total": 5}, "a.b": 1}, context={"device": {"type": "ios"}}, traits={"p": 1}
    )
    where = {"cart.total": 5, "a.b": 1, "context.device.type": "ios", "traits.p": 1}

    assert compile_pattern(pattern("a", **where))(event)
    assert not compile_pattern(pattern("a", **{"device.type": "ios"}))(event)


def test_a_condition_in_fql_reads_the_whole_event() -> None:
    fits = compile_pattern(Pattern(("a",), fql='properties.x >= 2 and type = "track"'))

    assert fits(seen("a", {"x": 2}))
    assert not fits(seen("a", {"x": 1}))
    assert not fits(seen("b", {"x": 2}))


def test_comparisons_with_earlier_steps_are_left_to_sequences() -> None:
    reference = Reference("eq", "cart", "id")
    bound = Pattern(("a",), (("id", reference), ("x", Compare("eq", 1))))

    assert references(bound) == (("id", reference),)
    assert references(pattern("a", x=1)) == ()
    fits = compile_pattern(bound, static=True)
    assert fits(seen("a", {"x": 1}))
    assert not fits(seen("a", {"x": 2}))
    with pytest.raises(ValueError, match="one event"):
        compile_pattern(bound)


def test_equalities_are_what_an_index_can_look_up() -> None:
    mixed = pattern(
        "a", one="x", several=["x", 1, True, 1.0], ordered=">=3", glob="a*", other=["x", ">=3"]
    )

    assert equalities(mixed) == {"one": ("x",), "several": ("x", 1, True)}
    assert equalities(Pattern(("a",), fql='type = "track"')) == {}
