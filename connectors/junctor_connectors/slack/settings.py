"""What can be set for Slack."""

from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from junctor.sdk import Secret, Settings
from junctor_connectors.slack.blocks import compile_blocks, parse_blocks
from junctor_connectors.slack.escaping import compile_text


class SlackSettings(Settings):
    """Where messages go, by one of two ways, and what they say."""

    webhook_url: Secret | None = None
    """URL of an incoming webhook; it names the channel and is a secret. This, or `token`."""
    token: Secret | None = None
    """Token of a Slack app (`xoxb-…`) with the scope `chat:write`; needs `channel`."""
    channel: str | None = Field(default=None, min_length=1)
    """Id of the channel for `token`, as `C0123456789`; the app must be a member of it."""
    text: str | None = Field(default=None, min_length=1)
    """The message as a template in Slack's mrkdwn, such as
    `*{{event}}* by {{profile.traits.email | somebody}}`. Values are escaped: no event can ping a
    channel or hide a link behind other words. With `blocks` it is what notifications show. Default:
    a short line that says what happened and who did it."""
    blocks: list[dict[str, Any]] | str = Field(default=[])
    """Block Kit, as TOML tables or as JSON text out of Slack's Block Kit Builder; the texts and
    URLs inside are templates like `text`. A text that comes out empty is shown as `–`."""
    api_url: str = Field(
        default="https://slack.com/api", pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$"
    )
    """Root of Slack's Web API, for `token`; GovSlack has its own."""

    @field_validator("webhook_url")
    @classmethod
    def _is_url(cls, secret: Secret | None) -> Secret | None:
        if secret is not None:
            text = secret.get_secret_value()
            try:
                parts = urlsplit(text)
                good = (
                    parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
                )
            except ValueError:
                good = False
            if not good or not text.isascii() or not text.isprintable() or " " in text:
                raise ValueError("an http(s) URL is expected")
        return secret

    @field_validator("token")
    @classmethod
    def _is_token(cls, secret: Secret | None) -> Secret | None:
        if secret is not None:
            text = secret.get_secret_value()
            if not text or not text.isascii() or not text.isprintable() or " " in text:
                raise ValueError("no Slack token: empty, or with characters that no token has")
        return secret

    @field_validator("text")
    @classmethod
    def _is_template(cls, text: str | None) -> str | None:
        if text is not None:
            compile_text(text)
        return text

    @field_validator("blocks")
    @classmethod
    def _are_blocks(cls, blocks: list[dict[str, Any]] | str) -> list[dict[str, Any]] | str:
        compile_blocks(parse_blocks(blocks))
        return blocks

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.webhook_url is None) == (self.token is None):
            raise ValueError("give either webhook_url, or token and channel")
        if self.token is not None and self.channel is None:
            raise ValueError("token needs channel")
        if self.webhook_url is not None and self.channel is not None:
            raise ValueError("a webhook has its own channel; give token instead to choose one")
        return self
