"""No secret of a configuration is told: not in logs, answers, the store, commands or a crash.

Every setting that is a secret holds a canary. A vendor repeats in its answers whatever it was
sent, a plug-in puts its secret into every error it raises, and all that can be read is searched.
"""

import asyncio
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from queue import Queue
from signal import SIGHUP
from threading import Thread
from urllib.parse import quote

import aiohttp
import orjson
import pytest
import pytest_asyncio
from aiohttp import web

from junctor.api.openapi import openapi
from junctor.cli.main import main
from junctor.config.load import load_config
from junctor.config.model import Config
from junctor.host.mask import secrets_in
from junctor.host.registry import Registry
from junctor.testkit.declared import fields, is_secret
from tests.support.canaries import (
    CANARIES,
    addressed,
    config_text,
    plant,
    spellings,
    told,
    variable,
)
from tests.support.client import HubClient, basic, until
from tests.support.daemon import Daemon, free_port
from tests.support.events import track

pytestmark = [pytest.mark.case(42)]

BEARER = {"authorization": f"Bearer {CANARIES['admin.token']}"}
STATUSES = (500, 400, 200, 403)
"""What the vendor answers, one after another, the last one for ever."""


@dataclass
class Evidence:
    """What could be read while the hub ran, by where it stood; `folder` is where it ran."""

    folder: Path
    vendor: str
    texts: dict[str, bytes] = field(default_factory=dict)


# -- a vendor that repeats what it is sent --------------------------------------------------------


async def telltale(tell_address: Callable[[str], None], ended: asyncio.Event) -> None:
    """Run it until `ended` is set."""
    asked: Counter[str] = Counter()

    async def tell(request: web.Request) -> web.Response:
        whose = request.path.split("/")[1]
        number = asked[whose]
        asked[whose] += 1
        sent = [value for value in request.headers.values() if told(value.encode())]
        (secret,) = sent[:1] or [request.path_qs]
        said = {
            500: f"no: {secret}",
            400: f'{{"no":"{quote(secret, safe="")}"}}',
            403: f"<b>{escape(secret)}</b>",
        }
        status = STATUSES[min(number, len(STATUSES) - 1)]
        return web.Response(status=status, text=said.get(status, "ok"))

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", tell)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    tell_address(f"http://127.0.0.1:{runner.addresses[0][1]}")
    await ended.wait()
    await runner.cleanup()


@pytest.fixture(scope="module")
def vendor() -> Iterator[str]:
    """The address of the vendor, who has a thread of its own: commands run on the main one."""
    address: Queue[str] = Queue()
    loop, ended = asyncio.new_event_loop(), asyncio.Event()
    thread = Thread(target=lambda: loop.run_until_complete(telltale(address.put, ended)))
    thread.start()
    yield address.get(timeout=10)
    loop.call_soon_threadsafe(ended.set)
    thread.join()
    loop.close()


# -- a hub that is in trouble everywhere ---------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def evidence(
    tmp_path_factory: pytest.TempPathFactory, vendor: str
) -> AsyncIterator[Evidence]:
    """Run a daemon with everything configured, let all of it fail, and read all that can be."""
    folder = tmp_path_factory.mktemp("secrets")
    async with aiohttp.ClientSession() as session:
        found = Evidence(folder, vendor)
        environ = plant(folder, addressed(vendor))
        config = config_text(vendor, (free_port(), free_port()))
        daemon = Daemon(folder, config, session, environ)
        client = await daemon.start()
        try:
            watching = asyncio.create_task(watch(client, found))
            await send(client, found)
            await until(lambda: all_failed(client))
            await read_admin(client, found)
            read_processes(daemon, found)
            watching.cancel()
            (folder / "junctor.toml").write_text(config.replace('"never"', '"started"'))
            daemon.send_signal(SIGHUP)
            await until(lambda: paused_at_start(client))
            await read_admin(client, found, "after a reload: ")
            read_store(found)
            (folder / "junctor.toml").write_text(config.replace('"never"', '"made"'))
            daemon.send_signal(SIGHUP)
            await until(lambda: logged(daemon, "not reloaded"))
        finally:
            await daemon.terminate()
        found.texts["the log"] = "".join(daemon.log).encode()
        (folder / "junctor.toml").write_text(config)
        yield found


def read_processes(daemon: Daemon, found: Evidence) -> None:
    children = daemon.children()
    assert len(children) >= 2, "a worker, and the process of reads"
    for pid in (daemon.pid, *children):
        found.texts[f"command line of {pid}"] = Path(f"/proc/{pid}/cmdline").read_bytes()


def read_store(found: Evidence) -> None:
    for file in (found.folder / "data").iterdir():
        if file.is_file():
            found.texts[f"the store's {file.name}"] = file.read_bytes()


async def send(client: HubClient, found: Evidence) -> None:
    """Send events in every way, with right and wrong proofs, and keep the answers."""
    key = CANARIES["source segment.write_key"]
    events = [track(userId=f"u-{n}", writeKey=key, event=name)
              for n, name in enumerate(("Bug", "Order", "Order", "Order", "Bug"))]  # fmt: skip
    events += [{"type": "nothing", "writeKey": key}, {"writeKey": key}]
    body = orjson.dumps({"batch": events, "writeKey": key, "sentAt": "2026-01-01T00:00:00Z"})
    one = orjson.dumps({"event": "Nobody's", "writeKey": key})
    wrong = quote(key, safe="")
    replies = [
        await client.ask("POST", "/v1/batch", body, basic(key)),
        await client.ask("POST", "/v1/track", one, basic(key)),
        await client.ask("POST", "/v1/batch", body, basic(key[:-1])),
        await client.ask("GET", f"/v1/pixel/track?writeKey={wrong}&data=nonsense"),
        await client.ask("GET", f"/v1/pixel/none?writeKey={wrong}&userId=u"),
        await client.ask("POST", f"/hooks/cloud/{CANARIES['source segment_webhook.token']}", one),
        await client.ask("POST", f"/hooks/hook/{CANARIES['source webhook.token']}", b"{"),
        await client.ask("POST", f"/hooks/cloud/{CANARIES['source webhook.token']}", one),
        await client.ask("POST", "/v1/decide", b"{", {"authorization": "Bearer no"}),
    ]
    assert replies[0].status == 200
    assert [reply.status for reply in replies[1:]] == [400, 401, 200, 200, 401, 401, 401, 401]
    for number, reply in enumerate(replies):
        found.texts[f"answer {number}"] = repr(reply).encode()


async def ask_admin(client: HubClient, path: str) -> bytes:
    async with client.session.get(client.admin + path, headers=BEARER) as response:
        head = f"{response.status} {dict(response.headers)}\n".encode()
        return head + await response.read()


async def admin_json(client: HubClient, path: str) -> dict[str, object]:
    parsed: dict[str, object] = orjson.loads((await ask_admin(client, path)).partition(b"\n")[2])
    return parsed


async def watch(client: HubClient, found: Evidence) -> None:
    """Read the stream as long as this task runs."""
    url = client.admin + "/api/stream"
    async with client.session.get(url, headers=BEARER) as response:
        async for chunk in response.content.iter_any():
            found.texts["/api/stream"] = found.texts.get("/api/stream", b"") + chunk


async def all_failed(client: HubClient) -> bool:
    """Whether every destination has told of a trouble, and events are dead everywhere."""
    status = orjson.dumps(await admin_json(client, "/api/status"))
    here = orjson.loads(status)["destinations"]
    refused = [id for id, one in here.items() if one["paused_by"] == "error"]
    dead = (await admin_json(client, "/api/ledger"))["destinations"]
    assert isinstance(dead, dict)
    return set(refused) >= {"channel", "app", "statsig", "segments", "crm"} and all(
        dead[id]["dead"] for id in ("channel", "app", "statsig", "crm", "leaky")
    )


async def paused_at_start(client: HubClient) -> bool:
    status = orjson.dumps(await admin_json(client, "/api/status"))
    return bool(orjson.loads(status)["destinations"]["leaky"]["paused_by"] == "start")


async def logged(daemon: Daemon, text: str) -> bool:
    return any(text in line for line in daemon.log)


async def read_admin(client: HubClient, found: Evidence, when: str = "") -> None:
    """Ask for everything that the document says can be read."""
    letters = await admin_json(client, "/api/dead-letters?limit=1000")
    listed = letters["dead_letters"]
    assert isinstance(listed, list)
    chosen = {
        "message_id": [quote(letter["message_id"], safe="") for letter in listed],
        "id": [str(letter["id"]) for letter in listed],
        "kind": ["user_id"], "value": ["u-1"], "name": ["buyers"],
    }  # fmt: skip
    asked = 0
    for path, item in openapi()["paths"].items():
        if "get" not in item or path == "/api/stream":
            continue
        if not any("admin" in server["description"] for server in item["servers"]):
            continue
        names = re.findall(r"\{(\w+)\}", path)
        for number in range(max((len(chosen[name]) for name in names), default=1)):
            url = path
            for name in names:
                values = chosen[name]
                url = url.replace(f"{{{name}}}", values[min(number, len(values) - 1)])
            answer = await ask_admin(client, url)
            assert answer.startswith((b"200 ", b"404 ")), (url, answer)
            found.texts[f"{when}GET {url}"] = answer
            asked += answer.startswith(b"200 ")
    assert asked > 20


# -- what is promised ----------------------------------------------------------------------------


def test_every_setting_that_is_a_secret_has_a_canary(tmp_path: Path) -> None:
    """A new secret setting fails here, until it is planted and so searched for everywhere."""
    known = {
        f"{offer.kind} {offer.type}.{path}"
        for offer in Registry.discover().offers
        if offer.is_built_in
        for path, declared in fields(offer.load().settings_model)
        if is_secret(declared)
    }
    known |= {path for path, declared in fields(Config) if is_secret(declared)}
    assert known == CANARIES.keys() - {"destination leaky.key"}
    environ = plant(tmp_path, addressed("http://127.0.0.1:9"))
    (tmp_path / "junctor.toml").write_text(config_text("http://127.0.0.1:9", (0, 1)))
    loaded = load_config(tmp_path / "junctor.toml", Registry.discover(), environ)
    settings = [one.settings for one in loaded.sources.values()]
    settings += [one.settings for one in loaded.destinations.values()]
    set_to = {text for one in (*settings, loaded.config) for text in secrets_in(one)}
    for setting, canary in CANARIES.items():
        assert any(canary in text for text in set_to), setting


def test_the_search_finds_every_spelling_of_every_secret() -> None:
    for setting, secret in CANARIES.items():
        for written in spellings(secret):
            assert told(b"x" + written + b"y") == {setting}
        assert told(secret[:-3].encode()) == {setting}
    assert told(b"nothing") == set()


def test_a_hub_in_trouble_tells_no_secret(evidence: Evidence) -> None:
    leaks = {where: told(text) for where, text in evidence.texts.items() if told(text)}
    assert not leaks, {where: (who, evidence.texts[where][:2000]) for where, who in leaks.items()}
    assert b"***" in evidence.texts["GET /api/dead-letters"], "vendors have repeated them"
    assert b"***" in evidence.texts["GET /api/status"]
    assert b"***" in evidence.texts["the store's junctor.db-wal"]
    assert b"Task exception was never retrieved" in evidence.texts["the log"]
    assert b"***" in evidence.texts["after a reload: GET /api/status"]
    assert b"delivery" in evidence.texts["/api/stream"]


COMMANDS = [
    ("check",), ("check", "--json"), ("check", "--online"), ("check", "--online", "--json"),
    ("explain", "event.json"), ("explain", "event.json", "--json"),
    ("connectors",), ("connectors", "--json"), ("connectors", "leaky"), ("connectors", "webhook"),
    ("connectors", "slack", "--json"), ("status",), ("status", "--json"), ("ledger", "--json"),
    ("dead-letters", "list"), ("dead-letters", "list", "--json"), ("dead-letters", "show", "1"),
    ("rejections",), ("rejections", "--json"), ("profile", "user_id", "u-1"),
    ("profile", "user_id", "u-1", "--json"), ("audiences", "list"),
    ("audiences", "members", "buyers"), ("pause", "crm"),
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_tells_a_secret(
    evidence: Evidence,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
) -> None:
    for name, value in plant(evidence.folder, addressed(evidence.vendor)).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(evidence.folder)
    Path("event.json").write_bytes(orjson.dumps(track(userId="u-1", event="Order")))
    monkeypatch.setattr(sys, "argv", ["junctor", *command])
    with pytest.raises(SystemExit):
        main()
    said = "".join(capsys.readouterr())
    assert said
    assert not told(said.encode()), said
    if command[0] == "explain":
        assert said.count("***") >= 5, "requests are shown, without their secrets"


@pytest.mark.parametrize("written", ["as a reference", "in the file", "below a wrong name"])
@pytest.mark.parametrize("wrong", ["whsec_!{}\u00e9 {}", "http://[{}", "{}\nx", "{}"])
def test_wrong_secrets_are_not_told_by_what_is_wrong_with_them(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    wrong: str,
    written: str,
) -> None:
    values = {setting: wrong.format(secret, secret) for setting, secret in CANARIES.items()}
    for name, value in plant(tmp_path, values).items():
        monkeypatch.setenv(name, value)
    text = config_text("http://127.0.0.1:9", (0, 1))
    if written == "in the file":
        named = {variable(setting): value for setting, value in values.items()}
        by_reference = re.compile(r'\{ (?:env|file) = "(CANARY_\w+)" \}')
        text = by_reference.sub(lambda found: orjson.dumps(named[found[1]]).decode(), text)
    elif written == "below a wrong name":
        text = text.replace("settings.", "settings.my_")
    (tmp_path / "junctor.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    for options in ((), ("--json",)):
        monkeypatch.setattr(sys, "argv", ["junctor", "check", *options])
        with pytest.raises(SystemExit) as ended:
            main()
        said = "".join(capsys.readouterr())
        assert ended.value.code == 1
        assert said.count("destinations.") >= 1
        assert not told(said.encode()), said


def test_a_hub_that_crashes_at_its_start_tells_no_secret(tmp_path: Path) -> None:
    vendor = "http://127.0.0.1:9"
    environ = plant(tmp_path, addressed(vendor))
    text = config_text(vendor, (0, free_port()), leaky="made")
    (tmp_path / "junctor.toml").write_text(text)
    ended = subprocess.run(
        [sys.executable, "-X", "dev", "-m", "junctor.cli.main", "run"],
        cwd=tmp_path, env={**os.environ, **environ, "PYTHONASYNCIODEBUG": "1"},
        capture_output=True, timeout=30, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert b"junctor: RuntimeError in junctor or a plug-in, at " in ended.stderr
    assert b"leaky.py:" in ended.stderr
    assert not told(ended.stdout + ended.stderr), ended.stderr
