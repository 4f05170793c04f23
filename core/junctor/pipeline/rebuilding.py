"""What a build does to the subjects of a batch: fill states from the past, drop, look anew.

Kinds of states are named `SORT KEY`: the sort of subjects, and the kind's key.
"""

from collections.abc import Collection, Sequence
from typing import Any

from junctor.audiences.nodes import SESSION, USER
from junctor.audiences.seen import Seen
from junctor.model.profile import Profile
from junctor.pipeline.audience import AudienceBatch
from junctor.pipeline.subjects import Subjects, new_subject, teach
from junctor.store.port import IdentifierKey


def fill(
    batch: AudienceBatch,
    profile: Profile,
    seen: Seen,
    wanted: Collection[str],
    identifiers: Sequence[IdentifierKey],
) -> None:
    """Put an event of a person's past into states of the `wanted` kinds only."""
    engine, subjects = batch.stage.engine, batch.subjects
    engine.fill(subjects.person(profile), seen, _of_sort(wanted, USER, SESSION))
    for sort, key in batch.stage.subject_keys(seen.body, identifiers):
        subject = subjects.others.get(key) or new_subject(key, seen)
        behavior = subjects.other(key, subject)
        teach(subject, sort, seen)
        engine.fill(behavior, seen, _of_sort(wanted, sort), key=sort)


def drop(subjects: Subjects, kinds: Collection[str]) -> None:
    """Drop the states of these kinds of all that are in hand."""
    of_people = _of_sort(kinds, USER, SESSION)
    for behavior in subjects.behaviors.values():
        for scope in (behavior.own, *behavior.sessions.values()):
            _without(scope.states, of_people)
    for key, behavior in subjects.of_others.items():
        _without(behavior.own.states, _of_sort(kinds, key.partition(":")[0]))


def review(batch: AudienceBatch, now: int) -> None:
    """Look at the memberships of all in hand by the present definitions, if not done yet."""
    revision, subjects = batch.stage.engine.program.revision, batch.subjects
    for id, behavior in list(subjects.behaviors.items()):
        if behavior.revision != revision:
            batch.pass_time(subjects.people[id], now)
        else:
            subjects.put_down(id)
    for key, behavior in list(subjects.of_others.items()):
        if behavior.revision != revision:
            batch.pass_time_of_subject(key, subjects.others[key], now)


def _without(states: dict[str, Any], dropped: Collection[str]) -> None:
    for key in states.keys() & dropped:
        del states[key]


def _of_sort(kinds: Collection[str], *sorts: str) -> set[str]:
    """Return the keys of those of `kinds` that are of one of the sorts."""
    parted = (kind.partition(" ") for kind in kinds)
    return {key for sort, _, key in parted if sort in sorts}
