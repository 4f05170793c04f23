"""Nested objects made flat (`@flatten`)."""

from collections.abc import Iterator
from typing import Any

from junctor.sdk.mapping.errors import check_growth
from junctor.sdk.mapping.json_text import js_keys


def flatten(value: Any, separator: str, *, into_lists: bool) -> dict[str, Any]:
    """Return the leaves of a value under their keys joined by the separator.

    List positions count as keys if `into_lists`; otherwise lists are leaves. Empty objects (and
    lists gone into) leave nothing; a value that is a leaf itself stands under `""`. Raises
    `MappingRunError` when the joined keys grow too long.
    """
    flat: dict[str, Any] = {}
    grown = 0
    for name, leaf in _leaves(value, separator, into_lists, ""):
        grown += len(name)
        check_growth(grown)
        flat[name] = leaf
    return flat


def _leaves(value: Any, separator: str, into_lists: bool, prefix: str) -> Iterator[tuple[str, Any]]:
    members: Iterator[tuple[str, Any]]
    if isinstance(value, dict):
        members = ((key, value[key]) for key in js_keys(value))
    elif into_lists and isinstance(value, list):
        members = ((str(index), item) for index, item in enumerate(value))
    else:
        yield prefix, value
        return
    for key, item in members:
        name = f"{prefix}{separator}{key}" if prefix else key
        yield from _leaves(item, separator, into_lists, name)
