"""Whether a piece of JSON speaks of a person."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from junctor.store.mentions import Mentions

ADA = Mentions([("user_id", "u-1"), ("email", "Ada@x.example"), ("user_id", "42")])


@pytest.mark.parametrize(
    "item",
    [
        {"userId": "u-1"}, {"a": [{"b": " u-1 "}]}, {"userId": 42}, {"userId": 42.0},
        {"email": "ADA@X.example"}, "u-1",
    ],
)  # fmt: skip
def test_an_identifier_is_found_wherever_it_is_a_value(item: Any) -> None:
    assert ADA(orjson.dumps(item))


@pytest.mark.parametrize(
    "item", [{"userId": "u-12"}, {"u-1": "x"}, {"userId": "U-1"}, {"n": True}, {"n": 420}, None]
)
def test_what_only_looks_alike_is_not(item: Any) -> None:
    assert not ADA(orjson.dumps(item))


def test_json_that_was_cut_is_read_as_text() -> None:
    assert ADA(b'{"a": "ada@X.example", "b": "cut of')
    assert not ADA(b'{"a": "u-12", "b": "u-1')


VALUES = st.text(min_size=1, max_size=6).filter(lambda text: text == text.strip())


@given(st.sampled_from(("email", "user_id")), VALUES)
def test_in_whatever_is_found_a_needle_stands(kind: str, value: str) -> None:
    mentions = Mentions([(kind, value)])
    json = orjson.dumps({"traits": [value]})
    assert mentions(json)
    assert any(needle in json.decode().lower() for needle in mentions.needles)
