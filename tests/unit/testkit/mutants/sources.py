"""One broken source a source rule, each otherwise as healthy as Hook or Contacts."""

import hmac
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

from junctor.sdk import (
    Accepted,
    DestinationUnavailable,
    InboundRequest,
    Manifest,
    Page,
    Unauthorized,
    parse_json,
)

from .healthy import Contacts, Hook


class UnreadableRateHook(Hook):
    """manifest-valid."""

    manifest = Manifest(type="hook", title="Hook", summary="Lists.", rate="often")


class LogsItsKey(Hook):
    """secrets-never-printed."""

    def accept(self, request: InboundRequest) -> Accepted:
        try:
            return super().accept(request)
        except Unauthorized:
            self.ctx.log.info("expected", key=self.settings.shared_secret.get_secret_value())
            raise


class TrustsEverybody(Hook):
    """signature-refused."""

    def accept(self, request: InboundRequest) -> Accepted:
        items = request.json
        return Accepted(
            [one for one in items if isinstance(one, dict)] if isinstance(items, list) else []
        )


class TrustsTheHeader(Hook):
    """signature-refused, by not looking at what was signed."""

    def accept(self, request: InboundRequest) -> Accepted:
        if "x-signature" not in request.headers:
            raise Unauthorized("no signature")
        items = request.json
        return Accepted(
            [one for one in items if isinstance(one, dict)] if isinstance(items, list) else []
        )


class FreshIds(Hook):
    """replayed-request-deduped."""

    def accept(self, request: InboundRequest) -> Accepted:
        taken = super().accept(request)
        return replace(
            taken, records=[{**one, "messageId": str(uuid.uuid4())} for one in taken.records]
        )


class UnknownType(Hook):
    """records-normalize."""

    def accept(self, request: InboundRequest) -> Accepted:
        taken = super().accept(request)
        return replace(taken, records=[{**one, "type": "event"} for one in taken.records])


class PingIsAnEvent(Hook):
    """empty-is-quiet."""

    def accept(self, request: InboundRequest) -> Accepted:
        taken = super().accept(request)
        ping = {"type": "track", "event": "Ping", "anonymousId": "nobody", "messageId": "ping"}
        return taken if taken.records else replace(taken, records=[ping])


class CrashesOnText(Hook):
    """corpus-survives."""

    def accept(self, request: InboundRequest) -> Accepted:
        taken = super().accept(request) if request.body[:1] == b"[" else None
        if taken is None:
            return Accepted(parse_json(request.body)["batch"] if request.body else ())
        return taken


class ComparesText(Hook):
    """corpus-survives: `compare_digest` takes no text beyond ASCII."""

    def accept(self, request: InboundRequest) -> Accepted:
        hmac.compare_digest(request.headers.get("x-signature", ""), "")
        return super().accept(request)


class EndsOn500(Contacts):
    """errors-typed."""

    async def pull(self, cursor: str | None) -> AsyncIterator[Page]:
        try:
            async for page in super().pull(cursor):
                yield page
        except DestinationUnavailable:
            self.ctx.log.warning("later, perhaps")


class CursorAhead(Contacts):
    """cursor-resumes: the cursor of a page is that of the next one."""

    async def pull(self, cursor: str | None) -> AsyncIterator[Page]:
        held: Page | None = None
        async for page in super().pull(cursor):
            if held is not None:
                yield replace(held, cursor=page.cursor)
            held = page
        if held is not None:
            yield held


class NewestFirst(Contacts):
    """pages-ordered: all pages, but backwards."""

    async def pull(self, cursor: str | None) -> AsyncIterator[Page]:
        pages = [page async for page in super().pull(None)]
        done = int(cursor or 0)
        for number, page in enumerate(reversed(pages), start=1):
            if number > done:
                yield replace(page, cursor=str(number))


class Heartbeat(Contacts):
    """empty-is-quiet: says something when there is nothing to say."""

    async def pull(self, cursor: str | None) -> AsyncIterator[Page]:
        async for page in super().pull(cursor):
            beat = {"type": "identify", "userId": "heartbeat", "traits": {}}
            yield page if page.records else replace(page, records=[beat])


class NobodysRecords(Contacts):
    """records-normalize."""

    async def pull(self, cursor: str | None) -> AsyncIterator[Page]:
        async for page in super().pull(cursor):
            yield replace(page, records=[{**one, "userId": ""} for one in page.records])
