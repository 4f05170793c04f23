"""Events as entries of an aggregate."""

from collections.abc import Callable

from junctor.audiences.nodes import Prop
from junctor.audiences.props import prop_reader
from junctor.audiences.seen import Seen
from junctor.audiences.states.aggregate import Aggregate, Entry


def entry_reader(aggregate: Aggregate, prop: Prop | None) -> Callable[[Seen], Entry | None]:
    """Return what makes an entry of an event: None of one without the property.

    Without `prop` every event has an entry, `[at, rank]`.
    """
    if prop is None:
        return lambda seen: [seen.at, seen.rank]
    read = prop_reader(prop)

    def entry(seen: Seen) -> Entry | None:
        value = aggregate.take(read(seen))
        return None if value is None else [seen.at, seen.rank, value]

    return entry
