"""Different values, or local days: of each, the newest event that has it."""

from dataclasses import dataclass

from junctor.audiences.states.times import Entries, Entry, Times, Whole


@dataclass(frozen=True)
class Distinct(Times):
    """The `size` values that were seen last, each with the newest event that has it.

    "At least k different ones in the last W" holds if the k-th of them is younger than W.
    """

    def keep(self, entries: Entries, entry: Entry) -> None:
        """See Times."""
        for index, known in enumerate(entries):
            if known[2] == entry[2]:
                if known[:2] >= entry[:2]:
                    return
                del entries[index]
                break
        super().keep(entries, entry)


@dataclass(frozen=True)
class DistinctWithin(Distinct, Whole):
    """The values seen last, those of not longer than `size` (milliseconds) before the newest."""
