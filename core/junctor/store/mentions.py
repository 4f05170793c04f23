"""Whether a piece of JSON speaks of a person: for what is kept without saying whose it is. Pure."""

from collections.abc import Iterable, Iterator
from typing import Any

import orjson


class Mentions:
    """Looks for a person's identifiers among the values of a piece of JSON."""

    def __init__(self, ids: Iterable[tuple[str, str]]) -> None:
        """Look for `ids`, kinds and values; e-mail addresses in whatever case."""
        self._emails = {value.lower() for kind, value in ids if kind == "email"}
        self._values = {value for kind, value in ids if kind != "email"}
        self.needles = [
            orjson.dumps(value.lower()).decode()[1:-1]
            for value in sorted(self._emails | self._values)
        ]
        """Texts of which one stands in all that is found, when it is written in lower case."""

    def __call__(self, json: bytes) -> bool:
        """Return whether one of the identifiers is there; JSON that was cut is read as text."""
        try:
            found = orjson.loads(json)
        except orjson.JSONDecodeError:
            text = json.decode("utf-8", "replace").lower()
            return any(f'"{needle}"' in text for needle in self.needles)
        return any(text in self._values or text.lower() in self._emails for text in _texts(found))


def _texts(value: Any) -> Iterator[str]:
    """Yield all values that might be ids, as text."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
        elif isinstance(one, str):
            yield one.strip()
        elif isinstance(one, int) and not isinstance(one, bool):
            yield str(one)
        elif isinstance(one, float) and one.is_integer():
            yield str(int(one))
