"""What an operator may ask and do, as plain data: the admin listener and the commands use it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import orjson

from junctor.api.profile_view import profile_view
from junctor.audiences.seen import HUB
from junctor.delivery.dispatch import Dispatcher
from junctor.model.delivery import Attempt, DeadLetter
from junctor.model.profile import Figures, Profile, public_id
from junctor.model.record import Record
from junctor.pipeline.normalize import parse_time
from junctor.sdk.context import Clock
from junctor.sdk.event import iso_time
from junctor.store.port import Store

_MOST_REPLAYED: Final = 10_000


class NotFound(Exception):
    """There is no such thing; the message names it."""


class Operations:
    """Everything the admin side can do."""

    def __init__(
        self,
        store: Store,
        dispatcher: Callable[[], Dispatcher | None],
        *,
        clock: Clock,
        sources: Callable[[], Sequence[str]],
        suppressed: set[str] | None = None,
        broken: Callable[[], str] = lambda: "",
        warned: Callable[[], str] = lambda: "",
        figures: Callable[[Profile, int], Figures] | None = None,
        audiences: Callable[[], Mapping[str, Any]] | None = None,
        workers: Callable[[], tuple[int, int]] = lambda: (0, 0),
    ) -> None:
        """Work on `store`; `dispatcher` is None when no daemon runs.

        `suppressed` are the user ids that ingest leaves out. `broken` returns which part of the
        hub ended by a fault of its own, or "", `warned` what else is worth a warning. `figures`
        returns attributes and scores of a person at a time, `audiences` how far audiences are,
        `workers` how many there are to be and are.
        """
        self._store = store
        self._dispatcher = dispatcher
        self._clock = clock
        self._sources = sources
        self._suppressed = set() if suppressed is None else suppressed
        self._broken = broken
        self._warned = warned
        self._figures = figures
        self._audiences = audiences
        self._workers = workers

    # -- reading ---------------------------------------------------------------------------------

    def problem(self) -> str:
        """Return "" when events can be made durable and are processed, else why not."""
        return self._store.problem() or self._broken()

    def warning(self) -> str:
        """Return what will become a problem if nobody looks after it, "" if nothing will."""
        return self._store.warning() or self._warned()

    async def ledger(self) -> dict[str, Any]:
        """Return the ledger of every destination; `balanced` says whether the sums agree."""
        destinations = {}
        for id, t in (await self._store.ledger.tallies()).items():
            destinations[id] = {
                "accepted": t.accepted,
                "delivered": t.delivered,
                "filtered": t.filtered,
                "dead": t.dead,
                "pending": t.pending,
                "balanced": t.accepted == t.delivered + t.filtered + t.dead + t.pending,
            }
        return {"destinations": destinations}

    async def status(self) -> dict[str, Any]:
        """Return how the hub is."""
        head, folded = await self._store.log.head(), await self._store.state.position()
        dispatcher = self._dispatcher()
        workers = dispatcher.workers if dispatcher is not None else {}
        tallies = await self._store.ledger.tallies()
        destinations = {}
        for state in await self._store.ledger.destinations():
            worker = workers.get(state.id)
            live = worker.state if worker is not None else state
            destinations[state.id] = {
                "state": _state_name(live.paused, worker is not None),
                "paused": live.paused or None,
                "paused_by": live.paused_by or None,
                "trouble": (worker.standing.trouble or None) if worker is not None else None,
                "next_try": _next_try(live.hold_until, worker, self._now()),
                "breaker": worker.standing.breaker.state if worker is not None else None,
                "pending": tallies[state.id].pending,
                "parked": worker.queue.parked if worker is not None else None,
                "in_flight": worker.in_flight if worker is not None else 0,
                "cursor": worker.queue.cursor if worker is not None else state.cursor,
            }
        return {
            "healthy": not self.problem(),
            "problem": self.problem() or None,
            "warning": self.warning() or None,
            "now": iso_time(self._now()),
            "commits": self._store.commits(),
            "log": {"head": head, "folded": folded, "behind": head - folded},
            "workers": dict(zip(("wanted", "running"), self._workers(), strict=True)),
            "sources": list(self._sources()),
            "destinations": destinations,
            "replays": await self.replays(),
            "audiences": await self._audience_state(),
        }

    async def _audience_state(self) -> dict[str, Any]:
        """Return how far audiences are, and how long what is due waits."""
        due = await self._store.state.next_due()
        late = 0.0 if due is None else max(0, self._now() - due) / 1000
        told = self._audiences() if self._audiences is not None else {}
        return {"defined": 0, "building": [], "progress": 1.0, "reviewing": False, "failing": {},
                "degraded": 0, "error": None, **told, "due_lag_seconds": late}  # fmt: skip

    async def event(self, message_id: str) -> dict[str, Any]:
        """Return the fate of an event at every destination, every attempt.

        Raises:
            NotFound: no retained event has this message id.
        """
        records = await self._store.log.find(message_id, [*self._sources(), HUB])
        if not records:
            raise NotFound(f"no retained event has the messageId {message_id}")
        return {"message_id": message_id, "events": [await self._fate(r) for r in records]}

    async def _fate(self, record: Record) -> dict[str, Any]:
        routed = (await self._store.state.routed([record.offset])).get(record.offset)
        fates: dict[str, Any] = {}
        for destination, reason in routed.decision if routed is not None else ():
            attempts = await self._store.ledger.attempts(destination, record.offset)
            fates[destination] = {
                "fate": _fate_name(reason, attempts),
                "reason": reason or None,
                "attempts": [_attempt(attempt) for attempt in attempts],
            }
        return {
            "offset": record.offset,
            "source": record.source,
            "received_at": iso_time(record.received_at),
            "profile": public_id(routed.profile) if routed is not None else None,
            "processed": routed is not None,
            "event": orjson.loads(record.json),
            "destinations": fates,
        }

    async def profile(self, kind: str, value: str, *, record: bool = False) -> dict[str, Any]:
        """Return a person by any identifier, or what audiences are keyed by; see profile_view.py.

        With `record` also how they are stored, base64: what a dry run of an event starts from.

        Raises:
            NotFound: nobody has this identifier.
        """
        found = await profile_view(self._store, kind, value, self._figures_now, record=record)
        if found is None:
            raise NotFound(f"no profile has {kind} = {value}")
        return found

    def _figures_now(self, profile: Profile) -> Figures:
        return self._figures(profile, self._now()) if self._figures is not None else ({}, {})

    async def dead_letters(
        self,
        destination: str | None = None,
        *,
        code: str | None = None,
        since: int | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        """Return dead letters, newest first, without their events."""
        letters = await self._store.ledger.dead_letters(
            destination, code=code, since=since, before=before, limit=limit
        )
        return [_dead_letter(letter) for letter in letters]

    async def dead_letter(self, id: int) -> dict[str, Any]:
        """Return one dead letter with its event.

        Raises:
            NotFound: there is none with this id.
        """
        letters = await self._store.ledger.dead_letters(ids=[id])
        if not letters:
            raise NotFound(f"there is no dead letter {id}")
        return {**_dead_letter(letters[0]), "event": orjson.loads(letters[0].json)}

    async def rejections(self, limit: int, before: int | None) -> list[dict[str, Any]]:
        """Return what was sent and could not be an event, newest first."""
        return [
            {
                "id": r.id,
                "source": r.source,
                "received_at": iso_time(r.received_at),
                "reason": r.reason,
                "item": r.json.decode("utf-8", "replace"),
            }
            for r in await self._store.log.rejections(limit, before)
        ]

    async def replays(self) -> list[dict[str, Any]]:
        """Return the running replays."""
        return [
            {"id": r.id, "destination": r.destination, "position": r.position, "until": r.until,
             "events": r.count}
            for r in await self._store.ledger.replays()
        ]  # fmt: skip

    async def suppressions(self) -> list[dict[str, Any]]:
        """Return the suppressed users."""
        found = await self._store.log.suppressed()
        return [{"user_id": id, "since": iso_time(since)} for id, since in sorted(found.items())]

    # -- doing -----------------------------------------------------------------------------------

    async def suppress(self, user_ids: Sequence[str], *, suppressed: bool) -> None:
        """Store no more events of these users, or store them again."""
        if suppressed:
            await self._store.log.suppress(user_ids, self._now())
            self._suppressed.update(user_ids)
        else:
            await self._store.log.unsuppress(user_ids)
            self._suppressed.difference_update(user_ids)

    async def pause(self, destination: str, reason: str) -> None:
        """Pause a destination; it keeps its events.

        Raises:
            NotFound: there is no such destination.
        """
        await self._worker(destination).pause(reason or "paused by the operator")

    async def resume(self, destination: str) -> None:
        """Resume a destination; raises as `pause` does."""
        await self._worker(destination).resume()

    async def replay(
        self, destination: str, since: int, until: int | None, *, dry_run: bool
    ) -> dict[str, Any]:
        """Send again what a destination got between two times (epoch milliseconds).

        Raises:
            NotFound: there is no such destination.
        """
        self._worker(destination)
        dispatcher = self._running()
        after = await self._store.log.offset_at(since)
        folded = await self._store.state.position()
        end = folded if until is None else min(folded, await self._store.log.offset_at(until + 1))
        if dry_run:
            count = await dispatcher.count_replay(destination, after, end)
            return {"destination": destination, "events": count, "dry_run": True}
        replay = await dispatcher.open_replay(destination, after, end)
        return {"destination": destination, "id": replay.id, "dry_run": False}

    async def stop_replay(self, id: int) -> None:
        """End a replay where it is. The few events that it has handed over already still go out.

        Raises:
            NotFound: no such replay is running.
        """
        if not await self._store.ledger.stop_replay(id):
            raise NotFound(f"there is no replay {id} under way")

    async def replay_dead(
        self,
        ids: Sequence[int] | None,
        destination: str | None,
        code: str | None,
        since: int | None,
        *,
        dry_run: bool = False,
    ) -> int:
        """Try dead letters again, by id or by filter; return how many."""
        chosen = await self._choose(ids, destination, code, since)
        return len(chosen) if dry_run else await self._running().replay_dead(chosen)

    async def purge_dead(
        self,
        ids: Sequence[int] | None,
        destination: str | None,
        code: str | None,
        since: int | None,
        *,
        dry_run: bool = False,
    ) -> int:
        """Remove dead letters for good, by id or by filter; return how many."""
        chosen = await self._choose(ids, destination, code, since)
        return len(chosen) if dry_run else await self._store.ledger.purge(chosen)

    async def _choose(
        self,
        ids: Sequence[int] | None,
        destination: str | None,
        code: str | None,
        since: int | None,
    ) -> list[int]:
        known = {state.id for state in await self._store.ledger.destinations()}
        if destination is not None and destination not in known:
            raise NotFound(f"there is no destination {destination}")
        letters = await self._store.ledger.dead_letters(
            destination, code=code, since=since, limit=_MOST_REPLAYED, ids=ids
        )
        return [letter.id for letter in letters]

    def _running(self) -> Dispatcher:
        dispatcher = self._dispatcher()
        if dispatcher is None:
            raise NotFound("the daemon does not run")
        return dispatcher

    def _worker(self, destination: str) -> Any:
        worker = self._running().workers.get(destination)
        if worker is None:
            raise NotFound(f"there is no destination {destination}")
        return worker

    def _now(self) -> int:
        return round(self._clock.now() * 1000)


def parse_since(text: str, now: int) -> int | None:
    """Return epoch milliseconds of an ISO time or of an age like "2h" before `now`."""
    from junctor.model.units import parse_duration

    try:
        seconds = parse_duration(text)
    except ValueError:
        return parse_time(text)
    return now - round(seconds * 1000) if isinstance(seconds, float) else None


def _state_name(paused: str, configured: bool) -> str:
    if not configured:
        return "not configured"
    return "paused" if paused else "running"


def _next_try(hold_until: int, worker: Any, now: int) -> str | None:
    """Return when a destination in trouble is called again, as far as that is known."""
    if worker is None:
        return None
    due = worker.queue.next_due()
    opens = now + round(worker.standing.breaker.wait() * 1000)
    times = [at for at in (hold_until, due or 0, opens) if at > now]
    return iso_time(max(times)) if times and worker.standing.trouble else None


def _fate_name(reason: str, attempts: Sequence[Attempt]) -> str:
    if reason:
        return "filtered"
    if not attempts:
        return "pending"
    last = attempts[-1].outcome.value
    names = {"dead_letter": "dead", "retry": "pending", "discarded": "filtered"}
    return names.get(last, last)


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "at": iso_time(attempt.at),
        "duration_ms": attempt.duration,
        "outcome": attempt.outcome.value,
        "code": attempt.code or None,
        "status": attempt.status,
        "message": attempt.message or None,
        "batch": len(attempt.offsets),
    }


def _dead_letter(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "destination": letter.destination,
        "at": iso_time(letter.at),
        "code": letter.code,
        "message": letter.message,
        "attempts": letter.attempts,
        "source": letter.source,
        "message_id": letter.message_id,
        "type": letter.type,
    }
