"""What the loader needs to know about connectors; the registry of the host fulfills it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from junctor.model.problems import Problem
from junctor.sdk import Destination, PullSource, PushSource

Kind = Literal["source", "destination"]
SourceClass = type[PushSource[Any]] | type[PullSource[Any]]
DestinationClass = type[Destination[Any]]


class Connectors(Protocol):
    """The connectors that a configuration may name."""

    @property
    def problems(self) -> Sequence[Problem]:
        """What is wrong with plug-ins named by path; paths as in the file ("plugins[0]")."""
        ...

    def with_plugins(self, plugins: Sequence[Path]) -> "Connectors":
        """Return the same connectors together with those in these files and folders."""
        ...

    def types(self, kind: Kind) -> Sequence[str]:
        """Return the names of all connectors of a kind, sorted."""
        ...

    def source(self, type: str) -> SourceClass:
        """Return the source connector of this type.

        Raises:
            PluginError: it can't be loaded.
            KeyError: there is none.
        """
        ...

    def destination(self, type: str) -> DestinationClass:
        """Return the destination connector of this type; raises as `source` does."""
        ...
