"""What `junctor connectors` shows and the connector pages are made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from inspect import getdoc
from typing import Any, cast

from junctor.config.connectors import Kind
from junctor.config.reference import Key, keys
from junctor.host.registry import Offer, Registry
from junctor.model.problems import PluginError
from junctor.sdk import EventType, Manifest, PushSource, Settings


@dataclass(frozen=True, slots=True)
class ConnectorInfo:
    """One connector. `error` says why a plug-in can't be used; then there is no `manifest`.

    `settings` are its keys below `settings`; `mounts` the paths below which a push source answers
    besides `/hooks/ID`.
    """

    kind: Kind
    type: str
    origin: str
    built_in: bool
    manifest: Manifest | None = None
    description: str = ""
    settings: tuple[Key, ...] = ()
    mounts: tuple[str, ...] = ()
    pushed: bool = False
    error: str | None = None

    @property
    def title(self) -> str:
        """The connector's name for people."""
        return self.manifest.title if self.manifest else self.type

    @property
    def summary(self) -> str:
        """One sentence on what it does, or why it can't be used."""
        return self.manifest.summary if self.manifest else self.error or ""

    @property
    def stability(self) -> str:
        """alpha, beta or stable; broken for what can't be used."""
        return self.manifest.stability if self.manifest else "broken"

    @property
    def accepts(self) -> tuple[str, ...]:
        """Event types that a destination is given, in the order of the specification."""
        if self.manifest is None or self.kind == "source":
            return ()
        return tuple(kind.value for kind in EventType if kind in self.manifest.accepts)

    @property
    def limits(self) -> dict[str, str]:
        """The limits of a destination by name, as text."""
        if self.manifest is None or self.kind == "source":
            return {}
        return {
            "max_batch": str(self.manifest.max_batch),
            "max_batch_bytes": str(self.manifest.max_batch_bytes),
            "rate": self.manifest.rate or "none",
            "ordering": self.manifest.ordering,
        }


def connectors_table(registry: Registry, type: str | None = None) -> Sequence[ConnectorInfo]:
    """Return all connectors, or those of one type, sorted by type and kind.

    A plug-in that can't be imported has its own row, with the reason.
    """
    return [_info(offer) for offer in registry.offers if type in (None, offer.type)]


def _info(offer: Offer) -> ConnectorInfo:
    try:
        cls = cast(Any, offer.load())
    except PluginError as error:
        return ConnectorInfo(
            offer.kind, offer.type, offer.origin, offer.is_built_in, error=str(error)
        )
    model: type[Settings] = cls.settings_model
    return ConnectorInfo(
        kind=offer.kind,
        type=offer.type,
        origin=offer.origin,
        built_in=offer.is_built_in,
        manifest=cls.manifest,
        description=getdoc(cls) or "",
        settings=tuple(keys(model)),
        mounts=tuple(getattr(cls, "mounts", ())),
        pushed=issubclass(cls, PushSource),
    )
