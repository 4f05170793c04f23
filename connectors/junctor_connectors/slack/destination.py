"""Slack messages: one per event."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from junctor.sdk import (
    Context,
    DestinationUnavailable,
    Event,
    HttpDestination,
    InvalidPayload,
    Manifest,
    Request,
    Response,
    send,
)
from junctor_connectors.slack.answers import error_word, raise_for_answer
from junctor_connectors.slack.blocks import compile_blocks, parse_blocks
from junctor_connectors.slack.escaping import compile_text, escape_text, shorten
from junctor_connectors.slack.settings import SlackSettings

MAX_TEXT: Final = 40_000
"""Slack cuts longer texts by itself."""

_DID: Final = {
    "identify": "identified",
    "page": "viewed the page",
    "screen": "viewed the screen",
    "group": "joined the group",
    "alias": "got another id",
}


class Slack(HttpDestination[SlackSettings]):
    """Writes a message into a channel.

    Slack has no idempotency key: an attempt whose answer was lost appears twice if repeated.
    """

    manifest = Manifest(
        type="slack",
        title="Slack",
        summary="A message in a channel for each event, by incoming webhook or chat.postMessage.",
        max_batch=1,
        rate="1/s",  # Slack's limit for one channel
        stability="beta",
    )
    settings_model = SlackSettings

    def __init__(self, settings: SlackSettings, ctx: Context) -> None:
        """Compile the templates once."""
        super().__init__(settings, ctx)
        self._text = compile_text(settings.text) if settings.text is not None else None
        blocks = parse_blocks(settings.blocks)
        self._blocks = compile_blocks(blocks) if blocks else None

    async def check(self) -> None:
        """Prove the credentials without a message.

        A token is shown to auth.test. A webhook is posted an empty object, which Slack refuses
        with `no_text` or `invalid_payload` if the hook lives and with another word if not.
        """
        request = self._api("auth.test", {}) if self.settings.token else self._hook({})
        response = await send(self.ctx.http, request, now=self.ctx.clock.now())
        try:
            self.interpret(response, ())
        except InvalidPayload:
            if self.settings.token is not None or error_word(response) is None:
                raise

    def build(self, events: Sequence[Event]) -> Request:
        """Return the message for the one event of this batch.

        Raises:
            InvalidPayload: the text is empty for this event, and there are no blocks.
        """
        (event,) = events
        payload = event.payload()
        message: dict[str, Any] = {"text": self._fallback(event, payload)}
        if self._blocks is not None:
            message["blocks"] = self._blocks(payload)
        if self.settings.token is not None:
            return self._api("chat.postMessage", {"channel": self.settings.channel, **message})
        return self._hook(message)

    def interpret(self, response: Response, events: Sequence[Event]) -> None:
        """Read the answer; the Web API answers 200 whatever happened and must say `ok`."""
        raise_for_answer(response)
        answer = response.json()
        said_ok = isinstance(answer, dict) and answer.get("ok") is True
        if self.settings.token is not None and not said_ok:
            raise DestinationUnavailable("the answer is not Slack's", status=response.status)

    def _fallback(self, event: Event, payload: Mapping[str, Any]) -> str:
        """Return the message's text; notifications show it where there are blocks."""
        text = shorten(self._text(payload), MAX_TEXT) if self._text is not None else ""
        if text.strip():
            return text
        if self._text is not None and self._blocks is None:
            raise InvalidPayload("the text is empty for this event; give defaults in settings.text")
        return shorten(summary(event), MAX_TEXT)

    def _hook(self, message: Mapping[str, Any]) -> Request:
        url = self.settings.webhook_url
        assert url is not None
        return Request.json("POST", url.get_secret_value(), message)

    def _api(self, method: str, arguments: Mapping[str, Any]) -> Request:
        token = self.settings.token
        assert token is not None
        headers = {
            "authorization": f"Bearer {token.get_secret_value()}",
            "content-type": "application/json; charset=utf-8",
        }
        url = f"{self.settings.api_url.rstrip('/')}/{method}"
        return Request.json("POST", url, arguments, headers)


def summary(event: Event) -> str:
    """Return one escaped line that says who did what: `ada@example.com: *Order Completed*`."""
    profile = event.profile
    email = profile.traits.get("email")
    who = email if isinstance(email, str) and email else event.user_id or event.anonymous_id
    what = event.event or event.name
    if event.type == "group":
        what = event.group_id
    parts = [_DID.get(event.type, "")] + ([f"*{escape_text(what)}*"] if what else [])
    return f"{escape_text(who or 'somebody')}: {' '.join(filter(None, parts)) or event.type}"
