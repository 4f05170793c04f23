"""The Python form of the language: the same tables as in TOML."""

import tomllib
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junctor.audience import (
    Condition,
    Occurrence,
    Person,
    any_of,
    attribute,
    audience,
    define,
    event,
    known,
    member,
    none_of,
    sample,
    seq,
    signal,
    silence,
    state,
    trait,
)
from junctor.audiences.canonical import version
from junctor.audiences.collecting import collecting
from junctor.audiences.language import SECTIONS, parse_definitions
from junctor.audiences.program import Program
from junctor.config.audience_files import read_audience_files

EXAMPLES: Final = Path(__file__).parent / "audiences" / "language"
CONDITIONS: Final = st.recursive(
    st.text(max_size=3).map(lambda name: event(name).within("1d")),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: pair[0] & pair[1]),
        st.tuples(inner, inner).map(lambda pair: pair[0] | pair[1]),
        inner.map(lambda one: ~one),
    ),
    max_leaves=8,
)


def holds(condition: dict[str, Any], names: set[str]) -> bool:
    """Return whether a table of groups holds for who did what is named."""
    for kind, decide in (("all", all), ("any", any)):
        if kind in condition:
            return decide(holds(one, names) for one in condition[kind])
    if "none" in condition:
        return not any(holds(one, names) for one in condition["none"])
    return condition["event"] in names


def toml(text: str) -> dict[str, Any]:
    return tomllib.loads(f"c = {text}")["c"]  # type: ignore[no-any-return]


def test_every_example_means_the_same_in_python_as_in_toml() -> None:
    raw = tomllib.loads((EXAMPLES / "examples.toml").read_text(encoding="utf-8"))
    files = read_audience_files([EXAMPLES / "examples.py"])

    wanted, _ = parse_definitions(raw)
    found, problems = parse_definitions(files.tables)

    assert [*files.problems, *problems] == []
    for section in (field.name for field in fields(wanted)):
        by_name = {one.name: one for one in getattr(found, section)}
        for one in getattr(wanted, section):
            assert version(by_name.pop(one.name)) == version(one), one.name
        assert by_name == {}
    ours, theirs = Program(found).audiences, Program(wanted).audiences
    assert {name: one.version for name, one in ours.items()} == {
        name: one.version for name, one in theirs.items()
    }


@pytest.mark.parametrize(
    ("made", "written"),
    [
        (event("a", "b"), '{ event = ["a", "b"] }'),
        (
            event("a", where={"context.locale": "de*"}, n=[1, ">=3"]),
            '{ event = "a", where = { "context.locale" = "de*", n = [1, ">=3"] } }',
        ),
        (event("a", where='event = "x"'), "{ event = \"a\", where = 'event = \"x\"' }"),
        (event("a").at_most(3).between("9d", "2d"),
         '{ event = "a", count = "<=3", between = ["9d", "2d"] }'),
        (event("a").since(date(2026, 1, 2)).until("2026-02-01"),
         '{ event = "a", since = 2026-01-02, until = "2026-02-01" }'),
        (event("a").distinct("p", ">=2"), '{ event = "a", distinct = { prop = "p", is = ">=2" } }'),
        (event("a").sum("p", ">2"), '{ event = "a", sum = { prop = "p", is = ">2" } }'),
        (event("a").avg("p", ">2"), '{ event = "a", avg = { prop = "p", is = ">2" } }'),
        (event("a").min("p", ">2"), '{ event = "a", min = { prop = "p", is = ">2" } }'),
        (event("a").max("p", ">2"), '{ event = "a", max = { prop = "p", is = ">2" } }'),
        (event("a").first().within("30d"), '{ event = "a", first = true, within = "30d" }'),
        (event("a").per_session().same("p").count(">=2"),
         '{ event = "a", per = "session", same = ["p"], count = ">=2" }'),
        (seq("a", event("b").after("1s").without("c", event("d", p=1))).same("q").within("1d"),
         '{ sequence = [{ event = "a" }, { event = "b", after = "1s", without = [{ event = "c" },'
         ' { event = "d", where = { p = 1 } }] }], same = ["q"], within = "1d" }'),
        (seq("a", silence("b", for_="3d")).hold("1d"),
         '{ sequence = [{ event = "a" }, { not = { event = "b" }, for = "3d" }], hold = "1d" }'),
        (trait("plan").changed_within("7d"), '{ trait = "plan", changed_within = "7d" }'),
        (trait("plan", False), '{ trait = "plan", is = false }'),
        (attribute("ltv", "high"), '{ attribute = "ltv", is = "high" }'),
        (state("s", "x").for_(">=8s"), '{ state = "s", is = "x", for = ">=8s" }'),
        (member("m"), '{ audience = "m" }'),
        (member("m", False), '{ audience = "m", is = false }'),
        (member("m").for_("7d"), '{ audience = "m", for = "7d" }'),
        (member("m").left_within("1d"), '{ audience = "m", left_within = "1d" }'),
        (known(">=7d"), '{ known = ">=7d" }'),
        (sample("10%"), '{ sample = "10%" }'),
        (sample("10%", "x"), '{ sample = "10%", salt = "x" }'),
        (any_of(known("1d"), none_of(known("2d"))),
         '{ any = [{ known = "1d" }, { none = [{ known = "2d" }] }] }'),
        (known("1d").refined(for_="x"), '{ known = "1d", for = "x" }'),
    ],
)  # fmt: skip
def test_every_kind_and_refinement_makes_its_table(made: Condition, written: str) -> None:
    assert made == toml(written)


def test_groups_of_the_same_operator_are_one() -> None:
    a, b, c = event("a"), event("b"), event("c")

    assert a & b & c == {"all": [a, b, c]}
    assert a | b | c == {"any": [a, b, c]}
    assert ~(a | b) == {"none": [a, b]}
    assert ~~a == {"any": [a]}
    assert (a & b) | c == {"any": [{"all": [a, b]}, c]}


def test_in_place_operators_leave_the_condition_as_it_is() -> None:
    a = first = event("a")
    both: Condition = a
    both |= event("b")
    both &= event("c")

    assert first == {"event": "a"}
    assert both == {"all": [{"any": [{"event": "a"}, {"event": "b"}]}, {"event": "c"}]}


@given(CONDITIONS, CONDITIONS, st.sets(st.text(max_size=3)))
def test_operators_are_those_of_logic(one: Condition, other: Condition, did: set[str]) -> None:
    assert holds(one & other, did) == (holds(one, did) and holds(other, did))
    assert holds(one | other, did) == (holds(one, did) or holds(other, did))
    assert holds(~one, did) != holds(one, did)


def test_a_refinement_makes_a_new_condition() -> None:
    pricing = event("page_view", path="/pricing*")

    pricing.at_least(3).within("48h")

    assert pricing == {"event": "page_view", "where": {"path": "/pricing*"}}


def test_what_is_handed_over_is_copied() -> None:
    wanted = ["a"]
    made = event("x", p=wanted)

    wanted.append("b")

    assert made["where"] == {"p": ["a"]}


def test_outside_of_a_file_a_definition_is_its_table() -> None:
    assert audience("x", event("a"), send=["crm"]) == {"event": "a", "send": ["crm"]}
    assert signal("s", event("a")) == {"event": "a"}
    assert define("services", "all", audiences=("x",)) == {"audiences": ["x"]}


def test_a_definition_belongs_to_the_file_that_is_being_loaded_only() -> None:
    with collecting("a.py") as outer:
        audience("x", event("a"))
        with collecting("b.py") as inner:
            audience("y", event("a"))
        signal("z", event("a"))
    audience("later", event("a"))

    assert [(one.section, one.name) for one in outer] == [("audiences", "x"), ("signals", "z")]
    assert [(one.section, one.name) for one in inner] == [("audiences", "y")]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: event(), "name the event"),
        (lambda: event("a", where="x", p=1), "FQL"),
        (lambda: event("a", p={1}), "a table can't hold set"),
        (lambda: event("a", p=None), "a table can't hold NoneType"),
        (lambda: event("a", where={1: 2}), "keys are texts, not int"),  # type: ignore[dict-item]
        (lambda: silence("a", event("b"), for_="1d"), "a silence is of names"),
        (lambda: audience("x", seq("a").hold("1d"), hold="2d"), "twice"),
        (lambda: define("services", 3, audiences=["x"]), "a name is a text"),  # type: ignore[arg-type]
        (lambda: signal("x")(lambda person, event: True), "says what it reads"),
    ],
)
def test_what_no_table_can_say_is_refused_at_once(make: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        make()


def test_a_function_stays_what_it_is() -> None:
    @signal("fraud_hint")
    def fraud_hint(
        user: Person, ev: Occurrence, *, reads: Any = ("Payment Failed",), within: str = "10m"
    ) -> bool:
        return len(user.recent) > 1

    assert fraud_hint(Person(), Occurrence("Payment Failed", None)) is False  # type: ignore[arg-type]


def test_a_function_is_known_by_its_text_or_its_version() -> None:
    with collecting(__file__) as found:

        @signal("a", reads="x", within="1m")
        def one(user: Person, ev: Occurrence) -> bool:
            return True

        @signal("b", reads=[event("x", p=1), "y"], within="1m")
        def other(user: Person, ev: Occurrence) -> bool:
            return False

        @signal("c", reads=event("x"), within="1m", version="7")
        def third(user: Person, ev: Occurrence) -> bool:
            return False

    tables = [one.table for one in found]
    assert tables[0]["reads"] == [{"event": "x"}]
    assert tables[1]["reads"] == [{"event": "x", "where": {"p": 1}}, {"event": "y"}]
    assert tables[2] == {"function": "7", "reads": [{"event": "x"}], "within": "1m"}
    assert tables[0]["function"] != tables[1]["function"]
    assert [one.function.version for one in found if one.function] == [
        table["function"] for table in tables
    ]


def test_a_function_that_waits_is_refused() -> None:
    async def later(user: Person, ev: Occurrence) -> bool:
        return True

    with pytest.raises(TypeError, match="returns at once"):
        signal("x", reads="a", within="1m")(later)


def test_every_section_can_be_defined() -> None:
    with collecting("a.py") as found:
        for section in SECTIONS:
            define(section, "x")

    assert [one.section for one in found] == list(SECTIONS)


def test_the_words_and_or_and_not_are_refused_since_they_would_drop_a_condition() -> None:
    a, b = event("a"), event("b")
    for wrong in (lambda: a and b, lambda: a or b, lambda: not a):
        with pytest.raises(TypeError, match="write a & b"):
            wrong()
