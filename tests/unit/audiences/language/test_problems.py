"""What is refused: everything at once, each with its place and the mend."""

from typing import Final

import pytest

from junctor.audiences.language import parse_definitions
from tests.unit.audiences.language.reading import refused

IN_AN_AUDIENCE: Final = [
    # kinds
    ("", "", "says no condition", "write one of `event`"),
    ('evnt = "a"', ".evnt", "unknown key", 'did you mean "event"?'),
    ('event = "a"\ntrait = "b"', "", "has `event` and `trait`, of which only one", "all = ["),
    ('event = "a"\nwithn = "1d"', ".withn", "unknown key", 'did you mean "within"?'),
    ('trait = "a"\nis = 1\ncount = 3', ".count", "unknown key", "it goes with `event`"),
    ('event = "a"\nwhen = { event = "a" }', ".event", "is a second condition", "keep one"),
    ("all = []", ".all", "must not be empty", "write [{"),
    ('any = { event = "a" }', ".any", "must be a list of tables", "write [{"),
    ('all = ["a"]', ".all[0]", "must be a table", "write {"),
    ('all = [{ event = "a" }, { none = [{ evet = "a" }] }]', ".all[1].none[0].evet", "unknown key",
     'did you mean "event"?'),
    # events
    ("event = []", ".event", "must not be empty", '"*" stands'),
    ('event = ["a", ""]', ".event[1]", "must not be empty", '"*" stands'),
    ("event = 3", ".event", "must be the name of an event", None),
    ('event = "a"\nwhere = 3', ".where", "must be a table", "FQL"),
    ('event = "a"\nwhere = { x = "$y.z" }', ".where.x", "refers to no earlier step", "{ eq ="),
    ('event = "a"\nwhere = { a = { b = "3.." } }', ".where.a.b", "is a range with one", None),
    ('event = "a"\nwhere = { x = { gte = 1, y = 2 } }', ".where.x", "mixes comparisons", "quotes"),
    ('event = "a"\nwhere = { x = [] }', ".where.x", "is empty", None),
    ('event = "a"\nwhere = { x = { re = "(" } }', ".where.x.re", "is no regular expression", None),
    ('trait = "a"\nis = { re = "(?<!x)a" }', ".is.re", "is no regular expression (at character 1)",
     "none = ["),
    ('event = "a"\nwhere = "properties.x >"', ".where", "the expression ends", "value"),
    ("event = \"a\"\nwhere = 'profile.traits.x = 1'", ".where", "reads the profile", "trait = "),
    ("event = \"a\"\nwhere = 'audiences.x = true'", ".where", "reads the profile", "audience = "),
    ('event = "signal:nope"', ".event", "there is no signal of this name", "[signals.NAME]"),
    # counts and figures
    ('event = "a"\ncount = -1', ".count", "can't be negative", None),
    ('event = "a"\ncount = "<0"', ".count", "can never be met", None),
    ('event = "a"\ncount = 2.5', ".count", "must be a whole number", None),
    ('event = "a"\ncount = ">=0"', ".count", "is met by every count", None),
    ('event = "a"\ncount = "3"', ".count", "must compare with a number", "write 3"),
    ('event = "a"\ncount = { exists = true }', ".count", "must compare with a number", None),
    ('event = "a"\ncount = 0\ndays = ">=3"', ".days", "does not go with a count that 0", None),
    ('event = "a"\ncount = 0\nsum = { prop = "x", is = 1 }', ".sum", "does not go with a count",
     None),
    ('event = "a"\ncount = 0\nper = "session"', ".per", "does not go with a count", None),
    ('event = "a"\ncount = 0\nsame = ["x"]', ".same", "does not go with a count of 0", ">=3"),
    ('event = "a"\ncount = "<=3"\nsame = ["x"]', ".same", "does not go with", ">=3"),
    ('event = "a"\ncount = 3\nsame = ["x"]', ".same", "does not go with", ">=3"),
    ('event = "a"\ncount = ">=3"\nsame = []', ".same", "must not be empty", None),
    ('event = "a"\ncount = ">=3"\nsame = "x"', ".same", "must be a list", "brackets"),
    ('event = "a"\nfirst = true\ncount = 2', ".count", "does not go with `first`", None),
    ('event = "a"\nfirst = true\ndays = 2', ".days", "does not go with `first`", None),
    ('event = "a"\nfirst = 1', ".first", "must be true or false", None),
    ('event = "a"\nper = "sesion"', ".per", "is none of these", 'did you mean "session"?'),
    ('event = "a"\ndays = 0', ".days", "can never be met", "count = 0"),
    ('event = "a"\ndays = ">=8"\nwithin = "7d"', ".days", "can never be met", "fewer"),
    ('event = "a"\ndays = ">=2"\nwithin = "36h"', ".within", "must be whole days", '"10d"'),
    ('event = "a"\ndays = ">=4"\nbetween = ["5d", "2d"]', ".days", "can never be met", None),
    ('event = "a"\nsum = { prop = "x" }', ".sum.is", "is required", ">=100"),
    ('event = "a"\nsum = { is = 3 }', ".sum.prop", "is required", None),
    ('event = "a"\nsum = { prop = "x", is = "y" }', ".sum.is", "must compare with a number", None),
    ('event = "a"\ndistinct = { prop = "x", is = -1 }', ".distinct.is", "can't be negative", None),
    ('event = "a"\nsum = { prop = "x", is = 1 }\nmin = { prop = "x", is = 1 }', ".min",
     "is a second figure", "all = ["),
    # windows
    ('event = "a"\nwithin = 3', ".within", "must be a duration", '"48h"'),
    ('event = "a"\nwithin = "3 days"', ".within", "is no duration", '"48h"'),
    ('event = "a"\nwithin = "0s"', ".within", "must be longer than nothing", None),
    ('event = "a"\nwithin = "6000w"', ".within", "is longer than a hundred years", None),
    ('event = "a"\nbetween = ["30d", "90d"]', ".between", "is an impossible window", "farther"),
    ('event = "a"\nbetween = ["30d", "30d"]', ".between", "is an impossible window", "farther"),
    ('event = "a"\nbetween = ["30d"]', ".between", "must be a list of two durations", None),
    ('event = "a"\nbetween = ["30d", "x"]', ".between[1]", "is no duration", None),
    ('event = "a"\nwithin = "1d"\nbetween = ["3d", "1d"]', ".between", "is a second window", None),
    ('event = "a"\nsince = "2026-11-01"\nuntil = "2026-11-01"', ".until", "is not after", None),
    ('event = "a"\nsince = "2026-13-01"', ".since", "is no date", "2026-11-01"),
    ('event = "a"\nsince = "1066-10-14"', ".since", "is no date", None),
    ('event = "a"\nsince = 2026-11-01T00:00:00Z', ".since", "is no date", None),
    # sequences
    ('sequence = [{ event = "a" }]', ".hold", "is required: the sequence is unbounded", '"14d"'),
    ('hold = "1d"\nsequence = [{ event = "a" }, { event = "b" }]', ".sequence[1].within",
     "is required: the sequence is unbounded", '"7d"'),
    ('hold = "1d"\nsequence = [{ event = "a", count = 2 }]', ".within", "is required: the first",
     '"30m"'),
    ('hold = "1d"\nsequence = [{ event = "a", within = "1d" }]', ".sequence[0].within",
     "does not go with the first step", None),
    ('hold = "1d"\nsequence = [{ event = "a", after = "1d" }]', ".sequence[0].after",
     "does not go with the first step", None),
    ('hold = "1d"\nsequence = [{ event = "a", without = [{ event = "b" }] }]',
     ".sequence[0].without", "does not go with the first step", None),
    ('hold = "1d"\nsequence = [{ event = "a" }, { event = "b", after = "2d", within = "1d" }]',
     ".sequence[1].after", "is longer than `within`", None),
    ('within = "1d"\nsequence = [{ event = "a" }, { event = "b", after = "2d" }]', ".within",
     "is shorter than the gaps", None),
    ('within = "1d"\nsequence = [{ event = "a", as = "x" }, { event = "b", as = "x" }]',
     ".sequence[1].as", "is the name of an earlier step", None),
    ('within = "1d"\nsequence = [{ event = "a", as = "a.b" }]', ".sequence[0].as",
     "must be a name", None),
    ('within = "1d"\nsequence = [{ event = "a", where = { x = "$s.x" }, as = "s" }]',
     ".sequence[0].where.x", "refers to no earlier step", None),
    ('within = "1d"\nsequence = [{ event = "a" }, { event = "a", without = [{ event = "b",'
     ' count = 2 }] }]', ".sequence[1].without[0].count", "unknown key", "it is an event"),
    ('within = "1d"\nsequence = [{ event = "a", count = "<=3" }]', ".sequence[0].count",
     "must be how many are needed", None),
    ('within = "1d"\nsequence = [{ event = "a", count = 65 }]', ".sequence", "can never be met",
     None),
    ('within = "1d"\nsequence = [{ not = { event = "a" }, for = "1d" }]', ".sequence[0].not",
     "is a silence after nothing", "count = 0"),
    ('within = "1d"\nsequence = [{ event = "a" }, { not = { event = "a" }, for = "1d" },'
     ' { event = "b" }]', ".sequence[1].not", "stands before the last step", "`without`"),
    ('within = "1d"\nsequence = [{ event = "a" }, { not = { event = "a" } }]', ".sequence[1].for",
     "is required", '"3d"'),
    ('within = "1d"\nsequence = [{ event = "a" }, { not = { event = "a", count = 2 },'
     ' for = "1d" }]', ".sequence[1].not.count", "unknown key", None),
    ('within = "1d"\nsequence = [{ event = "a" }, { not = { event = "a" }, for = "1d",'
     ' within = "1d" }]', ".sequence[1].within", "unknown key", None),
    ('when = { sequence = [{ event = "a" }], hold = "1d" }\nhold = "2d"', ".when.hold",
     "is there twice", None),
    # other kinds
    ('score = "nope"\nis = 3', ".score", "there is no score of this name", "[scores.NAME]"),
    ('attribute = "nope"\nis = 3', ".attribute", "there is no attribute", None),
    ('state = "nope"\nis = 3', ".state", "there is no state of this name", None),
    ('audience = "nope"', ".audience", "there is no audience of this name", "read as a trait"),
    ('trait = "a"', ".is", "is required", "exists"),
    ('trait = ""\nis = 3', ".trait", "must not be empty", None),
    ('known = "=7d"', ".known", "can't be met to the millisecond", ">=7d"),
    ('known = "<0s"', ".known", "can never be met", None),
    ('known = "5d..3d"', ".known", "can never be met", None),
    ('known = { gte = "x" }', ".known.gte", "is no duration", None),
    ('known = { eq = "7d" }', ".known.eq", "is no bound", None),
    ('sample = "0%"', ".sample", "must be over 0%", None),
    ('sample = "101%"', ".sample", "must be over 0%", None),
    ('sample = "nan%"', ".sample", "must be over 0%", None),
    ("sample = 0.1", ".sample", "must be a percentage", '"10%"'),
    # around the condition
    ('event = "a"\nzone = "Europe/Wien"', ".zone", "there is no time zone", None),
    ('event = "a"\nzone = "Europe"', ".zone", "there is no time zone", None),
    ('event = "a"\nzone = "../etc/passwd"', ".zone", "there is no time zone", None),
    ('event = "a"\nzone = "Europe/Viena"', ".zone", "there is no", 'did you mean "Europe/Vienna"?'),
    ('event = "a"\nkey = "a b"', ".key", "must be whose events", '"session"'),
    ('event = "a"\nsend = "slack"', ".send", "must be a list", "brackets"),
    ('event = "a"\nbackfill = 90', ".backfill", "must be a duration or false", None),
    ('event = "a"\nexit = { event = "b", count = 2 }', ".exit.count", "unknown key",
     "no counts or windows"),
    ('event = "a"\nexit = "b"', ".exit", "must be a table", None),
    ('event = "a"\noutcome = { goal = { event = "b" } }', ".outcome.within", "is required", None),
    ('event = "a"\noutcome = { within = "1d" }', ".outcome.goal", "is required", None),
    ('event = "a"\noutcome = { goal = { event = "b", count = 1 }, within = "1d" }',
     ".outcome.goal.count", "unknown key", "a goal is an event"),
    ('event = "a"\ncooldown = "x"', ".cooldown", "is no duration", None),
    ('event = "a"\nonce = "yes"', ".once", "must be true or false", None),
    ('event = "a"\nabout = 3', ".about", "must be text", None),
]  # fmt: skip
ELSEWHERE: Final = [
    ('[signals.s]\nevent = "a"\ncount = 3', "signals.s.within", "is required: the count", '"5m"'),
    ('[signals.s]\nevent = "a"\nwithin = "1s"', "signals.s.within", "a single event", ">=3"),
    ('[signals.s]\nevent = "a"\nsame = ["x"]', "signals.s.same", "a single event", ">=3"),
    ('[signals.s]\nevent = "a"\ncount = "<3"\nwithin = "1s"', "signals.s.count", "how many", None),
    ('[signals.s]\nevent = "a"\ncount = 257\nwithin = "1s"', "signals.s.count", "can never", None),
    ('[signals.s]\nsequence = [{ event = "a" }]\nhold = "1d"', "signals.s.hold", "unknown key",
     "momentary"),
    ('[signals.s]\nsequence = [{ event = "a" }]\nevent = "a"', "signals.s.event", "beside",
     None),
    ("[signals.s]", "signals.s.event", "is required", None),
    ('[signals.s]\nevent = "signal:s"', "signals.s.event", "signal:s -> signal:s", "take one"),
    ('[signals.s]\nevent = "signal:*"', "signals.s.event", "signal:s -> signal:s", "take one"),
    ("[states.s]", "states.s.set", "must be a list of tables", None),
    ('[states.s]\nset = [{ event = "a" }]', "states.s.set[0].to", "is required", '"$step"'),
    ('[states.s]\nset = [{ event = "a", to = "$" }]', "states.s.set[0].to", "names no", None),
    ('[states.s]\nset = [{ event = "a", to = [] }]', "states.s.set[0].to", "a number",
     None),
    ("[scores.s]", "scores.s.rules", "must be a list of tables", "add = 5"),
    ('[scores.s]\nrules = [{ event = "a" }]', "scores.s.rules[0].add", "is required", None),
    ('[scores.s]\nrules = [{ add = 0, event = "a" }]', "scores.s.rules[0].add", "adds nothing",
     None),
    ('[scores.s]\nrules = [{ add = 1, event = "a", within = "1d" }]', "scores.s.rules[0].within",
     "does not go with a score", "no windows"),
    ('[scores.s]\nrules = [{ add = 1, event = "a", count = 3 }]', "scores.s.rules[0].count",
     "does not go with a score", "no windows"),
    ('[scores.s]\nrules = [{ add = 1, sequence = [{ event = "a" }, { event = "a" }] }]',
     "scores.s.rules[0].sequence[1].within", "unbounded", None),
    ('[scores.s]\nrules = [{ add = 1, sequence = [{ event = "a" }], once = true }]',
     "scores.s.rules[0].once", "goes with `event`", None),
    ('[scores.s]\nrange = [5, 1]\nrules = [{ add = 1, event = "a" }]', "scores.s.range",
     "is an empty range", None),
    ('[scores.s]\nhalf_life = "x"\nrules = [{ add = 1, event = "a" }]', "scores.s.half_life",
     "is no duration", None),
    ('[attributes.t]\nevent = "a"', "attributes.t.agg", "is required", "counter"),
    ('[attributes.t]\nagg = "conter"\nevent = "a"', "attributes.t.agg", "is none of these",
     'did you mean "counter"?'),
    ('[attributes.t]\nagg = "sum"\nevent = "a"', "attributes.t.prop", "is required", None),
    ('[attributes.t]\nagg = "counter"\nevent = "a"\nprop = "x"', "attributes.t.prop",
     "does not go with `counter`", None),
    ('[attributes.t]\nagg = "sum"\nevent = "a"\nprop = { sun = ["x"] }', "attributes.t.prop.sun",
     "is no calculation", None),
    ('[attributes.t]\nagg = "sum"\nevent = "a"\nprop = { sum = [3] }', "attributes.t.prop.sum[0]",
     "must be a property", None),
    ('[attributes.t]\nagg = "sum"\nevent = "a"\nprop = "x"\nunit = "h"', "attributes.t.unit",
     "goes with `time_since_last`", None),
    ('[attributes.t]\nagg = "sum"\nevent = "a"\nprop = "x"\nttl = "1d"\nperiod = "1d"',
     "attributes.t.ttl", "does not go with `period`", None),
    ('[attributes.t]\nagg = "counter"\nevent = "a"\nbands = { a = 1, b = 1 }',
     "attributes.t.bands.b", "begins where another", None),
    ('[attributes.t]\nagg = "unique_list"\nevent = "a"\nprop = "x"\nbands = { a = 1 }',
     "attributes.t.bands", "does not go with `unique_list`", None),
    ('[attributes.t]\nagg = "last"\nevent = "a"\nprop = { sum = ["x"] }\ndate_part = "active_day"',
     "attributes.t.date_part", "does not go with a calculated", None),
    ('[attributes.high]\nagg = "counter"\nevent = "a"\nbands = { low = 0, high = 9 }\n'
     '[audiences.x]\nattribute = "high"\nis = "hihg"', "audiences.x.is", "no such band",
     'did you mean "high"?'),
    ('[audiences.x]\naudience = "y"\nleft_within = "1d"\nis = true\n'
     '[audiences.y]\nevent = "a"', "audiences.x.is", "does not go with `left_within`", None),
    ('[services.s]\nattributes = ["x"]', "services.s.attributes[0]", "there is no attribute", None),
    ('[services.s]\naudience = ["x"]', "services.s.audience", "unknown key", '"audiences"'),
    ('[services.s]\nscores = [3]', "services.s.scores[0]", "must be text", None),
    ('[audiences."a b"]\nevent = "a"', 'audiences."a b"', "is no id", "a-z"),
    ("[audiences]\nx = 3", "audiences.x", "must be a table", None),
    ("signals = 3", "signals", "must be a table", "[signals.NAME]"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "below", "message", "hint"), IN_AN_AUDIENCE)
def test_a_mistake_in_an_audience_is_told_with_its_place_and_mend(
    text: str, below: str, message: str, hint: str | None
) -> None:
    problems = refused(f"[audiences.x]\n{text}")

    assert list(problems) == [f"audiences.x{below}"]
    [problem] = problems.values()
    assert problem.message.startswith(message)
    assert (hint or "") in (problem.hint or "")


@pytest.mark.parametrize(("text", "path", "message", "hint"), ELSEWHERE)
def test_a_mistake_elsewhere_is_told_with_its_place_and_mend(
    text: str, path: str, message: str, hint: str | None
) -> None:
    problems = refused(text)

    assert list(problems) == [path]
    assert message in problems[path].message
    assert (hint or "") in (problems[path].hint or "")


def test_everything_wrong_is_told_at_once() -> None:
    problems = refused(
        """
        [audiences.x]
        zone = "Nowhere"
        all = [
          { event = "a", count = -1, within = "x", where = { a = [], c = { lt = 1, gt = 2 } } },
          { sequence = [{ event = "", within = "1d" }, { event = "b", as = 3 }], hold = "-1d" },
          { audience = "y" },
        ]
        [signals.s]
        evnt = "a"
        """
    )

    assert sorted(problems) == [
        "audiences.x.all[0].count",
        "audiences.x.all[0].where.a",
        "audiences.x.all[0].where.c",
        "audiences.x.all[0].within",
        "audiences.x.all[1].hold",
        "audiences.x.all[1].sequence[0].event",
        "audiences.x.all[1].sequence[0].within",
        "audiences.x.all[1].sequence[1].as",
        "audiences.x.all[1].sequence[1].within",
        "audiences.x.all[2].audience",
        "audiences.x.zone",
        "signals.s.event",
        "signals.s.evnt",
    ]


def test_a_circle_is_told_once_by_the_names_in_it() -> None:
    text = """
    [audiences.first]
    event = "x"
    [audiences.a]
    all = [{ event = "x" }, { audience = "b" }]
    [audiences.b]
    any = [{ audience = "c", is = false }, { audience = "first" }]
    [audiences.c]
    event = "x"
    exit = { audience = "a" }
    [signals.s]
    event = "signal:t"
    [signals.t]
    sequence = [{ event = "y" }, { event = "signal:s", within = "1d" }]
    """
    problems = refused(text)

    assert list(problems) == ["audiences.a.all[1].audience", "signals.s.event"]
    circle, signals = problems.values()
    assert circle.message.endswith("in a circle: a -> b -> c -> a")
    assert signals.message.endswith("in a circle: signal:s -> signal:t -> signal:s")


def test_an_unknown_name_is_guessed() -> None:
    problems = refused(
        """
        [audiences.power_user]
        event = "a"
        [audiences.x]
        audience = "power_users"
        [signals.rage_click]
        event = "click"
        [states.s]
        set = [{ event = "signal:rage_clck", to = "x" }]
        """
    )

    hint = problems["audiences.x.audience"].hint
    assert hint is not None
    assert hint.startswith('did you mean "power_user"?')
    assert "Segment Engage audience is read as a trait" in hint
    assert problems["states.s.set[0].event"].hint == 'did you mean "rage_click"?'


def test_definitions_with_problems_are_left_out_and_the_others_stay() -> None:
    definitions, problems = parse_definitions(
        {
            "audiences": {
                "good": {"event": "a"},
                "bad": {"event": ""},
                "names_unknown": {"audience": "x"},
                "names_bad": {"audience": "bad"},
                "circle": {"audience": "circle"},
            }
        }
    )

    assert [one.name for one in definitions.audiences] == ["good", "names_bad"]
    assert len(problems) == 3


def test_a_value_of_the_file_is_never_repeated() -> None:
    canary = "cAnArY"
    values = ", ".join(f'"{canary}"' for _ in range(2))
    problems = refused(
        f"""
        [audiences.x]
        zone = "{canary}"
        key = "{canary} "
        send = "{canary}"
        settle = "{canary}"
        all = [{{ audience = "{canary}" }}, {{ known = "{canary}" }},
          {{ event = "a", where = {{ x = "!={canary}*", y = "${canary}.x", z = [[{values}]] }} }}]
        """
    )

    assert len(problems) == 9
    assert canary not in str(list(problems.values()))
