"""Patterns of names are found like by trying each, and what senders name takes bounded room."""

from sys import getsizeof

from hypothesis import given, settings
from hypothesis import strategies as st

from junctor.audiences.globs import LONGEST_NAME, MOST_NAMES, Globs
from junctor.audiences.patterns import fits_name

written = st.text("ab:*", min_size=1, max_size=6).filter(lambda text: "*" in text)
names = st.text("ab:", max_size=6) | st.sampled_from(["signal:ab", "$exit", "signal:", "*", "a*"])


@settings(max_examples=300)
@given(some=st.lists(written | st.just("signal:*"), max_size=12), asked=st.lists(names, max_size=8))
def test_those_that_fit_are_found_each_once(some: list[str], asked: list[str]) -> None:
    globs = Globs(some)
    for name in asked * 2:
        naive = {pattern for pattern in some if fits_name(pattern, name)}
        found = globs.fitting(name)
        assert len(found) == len(naive)
        assert set(found) == naive


def test_names_that_senders_choose_take_bounded_room() -> None:
    globs = Globs(["*a*", "b*"])
    for n in range(3 * MOST_NAMES):
        assert globs.fitting(f"a-{n}") == ("*a*",)
    assert len(globs.known) <= MOST_NAMES
    long = "b" * (LONGEST_NAME + 1)
    assert globs.fitting(long) == ("b*",)
    assert long not in globs.known
    assert max(map(len, globs.known)) <= LONGEST_NAME
    assert sum(map(getsizeof, globs.known)) < 2**20


def test_of_thousands_of_patterns_few_are_tried_on_a_name() -> None:
    class Name(str):
        """Counts how many patterns look into it."""

        looks = 0

        def __contains__(self, part: str) -> bool:  # type: ignore[override]
            Name.looks += 1
            return super().__contains__(part)

    globs = Globs([f"app-{n}-*" for n in range(2_000)] + [f"*-web-{n}" for n in range(2_000)])
    assert globs.fitting(Name("app-17-web-30")) == ("app-17-*", "*-web-30")
    assert Name.looks <= 4
