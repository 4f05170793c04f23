"""Silence is in doubt while a late batch may go on: nothing is concluded, and nothing is lost."""

from .lively import HOUR, SECOND, Lively

DEAD = (
    '[signals.dead]\nsequence = [{ event = "click" }, { not = { event = "Paid" }, for = "3s" }]\n'
)
LEFT = (
    '[audiences.left]\nall = [{ event = "Hello", within = "1d" }, { hold = "1d", '
    'sequence = [{ event = "Added" }, { not = { event = "Paid" }, for = "4s" }] }]\n'
)
GONE = '[audiences.gone]\nevent = "$exit"\n'


def signals(town: Lively) -> list[tuple[str, str]]:
    """Return name and time of the signals and exits that were made."""
    return [(body["event"], body["timestamp"]) for body in town.made if "audience" not in str(body)]


def test_each_of_several_late_events_is_followed_by_its_own_silence() -> None:
    town = Lively(DEAD, lag=SECOND)
    town.does("ada", "Hello")
    town.passes(HOUR)
    town.happens(
        {"type": "track", "userId": "ada", "event": "click", "at": HOUR - 120 * SECOND},
        {"type": "track", "userId": "ada", "event": "click", "at": HOUR - 60 * SECOND},
    )
    assert signals(town) == []
    town.passes(HOUR + 9 * SECOND)
    assert signals(town) == [
        ("signal:dead", "2023-11-14T23:11:23.000Z"),
        ("signal:dead", "2023-11-14T23:12:23.000Z"),
    ]


def test_what_is_in_doubt_at_a_merge_is_told_afterwards() -> None:
    town = Lively(DEAD, lag=SECOND)
    town.does("ada", "Hello")
    town.happens({"type": "track", "anonymousId": "x", "event": "Hello"})
    town.passes(HOUR)
    town.happens({"type": "track", "anonymousId": "x", "event": "click", "at": HOUR // 2})
    town.happens({"type": "identify", "userId": "ada", "anonymousId": "x"})
    assert signals(town) == []
    town.passes(HOUR + 9 * SECOND)
    assert signals(town) == [("signal:dead", "2023-11-14T22:43:23.000Z")]


def test_what_is_in_doubt_when_definitions_change_is_told_afterwards() -> None:
    town = Lively(DEAD, lag=SECOND)
    town.does("ada", "Hello")
    town.passes(HOUR)
    town.does("ada", "click", at=HOUR // 2)
    town.starts(DEAD + '[audiences.new]\nevent = "Hello"\n')
    town.builds()
    town.passes(HOUR + 9 * SECOND)
    assert signals(town) == [("signal:dead", "2023-11-14T22:43:23.000Z")]


def test_a_silence_that_ended_before_definitions_changed_is_told() -> None:
    town = Lively(DEAD, lag=SECOND)
    town.does("ada", "click")
    town.sleeps(HOUR)
    town.starts(DEAD + '[audiences.new]\nevent = "click"\n')
    town.builds()
    town.passes(2 * HOUR)
    assert signals(town) == [("signal:dead", "2023-11-14T22:13:23.000Z")]


def test_an_event_of_now_does_not_end_the_doubt_of_a_late_batch() -> None:
    town = Lively(LEFT, lag=SECOND)
    town.does("ada", "Other")
    town.passes(HOUR)
    town.happens(
        {"type": "track", "userId": "ada", "event": "Added", "at": HOUR - 120 * SECOND},
        {"type": "track", "userId": "ada", "event": "Hello", "at": HOUR},
        {"type": "track", "userId": "ada", "event": "Paid", "at": HOUR - 119 * SECOND},
    )
    town.passes(2 * HOUR)
    assert town.told == []


def test_later_events_of_a_late_batch_do_not_make_earlier_silences_certain() -> None:
    town = Lively(LEFT, lag=SECOND)
    town.does("ada", "Hello")
    town.passes(HOUR)
    town.happens(
        {"type": "track", "userId": "ada", "event": "Added", "at": HOUR - 120 * SECOND},
        {"type": "track", "userId": "ada", "event": "Hello", "at": HOUR - 60 * SECOND},
        {"type": "track", "userId": "ada", "event": "Paid", "at": HOUR - 119 * SECOND},
    )
    town.passes(2 * HOUR)
    assert town.told == []


def test_a_merge_concludes_nothing_from_a_silence_that_is_in_doubt() -> None:
    town = Lively(LEFT, lag=SECOND)
    town.does("ada", "Hello")
    town.happens({"type": "track", "anonymousId": "x", "event": "Other"})
    town.passes(HOUR)
    town.happens(
        {"type": "track", "anonymousId": "x", "event": "Added", "at": HOUR - 120 * SECOND},
        {"type": "identify", "userId": "ada", "anonymousId": "x"},
        {"type": "track", "userId": "ada", "event": "Paid", "at": HOUR - 119 * SECOND},
    )
    town.passes(2 * HOUR)
    assert town.told == []


def test_a_late_batch_in_any_order_ends_a_visit_only_once() -> None:
    town = Lively(GONE, lag=SECOND, idles={"web": 30 * SECOND})
    town.does("ada", "page_hide")
    town.passes(HOUR)
    town.happens(
        *(
            {"type": "track", "userId": "ada", "event": "view", "at": HOUR - ago * SECOND}
            for ago in (100, 40, 80, 60)
        )
    )
    town.passes(2 * HOUR)
    assert signals(town) == [("$exit", "2023-11-14T23:12:40.000Z")]


def test_nobody_is_told_to_have_left_before_they_entered() -> None:
    town = Lively(
        '[audiences.a]\nnone = [{ event = "A", count = 0, between = ["5s", "3s"] }, '
        '{ event = ["B", "C"], count = 0, within = "6s" }]\n',
        lag=2 * SECOND,
    )
    for event, at in (("B", 13), ("A", 15), ("C", 21)):
        town.passes(at * SECOND)
        town.does("ada", event)
    town.passes(30 * SECOND)
    assert [(entered, at // SECOND) for _, _, entered, at, _ in town.told] == [
        (True, 18), (False, 19), (True, 21), (False, 21),
    ]  # fmt: skip
