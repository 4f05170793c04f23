"""What all conformance classes share: building the connector, exemptions, the bronze rules."""

import asyncio
import inspect
import io
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar, Final, NoReturn, TypeAlias
from unittest.mock import patch

import pytest
from pydantic import ValidationError
from structlog.testing import LogCapture

from junctor.model.units import parse_rate
from junctor.sdk import Destination, Manifest, PullSource, PushSource, Response
from junctor.testkit import declared
from junctor.testkit.doubles import ManualClock, context
from junctor.testkit.imports import imported_names
from junctor.testkit.rules import RULES, Kind, Rule
from junctor.testkit.secrets import Canaries, Watch, watch_output
from junctor.testkit.service import OK, HttpService, client

Connector: TypeAlias = Destination[Any] | PushSource[Any] | PullSource[Any]

UNPROVEN: Final = "unproven: "
"""How the reason of a skipped rule begins that applies but could not be tried."""

PATIENCE: Final = 2.0
"""Seconds of real time after which a call into a connector is taken to hang."""

FORBIDDEN_IMPORTS: Final = (
    "aiohttp", "httpx", "http.client", "requests", "tenacity", "urllib.request", "urllib3",
)  # fmt: skip

_GROUPS: Final = ("junctor.destinations", "junctor.sources")


def not_applicable(reason: str) -> NoReturn:
    """Skip a rule that has no meaning for this connector."""
    pytest.skip(reason)


def unproven(reason: str) -> NoReturn:
    """Skip a rule that could be checked if there were more to go by: the tier stays unproven."""
    pytest.skip(f"{UNPROVEN}{reason}")


@dataclass(frozen=True, slots=True)
class Bench:
    """A connector on the bench, with what the kit lent it."""

    connector: Any
    clock: ManualClock
    log: LogCapture


class ConnectorConformance:
    """Base of the conformance classes; every rule is one test method, named after it.

    A subclass gives `settings`, secrets as plain text, and perhaps `exempt`: rules that the vendor
    makes impossible, each with its reason. `ok` is the vendor's answer when all is well.
    """

    kind: ClassVar[Kind]
    settings: ClassVar[Mapping[str, Any]] = {}
    exempt: ClassVar[Mapping[str, str]] = {}
    ok: ClassVar[Response] = OK
    entry_points: ClassVar[Sequence[EntryPoint] | None] = None
    """Instead of the installed ones, for tests of the kit."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse exemptions that say nothing; let every async test run in any asyncio mode."""
        super().__init_subclass__(**kwargs)
        for name in dir(cls):
            test = getattr(cls, name)
            if name.startswith("test_") and inspect.iscoroutinefunction(test):
                _mark_async(test)
        for name, reason in cls.exempt.items():
            if name not in {one.name for one in RULES}:
                raise TypeError(f"exempt: there is no rule {name!r}")
            if not reason.strip():
                raise TypeError(f"exempt: say why {name!r} can't be kept")

    @classmethod
    def connector_class(cls) -> type[Connector]:
        """Return the class under test."""
        raise NotImplementedError

    @classmethod
    def rules(cls) -> list[Rule]:
        """Return the rules of this kind of connector, in the order of the tiers."""
        return [one for one in RULES if cls.kind in one.kinds]

    def make_service(self) -> Any:
        """Return the vendor's stand-in; without HTTP, override this or the fixture `service`."""
        return HttpService(self.ok)

    @pytest.fixture
    def service(self) -> Any:
        """The vendor's stand-in of one test."""
        return self.make_service()

    @pytest.fixture(autouse=True)
    def _exempted(self, request: pytest.FixtureRequest) -> None:
        """Skip what is exempted."""
        name = request.function.__name__.removeprefix("test_").replace("_", "-")
        if name in self.exempt:
            pytest.skip(f"exempt: {self.exempt[name]}")

    def create(self, settings: Any, ctx: Any, service: Any) -> Any:
        """Return the connector; override it where the stand-in must be handed over by hand."""
        return self.connector_class()(settings, ctx)

    @asynccontextmanager
    async def bench(
        self, service: Any, settings: Mapping[str, Any] | None = None
    ) -> AsyncIterator[Bench]:
        """Lend a context and build the connector; nothing is started."""
        clock, log = ManualClock(), LogCapture()
        model = self.connector_class().settings_model
        valid = model.model_validate(dict(self.settings if settings is None else settings))
        async with client(service) as http:
            ctx = context(http, clock=clock, log=log)
            yield Bench(self.create(valid, ctx, service), clock, log)

    async def provoke(self, service: Any, settings: Mapping[str, Any], watch: Watch) -> None:
        """Make the connector fail in every way, handing its errors to `watch`."""
        raise NotImplementedError

    async def test_manifest_valid(self) -> None:
        """The manifest can be planned with."""
        manifest = getattr(self.connector_class(), "manifest", None)
        assert isinstance(manifest, Manifest), "`manifest` must be a junctor.sdk.Manifest"
        Manifest.model_validate(manifest.model_dump())
        assert manifest.accepts, "`accepts` is empty: no event would ever come"
        if manifest.rate is not None:
            try:
                parse_rate(manifest.rate)
            except ValueError as error:
                raise AssertionError(f"rate {manifest.rate!r}: {error}") from None

    async def test_type_matches_entry_point(self) -> None:
        """The installed name is the manifest's."""
        connector = self.connector_class()
        points = self.entry_points
        if points is None:
            points = [point for group in _GROUPS for point in entry_points(group=group)]
        names = declared.entry_point_names(connector, points)
        if not names:
            unproven("no installed entry point loads this class; install the package first")
        said = connector.manifest.type
        assert names == {said}, f"the entry point is called {sorted(names)}, the manifest {said!r}"

    async def test_settings_documented(self) -> None:
        """Every setting has a docstring."""
        bare = declared.undocumented(self.connector_class().settings_model)
        assert not bare, f"no docstring below: {', '.join(bare)}"

    async def test_secrets_are_secret(self) -> None:
        """What is called like a credential is a Secret."""
        plain = declared.plain_credentials(self.connector_class().settings_model)
        assert not plain, f"should be of type Secret: {', '.join(plain)}"

    async def test_unknown_settings_refused(self) -> None:
        """A setting that does not exist is an error."""
        model = self.connector_class().settings_model
        try:
            model.model_validate({**self.settings, "no_such_setting": 1})
        except ValidationError:
            return
        raise AssertionError("a setting that does not exist was accepted; keep `extra='forbid'`")

    async def test_settings_model_agrees(self) -> None:
        """`settings_model` is the type parameter of the base class."""
        problem = declared.settings_disagreement(self.connector_class())
        assert problem is None, problem

    async def test_no_io_in_init(self, service: Any) -> None:
        """Building the connector opens, dials and starts nothing."""
        tasks = asyncio.all_tasks()
        model = self.connector_class().settings_model
        valid = model.model_validate(dict(self.settings))
        async with client(service) as http:
            ctx = context(http)
            with _no_io() as seen:
                self.create(valid, ctx, service)
            started = await leftovers(tasks)
        assert not seen, f"__init__ used {', '.join(seen)}; do that in start()"
        assert not started, "__init__ started a task; do that in start()"
        assert not service.received(), "__init__ sent something; do that in start()"

    async def test_secrets_never_printed(self, service: Any) -> None:
        """No secret in reprs, logs, output and errors, whatever goes wrong."""
        model = self.connector_class().settings_model
        canaries = Canaries.plant(model, self.settings)
        if not canaries.values:
            not_applicable("no setting is a Secret")
        with watch_output() as watch:
            try:
                model.model_validate({**canaries.settings, **canaries.wrong})
            except ValidationError as error:
                watch.error(error)
            valid = model.model_validate(canaries.settings)
            watch.text("repr of the settings", repr(valid) + str(valid))
            await self.provoke(service, canaries.settings, watch)
        for where, text in watch.texts:
            for name, value in canaries.values.items():
                assert value not in text, f"the secret {name!r} is printed: {where}"

    async def test_imports_only_sdk(self) -> None:
        """Of junctor only the SDK is imported, and no HTTP or retry library."""
        names = imported_names(self.connector_class())
        if names is None:
            unproven("the source of the connector can't be read")
        bad = sorted(name for name in names if _forbidden(name))
        assert not bad, f"imports {', '.join(bad)}; a connector needs junctor.sdk only"


async def finish(call: Awaitable[object]) -> BaseException | None:
    """Run one call into a connector and return what it raised, None when it returned.

    Raises:
        AssertionError: it did not end; a connector neither sleeps nor retries.
    """
    task = asyncio.ensure_future(call)
    _, pending = await asyncio.wait({task}, timeout=PATIENCE)
    if pending:
        await _cancelled(pending)
        raise AssertionError(
            f"the call did not end within {PATIENCE:g} s; waiting and retrying belong to the hub"
        )
    if task.cancelled():
        return asyncio.CancelledError()
    return task.exception()


async def leftovers(before: set[asyncio.Task[Any]]) -> int:
    """Return how many tasks were started since and still run after a while; cancel them."""
    for _ in range(10):
        await asyncio.sleep(0)
    left = asyncio.all_tasks() - before
    await _cancelled(left)
    return len(left)


async def _cancelled(tasks: set[asyncio.Task[Any]]) -> None:
    """Cancel `tasks` and wait until they have gone, within reason."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=PATIENCE)


@contextmanager
def _no_io() -> Iterator[list[str]]:
    """Note and refuse every opened file and dialed address."""
    seen: list[str] = []

    def refuse(name: str) -> Any:
        def refused(*args: Any, **kwargs: Any) -> NoReturn:
            seen.append(name)
            raise OSError(f"{name} in __init__")

        return refused

    with ExitStack() as stack:
        for owner, name in (
            (io, "open"), (os, "open"), (socket.socket, "connect"), (socket, "getaddrinfo"),
        ):  # fmt: skip
            stack.enter_context(patch.object(owner, name, refuse(name)))
        stack.enter_context(patch("builtins.open", refuse("open")))
        yield seen


def _forbidden(name: str) -> bool:
    """Whether a connector must not import this dotted name."""
    if name == "junctor" or name.startswith("junctor."):
        return name != "junctor.sdk" and not name.startswith("junctor.sdk.")
    return any(name == bad or name.startswith(f"{bad}.") for bad in FORBIDDEN_IMPORTS)


def _mark_async(test: Any) -> None:
    """Mark a test function, once, for pytest-asyncio; a marked class would warn of sync tests."""
    if not any(mark.name == "asyncio" for mark in getattr(test, "pytestmark", ())):
        pytest.mark.asyncio(test)
