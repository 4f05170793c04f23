"""What may be set, and what a segment is called."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from junctor_connectors.statsig_segment.naming import segment_id
from junctor_connectors.statsig_segment.settings import StatsigSegmentSettings


@pytest.mark.parametrize(
    "wrong",
    [
        {"console_key": ""},
        {"console_key": "two words"},
        {"api_url": "statsigapi.net"},
        {"api_url": "https://statsigapi.net?x=1"},
        {"id_type": ""},
        {"id_type": "companyID"},
        {"segments": {"buyers": "no"}},
        {"segments": {"buyers": "with space"}},
        {"segments": {"buyers": "same", "readers": "same"}},
        {"description": "{{audience"},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        StatsigSegmentSettings.model_validate({"console_key": "console-example", **wrong})


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({}, "user_id"),
        ({"id_type": "stableID"}, "anonymous_id"),
        ({"id_type": "companyID", "identifier": "group_id"}, "group_id"),
        ({"identifier": "email"}, "email"),
    ],
)
def test_the_kind_of_identifier_follows_the_id_type(given: dict[str, str], kind: str) -> None:
    settings = StatsigSegmentSettings.model_validate({"console_key": "k", **given})
    assert settings.kind() == kind


def test_every_setting_is_documented_and_the_key_hidden() -> None:
    assert all(field.description for field in StatsigSegmentSettings.model_fields.values())
    assert "console-1" not in repr(
        StatsigSegmentSettings.model_validate({"console_key": "console-1"})
    )


def test_a_segment_is_called_as_its_audience() -> None:
    assert segment_id("cart_abandoners", {}) == "cart_abandoners"
    assert segment_id("cart_abandoners", {"cart_abandoners": "carts"}) == "carts"


def test_a_key_that_statsig_does_not_allow_keeps_what_is_allowed() -> None:
    assert re.fullmatch(r"Warm_leads-[0-9a-f]{8}", segment_id("Warm leads", {}))
    assert re.fullmatch(r"ab-[0-9a-f]{8}", segment_id("ab", {}))
    assert len(segment_id("x" * 300, {})) == 100


def test_a_segment_given_to_one_audience_is_no_other_audiences() -> None:
    assert segment_id("carts", {"cart_abandoners": "carts"}).startswith("carts-")


@given(st.sets(st.text(min_size=1, max_size=120), min_size=2))
def test_every_key_has_an_allowed_id_of_its_own(keys: set[str]) -> None:
    ids = {segment_id(key, {}) for key in keys}
    assert len(ids) == len(keys)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{3,100}", id) for id in ids)
