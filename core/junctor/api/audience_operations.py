"""What an operator may ask about audiences, as plain data: see Operations."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import orjson

from junctor.api.audience_preview import Preview, newest_ids
from junctor.api.audience_report import DAY, Report
from junctor.api.audience_source import AudienceSource
from junctor.api.operations import NotFound
from junctor.audiences.behavior import Behavior
from junctor.audiences.explained import (
    Explained,
    Stand,
    explain,
    explain_exit,
    moment_of,
    stand,
)
from junctor.audiences.language import parse_definitions
from junctor.audiences.leaf import NEVER
from junctor.audiences.moment import Moment
from junctor.audiences.nodes import ACCOUNT, SESSION, USER
from junctor.audiences.preview import looks_back
from junctor.audiences.scope_program import Compiled
from junctor.audiences.words import in_words
from junctor.model.membership import Member
from junctor.model.profile import Profile, public_id
from junctor.model.record import Record
from junctor.pipeline.backfill import HISTORY
from junctor.pipeline.normalize import canonical
from junctor.pipeline.seen import seen_of
from junctor.sdk.event import iso_time

SESSION_ID: Final = "session_id"
_PERIOD: Final = 30 * DAY
"""Length of a report's period, where nothing is said."""


class BadDefinition(Exception):
    """What is to be previewed can't be understood; the message tells all problems."""


class AudienceOperations:
    """Everything the admin side can ask about audiences."""

    def __init__(self, source: AudienceSource) -> None:
        """Answer from `source`."""
        self._source = source
        self._looking = asyncio.Lock()

    # -- which there are -------------------------------------------------------------------------

    async def list(self) -> list[dict[str, Any]]:
        """Return all audiences of the configuration, in its order."""
        source = self._source
        memberships = source.store.memberships
        sizes = await memberships.sizes()
        notes = await source.store.state.notes([HISTORY])
        history: Mapping[str, int] = orjson.loads(notes.get(HISTORY, "{}"))
        wanted, found = source.wanted, []
        for audience in wanted.definitions.audiences:
            name = audience.name
            counts_from, complete_from = self._complete(wanted.audiences[name], history)
            last = await memberships.last_transition(name)
            found.append(
                {
                    "name": name,
                    "about": audience.about,
                    "lever": audience.lever,
                    "key": audience.key,
                    "version": wanted.audiences[name].version,
                    **self._state(name),
                    "members": sizes.get(name, 0),
                    "last_transition": _time(last),
                    "counts_from": _time(counts_from),
                    "complete_from": _time(complete_from),
                    "send": [*audience.send],
                }
            )
        return found

    def state(self) -> dict[str, Any]:
        """Return how far audiences are: `building` names those that do not serve yet.

        `failing` has the functions of signals that raised something, by signal.
        """
        backfill = self._source.backfill()
        wanted = self._source.wanted
        building = backfill.unfinished(self._source.serving) if backfill is not None else set()
        return {
            "defined": len(wanted.audiences),
            "building": sorted(building & wanted.audiences.keys()),
            "progress": 1.0 if backfill is None else round(backfill.progress(), 4),
            "reviewing": backfill is not None and not backfill.building and not backfill.done,
            "failing": {
                one.name: {"failures": one.failures, "failure": one.failure}
                for one in wanted.functions.values()
                if one.failures
            },
        }

    def _state(self, name: str) -> dict[str, Any]:
        """Return whether an audience serves; by an older version while it is built anew."""
        backfill = self._source.backfill()
        if backfill is None:
            return {"state": "stopped", "progress": 1.0}
        if name in backfill.unfinished(self._source.serving):
            progress = round(backfill.progress(), 4)
            return {"state": "building" if progress else "waiting", "progress": progress}
        return {"state": "serving" if backfill.done else "reviewing", "progress": 1.0}

    def _complete(
        self, compiled: Compiled, history: Mapping[str, int]
    ) -> tuple[int | None, int | None]:
        """Return since when its events count, and from when on it is exact; None: it is exact.

        The second is None as well where it never will be: what it asks has no end.
        """
        program = self._source.wanted
        names = {
            f"{sort} {kind.key}"
            for kind in program.kinds_of[compiled.name]
            for sort in (compiled.audience.key, USER)
        }
        start = max((history.get(name, 0) for name in names), default=0)
        reach = looks_back(compiled.audience, program.definitions)
        if not start or start + reach <= self._source.now():
            return None, None
        return start, None if reach == NEVER else start + reach

    # -- who is in -------------------------------------------------------------------------------

    async def members(self, name: str, after: str, limit: int) -> dict[str, Any]:
        """Return members, those whose subject sorts behind `after`; `next` is that of a next page.

        A person is named as a subject, `1`, or as people see them, `p-1`.

        Raises:
            NotFound: there is no such audience.
        """
        memberships = self._source.store.memberships
        behind = after.removeprefix("p-") if _is_person(after.removeprefix("p-")) else after
        rows = await memberships.members(name, behind, limit)
        if not rows and name not in self._source.wanted.audiences:
            raise self._unknown(name)
        ids = {int(row.subject.partition("/")[0]) for row in rows if _is_person(row.subject)}
        profiles = await self._source.store.state.profiles(sorted(ids))
        return {
            "audience": name,
            "members": [_member(row, profiles) for row in rows],
            "next": rows[-1].subject if len(rows) == limit else None,
        }

    def _serving(self, name: str) -> Compiled:
        """Return an audience that serves.

        Raises:
            NotFound: there is none of this name.
        """
        compiled = self._source.serving.audiences.get(name)
        if compiled is not None:
            return compiled
        if name in self._source.wanted.audiences:
            raise NotFound(f"the audience {name} is being built and does not serve yet")
        raise self._unknown(name)

    def _unknown(self, name: str) -> NotFound:
        return NotFound(f"there is no audience {name}")

    # -- why -------------------------------------------------------------------------------------

    async def explain(self, name: str, kind: str, value: str) -> dict[str, Any]:
        """Return why somebody is in an audience or not.

        Raises:
            NotFound: there is no such audience, or it does not serve yet; or nobody has the id.
        """
        compiled = self._serving(name)
        profile, subject = await self._subject(compiled.audience.key, kind, value)
        behavior = Behavior.decode(profile.behavior)
        now, key = self._source.now(), compiled.audience.key
        of = USER if key == SESSION else key
        self._source.stage().engine.look_ahead(profile, behavior, now, key=of)
        session = None
        if key == SESSION:
            session = value if kind == SESSION_ID else behavior.newest_session()
            if session is None or session not in behavior.sessions:
                raise NotFound(f"no session of {kind} = {value} is known any more")
        moment = moment_of(profile, behavior, now, session)
        condition = explain(compiled, moment)
        kept_out = explain_exit(compiled, moment)
        known = moment.scope.memberships.get(name)
        found = stand(compiled.audience, known, now, kept_out is not None and kept_out.holds)
        evidence = [*condition.all_evidence(), *(kept_out.all_evidence() if kept_out else ())]
        records = await self._source.stage().places.events_at(sorted(set(evidence)))
        events = {place: _event(record) for place, record in records.items()}
        program = self._source.serving
        return {
            "audience": name,
            "version": compiled.version,
            "key": key,
            "subject": subject,
            "session": session,
            "as_of": iso_time(now),
            "definition": in_words(compiled.audience).splitlines(),
            **_standing(found),
            "next_look": _time(min(moment.scope.dues.get(name, (NEVER, NEVER)))),
            "degraded": behavior.over
            or program.is_degraded(program.kinds_of[name], _states(moment)),
            "condition": _tree(condition, events),
            "exit": _tree(kept_out, events) if kept_out is not None else None,
        }

    async def _subject(self, key: str, kind: str, value: str) -> tuple[Profile, str]:
        """Return who is meant, and how they are called."""
        store = self._source.store
        if key not in (USER, SESSION):
            name = f"{key}:{value}"
            subject = (await store.state.subjects([name])).get(name)
            if subject is None or kind not in (key, *(_ACCOUNT_IDS if key == ACCOUNT else ())):
                raise NotFound(f"no subject has {kind} = {value}; the audience is of {key}")
            return subject, name
        if kind == SESSION_ID:
            owners = await store.memberships.session_owners(value)
        else:
            said = value.lower() if kind == "email" else value
            owners = list((await store.state.resolve([(kind, said)])).values())
        found = await store.state.profiles(owners[:1])
        if not found:
            raise NotFound(f"no profile has {kind} = {value}")
        profile = found[owners[0]]
        return profile, public_id(profile.id)

    # -- what it would be, and what became of it -------------------------------------------------

    async def preview(
        self, tables: Mapping[str, Any], name: str, fraction: float = 1.0
    ) -> dict[str, Any]:
        """Return what the audience `name` of these tables would be; nothing is stored.

        One preview after another. The tables are those of a configuration, as TOML has them.

        Raises:
            BadDefinition: there are problems.
            NotFound: the tables define no such audience.
        """
        definitions, problems = parse_definitions(tables)
        if problems:
            raise BadDefinition("; ".join(map(str, problems)))
        if all(audience.name != name for audience in definitions.audiences):
            raise self._unknown(name)
        async with self._looking:
            return await Preview(self._source, definitions, name, fraction).run()

    async def report(
        self, name: str, since: int | None = None, until: int | None = None
    ) -> dict[str, Any]:
        """Return what became of those who entered since then, and the audience's size by days.

        Raises:
            NotFound: there is no such audience, or it does not serve yet.
        """
        compiled = self._serving(name)
        end = self._source.now() + 1 if until is None else until
        start = end - _PERIOD if since is None else since
        async with self._looking:
            return await Report(self._source, compiled.audience, start, end).run()


_ACCOUNT_IDS: Final = ("account_id", "group_id")


def _states(moment: Moment) -> Mapping[str, Any]:
    return {**moment.behavior.own.states, **moment.scope.states}


def _standing(found: Stand) -> dict[str, Any]:
    return {
        "member": found.member,
        "standing": found.standing,
        "since": _time(found.since),
        "until": _time(found.until),
        "moves": found.number,
    }


def _tree(found: Explained, events: Mapping[int, dict[str, Any]]) -> dict[str, Any]:
    return {
        "words": found.words,
        "holds": found.holds,
        "value": found.value,
        "error": found.error or None,
        "degraded": found.degraded,
        "changes_at": _time(found.changes_at),
        "by_silence": found.by_silence,
        "evidence": [
            events.get(offset, {"offset": offset, "message_id": None, "event": None, "at": None})
            for offset in found.evidence
        ],
        "items": [_tree(item, events) for item in found.items],
    }


def _event(record: Record) -> dict[str, Any]:
    body, at = canonical(record)
    return {
        "offset": record.offset,
        "message_id": record.message_id,
        "event": seen_of(record, body, at, 0).name or body["type"],
        "at": iso_time(at),
    }


def _member(row: Member, profiles: Mapping[int, Profile]) -> dict[str, Any]:
    told: dict[str, Any] = {"subject": row.subject, "since": iso_time(row.since)}
    if not _is_person(row.subject):
        return {**told, "profile": None, "session": None, "ids": {}, "groups": []}
    number, _, session = row.subject.partition("/")
    profile = profiles.get(int(number))
    return {
        **told,
        "profile": public_id(int(number)),
        "session": session or None,
        "ids": newest_ids(profile) if profile is not None else {},
        "groups": [*profile.groups] if profile is not None else [],
    }


def _is_person(subject: str) -> bool:
    return subject.partition("/")[0].isdigit()


def _time(at: int | None) -> str | None:
    return None if at is None or at == NEVER else iso_time(at)
