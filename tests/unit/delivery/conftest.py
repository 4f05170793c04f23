"""A world for each test, closed when the test ends."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from junctor.store.sqlite.writer import Job, Writer

from .world import Scripted, World

Start = Callable[..., Awaitable[World]]


@pytest.fixture(autouse=True)
def writer_on_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commit at once instead of on a thread: no waiting, always the same order."""

    def submit(self: Writer, job: Job) -> None:
        self._commit([job])

    monkeypatch.setattr(Writer, "submit", submit)


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Start a world with one destination `d`; keywords are its `delivery` settings."""
    worlds: list[World] = []

    async def begin(destination: Scripted, *, jitter: float = 1.0, **options: Any) -> World:
        world = World(tmp_path / str(len(worlds)), {"d": (destination, options)}, jitter=jitter)
        worlds.append(world)
        return await world.start()

    yield begin
    for world in worlds:
        await world.close()
