"""A stand-in for the vendor, and a host with a clock that stands still."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import respx
import structlog

from junctor.sdk import Context

NOW = 1767323045.25


class StillClock:
    def now(self) -> float:
        return NOW

    def monotonic(self) -> float:
        return NOW

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("a connector does not wait")


@pytest.fixture
def router() -> Iterator[respx.MockRouter]:
    with respx.MockRouter(assert_all_called=False) as router:
        yield router


@pytest.fixture
async def ctx(router: respx.MockRouter) -> AsyncIterator[Context]:
    transport = httpx.MockTransport(router.async_handler)
    async with httpx.AsyncClient(transport=transport) as http:
        yield Context(id="under_test", http=http, log=structlog.get_logger(), clock=StillClock())
