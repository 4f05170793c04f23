"""Whatever anybody sends, both listeners answer as the OpenAPI document says, and never by a bug.

Schemathesis makes the requests out of the document: what it allows, what it forbids, and methods
that it does not have. `JUNCTOR_FUZZ=N` tries N requests an operation, of other seeds each time.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from junctor.api.openapi import openapi
from tests.fuzz.hostile import KEY
from tests.fuzz.world import READ_KEY, World, whole_hub
from tests.support.events import track
from tests.support.hub import WRITE_KEY
from tests.unit.api.test_openapi import assert_true

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

EXAMPLES: Final = int(os.environ.get("JUNCTOR_FUZZ", "0"))
IN_CI: Final = 8
READS: Final = ("/v1/decide", "/api/v1/get-online-attributes")
STREAMS: Final = ("/v1/stream", "/api/v1/interventions", "/api/stream")
ALIASES: Final = frozenset("/v1/" + name for name in ("t", "i", "p", "s", "g", "a", "b", "import"))
"""Other addresses of the same calls; each of them has its test."""
BEARER: Final = {"authorization": f"Bearer {READ_KEY}"}

REAL: Final[dict[str, list[Any]]] = {
    "/api/destinations/{id}": ["crm", "lake", "alerts", "statsig", "segments", "picky"],
    "/api/dead-letters/{id}": [1, 2, 3],
    "/api/replays/{id}": [1, 2, 3],
    "name": ["testers", "buyers", "pages", "big_accounts", "odd_ones"],
    "kind": ["user_id", "anonymous_id", "email", "account", "session_id"],
    "value": ["u-0", "u-1", "a-1", "ada@example.com", "g-1"],
    "message_id": ["event-0", "event-1", "signal:odd"],
    "source": ["web", "cloud", "any"],
    "writeKey": [WRITE_KEY],
    "call": ["track", "identify", "page"],
    "destination": ["crm", "lake", "alerts", "picky"],
    "code": ["invalid_payload"],
    "service": ["all"],
    "audience": ["x", "testers"],
    "audiences": [["testers"], ["testers", "buyers"]],
    "attributes": [["revenue"], ["g_v1:pages", "testers", "busy"], [["revenue"]], [{}]],
    "scores": [["busy"]],
    "ids": [[1, 2], {"user_id": "u-1"}, [{"user_id": "u-1"}, {"anonymous_id": "a-1"}]],
    "attribute_keys": [{"user_id": ["u-1", "u-2"]}, {"domain_userid": ["a-1"]}],
    "tables": [
        {"audiences": {"x": {"event": "Tested", "count": ">=2", "within": "7d"}}},
        {"audiences": {"x": {"all": [{"trait": "plan", "is": "pro"}, {"event": "e"}]}}},
        {"scores": {"s": {"rules": [{"add": 1, "event": "e"}]}}, "audiences": {"x": {}}},
    ],
}
"""Values that lead further than chance does, by the parameter's name or by its path."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with whole_hub(tmp_path_factory.mktemp("hub"), 'body_timeout = "2s"') as world:
        events = [
            track(messageId=f"event-{n}", userId=f"u-{n % 3}", anonymousId="a-1", event=name,
                  properties={"x": n, "revenue": 3, "path": "/pricing"},
                  context={"groupId": "g-1", "traits": {"email": "ada@example.com"}})
            for n, name in enumerate(["Tested", "Order Completed", "e", "y" * 10_000] * 10)
        ]  # fmt: skip
        await world.client.batch(events, WRITE_KEY)
        yield world
        assert (await world.client.batch([track()], WRITE_KEY)).status == 200


# -- requests out of the document ----------------------------------------------------------------


def part(listener: str, paths: Sequence[str] = (), without: Sequence[str] = ()) -> dict[str, Any]:
    """Return the document of one listener, with values that exist beside what is allowed."""
    document: dict[str, Any] = orjson.loads(orjson.dumps(openapi()))
    del document["servers"]
    chosen = {}
    for path, item in document["paths"].items():
        servers = item.pop("servers")
        here = any(listener in server["description"] for server in servers)
        if here and path not in (*STREAMS, *without) and (not paths or path in paths):
            chosen[path] = item
            _enrich(path, item)
    return {**document, "paths": chosen}


def _enrich(path: str, item: dict[str, Any]) -> None:
    prefix = path.partition("}")[0] + "}"
    shared = item.pop("parameters", [])
    for method, operation in item.items():
        operation["parameters"] = [*shared, *operation.get("parameters", ())]
        if method == "options":  # answered alike whatever is asked about
            continue
        for place, parameter in enumerate(operation["parameters"]):
            values = REAL.get(prefix) if parameter["name"] == "id" else REAL.get(parameter["name"])
            if values and "array" not in str(parameter["schema"].get("type")):
                schema = {"anyOf": [{"enum": values}, parameter["schema"]]}
                operation["parameters"][place] = {**parameter, "schema": schema}
        content = operation.get("requestBody", {}).get("content", {})
        schema = content.get("application/json", {}).get("schema", {})
        for name, known in schema.get("properties", {}).items():
            if name in REAL:
                schema["properties"][name] = {"anyOf": [{"enum": REAL[name]}, known]}


async def fuzzed(
    folder: Path, document: dict[str, Any], address: str, authorization: str | None
) -> tuple[int, str]:
    """Run schemathesis; return its exit code and what it says."""
    (folder / "openapi.json").write_bytes(orjson.dumps(document))
    (folder / "schemathesis.toml").write_text(
        "[checks]\nnegative_data_rejection.expected-statuses ="
        " [400, 401, 403, 404, 405, 406, 409, 413, 415]\n"
    )
    checks = ["--checks", "all", "--exclude-checks", "positive_data_acceptance,ignored_auth"]
    seed = [] if EXAMPLES else ["--seed", "1"]
    headers = ["--header", f"Authorization: {authorization}"] if authorization else []
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "schemathesis.cli", "run", "openapi.json", "--url", address,
        "--phases", "coverage,fuzzing", "--max-examples", str(EXAMPLES or IN_CI),
        "--warnings", "off", "--no-color", "--continue-on-failure", *checks, *seed, *headers,
        cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


LONG: Final = 120 + 60 * EXAMPLES


@pytest.mark.timeout(LONG)
@pytest.mark.case(1, 2, 3, 5, 6, 9, 17)
async def test_the_ingest_listener_keeps_to_its_document(world: World, tmp_path: Path) -> None:
    document = part("ingest", without=(*READS, *(() if EXAMPLES else ALIASES)))
    code, said = await fuzzed(tmp_path, document, world.client.ingest, KEY)
    assert code == 0, said


@pytest.mark.timeout(LONG)
@pytest.mark.case(1, 2, 17)
async def test_reads_keep_to_their_document(world: World, tmp_path: Path) -> None:
    document = part("ingest", READS)
    code, said = await fuzzed(tmp_path, document, world.client.ingest, BEARER["authorization"])
    assert code == 0, said


@pytest.mark.timeout(LONG)
@pytest.mark.case(17)
async def test_the_admin_listener_keeps_to_its_document(world: World, tmp_path: Path) -> None:
    code, said = await fuzzed(tmp_path, part("admin"), world.client.admin, None)
    assert code == 0, said


# -- what is no JSON, and what never ends --------------------------------------------------------

BRIEF: Final = settings(
    max_examples=EXAMPLES or 40, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)  # fmt: skip
BODIES: Final = st.binary(max_size=100) | JSON_VALUES.map(
    lambda value: orjson.dumps(value, default=str) if fits(value) else b"[1e999]"
)


def fits(value: Any) -> bool:
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return False
    return True


def written() -> Iterator[tuple[str, str]]:
    for path, item in openapi()["paths"].items():
        if "post" in item and (path.startswith("/api/") or path in READS):
            yield ("ingest" if path in READS else "admin"), path


@pytest.mark.case(1, 2)
@pytest.mark.parametrize(("listener", "path"), list(written()))
@BRIEF
@given(body=BODIES)
async def test_any_bytes_are_answered_as_documented(
    world: World, listener: str, path: str, body: bytes
) -> None:
    address = world.client.ingest if listener == "ingest" else world.client.admin
    url = address + path.replace("{id}", "1")
    headers = {"content-type": "application/json", **(BEARER if listener == "ingest" else {})}
    async with world.client.session.post(url, data=BytesIO(body), headers=headers) as answer:
        text = await answer.read()
    assert_true(path, "post", answer.status, answer.content_type, text)


QUERIES: Final = st.lists(
    st.tuples(
        st.sampled_from(["user_id", "email", "domain_userid", "reader", "signature", "expires"])
        | st.text(max_size=5),
        st.sampled_from(["u-1", "app", "0", "9" * 30, ""]) | st.text(max_size=9),
    ),
    max_size=4,
)
LAST_IDS: Final = st.sampled_from(["", "0", "-1", "1e3", "9" * 18, "9" * 40, "x", "\x80"])


@pytest.mark.case(2, 17)
@pytest.mark.parametrize("path", STREAMS)
@BRIEF
@given(query=QUERIES, last=LAST_IDS, key=st.sampled_from([READ_KEY, "guess", None]))
async def test_a_stream_begins_or_says_why_not(
    world: World, path: str, query: list[tuple[str, str]], last: str, key: str | None
) -> None:
    address = world.client.admin if path.startswith("/api/s") else world.client.ingest
    url = URL(address + path).with_query([(a, clean(b)) for a, b in map(both_clean, query)])
    headers = {"last-event-id": last}
    if key is not None:
        headers["authorization"] = f"Bearer {key}"
    async with world.client.session.get(url, headers=headers) as answer:
        text = await answer.content.readany() if answer.status == 200 else await answer.read()
    assert_true(path, "get", answer.status, answer.content_type, text)


def clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def both_clean(pair: tuple[str, str]) -> tuple[str, str]:
    return clean(pair[0]), clean(pair[1])
