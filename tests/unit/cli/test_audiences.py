"""`junctor audiences`, against a running daemon and against the store alone."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from junctor.cli.access import Daemon as Client
from junctor.cli.audience_access import DaemonAudiences
from junctor.cli.operate import _audience_lines
from tests.support.client import until
from tests.support.events import track
from tests.support.hub import WRITE_KEY, RunningHub, config_text, running_hub
from tests.unit.cli.conftest import Daemon, Done, Junctor
from tests.unit.cli.test_operate import free_port

AUDIENCES = """
[signals.again]
event = "Viewed"
count = ">=3"
within = "1h"

[scores.interest]
rules = [ { add = 2, event = "Viewed" } ]

[audiences.viewers]
about = "Looks around"
all = [ { event = "Viewed", count = ">=2", within = "7d" }, { known = ">=0s" } ]
outcome = { goal = { event = "Bought" }, within = "1d" }

[audiences.gone]
sequence = [ { event = "Viewed" }, { not = { event = "Bought" }, for = "1h" } ]
hold = "1d"
"""
EVENTS = [
    track(event="Viewed", userId="ada", messageId="v-1", anonymousId="a-1"),
    track(event="Viewed", userId="ada", messageId="v-2"),
    track(event="Viewed", userId="bob\x1b[31m", messageId="v-3"),
]
NEW = """
[audiences.new]
any = [ { audience = "viewers" }, { score = "interest", is = ">=2" } ]
"""


def config_of(ports: tuple[int, int] = (0, 0)) -> str:
    return config_text(AUDIENCES, ports=ports)


async def fill(running: RunningHub) -> None:
    await running.client.batch(EVENTS, WRITE_KEY)

    async def entered() -> bool:
        found = (await running.client.get("/api/audiences"))["audiences"]
        return bool(found[0]["members"] == 1)

    await until(entered)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Run a hub with two people, of whom one is in an audience."""
    folder = tmp_path_factory.mktemp("audiences")
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


@pytest.fixture
def ask(junctor: Junctor, daemon: Daemon) -> Junctor:
    """Return a function that runs a command about audiences against the daemon."""
    return lambda *arguments: junctor("audiences", *arguments, "--config", daemon.config)


def test_all_audiences_are_listed(ask: Junctor) -> None:
    viewers, gone = ask("list", "--json").json["audiences"]
    assert (viewers["name"], viewers["state"], viewers["members"]) == ("viewers", "serving", 1)
    assert (gone["name"], gone["members"]) == ("gone", 0)
    out = ask("list").out
    assert "viewers" in out
    assert "Looks around" in out


def test_members_are_listed_with_the_ids_by_which_they_are_known(ask: Junctor) -> None:
    [member] = ask("members", "viewers", "--json").json["members"]
    assert member["ids"] == {"user_id": "ada", "anonymous_id": "a-1"}
    out = ask("members", "viewers").out
    assert "ada" in out
    assert "a-1" in out
    assert "--after 1" in ask("members", "viewers", "--limit", 1).out
    assert ask("members", "viewers", "--after", "1", "--json").json["members"] == []
    assert ask("members", "x") == Done(1, "", "junctor: there is no audience x\n")


def test_an_explanation_says_in_words_what_is_so_and_by_which_events(ask: Junctor) -> None:
    done = ask("explain", "viewers", "user_id", "ada")
    assert done.code == 0
    assert done.out.startswith("p-1 has been in since ")
    assert 'yes   "Viewed" happened at least 2 times in the last 7 days | it is 2' in done.out
    assert "by Viewed v-2 at " in done.out
    found = ask("explain", "viewers", "user_id", "ada", "--json").json
    assert found["condition"]["items"][0]["value"] == 2


def test_who_is_not_in_is_told_why(ask: Junctor) -> None:
    out = ask("explain", "viewers", "user_id", "bob\x1b[31m").out
    assert "is not in" in out
    assert "it is 1" in out
    out = ask("explain", "gone", "anonymous_id", "a-1").out
    assert ", if nothing happens" in out
    done = ask("explain", "viewers", "user_id", "x")
    assert done == Done(1, "", "junctor: no profile has user_id = x\n")


def test_a_preview_of_a_file_uses_what_the_configuration_defines(
    ask: Junctor, tmp_path: Path
) -> None:
    (tmp_path / "new.toml").write_text(NEW)
    found = ask("preview", "new.toml", "--json").json
    assert (found["audience"], found["count"], found["population"]) == ("new", 2, 2)
    done = ask("preview", "new.toml")
    assert done.out.startswith("new: 2 of 2\n")
    assert "criterion" in done.out
    assert "also in" in done.out
    assert "\x1b" not in done.out
    assert ask("preview", "new.toml", "--name", "new", "--sample", "50%").code == 0


def test_a_preview_of_a_python_file_is_one_of_its_audience(ask: Junctor, tmp_path: Path) -> None:
    text = 'from junctor.audience import *\naudience("new", ~member("viewers") | known("0s"))\n'
    (tmp_path / "new.py").write_text(text)
    found = ask("preview", "new.py", "--json").json
    assert (found["audience"], found["count"], found["population"]) == ("new", 2, 2)

    (tmp_path / "new.py").write_text(text + "audience('bad', event('x').within('soon'))\n")
    done = ask("preview", "new.py", "--name", "bad")
    assert done.code == 1
    assert "new.py line 3" in done.err
    assert "audiences.bad.within" in done.err
    (tmp_path / "new.py").write_text("1 / 0")
    assert "ZeroDivisionError" in ask("preview", "new.py").err


def test_a_preview_of_the_configuration_s_own_names_it(ask: Junctor) -> None:
    done = ask("preview", "viewers")
    assert done.out.startswith("viewers: 1 of 2\n")
    assert "with those before" in done.out
    done = ask("preview", "viewer")
    assert done == Done(1, "", 'junctor: there is no audience "viewer"; did you mean "viewers"?\n')


def test_a_definition_with_errors_shows_them_with_path_line_and_hint(
    ask: Junctor, tmp_path: Path
) -> None:
    (tmp_path / "bad.toml").write_text('[audiences.bad]\nevent = "Viewed"\nwithin = "soon"\n')
    done = ask("preview", "bad.toml")
    assert (done.code, done.out) == (1, "")
    assert "line 3" in done.err
    assert "audiences.bad.within" in done.err
    assert "hint:" in done.err


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        ("x = [", [], "new.toml is no TOML"),
        ("", [], "must define one audience"),
        (NEW, ["--name", "nwe"], 'did you mean "new"?'),
    ],
)
def test_a_file_that_says_no_audience_is_refused(
    ask: Junctor, tmp_path: Path, text: str, arguments: list[str], message: str
) -> None:
    (tmp_path / "new.toml").write_text(text)
    done = ask("preview", "new.toml", *arguments)
    assert done.code == 1
    assert message in done.err


def test_a_file_that_is_not_there_is_said(ask: Junctor) -> None:
    done = ask("preview", "missing.toml")
    assert done.err == "junctor: missing.toml can't be read (No such file or directory)\n"


@pytest.mark.parametrize("share", ["0%", "101%", "much"])
def test_a_sample_is_a_share(ask: Junctor, share: str) -> None:
    assert ask("preview", "viewers", "--sample", share).code == 2


def test_a_report_shows_goal_shares_and_sizes(ask: Junctor) -> None:
    found = ask("report", "viewers", "--since", "1h", "--json").json
    assert found["outcome"]["entered"] == 1
    out = ask("report", "viewers", "--since", "1h").out
    assert "goals are recorded since " in out
    assert "\n1 entered\n1 can't be judged yet: their " in out
    assert "0 of them reached the goal already" in out
    assert "can be judged: " not in out
    assert "it has no outcome" in ask("report", "gone").out
    assert ask("report", "x").err == "junctor: there is no audience x\n"


def test_status_tells_of_degraded_people_where_there_are_any() -> None:
    found = {
        "defined": 1, "building": [], "reviewing": False, "failing": {}, "degraded": 2,
        "due_lag_seconds": 0.0, "error": None,
    }  # fmt: skip
    told = _audience_lines(found)["audiences"]
    assert told == "1 defined; 2 people took too much room since the start and are degraded"
    assert _audience_lines({**found, "degraded": 0})["audiences"] == "1 defined"


def test_status_and_profile_speak_of_audiences(junctor: Junctor, daemon: Daemon) -> None:
    assert "audiences  2 defined" in junctor("status", "--config", daemon.config).out
    out = junctor("profile", "user_id", "ada", "--config", daemon.config).out
    assert "viewers" in out
    assert "interest" in out


def test_a_dry_run_of_an_event_knows_what_the_person_did(
    junctor: Junctor, daemon: Daemon, tmp_path: Path
) -> None:
    import orjson

    event = tmp_path / "event.json"
    event.write_bytes(orjson.dumps(track(event="Viewed", userId="ada")))
    found = junctor("explain", event, "--json", "--config", daemon.config).json
    assert found["audiences"]["viewers"] is True
    assert (found["transitions"], found["signals"]) == ([], ["signal:again"])
    event.write_bytes(orjson.dumps(track(event="Viewed", userId="bob\x1b[31m")))
    found = junctor("explain", event, "--json", "--config", daemon.config).json
    [entry] = found["transitions"]
    assert (entry["audience"], entry["entered"], entry["reason"]) == ("viewers", True, "event")
    assert "enters viewers: event" in junctor("explain", event, "--config", daemon.config).out


def test_the_daemon_and_its_store_say_the_same(daemon: Daemon) -> None:
    from junctor.cli.access import read_config

    hub = DaemonAudiences(Client(read_config(daemon.config, {}).config))
    told = asyncio.run(hub.members("viewers", "", 10))
    assert told == daemon.do(daemon.hub.hub.audiences.members("viewers", "", 10))


# -- without a daemon ----------------------------------------------------------------------------


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """Return the configuration of a stopped hub with a store that was used."""

    async def live() -> None:
        async with running_hub(tmp_path, config_of()) as running:
            await fill(running)

    asyncio.run(live())
    path = tmp_path / "junctor.toml"
    path.write_text(config_of((free_port(), free_port())))
    return path


def test_while_the_daemon_is_stopped_its_store_answers(junctor: Junctor, left: Path) -> None:
    viewers = junctor("audiences", "list", "--json").json["audiences"][0]
    assert (viewers["state"], viewers["members"]) == ("stopped", 1)
    assert "ada" in junctor("audiences", "members", "viewers").out
    assert "has been in since" in junctor("audiences", "explain", "viewers", "user_id", "ada").out
    (left.parent / "new.toml").write_text(NEW)
    assert junctor("audiences", "preview", "new.toml").out.startswith("new: 2 of 2\n")
    assert junctor("audiences", "report", "viewers").code == 0
    assert junctor("audiences", "members", "x").err == "junctor: there is no audience x\n"
    assert "audiences  2 defined" in junctor("status").out
    assert "interest" in junctor("profile", "user_id", "ada").out


def test_without_daemon_and_store_the_start_is_named(junctor: Junctor, tmp_path: Path) -> None:
    (tmp_path / "junctor.toml").write_text(config_of((free_port(), free_port())))
    done = junctor("audiences", "list")
    assert done.code == 1
    assert "junctor run" in done.err
