"""What the hub tells the process of reads, over a stream: framed JSON.

First, and whenever it changes, a brief: how to read, and for whom. Then transitions as they are
committed; and now and then nothing, which it answers to show that it is well.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from junctor.api.readers import ReaderKeys
from junctor.model.membership import Told, TransitionRow

_LENGTH: Final = 4

Raw = Mapping[str, Any]
"""The tables of a configuration that define audiences and the like."""


@dataclass(frozen=True, slots=True)
class Brief:
    """How to read, and for whom.

    `serving` are the definitions that answer, `wanted` those that will; None if they are the same.
    `idles` is the silence (ms) that ends a presence, by source; `told` names audiences of other
    hubs. Times are in seconds but for `idles`.
    """

    store: str
    relay: str
    log_level: str
    log_format: str
    body_timeout: float
    drain_timeout: float
    readers: Mapping[str, ReaderKeys] = field(repr=False)
    serving: Raw
    wanted: Raw | None
    unfinished: Sequence[str]
    kinds: Sequence[str]
    idles: Mapping[str, int]
    told: Sequence[str]


Message = Brief | list[Told] | None
"""None asks whether it is well."""


def frame(message: Message) -> bytes:
    """Return a message as it is sent."""
    text = orjson.dumps(message)
    return len(text).to_bytes(_LENGTH) + text


async def messages(reader: asyncio.StreamReader) -> AsyncIterator[Message]:
    """Yield what the hub sends, until it ends."""
    while True:
        try:
            length = int.from_bytes(await reader.readexactly(_LENGTH))
            plain = orjson.loads(await reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        if plain is None:
            yield None
        elif isinstance(plain, list):
            yield [Told(TransitionRow(**one["row"]), one["ids"]) for one in plain]
        else:
            readers = {
                name: ReaderKeys(one["key"], tuple(one["origins"]), one["signing_secret"])
                for name, one in plain.pop("readers").items()
            }
            yield Brief(**plain, readers=readers)
