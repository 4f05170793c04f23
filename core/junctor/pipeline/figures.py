"""Attributes and scores of a person, for whoever is told of an event: computed when asked for."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from junctor.audiences.behavior import Behavior
from junctor.audiences.program import Program
from junctor.model.profile import Figures, Profile


def figures_of(program: Program, profile: Profile, at: int) -> Figures:
    """Return the attributes and scores of `profile` at a time (epoch ms)."""
    if not program.attributes and not program.scores:
        return {}, {}
    held = _Held(profile)
    attributes = {
        name: lambda read=read: read.value(held.states, at)
        for name, read in program.attributes.items()
    }
    scores = {
        name: lambda read=read: read.shown(held.states, at) for name, read in program.scores.items()
    }
    return LazyMapping(attributes), LazyMapping(scores)


class LazyMapping(Mapping[str, Any]):
    """A mapping whose values are computed when they are asked for."""

    def __init__(self, makers: Mapping[str, Callable[[], Any]]) -> None:
        """Compute by `makers`."""
        self._makers = makers

    def __getitem__(self, name: str) -> Any:
        """Return the value of `name`, computed now."""
        return self._makers[name]()

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._makers)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._makers)


@dataclass(slots=True)
class _Held:
    """A person's states, decoded once, by the first figure that is asked for."""

    profile: Profile
    _states: Mapping[str, Any] | None = None

    @property
    def states(self) -> Mapping[str, Any]:
        if self._states is None:
            self._states = Behavior.decode(self.profile.behavior).own.states
        return self._states
