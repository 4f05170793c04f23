"""One broken destination a bronze rule, each otherwise as healthy as Webhook."""

import os
from collections.abc import Sequence

from pydantic import ConfigDict

from junctor.sdk import Event, InvalidPayload, Manifest, Request, Secret, Settings

from .healthy import Webhook, WebhookSettings


class UnreadableRate(Webhook):
    """manifest-valid: no rate that anybody can keep."""

    manifest = Manifest(type="webhook", title="Webhook", summary="POST.", rate="now and then")


class BareSettings(WebhookSettings):
    """One setting has no docstring."""

    region: str = "us"


class UndocumentedSetting(Webhook):
    """settings-documented."""

    settings_model = BareSettings


class PlainSettings(WebhookSettings):
    """A credential as text."""

    api_key: str = "k"
    """Key to the vendor's API."""


class PlainCredential(Webhook):
    """secrets-are-secret."""

    settings_model = PlainSettings


class LooseSettings(WebhookSettings):
    """Takes anything."""

    model_config = ConfigDict(extra="ignore")


class MisspeltSettingIgnored(Webhook):
    """unknown-settings-refused."""

    settings_model = LooseSettings


class OtherSettings(Settings):
    """The same fields in another class."""

    url: str
    """The endpoint that receives the events."""
    signing_secret: Secret
    """Shared key."""


class SettingsDisagree(Webhook):
    """settings-model-agrees."""

    settings_model = OtherSettings  # type: ignore[assignment]


class OpensFile(Webhook):
    """no-io-in-init."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        try:
            os.close(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            self.ctx.log.warning("no devnull")


class StopNeedsStart(Webhook):
    """stop-unstarted."""

    async def start(self) -> None:
        self.session = object()

    async def stop(self) -> None:
        assert self.session


class StopsOnce(Webhook):
    """stop-twice."""

    sessions: list[object] | None = None

    async def start(self) -> None:
        self.sessions = [object()]

    async def stop(self) -> None:
        if self.sessions is not None:
            self.sessions.pop()


class LogsItsSecret(Webhook):
    """secrets-never-printed, in the log."""

    def build(self, events: Sequence[Event]) -> Request:
        request = super().build(events)
        self.ctx.log.debug("signing", key=self.settings.signing_secret.get_secret_value())
        return request


class RaisesItsSecret(Webhook):
    """secrets-never-printed, in an error's cause."""

    async def deliver(self, events: Sequence[Event]) -> None:
        try:
            await super().deliver(events)
        except InvalidPayload as error:
            error.__cause__ = ValueError(self.settings.signing_secret.get_secret_value())
            raise


class PrintsItsSecret(Webhook):
    """secrets-never-printed, in its repr."""

    def __repr__(self) -> str:
        return f"<webhook {self.settings.signing_secret.get_secret_value()}>"
