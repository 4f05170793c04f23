"""What can be set for Statsig."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from junctor.sdk import Secret, Settings, compile_template

Url = Annotated[str, Field(pattern=r"^https?://[^\s/?#@]+([/?#]\S*)?$")]

Name = Annotated[str, Field(min_length=1)]

Chosen = Literal["all"] | frozenset[Name]
"""Names, or all of them."""


def _template(text: str) -> str:
    compile_template(text)
    return text


Template = Annotated[str, Field(min_length=1), AfterValidator(_template)]


class EventNames(Settings):
    """The event name at Statsig for each type of call, as a template of the event."""

    track: Template = "{{event}}"
    """Name of a track event."""
    page: Template = "page_view"
    """Name of a page event. One name for all pages keeps Statsig's list of events short; the page's
    own name is in the metadata. `Viewed {{name}}` makes it one event per page."""
    screen: Template = "screen_view"
    """Name of a screen event."""
    identify: Template = "identify"
    """Name of an identify event, if `send` has it."""
    group: Template = "group"
    """Name of a group event."""
    alias: Template = "alias"
    """Name of an alias event, if `send` has it."""


class StatsigSettings(Settings):
    """Which Statsig project, and how events and people are named there."""

    server_secret: Secret
    """The project's server secret key (`secret-…`)."""
    mode: Literal["events", "forward"] = "events"
    """`events`: translate into Statsig's own events and send them in batches to `endpoint`.
    `forward`: hand each event over unchanged to `forward_url`, one per request, and let Statsig's
    Segment integration translate it."""
    endpoint: Url = "https://events.statsigapi.net/v1/log_event"
    """Where translated events go."""
    forward_url: Url = "https://api.statsig.com/v1/webhooks/segment_webhook"
    """Where unchanged events go in `forward` mode; `…/v1/webhooks/rudderstack` takes them too."""
    send: frozenset[Literal["track", "identify", "page", "screen", "group", "alias"]] | None = None
    """Types of events that are sent; others are filtered and counted. Default in `events` mode:
    track, page, screen and group, as Statsig's own Segment integration does: identify carries
    traits, not something that happened, and would only add to the bill. In `forward` mode: all."""
    event_prefix: str = Field(default="", max_length=64)
    """Put before every event name; `segment::` and `segment_track:` are what Statsig's and
    Segment's documents show for Statsig's own integration."""
    names: EventNames = EventNames()
    """Event names by type."""
    custom_ids: dict[Name, Name] = Field(default={"segmentAnonymousId": "anonymous_id"})
    """Statsig's custom IDs: name there = kind of identifier here. Kinds are `anonymous_id`,
    `group_id`, `user_id` (the event's own, else the person's newest) and every kind of
    `[identity]`. A custom ID must exist in Statsig's project settings first."""
    traits: Literal["all"] | frozenset[str] = frozenset()
    """Traits of the person that become custom attributes of the user: a list, or `all`."""
    audiences: Chosen = frozenset()
    """Audiences that become custom attributes of the user, named as the audience: true for a
    member. One that is listed is always there, false for everybody else, so that a gate can ask for
    either; with `all` only those are there in which the person is, or was told to be or not."""
    attributes: Chosen = frozenset()
    """Attributes of the person's behavior (`[attributes.NAME]`) that become custom attributes: a
    list, or `all`. One without a value is left out."""
    scores: Chosen = frozenset()
    """Scores (`[scores.NAME]`) that become custom attributes: a list, or `all`. Where names are the
    same, audiences go before scores, scores before attributes, and those before traits; what the
    event says itself (`properties.statsigCustom`) goes before all."""
    value_from: tuple[str, ...] = ("revenue", "value", "total")
    """Properties that give the event's value: the first that is a number or a text."""
    environment: str = Field(default="production", min_length=1)
    """Statsig environment tier; an event's `properties.statsigEnvironment` wins."""
    gzip: bool = True
    """Whether request bodies are compressed."""

    @field_validator("server_secret")
    @classmethod
    def _sendable(cls, secret: Secret) -> Secret:
        text = secret.get_secret_value()
        if not text or not text.isascii() or not text.isprintable() or " " in text:
            raise ValueError("no Statsig key: empty, or with characters that no key has")
        return secret
