"""`junctor audiences sync`: a copy that drifted is seen, and mended when asked."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from tests.support.client import until
from tests.support.events import track
from tests.support.hub import WRITE_KEY, RunningHub, config_text, running_hub
from tests.unit.cli.conftest import Done, Junctor
from tests.unit.cli.test_operate import free_port

KEEPER = '''
"""A destination that keeps its copy in a file, which a test may change."""

import json
from collections.abc import AsyncIterable, Iterable, Sequence
from pathlib import Path

from junctor.sdk import (
    AudienceSync, Destination, Drift, Event, Manifest, ProfileView, RateLimited, Settings,
)


class KeeperSettings(Settings):
    """Where, and by which id."""

    place: str
    """The copy: ids by audience."""
    kind: str = "user_id"
    """Kind of identifier."""


class Keeper(Destination[KeeperSettings], AudienceSync):
    """Keeps ids in a file."""

    manifest = Manifest(
        type="keeper", title="Keeper", summary="Keeps ids in a file.", keeps_audiences=True
    )
    settings_model = KeeperSettings

    async def deliver(self, events: Sequence[Event]) -> None:
        return None

    def member_id(self, profile: ProfileView) -> str | None:
        if self.settings.kind == "group":
            return next(iter(profile.groups), None)
        return profile.identifier(self.settings.kind)

    async def compare(self, audience: str, expected: AsyncIterable[str] | Iterable[str]) -> Drift:
        assert isinstance(expected, AsyncIterable)
        wanted = {id async for id in expected}
        remote = set(self._copy().get(audience, []))
        if "broken" in remote:
            raise RateLimited("not now")
        return Drift(tuple(sorted(wanted - remote)), tuple(sorted(remote - wanted)), len(remote))

    async def repair(self, audience: str, drift: Drift) -> None:
        copy = self._copy()
        ids = set(copy.get(audience, [])) - set(drift.extra) | set(drift.missing)
        Path(self.settings.place).write_text(json.dumps({**copy, audience: sorted(ids)}))

    def _copy(self) -> dict[str, list[str]]:
        return json.loads(Path(self.settings.place).read_text())
'''
CONFIG = """
[destinations.copy]
type = "keeper"
settings.place = "copy.json"

[destinations.devices]
type = "keeper"
settings.place = "copy.json"
settings.kind = "anonymous_id"

[destinations.hook]
type = "webhook"
settings.url = "http://127.0.0.1:9/closed"

[audiences.viewers]
event = "Viewed"
send = ["copy", "devices"]

[audiences.buyers]
event = "Bought"
send = ["copy"]

[audiences.others]
event = "Other"
"""


def config_of(ports: tuple[int, int]) -> str:
    return 'plugins = ["keeper.py"]\n' + config_text(CONFIG, ports=ports)


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a hub that ran and has members."""
    folder = tmp_path_factory.mktemp("left")
    (folder / "keeper.py").write_text(KEEPER)
    (folder / "copy.json").write_text("{}")

    async def live() -> None:
        async with running_hub(folder, config_of((0, 0))) as running:
            await running.client.batch(
                [
                    track(event="Viewed", userId="ada", anonymousId="a-1"),
                    track(event="Viewed", userId="bob"),
                    track(event="Bought", userId="ada"),
                ],
                WRITE_KEY,
            )
            await until(lambda: entered(running))

    asyncio.run(live())
    (folder / "junctor.toml").write_text(config_of((free_port(), free_port())))
    return folder


@pytest.fixture
def sync(junctor: Junctor, tmp_path: Path, left: Path) -> Junctor:
    """Return a function that runs the command beside a hub that does not run."""
    shutil.copytree(left, tmp_path, dirs_exist_ok=True)
    return lambda *arguments: junctor("audiences", "sync", *arguments)


async def entered(running: RunningHub) -> bool:
    found = (await running.client.get("/api/audiences"))["audiences"]
    return [one["members"] for one in found] == [2, 1, 0]


def copy() -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads(Path("copy.json").read_text())
    return found


def test_a_difference_is_told_checked_and_mended(sync: Junctor) -> None:
    Path("copy.json").write_text('{"viewers": ["bob", "eve"]}')
    done = sync("copy")
    assert done.code == 0
    assert "viewers: missing ada" in done.out
    assert "viewers: extra eve" in done.out
    assert "buyers: missing ada" in done.out
    assert sync("copy", "--check").code == 1
    assert copy() == {"viewers": ["bob", "eve"]}, "it was only asked"
    done = sync("copy", "viewers", "--repair", "--json")
    assert done.json == {
        "destination": "copy",
        "audiences": [
            {"audience": "viewers", "remote": 2, "missing": ["ada"], "extra": ["eve"],
             "repaired": True}
        ],
    }  # fmt: skip
    assert copy() == {"viewers": ["ada", "bob"]}
    assert sync("copy", "viewers", "--check").code == 0
    assert sync("copy", "--check").code == 1
    assert "mended" in sync("copy", "--repair").out
    assert "equal" in sync("copy", "--check").out


def test_who_has_no_id_of_the_kind_is_not_expected(sync: Junctor) -> None:
    [found] = sync("devices", "--json").json["audiences"]
    assert (found["audience"], found["missing"]) == ("viewers", ["a-1"])


def test_an_audience_that_is_not_sent_there_may_be_named(sync: Junctor) -> None:
    [found] = sync("copy", "others", "--json").json["audiences"]
    assert (found["missing"], found["extra"]) == ([], [])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hook"], "the destination hook keeps no audiences"),
        (["cpoy"], 'there is no destination "cpoy"; did you mean "copy"?'),
        (["copy", "viewer"], 'there is no audience "viewer"; did you mean "viewers"?'),
    ],
)
def test_what_can_not_be_compared_is_said(
    sync: Junctor, arguments: list[str], message: str
) -> None:
    assert sync(*arguments) == Done(1, "", f"junctor: {message}\n")


def test_a_destination_that_does_not_answer_is_said(sync: Junctor) -> None:
    Path("copy.json").write_text('{"viewers": ["broken"]}')
    assert sync("copy") == Done(1, "", "junctor: copy: not now\n")
