"""The conformance classes of sources: those that are called, and those that poll."""

import asyncio
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

import httpx
import orjson

from junctor.sdk import (
    Accepted,
    EventType,
    InboundRequest,
    Page,
    PullSource,
    PushSource,
    Reply,
    Response,
    SourceError,
    Unauthorized,
)
from junctor.testkit.base import (
    PATIENCE,
    Connector,
    ConnectorConformance,
    finish,
    not_applicable,
    unproven,
)
from junctor.testkit.corpus import corpus
from junctor.testkit.declared import fields, is_secret, secrets_in
from junctor.testkit.destination import ERRORS
from junctor.testkit.doubles import START, entries_text
from junctor.testkit.rules import Kind
from junctor.testkit.samples import sample_body
from junctor.testkit.secrets import Canaries, Watch
from junctor.testkit.service import HttpService

_NO_EVENTS: Final = (
    b"{", b"null", b"true", b"7", b'"text"', b"[1]", b"[null]", b"[[]]", b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"NaN", b'{"a":1,"a":2}', b'{"type":null}', b'{"type":{},"event":[]}', b'{"batch":7}',
    b"a=1&b=%00", b"<xml/>", b"[" * 2000, b'{"a":"\\ud83d"}',
)  # fmt: skip

_STRANGE_HEADER: Final = "caf\u00e9 \udcff"
"""Bytes beyond ASCII in a header, as the server hands them over."""

_NEEDED: Final = {
    EventType.TRACK: ("event",), EventType.GROUP: ("groupId",),
    EventType.ALIAS: ("previousId", "userId"), EventType.DELETE: ("userId",),
}  # fmt: skip

_MOST_PAGES: Final = 1000


class PushSourceConformance(ConnectorConformance):
    """Subclass it as `TestX` with `source`, `settings`, `body` and, where it signs, `request`.

    `body` is one call of the vendor that brings at least one record; `empty` are bodies that bring
    none.
    """

    kind = Kind.PUSH
    source: ClassVar[type[PushSource[Any]]]
    body: ClassVar[bytes] = orjson.dumps(sample_body(EventType.TRACK))
    empty: ClassVar[Sequence[bytes]] = (b"", b"[]")

    @classmethod
    def connector_class(cls) -> type[Connector]:
        """Return the source under test."""
        return cls.source

    def request(self, body: bytes) -> InboundRequest:
        """Return the vendor's request with this body, signed with the secrets in `settings`."""
        return InboundRequest(
            "POST",
            "",
            body,
            {"content-type": "application/json"},
            received_at=round(START * 1000),
        )

    async def records(self, service: Any, request: InboundRequest) -> list[dict[str, Any]]:
        """Return what a fresh source makes of a request.

        Raises:
            SourceError: what it answers instead.
        """
        async with self.bench(service) as bench:
            answer = bench.connector.accept(request)
        assert isinstance(answer, Accepted | Reply), f"accept returned {answer!r}"
        return list(answer.records) if isinstance(answer, Accepted) else []

    async def sample_records(self, service: Any) -> list[dict[str, Any]]:
        """Return the records of `body`; there must be some."""
        try:
            found = await self.records(service, self.request(self.body))
        except SourceError as error:
            unproven(f"the sample request is refused ({error}); override `request` and `body`")
        if not found:
            unproven("the sample request brings no record; give `body`")
        return found

    async def provoke(self, service: Any, settings: Mapping[str, Any], watch: Watch) -> None:
        """Send everything that is wrong."""
        async with self.bench(service, settings) as bench:
            watch.text("repr of the source", f"{bench.connector!r} {bench.connector}")
            for request in map(self.request, (self.body, *self.empty, *_NO_EVENTS)):
                for variant in (request, replace(request, headers={}, query={}, path="")):
                    for method in (bench.connector.claims, bench.connector.accept):
                        watch.error(_raised(method, variant), f"{method.__name__} of a request")
        watch.text("ctx.log", entries_text(bench.log))

    async def test_corpus_survives(self, service: Any) -> None:
        """Whatever is sent is taken or refused; nothing crashes."""
        await self.sample_records(service)
        requests = [(repr(body[:20]), self.request(body)) for body in _NO_EVENTS]
        for hostile in corpus():
            requests.append((hostile.name, self.request(orjson.dumps(hostile.body))))
        good = self.request(self.body)
        for name in good.headers:
            strange = {**good.headers, name: _STRANGE_HEADER}
            requests.append((f"header {name}", replace(good, headers=strange)))
        async with self.bench(service) as bench:
            for name, request in requests:
                for method in (bench.connector.claims, bench.connector.accept):
                    error = _raised(method, request)
                    assert error is None or isinstance(error, SourceError), (
                        f"{name}: {method.__name__} must take it or raise a SourceError, "
                        f"not {error!r}"
                    )

    async def test_signature_refused(self, service: Any) -> None:
        """Without the right key or signature nothing gets in."""
        if not any(is_secret(field) for _, field in fields(self.source.settings_model)):
            not_applicable("no setting is a Secret")
        if not any(secrets_in(self.source.settings_model.model_validate(dict(self.settings)))):
            unproven("`settings` holds no secret")
        await self.sample_records(service)
        good, other = self.request(self.body), self.request(_tampered(self.body))
        anonymous = {
            name: value for name, value in good.headers.items() if name in ("content-type", "host")
        }
        forged = [
            ("a request without credentials", replace(good, headers=anonymous, query={}, path=""))
        ]
        if good.headers != other.headers:  # what depends on the body is a signature
            forged.append(("a changed body", replace(other, headers=good.headers)))
        async with self.bench(service) as bench:
            for what, request in forged:
                assert _refused(bench.connector, request), f"{what} must raise Unauthorized"
        canaries = Canaries.plant(self.source.settings_model, self.settings)
        if not canaries.values:
            unproven("the settings take no secret but those given")
        async with self.bench(service, canaries.settings) as bench:
            assert _refused(bench.connector, good), "another secret's signature was accepted"

    async def test_replayed_request_deduped(self, service: Any) -> None:
        """The same request gives the same records, at any time."""
        first = await self.sample_records(service)
        request = self.request(self.body)
        later = replace(request, received_at=request.received_at + 1000)
        again = await self.records(service, later)
        assert [one.get("messageId") for one in first] == [one.get("messageId") for one in again], (
            "messageId differs from request to request; make it from what the vendor sent"
        )
        for one, same in zip(first, again, strict=True):
            assert one.get("messageId") or one == same, (
                "a record without messageId differs from request to request"
            )

    async def test_records_normalize(self, service: Any) -> None:
        """The sample's records are Segment-shaped."""
        _assert_normalize(await self.sample_records(service))

    async def test_empty_is_quiet(self, service: Any) -> None:
        """An empty body is no event and no failure."""
        await self.sample_records(service)
        for body in self.empty:
            try:
                found = await self.records(service, self.request(body))
            except SourceError:
                continue
            except Exception as error:
                raise AssertionError(f"the empty body {body!r} raised {error!r}") from error
            assert not found, f"the empty body {body!r} brought {len(found)} records"


class PullSourceConformance(ConnectorConformance):
    """Subclass it as `TestX` with `source`, `settings` and `reply`.

    `reply` is the vendor's API: at least three pages of records, and nothing after the last.
    """

    kind = Kind.PULL
    source: ClassVar[type[PullSource[Any]]]

    @classmethod
    def connector_class(cls) -> type[Connector]:
        """Return the source under test."""
        return cls.source

    def reply(self, request: httpx.Request) -> Response:
        """Answer one request as the vendor's API does."""
        unproven("override `reply`, the vendor's API with at least three pages")

    async def pull(self, service: Any, cursor: str | None, most: int = _MOST_PAGES) -> list[Page]:
        """Return the first `most` pages that a fresh source yields from `cursor` on."""
        if isinstance(service, HttpService):
            service.answer(self.reply)
        async with self.bench(service) as bench, asyncio.timeout(PATIENCE):
            pages = bench.connector.pull(cursor)
            found: list[Page] = []
            async for page in pages:
                found.append(page)
                if len(found) >= most:
                    break
            await pages.aclose()
        return found

    async def all_pages(self, service: Any) -> list[Page]:
        """Return every page with records, from the beginning."""
        found = [page for page in await self.pull(service, None) if page.records]
        if len(found) < 3:
            unproven(f"`reply` serves {len(found)} pages; three are needed")
        assert len(found) < _MOST_PAGES, f"no end after {_MOST_PAGES} pages"
        return found

    async def provoke(self, service: Any, settings: Mapping[str, Any], watch: Watch) -> None:
        """Let the vendor fail in every way."""
        async with self.bench(service, settings) as bench:
            watch.text("repr of the source", f"{bench.connector!r} {bench.connector}")
            for failure in (*ERRORS, None):
                service.fail_with(failure)
                error = await finish(_exhaust(bench.connector))
                watch.error(error, f"the vendor fails with {failure}")
        watch.text("ctx.log", entries_text(bench.log))

    async def test_errors_typed(self, service: Any) -> None:
        """Each failure of the vendor is raised as the class that is its fate."""
        async with self.bench(service) as bench:
            for failure, expected in ERRORS.items():
                service.fail_with(failure)
                error = await finish(_exhaust(bench.connector))
                assert error is not None, f"{failure}: pull ended as if all were well"
                assert isinstance(error, expected), (
                    f"{failure} must be {expected.__name__}, is {type(error).__name__}: {error}"
                )

    async def test_records_normalize(self, service: Any) -> None:
        """All records are Segment-shaped."""
        pages = await self.all_pages(service)
        _assert_normalize([record for page in pages for record in page.records])

    async def test_empty_is_quiet(self, service: Any) -> None:
        """From the last cursor on there is nothing, and that is no failure."""
        last = (await self.all_pages(service))[-1].cursor
        try:
            found = [page for page in await self.pull(service, last) if page.records]
        except Exception as error:
            raise AssertionError(f"nothing new: pull raised {error!r}") from error
        assert not found, f"nothing new: pull brought {len(found[0].records)} records"

    async def test_cursor_resumes(self, service: Any) -> None:
        """From each page's cursor on, what follows comes; nothing lost, nothing read again."""
        pages = await self.all_pages(service)
        for number, page in enumerate(pages[:-1], start=1):
            resumed = await self.pull(service, page.cursor)
            got = [_key(record) for page in resumed for record in page.records]
            rest = [_key(record) for page in pages[number:] for record in page.records]
            before = {_key(record) for page in pages[: number - 1] for record in page.records}
            lost = [key for key in rest if key not in got]
            assert not lost, f"killed after page {number}: {len(lost)} records never come"
            again = before.intersection(got) - set(rest)
            assert not again, f"killed after page {number}: {len(again)} earlier records come again"

    async def test_pages_ordered(self, service: Any) -> None:
        """Pages go forward in time, the same way each time."""
        pages = await self.all_pages(service)
        once = [_key(record) for page in pages for record in page.records]
        again = [_key(record) for page in await self.all_pages(service) for record in page.records]
        assert once == again, "two pulls give different orders"
        newest = -math.inf
        for number, page in enumerate(pages, start=1):
            times = [at for at in map(_time, page.records) if at is not None]
            assert not times or min(times) >= newest, f"page {number} is older than the one before"
            newest = max([newest, *times])


def _raised(method: Any, request: InboundRequest) -> Exception | None:
    try:
        method(request)
    except Exception as error:
        return error
    return None


def _refused(source: Any, request: InboundRequest) -> bool:
    """Whether a request is not this source's, or not authorized."""
    try:
        if not source.claims(request):
            return True
        source.accept(request)
    except Unauthorized:
        return True
    except SourceError:
        return False
    return False


def _tampered(body: bytes) -> bytes:
    """Return a body that says something else."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body + b" "
    first = content[0] if isinstance(content, list) and content else content
    if not isinstance(first, dict):
        return body + b" "
    first["tampered"] = True
    return orjson.dumps(content)


async def _exhaust(source: Any) -> None:
    async for _ in source.pull(None):
        pass


def _assert_normalize(records: Iterable[Mapping[str, Any]]) -> None:
    for number, record in enumerate(records):
        problem = _problem(record)
        assert problem is None, f"record {number}: {problem}"


def _problem(record: Mapping[str, Any]) -> str | None:
    """Return why a record can't become an event, or None [Segment spec, common fields]."""
    try:
        orjson.dumps(record)
    except TypeError as error:
        return f"no JSON: {error}"
    type = record.get("type")
    if type not in set(EventType):
        return f"type {type!r} is none of {', '.join(EventType)}"
    needed = _NEEDED.get(EventType(type), ())
    for name in needed:
        if not _is_text(record.get(name)):
            return f"{name!r} must be text that is not empty"
    if not any(_is_text(record.get(name)) for name in ("userId", "anonymousId")):
        return "it is about nobody: give userId or anonymousId"
    for name in ("properties", "traits", "context", "integrations"):
        if not isinstance(record.get(name, {}), dict):
            return f"{name!r} must be an object"
    if "messageId" in record and not _is_text(record["messageId"]):
        return "'messageId' must be text that is not empty"
    if "timestamp" in record and _time(record) is None:
        return "'timestamp' must be ISO-8601 text"
    return None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _time(record: Mapping[str, Any]) -> float | None:
    """Return a record's timestamp, epoch seconds."""
    text = record.get("timestamp")
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    if at is None:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _key(record: Mapping[str, Any]) -> bytes:
    return orjson.dumps(record, option=orjson.OPT_SORT_KEYS)
