"""Whatever happens on the way, in the end the lists equal the audiences."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from junctor_connectors.statsig_segment.naming import segment_id
from tests.connectors.statsig_segment.console_api import (
    Fault,
    answer_lost,
    fails,
    never_arrives,
)
from tests.connectors.statsig_segment.host import (
    Host,
    hub_delivers,
    identified,
    moved,
    running_host,
)

Move = tuple[str, str, bool, bool]
"""User, audience, entered, and whether it comes as an identify call."""

AUDIENCES = ("buyers", "Warm leads")

moves = st.lists(
    st.tuples(
        st.sampled_from(["u-1", "u-2", "u-3", "u-4"]),
        st.sampled_from(AUDIENCES),
        st.booleans(),
        st.booleans(),
    ),
    max_size=40,
)
faults: st.SearchStrategy[list[Fault | None]] = st.lists(
    st.sampled_from(
        [None, None, None, answer_lost, never_arrives, fails(409), fails(429), fails(503)]
    ),
    max_size=40,
)
cuts = st.lists(st.integers(1, 8), min_size=1, max_size=10)
restarts = st.sets(st.integers(0, 20))
deletions = st.sets(st.integers(0, 20))


def audiences_after(moves: Sequence[Move]) -> dict[str, set[str]]:
    """The oracle: who is in, taking one move after another."""
    members: dict[str, set[str]] = {audience: set() for audience in AUDIENCES}
    for user, audience, entered, _ in moves:
        (members[audience].add if entered else members[audience].discard)(user)
    return members


def batches(moves: Sequence[Move], cuts: Sequence[int]) -> list[Sequence[Move]]:
    """The moves in batches whose sizes go around `cuts`."""
    found: list[Sequence[Move]] = []
    start = 0
    while start < len(moves):
        size = cuts[len(found) % len(cuts)]
        found.append(moves[start : start + size])
        start += size
    return found


async def sync(
    host: Host,
    moves: Sequence[Move],
    cuts: Sequence[int],
    restarts: set[int],
    deletions: frozenset[int] | set[int] = frozenset(),
) -> None:
    destination = host.destination()
    for number, batch in enumerate(batches(moves, cuts)):
        if number in restarts:
            destination = host.destination()
        if number in deletions:
            host.api.segments.clear()
        events = [
            identified(user, audience, entered=entered)
            if as_identify
            else moved(user, audience, entered=entered)
            for user, audience, entered, as_identify in batch
        ]
        assert await hub_delivers(destination, host.clock, events) == []


def remote(host: Host) -> dict[str, set[str]]:
    return {audience: host.api.members(segment_id(audience, {})) for audience in AUDIENCES}


@pytest.mark.case(47)
@settings(max_examples=300, deadline=None)
@given(moves, cuts, faults, restarts)
def test_after_any_moves_batches_failures_and_restarts_lists_equal_audiences(
    moves: list[Move], cuts: list[int], faults: list[Fault | None], restarts: set[int]
) -> None:
    async def run() -> None:
        async with running_host() as host:
            host.api.faults.extend(faults)
            await sync(host, moves, cuts, restarts)
            assert remote(host) == audiences_after(moves)

    asyncio.run(run())


@pytest.mark.case(47)
@settings(max_examples=150, deadline=None)
@given(moves, cuts, faults, restarts, deletions)
def test_after_deletions_at_statsig_a_repair_makes_lists_equal_audiences(
    moves: list[Move],
    cuts: list[int],
    faults: list[Fault | None],
    restarts: set[int],
    deletions: set[int],
) -> None:
    async def run() -> None:
        async with running_host() as host:
            host.api.faults.extend(faults)
            await sync(host, moves, cuts, restarts, deletions)
            host.api.faults.clear()
            host.clock.tick(60)
            destination = host.destination()
            for audience, members in audiences_after(moves).items():
                await destination.repair(audience, await destination.compare(audience, members))
            assert remote(host) == audiences_after(moves)

    asyncio.run(run())


@settings(max_examples=100, deadline=None)
@given(moves, faults)
def test_repeating_a_delivery_changes_nothing(
    moves: list[Move], faults: list[Fault | None]
) -> None:
    async def run() -> None:
        async with running_host() as host:
            host.api.faults.extend(faults)
            await sync(host, moves, [40], set())
            before = remote(host)
            await sync(host, moves, [40], set())
            assert remote(host) == before

    asyncio.run(run())
