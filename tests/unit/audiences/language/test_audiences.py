"""What stands around the condition of an audience, and sequences as its root."""

from typing import Final

import pytest

from junctor.audiences.comparison import Compare, Reference
from junctor.audiences.nodes import (
    EventCondition,
    Group,
    KnownCondition,
    Length,
    Outcome,
    Pattern,
    Sequence,
    SequenceCondition,
    Silence,
    Step,
)
from tests.unit.audiences.language.reading import audience, condition

DAY: Final = 86_400_000
MINUTE: Final = 60_000


def sequence(text: str) -> Sequence:
    found = condition(f'{{ hold = "1d", {text} }}')
    assert isinstance(found, SequenceCondition)
    return found.sequence


def a(**_: object) -> Pattern:
    return Pattern(("a",))


def test_an_audience_needs_only_a_condition() -> None:
    found = audience('known = "7d"')

    assert found.condition == KnownCondition(Length(7 * DAY))
    assert (found.key, found.zone, found.settle, found.hold, found.cooldown) == (
        "user", "UTC", 0, 0, 0,
    )  # fmt: skip
    assert (found.once, found.notify_backfill, found.outcome, found.send) == (
        False, False, None, (),
    )  # fmt: skip
    assert found.backfill == 90 * DAY


def test_every_key_of_an_audience_is_read() -> None:
    found = audience(
        """
        about = "A"
        lever = "conversion"
        key = "email"
        zone = "Europe/Vienna"
        event = "a"
        settle = "1m"
        hold = "1d"
        cooldown = "30d"
        once = true
        backfill = "7d"
        notify_backfill = true
        exit = { event = "b", where = { x = 1 } }
        outcome = { goal = { event = "g" }, within = "14d", value = "revenue" }
        send = ["slack", "crm", "slack"]
        """
    )

    assert (found.about, found.lever, found.key, found.zone) == (
        "A", "conversion", "email", "Europe/Vienna",
    )  # fmt: skip
    assert (found.settle, found.hold, found.cooldown) == (MINUTE, DAY, 30 * DAY)
    assert (found.once, found.backfill, found.notify_backfill) == (True, 7 * DAY, True)
    assert found.exit_event == Pattern(("b",), (("x", Compare("eq", 1)),))
    assert found.outcome == Outcome(Pattern(("g",)), 14 * DAY, "revenue")
    assert found.send == ("slack", "crm")


@pytest.mark.parametrize(
    ("written", "backfill"),
    [("false", None), ("true", 90 * DAY), ('"30d"', 30 * DAY), ('"0s"', None)],
)
def test_backfill_is_a_time_or_nothing(written: str, backfill: int | None) -> None:
    assert audience(f'event = "a"\nbackfill = {written}').backfill == backfill


def test_when_is_another_way_to_write_the_root() -> None:
    assert audience('when = { event = "a" }').condition == audience('event = "a"').condition
    root = audience('when = { sequence = [{ event = "a" }] }\nhold = "1d"').condition
    assert root == SequenceCondition(Sequence((Step(a()),)), DAY)


def test_what_ends_a_sequence_root_moves_into_the_sequence() -> None:
    found = audience(
        """
        sequence = [{ event = "a" }, { event = "a" }]
        within = "7d"
        same = ["id"]
        hold = "14d"
        exit = { event = "b" }
        """
    )

    steps = (Step(a()), Step(a()))
    whole = Sequence(steps, None, 7 * DAY, ("id",))
    assert found.condition == SequenceCondition(whole, 14 * DAY, Pattern(("b",)))
    assert (found.hold, found.exit_event, found.exit_while) == (0, None, None)


def test_a_sequence_holds_for_its_within_unless_it_says_how_long() -> None:
    found = audience('sequence = [{ event = "a" }, { event = "a" }]\nwithin = "7d"').condition

    assert isinstance(found, SequenceCondition)
    assert found.hold == 7 * DAY


def test_an_exit_that_is_no_event_leaves_while_it_is_true() -> None:
    found = audience('event = "a"\nexit = { all = [{ event = "b", count = 2 }] }')

    assert found.exit_event is None
    assert isinstance(found.exit_while, Group)
    on_sequence = audience('sequence = [{ event = "a" }]\nhold = "1d"\nexit = { known = "9d" }')
    assert on_sequence.exit_while == KnownCondition(Length(9 * DAY))
    assert isinstance(on_sequence.condition, SequenceCondition)
    assert on_sequence.condition.exit is None


def test_steps_have_counts_gaps_and_what_must_not_come_between() -> None:
    found = sequence(
        """sequence = [
          { event = "a", count = ">=3", as = "first" },
          { event = "a", after = "8s", within = "10m", count = 2,
            without = [{ event = "a" }, { event = "b", where = { id = "$first.id" } }] },
        ], within = "1d" """.replace("\n", " ")
    )

    bound = Pattern(("b",), (("id", Reference("eq", "first", "id")),))
    assert found.steps == (
        Step(a(), 3, name="first"),
        Step(a(), 2, 10 * MINUTE, 8000, (a(), bound)),
    )


def test_a_silence_ends_a_sequence() -> None:
    found = sequence(
        'sequence = [{ event = "a", as = "o" },'
        ' { not = { event = "a", where = { m = "!=$o.m" } }, for = "24h" }]'
    )

    bound = Pattern(("a",), (("m", Reference("ne", "o", "m")),))
    assert found == Sequence((Step(a(), name="o"),), Silence(bound, DAY))


def test_the_zone_of_an_audience_is_that_of_all_its_conditions() -> None:
    found = audience('zone = "Asia/Tokyo"\nany = [{ all = [{ event = "a", days = ">=2" }] }]')

    assert isinstance(found.condition, Group)
    [inner] = found.condition.items
    assert isinstance(inner, Group)
    [leaf] = inner.items
    assert isinstance(leaf, EventCondition)
    assert leaf.zone == "Asia/Tokyo"
