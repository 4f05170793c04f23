"""The tracking pixel: whatever comes, the mail shows an image, and a good call counts."""

import base64
import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from junctor.sdk import Accepted, InboundRequest, Reply
from junctor.testkit.doubles import context
from junctor_connectors.segment.pixel import GIF, MAX_DEPTH
from junctor_connectors.segment.source import Segment, SegmentSettings

NO_HTTP = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(500)))
CTX = context(NO_HTTP, id="web")
CALL = {
    "writeKey": "wk-test",
    "userId": "u-1",
    "event": "Email Opened",
    # Bytes that both base64 alphabets write differently.
    "properties": {"subject": "Ünï?>~ÿ¿", "n": 9007199254740993},
}
RECORD = {**{key: CALL[key] for key in CALL if key != "writeKey"}, "type": "track"}
TEXT = json.dumps(CALL, ensure_ascii=False).encode()


def answer(query: dict[str, str], path: str = "/pixel/track", method: str = "GET") -> Any:
    settings = SegmentSettings.model_validate({"write_key": "wk-test"})
    source = Segment(settings, CTX)
    return source.accept(InboundRequest(method, path, query=query, remote="203.0.113.9"))


def test_the_image_is_a_gif_of_one_by_one_pixel_that_is_not_cached() -> None:
    assert GIF.status == 200
    assert GIF.headers == {"content-type": "image/gif", "cache-control": "no-store"}
    assert GIF.body[:6] == b"GIF89a"
    assert GIF.body[6:10] == b"\x01\x00\x01\x00"
    assert GIF.body[-1:] == b";"
    assert len(GIF.body) == 42


STANDARD = base64.b64encode(TEXT).decode()
URL_SAFE = base64.urlsafe_b64encode(TEXT).decode()


@pytest.mark.parametrize(
    "data",
    [STANDARD, STANDARD.rstrip("="), URL_SAFE, URL_SAFE.rstrip("="), STANDARD.replace("+", " ")],
    ids=["standard", "standard, no padding", "url-safe", "url-safe, no padding", "plus as space"],
)
def test_data_is_base64_of_either_alphabet_padded_or_not(data: str) -> None:
    assert {"+", "/"} & set(STANDARD)
    assert answer({"data": data}) == Accepted((RECORD,), reply=GIF, corrects_clock=True)


def test_the_example_of_segments_documentation_is_read() -> None:
    data = (
        "eyJ3cml0ZUtleSI6ICJZT1VSX1dSSVRFX0tFWSIsICJ1c2VySWQiOiAiMDI1cGlrYWNodTAyNSIsICJldmVudCI6"
        "ICJFbWFpbCBPcGVuZWQiLCAicHJvcGVydGllcyI6IHsgICAic3ViamVjdCI6ICJUaGUgRWxlY3RyaWMgRGFpbHki"
        "LCAgICJlbWFpbCI6ICJwZWVrQXRNZUBlbWFpbC5wb2tlIiB9fQ"
    )
    settings = SegmentSettings.model_validate({"write_key": "YOUR_WRITE_KEY"})
    source = Segment(settings, CTX)
    request = InboundRequest("GET", "/pixel/track", query={"data": data})
    assert source.claims(request)
    taken = source.accept(request)
    assert isinstance(taken, Accepted)
    assert taken.records == (
        {
            "userId": "025pikachu025",
            "event": "Email Opened",
            "properties": {"subject": "The Electric Daily", "email": "peekAtMe@email.poke"},
            "type": "track",
        },
    )


@pytest.mark.parametrize("type", ["identify", "track", "page", "screen", "group", "alias"])
def test_parameters_with_dots_make_every_call(type: str) -> None:
    query = {
        "userId": "u-1",
        "event": "Email Opened",
        "properties.subject": "The Electric Daily",
        "context.campaign.name": "spring",
        "context.campaign.source": "mail",
        "properties.n": "1",
        "writeKey": "wk-test",
    }
    assert answer(query, f"/pixel/{type}").records == (
        {
            "userId": "u-1",
            "event": "Email Opened",
            "properties": {"subject": "The Electric Daily", "n": "1"},
            "context": {"campaign": {"name": "spring", "source": "mail"}},
            "type": type,
        },
    )


def test_the_key_may_stand_beside_the_data() -> None:
    data = base64.b64encode(json.dumps(RECORD).encode()).decode()
    assert answer({"data": data, "writeKey": "wk-test"}).records == (RECORD,)


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"writeKey": ""},
        {"writeKey": "other", "userId": "u-1"},
        {"data": "%%%"},
        {"data": base64.b64encode(b'{"userId": "u-1"}').decode()},
        {"data": base64.b64encode(b'{"writeKey": "other"}').decode()},
        {"data": STANDARD, "writeKey": "other"},
        {"data": base64.b64encode(b'{"writeKey": "other"}').decode(), "writeKey": "wk-test"},
    ],
)
def test_without_the_key_the_image_is_all_there_is(query: dict[str, str]) -> None:
    assert answer(query) == GIF


def test_only_a_get_counts() -> None:
    assert answer({"data": STANDARD}, method="HEAD") == GIF


@pytest.mark.parametrize("method", ["POST", "PUT", "TRACE"])
def test_an_image_is_not_written(method: str) -> None:
    reply = answer({"data": STANDARD}, method=method)
    assert isinstance(reply, Reply)
    assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD")


KEY = {"writeKey": "wk-test", "userId": "u-1"}


@pytest.mark.parametrize(
    ("path", "query", "reason"),
    [
        ("/pixel/track", {"data": "%%%"}, "`data` is no base64"),
        ("/pixel/track", {"data": "abcde"}, "`data` is no base64"),
        ("/pixel/track", {"data": base64.b64encode(b'{"cut').decode()}, "no base64 of JSON"),
        ("/pixel/track", {"data": base64.b64encode(b"[1]").decode()}, "must be a JSON object"),
        ("/pixel/track", {"a": "1", "a.b": "2"}, "`a.b` is below a parameter that has a value"),
        ("/pixel/track", {"a.b": "2", "a": "1"}, "`a` has a value and parameters below it"),
        ("/pixel/track", {".".join("a" * (MAX_DEPTH + 2)): "1"}, "nested too deeply"),
        ("/pixel/tracks", {"event": "E"}, "no such call"),
        ("/pixel/delete", {"event": "E"}, "no such call"),
    ],
)
def test_what_can_not_be_read_is_kept_with_its_reason_and_without_the_key(
    path: str, query: dict[str, str], reason: str
) -> None:
    taken = answer({**query, **KEY}, path)
    assert isinstance(taken, Accepted)
    assert (taken.records, taken.reply) == ((), GIF)
    (refused,) = taken.refused
    assert reason in refused.reason
    assert refused.item["userId"] == "u-1"
    assert "wk-test" not in repr(refused)


NAMES = st.text(alphabet="ab.", max_size=6)


@given(
    st.dictionaries(NAMES | st.sampled_from(["data", "writeKey"]), st.text(max_size=12)),
    st.sampled_from(["/pixel/track", "/pixel/identify", "/pixel/", "/pixel/a/b", "/pixel/t"]),
)
def test_every_pixel_is_answered_with_the_image(query: dict[str, str], path: str) -> None:
    for parameters in (query, {**query, "writeKey": "wk-test"}):
        taken = answer(parameters, path)
        assert (taken if isinstance(taken, Reply) else taken.reply) == GIF
