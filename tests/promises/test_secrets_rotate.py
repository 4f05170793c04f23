"""A secret that is changed while events wait: the new one is used from the next send on."""

import signal
from pathlib import Path

import aiohttp
import orjson
import pytest

from junctor.testkit import Answer, Received
from junctor_connectors.webhook.signing import keys_of, standard_signature
from tests.support.client import HubClient, until
from tests.support.daemon import Daemon, free_port
from tests.support.events import track
from tests.support.hub import WRITE_KEY, config_text, everything_to
from tests.support.receiver import Receiver, receiving

OLD, NEW = ("old-token", "old-signing-secret!"), ("new-token", "new-signing-secret!")
EVENTS = 20
UNAVAILABLE = 3
"""Calls with the old secret that fail for now, so that groups are parked, before it is refused."""


def config(vendor: str, kind: str, workers: int) -> str:
    destination = f"""
[destinations.crm]
type = "webhook"
settings.url = "{vendor}/crm"
settings.headers.authorization = {{ {kind} = "CRM_TOKEN" }}
settings.signing_secret = {{ {kind} = "CRM_SIGNING" }}
delivery = {{ retry = {{ initial = "50ms", max = "50ms" }}, concurrency = 2, pause_probe = "1h" }}
[runtime]
workers = {workers}
"""
    text = destination + everything_to("crm")
    return config_text(text, ports=(free_port(), free_port()))


class Vendor:
    """Knows the new secret only; before it says so it is not there for a while."""

    def __init__(self) -> None:
        self.refused = 0

    def judge(self, request: Received) -> Answer:
        if is_proven(request, NEW):
            return Answer(200)
        assert is_proven(request, OLD), "one of both, wholly"
        self.refused += 1
        return Answer(503 if self.refused <= UNAVAILABLE else 401)


def is_proven(request: Received, secrets: tuple[str, str]) -> bool:
    """Whether a request shows these secrets, by its header and by its signature."""
    headers = request.headers
    id, timestamp = headers["webhook-id"], int(headers["webhook-timestamp"])
    signature = standard_signature(keys_of(secrets[1]), id, timestamp, request.body)
    return (headers["authorization"], headers["webhook-signature"]) == (secrets[0], signature)


def set_secrets(folder: Path, secrets: tuple[str, str]) -> dict[str, str]:
    """Write the files that hold the secrets; return the variables that do."""
    values = dict(zip(("CRM_TOKEN", "CRM_SIGNING"), secrets, strict=True))
    for name, value in values.items():
        (folder / name).write_text(value + "\n")
    return values


async def refused(client: HubClient) -> bool:
    status = (await client.get("/api/status"))["destinations"]["crm"]
    return bool(status["paused_by"] == "error" and status["parked"])


async def delivered_once(receiver: Receiver, client: HubClient, ids: list[str]) -> None:
    ledger = (await client.settled())["crm"]
    assert (ledger["delivered"], ledger["dead"], ledger["filtered"]) == (EVENTS, 0, 0)
    assert dict(receiver.counts("/crm")) == dict.fromkeys(ids, 1)
    assert receiver.sends("/crm").total() > EVENTS, "some were tried with the old secret"


@pytest.mark.case(42, 31, 41)
@pytest.mark.parametrize("workers", [0, 1])
async def test_a_secret_of_a_file_is_used_after_a_reload_also_by_what_was_parked(
    tmp_path: Path, workers: int
) -> None:
    vendor = Vendor()
    set_secrets(tmp_path, OLD)
    async with receiving() as receiver, aiohttp.ClientSession() as session:
        receiver.judge("/crm", vendor.judge)
        daemon = Daemon(tmp_path, config(receiver.address, "file", workers), session)
        try:
            client = await daemon.start()
            ids = await send(client)
            await until(lambda: refused(client))
            set_secrets(tmp_path, NEW)
            before = len(receiver.requests)
            daemon.send_signal(signal.SIGHUP)
            await delivered_once(receiver, client, ids)
            late = receiver.requests[before:]
            assert late
            assert all(is_proven(request, NEW) for request in late)
        finally:
            await daemon.close()
    said = "".join(daemon.log)
    assert [line for line in daemon.log if '"destination paused"' in line]
    assert not [secret for secret in (*OLD, *NEW) if secret in said]


@pytest.mark.case(42, 31)
async def test_a_secret_of_the_environment_is_used_after_a_restart_also_by_what_was_parked(
    tmp_path: Path,
) -> None:
    vendor = Vendor()
    async with receiving() as receiver, aiohttp.ClientSession() as session:
        receiver.judge("/crm", vendor.judge)
        text = config(receiver.address, "env", 0)
        first = Daemon(tmp_path, text, session, set_secrets(tmp_path, OLD))
        second = Daemon(tmp_path, text, session, set_secrets(tmp_path, NEW))
        try:
            client = await first.start()
            ids = await send(client)
            await until(lambda: refused(client))
            await first.kill()
            before = len(receiver.requests)
            client = await second.start()
            await delivered_once(receiver, client, ids)
            assert all(is_proven(request, NEW) for request in receiver.requests[before:])
        finally:
            await first.close()
            await second.close()


async def send(client: HubClient) -> list[str]:
    events = [track(userId=f"u-{n % 7}") for n in range(EVENTS)]
    reply = await client.batch(events, WRITE_KEY)
    assert (reply.status, orjson.loads(reply.body)["success"]) == (200, True)
    return [event["messageId"] for event in events]
