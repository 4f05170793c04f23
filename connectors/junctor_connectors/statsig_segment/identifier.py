"""Which id a person has in the lists."""

from typing import Any, Final

from junctor.sdk import Event, ProfileView

_FIELDS: Final = {"user_id": "userId", "anonymous_id": "anonymousId"}


class Identifier:
    """Finds a person's id of one kind."""

    def __init__(self, kind: str) -> None:
        """Look for identifiers of `kind`, as `[identity]` names them, or `group_id`."""
        self.kind = kind
        self._field = _FIELDS.get(kind)

    def of_event(self, event: Event) -> str | None:
        """Return the event's own id, else the person's newest: who left must leave by the same id.

        An event's own ids are `userId`, `anonymousId`, `groupId` and those of
        `context.externalIds` [Segment, external ids].
        """
        return self._own(event) or self.of_profile(event.profile)

    def of_profile(self, profile: ProfileView) -> str | None:
        """Return the person's newest id, None without one."""
        if self.kind == "group_id":
            return next(filter(None, map(_id, reversed(list(profile.groups)))), None)
        return _id(profile.identifier(self.kind))

    def _own(self, event: Event) -> str | None:
        if self.kind == "group_id":
            return _id(event.group_id)
        if self._field is not None:
            return _id(event.body.get(self._field))
        listed = event.context.get("externalIds")
        for one in reversed(listed) if isinstance(listed, list) else ():
            if (
                isinstance(one, dict)
                and one.get("type") == self.kind
                and (id := _id(one.get("id")))
            ):
                return id
        return None


def _id(value: Any) -> str | None:
    """Return an id without the spaces around it, None for what is none."""
    return (value.strip() or None) if isinstance(value, str) else None
