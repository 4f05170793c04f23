"""The worked examples of the language, alive: who is in, when they leave, and who just misses."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from junctor.audiences.behavior import Behavior

from .visitor import T0, Visitor, ms, told

EXAMPLES: Final = (Path(__file__).parent / "language" / "examples.toml").read_text("utf-8")
DAY: Final = 86_400
BEATS: Final = {"web": 30_000}
"""The source `web` sends heartbeats; 30 s of silence are an exit."""
PRICING: Final = {"path": "/pricing"}


def visitor(**options: Any) -> Visitor:
    return Visitor(EXAMPLES, **options)


def stays(person: Visitor, name: str, at: str | int) -> list[tuple[bool, float]]:
    """Let time pass until `at`; return (entered, seconds from T0) of all comings and goings."""
    person.time(at)
    return [(entered, when) for audience, entered, when, _ in told(person.transitions)
            if audience == name]  # fmt: skip


def emitted(person: Visitor, name: str) -> list[float]:
    """Return the times (seconds from T0) at which a signal was emitted."""
    return [
        (one.completion.at - T0) / 1000 for one in person.emissions if one.name == f"signal:{name}"
    ]


def attribute(person: Visitor, name: str, at: str | int) -> Any:
    states = Behavior.decode(person.behavior.encode()).own.states
    return person.engine.program.attributes[name].value(states, T0 + ms(at))


def readiness(person: Visitor, at: str | int) -> float:
    now = T0 + ms(at)
    return person.engine.program.scores["readiness"].value(person.behavior.own.states, now, now)


# -- audiences -------------------------------------------------------------------------------------


def test_high_intent_lasts_while_three_views_are_within_two_days_and_the_email_within_thirty() -> (
    None
):
    person = visitor()
    person.does("Email Opened", 0, {"campaign": "case-study-7"})
    for at in ("1h", "2h", "3h"):
        person.does("page_view", at, {"path": "/pricing/team"})
    assert stays(person, "high_intent", "4d") == [(True, 3 * 3600), (False, 49 * 3600)]


def test_high_intent_needs_three_views_of_pricing_and_the_case_study() -> None:
    person = visitor()
    person.does("Email Opened", 0, {"campaign": "newsletter"})
    for at in ("1h", "2h", "3h"):
        person.does("page_view", at, PRICING)
    assert "high_intent" not in person.inside("3h")
    person = visitor()
    person.does("Email Opened", 0, {"campaign": "case-study"})
    for at, path in (("1h", "/pricing"), ("2h", "/price"), ("3h", "/pricing"), ("50h", "/pricing")):
        person.does("page_view", at, {"path": path})
    assert stays(person, "high_intent", "5d") == []


def test_high_intent_ends_when_the_email_is_thirty_days_old() -> None:
    person = visitor()
    person.does("Email Opened", 0, {"campaign": "case-study"})
    for day in range(1, 35):
        person.does("page_view", day * DAY, PRICING)
        person.does("page_view", day * DAY + 60, PRICING)
    assert stays(person, "high_intent", "40d") == [(True, 2 * DAY), (False, 30 * DAY)]


def test_power_user_counts_local_days_of_vienna_and_leaves_at_its_midnight() -> None:
    person = visitor()
    person.does("Teammate Invited", 0)
    for day in range(7):  # 17:00 in Vienna, from the 24th to the 30th
        person.does("login", day * DAY)
    # The last ten local days hold seven logins until the 24th drops out: at the start of
    # December 4th, 23:00 UTC of the 3rd.
    ends = 9 * DAY + 7 * 3600
    assert stays(person, "power_user", "20d") == [(True, 6 * DAY), (False, ends)]


def test_power_user_needs_seven_different_days_and_an_invitation() -> None:
    person = visitor()
    person.does("Teammate Invited", 0)
    for day in range(6):
        person.does("login", day * DAY)
        person.does("login", day * DAY + 3600)
    assert "power_user" not in person.inside("6d")
    person = visitor()
    for day in range(8):
        person.does("login", day * DAY)
    assert stays(person, "power_user", "8d") == []


def test_churn_risk_comes_by_time_alone_and_goes_with_a_login() -> None:
    person = visitor()
    person.does("login", 0)
    person.does("Launch Announced", "2d")
    assert stays(person, "churn_risk", "8d") == [(True, 7 * DAY)]
    person.does("login", "9d")
    assert stays(person, "churn_risk", "15d") == [(True, 7 * DAY), (False, 9 * DAY)]


def test_churn_risk_ends_when_the_launch_is_forgotten_or_opened() -> None:
    person = visitor()
    person.does("Launch Announced", 0)
    assert stays(person, "churn_risk", "60d") == [(True, 7 * DAY), (False, 30 * DAY)]
    person = visitor()
    person.does("Launch Announced", 0)
    person.does("Launch Opened", "10d")
    assert stays(person, "churn_risk", "60d") == [(True, 7 * DAY), (False, 10 * DAY)]


def test_churn_risk_is_nobody_new_and_nobody_without_a_launch() -> None:
    person = visitor()
    person.does("Launch Announced", 0)
    assert "churn_risk" not in person.inside(7 * DAY - 1)
    person = visitor()
    person.does("page_view", 0)
    assert stays(person, "churn_risk", "30d") == []


def test_activation_stalled_is_held_for_two_weeks_after_the_skip() -> None:
    person = visitor()
    person.does("Onboarding Started", 0)
    person.does("Onboarding Step Skipped", "7d", {"step": 2})
    assert stays(person, "activation_stalled", "30d") == [(True, 7 * DAY), (False, 21 * DAY)]


def test_activation_stalled_ends_at_once_when_onboarding_is_completed() -> None:
    person = visitor()
    person.does("Onboarding Started", 0)
    person.does("Onboarding Step Skipped", "1d", {"step": 2})
    person.does("Onboarding Completed", "2d")
    assert stays(person, "activation_stalled", "30d") == [(True, DAY), (False, 2 * DAY)]
    person.does("Onboarding Started", "31d")
    person.does("Onboarding Step Skipped", "32d", {"step": 2})
    assert "activation_stalled" in person.inside("33d"), "a later completion enters again"


def test_activation_stalled_misses_another_step_and_a_late_skip() -> None:
    person = visitor()
    person.does("Onboarding Started", 0)
    person.does("Onboarding Step Skipped", "1d", {"step": 3})
    person.does("Onboarding Step Skipped", "1d", {"step": "2"})
    person.does("Onboarding Step Skipped", 7 * DAY + 1, {"step": 2})
    assert stays(person, "activation_stalled", "30d") == []


def test_cart_abandoner_enters_after_three_days_of_silence() -> None:
    person = visitor()
    person.does("Product Added", 0)
    assert stays(person, "cart_abandoner", "20d") == [(True, 3 * DAY), (False, 17 * DAY)]


def test_cart_abandoner_is_not_who_goes_on_or_comes_back() -> None:
    person = visitor()
    person.does("Product Added", 0)
    person.does("page_view", 3 * DAY - 1)
    assert stays(person, "cart_abandoner", "20d") == []
    person = visitor()
    person.does("Product Added", 0)
    person.does("Order Completed", "4d")
    assert stays(person, "cart_abandoner", "20d") == [(True, 3 * DAY), (False, 4 * DAY)]


def test_cart_abandoner_counts_from_the_last_product_added() -> None:
    person = visitor()
    person.does("Product Added", 0)
    person.does("Product Added", "2d")
    assert stays(person, "cart_abandoner", "30d") == [(True, 5 * DAY), (False, 19 * DAY)]


def checkout(person: Visitor, *, gone: bool = True, **more: Any) -> None:
    person.does("page_view", 0, PRICING, session="s", **more)
    person.does("Checkout Started", "1m", session="s", **more)
    person.does("Payment Step Viewed", "2m", session="s", **more)
    if gone:
        person.does("page_hide", 140, session="s", **more)


def test_payment_bounce_is_a_session_that_left_within_half_a_minute() -> None:
    person = visitor()
    checkout(person)
    assert stays(person, "payment_bounce", "2d") == [(True, 140), (False, 140 + DAY)]
    [entry, leaving] = [t for t in person.transitions if t.audience.name == "payment_bounce"]
    assert entry.session == leaving.session == "s"


def test_payment_bounce_by_silence_of_a_source_that_sends_heartbeats() -> None:
    person = visitor(idles=BEATS)
    checkout(person, gone=False)
    # The exit lies at the last heartbeat, and is known half a minute later.
    person.time(150)
    assert stays(person, "payment_bounce", "1h") == [(True, 150)]
    person = visitor()
    checkout(person, gone=False)
    assert stays(person, "payment_bounce", "2h") == [], "no heartbeats, no gap to an exit"


def test_payment_bounce_misses_who_submits_or_leaves_later_or_another_session() -> None:
    for name, at, session in (
        ("Payment Submitted", 130, "s"), ("scroll", 155, "s"), ("page_hide", 140, "other"),
    ):  # fmt: skip
        person = visitor()
        checkout(person, gone=False)
        person.does(name, at, session=session)
        person.does("page_hide", 160, session="s")
        assert stays(person, "payment_bounce", "1h") == [], name


def test_slow_payment_mobile_is_a_long_look_at_payment_on_a_phone() -> None:
    phone: dict[str, Any] = {"context": {"device": {"type": "ios"}}}
    person = visitor()
    checkout(person, **phone)
    assert stays(person, "slow_payment_mobile", "2d") == [(True, 140), (False, 140 + DAY)]


def test_slow_payment_mobile_misses_desktops_quick_leavers_and_who_submits() -> None:
    person = visitor()
    checkout(person, context={"device": {"type": "desktop"}})
    assert "slow_payment_mobile" not in person.inside("3m")
    phone: dict[str, Any] = {"context": {"device": {"type": "android"}}}
    person = visitor()
    checkout(person, gone=False, **phone)
    person.does("page_hide", 127, session="s", **phone)
    assert "slow_payment_mobile" not in person.inside("3m")
    person = visitor()
    checkout(person, gone=False, **phone)
    person.does("Payment Submitted", 125, session="s", **phone)
    person.does("page_hide", 140, session="s", **phone)
    assert "slow_payment_mobile" not in person.inside("3m")


def test_pricing_no_trial_until_the_trial_or_the_third_view_is_old() -> None:
    person = visitor()
    for day in (0, 1, 2):
        person.does("page_view", day * DAY, PRICING)
    assert stays(person, "pricing_no_trial", "31d") == [(True, 2 * DAY), (False, 30 * DAY)]
    person = visitor()
    for day in (0, 1, 2):
        person.does("page_view", day * DAY, PRICING)
    person.does("Trial Started", "5d")
    assert stays(person, "pricing_no_trial", "9d") == [(True, 2 * DAY), (False, 5 * DAY)]


def test_pricing_no_trial_misses_two_views_and_other_paths() -> None:
    person = visitor()
    for at, path in ((0, "/pricing"), (1, "/pricing"), (2, "/pricing/team")):
        person.does("page_view", at, {"path": path})
    assert stays(person, "pricing_no_trial", "9d") == []


def test_a_before_b_holds_for_its_window_after_the_second() -> None:
    person = visitor()
    person.does("Product Viewed", 0, {"product_id": "A"})
    person.does("Product Added", "30d", {"product_id": "B"})
    assert stays(person, "a_before_b", "90d") == [(True, 30 * DAY), (False, 60 * DAY)]


def test_a_before_b_misses_the_other_order_and_what_is_too_far_apart() -> None:
    person = visitor()
    person.does("Product Added", 0, {"product_id": "B"})
    person.does("Product Viewed", "1d", {"product_id": "A"})
    person.does("Product Added", 31 * DAY + 1, {"product_id": "B"})
    assert stays(person, "a_before_b", "90d") == []


def test_a_before_b_whose_first_half_came_late_is_told_as_late() -> None:
    person = visitor()
    person.does("Product Added", "2h", {"product_id": "B"})
    person.does("Product Viewed", "1h", {"product_id": "A"}, came="3h")
    assert told(person.transitions) == [("a_before_b", True, 3 * 3600, "late_event")]


def test_payment_loop_is_three_failures_and_an_exit() -> None:
    person = visitor()
    for at in (0, 60, 120):
        person.does("Payment Failed", at, {"reason": "validation"}, session="s")
    person.does("page_hide", "5m", session="s")
    assert stays(person, "payment_loop", "2h") == [(True, 300), (False, 300 + 1800)]


def test_payment_loop_misses_two_failures_other_reasons_and_a_submission() -> None:
    for reasons, submits in ((["validation"] * 2, False), (["validation"] * 2 + ["card"], False),
                             (["validation"] * 3, True)):  # fmt: skip
        person = visitor()
        for place, reason in enumerate(reasons):
            person.does("Payment Failed", 60 * place, {"reason": reason}, session="s")
        if submits:
            person.does("Payment Submitted", "4m", session="s")
        person.does("page_hide", "5m", session="s")
        assert stays(person, "payment_loop", "2h") == []


def exporting(person: Visitor, times: int = 10) -> None:
    for day in range(times):
        person.does("Report Exported", day * DAY)


EARLIER: Final = EXAMPLES.replace('since = "2026-11-01"', 'since = "2025-12-20"')
"""The examples, with the date of `survey_target` within the story's time."""


def test_survey_target_is_who_exported_often_and_not_since_the_date() -> None:
    person = Visitor(EARLIER)
    exporting(person)
    # The tenth export, nine days in; the first is thirty days old at the end.
    assert stays(person, "survey_target", "31d") == [(True, 9 * DAY), (False, 30 * DAY)]


def test_survey_target_misses_free_plans_low_use_and_exports_after_the_date() -> None:
    person = Visitor(EARLIER)
    person.identifies(0, plan="free")
    exporting(person)
    assert stays(person, "survey_target", "12d") == []
    person = Visitor(EARLIER)
    exporting(person, 9)
    assert stays(person, "survey_target", "12d") == []
    person = Visitor(EARLIER)
    exporting(person)
    person.does("Report Exported", "26d")
    assert stays(person, "survey_target", "27d") == [(True, 9 * DAY), (False, 26 * DAY)]


def test_survey_target_asks_again_whom_it_asked_only_if_the_score_was_low() -> None:
    for nps, asked in ((5, True), (6, True), (9, False), (None, False)):
        person = Visitor(EARLIER)
        person.does("Survey Completed", 0, {"form": "NPS"})
        if nps is not None:
            person.identifies(1, survey={"nps": {"score": nps}})
        exporting(person)
        assert ("survey_target" in person.inside("10d")) is asked, nps


def test_survey_target_leaves_who_is_about_to_churn_alone() -> None:
    person = Visitor(EARLIER)
    person.does("login", 0)
    person.does("Launch Announced", 1)
    exporting(person)
    assert "churn_risk" in person.inside("10d")
    assert "survey_target" not in person.inside("10d")
    person.does("login", "10d")
    assert "survey_target" in person.inside("10d")


def test_sales_ready_waits_a_minute_and_needs_an_email() -> None:
    person = visitor()
    person.identifies(0, email="ada@x.example")
    for second in (1, 2):
        person.does("page_view", second, PRICING)
    person.does("Demo Replayed", 3)  # 5 + 5 + 4 = 14, which fades to 12 in some days
    [(entered, at), (left, ends)] = stays(person, "sales_ready", "10d")
    assert (entered, at, left) == (True, 63, False)
    assert readiness(person, int(ends) + 1) < 12 <= readiness(person, int(ends))
    stranger = visitor()
    for second in (1, 2, 3):
        stranger.does("page_view", second, PRICING)
    assert stays(stranger, "sales_ready", "1h") == []


def test_sales_ready_cools_down_for_thirty_days() -> None:
    person = visitor()
    person.identifies(0, email="ada@x.example")
    for at in (1, 2, 3):
        person.does("page_view", at, PRICING)
    left = stays(person, "sales_ready", "10d")[-1]
    assert left[0] is False
    for at in range(4):
        person.does("page_view", 20 * DAY + at, PRICING)
    assert stays(person, "sales_ready", int(left[1]) + 30 * DAY - 1)[-1] == left
    person.does("page_view", int(left[1]) + 29 * DAY, PRICING)
    for at in range(3):
        person.does("page_view", int(left[1]) + 29 * DAY + at, PRICING)
    assert stays(person, "sales_ready", "60d")[2] == (True, left[1] + 30 * DAY)


def test_stuck_on_payment_is_live_while_it_lasts() -> None:
    person = visitor()
    person.does("Checkout Step Viewed", 0, {"step": "payment"}, session="s")
    person.does("page_loaded", 1, {"load_ms": 4000}, session="s")
    assert stays(person, "stuck_on_payment", 7) == []
    assert stays(person, "stuck_on_payment", 30) == [(True, 8)]
    person.does("Order Completed", 40, session="s")
    assert stays(person, "stuck_on_payment", 50) == [(True, 8), (False, 40)]


def test_stuck_on_payment_ends_with_the_friction_and_misses_who_has_none() -> None:
    person = visitor()
    person.does("Checkout Step Viewed", 0, {"step": "payment"}, session="s")
    for at in (1, 1, 1):
        person.does("click", at, {"element": "pay", "path": "/pay"}, session="s")
    assert stays(person, "stuck_on_payment", "2m") == [(True, 8), (False, 61)]
    calm = visitor()
    calm.does("Checkout Step Viewed", 0, {"step": "payment"}, session="s")
    assert stays(calm, "stuck_on_payment", "2m") == []


def test_slow_buyers_spent_five_minutes_of_a_week_on_payment() -> None:
    person = visitor()
    person.does("Checkout Step Viewed", 0, {"step": "payment"}, session="s")
    person.does("Checkout Step Viewed", "2m", {"step": "review"}, session="s")
    person.does("Checkout Step Viewed", "1h", {"step": "payment"}, session="s")
    person.does("Order Completed", "64m", session="s")
    # Two minutes, then three more; the first seconds leave the window after seven days.
    [entry, (left, ends)] = stays(person, "slow_buyers", "9d")
    assert entry == (True, 3600 + 180)
    assert left is False
    assert 7 * DAY + 60 <= ends <= 7 * DAY + 61


def test_slow_buyers_misses_other_steps_and_less_time() -> None:
    person = visitor()
    person.does("Checkout Step Viewed", 0, {"step": "review"}, session="s")
    person.does("Checkout Step Viewed", "1h", {"step": "payment"}, session="s")
    person.does("page_hide", 3600 + 299, session="s")
    assert stays(person, "slow_buyers", "9d") == []


# -- signals ---------------------------------------------------------------------------------------

SIGNALS: Final[Mapping[str, tuple[str, list[int | float], dict[str, Any], list[float]]]] = {
    "rage_click": ("click", [0, 0, 0, 1], {"element": "b", "path": "/"}, [0]),
    "error_loop": ("api_error", [0, 60, 119, 240], {"code": 5}, [119]),
    "slow_page": ("page_loaded", [0, 9], {"load_ms": 4000}, [0, 9]),
    "nav_loop": ("page_view", [0, 60, 120, 299, 301], {"path": "/a"}, [299, 301]),
    "form_retry": ("form_submit", [0, 100, 299, 500], {"form_id": "f"}, [299]),
    "rephrase": (
        "agent_message", [0, 599, 1300],
        {"role": "user", "similarity_to_previous": 0.8, "conversation_id": "c"}, [599],
    ),
}  # fmt: skip
"""Name of the event, its times, its properties, and when the signal is emitted."""


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_is_emitted_at_each_event_that_completes_it(name: str) -> None:
    event, times, properties, expected = SIGNALS[name]
    person = visitor()
    for at in times:
        person.does(event, int(at), properties)
    assert emitted(person, name) == expected


def test_signals_miss_what_is_not_alike_or_too_slow_or_too_little() -> None:
    person = visitor()
    for place in range(4):
        person.does("click", 0, {"element": f"b{place}", "path": "/"})
        person.does("click", place, {"element": "b", "path": "/x"})
        person.does("api_error", place, {"code": place})
        person.does("api_error", place)
        person.does("page_view", place, {"path": f"/{place}"})
        person.does("form_submit", 300 * place, {"form_id": "f"})
        person.does("page_loaded", place, {"load_ms": 3999})
        person.does("agent_message", place, {"role": "agent", "similarity_to_previous": 1,
                                             "conversation_id": "c"})  # fmt: skip
    assert [name for name in SIGNALS if emitted(person, name)] == []


def test_a_rage_click_is_seen_in_a_batch_that_was_flushed_late_and_shuffled() -> None:
    person = visitor()
    for at in (1, 0, 0):
        person.does("click", at, {"element": "b", "path": "/"}, came="1h")
    assert emitted(person, "rage_click") == []
    person.does("click", 0, {"element": "b", "path": "/"}, came="1h")
    assert emitted(person, "rage_click") == [0]


def test_dead_click_is_emitted_when_nothing_followed_for_three_seconds() -> None:
    person = visitor()
    person.does("click", 0, {"interactive": True})
    person.time(2)
    assert emitted(person, "dead_click") == []
    person.time(4)
    assert emitted(person, "dead_click") == [3]


def test_dead_click_misses_what_changed_the_page_and_what_is_not_interactive() -> None:
    for properties, name, at in (
        ({"interactive": True}, "dom_change", 2),
        ({"interactive": False}, "scroll", 1),
        ({}, "scroll", 1),
    ):
        person = visitor()
        person.does("click", 0, properties)
        person.does(name, at)
        person.time(9)
        assert emitted(person, "dead_click") == []


# -- scores, states, attributes --------------------------------------------------------------------


def test_readiness_adds_halves_in_two_weeks_and_is_taken_back_by_nothing_opened() -> None:
    person = visitor()
    person.does("page_view", 0, PRICING)
    person.does("Demo Replayed", 0)
    person.does("Teammate Invited", 0)
    person.does("Teammate Invited", 0)
    assert readiness(person, 0) == 5 + 4 + 6
    assert readiness(person, "14d") == 7.5
    person.does("Onboarding Step Skipped", "14d")
    assert readiness(person, "14d") == 4.5


def test_readiness_loses_one_for_an_email_that_nobody_clicked_within_a_day() -> None:
    person = visitor()
    person.does("Email Opened", 0, {"message_id": "m1"})
    person.does("Email Opened", 0, {"message_id": "m2"})
    person.does("Email Clicked", "1h", {"message_id": "m2"})
    assert readiness(person, DAY - 1) == 0
    assert readiness(person, "24h") == -1


def test_readiness_stays_within_its_range() -> None:
    person = visitor()
    for _ in range(30):
        person.does("page_view", 0, PRICING)
    assert readiness(person, 0) == 100
    person = visitor()
    for at in range(10):
        person.does("Onboarding Step Skipped", at)
    assert readiness(person, 9) == -20


def test_checkout_is_the_step_of_each_session_until_it_ends() -> None:
    person = visitor()
    state = person.engine.program.states["checkout"]
    person.does("Checkout Step Viewed", 0, {"step": "cart"}, session="a")
    person.does("Checkout Step Viewed", 5, {"step": "payment"}, session="b")
    states = person.behavior.own.states
    session = person.behavior.sessions["b"].states
    assert state.current(states | session, "b") == ("payment", T0 + 5000)
    person.does("Order Completed", 9, session="b")
    session = person.behavior.sessions["b"].states
    assert state.current(person.behavior.own.states | session, "b") == (None, T0 + 9000)


def test_attributes_say_what_their_names_say() -> None:
    person = visitor()
    assert attribute(person, "ltv_band", 0) is None
    assert attribute(person, "count_offer_listing_clicks", 0) == 0
    person.does("Order Completed", 0, {"revenue": 99.5})
    assert attribute(person, "ltv_band", 0) == "low"
    person.does("Order Completed", 1, {"revenue": 0.5})
    assert attribute(person, "ltv_band", 1) == "mid"
    person.does("Order Completed", 2, {"revenue": 400})
    assert attribute(person, "ltv_band", "900d") == "high"
    person.does("Product Viewed", 9, {"category": "boots"})
    person.does("Product Viewed", 8, {"category": "hats"})
    person.does("Product Viewed", 10)
    assert attribute(person, "last_product_category", 20) == "boots"
    person.does("Offer Clicked", 20)
    person.does("Offer Clicked", "1d")
    assert attribute(person, "count_offer_listing_clicks", "30d") == 2
    assert attribute(person, "count_offer_listing_clicks", 30 * DAY + 20) == 1
    person.does("login", "2d")
    assert attribute(person, "hours_since_login", 2 * DAY + 5400) == 1.5
    for hour in (9, 9, 11):
        person.does("page_view", 3 * DAY + 3600 * hour)
    assert attribute(person, "busiest_hour", "5d") == (16 + 9) % 24


def test_statsig_attributes_are_read_together() -> None:
    service = tomllib.loads(EXAMPLES)["services"]["statsig_attributes"]
    person = visitor()
    program = person.engine.program
    known = program.services["statsig_attributes"]
    assert list(known.attributes) == service["attributes"]
    assert set(known.attributes) <= program.attributes.keys()
    assert set(known.audiences) <= program.audiences.keys()
    assert set(known.scores) <= program.scores.keys()
