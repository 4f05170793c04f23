"""Code of the user's that never ends, raises or is wrong costs its own results, and no event."""

from pathlib import Path

import aiohttp
import pytest

from tests.support.client import until
from tests.support.daemon import Daemon, free_port
from tests.support.events import track
from tests.support.hub import WRITE_KEY, config_text, everything_to, webhook
from tests.support.receiver import receiving

pytestmark = pytest.mark.slow

FUNCTIONS = """
import time
from junctor.audience import signal

@signal("loops")
def loops(user, ev, *, reads=("Tested",), within="1h"):
    while ev.properties["n"] % 2:
        try:
            time.sleep(0.001)
        except Exception:
            pass

@signal("raises")
def raises(user, ev, *, reads=("Tested",), within="1h"):
    raise ValueError(ev.properties)

@signal("returns")
def returns(user, ev, *, reads=("Tested",), within="1h"):
    return [None, 7, "x", object(), {"x": {1, 2}}, {object(): 1}][ev.properties["n"] % 6]

@signal("changes")
def changes(user, ev, *, reads=("Tested",), within="1h"):
    ev.properties["n"] = "another"
    user.traits.clear()
    return True
"""


@pytest.mark.case(18)
async def test_functions_that_loop_raise_and_meddle_hold_up_nobody(tmp_path: Path) -> None:
    (tmp_path / "functions.py").write_text(FUNCTIONS)
    async with receiving() as receiver, aiohttp.ClientSession() as session:
        sink = webhook("sink", receiver.address + "/sink", batch=True)
        config = 'audience_files = ["functions.py"]\n' + config_text(
            sink + everything_to("sink"), ports=(free_port(), free_port())
        )
        daemon = Daemon(tmp_path, config, session)
        try:
            client = await daemon.start()
            calls = [track(properties={"n": n}) for n in range(30)]
            assert (await client.batch(calls, WRITE_KEY)).status == 200
            await client.settled(30)
            counts = receiver.counts("/sink")
            assert [counts[call["messageId"]] for call in calls] == [1] * len(calls)
            sent = {
                event["messageId"]: event
                for request in receiver.at("/sink")
                for event in request.events
            }
            assert [sent[call["messageId"]]["properties"] for call in calls] == [
                call["properties"] for call in calls
            ]
            assert sum(event["event"] == "signal:changes" for event in sent.values()) == 30
            failing = (await client.get("/api/status"))["audiences"]["failing"]
            assert failing.keys() == {"loops", "raises", "returns"}
            assert failing["loops"]["failures"] == 3
            assert "not called any more" in failing["loops"]["failure"]
            assert failing["raises"]["failures"] >= len(calls)
            assert (await client.get("/health/ready"))["status"] == "ready"
        finally:
            await daemon.close()


BUILD = """
from collections.abc import Sequence
from junctor.sdk import Event, HttpDestination, Manifest, Request, Settings


class OursSettings(Settings):
    url: str


class Ours(HttpDestination[OursSettings]):
    manifest = Manifest(type="ours", title="Ours", summary="Ours.", max_batch=50)
    settings_model = OursSettings

    def build(self, events: Sequence[Event]) -> Request:
        return Request.json("POST", self.settings.url, [CHANGED(event) for event in events])
"""
WRONG = BUILD.replace("CHANGED(event)", '{**event.body, "price": event.properties["price"] + 1}')
RIGHT = BUILD.replace("CHANGED(event)", "event.body")


@pytest.mark.case(20)
@pytest.mark.timeout(180)
async def test_what_a_connector_s_bug_kept_back_is_whole_and_goes_out_after_the_mend(
    tmp_path: Path,
) -> None:
    plugin = tmp_path / "ours.py"
    plugin.write_text(WRONG)
    async with receiving() as receiver, aiohttp.ClientSession() as session:
        config = 'plugins = ["ours.py"]\n' + config_text(
            '[destinations.ours]\ntype = "ours"\n'
            f'settings.url = "{receiver.address}/ours"\n'
            'delivery.retry = { initial = "50ms", max = "100ms" }\n' + everything_to("ours"),
            ports=(free_port(), free_port()),
        )
        daemon = Daemon(tmp_path, config, session)
        try:
            client = await daemon.start()
            good = [track(userId=f"u-{n}", properties={"price": n}) for n in range(10)]
            bad = track(userId="u-bad", properties={"price": "much", "big": 2**63 + 1})
            await client.batch([*good[:5], bad, *good[5:]], WRITE_KEY)
            await client.settled(60)
            (letter,) = (await client.get("/api/dead-letters"))["dead_letters"]
            assert (letter["code"], letter["message_id"]) == ("connector_bug", bad["messageId"])
            kept = (await client.get(f"/api/dead-letters/{letter['id']}"))["event"]
            assert kept["properties"] == bad["properties"]
            assert {call["messageId"] for call in good} == receiver.counts("/ours").keys()

            plugin.write_text(RIGHT)
            await daemon.terminate()
            client = await daemon.start()
            async with session.post(
                client.admin + "/api/dead-letters/replay", json={"destination": "ours"}
            ) as answer:
                assert await answer.json() == {"replayed": 1}

            async def delivered() -> bool:
                return receiver.counts("/ours")[bad["messageId"]] == 1

            await until(delivered)
            ledger = await client.settled()
            assert ledger["ours"]["delivered"] == 11
            assert (await client.get("/api/dead-letters"))["dead_letters"] == []
        finally:
            await daemon.close()
