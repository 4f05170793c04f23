"""Destinations that keep a copy of audiences: comparing it with the hub, and mending it."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, Iterable
from dataclasses import dataclass

from junctor.sdk.event import ProfileView


@dataclass(frozen=True, slots=True)
class Drift:
    """The result of a full compare; ids in order, each once.

    `missing` are members that the copy lacks, `extra` are ids in the copy of nobody who is a
    member, `remote` is how many ids the copy has.
    """

    missing: tuple[str, ...]
    extra: tuple[str, ...]
    remote: int


class AudienceSync(ABC):
    """What a destination whose manifest says `keeps_audiences` offers besides deliveries.

    `junctor audiences sync` asks for it, in a process of its own and while deliveries go on.
    """

    @abstractmethod
    def member_id(self, profile: ProfileView) -> str | None:
        """Return the id by which a person stands in the copy, None for who can't stand there."""

    @abstractmethod
    async def compare(self, audience: str, expected: AsyncIterable[str] | Iterable[str]) -> Drift:
        """Read the whole copy of an audience and tell how it differs from the `expected` ids.

        Raises:
            DeliveryError: it can't be read.
        """

    @abstractmethod
    async def repair(self, audience: str, drift: Drift) -> None:
        """Add who is missing and remove who is extra; done again it changes nothing.

        It waits where the vendor asks for it: nobody else would try again.

        Raises:
            DeliveryError: it could not be mended whole.
        """
