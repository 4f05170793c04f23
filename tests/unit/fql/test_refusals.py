"""Expressions refused at load: the place, the reason and what to write instead."""

import pytest

from junctor import fql


def refusal(text: str) -> fql.FqlError:
    with pytest.raises(fql.FqlError) as caught:
        fql.compile(text)
    return caught.value


# expression, column, part of the message, part of the hint
REFUSED = [
    ('type = "track" && a = 1', 16, "`&&`", "write `and`"),
    ('type = "track" & a = 1', 16, "`&`", "write `and`"),
    ("a = 1 || b", 7, "`||`", "write `or`"),
    ('type == "track"', 6, "`==`", "write `=`"),
    ('type="a"and b==1', 14, "`==`", "write `=`"),
    ("a === 1", 3, "`===`", "write `=`"),
    ("a !== 1", 3, "`!==`", "write `!=`"),
    ("a <> 5", 3, "`<>`", "write `!=`"),
    ("a => 5", 3, "`=>`", "write `>=`"),
    ("a =< 5", 3, "`=<`", "write `<=`"),
    ("a =! 5", 3, "`=!`", "operators are"),
    ('type = "track" AND a = 1', 16, "`AND`", "`and` in lower case"),
    ('type = "track" OR a = 1', 16, "`OR`", "`or` in lower case"),
    ("a OR (b)", 3, "`OR`", "`or` in lower case"),
    ("NOT a", 1, "`NOT`", "`not` in lower case"),
    ("properties.a = True", 16, "`True`", "`true` in lower case"),
    ("properties.a = NULL", 16, "`NULL`", "`null` in lower case"),
    ("event = Signup", 9, "`Signup` is a word without quotes", 'quote it: "Signup"'),
    ("event != Signup", 10, "`Signup`", 'quote it: "Signup"'),
    ('"Signup" = event', 12, "a word without quotes", "the field first"),
    ("userId = anonymousId", 10, "`anonymousId`", "quote it"),
    ("properties.url = example.com", 18, "`example.com`", 'quote it: "example.com"'),
    ("type in [track, page]", 10, "`track`", 'quote it: "track"'),
    ('type in ["track", properties.a]', 19, "`properties.a`", "quote it"),
    ("contains(event, Signup)", 17, "`Signup`", 'quote it: "Signup"'),
    ('properties.n < "5"', 16, "compares numbers, and this is text", "without quotes"),
    ("properties.n >= true", 17, "compares numbers", "number"),
    ("properties.n > null", 16, "compares numbers", "number"),
    ("properties.n > lowercase(event)", 16, "compares numbers", "number"),
    ("lowercase(event) > 5", 1, "compares numbers", "number"),
    ("foo(event)", 1, "no function `foo`", "functions are contains, match"),
    ('Contains(event, "a")', 1, "no function `Contains`", "did you mean contains()?"),
    ("contains(event)", 1, "contains() takes 2 arguments", 'contains(path, "part")'),
    ('match(event, "a", "b")', 1, "match() takes 2 arguments", 'match(path, "part*")'),
    ("length()", 1, "length() takes 1 argument", "length(path)"),
    ("lowercase(5) = null", 11, "takes text", "string("),
    ('contains(length(event), "a")', 10, "takes text", "string("),
    ('match("x*", event)', 13, "pattern", "the path comes first"),
    ("match(event, 5)", 14, "takes text", ""),
    ('match(event, "a[bc")', 16, "no `]`", r"\["),
    ('match(event, "[]")', 16, "`]` stands", r"\]"),
    ('match(event, "[z-a]")', 15, "z-a", "a-z"),
    ('match(event, "[a-]")', 18, "`]` stands", r"\]"),
    ('match(event, "[!a]")', 16, "negated", "[^"),
    ('match(event, "a\\")', 16, "backslash", r"\\"),
    ('event = "abc', 9, "never ends", 'next "'),
    ("event = 'abc\"", 9, "never ends", "next '"),
    (r'event = "a\"b"', 14, "never ends", ""),
    ("event = “abc”", 9, "typographic quote", '"'),
    ("", 1, "empty", 'type = "track"'),
    (" \t\r\n", 1, "empty", 'type = "track"'),
    ("a = 1e5", 5, "`1e5` is neither a number nor text", "quote anything else"),
    ("a > 2024-01-01", 5, "`2024-01-01`", "quote"),
    ("a = 5.", 5, "`5.`", ""),
    ("a = 1.2.3", 5, "`1.2.3`", ""),
    ("a = .5", 5, "both sides of the dot", ""),
    ("a. = 5", 2, "both sides of the dot", ""),
    ("a = \\", 5, "backslash", ""),
    ("(a", 3, "ends too early", "`)`"),
    ("a and", 6, "ends too early", "a condition is missing"),
    ("a =", 4, "ends too early", "a value is missing"),
    ("a)", 2, "`)` cannot stand here", "no `(`"),
    ("()", 2, "`)` cannot stand here", "a condition is missing"),
    ("and a", 1, "`and` cannot stand here", "field"),
    ("= 5", 1, "`=` cannot stand here", "field"),
    ("a = = 5", 5, "`=` cannot stand here", ""),
    ("!a = 5", 4, "`=` cannot stand here", "!( … )"),
    ('!type in ["a"]', 7, "`in` cannot stand here", "!( … )"),
    ("!!a", 2, "`!` cannot stand here", "!( … )"),
    ('!"a"', 2, '`"a"` cannot stand here', "parenthesis"),
    ('type not in ["a"]', 6, "`not` cannot stand here", '!(path in ["a", "b"])'),
    ('type in ("a", "b")', 9, "`(` cannot stand here", "brackets"),
    ("type in []", 6, "the list is empty", "values"),
    ("a = [1]", 5, "`[` cannot stand here", "in"),
    ("a = {b}", 5, "`{`", ""),
    ("(a = 5) = true", 9, "`=` cannot stand here", "parenthesis"),
    ("a = 5 = 6", 7, "`=` cannot stand here", ""),
    ('event "Signup"', 7, '`"Signup"` cannot stand here', "operator"),
    ("event is null", 7, "`is` cannot stand here", "operator"),
    ("a = 5 b", 7, "`b` cannot stand here", "and"),
    ("length(event)", 1, "gives a number, which is no condition", "compare"),
    ("5", 1, "this is a number", "compare"),
    ('"track"', 1, "this is text", "compare"),
    ("null", 1, "this is null", "compare"),
    ('"event" = "Signup"', 1, "both sides are written", "without quotes"),
    ('"event" in ["Signup"]', 1, "both sides are written", "without quotes"),
    ('length(event) = "5"', 15, "never equals text", ""),
    ("lowercase(event) in [5]", 22, "never equals a number", ""),
    ('typeof(event) = "boolean"', 17, "never answers that", "bool"),
    ("a\u00a0= 5", 2, "U+00A0", ""),
    ("a ~ 5", 3, "`~` has no meaning", ""),
]


@pytest.mark.parametrize(("text", "column", "message", "hint"), REFUSED)
def test_what_nobody_can_have_meant_is_refused_with_place_and_hint(
    text: str, column: int, message: str, hint: str
) -> None:
    error = refusal(text)
    assert (error.line, error.column) == (1, column)
    assert message in error.message
    assert hint in error.hint
    assert error.text == text


def test_a_refusal_prints_the_line_with_a_caret_under_the_place() -> None:
    assert str(refusal('type = "track"\r\n\tand event == "Signup"\r\n')) == (
        "`==` is no operator (line 2, column 12)\n"
        '  \tand event == "Signup"\n'
        "  \t          ^\n"
        "  hint: write `=`"
    )


def test_a_refusal_without_a_hint_prints_none() -> None:
    assert str(refusal("a. = 5")).splitlines()[-1] == "   ^"


def test_a_refusal_is_a_value_error_of_its_message() -> None:
    error = refusal("event = Signup")
    assert isinstance(error, ValueError)
    assert error.args == ("`Signup` is a word without quotes",)


def test_a_hundred_open_parentheses_are_fine_and_more_are_refused() -> None:
    fql.compile("(" * 100 + "a" + ")" * 100)
    error = refusal("(" * 101 + "a" + ")" * 101)
    assert (error.column, "more than 100 parentheses" in error.message) == (101, True)
    assert "parentheses" in refusal("(" * 40_000).message
    assert "parentheses" in refusal("lowercase(" * 101).message


def test_the_deepest_expression_is_evaluated_within_the_stack() -> None:
    text = "x = 1"
    for _ in range(100):
        text = f"!(a or b and {text})"
    test = fql.compile(text)
    assert test({"b": True, "x": 1})
    assert not test({"a": True})


def test_an_expression_longer_than_the_limit_is_refused() -> None:
    fql.compile('userId = "' + "x" * 49_989 + '"')
    assert "50,000 characters" in refusal('userId = "' + "x" * 49_990 + '"').message
