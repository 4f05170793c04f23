"""Settings are made up when nobody gives any."""

from enum import StrEnum
from typing import Annotated, Literal, Self

import pytest
from pydantic import Field, model_validator

from junctor.sdk import Secret, Settings
from junctor.testkit.plausible import plausible_settings


class Region(StrEnum):
    """Where."""

    EU = "eu"


class Account(Settings):
    """Nested."""

    id: int
    token: Secret


class Many(Settings):
    """All types that settings are made of."""

    url: str
    webhook: Secret
    api_key: Annotated[Secret, Field(min_length=8)]
    name: str
    region: Region
    mode: Literal["events", "forward"]
    retries: Annotated[int, Field(ge=3)]
    ratio: float
    gzip: bool
    tags: list[str]
    headers: dict[str, str]
    account: Account
    maybe: Annotated[str, Field(min_length=1)] | None
    left_out: str = "x"


class OneOfTwo(Settings):
    """One of two secrets is needed, not both."""

    webhook_url: Annotated[Secret, Field(min_length=1)] | None = None
    token: Secret | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.webhook_url is None) == (self.token is None):
            raise ValueError("give webhook_url or token")
        return self


class Picky(Settings):
    """Nothing can be guessed."""

    id: Annotated[str, Field(pattern=r"^\d{12}$")]


def test_every_required_setting_gets_a_value_of_its_type() -> None:
    valid = Many.model_validate(plausible_settings(Many))
    assert valid.url == "https://vendor.example/url"
    assert valid.webhook.get_secret_value().startswith("https://vendor.example/")
    assert valid.region is Region.EU
    assert (valid.mode, valid.retries, valid.account.id) == ("events", 3, 1)
    assert valid.left_out == "x"


def test_an_optional_secret_is_tried_where_one_is_needed() -> None:
    valid = OneOfTwo.model_validate(plausible_settings(OneOfTwo))
    assert valid.webhook_url is not None
    assert valid.token is None


def test_what_can_not_be_guessed_is_asked_for() -> None:
    with pytest.raises(ValueError, match=r"Picky \(id\): give them"):
        plausible_settings(Picky)
