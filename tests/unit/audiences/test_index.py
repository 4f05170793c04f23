"""The reverse index finds what a look at every pattern would find."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from junctor.audiences.comparison import AnyOf, Compare, Comparison, Glob
from junctor.audiences.index import PatternIndex
from junctor.audiences.nodes import Pattern
from junctor.audiences.patterns import compile_pattern
from junctor.audiences.seen import Seen

NAMES = ("page_view", "click", "clack", "signal:rage", "$exit")
WRITTEN = (*NAMES, "*", "cl*", "*ck", "c*k", "*a*", "signal:*", "*:*")
PATHS = ("path", "plan", "n")
VALUES: tuple[Any, ...] = (
    "/a", "/a/b", "/ab", "", "pro", "free", 1, 1.0, 2, True, False, 0, None, ["pro"], {"a": 1},
)  # fmt: skip
SCALARS = [value for value in VALUES if isinstance(value, str | int | float)]

equal = st.sampled_from(SCALARS).map(lambda value: Compare("eq", value))
comparisons: st.SearchStrategy[Comparison] = st.one_of(
    equal,
    equal,
    st.sampled_from(SCALARS).map(lambda value: Compare("ne", value)),
    st.sampled_from(["/a*", "/*", "*b", "/a/*b", "*"]).map(Glob),
    st.lists(equal, min_size=1, max_size=3).map(lambda items: AnyOf(tuple(items))),
)
patterns = st.builds(
    Pattern,
    names=st.lists(st.sampled_from(WRITTEN), min_size=1, max_size=3, unique=True).map(tuple),
    where=st.dictionaries(st.sampled_from(PATHS), comparisons, max_size=2).map(
        lambda where: tuple(where.items())
    ),
)
properties = st.dictionaries(st.sampled_from(PATHS), st.sampled_from(VALUES))


def seen(name: str, properties: dict[str, Any], *, told: bool = False) -> Seen:
    """Return an event; one that was `told` is another hub's entry into an audience."""
    context = {"personas": {"computation_class": "audience"}} if told else {}
    body = {"type": "track", "event": name, "properties": properties, "context": context}
    return Seen(name, body, 1, 8, 1)


@settings(max_examples=300)
@given(
    some=st.lists(patterns, max_size=40, unique=True),
    events=st.lists(
        st.tuples(st.sampled_from((*NAMES, "")), properties, st.booleans()), min_size=1, max_size=8
    ),
)
def test_the_index_finds_what_fits_and_nothing_else(
    some: list[Pattern], events: list[tuple[str, dict[str, Any], bool]]
) -> None:
    index = PatternIndex(some)
    tests = [compile_pattern(pattern, static=True) for pattern in some]
    for name, values, told in events:
        event = seen(name, values, told=told)
        fitting = [number for number, fits in enumerate(tests) if fits(event)]
        assert sorted(index.matches(event)) == fitting


def test_an_event_is_not_tested_by_patterns_that_want_other_values() -> None:
    some = [
        Pattern(("click",), where=(("path", Glob(f"/section-{n}/*")),)) for n in range(1_000)
    ] + [Pattern(("click",), where=(("plan", Compare("eq", f"p-{n}")),)) for n in range(1_000)]
    index = PatternIndex(some)
    values = Counted({"path": "/section-7/page-1", "plan": "p-9"})
    event = seen("click", values)
    assert sorted(index.matches(event)) == [7, 1_009]
    assert values.reads <= 8, "a handful of looks for 2,000 patterns"


def test_a_value_that_is_all_of_a_beginning_is_found_once() -> None:
    globs = [Glob(f"{beginning}*") for beginning in ("/a", "/ab", "/abc", "/b")]
    index = PatternIndex([Pattern(("click",), where=(("path", glob),)) for glob in globs])
    assert index.matches(seen("click", {"path": "/a"})) == [0]


class Counted(dict[str, Any]):
    """Counts how often it is asked."""

    reads = 0

    def get(self, key: str, default: Any = None) -> Any:
        self.reads += 1
        return super().get(key, default)
