"""A result becomes rows of the ledger. Pure."""

from collections.abc import Sequence
from typing import Final

from junctor.delivery.call import CallRecord, ConnectorBug, Result
from junctor.delivery.queue import Group
from junctor.model.delivery import Attempt, DeadLetter, Outcome, Parked, in_order
from junctor.model.processed import Processed
from junctor.sdk.errors import DeliveryError, Disposition, PartialFailure
from junctor.store.port import Settlement

BUG_TRIES: Final = 3
LEAST_TRIES: Final = 3
"""Tries before an event may be given up, however long it took: a pause must not burn events."""
_LONGEST_MESSAGE: Final = 500
_LONGEST_CODE: Final = 64

_Fate = tuple[Outcome, str, int | None, str]
_DELIVERED: Final[_Fate] = (Outcome.DELIVERED, "", None, "")


def give_up(
    result: Result, *, attempts: int, started_at: int, now: int, give_up_after: float
) -> None:
    """Move the events of the failing call from `again` to `dead` if they were tried long enough.

    `attempts` includes the one just made; times in epoch milliseconds, `give_up_after` in seconds.
    """
    error = result.error
    if error is None or error.disposition is not Disposition.RETRY or not error.costs_attempt:
        return
    if isinstance(error, ConnectorBug):
        tired = attempts >= BUG_TRIES
    else:
        tired = attempts >= LEAST_TRIES and now - started_at >= give_up_after * 1000
    if tired:
        result.dead += [
            (item, error) for item in result.again if item.event.offset in result.failed
        ]
        result.again = [item for item in result.again if item.event.offset not in result.failed]
        result.failed = set()


def park_again(
    result: Result,
    before: Parked,
    *,
    number: int,
    started_at: int,
    retry_at: int,
    now: int,
    ordered: bool,
) -> list[Group]:
    """Return how what is left of a try waits for the next, in order.

    The events of the failing call stay together, this try counts for them only. Those that merely
    stood behind wait by themselves, and by key where the failing call holds their key back, so
    that nobody waits for somebody else's event.
    """
    error = result.error
    costs = error is not None and error.costs_attempt
    attempts = number if costs else before.attempts
    code, message = (error.code, message_of(error)) if error is not None else ("", "")
    tried: list[Processed] = []
    behind: list[Processed] = []
    for item in result.again:
        (tried if item.event.offset in result.failed else behind).append(item)
    groups = []
    if tried:
        started_at = started_at if attempts else 0
        groups = [_group(tried, retry_at, attempts, started_at, code, message)]
    if isinstance(error, ConnectorBug):
        retry_at, code, message = now, "", ""  # others have no part in it
    stuck: dict[int, list[Processed]] = {item.profile: [] for item in tried} if ordered else {}
    free = [item for item in behind if item.profile not in stuck]
    for item in behind:
        if item.profile in stuck:
            stuck[item.profile].append(item)
    for items in (*stuck.values(), free):
        if items:
            group = _group(items, retry_at, before.attempts, before.started_at, code, message)
            group.parked.behind = True
            groups.append(group)
    return groups


def _group(
    items: Sequence[Processed], retry_at: int, attempts: int, started_at: int, code: str, said: str
) -> Group:
    offsets = in_order(item.event.offset for item in items)
    parked = Parked(offsets, retry_at, attempts, started_at, code, said)
    return Group(parked, frozenset(item.profile for item in items))


def settlement(
    destination: str,
    result: Result,
    *,
    number: int,
    filtered: Sequence[Processed],
    gone: Sequence[int],
    park: Sequence[Parked],
    unpark: Sequence[int],
    cursor: int,
    now: int,
) -> Settlement:
    """Return the one transaction that records a delivery; `number` is the try's, from 1.

    `filtered` were held back by the present configuration, `gone` are no longer in the log.
    """
    attempts = _attempts(result, number)
    if filtered:
        offsets = in_order(item.event.offset for item in filtered)
        attempts.insert(0, _left_out(offsets, number, now, "filtered_at_send"))
    if gone:
        attempts.insert(0, _left_out(in_order(gone), number, now, "erased"))
    return Settlement(
        destination,
        attempts=attempts,
        park=park,
        unpark=unpark,
        dead=[_dead_letter(destination, i, error, number, now) for i, error in result.dead],
        cursor=cursor,
    )


def _attempts(result: Result, number: int) -> list[Attempt]:
    """Return a row a call and outcome. An event's final outcome stands in its last call only."""
    if len(result.calls) == 1 and result.calls[0].error is None:  # by far the most
        call = result.calls[0]
        offsets = in_order(item.event.offset for item in call.events)
        return [Attempt(call.at, call.duration, number, Outcome.DELIVERED, offsets)]
    final: dict[int, _Fate] = {item.event.offset: _DELIVERED for item in result.delivered}
    for outcome, failures in (
        (Outcome.DEAD_LETTER, result.dead),
        (Outcome.DISCARDED, result.discarded),
    ):
        for item, error in failures:
            final[item.event.offset] = (outcome, *_said(error))
    rows: list[Attempt] = []
    for call in reversed(result.calls):
        fates: dict[_Fate, list[int]] = {}
        for index, item in enumerate(call.events):
            fate = final.pop(item.event.offset, None) or _tried(call, index)
            fates.setdefault(fate, []).append(item.event.offset)
        rows += [
            Attempt(call.at, call.duration, number, fate[0], in_order(offsets), *fate[1:])
            for fate, offsets in fates.items()
        ]
    return rows[::-1]


def _tried(call: CallRecord, index: int) -> _Fate:
    error = call.error
    if isinstance(error, PartialFailure):
        error = error.errors.get(index)
    if error is None:
        return (Outcome.RETRY, "", None, "")
    return (Outcome.RETRY, *_said(error))


_LEFT_OUT: Final = {
    "filtered_at_send": "the present configuration filters it",
    "erased": "the event is no longer in the log",
}


def _left_out(offsets: tuple[int, ...], number: int, now: int, code: str) -> Attempt:
    return Attempt(now, 0, number, Outcome.FILTERED, offsets, code, None, _LEFT_OUT[code])


def _dead_letter(
    destination: str, item: Processed, error: DeliveryError, attempts: int, now: int
) -> DeadLetter:
    event = item.event
    return DeadLetter(
        destination, event.offset, now, _said(error)[0], message_of(error), attempts, event.source,
        event.message_id, event.type, event.json,
    )  # fmt: skip


def _said(error: DeliveryError) -> tuple[str, int | None, str]:
    """Return code, status and message of an error, whatever a plug-in put there."""
    status = error.status if isinstance(error.status, int) and 0 <= error.status < 1000 else None
    return str(error.code)[:_LONGEST_CODE], status, message_of(error)


def message_of(error: DeliveryError) -> str:
    """Return what the connector said, as text that every store can keep."""
    text = str(error.message)[:_LONGEST_MESSAGE]
    return text.encode("utf-8", "replace").decode()
