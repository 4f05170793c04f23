"""A stand-in for the segments of Statsig's Console API: it keeps the lists, and its limits."""

import asyncio
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson

from junctor.testkit import ManualClock

KEY = "console-example"
ROOT = "/console/v1/segments"

Fault = Callable[[httpx.Request, Callable[[], httpx.Response]], httpx.Response]
"""Meets a request in place of the service; what it calls is the service."""


@dataclass
class Segment:
    """A segment as Statsig keeps it; `members` in the order they came."""

    type: str = "id_list"
    id_type: str = "userID"
    members: dict[str, None] = field(default_factory=dict)
    description: str = ""


class ConsoleApi:
    """Answers as documented; without a clock there are no limits, without a key none is asked."""

    def __init__(self, clock: ManualClock | None = None, key: str | None = KEY) -> None:
        self.segments: dict[str, Segment] = {}
        self.requests: list[httpx.Request] = []
        self.faults: deque[Fault | None] = deque()
        self.updating: set[str] = set()
        self._clock = clock
        self._key = key
        self._updates: list[float] = []
        self._running: set[str] = set()

    def members(self, id: str) -> set[str]:
        return set(self.segments[id].members) if id in self.segments else set()

    def calls(self) -> list[str]:
        """The requests so far, as `PATCH /buyers/id_list`."""
        return [f"{one.method} {one.url.path.removeprefix(ROOT)}" for one in self.requests]

    def bodies(self, method: str) -> list[Any]:
        return [orjson.loads(one.content) for one in self.requests if one.method == method]

    async def take(self, request: httpx.Request) -> httpx.Response:
        """Answer after a while, in which a second update of the same list is refused."""
        path = request.url.path
        if request.method not in ("PATCH", "DELETE"):
            return self.answer(request)
        if path in self._running:
            self.requests.append(request)
            return refuse(409, "Another update of this segment is in progress")
        self._running.add(path)
        try:
            await asyncio.sleep(0)
            return self.answer(request)
        finally:
            self._running.discard(path)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        fault = self.faults.popleft() if self.faults else None
        if fault is not None:
            return fault(request, lambda: self._serve(request))
        return self._serve(request)

    def _serve(self, request: httpx.Request) -> httpx.Response:
        if self._key is not None and request.headers.get("statsig-api-key") != self._key:
            return refuse(401, "This endpoint only accepts an active CONSOLE key")
        if request.headers.get("statsig-api-version") != "20240601":
            return refuse(400, "Unknown API version")
        found = re.fullmatch(rf"{ROOT}(?:/([a-zA-Z0-9_-]+)(/id_list)?)?", request.url.path)
        if found is None:
            return refuse(404, "Cannot find this path")
        id, ids = found.groups()
        if id is None:
            return self._create(request) if request.method == "POST" else self._all(request)
        if ids and request.method in ("PATCH", "DELETE"):
            return self._update(request, id)
        if request.method != "GET":
            return refuse(404, "Cannot find this method")
        segment = self.segments.get(id)
        if segment is None:
            return refuse(404, "Segment not found")
        if ids and segment.type != "id_list":
            return wrong_type()
        return self._page(request, id, segment) if ids else shown(200, id, segment)

    def _all(self, request: httpx.Request) -> httpx.Response:
        data = [{"id": id} for id in self.segments][: int(request.url.params["limit"])]
        pagination = {"itemsPerPage": 1, "pageNumber": 1, "nextPage": None, "previousPage": None}
        return httpx.Response(
            200, json={"message": "Segments listed", "data": data, "pagination": pagination}
        )

    def _create(self, request: httpx.Request) -> httpx.Response:
        body = orjson.loads(request.content)
        id = body.get("id", "")
        if not re.fullmatch(r"[a-zA-Z0-9_-]{3,100}", id):
            return refuse(400, "id must be 3 to 100 characters")
        if not re.fullmatch(r"[a-zA-Z0-9_\- ]{3,100}", body["name"]):
            return refuse(400, "name must be 3 to 100 characters")
        if body["idType"] not in ("userID", "stableID", "companyID"):
            return refuse(400, "idType does not exist")
        if id in self.segments:
            return refuse(400, "Segment already exists")
        self.segments[id] = Segment(body["type"], body["idType"], description=body["description"])
        return shown(201, id, self.segments[id])

    def _page(self, request: httpx.Request, id: str, segment: Segment) -> httpx.Response:
        size = min(100, int(request.url.params["limit"]))
        number = int(request.url.params["page"])
        members = list(segment.members)
        following = (
            f"{ROOT}/{id}/id_list?page={number + 1}" if number * size < len(members) else None
        )
        return httpx.Response(
            200,
            json={
                "message": "IDs read successfully",
                "data": {
                    "name": id,
                    "count": len(members),
                    "ids": members[(number - 1) * size : number * size],
                },
                "pagination": {
                    "itemsPerPage": size,
                    "pageNumber": number,
                    "nextPage": following,
                    "previousPage": None,
                    "totalItems": len(members),
                },
            },
        )

    def _update(self, request: httpx.Request, id: str) -> httpx.Response:
        if (wait := self._over_limit()) > 0:
            return httpx.Response(
                429, json={"status": 429}, headers={"retry-after": str(round(wait + 0.5))}
            )
        segment = self.segments.get(id)
        if segment is None:
            return refuse(404, "Segment not found")
        if segment.type != "id_list":
            return wrong_type()
        if id in self.updating:
            return refuse(409, "Another update of this segment is in progress")
        ids = orjson.loads(request.content or b"{}").get("ids")
        if not isinstance(ids, list) or not 0 < len(ids) <= 100_000:
            return refuse(400, "ids must be an array of 1 to 100000")
        for one in ids:
            if request.method == "PATCH":
                segment.members[one] = None
            else:
                segment.members.pop(one, None)
        done = "added to" if request.method == "PATCH" else "removed from"
        return httpx.Response(200, json={"message": f"IDs successfully {done} Segment ID List"})

    def _over_limit(self) -> float:
        """Count an update, a refused one too; return the seconds it came too early."""
        if self._clock is None:
            return 0.0
        now = self._clock.monotonic()
        waits = [
            self._updates[-most] + seconds - now
            for most, seconds in ((12, 10.0), (900, 900.0))
            if len(self._updates) >= most
        ]
        self._updates.append(now)
        return max(0.0, *waits) if waits else 0.0


def refuse(status: int, message: str) -> httpx.Response:
    return httpx.Response(status, json={"status": status, "message": message})


def wrong_type() -> httpx.Response:
    return refuse(400, "Segment must be of type 'id_list' to use this endpoint")


def shown(status: int, id: str, segment: Segment) -> httpx.Response:
    data = {
        "id": id,
        "type": segment.type,
        "idType": segment.id_type,
        "isEnabled": True,
        "count": len(segment.members),
    }
    return httpx.Response(status, json={"message": "Segment", "data": data})


def fails(status: int) -> Fault:
    """Nothing is done, and the answer is this."""
    return lambda request, serve: refuse(status, "not now")


def answer_lost(request: httpx.Request, serve: Callable[[], httpx.Response]) -> httpx.Response:
    """All is done, and the answer never comes."""
    serve()
    raise httpx.ReadTimeout("no answer in time", request=request)


def never_arrives(request: httpx.Request, serve: Callable[[], httpx.Response]) -> httpx.Response:
    """Nothing is done: the connection is refused."""
    raise httpx.ConnectError("connection refused", request=request)
