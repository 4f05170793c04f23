"""A full compare finds every difference, and a repair leaves none."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from junctor.sdk import DestinationUnavailable, Drift, Misconfigured, ProfileView, RateLimited
from tests.connectors.statsig_segment.console_api import Segment, fails
from tests.connectors.statsig_segment.host import Host, moved, running_host

NONE = Drift((), (), 0)


async def streamed(ids: list[str]) -> AsyncIterator[str]:
    for id in ids:
        yield id


async def test_a_list_that_equals_its_audience_has_no_drift(host: Host) -> None:
    host.api.segments["buyers"] = Segment(members=dict.fromkeys(["u-1", "u-2"]))
    destination = host.destination()
    expected = Drift((), (), remote=2)
    assert await destination.compare("buyers", ["u-2", "u-1", "u-2"]) == expected
    assert await destination.compare("buyers", streamed(["u-2", "u-1"])) == expected


async def test_drift_names_who_is_missing_and_who_is_extra(host: Host) -> None:
    host.api.segments["buyers"] = Segment(members=dict.fromkeys(["u-3", "u-2", "u-1"]))
    drift = await host.destination().compare("buyers", ["u-5", "u-2", "u-4"])
    assert drift == Drift(missing=("u-4", "u-5"), extra=("u-1", "u-3"), remote=3)


async def test_all_pages_are_read(host: Host) -> None:
    members = [f"u-{number}" for number in range(1500)]
    host.api.segments["buyers"] = Segment(members=dict.fromkeys(members))
    drift = await host.destination().compare("buyers", members)
    assert drift == Drift((), (), remote=1500)
    assert host.api.calls().count("GET /buyers/id_list") == 15


@pytest.mark.parametrize("count", [0, 99, 100, 101, 200])
async def test_the_last_page_is_known_for_the_last(host: Host, count: int) -> None:
    host.api.segments["buyers"] = Segment(members=dict.fromkeys(map(str, range(count))))
    drift = await host.destination().compare("buyers", [])
    assert (drift.remote, len(drift.extra)) == (count, count)
    assert host.api.calls().count("GET /buyers/id_list") == max(1, -(-count // 100))


async def test_a_missing_list_lacks_everybody(host: Host) -> None:
    destination = host.destination()
    assert await destination.compare("buyers", ["u-1"]) == Drift(("u-1",), (), 0)
    assert await destination.compare("buyers", []) == NONE
    assert host.api.segments == {}  # a compare changes nothing


async def test_a_list_of_other_ids_is_not_compared(host: Host) -> None:
    host.api.segments["buyers"] = Segment(id_type="stableID")
    with pytest.raises(Misconfigured):
        await host.destination().compare("buyers", ["u-1"])


@pytest.mark.case(47)
async def test_half_a_list_is_no_compare(host: Host) -> None:
    host.api.segments["buyers"] = Segment(members=dict.fromkeys(map(str, range(150))))
    host.api.faults.extend([None, None, fails(503)])
    with pytest.raises(DestinationUnavailable):
        await host.destination().compare("buyers", [])


async def test_a_repair_goes_in_batches(host: Host) -> None:
    host.api.segments["buyers"] = Segment(members=dict.fromkeys(["x-1", "x-2"]))
    destination = host.destination()
    members = [f"u-{number:04d}" for number in range(1500)]
    await destination.repair("buyers", await destination.compare("buyers", members))
    assert [len(body["ids"]) for body in host.api.bodies("PATCH")] == [1000, 500]
    assert host.api.bodies("DELETE") == [{"ids": ["x-1", "x-2"]}]
    assert host.api.members("buyers") == set(members)


async def test_a_deleted_list_is_repaired_whole(host: Host) -> None:
    destination = host.destination()
    await destination.deliver([moved("u-1"), moved("u-2")])
    del host.api.segments["buyers"]
    await destination.deliver([moved("u-3")])
    drift = await destination.compare("buyers", ["u-1", "u-2", "u-3"])
    assert drift.missing == ("u-1", "u-2")
    await destination.repair("buyers", drift)
    assert host.api.members("buyers") == {"u-1", "u-2", "u-3"}


async def test_without_drift_a_repair_sends_nothing(host: Host) -> None:
    await host.destination().repair("buyers", NONE)
    assert host.api.calls() == []


class Hurried:
    """A clock on which every sleep passes at once."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.slept: list[float] = []

    def now(self) -> float:
        return self._host.clock.now()

    def monotonic(self) -> float:
        return self._host.clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._host.clock.tick(seconds)


def hurried(host: Host) -> Hurried:
    clock = Hurried(host)
    object.__setattr__(host.ctx, "clock", clock)
    return clock


async def test_a_long_repair_waits_within_the_limits(host: Host) -> None:
    clock = hurried(host)
    missing = tuple(f"u-{number:05d}" for number in range(30_000))
    await host.destination().repair("buyers", Drift(missing, (), 0))
    assert host.api.members("buyers") == set(missing)
    assert host.api.calls().count("PATCH /buyers/id_list") == 30  # none was refused
    assert len(clock.slept) == 2


async def test_a_long_compare_waits_within_the_limits(host: Host) -> None:
    clock = hurried(host)
    host.api.segments["buyers"] = Segment(members=dict.fromkeys(map(str, range(15_000))))
    assert (await host.destination().compare("buyers", [])).remote == 15_000
    assert clock.slept == [pytest.approx(11)]


@pytest.mark.parametrize("status", [409, 429])
async def test_a_repair_waits_while_statsig_puts_it_off(host: Host, status: int) -> None:
    clock = hurried(host)
    host.api.segments["buyers"] = Segment()
    host.api.faults.extend([None, fails(status), fails(status)])
    await host.destination().repair("buyers", Drift(("u-1",), (), 0))
    assert host.api.members("buyers") == {"u-1"}
    assert clock.slept == [10, 10]


async def test_a_repair_does_not_wait_for_ever(host: Host) -> None:
    hurried(host)
    host.api.faults.extend([fails(429)] * 10)
    with pytest.raises(RateLimited):
        await host.destination().repair("buyers", Drift(("u-1",), (), 0))


async def test_a_profile_stands_in_the_list_by_its_newest_id(host: Host) -> None:
    profile = ProfileView(identifiers={"user_id": ["u-1", "u-2"]})
    assert host.destination().member_id(profile) == "u-2"
    assert host.destination(id_type="stableID").member_id(profile) is None


@pytest.mark.case(47)
@settings(max_examples=50, deadline=None)
@given(st.sets(st.integers(0, 400)), st.sets(st.integers(0, 400)))
async def test_after_a_repair_nothing_is_missing_or_extra(
    remote: set[int], members: set[int]
) -> None:
    async with running_host() as host:
        if remote:
            host.api.segments["buyers"] = Segment(members=dict.fromkeys(map(str, remote)))
        destination = host.destination()
        expected = {str(member) for member in members}
        drift = await destination.compare("buyers", expected)
        assert set(drift.missing) == expected - {str(one) for one in remote}
        await destination.repair("buyers", drift)
        assert host.api.members("buyers") == expected
        assert await destination.compare("buyers", expected) == Drift((), (), len(expected))
