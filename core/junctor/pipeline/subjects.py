"""The subjects that a batch has in hand: people and others, with their behavior decoded once."""

from collections.abc import Callable, Mapping

from junctor.audiences.behavior import Behavior
from junctor.audiences.leaf import NEVER
from junctor.audiences.nodes import ACCOUNT
from junctor.audiences.seen import Seen
from junctor.model.profile import Profile
from junctor.pipeline.traits import learn
from junctor.pipeline.turns import in_turns


class Subjects:
    """People by id, and what audiences are keyed by otherwise by `KIND:VALUE`."""

    def __init__(self, others: dict[str, Profile]) -> None:
        """Begin with nobody in hand; `others` are known already, of those a batch speaks of."""
        self.people: dict[int, Profile] = {}
        self.others = others
        self.changed: dict[str, Profile | None] = {}
        """The others that are to be stored; None for those that are to be removed."""
        self.behaviors: dict[int, Behavior] = {}
        self.of_others: dict[str, Behavior] = {}

    def person(self, profile: Profile) -> Behavior:
        """Take a person in hand; return their behavior."""
        found = self.behaviors.get(profile.id)
        if found is None:
            found = self.behaviors[profile.id] = Behavior.decode(profile.behavior)
        self.people[profile.id] = profile
        return found

    def other(self, key: str, subject: Profile) -> Behavior:
        """Take another subject in hand; return its behavior."""
        found = self.of_others.get(key)
        if found is None:
            found = self.of_others[key] = Behavior.decode(subject.behavior)
        self.others[key] = self.changed[key] = subject
        return found

    def take_up(self, people: Mapping[int, Profile], others: Mapping[str, Profile]) -> None:
        """Take subjects in hand to do something with all of them."""
        for profile in people.values():
            self.person(profile)
        for key, subject in others.items():
            self.other(key, subject)

    def put_down(self, id: int) -> None:
        """Leave a person as they are stored."""
        del self.behaviors[id]
        del self.people[id]

    def remove(self, key: str) -> None:
        """Let another subject be removed, known or not."""
        self.others.pop(key, None)
        self.of_others.pop(key, None)
        self.changed[key] = None

    async def put_back(self, lag: int, over: Callable[[], None]) -> None:
        """Encode what is known of everybody into their profiles, with when it is next due.

        Silence is due `lag` (ms) after its time. `over` is called for each that came to take too
        much room.
        """
        async for some in in_turns(list(self.behaviors.items())):
            for id, behavior in some:
                _put_back(self.people[id], behavior, lag, over)
        for key, behavior in self.of_others.items():
            _put_back(self.others[key], behavior, lag, over)


def new_subject(key: str, seen: Seen) -> Profile:
    """Return the profile of a subject that is no person, of which an event speaks first."""
    return Profile(0, first_seen=seen.at, subject=key)


def teach(subject: Profile, sort: str, seen: Seen) -> None:
    """Let a subject that is no person learn from an event; accounts have traits by group calls."""
    subject.first_seen = min(subject.first_seen, seen.at)
    subject.last_seen = max(subject.last_seen, seen.at)
    traits = seen.body.get("traits")
    if seen.body["type"] == "group" and sort == ACCOUNT and isinstance(traits, dict):
        learn(subject, subject.traits, traits, seen.at)


def _put_back(profile: Profile, behavior: Behavior, lag: int, over: Callable[[], None]) -> None:
    was_over = behavior.over
    profile.behavior = behavior.encode()
    if behavior.over and not was_over:
        over()
    due = behavior.due(lag)
    profile.due = None if due == NEVER else due
