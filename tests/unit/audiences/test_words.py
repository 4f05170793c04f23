"""Audiences in plain English."""

import pytest

from junctor.audiences.nodes import Length
from junctor.audiences.words import duration_words, in_words, length_words
from tests.unit.audiences.language.reading import audience, condition, read


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (1, "1 millisecond"),
        (500, "500 milliseconds"),
        (1000, "1 second"),
        (1500, "1.5 seconds"),
        (60_000, "1 minute"),
        (5_400_000, "90 minutes"),
        (3_600_000, "1 hour"),
        (86_400_000, "24 hours"),
        (172_800_000, "48 hours"),
        (259_200_000, "3 days"),
        (604_800_000, "7 days"),
        (0, "0 milliseconds"),
    ],
)
def test_durations_are_said_as_people_say_them(milliseconds: int, words: str) -> None:
    assert duration_words(milliseconds) == words


def test_lengths_name_their_ends() -> None:
    assert length_words(Length(8000)) == "at least 8 seconds"
    assert length_words(Length(8001)) == "over 8 seconds"
    assert length_words(Length(None, 8000)) == "under 8 seconds"
    assert length_words(Length(1000, 8001)) == "at least 1 second and at most 8 seconds"


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ('event = "a"', '"a" happened at least once'),
        ('event = "*"', "any event happened at least once"),
        ('event = ["b", "a"], count = 3', '"a" or "b" happened exactly 3 times'),
        ('event = "a", count = 1', '"a" happened exactly once'),
        ('event = "a", count = "<=2"', '"a" happened at most 2 times'),
        ('event = "a", count = "3..5"', '"a" happened 3 to 5 times'),
        ('event = "a", count = "<=1", within = "1h"', '"a" happened at most once in the last hour'),
        ('event = "a", count = ">1"', '"a" happened more than once'),
        ('event = "a", count = "!=2"', '"a" happened a number of times that is not 2'),
        ('event = "a", count = 0', '"a" never happened'),
        ('event = "a", count = 0, within = "7d"', '"a" did not happen in the last 7 days'),
        ('event = "a", first = true, within = "7d"',
         '"a" happened for the first time ever in the last 7 days'),
        ('event = "a", between = ["90d", "30d"]',
         '"a" happened at least once between 90 days and 30 days ago'),
        ('event = "a", since = "2026-11-01", until = "2026-12-01"',
         '"a" happened at least once since 2026-11-01 and before 2026-12-01'),
        ('event = "a", days = ">=7", within = "10d"',
         '"a" happened on at least 7 local days (UTC) in the last 10 days'),
        ('event = "a", days = "<3", count = ">=2"',
         '"a" happened at least 2 times, on fewer than 3 local days (UTC)'),
        ('event = "a", count = ">=3", same = ["x", "y"], within = "1m"',
         '"a" happened at least 3 times in the last minute, with the same x and y'),
        ('event = "a", count = ">=3", per = "session"',
         '"a" happened at least 3 times in one session'),
        ('event = "a", sum = { prop = "revenue", is = ">=100" }',
         '"a" happened at least once, and the sum of revenue is at least 100'),
        ('event = "a", distinct = { prop = "sku", is = 3 }',
         '"a" happened at least once, and the number of different values of sku is 3'),
        ('event = "a", where = { x = true, y = ["a", 2], z = "/b*" }',
         '"a" where x is true and y is "a" or 2 and z is like "/b*" happened at least once'),
        ('event = "a", where = { x = { re = "^a" }, y = { has = "b" }, z = { exists = false } }',
         '"a" where x matches /^a/ and y has "b" and z is missing happened at least once'),
        ('event = "a", where = { x = { gte = 1, lt = 5 }, y = ["a", ">3"], z = "!=q" }',
         '"a" where x is at least 1 and under 5 and y is "a" or over 3 and z is not "q"'
         " happened at least once"),
        ('event = "a", where = "properties.x >= 2"',
         '"a" where (properties.x >= 2) happened at least once'),
        ('trait = "plan", is = "free"', 'trait plan is "free"'),
        ('trait = "plan", is = { exists = true }, changed_within = "1h"',
         "trait plan is there and changed in the last hour"),
        ('known = "<7d"', "known for under 7 days"),
        ('sample = "12.5%"', "in a stable sample of 12.5 %"),
        ('sample = "10%", salt = "s"', 'in a stable sample of 10 % (salt "s")'),
    ],
)  # fmt: skip
def test_a_condition_is_a_line(written: str, words: str) -> None:
    assert in_words(condition(f"{{ {written} }}")) == words


def test_conditions_on_definitions_are_lines() -> None:
    found = read(
        """
        [audiences.a]
        known = "7d"
        [audiences.x]
        all = [
          { audience = "a" }, { audience = "a", is = false, for = ">=1d" },
          { audience = "a", left_within = "1h" }, { score = "s", is = ">12" },
          { attribute = "t", is = ["low", "high"] },
          { state = "st", is = "pay", for = ">=8s" },
          { state = "st", is = "pay", spent = ">=5m", within = "7d" },
        ]
        [scores.s]
        rules = [{ add = 1, event = "e" }]
        [attributes.t]
        agg = "counter"
        event = "e"
        bands = { low = 0, high = 5 }
        [states.st]
        set = [{ event = "e", to = "pay" }]
        """
    ).audiences[1]

    assert in_words(found.condition).splitlines() == [
        "all of these:",
        "  in audience a",
        "  not in audience a for at least 24 hours",
        "  left audience a in the last hour",
        "  score s is over 12",
        '  attribute t is "low" or "high"',
        '  state st is "pay", for at least 8 seconds now',
        '  state st is "pay", for at least 5 minutes in total, in the last 7 days',
    ]


def test_an_audience_is_its_condition_and_what_stands_around_it() -> None:
    found = audience(
        """
        about = "Evaluating now"
        key = "session"
        any = [{ event = "a" }, { none = [{ known = "7d" }, { trait = "x", is = 1 }] }]
        settle = "1m"
        hold = "1d"
        exit = { event = "b" }
        once = true
        cooldown = "30d"
        outcome = { goal = { event = "g" }, within = "14d" }
        send = ["slack", "crm"]
        """
    )

    assert in_words(found).splitlines() == [
        "Evaluating now",
        "a session is in while this is so:",
        "  at least one of these:",
        '    "a" happened at least once',
        "    none of these:",
        "      known for at least 7 days",
        "      trait x is 1",
        "enters when it has been so for 1 minute",
        "stays for 24 hours after it was last so",
        'leaves early at "b"',
        "enters once only",
        "enters again 30 days after leaving at the earliest",
        'hoped for: "g" within 14 days',
        "sent to slack, crm",
    ]


def test_a_sequence_is_a_line_for_each_step() -> None:
    found = audience(
        """
        sequence = [
          { event = "a", count = 3, as = "cart" },
          { event = "b", where = { id = "$cart.id", total = ">$cart.total" }, without = [
              { event = "c" }, { event = "d" },
            ], after = "8s", within = "10m" },
          { event = "b", after = "1s" },
          { not = { event = "e" }, for = "3d" },
        ]
        within = "1d"
        same = ["x"]
        hold = "14d"
        exit = { event = "f" }
        """
    )

    assert in_words(found).splitlines() == [
        "somebody is in while this is so:",
        "  in this order, all within 24 hours, with the same x:",
        '    "a" 3 times (called "cart")',
        '    then "b" where id is the id of "cart" and total is over the total of "cart"'
        ', 8 seconds to 10 minutes later, without "c" or "d" in between',
        '    then "b" at least 1 second later',
        '    then no "e" for 3 days',
        '  for 14 days from then on, or until "f"',
    ]


@pytest.mark.parametrize(
    ("silence", "words"),
    [
        ('event = "*"', "then nothing at all for 36 hours"),
        ('event = ["a", "b"]', 'then no "a" or "b" for 36 hours'),
        ('event = "*", where = { x = 1 }', "then no event where x is 1, for 36 hours"),
    ],
)
def test_a_silence_is_said_as_what_does_not_happen(silence: str, words: str) -> None:
    steps = f'{{ event = "a" }}, {{ not = {{ {silence} }}, for = "36h" }}'
    found = audience(f'sequence = [{steps}]\nhold = "1d"')
    assert words in in_words(found)


@pytest.mark.parametrize(
    ("key", "who"),
    [("user", "somebody"), ("account", "an account"), ("session", "a session"),
     ("email", "an email"), ("user_id", "a user_id")],
)  # fmt: skip
def test_who_is_in_has_the_right_article(key: str, who: str) -> None:
    found = audience(f'event = "a"\nkey = "{key}"')
    assert in_words(found).startswith(f"{who} is in while this is so:")


def test_an_exit_by_condition_has_lines_of_its_own() -> None:
    found = audience('event = "a"\nexit = { any = [{ trait = "x", is = 1 }] }')

    assert in_words(found).splitlines()[2:] == [
        "is kept out while this is so:",
        "  at least one of these:",
        "    trait x is 1",
    ]
