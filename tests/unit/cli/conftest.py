"""Running commands in this process, with a hub of their own behind them."""

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from junctor.cli.main import main
from tests.support.client import until
from tests.support.events import track
from tests.support.hub import ENVIRON, RunningHub, config_text, running_hub, webhook

ROUTES = """
[routes.all]
to = ["refusing", "sink"]
when = 'type = "track"'
[routes.aliases]
to = ["idle"]
when = 'type = "alias"'
"""
CLOSED = "http://127.0.0.1:9/closed"


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return orjson.loads(self.out)


Junctor = Callable[..., Done]


@pytest.fixture
def junctor(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Junctor:
    """Return a function that runs the command `junctor` in an empty folder."""
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["junctor", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
        return Done(code, *capsys.readouterr())

    return run


@dataclass
class Daemon:
    """A hub on a loop in another thread; `config` is a file by which commands find it."""

    config: Path
    hub: RunningHub
    loop: asyncio.AbstractEventLoop = field(repr=False)

    def do(self, work: Awaitable[Any]) -> Any:
        """Await something on the hub's loop."""

        async def done() -> Any:
            return await work

        return asyncio.run_coroutine_threadsafe(done(), self.loop).result(20)


def config_of(ports: tuple[int, int] = (0, 0)) -> str:
    """Return the configuration of the hub that the commands speak to."""
    destinations = "".join(
        webhook(id, CLOSED, delivery='retry = { initial = "1h", max = "1h" }')
        for id in ("sink", "idle")
    )
    refusing = '[destinations.refusing]\ntype = "refusing"\n'
    return 'plugins = ["refusing.py"]\n' + config_text(
        destinations + refusing + ROUTES, ports=ports
    )


def write_config(folder: Path, ports: tuple[int, int] = (0, 0)) -> Path:
    """Write the configuration and its plug-in into `folder`."""
    (folder / "refusing.py").write_text(REFUSING)
    path = folder / "junctor.toml"
    path.write_text(config_of(ports))
    return path


REFUSING = '''
from collections.abc import Sequence

from junctor.sdk import Destination, Event, InvalidPayload, Manifest, Settings


class Refusing(Destination[Settings]):
    """Takes nothing."""

    manifest = Manifest(type="refusing", title="Refusing", summary="Takes nothing.")
    settings_model = Settings

    async def check(self) -> None:
        raise InvalidPayload("as always")

    async def deliver(self, events: Sequence[Event]) -> None:
        raise InvalidPayload("never")
'''


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Run a hub with three dead letters, three parked events and a rejected item."""
    folder = tmp_path_factory.mktemp("daemon")
    write_config(folder)
    started: list[Daemon] = []
    ready, stop = threading.Event(), threading.Event()

    async def live() -> None:
        try:
            async with running_hub(folder, config_of()) as running:
                await fill(running)
                port = int(running.client.admin.rpartition(":")[2])
                path = folder / "commands.toml"
                path.write_text(config_of((0, port)))
                started.append(Daemon(path, running, asyncio.get_running_loop()))
                ready.set()
                await asyncio.to_thread(stop.wait)
        finally:
            ready.set()

    thread = threading.Thread(target=lambda: asyncio.run(live()))
    thread.start()
    ready.wait(20)
    try:
        yield started[0]
    finally:
        stop.set()
        thread.join(20)


async def fill(running: RunningHub) -> None:
    events: list[Mapping[str, Any]] = [
        track(messageId=f"m-{n}", userId="a b/c", context={"traits": {"plan": "\x1b[31mred"}})
        for n in range(3)
    ]
    await running.client.batch([*events, {"type": "nothing"}], ENVIRON["WEB_WRITE_KEY"])

    async def dead() -> bool:
        return bool((await running.client.ledger())["refusing"]["dead"] == 3)

    await until(dead)
