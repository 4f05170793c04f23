"""What an outgoing webhook sends, how it is signed, and what event data can never do to it."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import respx
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import junctor_connectors.webhook
from junctor.sdk import (
    AuthenticationFailed,
    Context,
    DestinationUnavailable,
    Event,
    EventType,
    InvalidPayload,
    Misconfigured,
    PartialFailure,
    ProfileView,
    RateLimited,
    Request,
)
from junctor_connectors.webhook.addressing import compile_url, header_text
from junctor_connectors.webhook.destination import Webhook
from junctor_connectors.webhook.destination_settings import WebhookSettings
from junctor_connectors.webhook.signing import keys_of, standard_signature, webhook_id

URL = "https://crm.example/in"
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
OTHER = "whsec_" + base64.b64encode(b"another key of thirty-two bytes!").decode()
FOLDER = Path(junctor_connectors.webhook.__path__[0]) / "golden_destination"
GOLDEN = sorted(FOLDER.glob("*.json"))
NOW = 1767323045.25


def webhook(ctx: Context, **settings: Any) -> Webhook:
    return Webhook(WebhookSettings.model_validate({"url": URL, **settings}), ctx)


def event(**body: Any) -> Event:
    whole = {
        "type": "track",
        "messageId": "m-1",
        "timestamp": "2026-01-02T03:04:05Z",
        "userId": "u-1",
        "event": "Clicked",
        **body,
    }
    return Event.from_body(whole, profile=ProfileView(traits={"email": "ada@example.com"}))


def verified(secret: str, request: Request, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the reference library reads from the request, at the time it was stamped."""

    class Then(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Then":
            return cls.fromtimestamp(NOW, tz or UTC)

    monkeypatch.setattr("standardwebhooks.webhooks.datetime", Then)
    return standardwebhooks.Webhook(secret).verify(request.content, dict(request.headers))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
async def test_requests_are_golden(path: Path, ctx: Context) -> None:
    golden = json.loads(path.read_bytes())  # noqa: ASYNC240
    destination = Webhook(WebhookSettings.model_validate(golden["settings"]), ctx)
    profile = ProfileView(**golden["profile"])
    events = [Event.from_body(body, profile=profile) for body in golden["events"]]
    request = destination.stamp(destination.build(events), NOW)
    assert {
        "method": request.method,
        "url": request.url,
        "headers": dict(request.headers),
        "body": orjson.loads(request.content) if request.content else None,
    } == golden["request"]


def test_golden_requests_cover_every_event_type() -> None:
    types = {"track", "identify", "page", "screen", "group", "alias", "delete"}
    assert types <= {path.stem for path in GOLDEN}


async def test_the_body_is_the_event_to_the_byte_and_never_parsed(ctx: Context) -> None:
    raw = b'{"messageId":"m-1", "n":9007199254740993, "z":1, "a":"\\u00e9"}'

    def one() -> Event:
        return Event(raw, type="track", message_id="m-1", timestamp=1, received_at=1, source="test")

    events = [one(), one()]
    assert webhook(ctx, signing_secret=SECRET).build(events[:1]).content == raw
    batch = webhook(ctx, signing_secret=SECRET, shared_secret="s", batch=True)
    assert batch.build(events).content == b"[" + raw + b"," + raw + b"]"
    assert events[0]._body is None


def test_the_standards_test_vector() -> None:
    body = b'{"type":"audience.entered","timestamp":"2026-01-02T03:04:05Z","data":{"userId":"u1"}}'
    assert standard_signature(keys_of(SECRET), "msg_demo1", 1767323045, body) == (
        "v1,kxRWueTMCLbnJhHumjRR7r80kFxETZtHA7lg5QXvh1Q="
    )


@pytest.mark.parametrize("batch", [False, True])
async def test_the_reference_library_verifies_what_is_sent(
    ctx: Context, monkeypatch: pytest.MonkeyPatch, batch: bool
) -> None:
    destination = webhook(ctx, signing_secret=SECRET, batch=batch)
    request = destination.stamp(destination.build([event()]), NOW)
    body = verified(SECRET, request, monkeypatch)
    assert (body[0] if batch else body)["messageId"] == "m-1"
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        verified(OTHER, request, monkeypatch)


async def test_during_a_rotation_both_secrets_verify(
    ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination = webhook(ctx, signing_secret=[OTHER, SECRET])
    request = destination.stamp(destination.build([event()]), NOW)
    assert len(request.headers["webhook-signature"].split(" ")) == 2
    for secret in (OTHER, SECRET):
        assert verified(secret, request, monkeypatch)["messageId"] == "m-1"


@pytest.mark.parametrize(
    ("secret", "keys"),
    [
        ("whsec_MDEy", [b"012"]),
        ("whsec_MDE", [b"01"]),
        ("a plain secret", [b"a plain secret"]),
        ("crm-secret", [b"crm-secret"]),
        ("pässword", ["pässword".encode()]),
        ("MDEy", [b"012", b"MDEy"]),
    ],
)
def test_secrets_are_read_as_receivers_do(secret: str, keys: list[bytes]) -> None:
    assert keys_of(secret) == keys


async def test_a_plain_secret_signs_with_its_bytes(ctx: Context) -> None:
    destination = webhook(ctx, signing_secret="a plain secret")
    request = destination.stamp(destination.build([event()]), NOW)
    signed = b"m-1.1767323045." + request.content
    expected = base64.b64encode(hmac.new(b"a plain secret", signed, hashlib.sha256).digest())
    assert request.headers["webhook-signature"] == "v1," + expected.decode()


async def test_each_attempt_has_its_own_time_and_the_same_id(
    ctx: Context, router: respx.MockRouter
) -> None:
    destination = webhook(ctx, signing_secret=SECRET)
    first, again = (destination.stamp(destination.build([event()]), at) for at in (NOW, NOW + 60))
    assert first.headers["webhook-id"] == again.headers["webhook-id"] == "m-1"
    assert again.headers["webhook-timestamp"] == "1767323105"
    assert first.headers["webhook-signature"] != again.headers["webhook-signature"]
    assert first.content == again.content


@given(st.text())
def test_a_webhook_id_can_stand_in_a_header_and_in_the_signed_text(key: str) -> None:
    id = webhook_id(key)
    assert id == webhook_id(key)
    assert id.isascii()
    assert id.isprintable()
    assert "." not in id
    assert " " not in id
    assert 0 < len(id) <= 128


def test_ids_that_differ_stay_different() -> None:
    assert len({webhook_id(key) for key in ("a.b", "a_b", "a-b", "a b", "", ".")}) == 6


@pytest.mark.parametrize("batch", [False, True])
async def test_segments_signature_covers_the_first_event(ctx: Context, batch: bool) -> None:
    destination = webhook(ctx, shared_secret="topsecret", batch=batch)
    events = [event(), event(messageId="m-2")] if batch else [event()]
    expected = hmac.new(b"topsecret", events[0].json, hashlib.sha1).hexdigest()
    assert destination.build(events).headers["x-signature"] == expected


async def test_segments_test_vector(ctx: Context) -> None:
    raw = b'{"type":"track","userId":"u1","event":"Order Completed","properties":{"revenue":39.95}}'
    one = Event(raw, type="track", message_id="m", timestamp=1, received_at=1, source="test")
    request = webhook(ctx, shared_secret="topsecret").build([one])
    assert request.headers["x-signature"] == "ccb48d6b58a42aaf3e15cf4825687516fe780587"


async def test_without_secret_there_is_only_the_id(ctx: Context) -> None:
    destination = webhook(ctx)
    request = destination.stamp(destination.build([event()]), NOW)
    assert request.headers == {"content-type": "application/json", "webhook-id": "m-1"}


async def test_without_batch_each_event_is_a_request(
    ctx: Context, router: respx.MockRouter
) -> None:
    route = router.post(URL).mock(return_value=httpx.Response(204))
    destination = webhook(ctx)
    for number in range(3):
        await destination.deliver([event(messageId=f"m-{number}")])
    assert [call.request.headers["webhook-id"] for call in route.calls] == ["m-0", "m-1", "m-2"]


async def test_several_events_are_asked_for_only_in_batches(ctx: Context) -> None:
    assert webhook(ctx).batch_limit() == 1
    assert webhook(ctx, batch=True).batch_limit() == Webhook.manifest.max_batch


async def test_every_event_type_is_accepted(ctx: Context) -> None:
    assert webhook(ctx).accepts() == frozenset(EventType)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(200, text="whatever"), None),
        (httpx.Response(207), None),
        (httpx.Response(207, json={"states": "elsewhere"}), None),
        (httpx.Response(207, json=[{"status": 200}]), None),
        (httpx.Response(207, json=[{"status": 400}]), PartialFailure),
        (httpx.Response(207, json=[{"status": 200}, {"status": 200}]), DestinationUnavailable),
        (httpx.Response(207, json=["taken"]), DestinationUnavailable),
        (httpx.Response(200, json=[{"status": 400}]), None),
        (httpx.Response(301, headers={"location": "https://evil.example"}), Misconfigured),
        (httpx.Response(400), InvalidPayload),
        (httpx.Response(401), AuthenticationFailed),
        (httpx.Response(404), Misconfigured),
        (httpx.Response(410), Misconfigured),
        (httpx.Response(429), RateLimited),
        (httpx.Response(500), DestinationUnavailable),
        (httpx.ReadTimeout("late"), DestinationUnavailable),
        (httpx.ConnectError("refused"), DestinationUnavailable),
        (httpx.RemoteProtocolError("reset"), DestinationUnavailable),
    ],
)
@pytest.mark.parametrize("batch", [False, True])
async def test_answers_have_their_meaning(
    ctx: Context,
    router: respx.MockRouter,
    answer: Any,
    error: type[Exception] | None,
    batch: bool,
) -> None:
    router.post(URL).mock(side_effect=[answer])
    destination = webhook(ctx, batch=batch, signing_secret=SECRET)
    if error is None:
        await destination.deliver([event()])
        return
    with pytest.raises(error) as caught:
        await destination.deliver([event()])
    assert "MDEyMzQ" not in str(caught.value)
    if isinstance(caught.value, Misconfigured) and caught.value.status == 410:
        assert caught.value.permanent
        assert "gone" in caught.value.message


@pytest.mark.case(31)
@pytest.mark.parametrize("status", [404, 410])
async def test_an_address_of_one_event_that_is_not_there_says_nothing_of_the_others(
    ctx: Context, router: respx.MockRouter, status: int
) -> None:
    """Or whoever can send an event could pause the destination for all."""
    router.post(f"{URL}/u-1").mock(return_value=httpx.Response(status))
    destination = webhook(ctx, url=URL + "/{{userId}}")
    with pytest.raises(InvalidPayload, match=f"HTTP {status}"):
        await destination.deliver([event(userId="u-1")])


async def test_the_body_may_be_shaped_by_a_mapping(ctx: Context, router: respx.MockRouter) -> None:
    route = router.put(URL).mock(return_value=httpx.Response(200))
    body = {"email": {"@path": "$.profile.traits.email"}, "id": {"@path": "$.userId"}}
    await webhook(ctx, method="PUT", body=body).deliver([event()])
    assert orjson.loads(route.calls.last.request.content) == {
        "email": "ada@example.com",
        "id": "u-1",
    }


async def test_an_event_that_can_not_be_shaped_fails_alone(
    ctx: Context, router: respx.MockRouter
) -> None:
    route = router.post(URL).mock(return_value=httpx.Response(200))
    body = {"tags": {"@flatten": {"separator": {"@path": "$.x"}, "value": 1}}}
    with pytest.raises(ValidationError):
        webhook(ctx, body=body)
    root = {"@arrayPath": [{"@path": {"@path": "$.properties.where"}}]}
    destination = webhook(ctx, batch=True, body={"found": root})
    good = event(properties={"where": "userId"})
    with pytest.raises(PartialFailure) as caught:
        await destination.deliver([good, event(properties={"where": 7}), good])
    assert {i: type(e) for i, e in caught.value.errors.items()} == {1: InvalidPayload}
    assert orjson.loads(route.calls.last.request.content) == [{"found": "u-1"}] * 2
    with pytest.raises(InvalidPayload):
        destination.build([event(properties={"where": 7})])


async def test_when_the_shaped_events_could_not_be_sent_only_they_are_tried_again(
    ctx: Context, router: respx.MockRouter
) -> None:
    route = router.post(URL).mock(side_effect=[httpx.Response(429, headers={"retry-after": "9"})])
    body = {"found": {"@arrayPath": [{"@path": {"@path": "$.properties.where"}}]}}
    bad, good = event(properties={"where": 7}), event(properties={"where": "userId"})
    with pytest.raises(PartialFailure) as caught:
        await webhook(ctx, batch=True, body=body).deliver([bad, good, bad])
    assert {i: type(e) for i, e in caught.value.errors.items()} == {
        0: InvalidPayload,
        1: RateLimited,
        2: InvalidPayload,
    }
    assert route.call_count == 1


async def test_nothing_is_sent_when_no_event_can_be_shaped(
    ctx: Context, router: respx.MockRouter
) -> None:
    route = router.post(URL)
    body = {"found": {"@arrayPath": [{"@path": {"@path": "$.properties.where"}}]}}
    bad = event(properties={"where": 7})
    with pytest.raises(PartialFailure) as caught:
        await webhook(ctx, batch=True, body=body).deliver([bad, bad])
    assert {i: type(e) for i, e in caught.value.errors.items()} == dict.fromkeys(
        (0, 1), InvalidPayload
    )
    assert not route.called


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_methods_without_body_carry_a_query(ctx: Context, method: str) -> None:
    properties = {"a": {"b": 1}, "list": [1, {"c": "x y"}], "none": None, "é&": "=?"}
    request = webhook(ctx, method=method).build([event(properties=properties)])
    assert request.url == f"{URL}?a.b=1&list.0=1&list.1.c=x+y&%C3%A9%26=%3D%3F"
    assert request.content == b""
    assert "content-type" not in request.headers
    shaped = webhook(ctx, url=f"{URL}?v=1", method=method, body={"id": {"@path": "$.userId"}})
    assert shaped.build([event()]).url == f"{URL}?v=1&id=u-1"
    assert webhook(ctx, method=method).build([event()]).url == URL
    identify = event(type="identify", traits={"plan": "pro"})
    assert webhook(ctx, method=method).build([identify]).url == f"{URL}?plan=pro"


async def test_a_query_that_is_too_long_is_a_dead_letter(ctx: Context) -> None:
    with pytest.raises(InvalidPayload, match="8000"):
        webhook(ctx, method="GET").build([event(properties={"a": "x" * 8000})])


@pytest.mark.case(44)
async def test_headers_may_be_secrets_and_templates(ctx: Context) -> None:
    headers = {
        "Authorization": "Bearer {{nothing | fixed}}",
        "X-User": "{{userId}}",
        "X-None": "{{missing}}",
        "Content-Type": "application/vnd.crm+json",
    }
    found = webhook(ctx, headers=headers).build([event(userId="ü\r\nx-evil: 1\t\0")]).headers
    assert found == {
        "authorization": "Bearer fixed",
        "x-user": "%C3%BC%0D%0Ax-evil: 1%09%00",
        "content-type": "application/vnd.crm+json",
        "webhook-id": "m-1",
    }


@pytest.mark.case(44)
@given(st.text())
def test_header_text_is_always_one_printable_line(text: str) -> None:
    found = header_text(text)
    assert found.isascii()
    assert found == "" or found.isprintable()
    assert found == found.strip()


@pytest.mark.case(44)
@given(st.text())
def test_event_data_stays_in_its_part_of_the_url(text: str) -> None:
    url = compile_url("https://crm.example/people/{{id}}/notes?q={{id}}")
    try:
        parsed = httpx.URL(url({"id": text}))
    except InvalidPayload:
        assert text in ("", ".", "..")
        return
    assert parsed.host == "crm.example"
    assert parsed.path == f"/people/{text}/notes"
    assert dict(parsed.params) == {"q": text}


@pytest.mark.parametrize("value", ["...", ".hidden", "a..b", "a/../b"])
async def test_dots_inside_a_value_lead_nowhere(ctx: Context, value: str) -> None:
    destination = webhook(ctx, url="https://crm.example/v1/{{userId}}/notes")
    assert httpx.URL(destination.build([event(userId=value)]).url).path == f"/v1/{value}/notes"


@pytest.mark.parametrize("value", [None, "", ".", ".."])
async def test_an_event_that_would_change_the_path_is_a_dead_letter(
    ctx: Context, value: str | None
) -> None:
    destination = webhook(ctx, url="https://crm.example/people/{{userId}}", method="DELETE")
    with pytest.raises(InvalidPayload):
        destination.build([event(userId=value)])


async def test_a_default_may_stand_in_the_url(ctx: Context) -> None:
    destination = webhook(ctx, url="https://crm.example/people/{{userId | unknown}}")
    assert destination.build([event(userId=None)]).url == "https://crm.example/people/unknown"


async def test_check_changes_nothing_and_finds_a_dead_address(
    ctx: Context, router: respx.MockRouter
) -> None:
    route = router.options(URL).mock(
        side_effect=[httpx.Response(405), httpx.ConnectError("refused")]
    )
    await webhook(ctx).check()
    with pytest.raises(DestinationUnavailable):
        await webhook(ctx).check()
    await webhook(ctx, url=URL + "/{{userId}}").check()
    assert route.call_count == 2


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"url": "crm.example"}, "URL is expected"),
        ({"url": ""}, "URL is expected"),
        ({"url": "https://"}, "URL is expected"),
        ({"url": "ftp://crm.example"}, "URL is expected"),
        ({"url": "{{properties.url}}"}, "URL is expected"),
        ({"url": "https://{{host}}/in"}, "URL is expected"),
        ({"url": "https://user:word@crm.example/in"}, "no user and password in a URL"),
        ({"url": "https://crm.example@127.0.0.1/in"}, "no user and password in a URL"),
        ({"url": "https://crm.example{{x}}/in"}, "not in the host"),
        ({"url": "https://crm.example/a b"}, "white space"),
        ({"url": "https://crm.example/{{x | a b}}"}, "white space"),
        ({"url": "https://crm.example/\r\nx"}, "white space"),
        ({"url": "https://crm.example/#top"}, "fragment"),
        ({"url": "https://crm.example/{{x"}, "never closed"),
        ({"method": "TRACE"}, "POST"),
        ({"headers": {"bad name": "x"}}, "header name"),
        ({"headers": {"x": "a\r\nb"}}, "printable"),
        ({"headers": {"x": "ü"}}, "printable"),
        ({"headers": {"x": "{{a"}}, "never closed"),
        ({"headers": {"X": "1", "x": "2"}}, "twice"),
        ({"headers": {"Host": "evil"}}, "set by the connector"),
        ({"headers": {"Webhook-Id": "1"}}, "set by the connector"),
        ({"signing_secret": "whsec_!!"}, "no base64"),
        ({"signing_secret": ""}, "empty"),
        ({"signing_secret": [SECRET, ""]}, "empty"),
        ({"shared_secret": ""}, "empty"),
        ({"batch": True, "url": URL + "/{{userId}}"}, "in a batch"),
        ({"batch": True, "headers": {"x": "{{userId}}"}}, "in a batch"),
        ({"batch": True, "method": "GET"}, "needs a body"),
        ({"body": {"a": {"@nonsense": 1}}}, "nonsense"),
        ({"unknown": 1}, "Extra inputs"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words) as caught:
        WebhookSettings.model_validate({"url": URL, **settings})
    assert "MDEyMzQ" not in str(caught.value)


def test_every_setting_is_documented_and_secrets_hidden() -> None:
    assert all(field.description for field in WebhookSettings.model_fields.values())
    settings = WebhookSettings.model_validate(
        {
            "url": URL,
            "signing_secret": [SECRET],
            "shared_secret": "hush-1",
            "headers": {"authorization": "hush-2"},
        }
    )
    assert "MDEyMzQ" not in repr(settings)
    assert "hush" not in repr(settings)
