"""A host with a clock that tests own, and Statsig behind it."""

from collections.abc import AsyncIterator

import pytest

from tests.connectors.statsig_segment.host import Host, running_host


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    async with running_host() as host:
        yield host
