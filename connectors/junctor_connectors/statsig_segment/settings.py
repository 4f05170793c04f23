"""What can be set for Statsig's segments."""

from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from junctor.sdk import Secret, Settings, compile_template

Url = Annotated[str, Field(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")]

Name = Annotated[str, Field(min_length=1)]

SegmentId = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{3,100}$")]
"""Statsig's rule for the id of a segment."""

_KINDS: Final = {"userID": "user_id", "stableID": "anonymous_id"}


def _template(text: str) -> str:
    compile_template(text)
    return text


Template = Annotated[str, AfterValidator(_template)]


class StatsigSegmentSettings(Settings):
    """Which Statsig project, which id its segments list, and what they are called."""

    console_key: Secret
    """A Console API key of the project (`console-…`) that may write; server secrets and client keys
    are refused."""
    api_url: Url = "https://statsigapi.net"
    """Root of the Console API."""
    api_version: Name = "20240601"
    """Version of the Console API that is asked for."""
    id_type: Name = "userID"
    """The kind of id that the segments list: `userID`, `stableID` or the name of a custom ID. It is
    fixed when a segment is created; one of another kind is not written to."""
    identifier: Name | None = None
    """The kind of identifier here that is that id: `user_id`, `anonymous_id`, `group_id` (for
    audiences of accounts) or a kind of `[identity]`. Default: `user_id` for `userID`,
    `anonymous_id` for `stableID`; a custom ID needs it said."""
    segments: dict[Name, SegmentId] = Field(default={})
    """The segments of audiences: key of the audience = id of the segment. Default: the audience's
    key; where Statsig does not allow it as an id, what is allowed of it and a digest."""
    create: bool = True
    """Whether a segment that does not exist is created. If not, the destination pauses until
    somebody does."""
    description: Template = "The audience {{audience}}, kept up to date by junctor."
    """What a created segment says of itself; `{{audience}}` is the audience's key."""

    @field_validator("console_key")
    @classmethod
    def _sendable(cls, secret: Secret) -> Secret:
        text = secret.get_secret_value()
        if not text or not text.isascii() or not text.isprintable() or " " in text:
            raise ValueError("no Statsig key: empty, or with characters that no key has")
        return secret

    @field_validator("segments")
    @classmethod
    def _each_its_own(cls, segments: dict[str, str]) -> dict[str, str]:
        if len(set(segments.values())) < len(segments):
            raise ValueError("two audiences can't share a segment: each would empty the other")
        return segments

    @model_validator(mode="after")
    def _identifier_is_known(self) -> Self:
        if self.identifier is None and self.id_type not in _KINDS:
            raise ValueError("`identifier` is missing: the kind of identifier that is this id_type")
        return self

    def kind(self) -> str:
        """Return the kind of identifier that becomes a member's id."""
        return self.identifier or _KINDS[self.id_type]
