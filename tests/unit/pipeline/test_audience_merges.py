"""What a merge makes of how long somebody was in, or out."""

from .lively import HOUR, Lively

MINUTE = HOUR // 60


def test_who_was_in_by_the_absorbed_half_was_in_for_as_long() -> None:
    town = Lively(
        '[audiences.keen]\nevent = "Seen"\n'
        '[audiences.long]\naudience = "keen"\nfor = ">=1h"\n'
    )  # fmt: skip
    town.does("ada", "Other")
    town.happens({"type": "track", "anonymousId": "x", "event": "Seen"})
    town.passes(2 * HOUR)
    town.happens({"type": "identify", "userId": "ada", "anonymousId": "x"})
    assert town.told == [
        ("x", "keen", True, 0, "event"),
        ("x", "long", True, HOUR, "time"),
        ("ada", "keen", True, 2 * HOUR, "merge"),
        ("ada", "long", True, 2 * HOUR, "merge"),
    ]
    assert town.members == {("keen", "1"), ("long", "1")}


def test_who_was_in_by_both_halves_was_in_since_the_earlier_entry() -> None:
    town = Lively(
        '[audiences.keen]\nevent = "Seen"\n'
        '[audiences.long]\naudience = "keen"\nfor = ">=1h"\n'
    )  # fmt: skip
    town.does("ada", "Other")
    town.happens({"type": "track", "anonymousId": "x", "event": "Seen"})
    town.passes(HOUR // 2)
    town.does("ada", "Seen")
    town.happens({"type": "identify", "userId": "ada", "anonymousId": "x"})
    town.passes(2 * HOUR)
    assert town.told[-1] == ("ada", "long", True, HOUR, "time")


def test_who_left_by_the_absorbed_half_is_out_since_then() -> None:
    town = Lively(
        '[audiences.keen]\nevent = "Seen"\nwithin = "1m"\n'
        '[audiences.away]\naudience = "keen"\nis = false\nfor = ">=1h"\n'
    )
    town.does("ada", "Other")
    town.passes(2 * HOUR)
    town.happens({"type": "track", "anonymousId": "x", "event": "Seen"})
    town.passes(2 * HOUR + 30 * MINUTE)
    town.happens({"type": "identify", "userId": "ada", "anonymousId": "x"})
    town.passes(4 * HOUR)
    assert [one for one in town.told if one[1] == "away"] == [
        ("ada", "away", True, HOUR, "time"),
        ("ada", "away", False, 2 * HOUR + 30 * MINUTE, "merge"),
        ("ada", "away", True, 3 * HOUR + MINUTE, "time"),
    ]
