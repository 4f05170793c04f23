"""Block Kit as a template: the texts inside are filled in, the limits of Slack kept.

Limits: Slack's Block Kit reference (docs.slack.dev/reference/block-kit).
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from junctor.sdk import has_placeholders
from junctor_connectors.slack.escaping import compile_text, compile_url, shorten

MAX_BLOCKS: Final = 50
MAX_CHARACTERS: Final = 13_000
"""Of all blocks together; a little more has been answered with msg_blocks_too_long."""

_MOST_ITEMS: Final = {
    ("section", "fields"): 10,
    ("context", "elements"): 10,
    ("actions", "elements"): 25,
}
_MOST_TEXT: Final = {
    ("header", "text"): 150,
    ("section", "fields"): 2000,
    ("button", "text"): 75,
    ("button", "value"): 2000,
    ("image", "alt_text"): 2000,
    ("image", "title"): 2000,
    ("markdown", "text"): 12_000,
}
_TEXT: Final = 3000
_TEXT_KEYS: Final = frozenset(
    ("text", "alt_text", "value", "description", "title", "author_name", "provider_name")
)
_URL_KEYS: Final = frozenset(("url", "image_url", "thumbnail_url", "title_url", "video_url"))
_EMPTY: Final = "–"

Fill = Callable[[Mapping[str, Any], "Budget"], Any]


class Budget:
    """How many characters the rest of the message may still have."""

    def __init__(self) -> None:
        """Start with all of them."""
        self.left = MAX_CHARACTERS

    def take(self, text: str, limit: int) -> str:
        """Return `text` within `limit` and what is left; never empty, which Slack refuses."""
        text = shorten(text, max(1, min(limit, self.left))) if text.strip() else _EMPTY
        self.left -= len(text)
        return text


def parse_blocks(blocks: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return blocks as data: a list, or JSON text of a list or of `{"blocks": […]}`.

    Raises:
        ValueError: no JSON, no list, or over Slack's limits; the message names the place.
    """
    data: Any = blocks
    if isinstance(blocks, str):
        try:
            data = orjson.loads(blocks)
        except orjson.JSONDecodeError as error:
            raise ValueError(f"blocks are no JSON: {error}") from None
        data = data.get("blocks") if isinstance(data, dict) else data
    if not isinstance(data, list):
        raise ValueError("blocks must be a list")
    if len(data) > MAX_BLOCKS:
        raise ValueError(f"{len(data)} blocks; Slack takes {MAX_BLOCKS}")
    for index, block in enumerate(data):
        if not isinstance(block, dict) or not isinstance(block.get("type"), str):
            raise ValueError(f"blocks[{index}]: a table with a `type` is expected")
    return data


def compile_blocks(blocks: list[dict[str, Any]]) -> Callable[[Mapping[str, Any]], list[Any]]:
    """Return a function that fills the blocks in for one event.

    Raises:
        ValueError: a wrong template, a template where event data has no place, too many items.
    """
    fills = [_compile(block, f"blocks[{index}]", "", _TEXT) for index, block in enumerate(blocks)]

    def fill(payload: Mapping[str, Any]) -> list[Any]:
        budget = Budget()
        return [each(payload, budget) for each in fills]

    return fill


def _compile(node: Any, where: str, key: str, limit: int) -> Fill:
    if isinstance(node, dict):
        return _table(node, where, limit)
    if isinstance(node, list):
        items = [_compile(item, f"{where}[{i}]", key, limit) for i, item in enumerate(node)]
        return lambda payload, budget: [item(payload, budget) for item in items]
    if isinstance(node, str):
        return _text(node, where, key, limit)
    return lambda payload, budget: node


def _table(node: dict[str, Any], where: str, limit: int) -> Fill:
    kind = node.get("type", "")
    members: dict[str, Fill] = {}
    for key, value in node.items():
        place = f"{where}.{key}"
        most = _MOST_ITEMS.get((kind, key))
        if most is not None and isinstance(value, list) and len(value) > most:
            raise ValueError(f"{place}: {len(value)} items; Slack takes {most}")
        if key == "block_id" and isinstance(value, str) and len(value) > 255:
            raise ValueError(f"{place}: Slack takes 255 characters")
        of_text_object = kind in ("mrkdwn", "plain_text") and key == "text"
        within = limit if of_text_object else _MOST_TEXT.get((kind, key), _TEXT)
        members[key] = _compile(value, place, key, within)
    return lambda payload, budget: {k: member(payload, budget) for k, member in members.items()}


def _text(text: str, where: str, key: str, limit: int) -> Fill:
    try:
        if key in _URL_KEYS:
            url = compile_url(text)
            return lambda payload, budget: url(payload)
        if key in _TEXT_KEYS:
            render = compile_text(text)
            return lambda payload, budget: budget.take(render(payload), limit)
        if not has_placeholders(text):
            return lambda payload, budget: text
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    raise ValueError(f"{where}: event data has no place here")
