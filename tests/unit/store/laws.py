"""The law book: what every store adapter must pass.

An adapter's test class inherits from StoreLaws and says how to open its store.
"""

from abc import abstractmethod
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from junctor.store.port import Store

from .laws_erasures import ErasureLaws
from .laws_fold import FoldLaws
from .laws_ledger import LedgerLaws
from .laws_log import LogLaws
from .laws_memberships import MembershipLaws
from .laws_retention import RetentionLaws
from .laws_state import StateLaws
from .machine import LedgerMachine
from .makers import Reopen


class StoreLaws(
    LogLaws, StateLaws, FoldLaws, MembershipLaws, LedgerLaws, ErasureLaws, RetentionLaws
):
    """All laws, and the fixtures they ask for."""

    @abstractmethod
    def open(self, place: Path, **options: Any) -> Store:
        """Open the store kept at `place`; called on the event loop.

        `options` are in the units of the configuration: dedupe_window, retention_age and
        retention_dead in seconds, retention_size in bytes.
        """

    @pytest.fixture
    async def reopen(self, tmp_path: Path) -> AsyncIterator[Reopen]:
        current: Store | None = None

        async def reopen(**options: Any) -> Store:
            nonlocal current
            if current is not None:
                await current.close()
            current = self.open(tmp_path / "store", **options)
            return current

        yield reopen
        if current is not None:
            await current.close()

    @pytest.fixture
    async def store(self, reopen: Reopen) -> Store:
        return await reopen()

    async def test_a_store_may_be_closed_twice(self, store: Store) -> None:
        await store.close()
        await store.close()

    def test_the_sums_are_true_whatever_happens(self) -> None:
        open = self.open

        class Machine(LedgerMachine):
            def open(self, place: Path) -> Store:
                return open(place)

        run_state_machine_as_test(
            Machine,
            settings=settings(max_examples=25, stateful_step_count=25, deadline=None),
        )

    async def test_a_fresh_store_is_healthy(self, store: Store) -> None:
        assert store.problem() == ""
