"""Long work on the event loop in short turns, so that whoever reads meanwhile does not wait."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final, TypeVar

TURN: Final = 16
"""Events, or people, that are worked on in one turn: about a millisecond."""

T = TypeVar("T")


async def in_turns(items: Sequence[T], size: int = TURN) -> AsyncIterator[Sequence[T]]:
    """Yield `items` in pieces of `size`; between two of them everybody else has a turn."""
    for start in range(0, len(items), size):
        if start:
            await asyncio.sleep(0)
        yield items[start : start + size]
