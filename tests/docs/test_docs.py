"""What the docs say is true: examples run, names exist, links lead somewhere, all is there."""

import ast
import asyncio
import json
import os
import re
import sys
from asyncio.subprocess import PIPE
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
import typer
from prometheus_client import Metric

from junctor import fql
from junctor.api.keep import Overloaded
from junctor.api.openapi import openapi
from junctor.cli.main import app
from junctor.config.load import load_config
from junctor.config.model import Config
from junctor.config.reference import keys
from junctor.delivery.call import ConnectorBug
from junctor.fql.functions import FUNCTIONS
from junctor.host.registry import Registry
from junctor.pipeline import flow, route
from junctor.sdk import ConnectorError
from junctor.telemetry.metrics import Metrics
from junctor.testkit import RULES
from tests.support.client import HubClient
from tests.support.daemon import free_port

ROOT: Final = Path(__file__).parents[2]
CORE: Final = ROOT / "core" / "junctor"
FOLDERS: Final = (
    "",
    "docs",
    "docs/adr",
    "docs/concepts",
    "docs/connectors",
    "deploy",
    "changelog.d",
)
TESTED_ELSEWHERE: Final = "docs/mapping.md"
ENVIRON: Final = {
    "WEB_WRITE_KEY": "my-write-key",
    "CRM_SIGNING_SECRET": "my-signing-secret",
    "SEGMENT_SHARED_SECRET": "a shared secret",
    "STATSIG_SERVER_SECRET": "secret-statsig",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T0/B0/x",
    "STATSIG_CONSOLE_KEY": "console-statsig",
    "ACME_TOKEN": "a token",
    "SITE_READ_KEY": "a-read-key",
    "SITE_SIGNING_SECRET": "a-signing-secret",
}


@dataclass(frozen=True)
class Block:
    """A fenced block; `name` is what stands behind the language: a file's name, or `try`."""

    page: str
    line: int
    language: str
    name: str
    text: str


def pages() -> Iterator[str]:
    for folder in FOLDERS:
        yield from (path.relative_to(ROOT).as_posix() for path in (ROOT / folder).glob("*.md"))


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(language: str, of: Sequence[str]) -> Iterator[Block]:
    for page in of:
        text = read(page)
        for found in re.finditer(r"^```(\w+) ?(\S*)\n(.*?)^```", text, re.M | re.S):
            if found[1] == language:
                line = text.count("\n", 0, found.start()) + 1
                yield Block(page, line, found[1], found[2], found[3])


def prose(page: str) -> str:
    return re.sub(r"^```.*?^```", "", read(page), flags=re.M | re.S)


def code(page: str) -> Iterator[str]:
    """Yield what is written as code: spans of a sentence, and lines of shell blocks."""
    for double, single in re.findall(r"``(.+?)``|`([^`]+)`", prose(page)):
        yield " ".join((double or single).split())
    for block in blocks("sh", [page]):
        yield from block.text.replace("\\\n", " ").splitlines()


def anchors(page: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def place(block: Block) -> str:
    return f"{block.page}:{block.line}"


def files_of(page: str, folder: Path, change: Callable[[str], str] = str) -> None:
    """Write the blocks of a page that are named as files."""
    for language in ("toml", "python"):
        for block in blocks(language, [page]):
            if "." in block.name:
                (folder / block.name).write_text(change(block.text), encoding="utf-8")


PAGES: Final = sorted(pages())
TOML: Final = list(blocks("toml", [page for page in PAGES if page != TESTED_ELSEWHERE]))
PYTHON: Final = list(blocks("python", PAGES))


# Examples


@pytest.mark.parametrize("block", TOML, ids=place)
def test_every_configuration_loads(block: Block, tmp_path: Path) -> None:
    files_of(block.page, tmp_path)
    path = tmp_path / "shown.toml"
    path.write_text(block.text, encoding="utf-8")

    load_config(path, Registry.discover(), ENVIRON)


@pytest.mark.parametrize("block", PYTHON, ids=place)
def test_every_python_example_compiles(block: Block) -> None:
    ast.parse(block.text)


async def test_the_readme_s_plug_in_keeps_every_rule_of_the_kit(tmp_path: Path) -> None:
    files_of("README.md", tmp_path)
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_acme.py")

    said = await run(*command, folder=tmp_path)

    passed = re.search(r"(\d+) passed", said)
    assert passed
    assert int(passed[1]) >= 20
    assert len((tmp_path / "acme.py").read_text().splitlines()) <= 31


async def test_the_readme_s_plug_in_meets_a_vendor_on_a_bad_day(tmp_path: Path) -> None:
    files_of("README.md", tmp_path)
    files_of("docs/testing.md", tmp_path)
    command = (
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "test_acme_vendor.py",
    )

    assert "1 passed" in await run(*command, folder=tmp_path)


async def test_the_readme_s_first_event_arrives_as_it_says(tmp_path: Path) -> None:
    receiver_port, ingest, admin = (free_port() for _ in range(3))

    def moved(text: str) -> str:
        for shown, port in ((9009, receiver_port), (8080, ingest), (8081, admin)):
            text = text.replace(f"127.0.0.1:{shown}", f"127.0.0.1:{port}")
        return text.replace('("127.0.0.1", 9009)', f'("127.0.0.1", {receiver_port})')

    files_of("README.md", tmp_path, moved)
    with (tmp_path / "junctor.toml").open("a") as file:
        file.write(f'[server]\nlisten = "127.0.0.1:{ingest}"\n')
        file.write(f'[admin]\nlisten = "127.0.0.1:{admin}"\n')
    shells = blocks("sh", ["README.md"])
    first, second, looks = [moved(block.text) for block in shells if block.name == "try"]
    receiver = await start(tmp_path, sys.executable, "receiver.py", stdout=PIPE)
    hub = await start(tmp_path, "junctor", "run", stderr=PIPE)
    try:
        assert hub.stderr is not None
        assert receiver.stdout is not None
        while b'"ready"' not in (line := await hub.stderr.readline()):
            assert line, "junctor run ended"
        async with aiohttp.ClientSession() as session:
            client = HubClient(f"http://127.0.0.1:{ingest}", f"http://127.0.0.1:{admin}", session)
            said = await run("bash", "-euc", first, folder=tmp_path)
            assert said == '{"success":true}'
            assert json.loads(await receiver.stdout.readline())["messageId"] == "order-1001"
            await client.settled()
            (event,) = json.loads(await run("bash", "-euc", second, folder=tmp_path))["events"]
            assert event["destinations"]["crm"]["fate"] == "delivered"
            await run(sys.executable, "sdk.py", folder=tmp_path)
            assert json.loads(await receiver.stdout.readline())["traits"]["plan"] == "pro"
            await client.settled()
        said = await run("bash", "-euc", looks, folder=tmp_path)
        assert "ann@example.com" in said
        hub.terminate()
        assert await hub.wait() == 0
    finally:
        for process in (receiver, hub):
            if process.returncode is None:
                process.kill()
                await process.wait()


def environment() -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, **ENVIRON, "PATH": path}


async def start(folder: Path, *command: str, **pipes: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=environment(),
        **pipes,  # type: ignore[arg-type]
    )


async def run(*command: str, folder: Path) -> str:
    """Run a command to its end, which must be a good one; return what it printed."""
    process = await start(folder, *command, stdout=PIPE, stderr=PIPE)
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode == 0, (out + err).decode()
    return out.decode()


def test_every_condition_gives_what_the_page_says() -> None:
    page = ["docs/fql.md"]
    event = json.loads(next(blocks("json", page)).text)
    lines = [line for block in blocks("fql", page) for line in block.text.splitlines()]
    assert len(lines) > 25

    def answer(expression: str) -> str:
        try:
            return str(fql.compile(expression)(event)).lower()
        except fql.FqlError:
            return "refused"

    shown = [line.rpartition("→") for line in lines]
    wrong = [text for text, _, result in shown if answer(text.strip()) != result.strip()]
    assert wrong == []


# Names


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.M))
    named = {
        (page, target)
        for page in PAGES
        for text in code(page)
        for target in re.findall(r"\bmake ([a-z]+)", text)
    }
    assert {target for _, target in named} >= {"test", "demo", "check"}
    assert {(page, target) for page, target in named if target not in targets} == set()


def test_every_command_and_option_exists() -> None:
    root: Any = typer.main.get_command(app)
    unknown = []
    seen = set()
    for page in PAGES:
        for text in code(page):
            for found in re.finditer(r"(?:^|[\s/])junctor ((?!junctor)[a-z][\w -]*)", text):
                words = found[1].split()
                command = root.commands.get(words[0])
                if command is not None and hasattr(command, "commands"):
                    command = command.commands.get(words[1]) if len(words) > 1 else command
                if command is None:
                    unknown.append((page, text))
                    continue
                seen.add(words[0])
                known = {option for param in command.params for option in param.opts}
                wanted = set(re.findall(r"--[a-z-]+", text[found.start() :]))
                unknown += [(page, option) for option in wanted - known]
    assert unknown == []
    assert seen == set(root.commands), "commands that no page names"


def test_every_link_leads_somewhere() -> None:
    dead = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
            if "://" in target or target.startswith("mailto:"):
                continue
            path, _, anchor = target.partition("#")
            file = (ROOT / page).parent / path if path else ROOT / page
            to = os.path.relpath(file, ROOT)
            if not file.exists() or (anchor and anchor not in anchors(to)):
                dead.append((page, target))
    assert dead == []


def test_every_file_that_is_named_exists() -> None:
    missing = []
    for page in PAGES:
        for text in code(page):
            if re.fullmatch(r"[\w./*-]+/[\w.*-]+\.(py|sql|toml|md)|\w+\.(sql|py)", text):
                if "/" in text:
                    found = [*ROOT.glob(text), *CORE.glob(text), *(ROOT / page).parent.glob(text)]
                else:
                    found = [*CORE.rglob(text), *(ROOT / "connectors").rglob(text)]
                if not found and not any(block.name == text for block in PYTHON):
                    missing.append((page, text))
    assert missing == []


# Nothing is left out


def heads(page: str) -> set[str]:
    """Return the code spans of the first cell of every table row."""
    cells = re.findall(r"^\| ([^|]+) \|", read(page), re.M)
    return {span for cell in cells for span in re.findall(r"`([^`]+)`", cell)}


def test_every_metric_has_its_row() -> None:
    found: list[Metric] = list(Metrics().registry.collect())
    totals = {metric.name + ("_total" if metric.type == "counter" else "") for metric in found}

    assert totals - heads("docs/operations.md") == set()
    named = set(re.findall(r"\bjunctor_[a-z_]+", read("docs/operations.md")))
    assert named - totals == set()


def codes() -> set[str]:
    """Return every code that stands in an answer, an attempt or a dead letter."""
    assert ConnectorBug.code
    assert Overloaded.code
    classes: list[type[ConnectorError]] = [ConnectorError]
    for cls in classes:
        classes += [one for one in cls.__subclasses__() if one.__module__.startswith("junctor")]
    said = {cls.code for cls in classes}
    for file in (*CORE.rglob("*.py"), *(ROOT / "connectors").rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        said |= set(re.findall(r'(?:error_reply|_error)\(\s*(?:\d+, )?"(\w+)"', text))
        said |= set(re.findall(r'_left_out\([^"\n]*"(\w+)"', text))
    return said - {"connector_error"}


def test_every_error_code_has_its_row() -> None:
    assert {"erased", "filtered_at_send", "unknown_source", "not_found"} <= codes()
    assert codes() - heads("docs/operations.md") == set()


def test_every_error_class_has_its_fate() -> None:
    classes = heads("docs/concepts/delivery.md")
    module = read("core/junctor/sdk/errors.py")
    assert set(re.findall(r"class (\w+)\(DeliveryError\)", module)) - classes == set()


def test_every_log_line_is_explained() -> None:
    said = {
        text
        for file in CORE.rglob("*.py")
        for text in re.findall(
            r'log(?:ger)?\.(?:info|warning|error|exception)\(\s*"([^"]+)"',
            file.read_text(encoding="utf-8"),
        )
    }
    assert len(said) > 20
    assert said - heads("docs/operations.md") == set()


def test_every_path_is_listed() -> None:
    text = read("docs/operations.md")
    missing = [path for path in openapi()["paths"] if not re.search(f"{re.escape(path)}`", text)]
    assert missing == []


def test_every_rule_has_its_place() -> None:
    assert {rule.name for rule in RULES} - anchors("docs/rules.md") == set()


def test_every_key_of_the_configuration_has_its_row() -> None:
    missing = {str(key.path[-1]) for key in keys(Config)} - heads("docs/configuration.md")
    assert missing == set()


def test_every_reason_why_an_event_is_filtered_is_explained() -> None:
    reasons = {
        value
        for name, value in vars(route).items()
        if name.isupper() and isinstance(value, str) and value and name != "HUB"
    }
    assert reasons >= {route.NO_ROUTE, route.CONSENT}
    assert reasons | {flow.UNPROCESSABLE} <= heads("docs/concepts/routing.md")


def test_every_way_to_be_paused_is_explained() -> None:
    given = {
        kind
        for file in (CORE / "delivery").glob("*.py")
        for kind in re.findall(r'paused_by="(\w+)"', file.read_text(encoding="utf-8"))
    }
    assert given | {"error", "gone"} <= heads("docs/concepts/delivery.md")


def test_every_table_of_the_store_is_explained() -> None:
    folder = CORE / "store" / "sqlite"
    schema = "".join(path.read_text(encoding="utf-8") for path in folder.glob("schema*.sql"))
    assert set(re.findall(r"^create table (\w+)", schema, re.M)) - heads("ARCHITECTURE.md") == set()


def test_every_function_of_the_language_is_explained() -> None:
    assert set(FUNCTIONS) == {
        head.partition("(")[0] for head in heads("docs/fql.md") if "(" in head
    }


def test_the_glossary_is_in_order() -> None:
    words = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", read("docs/concepts/glossary.md"), re.M)[1:]
    assert len(words) > 40
    assert words == sorted(words, key=lambda word: word.lower().replace("-", " "))


def test_every_decision_has_its_number_its_parts_and_its_line_in_the_index() -> None:
    found = sorted(path.name for path in (ROOT / "docs/adr").glob("0*.md"))
    assert [int(name[:4]) for name in found] == list(range(1, len(found) + 1))
    index = read("docs/adr/README.md")
    for name in found:
        text = read(f"docs/adr/{name}")
        title = text.splitlines()[0].removeprefix(f"# {name[:4]}: ")
        assert f"| [{name[:4]}]({name}) | {title} |" in index
        assert re.findall(r"^## (.+)$", text, re.M) == ["Context", "Decision", "Consequences"]
        assert len(text.splitlines()) < 70


def test_every_fragment_of_the_changelog_has_a_kind() -> None:
    for path in (ROOT / "changelog.d").iterdir():
        kinds = r"[a-z0-9-]+\.(added|changed|fixed|removed|security)\.md|README\.md"
        assert re.fullmatch(kinds, path.name), path.name
        assert path.read_text(encoding="utf-8").strip()
