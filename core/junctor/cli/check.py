"""`junctor check`: everything that is wrong with a configuration at once."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from junctor.cli import show
from junctor.cli.quiet import run_quietly
from junctor.config.connectors import DestinationClass
from junctor.config.load import LoadedConfig, LoadedConnector, load_config
from junctor.config.model import Destination
from junctor.host.registry import Registry
from junctor.model.problems import ConfigError, Problem

if TYPE_CHECKING:
    from junctor.sdk.context import Context

LoadedDestination = LoadedConnector[DestinationClass, Destination]
LONGEST_CHECK: Final = 15.0
"""Seconds that a destination has to answer."""


def check(path: Path, environ: Mapping[str, str], *, online: bool, json: bool) -> int:
    """Print problems and warnings, and with `online` how each destination answers.

    Returns:
        0 when the configuration can be run and, if asked, every destination answers; else 1.
    """
    answers: dict[str, str] = {}
    problems: Sequence[Problem] = ()
    loaded: LoadedConfig | None = None
    try:
        loaded = load_config(path, Registry.discover(), environ)
        warnings = loaded.warnings
        if online:
            answers = run_quietly(ask_destinations(loaded))
    except ConfigError as error:
        problems, warnings = error.problems, error.warnings
    failed = bool(problems) or any(answers.values())
    if json:
        report: dict[str, Any] = {
            "ok": not failed,
            "problems": [_as_data(one) for one in problems],
            "warnings": [_as_data(one) for one in warnings],
        }
        if online and loaded is not None:
            report["online"] = {
                id: {"ok": not why, "why": why or None} for id, why in answers.items()
            }
        show.as_json(report)
        return int(failed)
    show.problems(problems)
    show.problems(warnings, "warning")
    if loaded is None:
        print(f"{path}: {_count(len(problems), 'error')}")
        return 1
    print(
        f"{path} is fine: {_count(len(loaded.sources), 'source')},"
        f" {_count(len(loaded.destinations), 'destination')}, {_count(len(loaded.routes), 'route')}"
    )
    if answers:
        print()
        show.table(
            ("destination", "answers", "why"),
            ((id, not why, why) for id, why in answers.items()),
        )
    return int(failed)


async def ask_destinations(loaded: LoadedConfig) -> dict[str, str]:
    """Let every enabled destination prove that credentials and address work.

    Returns:
        By id "" when they do, else why not, without secrets.
    """
    from junctor.host.egress import guarded_client
    from junctor.host.mask import Mask
    from junctor.sdk.context import Context, SystemClock
    from junctor.telemetry.log import make_logger

    asked = [one for one in loaded.destinations.values() if one.section.enabled]
    clock, logger = SystemClock(), make_logger("error")
    async with guarded_client(loaded.config.egress.allow) as http:
        found = await asyncio.gather(
            *(_ask(one, Context(one.id, http, logger, clock)) for one in asked)
        )
    return {one.id: Mask(one.settings).text(why) for one, why in zip(asked, found, strict=True)}


async def _ask(one: LoadedDestination, ctx: "Context") -> str:
    from junctor.sdk.errors import DeliveryError

    try:
        async with asyncio.timeout(LONGEST_CHECK):
            destination = one.cls(one.settings, ctx)
            try:
                await destination.start()
                await destination.check()
            finally:
                await destination.stop()
    except DeliveryError as error:
        return error.message or error.code
    except TimeoutError:
        return f"no answer within {LONGEST_CHECK:g} s"
    except Exception as error:  # whatever a plug-in does, the others are checked
        return f"{type(error).__name__} in the connector"
    return ""


def _as_data(problem: Problem) -> dict[str, Any]:
    return {
        "path": problem.path,
        "file": problem.file,
        "line": problem.line,
        "message": problem.message,
        "hint": problem.hint,
    }


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
