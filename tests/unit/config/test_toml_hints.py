"""What is probably meant where a text is no TOML."""

import tomllib

import pytest

from junctor.config.toml_hints import hint_for


def hint(text: str) -> str | None:
    with pytest.raises(tomllib.TOMLDecodeError) as caught:
        tomllib.loads(text)
    return hint_for(text, caught.value)


@pytest.mark.parametrize(
    "text",
    [
        '[audiences.a]\nall = [\n  { event = "x",\n    count = 1 },\n]\n',
        '[audiences.a]\r\nall = [\r\n  { event = "x",\r\n    count = 1 },\r\n]\r\n',
        "a = { x = 1\n}",
        "a = {\n x = 1 }",
        "a = { # why\n x = 1 }",
        "a = { x = [\n1,\n2 ], y = 2,\n z = 3 }",
        "a = { x = { y = 1 },\n z = 2 }",
        "a = { x =\n 1 }",
        'a = "[["\nb = { x = "}",\n y = 2 }',
    ],
)
def test_a_table_in_braces_over_several_lines_is_told_how_to_be_written(text: str) -> None:
    assert "one line" in str(hint(text))


@pytest.mark.parametrize(
    "text",
    [
        "a = { x = 1, }",
        'a = { "x": 1 }',
        "a = { x = 1 y = 2 }",
        "a = [ { x = 1 }\n { y = 2 } ]",
        "a = { x = 1",
        "a =\n",
        "a = [ 1,\n 2",
        'a = """\n{\n""" b',
        "# {\na = 1 b",
        "# {\na =\n",
        "a b\n",
    ],
)
def test_other_errors_get_no_hint_that_is_not_theirs(text: str) -> None:
    assert hint(text) is None
