"""Shares of people, how sure one can be of them, and what two of them differ by."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

Interval = tuple[float, float]
_Z: Final = 1.959964
"""Standard deviations on either side that hold 95 %."""


def wilson(share: float, people: float) -> Interval:
    """Return the 95 % interval of a share seen among so many people [Wilson 1927].

    It stays within 0 and 1, and is of use for few people and for shares of 0 and 1, too.
    """
    if people <= 0:
        return 0.0, 1.0
    over = 1 + _Z**2 / people
    middle = (share + _Z**2 / (2 * people)) / over
    half = _Z / over * sqrt(share * (1 - share) / people + _Z**2 / (4 * people**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def difference(one: "Share", other: "Share") -> tuple[float, Interval]:
    """Return by how much one share is above the other, with its 95 % interval.

    [Newcombe 1998, method 10]: from the Wilson intervals of both.
    """
    found = one.share - other.share
    low_1, high_1 = wilson(one.share, one.people)
    low_2, high_2 = wilson(other.share, other.people)
    below = sqrt((one.share - low_1) ** 2 + (high_2 - other.share) ** 2)
    above = sqrt((high_1 - one.share) ** 2 + (other.share - low_2) ** 2)
    return found, (max(-1.0, found - below), min(1.0, found + above))


@dataclass(frozen=True, slots=True)
class Share:
    """A share of people; of weighted groups `people` is how many it is worth."""

    share: float
    people: float


@dataclass(frozen=True, slots=True)
class Stratum:
    """People who are alike in something: `weight` is how much they are to count."""

    weight: float
    people: int
    reached: int


def weighted(strata: Sequence[Stratum]) -> Share:
    """Return the share over several strata, each counting by its weight, whatever its size.

    It is worth as many people as would give the same variance, were the share everywhere the same.
    Strata without people do not count.
    """
    counted = [stratum for stratum in strata if stratum.people and stratum.weight]
    total = sum(stratum.weight for stratum in counted)
    if not total:
        return Share(0.0, 0.0)
    share = sum(one.weight * one.reached / one.people for one in counted) / total
    return Share(share, total**2 / sum(one.weight**2 / one.people for one in counted))
