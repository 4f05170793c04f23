"""The hostile corpus holds what it says, in files that load as events."""

from typing import Any

import orjson
import pytest

from junctor.sdk import EventType
from junctor.testkit import Hostile, corpus, event_of

CORPUS = {hostile.name: hostile for hostile in corpus()}


@pytest.mark.parametrize("hostile", CORPUS.values(), ids=CORPUS)
def test_each_hostile_event_is_one_that_the_hub_may_store(hostile: Hostile) -> None:
    event = event_of(hostile.body)
    assert event.type in set(EventType)
    assert event.message_id
    assert orjson.loads(event.json) == orjson.loads(orjson.dumps(hostile.body))
    assert hostile.why.endswith(".")


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0)


def test_the_corpus_holds_what_breaks_connectors() -> None:
    text = "\n".join(orjson.dumps(hostile.body).decode() for hostile in CORPUS.values())
    for needle in (
        "\U0001f469", "\u2028", "\\u0000", "\\r\\n", "<!channel>", "__proto__", "null", "\u202e",
    ):  # fmt: skip
        assert needle in text, repr(needle)
    assert _depth(CORPUS["deep-objects"].body) > 100
    assert _depth(CORPUS["deep-arrays"].body) > 100
    assert len(CORPUS["long-string"].body["properties"]["text"]) == 32 * 1024
    assert CORPUS["huge-integers"].body["properties"]["u64"] == 2**64 - 1
    assert CORPUS["array-as-properties"].body["properties"] == []
    assert CORPUS["empty-strings"].body["event"] == ""
