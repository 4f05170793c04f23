"""What happens right now, for whoever watches: the SSE stream and the demo."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

_MOST_WAITING: Final = 1_000


class LiveStream:
    """Fans notices out to watchers; a slow watcher misses some, the hub never waits for it."""

    def __init__(self) -> None:
        """Start without watchers."""
        self._watchers: set[asyncio.Queue[tuple[str, dict[str, Any]] | None]] = set()

    @property
    def watched(self) -> bool:
        """Whether anybody watches: making notices for nobody costs."""
        return bool(self._watchers)

    def publish(self, kind: str, notice: dict[str, Any]) -> None:
        """Tell every watcher."""
        for watcher in self._watchers:
            if not watcher.full():
                watcher.put_nowait((kind, notice))

    def close(self) -> None:
        """End every watcher's stream."""
        for watcher in self._watchers:
            if watcher.full():
                watcher.get_nowait()
            watcher.put_nowait(None)

    async def watch(self) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """Yield (kind, notice) from now on."""
        queue: asyncio.Queue[tuple[str, dict[str, Any]] | None] = asyncio.Queue(_MOST_WAITING)
        self._watchers.add(queue)
        try:
            while (item := await queue.get()) is not None:
                yield item
        finally:
            self._watchers.discard(queue)
