"""Functions of the user's that run in the hub are ended when they take too long.

By an alarm of the system, which Python takes between two of its own steps: it ends a loop, a sleep,
a read from the network and a regular expression, but no single long call into C, and it is no limit
to memory. That would take another process, and a journey there for every event.
"""

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from junctor.audiences.functions import Function

_EVERY: Final = 0.25
"""Seconds from one look to the next."""


@contextmanager
def watching(functions: Callable[[], Iterable[Function]], every: float = _EVERY) -> Iterator[None]:
    """Look after `functions` meanwhile; in the main thread, where they run."""

    def look(_: int, __: FrameType | None) -> None:
        for function in functions():
            function.end_if_late()

    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, every, every)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
