"""A world for each test, closed when the test ends."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from junctor.store.sqlite.writer import Job, Writer

from .world import Scripted, World

Start = Callable[..., Awaitable[World]]


class AtOnce:
    """Stands for the writer's queue of jobs: commits what is put, whatever else waits."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._jobs: SimpleQueue[Job | None] = writer._jobs
        self.get, self.get_nowait, self.empty = (
            self._jobs.get, self._jobs.get_nowait, self._jobs.empty,
        )  # fmt: skip

    def put(self, job: Job | None) -> None:
        if job is None:
            self._jobs.put(None)  # the end of the thread
        else:
            self._writer._commit([job])


@pytest.fixture(autouse=True)
def writer_on_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commit on the event loop instead of on a thread: no waiting, always the same order."""
    begin = Writer.__init__

    def __init__(self: Writer, *args: Any) -> None:
        begin(self, *args)
        self._jobs = AtOnce(self)  # type: ignore[assignment]

    monkeypatch.setattr(Writer, "__init__", __init__)


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
