"""What docs/audiences.md says of its examples: who is in, and when they leave."""

import tomllib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from junctor.audiences.seen import HUB
from tests.docs.test_docs import blocks
from tests.support.client import Reply, basic, until
from tests.support.hub import WRITE_KEY, RunningHub, config_text, load, running_hub
from tests.support.receiver import receiving
from tests.support.vendors import environ
from tests.unit.audiences.visitor import T0, Visitor, told

PAGE: Final = "docs/audiences.md"
BLOCKS: Final = [block.text for block in blocks("toml", [PAGE])]
DAY: Final = 86_400
PRICING: Final = {"path": "/pricing"}
READ_KEY: Final = "a-read-key"
SIGNING_SECRET: Final = "a-signing-secret"
READER: Final = '[readers.site]\nkey = { env = "SITE_READ_KEY" }\n'


def example(name: str) -> str:
    """Return the first example that defines this audience, signal or the like."""
    return next(
        text
        for text in BLOCKS
        if any(name in table for table in tomllib.loads(text).values() if isinstance(table, dict))
    )


def visitor(name: str, **options: Any) -> Visitor:
    return Visitor(example(name), **options)


def history(who: Visitor, name: str) -> list[tuple[bool, float, str]]:
    """Return (entered, seconds from the start, reason) of each transition of an audience."""
    return [(entered, at, why) for of, entered, at, why in told(who.transitions) if of == name]


def days(of: list[tuple[bool, float, str]]) -> list[tuple[bool, float, str]]:
    return [(entered, at / DAY, why) for entered, at, why in of]


def signals(who: Visitor) -> list[tuple[str, float]]:
    return [(one.name, (one.completion.at - T0) / 1000) for one in who.emissions]


def test_the_first_audience_is_left_48_hours_after_the_first_of_three_views() -> None:
    who = visitor("evaluating")
    for at in ("0h", "1h", "2h"):
        who.does("page_view", at, {"path": "/pricing/eu"})
    who.time("3d")

    assert history(who, "evaluating") == [(True, 7200, "event"), (False, 48 * 3600, "time")]


def test_high_intent_needs_both() -> None:
    who = visitor("high_intent")
    for at in ("0h", "1h", "2h"):
        who.does("page_view", at, PRICING)
    assert who.transitions == []

    who.does("Email Opened", "3h", {"campaign": "case-study-7"})
    who.time("3d")

    assert history(who, "high_intent") == [(True, 10800, "event"), (False, 48 * 3600, "time")]


def test_a_power_user_logs_in_on_seven_local_days_of_ten() -> None:
    who = visitor("power_user")
    who.does("Teammate Invited", 0)
    for day in range(7):
        who.does("login", f"{day}d")
    who.time("30d")

    # It is 17:00 in Vienna at the start: the first of the days is ten midnights old after 9 d 7 h.
    assert days(history(who, "power_user")) == [
        (True, 6, "event"),
        (False, pytest.approx(9 + 7 / 24), "time"),
    ]


def test_figures_count_what_they_say() -> None:
    who = visitor("power_user")
    who.does("Order Completed", 0, {"revenue": 300})
    assert who.inside(0) == {"newcomer"}
    who.does("Order Completed", "40d", {"revenue": 200})
    assert who.inside("40d") == {"big_spender"}
    who.time("100d")

    assert days(history(who, "big_spender")) == [(True, 40, "event"), (False, 90, "time")]
    assert days(history(who, "newcomer")) == [(True, 0, "event"), (False, 30, "time")]


def test_undecided_is_one_product_in_one_session() -> None:
    who = visitor("undecided")
    for session, product in (("1", "A"), ("1", "B"), ("2", "A"), ("1", "A"), ("2", "A")):
        who.does("Product Viewed", 0, {"product_id": product}, session=session)
    assert "undecided" not in who.inside(0)

    who.does("Product Viewed", 1, {"product_id": "A"}, session="2")

    assert "undecided" in who.inside(1)


def test_where_in_fql_reads_the_whole_event() -> None:
    who = visitor("eu_prices")

    who.does("page_view", 0, PRICING, context={"locale": "en-US"})
    assert who.transitions == []
    who.does("page_view", 1, PRICING, context={"locale": "de-AT"})

    assert "eu_prices" in who.inside(1)


def test_pricing_without_trial_ends_with_the_trial() -> None:
    who = visitor("pricing_no_trial")
    for at in range(3):
        who.does("page_view", at, PRICING)
    who.does("Trial Started", "1h")

    assert history(who, "pricing_no_trial") == [(True, 2, "event"), (False, 3600, "event")]


def test_churn_risk_comes_by_itself_and_goes_with_a_login() -> None:
    who = visitor("pricing_no_trial")
    who.does("Launch Announced", 0)
    who.does("login", "1d")
    who.time("20d")
    who.does("login", "20d")

    assert days(history(who, "churn_risk")) == [(True, 8, "time"), (False, 20, "event")]


def test_dormant_is_active_once_and_not_since() -> None:
    who = visitor("dormant")
    who.does("login", 0)
    who.time("70d")

    assert days(history(who, "dormant")) == [(True, 30, "time"), (False, 60, "time")]


def test_a_before_b_needs_the_order() -> None:
    who = visitor("a_before_b")
    who.does("Product Added", 0, {"product_id": "B"})
    who.does("Product Viewed", 1, {"product_id": "A"})
    assert who.transitions == []
    who.does("Product Added", 2, {"product_id": "B"})
    who.time("40d")

    assert history(who, "a_before_b") == [(True, 2, "event"), (False, 2 + 30 * DAY, "time")]


@pytest.mark.parametrize(("done", "left"), [(True, (8, "event")), (False, (20, "time"))])
def test_a_stalled_activation_ends_when_it_goes_on_or_after_two_weeks(
    done: bool, left: tuple[float, str]
) -> None:
    who = visitor("activation_stalled")
    who.does("Onboarding Started", 0)
    who.does("Onboarding Step Skipped", "6d", {"step": 2})
    if done:
        who.does("Onboarding Completed", "8d")
    who.time("30d")

    assert days(history(who, "activation_stalled")) == [(True, 6, "event"), (False, *left)]


def test_a_cart_is_abandoned_three_days_after_the_last_sign_of_life() -> None:
    who = visitor("cart_abandoner")
    who.does("Product Added", 0)
    who.does("page_view", "1d")
    who.time("6d")
    assert who.transitions == []

    who.does("Product Added", "7d")
    who.time("11d")
    who.does("page_view", "12d")
    who.does("Order Completed", "13d")

    assert days(history(who, "cart_abandoner")) == [(True, 10, "time"), (False, 13, "event")]


def test_a_click_on_another_mail_does_not_count() -> None:
    who = visitor("unclicked")
    who.does("Email Opened", 0, {"message_id": "m1"})
    who.does("Email Clicked", "1h", {"message_id": "m2"})
    who.time("25h")

    assert history(who, "unclicked") == [(True, DAY, "time")]


def test_a_bounce_at_the_payment_needs_the_exit_within_30_s() -> None:
    for leave, expected in ((90, [(True, 90, "event"), (False, 90 + DAY, "time")]), (101, [])):
        who = visitor("payment_bounce")
        who.does("page_view", 0, PRICING, session="s")
        who.does("Checkout Started", 60, session="s")
        who.does("Payment Step Viewed", 70, session="s")
        who.does("page_hide", leave, session="s")
        who.time("3d")

        assert history(who, "payment_bounce") == expected


def test_silence_is_an_exit_at_the_last_event_s_time() -> None:
    who = visitor("payment_bounce", idles={"web": 30_000})
    who.does("Payment Step Viewed", 0, session="s")
    who.does("page_ping", 20, session="s")
    who.time(60)

    assert signals(who) == [("$exit", 20)]


def test_a_payment_loop_is_three_refusals_and_an_exit() -> None:
    who = visitor("payment_loop")
    for at in (0, 10, 20):
        who.does("Payment Failed", at, {"reason": "validation"}, session="s")
    who.does("page_hide", 25, session="s")
    who.time("2h")

    assert history(who, "payment_loop") == [(True, 25, "event"), (False, 25 + 1800, "time")]


def test_a_slow_payment_is_on_a_phone_and_takes_over_8_s() -> None:
    for kind, leave, inside in (("ios", 9, True), ("ios", 7, False), ("desktop", 9, False)):
        who = visitor("slow_payment_mobile")
        context = {"device": {"type": kind}}
        who.does("Payment Step Viewed", 0, session="s", context=context)
        who.does("page_hide", leave, session="s", context=context)

        assert bool(history(who, "slow_payment_mobile")) is inside


def test_the_fourth_click_makes_a_second_rage_click() -> None:
    who = visitor("frustrated")
    for number in range(4):
        who.does("click", f"{number * 300}ms", {"element": "#buy", "path": "/"}, came=60)

    assert signals(who) == [("signal:rage_click", 0.6), ("signal:rage_click", 0.9)]
    assert "frustrated" in who.inside(60)


def test_signals_of_the_page() -> None:
    who = visitor("frustrated")
    who.does("page_loaded", 0, {"load_ms": 4000})
    who.does("click", 1, {"interactive": True})
    who.time(10)
    for at in (20, 21, 22):
        who.does("form_submit", at, {"form_id": "f"})
    for at in (31, 32):
        who.does(
            "agent_message",
            at,
            {"role": "user", "similarity_to_previous": 0.9, "conversation_id": "c"},
        )

    assert signals(who) == [
        ("signal:slow_page", 0),
        ("signal:dead_click", 4),
        ("signal:form_retry", 22),
        ("signal:rephrase", 32),
    ]


def test_stuck_on_payment_is_left_with_the_next_step() -> None:
    who = visitor("stuck_on_payment")
    who.does("Checkout Step Viewed", 0, {"step": "payment"}, session="s")
    who.does("signal:rage_click", 5, session="s", source=HUB)
    who.does("Checkout Step Viewed", 20, {"step": "review"}, session="s")

    assert history(who, "stuck_on_payment") == [(True, 8, "time"), (False, 20, "event")]


def test_slow_buyers_spend_five_minutes_in_all() -> None:
    who = visitor("stuck_on_payment")
    for start in ("0m", "60m"):
        who.does("Checkout Step Viewed", start, {"step": "payment"}, session=start)
        who.does("Order Completed", f"{int(start[:-1]) + 3}m", session=start)

    assert history(who, "slow_buyers") == [(True, 62 * 60, "time")]


def test_sales_ready_settles_a_minute_and_fades_in_four_and_a_half_days() -> None:
    who = visitor("sales_ready")
    who.identifies(0, email="ann@example.com")
    for at in (1, 2, 3):
        who.does("page_view", at, PRICING)
    who.time("10d")

    entered, left = history(who, "sales_ready")
    assert entered == (True, 63, "time")
    assert left[1] / DAY == pytest.approx(4.5, abs=0.02)


def test_whales_are_in_the_highest_band() -> None:
    who = visitor("whales")
    who.does("Order Completed", 0, {"revenue": 499})
    assert who.transitions == []
    who.does("Order Completed", 1, {"revenue": 1})

    assert history(who, "whales") == [(True, 1, "event")]


def test_the_survey_asks_who_exported_ten_times_and_is_no_free_user() -> None:
    who = visitor("survey_target")
    for day in range(10):  # in October 2026
        who.does("Report Exported", f"{330 + day}d")
    who.does("login", "339d")
    assert who.inside("340d") == {"survey_target"}

    who.identifies("341d", plan="free")

    assert "survey_target" not in who.inside("341d")


def test_winback_is_for_those_who_left_churn_risk_a_day_ago() -> None:
    who = visitor("winback", id=3)
    who.does("login", 0)
    who.time("8d")
    who.does("login", "9d")
    who.time("12d")

    assert days(history(who, "churn_risk")) == [(True, 7, "time"), (False, 9, "event")]
    assert days(history(who, "winback")) == [(True, 9, "event"), (False, 10, "time")]


def test_upgraded_lasts_a_week() -> None:
    who = visitor("upgraded")
    who.identifies(0, plan="free")
    who.identifies("1d", plan="pro")
    who.time("9d")

    assert days(history(who, "upgraded")) == [(True, 1, "event"), (False, 8, "time")]


# In a hub


@asynccontextmanager
async def hub(folder: Path, shown: str, **environ: str) -> AsyncIterator[RunningHub]:
    """Run a hub with what a page shows, and the source `web`."""
    text = config_text(shown)
    secrets = {"SITE_READ_KEY": READ_KEY, "SITE_SIGNING_SECRET": SIGNING_SECRET, **environ}
    async with running_hub(folder, text, secrets) as running:
        yield running


async def call(running: RunningHub, path: str, number: int, **more: Any) -> None:
    body = {"messageId": f"m{number}", "userId": "u-1", **more}
    reply = await running.client.ask("POST", path, orjson.dumps(body), basic(WRITE_KEY))
    assert reply.status == 200


async def decide(
    running: RunningHub, body: dict[str, Any], headers: Mapping[str, str] | None = None
) -> Reply:
    headers = headers or {"authorization": f"Bearer {READ_KEY}"}
    return await running.client.ask("POST", "/v1/decide", orjson.dumps(body), headers)


async def test_the_readme_s_audiences_are_told_and_read_as_it_says(tmp_path: Path) -> None:
    shown = next(block.text for block in blocks("toml", ["README.md"]) if "readers" in block.text)
    async with receiving() as slack, hub(tmp_path, shown, **environ(slack)) as running:
        for number in range(3):
            context = {"traits": {"email": "ann@example.com"}}
            await call(running, "/v1/page", number, properties=PRICING, context=context)
        await running.client.settled()

        answer = (await decide(running, {"ids": {"user_id": "u-1"}})).json

        assert answer["audiences"] == {"evaluating": True, "cart_abandoner": False}
        assert answer["next_change"] is not None
        assert [one.json["text"] for one in slack.requests] == [
            "ann@example.com: Audience Entered evaluating"
        ]


async def test_a_page_reads_by_the_signature_that_the_page_shows(tmp_path: Path) -> None:
    shown = next(text for text in BLOCKS if "signing_secret" in text)
    made: dict[str, Any] = {}
    exec(next(one.text for one in blocks("python", [PAGE]) if "def signature" in one.text), made)
    expires = 4_000_000_000
    signature = made["signature"](SIGNING_SECRET, "u-1", expires)
    proof = {"reader": "site", "expires": expires, "signature": signature}
    origin = {"origin": "https://shop.example"}
    async with hub(tmp_path, shown + audience("evaluating")) as running:
        mine = await decide(running, {"ids": {"user_id": "u-1"}, **proof}, origin)
        other = await decide(running, {"ids": {"user_id": "u-2"}, **proof}, origin)
        elsewhere = await decide(
            running, {"ids": {"user_id": "u-1"}, **proof}, {"origin": "https://evil.example"}
        )
        query = "&".join(f"{key}={value}" for key, value in {"user_id": "u-1", **proof}.items())
        stream = await running.client.session.get(f"{running.client.ingest}/v1/stream?{query}")

        assert (mine.status, other.status, elsewhere.status) == (200, 401, 403)
        assert mine.json["audiences"] == {"evaluating": False}
        assert stream.status == 200
        for number in range(3):
            await call(running, "/v1/page", number, properties=PRICING)
        while not (line := await stream.content.readline()).startswith(b"data:"):
            assert line
        told = orjson.loads(line.removeprefix(b"data:"))
        assert (told["audience"], told["entered"], told["reason"]) == ("evaluating", True, "event")
        stream.close()


async def test_routes_take_what_the_hub_makes_and_ask_for_audiences(tmp_path: Path) -> None:
    shown = next(text for text in BLOCKS if "[routes.hub]" in text)
    async with receiving() as crm:
        shown = shown.replace("https://crm.example/events", f"{crm.address}/events")
        async with hub(tmp_path, shown) as running:
            await call(running, "/v1/track", 0, event="Looked")
            await call(running, "/v1/track", 1, event="Order Completed")
            for number in (2, 3, 4):
                properties = {"element": "#buy"}
                await call(running, "/v1/track", number, event="click", properties=properties)
            await running.client.settled()

            events = [one.json for one in crm.requests]
            assert [event["event"] for event in events] == [
                "Order Completed", "Audience Entered", "click", "click", "click",
                "signal:rage_click",
            ]  # fmt: skip
            entered = events[1]
            shown_event = orjson.loads(next(blocks("json", [PAGE])).text)
            assert entered.keys() >= shown_event.keys() - {"anonymousId"}
            assert entered["properties"] == {
                "audience_key": "customer", "customer": True, "reason": "event",
            }  # fmt: skip
            assert entered["context"].keys() == shown_event["context"].keys()
            personas = entered["context"]["personas"]
            assert personas.keys() == shown_event["context"]["personas"].keys()


async def test_an_audience_of_a_session_is_read_by_the_session(tmp_path: Path) -> None:
    async with hub(tmp_path, example("stuck_on_payment") + READER) as running:
        context = {"sessionId": 17}
        await call(running, "/v1/track", 0, event="click", context={"sessionId": 16})
        for number in (1, 2, 3):
            properties = {"element": "#pay", "path": "/pay"}
            await call(
                running, "/v1/track", number, event="click", properties=properties, context=context
            )
        early = orjson.dumps(datetime.now(UTC) - timedelta(seconds=9)).decode().strip('"')
        await call(
            running, "/v1/track", 4, event="Checkout Step Viewed", timestamp=early,
            properties={"step": "payment"}, context=context,
        )  # fmt: skip
        await running.client.settled()

        found = {
            session: (await decide(running, {"ids": {"session_id": session}})).json["audiences"]
            for session in ("16", "17")
        }

        assert found["17"]["stuck_on_payment"] is True
        assert found["16"]["stuck_on_payment"] is False


async def test_an_audience_that_is_taken_out_of_the_file_is_left_by_everybody(
    tmp_path: Path,
) -> None:
    rest = '[audiences.other]\nevent = "Order Completed"\n' + READER
    async with hub(tmp_path, '[audiences.customer]\nevent = "Order Completed"\n' + rest) as running:
        await call(running, "/v1/track", 0, event="Order Completed")
        await running.client.settled()
        before = (await decide(running, {"ids": {"user_id": "u-1"}})).json

        await running.hub.reload(load(tmp_path, config_text(rest), {"SITE_READ_KEY": READ_KEY}))

        async def reviewed() -> bool:
            return not (await running.client.get("/api/status"))["audiences"]["reviewing"]

        await until(reviewed)
        after = (await decide(running, {"ids": {"user_id": "u-1"}})).json
        assert before["audiences"] == {"customer": True, "other": True}
        assert after["audiences"] == {"other": True}


def audience(name: str) -> str:
    return "\n".join(
        part for part in example(name).split("\n\n") if part.startswith(f"[audiences.{name}]")
    ).replace('send = ["slack"]', "")
