"""A dry run tells what would happen, to the byte, and lets nothing happen."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from structlog.testing import LogCapture

from junctor.config.load import LoadedConfig
from junctor.host.explain import (
    BY_SEND,
    DISABLED,
    MESSAGE_ID,
    NOT_SHOWN,
    OTHER_SOURCE,
    BadEvent,
    Explanation,
    Known,
    Nobody,
    explain,
)
from junctor.model.profile import Profile
from junctor.pipeline.route import CONDITION, CONSENT, INTEGRATIONS, NO_ROUTE, SILENT
from junctor.store.port import FoldResult, IdentifierKey
from junctor.store.sqlite import SqliteStore
from junctor.testkit.doubles import START, ManualClock, capturing_log
from tests.support.hub import (
    ENVIRON,
    config_text,
    everything_to,
    load,
    running_hub,
    webhook,
)
from tests.support.receiver import receiving

CRM = "http://127.0.0.1:9/crm"
BIG = """
[routes.big]
from = ["web"]
to = ["crm"]
when = 'type = "track" and properties.revenue >= 100'
"""
PLUGIN = '''
from collections.abc import Sequence

from junctor.sdk import (
    Destination, Event, HttpDestination, InvalidPayload, Manifest, PartialFailure, Rejected,
    Request, Settings,
)


class Picky(HttpDestination[Settings]):
    """Declines by name."""

    manifest = Manifest(type="picky", title="Picky", summary="Declines.")
    settings_model = Settings

    def build(self, events: Sequence[Event]) -> Request:
        match events[0].event:
            case "declined":
                raise Rejected("not wanted")
            case "in part":
                raise PartialFailure({0: InvalidPayload("no such field")})
            case "bug":
                raise ZeroDivisionError("secret data")
        return Request("GET", "https://x.test/?a=1", params={"q": "a b"})


class Own(Destination[Settings]):
    """Sends as it likes."""

    manifest = Manifest(type="own", title="Own", summary="Sends as it likes.")
    settings_model = Settings

    async def deliver(self, events: Sequence[Event]) -> None:
        raise AssertionError("nothing is delivered")
'''


def order(revenue: int = 150, **fields: Any) -> dict[str, Any]:
    return {
        "type": "track",
        "userId": "u-1",
        "event": "Order Completed",
        "properties": {"revenue": revenue},
        **fields,
    }


async def explained(
    loaded: LoadedConfig,
    body: Any,
    source: str | None = None,
    people: Known | None = None,
    offset: int = 7,
) -> Explanation:
    return await explain(
        loaded,
        body,
        source=source,
        people=people or Nobody(),
        offset=offset,
        clock=ManualClock(),
        logger=capturing_log(LogCapture()),
    )


class Kept:
    """People who are known."""

    def __init__(self, *profiles: Profile) -> None:
        self._profiles = {profile.id: profile for profile in profiles}

    async def resolve(self, keys: Sequence[IdentifierKey]) -> dict[IdentifierKey, int]:
        return {
            (kind, value): profile.id
            for profile in self._profiles.values()
            for kind, value in keys
            if value in profile.identifiers.get(kind, ())
        }

    async def profiles(self, ids: Sequence[int]) -> dict[int, Profile]:
        return {id: self._profiles[id] for id in ids}


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedConfig:
    return load(tmp_path, config_text(webhook("crm", CRM) + webhook("idle", CRM) + BIG))


async def test_the_whole_answer_for_one_event(loaded: LoadedConfig) -> None:
    found = (await explained(loaded, order(messageId="m-1", writeKey="w"))).as_dict()
    event = {
        **order(messageId="m-1"),
        "originalTimestamp": "2026-01-01T00:00:00.000Z",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "receivedAt": "2026-01-01T00:00:00.000Z",
    }
    assert found == {
        "source": "web",
        "event": event,
        "profile": {
            "id": "p-7",
            "traits": {},
            "identifiers": {"user_id": ["u-1"]},
            "groups": {},
            "audiences": {},
            "attributes": {},
            "scores": {},
            "first_seen": "2026-01-01T00:00:00.000Z",
            "last_seen": "2026-01-01T00:00:00.000Z",
        },
        "audiences": {},
        "transitions": [],
        "signals": [],
        "routes": {"big": True},
        "route_reasons": {},
        "destinations": {"crm": True, "idle": False},
        "reasons": {"idle": NO_ROUTE},
        "requests": [
            {
                "destination": "crm",
                "method": "POST",
                "url": CRM,
                "headers": {"content-type": "application/json", "webhook-id": "m-1"},
                "body": event,
            }
        ],
    }
    assert orjson.loads(orjson.dumps(found)) == found


async def test_what_is_explained_is_what_is_delivered(tmp_path: Path) -> None:
    async with receiving() as receiver:
        section = webhook("crm", receiver.address + "/crm")
        section += 'settings.headers = { x-who = "{{profile.id}} {{userId}}" }\n'
        section = section.replace("settings.batch = false\n", "")
        config = config_text(section + everything_to("crm"))
        body = order(messageId="m-1", timestamp="2025-12-31T12:00:00Z", big=2**62, odd=[None, "é"])
        promised = (await explained(load(tmp_path, config), body, offset=1)).requests[0]
        async with running_hub(tmp_path, config) as running:
            await running.client.batch([body], ENVIRON["WEB_WRITE_KEY"])
            await receiver.until(lambda: bool(receiver.requests))
        request = receiver.requests[0]
        for name, value in promised["headers"].items():
            assert request.headers[name] == value
        now = {"receivedAt": request.json["receivedAt"]}
        assert {**promised["body"], **now} == request.json


@pytest.mark.parametrize(
    ("fields", "route", "reason"),
    [
        ({"properties": {"revenue": 99}}, False, CONDITION),
        ({"integrations": {"All": False}}, True, INTEGRATIONS),
        ({"integrations": {"crm": False}}, True, INTEGRATIONS),
    ],
)
async def test_every_reason_not_to_send_is_told(
    loaded: LoadedConfig, fields: dict[str, Any], route: bool, reason: str
) -> None:
    found = await explained(loaded, order(**fields))
    assert found.routes == {"big": route}
    assert found.destinations["crm"] is False
    assert found.reasons["crm"] == reason
    assert found.requests == []


async def test_a_route_of_other_sources_says_so(tmp_path: Path) -> None:
    other = '[sources.other]\ntype = "webhook"\nsettings.mapping = { "@path" = "$.call" }\n'
    loaded = load(tmp_path, config_text(webhook("crm", CRM) + BIG, sources=other))
    found = await explained(loaded, {"call": order()}, "other")
    assert found.source == "other"
    assert found.event["userId"] == "u-1"
    assert found.routes == {"big": False}
    assert found.route_reasons == {"big": OTHER_SOURCE}


async def test_consent_is_enforced(tmp_path: Path) -> None:
    section = webhook("crm", CRM).replace(
        "[destinations.crm]", '[destinations.crm]\nconsent=["ads"]'
    )
    loaded = load(tmp_path, config_text(section + everything_to("crm")))
    refused = {"consent": {"categoryPreferences": {"ads": False}}}
    found = await explained(loaded, order(context=refused))
    assert found.reasons == {"crm": CONSENT}


async def test_a_disabled_destination_holds_what_it_would_get(tmp_path: Path) -> None:
    section = webhook("crm", CRM).replace("[destinations.crm]", "[destinations.crm]\nenabled=false")
    loaded = load(tmp_path, config_text(section + everything_to("crm")))
    found = await explained(loaded, order())
    assert found.destinations == {"crm": True}
    assert found.reasons == {"crm": DISABLED}
    assert len(found.requests) == 1


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("declined", "rejected: not wanted"),
        ("in part", "invalid_payload: no such field"),
        ("bug", "connector_bug: ZeroDivisionError in the connector"),
    ],
)
async def test_what_a_connector_declines_is_told_with_its_error(
    tmp_path: Path, name: str, reason: str
) -> None:
    (tmp_path / "plugin.py").write_text(PLUGIN)
    config = 'plugins = ["plugin.py"]\n' + config_text(
        '[destinations.picky]\ntype = "picky"\n' + everything_to("picky")
    )
    found = await explained(load(tmp_path, config), order(event=name))
    assert found.destinations == {"picky": False}
    assert found.reasons == {"picky": reason}
    assert found.requests == []


async def test_parameters_stand_in_the_url_and_no_body_is_none(tmp_path: Path) -> None:
    (tmp_path / "plugin.py").write_text(PLUGIN)
    config = 'plugins = ["plugin.py"]\n' + config_text(
        '[destinations.picky]\ntype = "picky"\n[destinations.own]\ntype = "own"\n'
        + everything_to("picky", "own")
    )
    found = await explained(load(tmp_path, config), order())
    assert found.destinations == {"picky": True, "own": True}
    assert found.reasons == {"own": NOT_SHOWN}
    assert [(one["url"], one["body"]) for one in found.requests] == [
        ("https://x.test/?q=a+b", None)
    ]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ([], "an event must be a JSON object"),
        ("x", "an event must be a JSON object"),
        ({}, "type: is missing"),
        ({"type": "trakc"}, "type: must be one of"),
        ({"type": "track", "userId": "u"}, "event: a track call needs a name"),
        ({"type": "track", "event": "e"}, "userId or anonymousId"),
        (order(messageId="m" * 256), "messageId: at most 255"),
        (order(pad="x" * 2**20), "at most 1048576 are allowed"),
    ],
)
async def test_an_event_that_would_not_be_accepted_is_refused_with_the_reason(
    loaded: LoadedConfig, body: Any, reason: str
) -> None:
    with pytest.raises(BadEvent, match=reason):
        await explained(loaded, body)


@pytest.mark.parametrize(
    ("source", "reason"),
    [("wbe", 'there is no source "wbe"; did you mean "web"'), ("old", "is disabled")],
)
async def test_a_source_that_takes_nothing_is_refused(
    tmp_path: Path, source: str, reason: str
) -> None:
    old = '[sources.old]\ntype = "webhook"\nenabled = false\n'
    loaded = load(tmp_path, config_text("", sources=old))
    with pytest.raises(BadEvent, match=reason):
        await explained(loaded, order(), source)


async def test_without_a_source_the_first_enabled_segment_source_is_taken(tmp_path: Path) -> None:
    text = config_text("").replace("[sources.web]", '[sources.a]\ntype = "webhook"\n[sources.web]')
    assert (await explained(load(tmp_path, text), order())).source == "web"
    text = text.replace("[sources.web]", "[sources.web]\nenabled = false")
    assert (await explained(load(tmp_path, text), order())).source == "a"
    text = text.replace("[sources.a]", "[sources.a]\nenabled = false")
    with pytest.raises(BadEvent, match="no source is enabled"):
        await explained(load(tmp_path, text), order())


@pytest.mark.parametrize(
    ("settings", "body", "reason"),
    [
        ('mapping = { "@path" = "$.a" }', {"a": 1}, "the mapping must make an object"),
        ('items = "list"', {"list": [{}, {}]}, "makes 2 events of it"),
        ('items = "list"', {"list": [1]}, "must be a JSON object"),
        ('items = "list"', {}, "`list` in the body must be"),
    ],
)
async def test_a_webhook_reads_the_body_as_it_would_a_request(
    tmp_path: Path, settings: str, body: Any, reason: str
) -> None:
    hook = f'[sources.hook]\ntype = "webhook"\nsettings.{settings}\n'
    with pytest.raises(BadEvent, match=reason):
        await explained(load(tmp_path, config_text("", sources=hook)), body, "hook")


async def test_for_a_source_that_wants_a_signature_the_event_is_what_it_makes(
    tmp_path: Path,
) -> None:
    cloud = (
        '[sources.cloud]\ntype = "segment_webhook"\n'
        'settings.shared_secret = { env = "SEGMENT_SHARED_SECRET" }\n'
    )
    loaded = load(tmp_path, config_text("", sources=cloud))
    found = await explained(loaded, order(sentAt="2025-01-01T00:00:00Z"), "cloud")
    assert found.event["timestamp"] == "2026-01-01T00:00:00.000Z"


async def test_the_clock_of_an_sdk_is_corrected(loaded: LoadedConfig) -> None:
    body = order(timestamp="2030-01-01T00:00:00Z", sentAt="2030-01-01T00:00:10Z")
    found = await explained(loaded, body)
    assert found.event["timestamp"] == "2025-12-31T23:59:50.000Z"
    assert found.event["originalTimestamp"] == "2030-01-01T00:00:00Z"


async def test_an_event_without_a_message_id_gets_a_telling_one(loaded: LoadedConfig) -> None:
    assert (await explained(loaded, order())).event["messageId"] == MESSAGE_ID


async def test_who_is_known_is_recognized_and_merged(loaded: LoadedConfig) -> None:
    now = round(START * 1000)
    user = Profile(2, {"user_id": ["u-1"]}, {"plan": ("pro", now), "city": ("Rome", now)})
    mail = Profile(3, {"email": ["a@b.co"]}, {"plan": ("free", now - 1)})
    context = {"traits": {"email": "A@b.co", "city": "Oslo"}}
    late = order(context=context, timestamp="2025-12-01T00:00:00Z")
    found = await explained(loaded, late, people=Kept(user, mail))
    assert found.profile["id"] == "p-2"
    assert found.profile["identifiers"] == {"user_id": ["u-1"], "email": ["a@b.co"]}
    traits = {"plan": "pro", "city": "Rome", "email": "A@b.co"}
    assert found.profile["traits"] == traits


async def test_conditions_see_the_profile(tmp_path: Path) -> None:
    route = "[routes.pro]\nto = ['crm']\nwhen = 'profile.traits.plan = \"pro\"'\n"
    loaded = load(tmp_path, config_text(webhook("crm", CRM) + route))
    pro = Profile(2, {"user_id": ["u-1"]}, {"plan": ("pro", 1)})
    assert (await explained(loaded, order(), people=Kept(pro))).routes == {"pro": True}
    assert (await explained(loaded, order())).routes == {"pro": False}


def moved(**context: Any) -> dict[str, Any]:
    """Return the event of an entry into `buyers`, as the hub makes it."""
    return {
        "type": "track",
        "userId": "u-1",
        "event": "Audience Entered",
        "messageId": "buyers/entered/1/v/1/1",
        "properties": {"audience_key": "buyers", "buyers": True, "reason": "event"},
        "context": {
            "personas": {
                "computation_class": "audience",
                "computation_key": "buyers",
                "namespace": "junctor",
            },
            **context,
        },
    }


BUYERS = """
[audiences.buyers]
event = "Order Completed"
send = ["crm"]
"""


async def test_an_entry_is_explained_with_whom_the_audience_sends_it_to(tmp_path: Path) -> None:
    loaded = load(tmp_path, config_text(webhook("crm", CRM) + webhook("idle", CRM) + BUYERS))
    found = await explained(loaded, moved())
    assert found.source == "junctor"
    assert found.destinations == {"crm": True, "idle": False}
    assert found.reasons == {"crm": BY_SEND.format("buyers"), "idle": NO_ROUTE}
    assert [request["destination"] for request in found.requests] == ["crm"]


async def test_an_entry_takes_the_routes_of_the_hub_and_those_of_all_sources(
    tmp_path: Path,
) -> None:
    routes = "[routes.all]\nto = ['idle']\n[routes.web]\nfrom = ['web']\nto = ['crm']\n"
    config = webhook("crm", CRM) + webhook("idle", CRM) + routes + BUYERS
    found = await explained(load(tmp_path, config_text(config)), moved())
    assert found.routes == {"all": True, "web": False}
    assert found.reasons == {"crm": BY_SEND.format("buyers")}


async def test_an_entry_that_fires_no_trigger_says_so(tmp_path: Path) -> None:
    loaded = load(tmp_path, config_text(webhook("crm", CRM) + BUYERS))
    found = await explained(loaded, moved(junctor={"silent": True}))
    assert found.reasons == {"crm": SILENT}


async def test_an_accounts_entry_needs_nobodys_id(tmp_path: Path) -> None:
    loaded = load(tmp_path, config_text(webhook("crm", CRM) + BUYERS))
    event = {name: value for name, value in moved().items() if name != "userId"}
    assert (await explained(loaded, event)).destinations == {"crm": True}


async def test_an_event_that_a_source_brings_is_no_entry_of_this_hub(tmp_path: Path) -> None:
    loaded = load(tmp_path, config_text(webhook("crm", CRM) + BUYERS))
    found = await explained(loaded, moved(), "web")
    assert (found.source, found.destinations) == ("web", {"crm": False})


async def test_who_is_told_of_an_entry_stands_beside_it(tmp_path: Path) -> None:
    config = webhook("crm", CRM) + webhook("idle", CRM) + BUYERS
    (entry,) = (await explained(load(tmp_path, config_text(config)), order())).transitions
    assert entry == {
        "audience": "buyers",
        "subject": "p-7",
        "entered": True,
        "reason": "event",
        "destinations": ["crm"],
    }


async def test_a_signal_is_explained_as_the_hubs_own_if_it_is_named_as_the_source(
    tmp_path: Path,
) -> None:
    routes = "[routes.signals]\nfrom = ['junctor']\nto = ['crm']\n"
    loaded = load(tmp_path, config_text(webhook("crm", CRM) + routes))
    event = order(event="signal:rage_click")
    assert (await explained(loaded, event)).routes == {"signals": False}
    assert (await explained(loaded, event, "junctor")).routes == {"signals": True}


async def test_nothing_is_stored(loaded: LoadedConfig) -> None:
    folder = loaded.config.store.path
    store = SqliteStore.open(folder)
    known = Profile(1, {"user_id": ["u-1"]}, {"plan": ("pro", 1)})
    await store.state.commit(FoldResult(1, {("user_id", "u-1"): 1}, {1: known}))
    await explained(loaded, order(context={"traits": {"plan": "free"}}), people=store.state)
    await store.close()
    store = SqliteStore.open(folder)
    assert await store.state.position() == 1
    assert (await store.state.profiles([1]))[1].view().traits == {"plan": "pro"}
    assert await store.log.read(0, 1) == []
    await store.close()


SECRET = "s3cret/va+lue=&"
SECRETS: Mapping[str, str] = {
    "as the whole url": 'url = { env = "URL" }',
    "in a header": 'headers = { authorization = { env = "SECRET" } }',
}


@pytest.mark.parametrize("setting", SECRETS.values(), ids=SECRETS)
async def test_no_secret_is_shown(tmp_path: Path, setting: str) -> None:
    section = f'[destinations.crm]\ntype = "webhook"\nsettings.{setting}\n'
    if "url" not in setting:
        section += f'settings.url = "{CRM}"\n'
    environ = {"SECRET": SECRET, "URL": f"{CRM}/{{{{userId}}}}?key=s3cret"}
    loaded = load(tmp_path, config_text(section + everything_to("crm")), environ)
    found = await explained(loaded, order())
    [request] = found.requests
    assert "***" in str(request)
    assert "s3cret" not in str(found.as_dict())
    assert "u-1" in str(request)
