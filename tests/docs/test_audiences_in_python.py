"""What docs/audiences.md says of definitions in Python."""

import re
import tomllib
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from junctor import audience as builders
from junctor.audience import audience, define, event, seq, silence
from junctor.audiences.language import parse_definitions
from junctor.cli.operate import _audience_lines
from tests.docs.test_docs import blocks, files_of, read
from tests.support.client import basic
from tests.support.hub import WRITE_KEY, RunningHub, config_text, load, running_hub
from tests.support.receiver import receiving

PAGE: Final = "docs/audiences.md"
SECTION: Final = read(PAGE).partition("## In Python")[2].partition("\n## ")[0]
SHOWN: Final = next(one.text for one in blocks("toml", [PAGE]) if "audience_files" in one.text)
AROUND: Final = """
[destinations.crm]
type = "webhook"
settings.url = "{url}"
[routes.hub]
from = ["junctor"]
to = ["crm"]
[readers.site]
key = { env = "SITE_READ_KEY" }
"""
ENVIRON: Final = {"SITE_READ_KEY": "a-read-key"}


def text(url: str) -> str:
    return SHOWN + config_text(AROUND.replace("{url}", url))


async def call(running: RunningHub, number: int, name: str, **properties: Any) -> None:
    body = {
        "messageId": f"m{number}", "userId": "u-1", "event": name, "properties": properties,
    }  # fmt: skip
    reply = await running.client.ask("POST", "/v1/track", orjson.dumps(body), basic(WRITE_KEY))
    assert reply.status == 200


async def inside(running: RunningHub) -> dict[str, bool]:
    headers = {"authorization": "Bearer a-read-key"}
    body = orjson.dumps({"ids": {"user_id": "u-1"}})
    answer = await running.client.ask("POST", "/v1/decide", body, headers)
    return answer.json["audiences"]  # type: ignore[no-any-return]


async def test_the_audiences_of_the_page_are_those_of_toml(tmp_path: Path) -> None:
    files_of(PAGE, tmp_path)
    found = load(tmp_path, text("https://crm.example"), ENVIRON).definitions
    written = """
    [audiences.high_intent]
    all = [
      { event = "page_view", where = { path = "/pricing*" }, count = ">=3", within = "48h" },
      { event = "Email Opened", where = { campaign = "case-study*" }, within = "30d" },
    ]
    outcome = { goal = { event = "Trial Started" }, within = "14d" }
    [audiences.cart_abandoner]
    sequence = [
      { event = "Product Added" },
      { not = { event = ["Checkout Started", "page_view"] }, for = "3d" },
    ]
    hold = "14d"
    """
    (tmp_path / "toml").mkdir()

    assert found.audiences == load(tmp_path / "toml", config_text(written)).definitions.audiences


async def test_the_function_of_the_page_makes_its_signal_once_with_its_properties(
    tmp_path: Path,
) -> None:
    files_of(PAGE, tmp_path)
    async with receiving() as crm:
        async with running_hub(tmp_path, text(f"{crm.address}/events"), ENVIRON) as running:
            for number, card in enumerate(("a", "b", "b", "c")):
                await call(running, number, "Payment Failed", card=card, amount=number)
            for number in (10, 11, 12):
                await call(running, number, "page_view", path="/pricing/eu")
            await call(running, 13, "Email Opened", campaign="case-study-7")
            await running.client.settled()

            events = [one.json for one in crm.requests]
            assert [one["event"] for one in events] == ["signal:fraud_hint", "Audience Entered"]
            assert events[0]["properties"] == {"card": "c", "amount": 3, "cards": 3}
            assert events[0]["messageId"] == "m3/signal:fraud_hint"
            assert await inside(running) == {"high_intent": True, "cart_abandoner": False}
        async with running_hub(tmp_path, text(f"{crm.address}/events"), ENVIRON) as running:
            await call(running, 20, "Payment Failed", card="c")
            await running.client.settled()

            assert crm.requests[-1].json["messageId"] == "m20/signal:fraud_hint"


async def test_a_reload_reads_the_files_anew(tmp_path: Path) -> None:
    files_of(PAGE, tmp_path)
    async with receiving() as crm:
        url = f"{crm.address}/events"
        async with running_hub(tmp_path, text(url), ENVIRON) as running:
            await call(running, 0, "Payment Failed", card="a")
            await running.client.settled()
            file = tmp_path / "audiences.py"
            file.write_text(file.read_text("utf-8").replace(">= 3", ">= 2"), "utf-8")
            await running.hub.reload(load(tmp_path, text(url), ENVIRON))
            await call(running, 1, "Payment Failed", card="b")
            await running.client.settled()

            assert [one.json["properties"]["cards"] for one in crm.requests] == [2]


async def test_a_function_that_raises_is_seen_in_status_and_loses_no_event(
    tmp_path: Path,
) -> None:
    (tmp_path / "audiences.py").write_text(
        "from junctor.audience import signal\n\n"
        '@signal("hint", reads="x", within="10m")\n'
        "def hint(user, ev):\n"
        '    raise ValueError("personal")\n'
    )
    async with running_hub(tmp_path, text("https://crm.example"), ENVIRON) as running:
        await call(running, 0, "x")
        await call(running, 1, "x")
        await running.client.settled()
        status = await running.client.get("/api/status")
        found = status["audiences"]

        assert found["failing"] == {
            "hint": {"failures": 2, "failure": "ValueError (audiences.py line 5)"}
        }
        assert status["log"]["behind"] == 0
        assert _audience_lines(found) == {
            "signal hint": "its function failed 2 times, last: ValueError (audiences.py line 5)"
        }


def test_every_name_of_the_page_is_there() -> None:
    called = {found[1] for found in re.finditer(r"`(\w+)\(", SECTION)} | set(builders.__all__)

    assert called <= {*vars(builders)}
    conditions = (event("x"), seq("x"), builders.state("x", 1))
    for refinement in re.findall(r"[`)]\.(\w+)\(", SECTION):
        assert any(hasattr(one, refinement) for one in conditions), refinement


@pytest.mark.parametrize("row", [line for line in SECTION.splitlines() if "` | `{ " in line])
def test_what_the_page_shows_in_python_makes_what_it_shows_in_toml(row: str) -> None:
    python, toml = (cell.strip(" `") for cell in row.strip("| ").rsplit(" | ", 1))
    python, toml = python.partition("`")[0], toml.partition("`")[0]

    made = eval(python, vars(builders))

    assert made == tomllib.loads(f"x = {toml}")["x"]


def test_outside_of_a_file_a_definition_is_a_table_as_parse_definitions_takes_it() -> None:
    table = audience("x", seq("a", silence("b", for_="1d")).hold("1d"), settle="1m")
    score = define("scores", "x", half_life="14d", rules=[event("login").adds(2)])

    _, problems = parse_definitions({"audiences": {"x": table}, "scores": {"x": score}})

    assert problems == []
