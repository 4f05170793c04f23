"""Regular expressions: what they find, and that no text makes them slow."""

import re
from time import thread_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junctor.audiences.regex import LONGEST_SEARCHED, compile_regex

CATASTROPHES = [
    r"(a+)+$",
    r"(a|a)*b",
    r"(.*a){20}$",
    r"^(([a-z])+.)+[A-Z]([a-z])+$",
    r"(a?){100}(a*)*b",
    r".*a.*a.*a.*a.*b",
    r"(\w+\s?)*!",
]
TEXTS = ["a" * LONGEST_SEARCHED, "ab" * (LONGEST_SEARCHED // 2), "a " * (LONGEST_SEARCHED // 2)]


@pytest.mark.parametrize("pattern", CATASTROPHES)
def test_no_text_makes_a_search_slow(pattern: str) -> None:
    found = compile_regex(pattern)
    before = thread_time()
    for text in TEXTS:
        for end in ("", "!", "é", "\n"):
            found(text[: -len(end) or None] + end)
    assert thread_time() - before < 0.5, "with backtracking it takes longer than anybody waits"


@pytest.mark.parametrize(
    ("pattern", "fits", "fits_not"),
    [
        (r"^/p\d+", ["/p1", "/p٣"], ["/p", "x/p1", "/px"]),
        (r"(?i)straße", ["Die STRAßE"], ["Strasse"]),
        (r"^$", [""], [" "]),
        (r"a$", ["ba"], ["ab", "a\n"]),
        (r"(?m)^b$", ["a\nb\nc"], ["ab"]),
        (r"(?s)a.b", ["a\nb"], ["ab"]),
        (r"\bé\w+\b", ["mon été"], ["né"]),
        (r"^[^/]+@(?P<host>x\.example|y\.example)$", ["a@x.example"], ["a@xyexample"]),
    ],
)
def test_it_is_found_anywhere_and_case_counts(
    pattern: str, fits: list[str], fits_not: list[str]
) -> None:
    found = compile_regex(pattern)
    assert [text for text in fits if not found(text)] == []
    assert [text for text in fits_not if found(text)] == []


def test_only_texts_are_searched_and_none_that_are_longer_than_allowed() -> None:
    found = compile_regex("a|1")
    assert [value for value in (None, 1, 1.0, True, ["a"], {"a": "a"}, b"a") if found(value)] == []
    assert found("é" * (LONGEST_SEARCHED - 1) + "a")
    assert not found("é" * LONGEST_SEARCHED + "a")


parts = st.sampled_from(
    ["a", "b", ".", r"\d", "[ab]", "[^a]", "a|b", "^", "$", "(a|bc)", "(?:ab)?", "b*", "a+", ".{2}"]
)
patterns = st.lists(parts, min_size=1, max_size=5).map("".join)
texts = st.text("abc1", max_size=8)


@given(patterns, texts)
def test_it_finds_what_a_search_of_python_finds(pattern: str, text: str) -> None:
    assert compile_regex(pattern)(text) is (re.search(pattern, text) is not None)
