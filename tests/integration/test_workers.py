"""Worker processes keep the promises of the hub: nothing is lost, and errors mean the same."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.client import basic
from tests.support.events import track
from tests.support.hub import (
    ENVIRON,
    WRITE_KEY,
    RunningHub,
    config_text,
    everything_to,
    load,
    running_hub,
    webhook,
)
from tests.support.receiver import Answer, Receiver, receiving

PLUGIN = '''
"""A destination of one's own, with errors of its own."""
from collections.abc import Sequence
from typing import ClassVar

from junctor.sdk import (
    DeliveryError, Destination, Disposition, Event, Manifest, RateLimited, Settings,
)


class QuotaUsedUp(RateLimited):
    code: ClassVar[str] = "quota_used_up"
    disposition: ClassVar[Disposition] = Disposition.DEAD_LETTER


class Odd(Destination[Settings]):
    """Fails as the event says."""

    manifest = Manifest(type="odd", title="Odd", summary="Fails as told.")
    settings_model = Settings

    async def deliver(self, events: Sequence[Event]) -> None:
        told = events[0].properties.get("fail")
        if told == "bug":
            raise KeyError("text of the event")
        if told == "quota":
            raise QuotaUsedUp("no more")
        if told == "die":
            import os
            os._exit(3)
'''

pytestmark = pytest.mark.skipif(not Path("/proc").exists(), reason="processes are found by /proc")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers read the secrets from the environment that they inherit."""
    for name, value in {**ENVIRON, "READ_KEY": "read-key"}.items():
        monkeypatch.setenv(name, value)


@asynccontextmanager
async def working(
    folder: Path, config: str, workers: int = 1, **options: Any
) -> AsyncIterator[RunningHub]:
    """Run a hub whose workers are all at work."""
    async with running_hub(folder, config, workers=workers, **options) as running:
        await at_work(running, workers)
        yield running


async def at_work(running: RunningHub, workers: int = 1) -> None:
    await until(lambda: running.hub._workers.running == workers)


async def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110  # of another process there is no event
            await asyncio.sleep(0.01)


def children() -> set[int]:
    """Return the workers that this process has started and that still run."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        for pid in map(int, (task / "children").read_text().split()):
            if b"junctor.host.work_process" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.add(pid)
    return found


def to_sink(receiver: Receiver, more: str = "") -> str:
    sink = webhook("sink", receiver.address + "/sink", batch=True)
    return config_text(sink + everything_to("sink"), server=more)


async def fresh(running: RunningHub, event: dict[str, Any], key: str = WRITE_KEY) -> int:
    """Send an event over a connection of its own."""
    async with httpx.AsyncClient(base_url=running.hub.ingest_address) as client:
        return (await client.post("/v1/track", json=event, headers=basic(key))).status_code


async def test_events_come_in_and_go_out_by_workers(tmp_path: Path) -> None:
    async with receiving() as receiver, working(tmp_path, to_sink(receiver), 2) as running:
        assert len(children()) == 2
        for n in range(40):
            assert await fresh(running, track(messageId=f"m-{n}")) == 200
        ledger = await running.client.settled()
        assert (ledger["sink"]["accepted"], ledger["sink"]["delivered"]) == (40, 40)
        status = await running.client.get("/api/status")
        assert status["workers"] == {"wanted": 2, "running": 2}
        await until_counted(running, 40)
    assert receiver.counts("/sink") == {f"m-{n}": 1 for n in range(40)}
    assert children() == set()


async def until_counted(running: RunningHub, requests: int) -> None:
    """Wait until the metrics know of so many requests that were answered 200."""
    name, labels = "junctor_requests_total", {"source": "web", "status": "200"}
    registry = running.hub.metrics.registry
    await until(lambda: registry.get_sample_value(name, labels) == requests)


async def test_what_the_hub_answers_itself_it_answers_over_a_workers_connection_too(
    tmp_path: Path,
) -> None:
    readers = '[readers.app]\nkey = { env = "READ_KEY" }\n[audiences.buyer]\nevent = "Bought"\n'
    config = config_text("", sources=readers)
    async with (
        working(tmp_path, config) as running,
        httpx.AsyncClient(base_url=running.hub.ingest_address) as client,
    ):
        event = track(event="Bought", userId="u")
        assert (await client.post("/v1/track", json=event, headers=basic(WRITE_KEY))).json() == {
            "success": True
        }
        assert (await client.get("/health/ready")).json() == {"status": "ready"}
        await running.client.stored()
        read = {"authorization": "Bearer read-key"}
        ids = {"ids": {"user_id": "u"}}
        async with asyncio.timeout(10):
            while True:
                answer = await client.post("/v1/decide", json=ids, headers=read)
                if answer.json()["audiences"].get("buyer"):
                    break
        stream = client.stream("GET", "/v1/stream?user_id=u", headers=read)
        async with stream as streaming, asyncio.timeout(10):
            assert streaming.headers["content-type"].startswith("text/event-stream")
            lines = streaming.aiter_lines()
            assert await anext(lines) is not None


async def test_a_worker_that_is_killed_costs_no_event(tmp_path: Path) -> None:
    async with receiving() as receiver, working(tmp_path, to_sink(receiver)) as running:
        answered: set[str] = set()

        async def send(n: int) -> None:
            try:
                if await fresh(running, track(messageId=f"m-{n}")) == 200:
                    answered.add(f"m-{n}")
            except httpx.HTTPError:
                pass  # who got no answer sends again

        killed: set[int] = set()
        for n in range(150):
            if n % 50 == 25:
                await at_work(running)
                for pid in children():
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)
            await send(n)
        assert len(killed) == 3
        assert len(answered) > 100
        await at_work(running)
        await running.client.settled(40)
    assert answered <= receiver.counts("/sink").keys()


async def test_a_worker_that_hangs_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiving() as receiver, working(tmp_path, to_sink(receiver)) as running:
        monkeypatch.setattr("junctor.host.workers.PULSE_SECONDS", 0.05)
        [pid] = children()
        os.kill(pid, signal.SIGSTOP)
        await until(lambda: pid not in children())
        await at_work(running)
        assert await fresh(running, track(messageId="m-1")) == 200
        await running.client.settled()
    assert receiver.counts("/sink") == {"m-1": 1}


async def test_the_hub_does_the_work_itself_until_a_worker_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("junctor.host.workers._MODULE", "junctor.no_such_module")
    config = config_text("")
    async with running_hub(tmp_path, config, workers=1) as running:
        assert await fresh(running, track(messageId="m-1")) == 200
        assert running.hub._workers.running == 0


async def test_a_new_configuration_reaches_the_workers(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(WRITE_KEY)
    in_file = ('{ env = "WEB_WRITE_KEY" }', '{ file = "key" }')
    async with receiving() as receiver:
        config = to_sink(receiver).replace(*in_file)
        async with working(tmp_path, config) as running:
            assert await fresh(running, track(messageId="m-1")) == 200
            await running.client.settled()
            key.write_text("new-key")
            await running.hub.reload(load(tmp_path, config.replace("/sink", "/other")))
            await at_work(running)
            assert await fresh(running, track(messageId="m-2")) == 401
            assert await fresh(running, track(messageId="m-2"), "new-key") == 200
            await running.client.settled()
    assert receiver.counts("/sink") == {"m-1": 1}
    assert receiver.counts("/other") == {"m-2": 1}


async def test_errors_of_connectors_have_the_same_fate_as_in_the_hub_itself(
    tmp_path: Path,
) -> None:
    (tmp_path / "odd.py").write_text(PLUGIN)
    odd = '[destinations.odd]\ntype = "odd"\ndelivery = { retry = { initial = "10ms" } }\n'
    config = 'plugins = ["odd.py"]\n' + config_text(odd + everything_to("odd"))
    async with working(tmp_path, config) as running:
        for fail in ("quota", "bug", "none"):
            event = track(messageId=fail, userId=fail, properties={"fail": fail})
            assert await fresh(running, event) == 200
        ledger = await running.client.settled()
        assert {k: ledger["odd"][k] for k in ("delivered", "dead")} == {"delivered": 1, "dead": 2}
        letters = (await running.client.get("/api/dead-letters"))["dead_letters"]
        assert {letter["code"]: letter["message"] for letter in letters} == {
            "quota_used_up": "no more",
            "connector_bug": "KeyError in the connector",
        }
        [said] = [entry for entry in running.log.entries if entry["event"] == "connector bug"]
        assert "odd.py" in said["place"]
        running.log.entries.remove(said)


async def test_a_connector_that_takes_its_process_with_it_harms_no_other_for_long(
    tmp_path: Path,
) -> None:
    (tmp_path / "odd.py").write_text(PLUGIN)
    odd = '[destinations.odd]\ntype = "odd"\ndelivery = { retry = { give_up_after = "1ms" } }\n'
    async with receiving() as receiver:
        sink = webhook("sink", receiver.address + "/sink")
        config = 'plugins = ["odd.py"]\n' + config_text(odd + sink + everything_to("odd", "sink"))
        async with working(tmp_path, config) as running:
            die = track(messageId="die", userId="a", properties={"fail": "die"})
            with suppress(httpx.HTTPError):  # it may end before it has answered
                await fresh(running, die)
            await until(lambda: running.hub._workers.running == 0)
            await at_work(running)
            assert await fresh(running, track(messageId="m-2", userId="b")) == 200
            ledger = await running.client.settled(40)
            assert (ledger["odd"]["dead"], ledger["sink"]["delivered"]) == (1, 2)
    assert receiver.counts("/sink").keys() == {"die", "m-2"}


async def test_a_refused_key_pauses_the_destination_as_in_the_hub_itself(tmp_path: Path) -> None:
    async with receiving() as receiver:
        receiver.always("/sink", Answer(401))
        async with working(tmp_path, to_sink(receiver)) as running:
            assert await fresh(running, track(messageId="m-1")) == 200
            async with asyncio.timeout(10):
                while True:
                    status = await running.client.get("/api/status")
                    if status["destinations"]["sink"]["state"] == "paused":
                        break
            assert status["destinations"]["sink"]["paused_by"] == "error"


FRAGILE = '''
"""A destination whose first start ends the process."""
from collections.abc import Sequence
from pathlib import Path
import os

from junctor.sdk import Destination, Event, Manifest, Settings

STARTED = Path(__file__).with_suffix(".started")


class Fragile(Destination[Settings]):
    """Ends its process once."""

    manifest = Manifest(type="fragile", title="Fragile", summary="Ends its process once.")
    settings_model = Settings

    async def start(self) -> None:
        if not STARTED.exists():
            STARTED.touch()
            os._exit(3)

    async def deliver(self, events: Sequence[Event]) -> None:
        pass
'''


async def test_a_worker_that_ends_while_a_destination_starts_pauses_nobody(tmp_path: Path) -> None:
    (tmp_path / "fragile.py").write_text(FRAGILE)
    section = '[destinations.fragile]\ntype = "fragile"\n' + everything_to("fragile")
    config = 'plugins = ["fragile.py"]\n' + config_text(section)
    async with working(tmp_path, config) as running:
        (tmp_path / "fragile.started").unlink()
        await running.hub.reload(load(tmp_path, config))
        assert (tmp_path / "fragile.started").exists()
        await at_work(running)
        assert await fresh(running, track()) == 200
        ledger = await running.client.settled()
        assert ledger["fragile"]["delivered"] == 1


async def test_a_reload_does_not_wait_for_a_worker_that_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fold stands still meanwhile, and the next worker may be long in coming."""
    monkeypatch.setattr("junctor.host.child._FIRST_WAIT", 10.0)
    async with receiving() as receiver, working(tmp_path, to_sink(receiver)) as running:
        os.kill(children().pop(), signal.SIGKILL)
        await until(lambda: running.hub._workers.running == 0)
        async with asyncio.timeout(5):
            await running.hub.reload(load(tmp_path, to_sink(receiver)))
        assert running.hub._workers.running == 0, "it was too quick to show anything"
        await running.client.batch([track(messageId="m-1")], WRITE_KEY)
        await until(lambda: running.hub._folding.position == 1)
        await at_work(running)
        assert (await running.client.settled())["sink"]["delivered"] == 1
