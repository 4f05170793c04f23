"""Canaries go where secrets go, and everything printed is watched."""

import logging
import sys
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from junctor.sdk import Secret, Settings
from junctor.testkit.secrets import Canaries, watch_output


def _of_the_vendor(secret: Secret) -> Secret:
    if not secret.get_secret_value().startswith("whsec_"):
        raise ValueError("it begins with whsec_")
    return secret


class Account(Settings):
    """A nested model."""

    token: Secret


class AcmeSettings(Settings):
    """Every shape that a secret has been seen in."""

    hook: Secret
    key: Annotated[Secret, Field(min_length=4)] | None = None
    fixed: Annotated[Secret, AfterValidator(_of_the_vendor)]
    short: Annotated[Secret, Field(max_length=2)]
    account: Account
    headers: dict[str, str | Secret]
    url: str = ""


GIVEN = {
    "hook": "https://hooks.acme.test/T1",
    "fixed": "whsec_1234567890",
    "short": "x",
    "account": {"token": "t"},
    "headers": {"x-key": "k"},
}


def test_canaries_replace_secrets_where_the_model_lets_them() -> None:
    canaries = Canaries.plant(AcmeSettings, GIVEN)
    valid = AcmeSettings.model_validate(canaries.settings)
    assert set(canaries.values) == {"hook", "key", "fixed", "account.token", "headers"}
    assert canaries.values["hook"] in valid.hook.get_secret_value()
    assert valid.hook.get_secret_value().startswith("https://hooks.acme.test/T1/")
    assert valid.key is not None
    assert valid.key.get_secret_value() == canaries.values["key"]
    assert canaries.values["fixed"] == "whsec_1234567890"
    assert valid.account.token.get_secret_value() == canaries.values["account.token"]
    header = valid.headers["x-key"]
    assert isinstance(header, SecretStr)
    assert header.get_secret_value() == canaries.values["headers"]
    assert GIVEN["account"] == {"token": "t"}


def test_output_logs_and_causes_are_watched_but_not_the_hosts_own_loggers() -> None:
    with watch_output() as watch:
        print("to stdout")
        print("to stderr", file=sys.stderr)
        logging.getLogger("acme").debug("to %s", "logging")
        logging.getLogger("httpx").info("of the host")
        error = ValueError("text")
        error.__cause__ = KeyError("cause")
        watch.error(error)
        watch.error(None)
    texts = "\n".join(text for _, text in watch.texts)
    for said in ("to stdout", "to stderr", "to logging", "text", "cause"):
        assert said in texts
    assert "of the host" not in texts
