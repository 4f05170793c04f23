"""Whether the books balance: the hub's, against the shop's and the vendors'."""

from collections import Counter
from collections.abc import Iterator, Sequence

from junctor.demo.books import Books
from junctor.demo.picture import Picture
from junctor.demo.setting import TOLD
from junctor.demo.vendors import Crm, Vendor


def problems(picture: Picture, books: Books, vendors: Sequence[Vendor]) -> list[str]:
    """Return everything that is not as it must be; empty: every event is where it belongs."""
    return [
        *_of_shop(picture, books),
        *_of_ledger(picture, books),
        *_of_audiences(picture, books),
        *[problem for vendor in vendors for problem in _of_vendor(vendor, picture, books)],
    ]


def _of_shop(picture: Picture, books: Books) -> Iterator[str]:
    for reason, count in books.failures.items():
        yield f"the hub failed to take {count} requests: {reason}"
    for row in picture.sources:
        told = {"accepted": row.accepted, "duplicate": row.duplicates, "rejected": row.rejected}
        for outcome, count in told.items():
            expected = books.counts[row.id, outcome]
            if count != expected:
                yield f"source {row.id}: {count} events {outcome}, but the shop knows {expected}"


def _of_ledger(picture: Picture, books: Books) -> Iterator[str]:
    made = picture.moves + books.shoppers.signals
    if not picture.accepted:
        yield "nothing was accepted"
    for row in picture.destinations:
        fates = row.delivered + row.filtered + row.dead + row.pending
        if row.accepted != fates:
            yield f"{row.id}: {row.accepted} events accepted, but {fates} have a fate"
        if row.accepted != picture.accepted + made:
            yield (
                f"{row.id}: {row.accepted} events in the ledger, but {picture.accepted} were"
                f" accepted and {made} made of them"
            )
        if row.pending:
            yield f"{row.id}: {row.pending} events are still pending"


def _of_audiences(picture: Picture, books: Books) -> Iterator[str]:
    due = books.shoppers.moves
    for row in picture.audiences:
        for word, count, entered in (("entered", row.entered, True), ("left", row.left, False)):
            expected = sum(
                times
                for move, times in due.items()
                if (move.audience, move.entered) == (row.id, entered)
            )
            if count != expected:
                yield f"{row.id}: {count} people {word}, but the shop knows {expected}"
        if row.members != row.entered - row.left:
            yield (
                f"{row.id}: {row.members} members, but {row.entered} people entered"
                f" and {row.left} left"
            )


def _of_moves(vendor: Vendor, books: Books) -> Iterator[str]:
    """Hold who came and went, as the vendor was told, against the shop's own knowledge."""
    seen = Counter(books.shoppers.name(move) for move in vendor.moves.values())
    due = Counter(
        {move: n for move, n in books.shoppers.moves.items() if TOLD[move.audience] == vendor.id}
    )
    if missing := (due - seen).total():
        yield f"{vendor.id}: {missing} entries and exits never reached the vendor"
    if strange := (seen - due).total():
        yield f"{vendor.id}: the vendor heard of {strange} entries and exits that were none"


def _of_vendor(vendor: Vendor, picture: Picture, books: Books) -> Iterator[str]:
    for fault, count in vendor.faults.items():
        yield f"{vendor.id}: wire format, {count} times: {fault}"
    yield from _of_moves(vendor, books)
    seen = vendor.arrived.keys()
    expected = books.expected.get(vendor.id, set()) | vendor.moves.keys()
    if missing := len(expected - seen):
        yield f"{vendor.id}: {missing} events never reached the vendor"
    if strange := len(seen - expected):
        yield f"{vendor.id}: the vendor saw {strange} events that were not meant for it"
    delivered = [row.delivered for row in picture.destinations if row.id == vendor.id]
    if delivered != [len(seen)]:
        yield f"{vendor.id}: {sum(delivered)} events delivered, but the vendor saw {len(seen)}"
    unanswered = vendor.lost_answers if isinstance(vendor, Crm) else 0
    if vendor.repeats > unanswered:
        yield f"{vendor.id}: {vendor.repeats} events came twice, {unanswered} had to"
