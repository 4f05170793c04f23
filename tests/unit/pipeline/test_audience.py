"""The stage of audiences in the fold: what is told, to whom, when, and only once."""

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from junctor.config.model import Identifier, Identity
from junctor.store.port import StoreUnavailable

from .bodies import T0
from .lively import DAY, HOUR, SECOND, Lively
from .town import finish

HOT = '[audiences.hot]\nevent = "Seen"\ncount = ">=2"\nwithin = "1h"\n'
CART = (
    '[audiences.cart]\nsequence = [{ event = "Added" }, { event = "Paid", within = "1h" }]\n'
    'hold = "1d"\n'
)
TWICE = '[signals.twice]\nevent = "Seen"\ncount = 2\nwithin = "1h"\n'
BIG = (
    '[audiences.big]\nkey = "account"\n'
    'all = [{ event = "Seen", count = ">=2", within = "1d" }, { trait = "plan", is = "pro" }]\n'
)


# -- what is told ----------------------------------------------------------------------------------


def test_an_entry_and_an_exit_look_like_those_of_segment_engage() -> None:
    town = Lively(HOT)
    town.does("ada", "Seen", anonymousId="a-1", context={"traits": {"email": "ada@x.example"}})
    town.does("ada", "Seen", anonymousId="a-1")
    town.passes(2 * HOUR)
    version = town.flow.audiences.engine.program.audiences["hot"].version
    context = {
        "personas": {
            "computation_class": "audience", "computation_id": f"hot@{version}",
            "computation_key": "hot", "namespace": "junctor", "space_id": "junctor",
        },
        "traits": {"email": "ada@x.example"}, "junctor": {"profile": "p-1"},
    }  # fmt: skip
    entry, leaving = town.made
    for made in (entry, leaving):
        assert context.items() <= made.pop("context").items()
    assert entry == {
        "type": "track", "event": "Audience Entered", "userId": "ada", "anonymousId": "a-1",
        "timestamp": "2023-11-14T22:13:20.000Z",
        "properties": {"audience_key": "hot", "hot": True, "reason": "event"},
        "messageId": f"hot/entered/1/{version}/1/{T0}",
    }  # fmt: skip
    assert leaving == {
        "type": "track", "event": "Audience Exited", "userId": "ada", "anonymousId": "a-1",
        "timestamp": "2023-11-14T23:13:20.000Z",
        "properties": {"audience_key": "hot", "hot": False, "reason": "time"},
        "messageId": f"hot/exited/1/{version}/2/{T0 + HOUR}",
    }  # fmt: skip


def test_an_exit_is_told_by_the_ids_of_the_entry() -> None:
    town = Lively(HOT)
    for _ in range(2):
        town.happens({"type": "track", "anonymousId": "old", "event": "Seen"})
    town.happens({"type": "identify", "anonymousId": "old", "userId": "ada"})
    town.happens({"type": "identify", "anonymousId": "new", "userId": "ada"})
    town.passes(2 * HOUR)
    entry, leaving = town.made
    assert (entry.get("userId"), entry["anonymousId"]) == (None, "old")
    assert (leaving.get("userId"), leaving["anonymousId"]) == (None, "old")


def test_who_keeps_audiences_is_told_of_a_member_who_gets_a_user_id() -> None:
    town = Lively(HOT)
    town.flow.audiences.introduces = True
    for _ in range(2):
        town.happens({"type": "track", "anonymousId": "old", "event": "Seen"})
    for _ in range(2):
        town.happens({"type": "identify", "anonymousId": "old", "userId": "ada"})
    town.passes(2 * HOUR)
    entry, again, leaving = town.made
    assert ("userId" in entry, again["userId"], leaving["userId"]) == (False, "ada", "ada")
    assert {one["anonymousId"] for one in town.made} == {"old"}
    assert again["event"] == "Audience Entered"
    assert again["context"]["junctor"] == {"profile": "p-1", "silent": True}
    assert [row.entered for row in town.state.moved] == [True, False]


def test_nobody_else_tells_who_is_in_an_audience_of_this_hub() -> None:
    town = Lively(HOT)
    for inside in (True, False):
        personas = {"computation_class": "audience", "computation_key": "hot"}
        town.happens({"type": "identify", "userId": "mal", "traits": {"hot": inside},
                      "context": {"personas": personas}})  # fmt: skip
        assert town.who("mal").audiences == {}
    for _ in range(2):
        town.does("mal", "Seen")
    town.happens({"type": "identify", "userId": "mal", "traits": {"hot": False},
                  "context": {"personas": personas}})  # fmt: skip
    assert town.who("mal").audiences == {"hot": True}


def test_what_others_may_tell_of_a_person_is_bounded() -> None:
    town = Lively(HOT)
    for number in range(300):
        key = f"a{number}" if number else "x" * 10_000
        town.happens({"type": "identify", "userId": "mal", "traits": {key: True},
                      "context": {"personas": {"computation_class": "audience",
                                               "computation_key": key}}})  # fmt: skip
    assert len(town.who("mal").audiences) == 200


def test_a_session_that_made_room_is_not_looked_at_again() -> None:
    town = Lively(
        '[audiences.s]\nkey = "session"\nall = [{ event = "Seen" }, { known = "<30d" }]\n'
    )
    town.sleeps(HOUR)
    for number in range(16):
        town.does("ada", "Seen", context={"sessionId": f"s{number}"})
    town.does("ada", "Seen", context={"sessionId": "older"}, at=0)
    assert not town.state.rejections


def test_an_account_learns_within_bounds_and_ids_have_an_end() -> None:
    town = Lively(BIG)
    for number in range(3):
        traits = {f"t{number}-{n}": n for n in range(900)}
        town.happens({"type": "group", "userId": "ada", "groupId": "acme", "traits": traits})
    town.happens({"type": "group", "userId": "ada", "groupId": "x" * 1_000, "traits": {"a": 1}})
    [account] = finish(town.state.subjects(["account:acme", "account:" + "x" * 1_000])).values()
    assert len(account.traits) == 1_000


LATE = (
    '[audiences.left]\nsequence = [{ event = "Added" }, { not = { event = "Paid" }, for = "4s" }]\n'
    'hold = "1d"\n'
    '[audiences.bounced]\nsequence = [{ event = "Payment" }, { event = "$exit", within = "30s", '
    'without = [{ event = "Paid" }] }]\nhold = "1d"\n'
    '[signals.dead]\nsequence = [{ event = "click" }, { not = { event = "Paid" }, for = "3s" }]\n'
    '[audiences.dead]\nevent = "signal:dead"\n'
)


@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
@pytest.mark.parametrize("first", ["Added", "Payment", "click"])
def test_nothing_is_concluded_from_silence_while_a_late_batch_comes(
    first: str, known: bool
) -> None:
    town = Lively(LATE, lag=SECOND, idles={"web": 30 * SECOND})
    if known:
        town.does("ada", "Hello")
    town.passes(HOUR)
    session = {"context": {"sessionId": "1"}}
    town.happens(
        {"type": "track", "userId": "ada", "event": first, "at": HOUR - 120 * SECOND, **session},
        {"type": "track", "userId": "ada", "event": "Paid", "at": HOUR - 119 * SECOND, **session},
    )
    town.passes(2 * HOUR)
    assert town.told == []


def test_a_silence_that_a_late_event_began_is_told_a_little_later() -> None:
    town = Lively(LATE, lag=SECOND, idles={"web": 30 * SECOND})
    town.passes(HOUR)
    for event in ("Added", "Payment", "click"):
        town.does("ada", event, at=HOUR - 120 * SECOND)
    town.passes(HOUR + 2 * SECOND)
    assert {name for _, name, entered, _, _ in town.told if entered} == {"left", "bounced", "dead"}
    assert {reason for _, name, _, _, reason in town.told if name == "left"} == {"time"}
    assert len(town.told) == 3


def test_who_has_neither_user_id_nor_anonymous_id_is_told_by_external_ids() -> None:
    email = Identifier(kind="email", limit=1, **{"from": ("context.traits.email",)})
    town = Lively(HOT, identity=Identity(identifiers=(email,)))
    for _ in range(2):
        town.happens({"type": "track", "event": "Seen",
                      "context": {"traits": {"email": "Ada@x.example"}}})  # fmt: skip
    [entry] = town.made
    assert entry["context"]["externalIds"] == [
        {"id": "ada@x.example", "type": "email", "collection": "users", "encoding": "none"}
    ]
    assert town.state.routes[3].profile == 1


def test_the_events_of_the_hub_are_of_the_same_person_and_make_nobody() -> None:
    town = Lively(HOT + TWICE)
    town.does("ada", "Seen", {"page": 1})
    town.does("ada", "Seen", {"page": 2})
    assert {town.state.routes[record.offset].profile for record in town.log} == {1}
    assert list(town.state.people) == [1]


def test_a_late_event_that_makes_or_ends_a_membership_says_so() -> None:
    town = Lively(CART)
    town.sleeps(HOUR)
    town.does("ada", "Paid")
    town.does("ada", "Added", at=HOUR // 2)
    assert town.told == [("ada", "cart", True, HOUR, "late_event")]
    quiet = Lively(
        '[audiences.left]\nsequence = [{ event = "Added" }, { not = { event = "Paid" }, '
        'for = "1h" }]\nhold = "1d"\n'
    )
    quiet.does("ada", "Added")
    quiet.passes(2 * HOUR)
    quiet.does("ada", "Paid", at=HOUR // 2)
    assert quiet.told == [
        ("ada", "left", True, HOUR, "time"),
        ("ada", "left", False, 2 * HOUR, "late_event"),
    ]


def test_traits_that_come_after_a_due_moment_do_not_change_what_was_due() -> None:
    town = Lively('[audiences.pro]\ntrait = "plan"\nis = "pro"\nsettle = "1h"\n')
    town.happens({"type": "identify", "userId": "ada", "traits": {"plan": "pro"}})
    town.sleeps(2 * HOUR)
    town.happens({"type": "identify", "userId": "ada", "traits": {"plan": "free"}})
    assert town.told == [
        ("ada", "pro", True, HOUR, "time"), ("ada", "pro", False, 2 * HOUR, "event"),
    ]  # fmt: skip


def test_of_equal_times_in_a_batch_the_message_id_decides() -> None:
    for ids, enters in ((("a", "b"), True), (("b", "a"), False)):
        town = Lively(CART)
        added, paid = (
            {"type": "track", "userId": "ada", "event": event, "messageId": id, "at": 0}
            for event, id in zip(("Added", "Paid"), ids, strict=True)
        )
        town.happens(added, paid)
        assert (town.members == {("cart", "1")}) is enters
        town = Lively(CART)
        town.happens(paid | {"at": 0}, added | {"at": 0})
        assert (town.members == {("cart", "1")}) is enters


# -- people ----------------------------------------------------------------------------------------


def test_two_halves_of_a_sequence_meet_in_a_merge() -> None:
    town = Lively(CART)
    town.happens({"type": "track", "anonymousId": "x", "event": "Added"})
    town.sleeps(HOUR // 2)
    town.does("ada", "Paid")
    assert town.members == set()
    town.sleeps(HOUR)
    town.happens({"type": "identify", "userId": "ada", "anonymousId": "x"})
    assert town.told == [("ada", "cart", True, HOUR, "merge")]
    assert town.members == {("cart", "1")}
    assert town.inside("ada") == {"cart"}


def test_a_membership_that_both_had_is_told_once_and_ends_once() -> None:
    town = Lively(HOT)
    for _ in range(2):
        town.happens({"type": "track", "anonymousId": "x", "event": "Seen"})
        town.does("ada", "Seen")
    assert len(town.told) == 2
    town.happens({"type": "identify", "userId": "ada", "anonymousId": "x"})
    assert len(town.told) == 2
    town.passes(2 * HOUR)
    assert [entered for _, _, entered, _, _ in town.told] == [True, True, False]
    assert town.members == set()


def test_a_membership_that_only_the_absorbed_had_and_loses_is_told_as_left() -> None:
    town = Lively('[audiences.gone]\nall = [{ event = "Seen" }, { event = "Paid", count = 0 }]\n'
                  '[audiences.lost]\naudience = "gone"\nleft_within = "1h"\n')  # fmt: skip
    town.does("ada", "Paid")
    town.happens({"type": "track", "anonymousId": "x", "event": "Seen"})
    town.sleeps(SECOND)
    town.happens({"type": "identify", "userId": "ada", "anonymousId": "x"})
    assert town.told == [
        ("x", "gone", True, 0, "event"),
        ("x", "gone", False, SECOND, "merge"),
        ("ada", "lost", True, SECOND, "merge"),
    ]
    assert town.members == {("lost", "1")}


def test_a_membership_of_the_absorbed_that_is_held_lasts_as_long_as_it_would_have() -> None:
    town = Lively('[audiences.held]\nall = [{ event = "Seen", within = "1h" }]\nhold = "2h"\n')
    town.does("ada", "Other")
    town.happens({"type": "track", "anonymousId": "x", "event": "Seen"})
    town.passes(2 * HOUR)
    town.happens({"type": "identify", "userId": "ada", "anonymousId": "x"})
    assert town.members == {("held", "1")}
    town.passes(4 * HOUR)
    assert town.told == [
        ("x", "held", True, 0, "event"),
        ("ada", "held", True, 2 * HOUR, "merge"),
        ("ada", "held", False, 3 * HOUR, "time"),
    ]


def test_what_is_due_for_both_at_a_merge_leaves_no_member_behind() -> None:
    town = Lively('[audiences.pro]\nevent = "Seen"\nsettle = "1h"\n')
    town.does("ada", "Paid")
    town.happens({"type": "track", "anonymousId": "x", "event": "Seen"})
    town.sleeps(2 * HOUR)
    town.happens({"type": "identify", "userId": "ada", "anonymousId": "x"})
    assert town.members == {("pro", "1")}
    assert [(who, entered) for who, _, entered, _, _ in town.told][:1] == [("x", True)]


def test_who_is_deleted_leaves_and_does_not_come_back() -> None:
    town = Lively(HOT)
    for _ in range(2):
        town.does("ada", "Seen")
    town.happens({"type": "delete", "userId": "ada"})
    assert [(entered, reason) for _, _, entered, _, reason in town.told] == [
        (True, "event"), (False, "erased"),
    ]  # fmt: skip
    assert town.members == set()
    assert not town.state.people
    assert not town.state.identifiers
    town.passes(2 * HOUR)
    assert len(town.told) == 2
    town.does("ada", "Seen")
    assert town.members == set(), "it begins anew"


def test_what_is_keyed_by_an_identifier_goes_with_its_person_and_accounts_stay() -> None:
    by_user = HOT.replace("[audiences.hot]", '[audiences.hot]\nkey = "user_id"')
    town = Lively(by_user + BIG)
    for who in ("ada", "ada", "bob", "bob"):
        town.does(who, "Seen", context={"groupId": "acme"})
    assert {key for key in town.state.others} == {"user_id:ada", "user_id:bob", "account:acme"}
    town.happens({"type": "delete", "userId": "ada"})
    assert {key for key in town.state.others} == {"user_id:bob", "account:acme"}
    assert town.members == {("hot", "user_id:bob")}
    assert [(who, entered) for who, _, entered, *_ in town.told][-1] == ("ada", False)
    town.happens(
        {"type": "delete", "userId": "bob"},
        {"type": "track", "userId": "bob", "event": "Seen"},
    )
    assert town.members == set(), "it begins anew, in the same batch, too"
    town.does("bob", "Seen")
    assert town.members == {("hot", "user_id:bob")}


@pytest.mark.case(16)
def test_what_is_keyed_by_any_identifier_of_who_is_deleted_tells_that_it_left() -> None:
    """A delete names the user alone; what the person has besides is known."""
    town = Lively(HOT.replace("[audiences.hot]", '[audiences.hot]\nkey = "email"'))
    for _ in range(2):
        for address in ("a@x.example", "b@x.example"):
            town.does("ada", "Seen", context={"traits": {"email": address}})
    assert town.members == {("hot", "email:a@x.example"), ("hot", "email:b@x.example")}
    town.happens({"type": "delete", "userId": "ada"})
    assert town.members == set()
    assert {key for key in town.state.others} == set()
    for parting in town.made[-2:]:
        assert parting["properties"]["reason"] == "erased"
        assert parting["context"]["junctor"] == {"profile": "p-1"}


# -- signals and exits -----------------------------------------------------------------------------


def test_a_signal_is_an_event_with_the_properties_of_what_completed_it() -> None:
    town = Lively(TWICE + '[audiences.tired]\nevent = "signal:twice"\nwithin = "1h"\n')
    town.does("ada", "Seen", {"page": 1}, context={"sessionId": "s", "ip": "10.0.0.1"})
    town.does("ada", "Seen", {"page": 2}, context={"sessionId": "s", "ip": "10.0.0.1"})
    signal = town.made[0]
    assert signal["event"] == "signal:twice"
    assert signal["properties"] == {"page": 2}
    assert signal["context"] == {
        "sessionId": "s", "ip": "10.0.0.1",
        "junctor": {"cause": "m-2", "profile": "p-1"},
    }  # fmt: skip
    assert signal["messageId"] == "m-2/signal:twice"
    assert town.members == {("tired", "1")}


def test_a_signal_that_waits_for_silence_comes_at_its_end() -> None:
    silence = '{ not = { event = "view" }, for = "3s" }'
    town = Lively(f'[signals.dead]\nsequence = [{{ event = "click" }}, {silence}]\n')
    town.does("ada", "click", {"element": "b"})
    town.passes(10 * SECOND)
    [signal] = town.made
    assert (signal["event"], signal["properties"]) == ("signal:dead", {"element": "b"})
    assert signal["timestamp"] == "2023-11-14T22:13:23.000Z"


def test_an_exit_is_explicit_or_a_silence_of_heartbeats() -> None:
    left = (
        '[audiences.left]\nkey = "session"\nsequence = [{ event = "view" }, '
        '{ event = "$exit", within = "30s" }]\nhold = "1h"\n'
    )
    session = {"context": {"sessionId": "s"}}
    town = Lively(left)
    town.does("ada", "view", **session)
    town.does("ada", "page_hide", **session)
    assert town.members == {("left", "1/s")}
    assert [body["context"].get("sessionId") for body in town.made] == ["s"]
    town = Lively(left, idles={"web": 30 * SECOND})
    town.does("ada", "view", **session)
    town.passes(29 * SECOND)
    assert town.members == set()
    town.passes(31 * SECOND)
    assert town.members == {("left", "1/s")}
    assert [body["event"] for body in town.made] == ["$exit", "Audience Entered"]
    assert town.made[0]["timestamp"] == "2023-11-14T22:13:20.000Z"
    assert town.made[1]["timestamp"] == "2023-11-14T22:13:50.000Z", "when the silence was over"
    assert town.made[1]["properties"]["reason"] == "time"
    town = Lively(left)
    town.does("ada", "view", **session)
    town.passes(HOUR)
    assert town.members == set(), "a silence without heartbeats is no gap"


def test_an_exit_by_silence_is_entered_by_when_the_silence_was_over_however_late() -> None:
    town = Lively(
        '[audiences.left]\nkey = "session"\nsequence = [{ event = "view" }, '
        '{ event = "$exit", within = "30s" }]\nhold = "1d"\nsettle = "10s"\n',
        idles={"web": 30 * SECOND},
    )
    town.does("ada", "view", context={"sessionId": "s"})
    town.passes(2 * HOUR)  # the hub was down
    entry = town.made[-1]
    assert entry["timestamp"] == "2023-11-14T22:14:00.000Z", "30 s of silence, and 10 to settle"
    assert entry["properties"]["reason"] == "time"


def test_sessions_of_one_person_are_apart_and_the_seventeenth_ends_one() -> None:
    toml = '[audiences.here]\nkey = "session"\nevent = "view"\n'
    town = Lively(toml)
    for number in range(17):
        town.sleeps(number * SECOND)
        town.does("ada", "view", context={"sessionId": f"s{number}"})
    assert town.members == {("here", f"1/s{number}") for number in range(1, 17)}
    assert town.told[-1][1:3] == ("here", True)
    assert [entered for _, _, entered, _, _ in town.told].count(False) == 1


def test_two_people_full_of_sessions_become_one_with_sixteen() -> None:
    toml = '[audiences.here]\nkey = "session"\nevent = "view"\n'
    town = Lively(toml)
    for number in range(16):
        town.sleeps(number * SECOND)
        town.does("ada", "view", context={"sessionId": f"a{number}"})
        town.happens({"type": "track", "anonymousId": "x", "event": "view",
                      "context": {"sessionId": f"x{number}"}})  # fmt: skip
    town.happens({"type": "identify", "userId": "ada", "anonymousId": "x"})
    assert len(town.members) == 16
    assert town.state.rejections == []


# -- accounts and other kinds ----------------------------------------------------------------------


def test_an_account_has_the_events_of_all_its_people_and_its_own_traits() -> None:
    town = Lively(BIG)
    town.happens({"type": "group", "userId": "ada", "groupId": "acme", "traits": {"plan": "pro"}})
    town.does("ada", "Seen", context={"groupId": "acme"})
    town.does("bob", "Seen", context={"groupId": "acme"})
    town.does("eve", "Seen", context={"groupId": "other"})
    assert town.members == {("big", "account:acme")}
    [entry] = town.made
    assert entry["context"]["groupId"] == "acme"
    assert "userId" not in entry
    town.passes(2 * DAY)
    assert town.members == set()


def test_a_sample_of_accounts_takes_some_of_them() -> None:
    town = Lively(
        '[audiences.half]\nkey = "account"\nall = [{ sample = "50%" }, { event = "Seen" }]\n'
    )
    for number in range(40):
        town.does(f"u{number}", "Seen", context={"groupId": f"g{number}"})
    assert 10 < len(town.members) < 30
    chosen = town.members
    town.starts()
    assert town.members == chosen


def test_an_audience_may_be_keyed_by_any_kind_of_identifier() -> None:
    town = Lively('[audiences.seen]\nkey = "user_id"\nevent = "Seen"\ncount = 2\n')
    town.does("ada", "Seen")
    town.does("ada", "Seen")
    assert town.members == {("seen", "user_id:ada")}
    assert town.made[0]["userId"] == "ada"


# -- told by others --------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["identify", "track"])
def test_audiences_and_traits_of_segment_engage_become_the_person_s(form: str) -> None:
    def engage(key: str, value: Any, sort: str) -> dict[str, Any]:
        told = {"traits": {key: value}} if form == "identify" else {
            "event": "Audience Entered", "properties": {key: value}}  # fmt: skip
        personas = {"computation_class": sort, "computation_key": key}
        return {"type": form, "userId": "ada", "context": {"personas": personas}, **told}

    town = Lively('[audiences.rich]\ntrait = "ltv"\nis = ">=5"\n'
                  '[audiences.both]\nall = [{ trait = "vip", is = true }]\n')  # fmt: skip
    town.happens(engage("vip", True, "audience"))
    town.happens(engage("ltv", 9, "trait"))
    [person] = finish(town.state.profiles([1])).values()
    assert person.audiences["vip"] is True
    assert {name: value for name, (value, _) in person.traits.items()} == {"vip": True, "ltv": 9}
    assert town.members == {("vip", "1"), ("rich", "1"), ("both", "1")}
    town.happens(engage("vip", False, "audience"))
    assert town.members == {("rich", "1")}


# -- once ------------------------------------------------------------------------------------------


def test_a_batch_whose_commit_failed_comes_out_the_same() -> None:
    town = Lively(HOT + CART + TWICE)
    town.does("ada", "Seen")
    town.happens({"type": "track", "userId": "ada", "event": "Seen"}, fold=False)
    town.state.fails = True
    with pytest.raises(StoreUnavailable):
        town.folds()
    assert town.made == []
    assert town.announced == []
    town.folds()
    assert [body["event"] for body in town.made] == ["Audience Entered", "signal:twice"]
    assert len(town.announced) == 1


def test_time_that_could_not_be_stored_passes_later_at_its_own_time() -> None:
    town = Lively(HOT)
    for _ in range(2):
        town.does("ada", "Seen")
    town.state.fails = True
    with pytest.raises(StoreUnavailable):
        town.passes(HOUR)
    town.passes(2 * HOUR)
    assert town.told[-1] == ("ada", "hot", False, HOUR, "time")
    assert len(town.told) == 2


def test_a_read_is_right_though_no_timer_has_fired() -> None:
    town = Lively(HOT)
    for _ in range(2):
        town.does("ada", "Seen")
    town.sleeps(HOUR - 1)
    assert town.inside("ada") == {"hot"}
    town.sleeps(HOUR)
    assert town.inside("ada") == set()
    assert len(town.told) == 1, "a read tells nobody"


def test_a_restart_after_a_due_time_tells_it_at_its_own_time() -> None:
    town = Lively(HOT)
    for _ in range(2):
        town.does("ada", "Seen")
    town.sleeps(5 * HOUR)
    town.starts()
    town.builds()
    town.passes(6 * HOUR)
    assert town.told[-1] == ("ada", "hot", False, HOUR, "time")


def test_a_clock_that_is_set_back_ends_nothing() -> None:
    town = Lively('[audiences.away]\nevent = "Seen"\ncount = 0\nwithin = "1h"\n')
    town.does("ada", "Seen")
    town.passes(HOUR + 1)
    assert town.members == {("away", "1")}
    town.clock.step(-60)
    town.does("ada", "Other")
    assert town.members == {("away", "1")}


STORIES = st.integers(0, 10**9)


@settings(max_examples=60, deadline=None)
@given(STORIES)
def test_the_size_of_batches_and_restarts_change_nothing(seed: int) -> None:
    random = Random(seed)
    bodies: list[dict[str, Any]] = []
    for number in range(random.randint(1, 12)):
        body: dict[str, Any] = {
            "messageId": f"m-{number:02}",
            "type": "track", "event": random.choice(["Seen", "Added", "Paid"]),
            "context": {"sessionId": random.choice("st"), "groupId": "acme"},
            "at": -random.randint(0, 9) * SECOND,
        }  # fmt: skip
        if random.random() < 0.5:
            body["anonymousId"] = random.choice("xy")
        if random.random() < 0.6 or "anonymousId" not in body:
            body["userId"] = random.choice(["ada", "bob"])
        if random.random() < 0.1 and "userId" in body:
            body["type"] = "delete"
        bodies.append(body)
    toml = HOT + CART + TWICE + BIG.replace(', { trait = "plan", is = "pro" }', "")
    outcomes = []
    for sizes in ([1], [100], [random.randint(1, 4)]):
        town = Lively(toml)
        town.happens(*(dict(body) for body in bodies), fold=False)
        town.folds(sizes[0])
        if random.random() < 0.5:
            town.starts()
        town.passes(2 * DAY)
        outcomes.append((sorted(town.told), town.members))
    # A batch is folded before what the hub made of it, one event after the other is not: signals
    # are no part of these audiences.
    assert outcomes[0] == outcomes[1] == outcomes[2]
