"""Which connectors there are: built in, installed as plug-ins, or named as files and folders.

Installed connectors are found by entry point (groups `junctor.sources`, `junctor.destinations`;
name = type) and imported only when asked for. Those of junctor itself are found the same way.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from inspect import isabstract
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, cast

from junctor.config.connectors import DestinationClass, Kind, SourceClass
from junctor.host.plugins import PluginFile, blame, import_plugin
from junctor.model.problems import PluginError, Problem
from junctor.model.units import parse_rate
from junctor.sdk import Destination, Manifest, PullSource, PushSource, Settings

GROUPS: Final[Mapping[Kind, str]] = MappingProxyType(
    {"source": "junctor.sources", "destination": "junctor.destinations"}
)
BASES: Final[Mapping[Kind, tuple[type, ...]]] = MappingProxyType(
    {"source": (PushSource, PullSource), "destination": (Destination,)}
)
_OURS: Final = "junctor"


@dataclass(frozen=True)
class Offer:
    """A connector that can be had: `origin` is the distribution or the file it comes from."""

    kind: Kind
    type: str
    origin: str
    entry_point: EntryPoint | None = field(default=None, repr=False)
    cls: SourceClass | DestinationClass | None = field(default=None, repr=False)

    @property
    def is_built_in(self) -> bool:
        """Whether it is part of junctor's own distribution."""
        return self.entry_point is not None and self.origin == _OURS

    def load(self) -> SourceClass | DestinationClass:
        """Return the class, importing it if need be.

        Raises:
            PluginError: it can't be imported, or is no proper connector.
        """
        if self.cls is not None:
            return self.cls
        assert self.entry_point is not None
        name = f'{self.kind} "{self.type}" of {self.origin}'
        try:
            loaded = self.entry_point.load()
        except (Exception, SystemExit) as error:
            raise PluginError(f"{name} can't be imported: {blame(error)}") from error
        for fault in faults(loaded, self.kind):
            raise PluginError(f"{name}: {fault}")
        if _manifest(loaded).type != self.type:
            raise PluginError(
                f'{name}: its manifest says type "{_manifest(loaded).type}"; '
                "it must be the entry point's name"
            )
        return cast(SourceClass | DestinationClass, loaded)


def faults(cls: object, kind: Kind) -> Iterable[str]:
    """Yield what keeps `cls` from being a connector of this kind."""
    if not isinstance(cls, type) or not issubclass(cls, BASES[kind]):
        yield f"{_name(cls)} is no {' or '.join(base.__name__ for base in BASES[kind])}"
        return
    missing = sorted(getattr(cls, "__abstractmethods__", ()))
    if missing:
        yield f"{cls.__name__} does not implement {', '.join(missing)}"
    manifest = getattr(cls, "manifest", None)
    if not isinstance(manifest, Manifest):
        yield f"{cls.__name__} has no manifest"
    elif manifest.rate is not None and not _is_rate(manifest.rate):
        yield f'the rate in the manifest of {cls.__name__} is not like "1/s" or "100/m"'
    model = getattr(cls, "settings_model", None)
    if not isinstance(model, type) or not issubclass(model, Settings):
        yield f"{cls.__name__} has no settings_model"


class Registry:
    """All connectors by kind and type. Immutable; `with_plugins` gives another one."""

    def __init__(self, offers: Iterable[Offer], plugins: Sequence[Path] = ()) -> None:
        """Take the installed connectors as `offers` and add those of `plugins`."""
        self._installed = tuple(offers)
        self._problems: list[Problem] = []
        self._offers: dict[tuple[Kind, str], list[Offer]] = {}
        for offer in self._installed:
            self._offers.setdefault((offer.kind, offer.type), []).append(offer)
        for position, path in enumerate(plugins):
            self._add_plugin(path, f"plugins[{position}]")

    @classmethod
    def discover(
        cls, plugins: Sequence[Path] = (), entry_points: Iterable[EntryPoint] | None = None
    ) -> "Registry":
        """Find the installed connectors, and those in the files and folders of `plugins`.

        `entry_points` stands in for what is installed. A plug-in that fails harms no other: what
        is wrong with one of `plugins` is in `problems`, with an installed one is raised by `source`
        and `destination`.
        """
        return cls(_installed(entry_points), plugins)

    def with_plugins(self, plugins: Sequence[Path]) -> "Registry":
        """Return the installed connectors together with those of `plugins`, read afresh."""
        return Registry(self._installed, plugins)

    @property
    def problems(self) -> Sequence[Problem]:
        """What is wrong with the plug-ins named by path, at "plugins[0]" and so on."""
        return tuple(self._problems)

    @property
    def offers(self) -> Sequence[Offer]:
        """All connectors, sorted by type; where two claim a type, both."""
        found = [offer for offers in self._offers.values() for offer in offers]
        return sorted(found, key=lambda offer: (offer.type, offer.kind, offer.origin))

    def types(self, kind: Kind) -> Sequence[str]:
        """Return the types of a kind, sorted."""
        return sorted(type for of, type in self._offers if of == kind)

    def source(self, type: str) -> SourceClass:
        """Return the source connector of this type.

        Raises:
            PluginError: it can't be loaded.
            KeyError: there is none.
        """
        return cast(SourceClass, self._load("source", type))

    def destination(self, type: str) -> DestinationClass:
        """Return the destination connector of this type; raises as `source` does."""
        return cast(DestinationClass, self._load("destination", type))

    def _load(self, kind: Kind, type: str) -> SourceClass | DestinationClass:
        offers = self._offers[kind, type]
        if len(offers) > 1:
            origins = " and ".join(sorted(offer.origin for offer in offers))
            raise PluginError(f'{kind} "{type}" is offered by {origins}; uninstall one')
        return offers[0].load()

    def _add_plugin(self, path: Path, place: str) -> None:
        """Add what a file or folder defines; what can't be used becomes a problem."""
        before = len(self._problems), len(self._offers)
        for file in import_plugin(path):
            if file.error:
                self._complain(place, path, f"{file.name}: {file.error}")
            for cls in file.classes:
                self._add_class(cls, file, place, path)
        if (len(self._problems), len(self._offers)) == before:
            hint = "a connector is a subclass of Destination, PushSource or PullSource"
            self._complain(place, path, "no connector is defined there", hint)

    def _add_class(self, cls: type, file: PluginFile, place: str, path: Path) -> None:
        """Add a class if it is a connector; helpers and bases of the plug-in's own are not."""
        kind = next((kind for kind, bases in BASES.items() if issubclass(cls, bases)), None)
        if kind is None or (isabstract(cls) and "manifest" not in vars(cls)):
            return
        wrong = list(faults(cls, kind))
        for fault in wrong:
            self._complain(place, path, f"{file.name}: {fault}")
        if wrong:
            return
        offer = Offer(kind, _manifest(cls).type, str(file.path), cls=cls)
        others = self._offers.setdefault((kind, offer.type), [])
        if others:
            message = f'{file.name}: {kind} "{offer.type}" is already offered by {others[0].origin}'
            self._complain(place, path, message, "give its manifest another type")
            return
        others.append(offer)

    def _complain(self, place: str, path: Path, message: str, hint: str | None = None) -> None:
        self._problems.append(Problem(place, f"plug-in {path.name}: {message}", hint))


def _installed(given: Iterable[EntryPoint] | None) -> Iterable[Offer]:
    for kind, group in GROUPS.items():
        points = (
            entry_points(group=group)
            if given is None
            else [point for point in given if point.group == group]
        )
        for point in points:
            origin = point.dist.name if point.dist else point.value.partition(":")[0]
            yield Offer(kind, point.name, origin, entry_point=point)


def _manifest(cls: type[Any]) -> Manifest:
    return cast(Manifest, cls.manifest)


def _name(thing: object) -> str:
    return thing.__name__ if isinstance(thing, type) else f"a {type(thing).__name__}"


def _is_rate(text: str) -> bool:
    try:
        parse_rate(text)
    except ValueError:
        return False
    return True
