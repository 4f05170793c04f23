"""A destination that lives at random: whatever happens, the ledger's sums agree with a model."""

import asyncio
import tempfile
from abc import abstractmethod
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from junctor.model.delivery import Outcome
from junctor.store.port import FoldResult, Routed, Settlement, Store, Tally

from .makers import DAY, T0, attempt, dead, many, offsets, parked

T = TypeVar("T")
FATES = st.sampled_from([Outcome.DELIVERED, Outcome.RETRY, Outcome.DEAD_LETTER, Outcome.DISCARDED])


class LedgerMachine(RuleBasedStateMachine):
    """One destination; the model is six numbers and three collections."""

    def __init__(self) -> None:
        """Open a store of its own."""
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.store = self.run(self.opened())
        self.accepted = self.delivered = self.filtered = self.dead = self.pending = 0
        self.sent = 0
        self.unsettled: list[int] = []
        self.parked: dict[int, tuple[int, ...]] = {}
        self.letters: dict[int, int] = {}

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @abstractmethod
    def open(self, place: Path) -> Store:
        """Open the store kept at `place`."""

    async def opened(self) -> Store:
        return self.open(Path(self.folder.name))

    def teardown(self) -> None:
        self.run(self.store.close())
        self.runner.close()
        self.folder.cleanup()

    # -- what happens ----------------------------------------------------------------------------

    @initialize()
    def opens(self) -> None:
        self.run(self.store.ledger.open("crm", 0))

    @rule(count=st.integers(1, 4), duplicate=st.booleans())
    def accept(self, count: int, duplicate: bool) -> None:
        records = many(count, prefix=f"e{self.sent}")
        copies = many(count, prefix=f"e{self.sent}") if duplicate else []
        assert self.run(self.store.log.append([*records, *copies])) == len(copies)
        self.sent += 1
        self.accepted += count
        self.pending += count

    @rule(data=st.data())
    def fold(self, data: st.DataObject) -> None:
        position = self.run(self.store.state.position())
        records = self.run(self.store.log.read(position, data.draw(st.integers(1, 5))))
        if not records:
            return
        routed = []
        for record in records:
            reason = data.draw(st.sampled_from(["", "", "no route"]))
            routed.append(Routed(record.offset, 1, (("crm", reason),)))
            if reason:
                self.filtered += 1
                self.pending -= 1
            else:
                self.unsettled.append(record.offset)
        self.run(self.store.state.commit(FoldResult(records[-1].offset, routed=routed)))

    @precondition(lambda self: self.unsettled)
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        batch = sorted(
            data.draw(
                st.lists(st.sampled_from(self.unsettled), min_size=1, max_size=4, unique=True)
            )
        )
        self.settle(data, batch, ())
        # As the worker does: the cursor of a call is stored with the next one.
        self.unsettled = [offset for offset in self.unsettled if offset not in batch]

    @precondition(lambda self: self.parked)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        id = data.draw(st.sampled_from(sorted(self.parked)))
        self.settle(data, list(self.parked.pop(id)), (id,))

    @precondition(lambda self: self.letters)
    @rule(data=st.data())
    def replay_a_dead_letter(self, data: st.DataObject) -> None:
        id = data.draw(st.sampled_from(sorted(self.letters)))
        group = parked(self.letters.pop(id))
        [given] = self.run(
            self.store.ledger.settle(Settlement("crm", park=[group], dead_replayed=[id]))
        )
        self.parked[given] = group.offsets
        self.dead -= 1
        self.pending += 1

    @precondition(lambda self: self.letters)
    @rule(data=st.data())
    def purge(self, data: st.DataObject) -> None:
        id = data.draw(st.sampled_from(sorted(self.letters)))
        del self.letters[id]
        assert self.run(self.store.ledger.purge([id])) == 1

    @rule()
    def replay(self) -> None:
        """Only what is settled may go out again."""
        until = self.cursor()
        replay = self.run(self.store.ledger.open_replay("crm", 0, until))
        records, position = self.run(self.store.ledger.backlog("crm", 0, 3, upto=until))
        found = offsets(records)
        groups = [parked(*found)] if found else []
        given = self.run(
            self.store.ledger.advance_replay(
                replace(replay, position=until, count=len(found)),
                Settlement("crm", park=groups, accepted=len(found)),
            )
        )
        self.parked |= dict(zip(given, [group.offsets for group in groups], strict=True))
        self.accepted += len(found)
        self.pending += len(found)
        assert position <= until

    @rule()
    def tidy(self) -> None:
        self.run(self.store.maintain(T0 + 20 * DAY))

    @rule()
    def restart(self) -> None:
        self.run(self.store.close())
        self.store = self.run(self.opened())
        [state] = self.run(self.store.ledger.destinations())
        beyond = self.run(self.store.ledger.settled_beyond("crm", state.cursor))
        records, _ = self.run(self.store.ledger.backlog("crm", state.cursor, 1_000))
        assert [o for o in offsets(records) if o not in beyond] == self.unsettled

    # -- what must be ----------------------------------------------------------------------------

    @invariant()
    def the_sums_agree(self) -> None:
        tally = self.run(self.store.ledger.tallies()).get("crm", Tally(0, 0, 0, 0, 0))
        expected = (self.accepted, self.delivered, self.filtered, self.dead, self.pending)
        assert tally == Tally(*expected)
        assert self.accepted == self.delivered + self.filtered + self.dead + self.pending

    @invariant()
    def what_waits_is_known(self) -> None:
        waiting = self.run(self.store.ledger.parked("crm"))
        assert {group.id: group.offsets for group in waiting} == self.parked
        letters = self.run(self.store.ledger.dead_letters("crm"))
        assert {letter.id: letter.offset for letter in letters} == self.letters

    # -- helpers ---------------------------------------------------------------------------------

    def cursor(self) -> int:
        if self.unsettled:
            return min(self.unsettled) - 1
        return self.run(self.store.state.position())

    def settle(self, data: st.DataObject, batch: list[int], unpark: tuple[int, ...]) -> None:
        fates: dict[Outcome, list[int]] = {}
        for offset in batch:
            fates.setdefault(data.draw(FATES), []).append(offset)
        again = fates.get(Outcome.RETRY, [])
        failed = fates.get(Outcome.DEAD_LETTER, [])
        groups = [parked(*again)] if again else []
        newest = max(self.letters, default=0)
        given = self.run(
            self.store.ledger.settle(
                Settlement(
                    "crm",
                    attempts=[attempt(outcome, found) for outcome, found in fates.items()],
                    park=groups,
                    unpark=unpark,
                    dead=[dead("crm", offset) for offset in failed],
                    cursor=self.cursor(),
                )
            )
        )
        self.parked |= dict(zip(given, [group.offsets for group in groups], strict=True))
        for letter in self.run(self.store.ledger.dead_letters("crm")):
            if letter.id > newest or letter.id not in self.letters:
                self.letters[letter.id] = letter.offset
        self.delivered += len(fates.get(Outcome.DELIVERED, []))
        self.filtered += len(fates.get(Outcome.DISCARDED, []))
        self.dead += len(failed)
        self.pending -= len(batch) - len(again)
