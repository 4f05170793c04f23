"""Signals that are Python functions: what they are handed, and what becomes of what they return."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from traceback import extract_tb
from typing import Any, Final

import orjson

MOST_BYTES: Final = 2_048
"""Longest JSON text of what a function adds to its signal's properties."""
LONGEST: Final = 1.0
"""Seconds that a call may take: all events wait for it."""
MOST_LATE: Final = 3
"""Calls that may take too long; then the function is not called any more."""


class TookTooLong(BaseException):
    """A call was ended: no Exception, which the function itself might catch."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """An event as a function sees it; `time` is its own, in UTC."""

    name: str
    time: datetime
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Person:
    """A person as a function sees them: their traits now, and earlier events, the oldest first."""

    traits: Mapping[str, Any] = field(default_factory=dict)
    recent: Sequence[Occurrence] = ()


Call = Callable[[Person, Occurrence], object]


@dataclass(slots=True)
class Function:
    """A function of a file: `version` names what it does, so that a changed one is another.

    It may fail: `failures` counts how often it did, `failure` says how it did last. `late` are the
    calls that took too long, if somebody looks after it (`end_if_late`); `clock` is in seconds.
    """

    name: str
    version: str
    call: Callable[..., object] = field(repr=False)
    failures: int = 0
    failure: str = ""
    late: int = 0
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    _since: float | None = field(default=None, init=False, repr=False)

    def properties(self, person: Person, event: Occurrence) -> Mapping[str, Any] | None:
        """Return what the signal's event has besides, None if there is no signal.

        Whatever the function raises is counted, and no signal. So is a call that took too long;
        after the third one the function is silent.
        """
        if self.late >= MOST_LATE:
            return None
        try:
            returned = self._called(person, event)
            if not returned:
                return None
            return _checked(returned) if isinstance(returned, Mapping) else {}
        except (Exception, SystemExit, TookTooLong) as error:
            self._since = None  # if it was ended in the last moment
            self.failures += 1
            self.failure = self._blamed(error)
            if isinstance(error, TookTooLong):
                self.late += 1
                if self.late == MOST_LATE:
                    self.failure += "; it is not called any more"
            return None

    def _called(self, person: Person, event: Occurrence) -> object:
        self._since = self.clock()
        try:
            return self.call(person, event)
        finally:  # from here on it is our own time, however long it took
            self._since = None

    def end_if_late(self) -> None:
        """End the call that runs now if it has taken too long; for who interrupts it in its thread.

        Raises:
            TookTooLong: it has.
        """
        if self._since is not None and self.clock() - self._since > LONGEST:
            raise TookTooLong

    def _blamed(self, error: BaseException) -> str:
        """Return what was raised and where, without its text: that may hold personal data."""
        file = self.call.__code__.co_filename if hasattr(self.call, "__code__") else ""
        lines = [one.lineno for one in extract_tb(error.__traceback__) if one.filename == file]
        place = f" ({Path(file).name} line {lines[-1]})" if lines else ""
        return f"{type(error).__name__}{place}"


def _checked(returned: Mapping[Any, Any]) -> Mapping[str, Any]:
    """Return properties as a copy of their own.

    Raises:
        TypeError: they are no JSON.
        ValueError: they are too long.
    """
    text = orjson.dumps(dict(returned))
    if len(text) > MOST_BYTES:
        raise ValueError("too many properties")
    copy: Mapping[str, Any] = orjson.loads(text)
    return copy
