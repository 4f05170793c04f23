"""What is written into Slack, what event data can never do there, and what answers mean."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import respx
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import junctor_connectors.slack
from junctor.sdk import (
    AuthenticationFailed,
    Context,
    DestinationUnavailable,
    Event,
    InvalidPayload,
    Misconfigured,
    ProfileView,
    RateLimited,
)
from junctor_connectors.slack.destination import Slack
from junctor_connectors.slack.escaping import compile_text, compile_url, shorten
from junctor_connectors.slack.settings import SlackSettings

HOOK = "https://hooks.slack.example/services/T0/B0/hook-secret"
API = "https://slack.com/api"
GOLDEN = sorted((Path(junctor_connectors.slack.__path__[0]) / "golden").glob("*.json"))


def slack(ctx: Context, **settings: Any) -> Slack:
    ways = {} if "token" in settings else {"webhook_url": HOOK}
    return Slack(SlackSettings.model_validate({**ways, **settings}), ctx)


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


def message(destination: Slack, one: Event) -> Any:
    return orjson.loads(destination.build([one]).content)


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
async def test_requests_are_golden(path: Path, ctx: Context) -> None:
    golden = json.loads(path.read_bytes())  # noqa: ASYNC240
    destination = Slack(SlackSettings.model_validate(golden["settings"]), ctx)
    profile = ProfileView(**golden["profile"])
    request = destination.build([Event.from_body(golden["events"][0], profile=profile)])
    assert {
        "method": request.method,
        "url": request.url,
        "headers": dict(request.headers),
        "body": orjson.loads(request.content),
    } == golden["request"]


def test_golden_requests_cover_every_event_type() -> None:
    assert {"track", "identify", "page", "screen", "group", "alias"} <= {p.stem for p in GOLDEN}


async def test_a_message_is_posted_to_the_hook(ctx: Context, router: respx.MockRouter) -> None:
    route = router.post(HOOK).mock(return_value=httpx.Response(200, text="ok"))
    await slack(ctx, text="{{event}} & more").deliver([event(event="A&B")])
    assert orjson.loads(route.calls.last.request.content) == {"text": "A&amp;B & more"}


@pytest.mark.case(45)
def test_one_message_a_second() -> None:
    assert Slack.manifest.rate == "1/s"
    assert Slack.manifest.max_batch == 1


HOSTILE = [
    "<!channel>",
    "<!here|x>",
    "!channel",
    "!here",
    "!everyone",
    "@U123",
    "#C123",
    "!subteam^S1",
    "@channel",
    "hey @here!",
    "@everyone",
    "x> <!channel>",
    "x|<!channel>",
    "https://x|label> <!channel>",
    "&lt;!channel&gt;",
    "javascript:alert(1)",
    "",
]
PLACES = [
    "{{a}}",
    "*{{a}}*",
    "{{a}}{{a}}",
    "<{{a}}>",
    "<{{a}}|open>",
    "<{{a}}{{a}}|open>",
    "<https://x.example/{{a}}|{{a}}>",
    "<@{{a}}>",
    "<!date^{{a}}^{date}|{{a}}>",
    "<mailto:{{a}}|{{a}}>",
    "a < b {{a}}",
]
PING = re.compile(r"<(!(?!date)|@(?:channel|here|everyone)\b)|(?<!\w)@(?:channel|here|everyone)\b")


@pytest.mark.case(45)
@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("template", PLACES)
def test_event_data_never_pings(template: str, value: str) -> None:
    text = compile_text(template)({"a": value})
    assert not PING.search(text.replace("<@", "<", 1) if template == "<@{{a}}>" else text)
    assert text.count("<") == template.count("<")
    assert text.count(">") == template.count(">")


@given(st.text(alphabet="<>&!|@#^chanelr \n;:/.é"), st.sampled_from(PLACES))
def test_event_data_never_makes_markup(value: str, template: str) -> None:
    text = compile_text(template)({"a": value})
    assert text.count("<") == template.count("<")
    assert text.count(">") == template.count(">")
    assert not re.search(r"<\s*!(?!date)", text)


@pytest.mark.case(45)
@pytest.mark.parametrize("value", ["\u202egnp.exe", "a\u2066b", "x\u2028y", "\x9b31m", "a\x1b[31m"])
@pytest.mark.parametrize("template", ["by {{a}}: approved", "<https://x.example|{{a}}>: approved"])
def test_event_data_never_turns_around_what_the_author_wrote(template: str, value: str) -> None:
    text = compile_text(template)({"a": value})
    assert text.isprintable()
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u2028\u2029]", text)
    assert text.endswith(": approved")
    hebrew = "\u05e2\u05d3\u05d4 \u200f(Ada)"
    assert hebrew in compile_text(template)({"a": hebrew}), "names are left as they are"


@pytest.mark.parametrize("template", ["<!{{a}}>", "<!chan{{a}}>", "<!{{a}}|x>"])
def test_a_template_that_lets_data_choose_a_mention_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match="special mention"):
        compile_text(template)


def test_the_author_may_mention_and_link() -> None:
    render = compile_text("<!here> <https://crm.example/u/{{id}}|{{name}}> {{x | <!channel>}}")
    assert render({"id": "a b/c", "name": "<Ada>"}) == (
        "<!here> <https://crm.example/u/a%20b/c|&lt;Ada&gt;> <!channel>"
    )


@pytest.mark.parametrize(
    ("template", "value", "expected"),
    [
        ("{{a}}", "https://x.example/?q=1&r=2#z", "https://x.example/?q=1&r=2#z"),
        ("{{a}}", "x.example/ü", "https://x.example/%C3%BC"),
        ("{{a}}", "javascript:alert(1)", "https://javascript:alert(1)"),
        ("https://x.example/{{a}}", "a b?c#d", "https://x.example/a%20b%3Fc%23d"),
        ("{{a | https://x.example}}", "", "https://x.example"),
    ],
)
def test_urls_stay_urls(template: str, value: str, expected: str) -> None:
    assert compile_url(template)({"a": value}) == expected


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("ab&amp;cd", 5, "ab…"),
        ("ab&amp;cd", 8, "ab&amp;…"),
        ("a & b and more", 8, "a & b a…"),
        ("see <https://x.example|label>", 20, "see …"),
        ("<b> and more", 8, "<b> and…"),
    ],
)
def test_shortening_leaves_entities_and_links_whole(text: str, limit: int, expected: str) -> None:
    assert shorten(text, limit) == expected


@given(st.text(alphabet="&<>ab "), st.integers(1, 60))
def test_shortened_text_has_no_half_entity(value: str, limit: int) -> None:
    text = shorten(compile_text("{{a}}")({"a": value}), limit)
    assert len(text) <= limit
    assert not re.search(r"&(?!amp;|lt;|gt;)", text)


@pytest.mark.case(45)
async def test_long_texts_are_cut_to_slacks_limits(ctx: Context) -> None:
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": "{{event}}"}},
        section("{{event}}"),
        {"type": "section", "fields": [{"type": "mrkdwn", "text": "{{event}}"}] * 10},
    ]
    found = message(slack(ctx, text="{{event}}", blocks=blocks), event(event="&" * 50_000))
    assert len(found["text"]) <= 40_000
    header, text, fields = found["blocks"]
    assert len(header["text"]["text"]) <= 150
    assert len(text["text"]["text"]) <= 3000
    lengths = [len(field["text"]) for field in fields["fields"]]
    assert all(1 <= length <= 2000 for length in lengths)
    assert len(header["text"]["text"]) + len(text["text"]["text"]) + sum(lengths) <= 13_020


async def test_blocks_may_be_json_text_of_the_block_kit_builder(ctx: Context) -> None:
    blocks = [section("*{{event}}* {{missing}}"), {"type": "divider"}, section("{{missing}}")]
    expected = [section("*Clicked* "), {"type": "divider"}, section("–")]
    for given_as in (blocks, json.dumps(blocks), json.dumps({"blocks": blocks})):
        found = message(slack(ctx, blocks=given_as), event())
        assert found["blocks"] == expected
        assert found["text"] == "ada@example.com: *Clicked*"


@pytest.mark.case(44, 45)
async def test_values_can_not_break_out_of_the_json(ctx: Context) -> None:
    blocks = json.dumps([section("{{event}}")])
    hostile = '"}},{"type":"section","text":{"type":"mrkdwn","text":"{{userId}}'
    found = message(slack(ctx, blocks=blocks), event(event=hostile))
    assert found["blocks"] == [section(hostile)]


async def test_an_empty_text_is_a_dead_letter(ctx: Context) -> None:
    with pytest.raises(InvalidPayload, match="empty"):
        slack(ctx, text="{{missing}} ").build([event()])
    found = message(slack(ctx, text="{{missing}}", blocks=[section("x")]), event())
    assert found["text"] == "ada@example.com: *Clicked*"


async def test_the_default_text_is_escaped_too(ctx: Context) -> None:
    one = event(event="<!channel>", userId="<b>")
    assert message(slack(ctx), one)["text"] == "ada@example.com: *&lt;!channel&gt;*"


@pytest.mark.case(45)
@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, "ok", None),
        (200, "", None),
        (200, "no_service", Misconfigured),
        (200, '{"ok":false,"error":"channel_not_found"}', Misconfigured),
        (200, '{"ok":false,"error":"brand_new_error"}', InvalidPayload),
        (400, "invalid_payload", InvalidPayload),
        (400, "no_text", InvalidPayload),
        (400, "user_not_found", InvalidPayload),
        (400, "invalid_token", AuthenticationFailed),
        (403, "action_prohibited", AuthenticationFailed),
        (403, "invalid_token", AuthenticationFailed),
        (404, "channel_not_found", Misconfigured),
        (404, "no_service", Misconfigured),
        (404, "no_team", Misconfigured),
        (410, "channel_is_archived", Misconfigured),
        (404, "channel_is_archived", Misconfigured),
        (429, "", RateLimited),
        (429, "rate_limited", RateLimited),
        (500, "rollup_error", DestinationUnavailable),
        (500, "no_text", InvalidPayload),
        (502, "<html>Bad Gateway</html>", DestinationUnavailable),
        (302, "", Misconfigured),
        (400, "what_is_this", InvalidPayload),
    ],
)
async def test_a_hooks_answer_is_read_by_its_word_first(
    ctx: Context,
    router: respx.MockRouter,
    status: int,
    body: str,
    error: type[Exception] | None,
) -> None:
    answer = httpx.Response(status, text=body, headers={"retry-after": "30"})
    router.post(HOOK).mock(return_value=answer)
    if error is None:
        await slack(ctx).deliver([event()])
        return
    with pytest.raises(error) as caught:
        await slack(ctx).deliver([event()])
    assert "hook-secret" not in str(caught.value)
    if isinstance(caught.value, RateLimited):
        assert caught.value.retry_after == 30
    if isinstance(caught.value, Misconfigured):
        assert caught.value.permanent == (body == "channel_is_archived")


@pytest.mark.parametrize(
    ("status", "answer", "error"),
    [
        (200, {"ok": True, "ts": "1.2"}, None),
        (200, {"ok": False, "error": "channel_not_found"}, Misconfigured),
        (200, {"ok": False, "error": "not_in_channel"}, Misconfigured),
        (200, {"ok": False, "error": "is_archived"}, Misconfigured),
        (200, {"ok": False, "error": "msg_too_long"}, InvalidPayload),
        (200, {"ok": False, "error": "invalid_blocks"}, InvalidPayload),
        (200, {"ok": False, "error": "msg_blocks_too_long"}, InvalidPayload),
        (200, {"ok": False, "error": "no_text"}, InvalidPayload),
        (200, {"ok": False, "error": "invalid_auth"}, AuthenticationFailed),
        (200, {"ok": False, "error": "account_inactive"}, AuthenticationFailed),
        (200, {"ok": False, "error": "token_revoked"}, AuthenticationFailed),
        (200, {"ok": False, "error": "missing_scope"}, AuthenticationFailed),
        (200, {"ok": False, "error": "restricted_action"}, AuthenticationFailed),
        (200, {"ok": False, "error": "ratelimited"}, RateLimited),
        (429, {"ok": False, "error": "ratelimited"}, RateLimited),
        (200, {"ok": False, "error": "internal_error"}, DestinationUnavailable),
        (200, {"ok": False, "error": "fatal_error"}, DestinationUnavailable),
        (200, {"ok": False, "error": "service_unavailable"}, DestinationUnavailable),
        (200, {"ok": False, "error": "request_timeout"}, DestinationUnavailable),
        (200, {"ok": False, "error": "something_new"}, InvalidPayload),
        (200, {"ok": False}, InvalidPayload),
        (200, {"hello": "proxy"}, DestinationUnavailable),
        (200, [], DestinationUnavailable),
        (503, {"ok": False, "error": "something_new"}, DestinationUnavailable),
    ],
)
async def test_the_web_api_must_say_ok(
    ctx: Context,
    router: respx.MockRouter,
    status: int,
    answer: Any,
    error: type[Exception] | None,
) -> None:
    route = router.post(f"{API}/chat.postMessage").mock(
        return_value=httpx.Response(status, json=answer)
    )
    destination = slack(ctx, token="xoxb-example", channel="C1")
    if error is None:
        await destination.deliver([event()])
    else:
        with pytest.raises(error):
            await destination.deliver([event()])
    request = route.calls.last.request
    assert request.headers["authorization"] == "Bearer xoxb-example"
    assert orjson.loads(request.content)["channel"] == "C1"


async def test_check_shows_the_token_to_auth_test(ctx: Context, router: respx.MockRouter) -> None:
    route = router.post(f"{API}/auth.test").mock(
        side_effect=[
            httpx.Response(200, json={"ok": True}),
            httpx.Response(200, json={"ok": False, "error": "invalid_auth"}),
            httpx.Response(200, json={"ok": False, "error": "something_new"}),
        ]
    )
    destination = slack(ctx, token="xoxb-example", channel="C1")
    await destination.check()
    with pytest.raises(AuthenticationFailed):
        await destination.check()
    with pytest.raises(InvalidPayload):
        await destination.check()
    assert route.call_count == 3


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, "no_text", None),
        (400, "invalid_payload", None),
        (403, "invalid_token", AuthenticationFailed),
        (404, "no_service", Misconfigured),
        (400, "<html>", InvalidPayload),
        (503, "", DestinationUnavailable),
    ],
)
async def test_check_knocks_at_the_hook_without_a_message(
    ctx: Context,
    router: respx.MockRouter,
    status: int,
    body: str,
    error: type[Exception] | None,
) -> None:
    route = router.post(HOOK).mock(return_value=httpx.Response(status, text=body))
    if error is None:
        await slack(ctx).check()
    else:
        with pytest.raises(error):
            await slack(ctx).check()
    assert route.calls.last.request.content == b"{}"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "either webhook_url"),
        ({"webhook_url": HOOK, "token": "xoxb", "channel": "C"}, "either webhook_url"),
        ({"token": "xoxb"}, "needs channel"),
        ({"webhook_url": HOOK, "channel": "C"}, "its own channel"),
        ({"webhook_url": "not a url"}, "URL is expected"),
        ({"webhook_url": "https://x.example/\n"}, "URL is expected"),
        ({"webhook_url": "http://[x"}, "URL is expected"),
        ({"webhook_url": "https://hooks.slack.com@evil.example/x"}, "URL is expected"),
        ({"token": "xoxb", "channel": "C", "api_url": "https://slack.com@evil.example"}, "match"),
        ({"token": "xoxb\n", "channel": "C"}, "no Slack token"),
        ({"webhook_url": HOOK, "text": "{{a"}, "never closed"),
        ({"webhook_url": HOOK, "text": "<!{{a}}>"}, "special mention"),
        ({"webhook_url": HOOK, "blocks": "[{"}, "no JSON"),
        ({"webhook_url": HOOK, "blocks": "{}"}, "must be a list"),
        ({"webhook_url": HOOK, "blocks": [{}]}, r"blocks\[0\]"),
        ({"webhook_url": HOOK, "blocks": [{"type": "divider"}] * 51}, "51 blocks"),
        ({"webhook_url": HOOK, "blocks": [section("{{a")]}, r"blocks\[0\].text.text: character 1"),
        (
            {"webhook_url": HOOK, "blocks": [{"type": "section", "fields": [{}] * 11}]},
            r"blocks\[0\].fields: 11 items",
        ),
        (
            {"webhook_url": HOOK, "blocks": [{"type": "broadcast", "range": "{{a}}"}]},
            r"blocks\[0\].range: event data has no place",
        ),
        ({"webhook_url": HOOK, "blocks": [{"type": "divider", "block_id": "x" * 256}]}, "255"),
        ({"webhook_url": HOOK, "username": "x"}, "Extra inputs"),
    ],
)
def test_wrong_settings_are_refused_with_the_place(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words) as caught:
        SlackSettings.model_validate(settings)
    assert "hook-secret" not in str(caught.value)


def test_every_setting_is_documented_and_secrets_hidden() -> None:
    assert all(field.description for field in SlackSettings.model_fields.values())
    assert "hook-secret" not in repr(SlackSettings.model_validate({"webhook_url": HOOK}))
