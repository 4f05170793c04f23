"""`junctor erase`: a person is forgotten, here and where destinations can delete."""

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer

from junctor.cli import show
from junctor.cli.access import Daemon, environment, read_config, running
from junctor.cli.errors import CommandError
from junctor.cli.options import DEFAULT_CONFIG, Config, DryRun, Json

_LOOK: Final = 0.5
"""Seconds between two questions how far it is."""


def erase(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="user_id, email, anonymous_id, …")],
    value: Annotated[str, typer.Argument(metavar="VALUE")],
    suppress: Annotated[
        bool, typer.Option("--suppress", help="Take in no more events of their user ids, either.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    wait: Annotated[bool, typer.Option(help="Wait until nothing is left here.")] = True,
    dry_run: DryRun = False,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Forget a person: profile, events, dead letters. Needs the running daemon."""
    daemon = running(read_config(config, environment()))
    if dry_run or not yes:
        found = _ask(daemon, kind, value, suppress, dry_run=True)
        if dry_run and json:
            show.as_json(found)
            return
        if not json:
            _show_found(found)
        if dry_run:
            return
        _confirm()
    done = _ask(daemon, kind, value, suppress, dry_run=False)
    if wait:
        done = {**done, **erased(daemon, int(done["id"]), time.sleep)}
    if json:
        show.as_json(done)
    else:
        _show_done(done)


def _ask(daemon: Daemon, kind: str, value: str, suppress: bool, *, dry_run: bool) -> dict[str, Any]:
    return asyncio.run(daemon.erase(kind, value, suppress=suppress, dry_run=dry_run))


def erased(daemon: Daemon, id: int, sleep: Callable[[float], None]) -> dict[str, Any]:
    """Wait until nothing of the person is left here but what destinations are to be told."""
    while (found := asyncio.run(daemon.erasure(id)))["stage"] == "erasing":
        sleep(_LOOK)
    return found


def _confirm() -> None:
    if not sys.stdin.isatty():
        raise CommandError("nobody is there to be asked; --yes does it without")
    if not typer.confirm("erase all this for good?"):
        raise CommandError("nothing was erased")


def _show_found(found: dict[str, Any]) -> None:
    if found["profile"] is None:
        print("nobody is known by it here")
    show.facts(
        {
            "profile": found["profile"],
            **{f"known by {kind}": ", ".join(values) for kind, values in found["known_by"].items()},
            **{name: found[name] for name in ("identifiers", "events", "dead_letters")},
            "rejections": found["rejections"],
            "told to delete": ", ".join(found["destinations"]) or "no destination",
            "suppressed": ", ".join(found["suppressed"]) or None,
        }
    )


def _show_done(done: dict[str, Any]) -> None:
    id = done["id"]
    if done["stage"] == "erasing":
        print(f"erasure {id} has begun")
        return
    print(
        f"erasure {id}: {done['events']} events, {done['dead_letters']} dead letters and"
        f" {done['rejections']} rejections are gone"
    )
    if done["waits_for"]:
        print(f"still to be told: {', '.join(done['waits_for'])}")
