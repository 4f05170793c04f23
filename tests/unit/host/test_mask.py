"""What is shown holds no secret, however it was written."""

import base64
import html
import json
from urllib.parse import quote, quote_plus

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from junctor.host.mask import HIDDEN, Mask, secrets_in
from junctor.sdk import Secret, Settings


class Inner(Settings):
    password: Secret = Secret("inner-password")


class Many(Settings):
    url: str | Secret = "plain"
    keys: dict[str, Secret] = Field(default_factory=dict)
    old: tuple[Secret, ...] = ()
    inner: Inner = Inner()
    missing: Secret | None = None


def test_secrets_are_found_wherever_they_stand() -> None:
    settings = Many(url=Secret("a"), keys={"x": Secret("b")}, old=(Secret("c"), Secret("d")))
    assert list(secrets_in(settings)) == ["a", "b", "c", "d", "inner-password"]


@pytest.mark.parametrize(
    "text",
    [
        "Bearer top/s3cret ü",
        "https://x.test/top/s3cret%20%C3%BC/y",
        "https://x.test/?k=top%2Fs3cret%20%C3%BC",
        "https://x.test/?k=top%2Fs3cret+%C3%BC",
        "Basic " + base64.b64encode("user:top/s3cret ü".encode()).decode(),
    ],
)
def test_a_secret_is_hidden_in_every_writing(text: str) -> None:
    masked = Mask(Many(url=Secret("top/s3cret ü "))).text(text)
    assert "s3cret" not in masked
    assert HIDDEN in masked


HOOK = "https://hooks.vendor.test/services/T0AB12CD3/B0EF45GH6/k3yOfTheHook99?token=m0reOfIt77"
KEY = "top/s3cret-\u00fc-key&more"


@pytest.mark.case(42)
@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"token": KEY}),
        json.dumps({"token": KEY}).replace("/", r"\/"),
        repr({"token": KEY + "'"}),
        f"<p>{html.escape(KEY)}</p>",
        "x-key: " + base64.b64encode(KEY.encode()).decode(),
        "x-key: " + base64.urlsafe_b64encode(KEY.encode()).decode(),
        "authorization=" + base64.b64encode(f"{KEY}:".encode()).decode(),
        f"the key {KEY[:14]}",
        f'{{"you sent": "{KEY[:-1]}',
    ],
)
def test_a_secret_is_hidden_however_an_answer_repeats_it(text: str) -> None:
    masked = Mask(Many(url=Secret(KEY))).text(text)
    assert HIDDEN in masked
    assert not any(
        piece in masked for piece in ("s3cret", base64.b64encode(KEY.encode()).decode()[:12])
    )


@pytest.mark.case(42)
@pytest.mark.parametrize("part", ["T0AB12CD3", "B0EF45GH6", "k3yOfTheHook99", "m0reOfIt77"])
def test_what_makes_an_address_a_secret_is_hidden_by_itself(part: str) -> None:
    masked = Mask(Many(url=Secret(HOOK))).text(f"no hook {part}: see services of vendor.test")
    assert masked == f"no hook {HIDDEN}: see services of vendor.test"


def test_that_others_have_an_address_like_it_is_no_secret() -> None:
    told = "ConnectError at https://hooks.vendor.test"
    assert Mask(Many(url=Secret(HOOK))).text(told) == told


def test_less_than_half_of_a_secret_may_be_chance() -> None:
    mask = Mask(Many(url=Secret("0123456789abcdef0123")))
    assert mask.text("012345678") == "012345678"
    assert mask.text("0123456789") == HIDDEN
    assert mask.text("0123456789 and 0123456789a") == f"{HIDDEN} and {HIDDEN}"


def test_basic_credentials_without_a_secret_stay() -> None:
    text = "Basic " + base64.b64encode(b"user:").decode()
    assert Mask(Many()).text(text) == text
    assert Mask(Many()).text("Basic ***") == "Basic ***"


def test_of_a_secret_template_all_but_the_filled_in_values_is_hidden() -> None:
    mask = Mask(Many(url=Secret("https://x.test/{{userId}}?key=s3cret")))
    assert mask.text("https://x.test/u-1?key=s3cret") == f"{HIDDEN}u-1{HIDDEN}"


@given(st.text(min_size=4).filter(lambda text: text.strip() and HIDDEN not in text))
def test_no_writing_of_any_secret_is_left(secret: str) -> None:
    secret = secret.encode("utf-8", "replace").decode()
    mask = Mask(Many(old=(Secret(secret),)))
    for write in (str, quote, quote_plus, lambda text: orjson.dumps(text).decode()):
        shown = mask.text(f"<{write(secret.strip())}>")
        assert HIDDEN in shown
        assert secret.strip() not in shown.replace(HIDDEN, "")
