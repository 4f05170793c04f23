"""A hub with two sources and three destinations, none of them real."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, field_validator

from junctor.config.connectors import DestinationClass, Kind, SourceClass
from junctor.config.load import LoadedConfig, load_config
from junctor.model.problems import ConfigError, PluginError, Problem
from junctor.sdk import (
    Accepted,
    Destination,
    Event,
    InboundRequest,
    Manifest,
    Page,
    PullSource,
    PushSource,
    Secret,
    Settings,
)


class HookSettings(Settings):
    """Settings of a push source."""

    write_key: Secret
    """Key of the client."""


class Hook(PushSource[HookSettings]):
    """A push source."""

    manifest = Manifest(type="hook", title="Hook", summary="Is called.")
    settings_model = HookSettings

    def accept(self, request: InboundRequest) -> Accepted:
        return Accepted()


class PollSettings(Settings):
    """Settings of a pull source."""

    url: str = "https://poll.test"
    """Where."""


class Poll(PullSource[PollSettings]):
    """A pull source."""

    manifest = Manifest(type="poll", title="Poll", summary="Asks.")
    settings_model = PollSettings

    async def pull(self, cursor: str | None) -> AsyncIterator[Page]:
        yield Page((), cursor or "")


class Basic(Settings):
    """Name and password."""

    password: Secret
    """The password."""


class CrmSettings(Settings):
    """Settings with secrets in every place where one can stand."""

    url: str
    """Address of the CRM."""
    signing_secret: Secret | None = None
    """Signs the requests."""
    old_secrets: tuple[Secret, ...] = ()
    """Still accepted."""
    keys: dict[str, Secret] = Field(default_factory=dict)
    """By name."""
    headers: dict[str, str | Secret] = Field(default_factory=dict)
    """Plain ones may be written out."""
    auth: Basic | None = None
    """Name and password."""
    format: Literal["json", "form"] = "json"
    """Body."""
    retries: int = Field(default=3, ge=0)
    """How often."""

    @field_validator("url")
    @classmethod
    def _web(cls, url: str) -> str:
        if not url.startswith("http"):
            raise ValueError(f"{url} is no web address")  # as careless plug-ins do
        return url


class Crm(Destination[CrmSettings]):
    """A destination."""

    manifest = Manifest(type="crm", title="CRM", summary="Takes all.")
    settings_model = CrmSettings

    async def deliver(self, events: Sequence[Event]) -> None:
        return None


class PlainSettings(Settings):
    """No settings."""


class Plain(Destination[PlainSettings]):
    """A destination without settings."""

    manifest = Manifest(type="plain", title="Plain", summary="Takes all.")
    settings_model = PlainSettings

    async def deliver(self, events: Sequence[Event]) -> None:
        return None


class Stub:
    """The connectors above, and one that can't be imported."""

    problems: Sequence[Problem] = ()
    plugins: Sequence[Path] = ()

    def with_plugins(self, plugins: Sequence[Path]) -> "Stub":
        other = Stub()
        other.plugins = plugins
        other.problems = [
            Problem(f"plugins[{position}]", "does not exist")
            for position, path in enumerate(plugins)
            if not path.exists()
        ]
        return other

    def types(self, kind: Kind) -> Sequence[str]:
        return ["hook", "poll"] if kind == "source" else ["broken", "crm", "plain"]

    def source(self, type: str) -> SourceClass:
        classes: dict[str, SourceClass] = {"hook": Hook, "poll": Poll}
        return classes[type]

    def destination(self, type: str) -> DestinationClass:
        if type == "broken":
            raise PluginError("broken.py line 3: SyntaxError: invalid syntax")
        classes: dict[str, DestinationClass] = {"crm": Crm, "plain": Plain}
        return classes[type]


Load = Callable[..., LoadedConfig]
Fail = Callable[..., dict[str, Problem]]


@pytest.fixture
def stub() -> Stub:
    """Return the connectors above."""
    return Stub()


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Write a file and load it."""

    def load(text: str, environ: Mapping[str, str] | None = None) -> LoadedConfig:
        path = tmp_path / "junctor.toml"
        path.write_text(text, encoding="utf-8")
        return load_config(path, Stub(), environ or {})

    return load


@pytest.fixture
def fail(load: Load) -> Fail:
    """Load a file that can't be used, and return its problems by path."""

    def fail(text: str, environ: Mapping[str, str] | None = None) -> dict[str, Problem]:
        with pytest.raises(ConfigError) as caught:
            load(text, environ)
        return {problem.path: problem for problem in caught.value.problems}

    return fail
