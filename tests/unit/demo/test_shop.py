"""The shop's traffic: the same for the same seed, valid, and shaped as real clients shape it."""

import gzip
import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from junctor.config.load import load_config
from junctor.demo.books import Books
from junctor.demo.sdks import Post, Sdks
from junctor.demo.setting import BIG_ORDER, TOLD, Secrets, configuration, environment, wanted
from junctor.demo.shop import FORBIDDEN_NAME, Shop, is_event
from junctor.demo.shoppers import CLICKS
from junctor.host.registry import Registry
from junctor.pipeline.ingest import check
from junctor.sdk import Accepted, InboundRequest, PushSource
from junctor.sdk.context import Context

TICKS = 60
START = 1_795_294_800.0
CAPTURED = Path(__file__).parents[2] / "connectors" / "segment" / "captured"


def traffic(seed: int) -> list[list[Post]]:
    random = Random(seed)
    secrets = Secrets.made_by(random)
    sdks = Sdks(random, write_key=secrets.write_key, segment_secret=secrets.segment_secret)
    shop = Shop(random, sdks)
    ticks = [shop.tick(START + number / 4) for number in range(TICKS)]
    return [*ticks, shop.flush(START + TICKS / 4)]


@pytest.fixture(scope="module")
def ticks() -> list[list[Post]]:
    return traffic(7)


@pytest.fixture(scope="module")
def posts(ticks: list[list[Post]]) -> list[Post]:
    return [post for tick in ticks for post in tick]


def body_of(post: Post) -> Any:
    compressed = post.headers.get("Content-Encoding") == "gzip"
    return json.loads(gzip.decompress(post.body) if compressed else post.body)


def agent_of(post: Post) -> str:
    return post.headers["User-Agent"].partition("/")[0]


def named(posts: list[Post], name: str) -> list[Mapping[str, Any]]:
    events = {e["messageId"]: e for post in posts for e in post.events}
    return [event for event in events.values() if event.get("event") == name]


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert traffic(7) == traffic(7)


def test_another_seed_gives_another_shop() -> None:
    assert traffic(7) != traffic(8)


def test_all_but_the_nameless_can_be_events(posts: list[Post]) -> None:
    for event in (event for post in posts for event in post.events):
        if is_event(event):
            check(dict(event))
        else:
            assert event["type"] == "track"
            assert "event" not in event


def test_what_a_post_says_it_holds_is_what_its_body_holds(posts: list[Post]) -> None:
    for post in posts:
        body = body_of(post)
        assert list(post.events) == body.get("batch", [body])


def test_the_hub_s_sources_take_every_request(posts: list[Post], tmp_path: Path) -> None:
    secrets = Secrets.made_by(Random(7))
    path = tmp_path / "junctor.toml"
    path.write_text(configuration(statsig="http://127.0.0.1:1", crm="http://127.0.0.1:2"))
    environ = environment(secrets, alerts="http://127.0.0.1:3", growth="http://127.0.0.1:4")
    loaded = load_config(path, Registry.discover(), environ)
    assert not loaded.warnings
    for post in posts:
        one = loaded.sources[post.source]
        assert issubclass(one.cls, PushSource)
        source = one.cls(one.settings, Context(one.id, None, None, None))  # type: ignore[arg-type]
        plain = json.dumps(body_of(post)).encode() if "Content-Encoding" in post.headers else None
        inbound = InboundRequest(
            "POST",
            post.path.removeprefix("/hooks/segment_cloud").removeprefix("/v1"),
            plain or post.body,
            {name.lower(): value for name, value in post.headers.items()},
            {},
            "127.0.0.1",
            round(START * 1000),
        )
        accepted = source.accept(inbound)
        assert isinstance(accepted, Accepted)
        assert len(accepted.records) == len(post.events)
        assert not accepted.refused


@pytest.mark.parametrize(
    ("agent", "captured"),
    [
        ("analytics-python", "analytics-python.json"),
        ("analytics-node-next", "analytics-node.json"),
    ],
)
def test_a_batch_has_the_fields_that_the_real_sdk_was_seen_to_send(
    posts: list[Post], agent: str, captured: str
) -> None:
    real = json.loads((CAPTURED / captured).read_text())["request"]
    real_track = next(event for event in real["body"]["batch"] if event["type"] == "track")
    ours = [post for post in posts if agent_of(post) == agent]
    assert ours
    for post in ours:
        assert post.path == real["path"]
        assert body_of(post).keys() == real["body"].keys()
        assert post.headers["User-Agent"] == real["headers"]["user-agent"]
        for event in filter(is_event, post.events):
            assert event.keys() == real_track.keys()
            assert event["context"].keys() == real_track["context"].keys()
            assert len(event["timestamp"]) == len(real_track["timestamp"])


def test_all_clients_and_the_things_that_go_wrong_are_in_it(posts: list[Post]) -> None:
    assert {agent_of(post) for post in posts} == {
        "Mozilla", "Segment.io", "analytics-node-next", "analytics-python"
    }  # fmt: skip
    assert any(not is_event(event) for post in posts for event in post.events)
    assert named(posts, FORBIDDEN_NAME)
    notes = {order["properties"].get("note") for order in named(posts, "Order Completed")}
    assert "for Tom & Jerry <3" in notes


def test_a_repeated_request_is_the_same_but_for_the_count_of_retries(posts: list[Post]) -> None:
    repeated = [post for post in posts if "X-Retry-Count" in post.headers]
    assert repeated
    for post in repeated:
        first = next(one for one in posts if one.body == post.body)
        assert first is not post
        assert {**first.headers, "X-Retry-Count": "1"} == post.headers


def test_clicks_in_anger_come_thrice_within_a_second(ticks: list[list[Post]]) -> None:
    angry = 0
    for tick in ticks:
        clicks = [post.events[0] for post in tick if post.events[0].get("event") == "click"]
        for user in {click["userId"] for click in clicks}:
            times = [
                datetime.fromisoformat(click["timestamp"])
                for click in clicks
                if click["userId"] == user
            ]
            assert len(times) == CLICKS
            assert sorted(times) == times
            assert times[-1] - times[0] < timedelta(seconds=1)
            angry += 1
    assert angry >= 3


def test_the_shop_itself_knows_who_must_be_in_which_audience(posts: list[Post]) -> None:
    books = Books()
    for post in posts:
        books.accepted(post)
    moves = Counter((move.audience, move.entered) for move in books.shoppers.moves.elements())
    assert moves["high_intent", True] > moves["high_intent", False] > 0
    assert moves["cart_abandoner", True] > moves["cart_abandoner", False] > 0
    assert moves["frustrated", True] == moves["frustrated", False] == books.shoppers.signals >= 3
    assert {audience for audience, _ in moves} == TOLD.keys()


def test_slack_can_keep_up(posts: list[Post]) -> None:
    big = [o for o in named(posts, "Order Completed") if o["properties"]["revenue"] >= BIG_ORDER]
    assert 3 <= len(big) < TICKS / 4


def test_who_buys_has_told_an_email_a_tick_before(ticks: list[list[Post]]) -> None:
    identified: dict[str, int] = {}
    orders = 0
    for number, tick in enumerate(ticks):
        for event in (event for post in tick for event in post.events):
            if event["type"] == "identify":
                assert event["traits"]["email"].endswith("@example.com")
                identified[event["userId"]] = number
            elif event.get("event") == "Order Completed":
                orders += 1
                assert identified[event["userId"]] < number
    assert orders > 10


ORDER = {"type": "track", "event": "Order Completed", "messageId": "m"}


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"type": "page", "messageId": "m"}, [("statsig", "m")]),
        ({"type": "identify", "messageId": "m"}, [("crm", "m")]),
        ({"type": "track", "event": "Product Added", "messageId": "m"}, [("statsig", "m")]),
        (
            {**ORDER, "properties": {"revenue": 249.99, "order_id": "o"}},
            [("statsig", "m"), ("crm", "m")],
        ),
        (
            {**ORDER, "properties": {"revenue": 250, "order_id": "o"}},
            [("statsig", "m"), ("crm", "m"), ("alerts", "o")],
        ),
    ],
)
def test_each_vendor_is_owed_what_the_routes_say(
    event: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert list(wanted(event)) == expected


def test_secrets_are_not_shown() -> None:
    secrets = Secrets.made_by(Random(7))
    assert secrets.write_key not in repr(secrets)
    text = configuration(statsig="http://127.0.0.1:1", crm="http://127.0.0.1:2")
    for secret in environment(secrets, alerts="", growth="").values():
        assert secret not in text
