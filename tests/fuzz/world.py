"""A hub with everything that is built in: sources, destinations, audiences, a function, readers."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from aiohttp import web

from tests.connectors.statsig_segment.console_api import KEY as CONSOLE_KEY
from tests.connectors.statsig_segment.console_api import ConsoleApi
from tests.support.client import HubClient
from tests.support.hub import ENVIRON, RunningHub, config_text, running_hub
from tests.support.receiver import Receiver, receiving
from tests.support.vendors import environ, vendors

READ_KEY: Final = "read-key"
SIGNING_SECRET: Final = "read-signing-secret"

FUNCTIONS: Final = '''
from junctor.audience import signal


@signal("odd")
def odd(user, ev, *, reads=("Tested", "e", "Order Completed"), within="1h"):
    """Look into whatever comes, and stumble over some of it."""
    user.traits.clear()
    value = ev.properties.get("x")
    if isinstance(value, dict):
        raise KeyError(value)
    return len(user.recent) % 3 and {"x": value, "n": len(user.recent)}
'''

AUDIENCES: Final = """
[readers.app]
key = { env = "READ_KEY" }
origins = ["https://shop.example"]
signing_secret = { env = "READ_SIGNING_SECRET" }

[attributes.revenue]
agg = "sum"
event = "Order Completed"
prop = "revenue"
[attributes.pages]
agg = "unique_list"
event = "page_view"
prop = "path"
[scores.busy]
rules = [ { add = 1, event = "Tested" }, { add = 2, event = "e" } ]
[services.all]
attributes = ["revenue", "pages"]
audiences = ["testers", "buyers"]

[audiences.testers]
event = "Tested"
where = 'properties.x != null or event = "Tested"'
count = ">=1"
send = ["segments", "crm"]
[audiences.buyers]
event = "Order Completed"
sum = { prop = "revenue", is = ">=1" }
send = ["segments", "alerts"]
[audiences.pages]
event = "page_view"
where = { path = "/pricing*" }
[audiences.big_accounts]
key = "account"
event = "e"
count = ">=2"
[audiences.odd_ones]
event = "signal:odd"
count = ">=2"
"""

SOURCES: Final = """
[sources.cloud]
type = "segment_webhook"
[sources.any]
type = "webhook"
"""

ROUTES: Final = """
[routes.messages]
to = ["alerts"]
[routes.transitions]
to = ["segments"]
when = 'context.personas.computation_class = "audience"'
[routes.conditions]
to = ["picky"]
when = 'type = "track" and properties.x > 5 and lowercase(event) = "e" or contains(userId, "u")'
"""


@dataclass
class World:
    """The hub, and its vendors."""

    running: RunningHub
    receiver: Receiver
    console: ConsoleApi
    folder: Path

    @property
    def client(self) -> HubClient:
        return self.running.client


@asynccontextmanager
async def console_listening(console: ConsoleApi) -> AsyncIterator[str]:
    """Serve Statsig's Console API on loopback; yields its address."""

    async def take(request: web.Request) -> web.Response:
        asked = httpx.Request(
            request.method, str(request.url), headers=list(request.headers.items()),
            content=await request.read(),
        )  # fmt: skip
        answer = await console.take(asked)
        return web.Response(
            status=answer.status_code, body=answer.content, content_type="application/json"
        )

    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{path:.*}", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def configuration(receiver: Receiver, console: str, server: str = "") -> str:
    """Return the configuration of the whole hub."""
    destinations = vendors(receiver).replace(
        'settings.text = "{{profile.traits.email}}',
        'settings.text = "{{properties.x | nothing}} {{context.page.url | }} {{traits.email | }}'
        " {{profile.traits.email | nobody}}",
    )
    segments = f"""
[destinations.segments]
type = "statsig_segment"
settings.console_key = {{ env = "CONSOLE_KEY" }}
settings.api_url = "{console}"
[destinations.picky]
type = "webhook"
settings.url = "{receiver.address}/picky/{{{{userId | nobody}}}}"
settings.headers = {{ x-event = "{{{{event | none}}}}" }}
"""
    return 'audience_files = ["functions.py"]\n' + config_text(
        destinations + segments + ROUTES + AUDIENCES, server=server, sources=SOURCES
    )


def secrets(receiver: Receiver) -> Mapping[str, str]:
    """Return the environment of the configuration."""
    return {
        **environ(receiver),
        "CONSOLE_KEY": CONSOLE_KEY,
        "READ_KEY": READ_KEY,
        "READ_SIGNING_SECRET": SIGNING_SECRET,
    }


@asynccontextmanager
async def whole_hub(folder: Path, server: str = "") -> AsyncIterator[World]:
    """Run it; at the end it must not have complained of itself."""
    (folder / "functions.py").write_text(FUNCTIONS, "utf-8")
    console = ConsoleApi()
    async with receiving() as receiver, console_listening(console) as address:
        config = configuration(receiver, address, server)
        processes: dict[str, Any] = {"reads_apart": True, "workers": 1}  # as the daemon has them
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {**ENVIRON, **secrets(receiver)}.items():
                patch.setenv(name, value)  # the processes read the configuration themselves
            async with running_hub(folder, config, **processes) as running:
                yield World(running, receiver, console, folder)
