"""How many different values there were, in bounded space: HyperLogLog with 2,048 registers.

Flajolet et al. 2007, with the estimator of Ertl 2017 ("New cardinality estimation algorithms for
HyperLogLog sketches", section 3), which needs no tables and no corrections.
"""

import math
from base64 import b64decode, b64encode
from collections.abc import Iterable
from typing import Final

_INDEX_BITS: Final = 11
_REGISTERS: Final = 1 << _INDEX_BITS
HASH_BITS: Final = 48
_RANK_BITS: Final = HASH_BITS - _INDEX_BITS
STANDARD_ERROR: Final = 1.04 / math.sqrt(_REGISTERS)
"""About 2.3 %."""


def sketch(hashes: Iterable[int], known: str | None = None) -> str:
    """Return the sketch, as base64 text, of 48-bit hashes and of what a sketch knew already."""
    registers = bytearray(b64decode(known)) if known is not None else bytearray(_REGISTERS)
    for one in hashes:
        index, rest = one & (_REGISTERS - 1), one >> _INDEX_BITS
        rank = _RANK_BITS - rest.bit_length() + 1
        if rank > registers[index]:
            registers[index] = rank
    return b64encode(registers).decode()


def union(one: str, other: str) -> str:
    """Return the sketch of all that either of two sketches knew."""
    return b64encode(bytes(map(max, b64decode(one), b64decode(other)))).decode()


def estimate(known: str) -> int:
    """Return about how many different hashes there were."""
    counts = [0] * (_RANK_BITS + 2)
    for rank in b64decode(known):
        counts[rank] += 1
    harmonic = _REGISTERS * _tau(1 - counts[-1] / _REGISTERS)
    for count in reversed(counts[1:-1]):
        harmonic = (harmonic + count) / 2
    harmonic += _REGISTERS * _sigma(counts[0] / _REGISTERS)
    if not harmonic:
        return 1 << HASH_BITS
    return round(_REGISTERS**2 / (2 * math.log(2) * harmonic))


def _sigma(share: float) -> float:
    """Return the weight of the registers that are empty; infinite if all are."""
    if share == 1:
        return math.inf
    total, weight = share, 1.0
    while True:
        share *= share
        before = total
        total += share * weight
        weight += weight
        if total == before:
            return total


def _tau(share: float) -> float:
    """Return the weight of the registers that are full."""
    if share in (0, 1):
        return 0.0
    total, weight = 1 - share, 1.0
    while True:
        share = math.sqrt(share)
        before = total
        weight /= 2
        total -= (1 - share) ** 2 * weight
        if total == before:
            return total / 3
