"""The configuration as checked models. A field's docstring is its documentation.

Connector settings stay raw here (`settings`): each connector's own model checks them in load.py.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from junctor.config.address import Listen, Network
from junctor.config.units import Duration, Rate, Size

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
"""Key of a source, destination, route or definition: stands in URLs and metric labels."""


class Section(BaseModel):
    """Base of every table: frozen, unknown keys are errors, input is never repeated."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
    )


class Server(Section):
    """The ingest and decision listener."""

    listen: Listen = "127.0.0.1:8080"
    """Address and port; port 0 takes any free one."""
    trusted_proxies: tuple[Network, ...] = ()
    """Networks of proxies in front of the hub: their X-Forwarded-For names the client."""
    max_body: Size = Field(default=10 * 2**20, gt=0)
    """Largest request body as sent; over it 413. SDKs do not split a batch that got 413."""
    max_decompressed: Size = Field(default=32 * 2**20, gt=0)
    """Largest body after gzip or deflate; over it 413."""
    max_event: Size = Field(default=2**20, gt=0)
    """Largest single event; over it the event is kept as rejected, the rest of a batch goes on."""
    max_pending: Size = Field(default=64 * 2**20, gt=0)
    """Bytes of accepted requests waiting for the disk or the pipeline; over it 503, Retry-After."""
    body_timeout: Duration = Field(default=30.0, gt=0)
    """Longest time a client may take to send its body."""
    drain_timeout: Duration = Field(default=25.0, gt=0)
    """Longest time that SIGTERM waits for work in flight."""


class Admin(Section):
    """The listener for operators."""

    listen: Listen = "127.0.0.1:8081"
    """Address and port; anything but loopback needs `token`."""
    token: SecretStr | None = None
    """Bearer token that every admin request must carry."""


class Retention(Section):
    """How long processed events are kept for replay; what a destination still needs stays."""

    age: Duration = Field(default=7 * 86400.0, gt=0)
    """Events older than this are removed once every destination is done with them."""
    size: Size = Field(default=10 * 2**30, gt=0)
    """Largest log; the oldest processed events go first."""
    dead_letters: Duration = Field(default=30 * 86400.0, gt=0)
    """Dead letters and rejected events older than this are removed."""


class Store(Section):
    """Where everything is kept."""

    path: Path = Path("./junctor-data")
    """A folder of its own; relative to the configuration file."""
    retention: Retention = Retention()
    """How long events are kept."""
    dedupe_window: Duration = Field(default=86400.0, ge=0)
    """An event with the same source and messageId within this time is a duplicate."""


class Egress(Section):
    """Which addresses destinations may dial."""

    allow: tuple[Network, ...] = ()
    """Networks allowed although private, loopback, link-local or reserved."""


class Log(Section):
    """Log output."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level shown."""
    format: Literal["auto", "json", "pretty"] = "auto"
    """`auto`: pretty on a terminal, JSON elsewhere."""


class Source(Section):
    """Where events come from."""

    type: str
    """A source connector."""
    settings: dict[str, Any] = {}
    """The connector's own settings."""
    enabled: bool = True
    """A disabled source answers 404."""
    exit_idle: Duration | None = Field(default=None, gt=0)
    """Silence after which a visitor of this source counts as gone; set it where the source sends
    heartbeats."""
    settle_lag: Duration = Field(default=1.0, ge=0, le=60)
    """How long stragglers are waited for before an absence is acted upon; at most a minute."""


class Identifier(Section):
    """One kind of identifier; the order of the list is the priority."""

    kind: str = Field(pattern=r"^[A-Za-z0-9_.$-]+$")
    """Name of the kind: user_id, anonymous_id, email, …"""
    source_paths: tuple[str, ...] = Field(default=(), alias="from")
    """Paths in the event where its values stand; user_id and anonymous_id have theirs built in."""
    limit: int = Field(default=5, ge=1)
    """Most values of this kind on one profile; beyond it profiles are not merged."""
    blocked: tuple[str, ...] = ()
    """Values that are nobody's, beside the built-in ones; `*` stands for any text."""


class Identity(Section):
    """How events are brought together to a person."""

    identifiers: tuple[Identifier, ...] = (
        Identifier(kind="user_id", limit=1),
        Identifier(
            kind="email",
            limit=5,
            **{"from": ("traits.email", "context.traits.email", "properties.email")},
        ),
        Identifier(kind="anonymous_id", limit=100),
    )
    """Kinds by priority, highest first."""
    blocked: tuple[str, ...] = ("", "-1", "null", "undefined", "none", "anonymous", "unknown")
    """Values that are never an identifier of any kind, beside those of only zeros and dashes."""
    max_merges: int = Field(default=100, ge=0)
    """Most profiles that may be merged into one, ever."""


class Retry(Section):
    """When a failed delivery is tried again."""

    initial: Duration = Field(default=1.0, gt=0)
    """Wait after the first failure; doubles from try to try, with jitter."""
    max: Duration = Field(default=300.0, gt=0)
    """Longest wait between two tries."""
    give_up_after: Duration = Field(default=86400.0, gt=0)
    """Time since the first try after which the event becomes a dead letter."""


class Breaker(Section):
    """When a failing destination is left alone for a while."""

    failures: int = Field(default=5, ge=1)
    """Consecutive failed calls that open the breaker."""
    cooldown: Duration = Field(default=5.0, gt=0)
    """Time until a single probe; doubles from probe to probe up to `retry.max`."""


class Delivery(Section):
    """How a destination is served; the same block for every destination, owned by the hub."""

    max_batch: int | None = Field(default=None, ge=1)
    """Most events in one call; never above the connector's own limit."""
    max_batch_bytes: Size | None = Field(default=None, ge=1)
    """Most bytes in one call; never above the connector's own limit."""
    flush_interval: Duration = Field(default=0.02, ge=0)
    """Longest wait of a lone event for company."""
    concurrency: int = Field(default=4, ge=1, le=256)
    """Calls in flight at once."""
    rate: Rate | None = None
    """Most calls in a time; never above the connector's own limit."""
    timeout: Duration = Field(default=30.0, gt=0)
    """Longest time of one call."""
    ordering: Literal["per_profile", "none"] | None = None
    """Whether a person's events are kept in order; default is the connector's."""
    retry: Retry = Retry()
    """When to try again."""
    breaker: Breaker = Breaker()
    """When to leave a failing destination alone."""
    pause_probe: Duration = Field(default=300.0, gt=0)
    """A destination paused for its credentials or address is probed with one event this often."""


class Destination(Section):
    """Where events go."""

    type: str
    """A destination connector."""
    settings: dict[str, Any] = {}
    """The connector's own settings."""
    enabled: bool = True
    """A disabled destination holds its events; it is paused, not gone."""
    delivery: Delivery = Delivery()
    """How it is served."""
    consent: tuple[str, ...] = ()
    """Consent categories; all must be granted by `context.consent.categoryPreferences`."""
    integration: str | None = None
    """Name by which an event's `integrations` object speaks of it; default the connector's title.
    The destination's id is understood as well."""
    start: Literal["now", "beginning"] = "now"
    """Where a new destination starts: with events from now on, or with all that are retained."""


class Route(Section):
    """Which events go where."""

    sources: tuple[str, ...] | None = Field(default=None, alias="from")
    """Sources; all when absent. `junctor` is the hub itself: audiences entered and left, and
    signals."""
    to: tuple[str, ...] = Field(min_length=1)
    """Destinations."""
    when: str | None = None
    """Condition in FQL; every event when absent."""


class Reader(Section):
    """Who may read audiences, attributes and scores."""

    key: SecretStr
    """Bearer token of a server that reads."""
    origins: tuple[str, ...] = ()
    """Origins of web pages that may read: `https://shop.example`. A browser reads only with a
    signed id."""
    signing_secret: SecretStr | None = None
    """Signs the ids that browsers read by; without it no browser reads."""


class Runtime(Section):
    """How the hub uses the machine."""

    workers: Literal["auto"] | Annotated[int, Field(ge=0, le=64)] = "auto"
    """Processes beside the hub's own that read and check what comes in and build and send what goes
    out. 0: the hub does it itself. auto: one for each processor beyond two, at most 4."""


class Config(Section):
    """junctor.toml as a whole."""

    server: Server = Server()
    """The ingest listener."""
    admin: Admin = Admin()
    """The listener for operators."""
    store: Store = Store()
    """Where everything is kept."""
    egress: Egress = Egress()
    """Which addresses destinations may dial."""
    log: Log = Log()
    """Log output."""
    runtime: Runtime = Runtime()
    """Processes."""
    plugins: tuple[Path, ...] = ()
    """Files or folders with connectors of your own; relative to the configuration file."""
    audience_files: tuple[Path, ...] = ()
    """Python files that define audiences and the like; relative to the configuration file. See
    docs/audiences.md."""
    sources: dict[Id, Source] = {}
    """Where events come from, by id."""
    identity: Identity = Identity()
    """How events are brought together to a person."""
    destinations: dict[Id, Destination] = {}
    """Where events go, by id."""
    routes: dict[Id, Route] = {}
    """Which events go where, by id."""
    readers: dict[Id, Reader] = {}
    """Who may read at decision time, by name."""
    audiences: dict[Id, dict[str, Any]] = {}
    """Who is in, by name: a condition, and how long it lasts. See docs/audiences.md, also for the
    sections below."""
    signals: dict[Id, dict[str, Any]] = {}
    """Patterns that emit the event `signal:NAME`, by name."""
    states: dict[Id, dict[str, Any]] = {}
    """Values that last until the next event that sets them, by name."""
    scores: dict[Id, dict[str, Any]] = {}
    """Sums of what events add, by name."""
    attributes: dict[Id, dict[str, Any]] = {}
    """Figures of a profile that are computed when they are read, by name."""
    services: dict[Id, dict[str, Any]] = {}
    """What is read together, by name."""
