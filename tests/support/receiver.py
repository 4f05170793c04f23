"""A stand-in vendor on loopback that understands what all built-in destinations send."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from junctor.testkit import Answer, ChaosReceiver, Received, answers

__all__ = ["ACCEPTED", "CUT", "OK", "Answer", "Received", "Receiver", "batches", "receiving"]

OK: Final = answers.OK
ACCEPTED: Final = answers.json({"success": True}, 202)
CUT: Final = answers.RESET


class Receiver(ChaosReceiver):
    """Any of the built-in destinations' vendors."""

    def events_of(self, request: Received) -> list[dict[str, Any]]:
        body = request.json
        if isinstance(body, dict) and "statsigMetadata" in body:
            return list(body["events"])
        return super().events_of(request)

    def message_id(self, event: Mapping[str, Any]) -> str | None:
        id: str | None = event.get("messageId") or event.get("metadata", {}).get("messageId")
        return id


@asynccontextmanager
async def receiving(port: int = 0) -> AsyncIterator[Receiver]:
    """Run a receiver."""
    async with Receiver(port=port) as receiver:
        yield receiver


def batches(events: list[Any], size: int) -> Iterator[list[Any]]:
    """Yield `events` in pieces."""
    for start in range(0, len(events), size):
        yield events[start : start + size]
