"""What a batch tells: transitions, to the store and to whoever watches, and events of the hub's."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from junctor.audiences.changes import Transition
from junctor.audiences.seen import HUB
from junctor.model.membership import Told, TransitionRow
from junctor.model.profile import Profile
from junctor.model.record import NewRecord
from junctor.pipeline.derived import transition_event
from junctor.store.dedupe import dedupe_key

Consent = Mapping[str, Any] | None


class Telling:
    """Collects what is told of the subjects of one batch."""

    def __init__(self, now: Callable[[], int]) -> None:
        """Stamp events with the time that `now` returns, in epoch milliseconds."""
        self._now = now
        self.told: list[Told] = []
        self.derived: list[NewRecord] = []

    def tell(
        self,
        profile: Profile,
        transition: Transition,
        subject: str,
        id: int,
        consent: Consent,
        person: int = 0,
    ) -> None:
        """Tell that a subject entered or left; `id` is the person's, 0 of one that is none.

        Then `person` is whose identifier the subject is, 0 if that is not known.
        """
        row = TransitionRow(
            transition.audience.name, transition.version, subject, id, transition.at,
            transition.entered, transition.reason,
        )  # fmt: skip
        self.note(profile, row, transition.session)
        self.append(transition_event(profile, transition, subject, consent, id or person))

    def again(
        self, profile: Profile, transition: Transition, subject: str, consent: Consent
    ) -> None:
        """Tell of an entry once more, by more ids; see transition_event."""
        event = transition_event(profile, transition, subject, consent, profile.id, again=True)
        self.append(event)

    def note(self, profile: Profile, row: TransitionRow, session: str | None) -> None:
        """Note a transition without an event of its own."""
        ids = {kind: tuple(values) for kind, values in profile.identifiers.items()}
        if session is not None:
            ids["session_id"] = (session,)
        if not row.profile:
            kind, _, value = row.subject.partition(":")
            ids[kind] = (value,)
        self.told.append(Told(row, ids))

    def append(self, body: dict[str, Any]) -> None:
        """Make an event of the hub's own."""
        message_id = body["messageId"]
        self.derived.append(
            NewRecord(
                HUB, message_id, self._now(), False, dedupe_key(HUB, message_id),
                orjson.dumps(body), body,
            )
        )  # fmt: skip
