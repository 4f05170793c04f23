"""The Console API of Statsig, as far as segments of ids need it: one method a request.

Paths, bodies and limits: https://docs.statsig.com/console-api and its OpenAPI 20240601.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from junctor.sdk import (
    Context,
    DeliveryError,
    DestinationUnavailable,
    InvalidPayload,
    Misconfigured,
    RateLimited,
    Request,
    Response,
    raise_for_status,
    retry_after,
    send,
)
from junctor_connectors.statsig_segment.pace import Pace
from junctor_connectors.statsig_segment.settings import StatsigSegmentSettings

PAGE: Final = 100
"""Ids of a page; Statsig's own default, a higher limit is not documented."""

_SLACK: Final = 1.0
"""Seconds added to each limit's time: requests may arrive closer together than they left."""
_WRITES: Final = ((12, 10 + _SLACK), (900, 900 + _SLACK))
"""Limits of adding to and removing from lists, for all lists of a project together."""
_READS: Final = ((100, 10 + _SLACK),)


class SegmentBusy(DestinationUnavailable):
    """This one list can't be updated now, as when another update of it runs."""


@dataclass(frozen=True, slots=True)
class SegmentInfo:
    """What Statsig says of a segment; `count` are the ids in it, 0 when it is not said."""

    type: str
    id_type: str
    count: int


class Console:
    """Sends requests, and raises what their answers mean: as `raise_for_status`, 409 is busy."""

    def __init__(self, settings: StatsigSegmentSettings, ctx: Context) -> None:
        """Prepare address, headers and limits."""
        self._ctx = ctx
        self._root = f"{settings.api_url.rstrip('/')}/console/v1/segments"
        self._headers = {
            "statsig-api-key": settings.console_key.get_secret_value(),
            "statsig-api-version": settings.api_version,
        }
        self._writes = Pace(_WRITES, ctx.clock.monotonic)
        self._reads = Pace(_READS, ctx.clock.monotonic)

    async def prove(self) -> None:
        """Ask for one segment: a refused key, a wrong address and a dead host are told apart."""
        raise_for_status(await self._get("", {"limit": "1", "page": "1"}))

    async def segment(self, id: str) -> SegmentInfo | None:
        """Return what is known of a segment, None when it does not exist."""
        response = await self._get(f"/{id}")
        if response.status == 404:
            return None
        _raise_for(response)
        data = _data(response)
        count = data.get("count")
        return SegmentInfo(
            type=str(data.get("type") or ""),
            id_type=str(data.get("idType") or ""),
            count=int(count) if isinstance(count, int | float) else 0,
        )

    async def create(self, id: str, *, id_type: str, description: str) -> DeliveryError | None:
        """Create an empty list; return None, or the refusal, which may be that it exists."""
        data = {
            "id": id, "name": id, "type": "id_list", "idType": id_type, "description": description,
        }  # fmt: skip
        response = await self._send(Request.json("POST", self._root, data, self._headers))
        try:
            _raise_for(response)
        except SegmentBusy as error:
            return error
        except InvalidPayload as error:
            return Misconfigured(
                f"segment {id!r} can't be created: {error.message}", status=error.status
            )
        return None

    async def add(self, id: str, ids: Sequence[str]) -> bool:
        """Add ids, 1 to 100,000; return whether the list exists."""
        return await self._write("PATCH", id, ids)

    async def remove(self, id: str, ids: Sequence[str]) -> bool:
        """Remove ids, 1 to 100,000; return whether the list exists."""
        return await self._write("DELETE", id, ids)

    async def page(self, id: str, number: int) -> tuple[list[str], bool] | None:
        """Return the ids of page `number`, the first is 1, and whether another follows.

        None: there is no such segment. Waits where needed to stay within the limit of reads.
        """
        if (wait := self._reads.wait()) > 0:
            await self._ctx.clock.sleep(wait)
        self._reads.started()
        params = {"limit": str(PAGE), "page": str(number)}
        response = await self._get(f"/{id}/id_list", params)
        if response.status == 404:
            return None
        _raise_for(response)
        ids = _data(response).get("ids")
        if not isinstance(ids, list):
            raise DestinationUnavailable("the answer has no list of ids", status=response.status)
        pagination = response.json().get("pagination")
        more = bool(isinstance(pagination, dict) and pagination.get("nextPage"))
        return [str(one) for one in ids], more

    async def _write(self, method: str, id: str, ids: Sequence[str]) -> bool:
        if (wait := self._writes.wait()) > 0:
            raise RateLimited(
                "Statsig takes 12 updates of lists in 10 s, 900 in 15 min", retry_after=wait
            )
        self._writes.started()
        url = f"{self._root}/{id}/id_list"
        response = await self._send(Request.json(method, url, {"ids": list(ids)}, self._headers))
        if response.status == 404:
            return False
        _raise_for(response)
        return True

    async def _get(self, path: str, params: Mapping[str, str] | None = None) -> Response:
        request = Request("GET", self._root + path, headers=self._headers, params=params or {})
        return await self._send(request)

    async def _send(self, request: Request) -> Response:
        return await send(self._ctx.http, request, now=self._ctx.clock.now())


def _raise_for(response: Response) -> None:
    """Raise what an answer about one segment means; 2xx returns."""
    if response.status == 400 and "must be of type" in response.text:
        said = " ".join(response.text[:200].split())
        raise Misconfigured(
            f"HTTP 400: {said}; name another segment in settings.segments", status=400
        )
    if response.status == 409:
        raise SegmentBusy(
            "HTTP 409: another update of the segment runs",
            retry_after=retry_after(response),
            status=409,
        )
    raise_for_status(response)


def _data(response: Response) -> dict[str, Any]:
    """Return `data` of an answer.

    Raises:
        DestinationUnavailable: there is none: somebody else answered.
    """
    answer = response.json()
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, dict):
        raise DestinationUnavailable(
            "the answer is not one of Statsig's Console API", status=response.status
        )
    return data
