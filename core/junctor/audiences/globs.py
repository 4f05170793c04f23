"""Which of many patterns of names fit a name: few are looked at, however many there are."""

from collections.abc import Callable, Iterable
from itertools import takewhile
from typing import Final

from junctor.audiences.patterns import compile_name

MOST_NAMES: Final = 4_096
"""Names of which the answer is remembered. Senders choose names: when there are more, all are
forgotten, and found again when they come again."""
LONGEST_NAME: Final = 256
"""Characters of a name that is remembered."""

_Choice = tuple[str, Callable[[str], bool], str]
"""The longest text that a pattern asks for, its test, and the pattern as it is written."""


class Globs:
    """Patterns of names, by how a name has to begin, or else to end."""

    def __init__(self, written: Iterable[str]) -> None:
        """Take the patterns as they are written, such as `page_*`."""
        self._by_prefix: dict[str, list[_Choice]] = {}
        self._by_suffix: dict[str, list[_Choice]] = {}
        self._anywhere: list[_Choice] = []
        for pattern in dict.fromkeys(written):
            choice = (max(pattern.split("*"), key=len), compile_name(pattern), pattern)
            prefix, suffix = pattern.partition("*")[0], pattern.rpartition("*")[2]
            if not prefix and not suffix:
                self._anywhere.append(choice)
            elif len(prefix) >= len(suffix):
                self._by_prefix.setdefault(prefix, []).append(choice)
            else:
                self._by_suffix.setdefault(suffix, []).append(choice)
        self._prefixes = sorted({len(prefix) for prefix in self._by_prefix})
        self._suffixes = sorted({len(suffix) for suffix in self._by_suffix})
        self.known: dict[str, tuple[str, ...]] = {}
        """Names that were asked for, and what they fit; bounded."""

    def fitting(self, name: str) -> tuple[str, ...]:
        """Return the patterns that a name fits, as written."""
        found = self.known.get(name)
        if found is None:
            found = self._find(name)
            if len(name) <= LONGEST_NAME:
                if len(self.known) >= MOST_NAMES:
                    self.known.clear()
                self.known[name] = found
        return found

    def _find(self, name: str) -> tuple[str, ...]:
        choices = list(self._anywhere)
        for length in takewhile(len(name).__ge__, self._prefixes):
            choices += self._by_prefix.get(name[:length], ())
        for length in takewhile(len(name).__ge__, self._suffixes):
            choices += self._by_suffix.get(name[-length:], ())
        return tuple(pattern for part, fits, pattern in choices if part in name and fits(name))
