"""New definitions come into service: from the log, beside live events, across crashes and edits."""

import os
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from junctor.pipeline import backfill
from junctor.pipeline.backfill import BUILD
from junctor.pipeline.route import SILENT, Router, RouteRule, Target
from junctor.store.port import StoreUnavailable

from .lively import DAY, HOUR, SECOND, Lively
from .town import ALL, finish

STORIES = int(os.environ.get("JUNCTOR_ORACLE_CASES", "40"))
NOTHING = ""
HOT = '[audiences.hot]\nevent = "Seen"\ncount = ">=3"\nwithin = "7d"\n'
POINTS = '[scores.points]\nrules = [{ add = 1, event = "Seen" }]\n'
SPENT = '[attributes.spent]\nagg = "sum"\nevent = "Order Completed"\nprop = "revenue"\n'
GONE = '[audiences.gone]\nall = [{ known = ">=1h" }, { event = "Bought", count = 0 }]\n'
BIG = (
    '[audiences.big]\nkey = "account"\n'
    'all = [{ event = "Seen", count = ">=2" }, { trait = "plan", is = "pro" }]\n'
)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "CHUNK", 2)


def lived(toml: str = NOTHING, times: int = 3, users: tuple[str, ...] = ("ada", "bob")) -> Lively:
    """Return a town in which everybody was seen so often, a second apart."""
    town = Lively(toml)
    for _ in range(times):
        for user in users:
            town.does(user, "Seen")
        town.passes(town.now - 1_700_000_000_000 + SECOND)
    return town


def redefined(town: Lively, toml: str) -> Lively:
    town.starts(toml)
    town.builds()
    return town


# -- what is built ---------------------------------------------------------------------------------


def test_a_new_audience_has_the_members_that_the_log_gives_it() -> None:
    town = redefined(lived(), HOT)
    assert town.members == {("hot", "1"), ("hot", "2")}
    assert [(who, reason) for who, _, _, _, reason in town.told] == [
        ("ada", "backfill"), ("bob", "backfill"),
    ]  # fmt: skip
    town.passes(8 * DAY)
    assert town.members == set()


def test_an_old_record_that_can_not_be_read_stops_no_build() -> None:
    town = lived()
    town.log[0] = replace(town.log[0], json=b'["of another time"]', body=None)
    redefined(town, HOT)
    assert town.members
    assert town.backfill.done


def test_an_audience_that_rests_on_absence_finds_everybody_by_review() -> None:
    town = lived()
    town.does("eve", "Bought")
    town.sleeps(2 * HOUR)
    redefined(town, GONE)
    assert town.members == {("gone", "1"), ("gone", "2")}


def test_what_comes_while_the_log_is_read_is_counted_once() -> None:
    for steps in range(12):
        town = lived(times=4)
        town.starts(POINTS + SPENT + HOT)
        town.builds(steps)
        town.does("ada", "Seen")
        town.does("ada", "Order Completed", {"revenue": 5})
        town.builds()
        assert (town.figure("ada", "points"), town.figure("ada", "spent")) == (5, 5), steps
        assert town.figure("bob", "points") == 4


def test_a_crash_at_any_step_loses_nothing_and_counts_nothing_twice() -> None:
    town = lived(times=4)
    town.starts(POINTS + HOT)
    crashes = 0
    while town.backfill.building:
        town.builds(1)
        town.does("ada", "Seen")
        town.starts()
        crashes += 1
    town.builds()
    assert crashes > 3
    assert town.figure("ada", "points") == 4 + crashes
    assert town.figure("bob", "points") == 4
    assert town.members == {("hot", "1"), ("hot", "2")}
    assert len([row for row in town.state.moved if row.audience == "hot"]) == 2


def test_a_commit_that_fails_is_done_again_by_the_same_builder() -> None:
    for failing in range(12):
        town = lived(POINTS, times=1)
        redefined(town, NOTHING)
        town.does("ada", "Seen")
        town.starts(POINTS + HOT)
        if not town.builds(failing):
            break
        town.state.fails = True
        with pytest.raises(StoreUnavailable):
            town.builds()
        town.builds()
        assert (town.figure("ada", "points"), town.figure("bob", "points")) == (2, 1), failing


def test_the_old_version_serves_until_the_new_one_takes_over() -> None:
    town = lived(HOT, times=4)
    town.starts(HOT.replace(">=3", ">=5"))
    while town.backfill.building:
        assert town.inside("ada") == {"hot"}
        assert town.backfill.unfinished(town.flow.audiences.engine.program) == {"hot"}
        town.builds(1)
    town.builds()
    assert town.inside("ada") == set()
    assert town.told[-1][1:3] == ("hot", False)


def test_another_window_of_a_count_needs_no_reading_of_the_log() -> None:
    town = lived(HOT)
    town.sleeps(20 * DAY)
    town.starts(HOT.replace("7d", "30d"))
    assert not town.backfill.building
    town.builds()
    assert town.inside("ada") == {"hot"}


def test_a_lower_count_needs_no_reading_of_the_log_and_a_higher_one_does() -> None:
    town = lived(HOT)
    town.starts(HOT.replace(">=3", ">=2"))
    assert not town.backfill.building
    town.builds()
    town.starts(HOT.replace(">=3", ">=4"))
    assert town.backfill.building


def test_another_window_of_a_sum_is_built_and_counts_nothing_twice() -> None:
    spender = (
        '[audiences.spender]\nevent = "Paid"\nsum = { prop = "amount", is = 600 }\nwithin = "1d"\n'
    )
    for window, inside in (("2d", {"spender"}), ("30d", {"spender"}), ("12h", set())):
        town = Lively(spender)
        for payment in range(600):
            town.sleeps(payment * SECOND)
            town.does("ada", "Paid", {"amount": 1})
        town.sleeps(20 * HOUR)
        town.starts(spender.replace("1d", window))
        assert town.backfill.building
        town.builds()
        assert town.inside("ada") == inside, window


def test_without_backfill_an_audience_begins_with_what_comes() -> None:
    town = redefined(lived(), HOT + "backfill = false\n")
    assert town.members == set()
    for _ in range(3):
        town.does("ada", "Seen")
    assert town.members == {("hot", "1")}


def test_a_backfill_reads_so_far_back_only() -> None:
    town = Lively(NOTHING)
    for at in (0, DAY, 2 * DAY, 3 * DAY):
        town.sleeps(at)
        town.does("ada", "Seen")
    redefined(town, HOT + 'backfill = "36h"\n')
    assert town.members == set()
    town.does("ada", "Seen")
    assert town.members == {("hot", "1")}


def test_signals_of_the_past_are_not_emitted() -> None:
    signal = '[signals.twice]\nevent = "Seen"\ncount = 2\nwithin = "1h"\n'
    town = redefined(lived(), signal)
    assert town.made == []
    town.does("ada", "Seen")
    assert [body["event"] for body in town.made] == ["signal:twice"]


# -- people come, go and merge meanwhile -----------------------------------------------------------


def test_people_who_merge_or_are_deleted_meanwhile() -> None:
    for steps in range(12):
        town = Lively(NOTHING)
        for _ in range(2):
            town.happens({"type": "track", "anonymousId": "x", "event": "Seen"})
            town.does("ada", "Seen")
            town.does("bob", "Seen")
        town.starts(POINTS + HOT)
        town.builds(steps)
        town.happens({"type": "identify", "userId": "ada", "anonymousId": "x"})
        town.happens({"type": "delete", "userId": "bob"})
        town.builds()
        assert town.figure("ada", "points") == 4, steps
        assert town.members == {("hot", "1")}
        assert len(town.state.people) == 1


# -- definitions that change, and change again -----------------------------------------------------


def test_what_is_defined_again_counts_what_came_meanwhile_and_nothing_twice() -> None:
    town = lived(POINTS + SPENT)
    redefined(town, NOTHING)
    town.does("ada", "Seen")
    redefined(town, POINTS + SPENT)
    assert (town.figure("ada", "points"), town.figure("bob", "points")) == (4, 3)


def test_what_is_defined_again_without_backfill_begins_anew() -> None:
    scored = POINTS + '[audiences.keen]\nscore = "points"\nis = ">=4"\nbackfill = false\n'
    town = lived(scored)
    redefined(town, NOTHING)
    redefined(town, scored.replace("[scores", "[scores"))
    town.does("ada", "Seen")
    assert town.figure("ada", "points") == 4  # scores are read from the log whatever audiences say


def test_definitions_that_change_while_they_are_built() -> None:
    for steps in range(10):
        town = lived()
        town.starts(POINTS + HOT)
        town.builds(steps)
        town.does("ada", "Seen")
        town.starts(POINTS + HOT.replace("7d", "8d") + SPENT)
        town.builds(steps)
        town.does("ada", "Seen")
        town.starts(POINTS + SPENT)
        town.builds()
        assert (town.figure("ada", "points"), town.figure("bob", "points")) == (5, 3), steps
        assert town.members == set()


def test_attributes_that_change_while_they_are_built_are_read_as_well() -> None:
    town = Lively(NOTHING)
    for _ in range(3):
        town.does("ada", "Order Completed", {"revenue": 2})
    town.starts(POINTS)
    town.builds(1)
    town.starts(POINTS + SPENT)
    town.builds()
    assert town.figure("ada", "spent") == 6


def test_a_change_taken_back_half_way_leaves_what_serves_alone() -> None:
    for steps in range(8):
        town = lived(HOT, times=4)
        town.starts(HOT.replace(">=3", ">=20"))
        town.builds(steps)
        if not town.backfill.building:
            break
        town.starts(HOT + POINTS)
        while town.backfill.building:
            assert town.inside("ada") == {"hot"}, steps
            town.builds(1)
        town.builds()
        assert town.inside("ada") == {"hot"}
        assert town.figure("ada", "points") == 4


def test_a_build_that_was_given_up_is_not_resumed_without_what_came_since() -> None:
    for steps in range(8):
        town = lived(times=4)
        town.starts(POINTS + HOT)
        town.builds(steps)
        town.starts(NOTHING)
        town.does("ada", "Seen")
        redefined(town, POINTS + HOT)
        assert (town.figure("ada", "points"), town.figure("bob", "points")) == (5, 4), steps
        assert BUILD not in town.state.noted


def test_stale_states_do_not_come_back_by_a_merge_while_they_are_dropped() -> None:
    for steps in range(10):
        town = Lively(POINTS)
        town.does("ada", "Seen")
        town.does("eve", "Seen")
        town.happens({"type": "track", "anonymousId": "x", "event": "Seen"})
        redefined(town, NOTHING)
        town.starts(POINTS)
        town.builds(steps)
        town.happens({"type": "identify", "userId": "ada", "anonymousId": "x"})
        town.builds()
        assert town.figure("ada", "points") == 2, steps


def test_members_of_what_is_defined_no_more_are_members_no_more() -> None:
    town = lived(HOT)
    assert len(town.members) == 2
    redefined(town, NOTHING)
    assert town.members == set()
    assert all(person.audiences == {} for person in finish(town.state.profiles([1, 2])).values())


def test_an_audience_keyed_in_another_way_has_other_members() -> None:
    town = Lively(HOT)
    for _ in range(3):
        town.does("ada", "Seen", context={"sessionId": "s"})
    redefined(town, HOT + 'key = "session"\n')
    assert town.members == {("hot", "1/s")}


# -- accounts --------------------------------------------------------------------------------------


def by_account(town: Lively, user: str, **more: Any) -> None:
    town.does(user, "Seen", context={"groupId": "acme"}, **more)


def test_accounts_are_built_with_their_traits_and_reviewed() -> None:
    town = Lively(NOTHING)
    town.happens({"type": "group", "userId": "ada", "groupId": "acme", "traits": {"plan": "pro"}})
    by_account(town, "ada")
    by_account(town, "bob")
    redefined(town, BIG)
    assert town.members == {("big", "account:acme")}
    redefined(town, BIG.replace(">=2", ">=1").replace("pro", "free"))
    assert town.members == set()


def test_stale_states_of_accounts_are_dropped_too() -> None:
    total = (
        '[audiences.rich]\nkey = "account"\nevent = "Paid"\n'
        'sum = { prop = "amount", is = ">=30" }\n'
    )
    town = Lively(total)
    town.does("ada", "Paid", {"amount": 20}, context={"groupId": "acme"})
    redefined(town, NOTHING)
    redefined(town, total)
    assert town.members == set()
    town.does("ada", "Paid", {"amount": 10}, context={"groupId": "acme"})
    assert town.members == {("rich", "account:acme")}


# -- what destinations hear ------------------------------------------------------------------------


def test_what_is_backfilled_goes_to_who_keeps_audiences_and_is_silent_for_others() -> None:
    targets = [Target("slack", ALL), Target("segment", ALL, keeps_audiences=True)]
    sends = {"hot": frozenset({"slack", "segment"})}
    router = Router([RouteRule(None, frozenset())], targets, sends)
    for more, slack in (("", SILENT), ("notify_backfill = true\n", "")):
        town = Lively(NOTHING, router=router)
        for _ in range(3):
            town.does("ada", "Seen")
        redefined(town, HOT + more)
        [entry] = [record for record in town.log if record.source == "junctor"]
        assert dict(town.state.routes[entry.offset].decision) == {"slack": slack, "segment": ""}


# -- any story -------------------------------------------------------------------------------------

CHOICES = [POINTS, SPENT, HOT, HOT.replace(">=3", ">=5"), GONE, BIG, NOTHING]


@pytest.mark.parametrize("seed", range(STORIES))
def test_any_history_of_definitions_ends_like_one_that_had_the_last_from_the_start(
    seed: int,
) -> None:
    random = Random(seed)
    moves: list[Any] = []
    for _ in range(30):
        choice = random.random()
        if choice < 0.25:
            names = {toml.splitlines()[0]: toml for toml in random.sample(CHOICES, 3) if toml}
            moves.append("".join(names.values()))
        elif choice < 0.5:
            moves.append(random.randint(0, 4))
        else:
            user = random.choice(["ada", "bob", None])
            body: dict[str, Any] = {
                "type": "track", "event": random.choice(["Seen", "Order Completed", "Bought"]),
                "properties": {"revenue": 2}, "context": {"groupId": "acme"},
            }  # fmt: skip
            if user is None or random.random() < 0.3:
                body["anonymousId"] = "x"
            if user is not None:
                body["userId"] = user
            if random.random() < 0.1 and user:
                body = {"type": "identify", "userId": user, "anonymousId": "x"}
            moves.append(body)
    last = POINTS + SPENT + HOT + GONE + BIG
    changing, steady = Lively(NOTHING), Lively(last)
    for number, move in enumerate(moves):
        for town in (changing, steady):
            town.passes(number * SECOND)
            if isinstance(move, dict):
                town.happens(dict(move))
        if isinstance(move, str):
            changing.starts(move)
        elif isinstance(move, int):
            changing.builds(move)
    changing.starts(last)
    changing.builds()
    for town in (changing, steady):
        town.passes(HOUR)
    assert changing.members_by_ids == steady.members_by_ids
    for user in ("ada", "bob"):
        if ("user_id", user) in steady.state.identifiers:
            for name in ("points", "spent"):
                assert changing.figure(user, name) == steady.figure(user, name)
    assert BUILD not in changing.state.noted
