"""How far a list is from its audience."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Drift:
    """The result of a full compare; ids in order, each once.

    `missing` are members that the list lacks, `extra` are ids in the list of nobody who is a
    member, `remote` is how many ids the list has.
    """

    missing: tuple[str, ...]
    extra: tuple[str, ...]
    remote: int
