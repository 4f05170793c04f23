"""Sources: what brings records in. Push sources are called over HTTP, pull sources poll."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

from junctor.sdk.context import Context
from junctor.sdk.json import parse_json
from junctor.sdk.manifest import Manifest
from junctor.sdk.settings import Settings

S = TypeVar("S", bound=Settings)


@dataclass(frozen=True)
class InboundRequest:
    """One HTTP request to a push source, body already decompressed and within the limits.

    `path` is what follows the mount ("/batch" below "/v1", "" at a hook's own address), without a
    trailing slash; header names are lower case; `query` has the last value of each name;
    `remote` is the client's address; `received_at` epoch milliseconds.
    """

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    remote: str | None = None
    received_at: int = 0

    @cached_property
    def json(self) -> Any:
        """The parsed body, whatever the content type says.

        Raises:
            MalformedRequest: it is no JSON; the message names the position.
        """
        return parse_json(self.body)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the source's own making."""

    status: int = 200
    body: bytes = b'{"success":true}'
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})


@dataclass(frozen=True, slots=True)
class Refused:
    """An item of a batch that can't be an event: kept with its reason, the others go on."""

    item: Any
    reason: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a request brought.

    `records` are Segment-shaped dicts (see protocols of Segment's HTTP tracking API); the hub
    checks, numbers and stores them, then answers `reply`. A record's `sentAt` is used for
    clock-skew correction if `corrects_clock` is set. With `alone`, a record that can't be an event
    is answered with 400 instead of being kept as rejected: for calls that carry a single event.
    """

    records: Sequence[dict[str, Any]] = ()
    refused: Sequence[Refused] = ()
    reply: Reply = field(default_factory=Reply)
    alone: bool = False
    corrects_clock: bool = False


class PushSource(ABC, Generic[S]):
    """Is called over HTTP: SDKs, webhooks of other services.

    Always reachable at `POST /hooks/{id}` and `/hooks/{id}/{token}` (the token is `path` there:
    "/TOKEN"), and below every prefix in `mounts`. Several sources may share a mount: the first
    whose `claims` is true gets the request.
    """

    manifest: ClassVar[Manifest]
    settings_model: ClassVar[type[Settings]]
    mounts: ClassVar[Sequence[str]] = ()

    def __init__(self, settings: S, ctx: Context) -> None:
        """Keep settings and context; no I/O here."""
        self.settings = settings
        self.ctx = ctx

    def claims(self, request: InboundRequest) -> bool:
        """Whether a request to a shared mount is this source's, usually by its key."""
        return True

    @abstractmethod
    def accept(self, request: InboundRequest) -> Accepted | Reply:
        """Verify and translate; pure. A Reply is answered as it is and nothing is stored.

        Raises:
            SourceError: what is answered instead, with its status.
        """


@dataclass(frozen=True, slots=True)
class Page:
    """Records of a pull source and the cursor behind them: the host commits both at once."""

    records: Sequence[dict[str, Any]]
    cursor: str


class PullSource(ABC, Generic[S]):
    """Polls: the host calls `pull` every `interval` with the last committed cursor."""

    manifest: ClassVar[Manifest]
    settings_model: ClassVar[type[Settings]]
    interval: ClassVar[float] = 60.0
    """Seconds between two pulls."""

    def __init__(self, settings: S, ctx: Context) -> None:
        """Keep settings and context; no I/O here."""
        self.settings = settings
        self.ctx = ctx

    @abstractmethod
    def pull(self, cursor: str | None) -> AsyncIterator[Page]:
        """Yield pages from `cursor` on until there is no more for now; None starts at the start.

        Raises:
            DeliveryError: as destinations do; the pull is tried again later from the last cursor.
        """
