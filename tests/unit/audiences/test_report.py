"""What became of members beside others: who counts, from when on, and how weeks weigh."""

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from junctor.audiences.report import Group, compare, week
from tests.unit.audiences.visitor import T0

DAY = 86_400_000
WEEK = 7 * DAY
NOW = T0 + 100 * DAY


def test_weeks_are_iso_weeks_in_utc() -> None:
    assert week(T0) == "2025-W48"
    assert week(1_767_225_600_000) == "2026-W01"  # 2026-01-01
    assert week(1_767_225_600_000 - 4 * DAY) == "2025-W52"  # a Sunday


def test_a_member_s_time_runs_from_entering_both_ends_included() -> None:
    group = Group()
    for goals in ([(T0 - 1, 5.0)], [(T0, 1.0)], [(T0 + DAY, None)], [(T0 + DAY + 1, 7.0)]):
        group.take(goals, T0, DAY)
    assert (group.people, group.reached, group.value) == (4, 2, 1.0)
    assert group.share == 0.5


def test_the_others_time_runs_from_the_median_entry_of_their_week() -> None:
    entries = {id: (T0, T0 + id * DAY) for id in (1, 2, 9)}
    goals = {4: [(T0 + DAY, 1.0)], 5: [(T0 + 2 * DAY, 2.0)], 6: [(T0 + 3 * DAY + 1, 3.0)]}
    found = compare(entries, [(id, T0) for id in (4, 5, 6)], goals, DAY, NOW)
    assert (found.others.people, found.others.reached, found.others.value) == (3, 1, 2.0)
    [of_week] = found.weeks
    assert of_week.starts == T0 + 2 * DAY


def test_nobody_s_time_runs_before_they_were_seen() -> None:
    goals = {2: [(T0 + 4 * DAY, None)]}
    found = compare({1: (T0, T0)}, [(2, T0 + 3 * DAY)], goals, DAY, NOW)
    assert (found.others.people, found.others.reached) == (1, 1)


def test_who_entered_too_lately_does_not_count_yet() -> None:
    entries = {1: (T0, NOW - DAY), 2: (T0, NOW - DAY + 1), 3: (T0, T0)}
    found = compare(entries, [], {2: [(NOW, 1.0)]}, DAY, NOW)
    assert (found.members.people, found.still_open.people, found.members.reached) == (2, 1, 0)


def test_of_those_who_do_not_count_yet_it_is_known_when_they_will_and_what_they_reached() -> None:
    entries = {1: (T0, NOW - 1), 2: (T0, NOW - 3), 3: (T0, NOW - 2)}
    goals: dict[int, list[tuple[int, float | None]]] = {
        1: [(NOW - 2, 1.0)],
        3: [(NOW - 2, None), (NOW, None)],
    }
    found = compare(entries, [], goals, DAY, NOW).still_open
    assert (found.people, found.reached) == (3, 1)
    assert (found.first, found.last) == (NOW - 3 + DAY, NOW - 1 + DAY)
    assert compare({}, [], {}, DAY, NOW).still_open.first is None


def test_others_of_weeks_without_members_do_not_count() -> None:
    found = compare({1: (T0, T0)}, [(2, T0 + 2 * WEEK)], {}, DAY, NOW)
    assert (found.others.people, found.unmatched) == (0, 1)
    assert (found.difference, found.interval) == (None, None)


def test_the_others_share_weighs_weeks_as_the_members_do() -> None:
    """Three of four members are of the second week, where all others reach it."""
    entries = {1: (T0, T0), **{id: (T0 + WEEK, T0 + WEEK) for id in (2, 3, 4)}}
    others = [(id, T0) for id in range(10, 20)] + [(20, T0 + WEEK)]
    found = compare(entries, others, {20: [(T0 + WEEK, None)]}, DAY, NOW)
    assert found.others_share == 0.75
    assert found.others.share == pytest.approx(1 / 11)
    assert found.difference == -0.75
    assert found.interval is not None
    assert found.interval[0] < -0.75 < found.interval[1]


people = st.dictionaries(
    st.integers(1, 30), st.tuples(st.integers(0, 20), st.integers(0, 30)), max_size=20
)
reached = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 50), st.integers(1, 9)))


@settings(max_examples=100, deadline=None)
@given(people, st.lists(st.integers(0, 20), max_size=20), reached, st.integers(1, 20))
def test_every_member_and_every_other_counts_once(
    members: dict[int, tuple[int, int]], others: list[int], goals: list[tuple[int, int, int]],
    within: int,
) -> None:  # fmt: skip
    now = T0 + 35 * DAY
    entries = {id: (T0 + seen * DAY, T0 + (seen + at) * DAY) for id, (seen, at) in members.items()}
    never = [(31 + place, T0 + seen * DAY) for place, seen in enumerate(others)]
    by_profile: dict[int, list[tuple[int, float | None]]] = defaultdict(list)
    for profile, at, value in goals:
        by_profile[profile].append((T0 + at * DAY, float(value)))
    found = compare(entries, never, by_profile, within * DAY, now)
    over = {id for id, (_, at) in entries.items() if at + within * DAY <= now}
    assert found.members.people == len(over)
    assert found.still_open.people == len(entries) - len(over)
    naive = {
        id
        for id in over
        for at, _ in by_profile.get(id, [])
        if entries[id][1] <= at <= entries[id][1] + within * DAY
    }
    assert found.members.reached == len(naive)
    weeks = {week(seen) for seen, _ in entries.values()}
    assert found.others.people <= sum(week(seen) in weeks for _, seen in never)
    assert (found.difference is None) == (found.members.people == found.unmatched)
