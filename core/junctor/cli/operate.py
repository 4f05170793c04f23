"""Commands for operators: how the hub is, its people, dead letters, replays, pauses."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from junctor.cli import show
from junctor.cli.access import Access, environment, reach, read_config, running
from junctor.cli.options import (
    DEFAULT_CONFIG,
    Before,
    CodeFilter,
    Config,
    DestinationFilter,
    DryRun,
    Ids,
    Json,
    Limit,
    SinceFilter,
)

T = TypeVar("T")

dead_letters = typer.Typer(no_args_is_help=True, help="Events that a destination will not take.")

Destination = Annotated[str, typer.Argument(metavar="DESTINATION", help="Id of a destination.")]


def status(config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """Show how the hub and its destinations are."""
    found = _ask(config, lambda hub: hub.status())
    if json:
        show.as_json(found)
        return
    log = found["log"]
    show.facts(
        {
            "daemon": "stopped" if found.get("daemon") is False else "running",
            "store": found["problem"] or found["warning"] or "healthy",
            "log": f"{log['head']} events, {log['behind']} not yet folded",
            **_audience_lines(found["audiences"]),
        }
    )
    print()
    show.table(
        ("destination", "state", "pending", "parked", "in flight", "breaker", "why"),
        (
            (id, d["state"], d["pending"], d["parked"], d["in_flight"], d["breaker"], _why(d))
            for id, d in found["destinations"].items()
        ),
    )
    for replay in found["replays"]:
        done = f"{replay['events']} events so far"
        print(f"replay {replay['id']} to {replay['destination']}: {done}")


def _audience_lines(found: dict[str, Any]) -> dict[str, str]:
    """Return what is to be said of audiences and signals, nothing where none is defined."""
    failing = {
        f"signal {name}": f"its function failed {one['failures']} times, last: {one['failure']}"
        for name, one in found["failing"].items()
    }
    if not found["defined"]:
        return failing
    told = f"{found['defined']} defined"
    if found["building"]:
        done = f"{found['progress'] * 100:.0f} % of the log is read"
        told += f"; being built ({done}): {', '.join(found['building'])}"
    if found["reviewing"]:
        told += "; everybody is being looked at"
    if found["due_lag_seconds"] >= 1:
        told += f"; {found['due_lag_seconds']:.1f} s behind with what is due"
    if found["degraded"]:
        told += f"; {found['degraded']} people took too much room since the start and are degraded"
    if found["error"]:
        told += f"; {found['error']}"
    return {"audiences": told, **failing}


def _why(destination: dict[str, Any]) -> str | None:
    """Return why a destination is not well: its pause, or what the last call failed with."""
    trouble = destination["paused"] or destination.get("trouble")
    due = destination.get("next_try")
    return f"{trouble}; next try {due}" if trouble and due else trouble


def ledger(config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """Show what became of all events: accepted = delivered + filtered + dead + pending."""
    found = _ask(config, lambda hub: hub.ledger())
    if json:
        show.as_json(found)
        return
    columns = ("accepted", "delivered", "filtered", "dead", "pending", "balanced")
    show.table(
        ("destination", *columns),
        ((id, *(tally[name] for name in columns)) for id, tally in found["destinations"].items()),
    )


def profile(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="user_id, email, account, …")],
    value: Annotated[str, typer.Argument(metavar="VALUE")],
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Show a person by any identifier, or an account by `account`."""
    found = _ask(config, lambda hub: hub.profile(kind, value))
    if json:
        show.as_json(found)
        return
    print(f"{show.cell(found['id'])}, seen from {found['first_seen']} to {found['last_seen']}")
    pairs = [(kind, value) for kind, values in found["identifiers"].items() for value in values]
    print()
    show.table(("identifier", "value"), pairs)
    print()
    show.table(("trait", "value"), found["traits"].items())
    for group, traits in found["groups"].items():
        print()
        show.table((f"trait of {show.cell(group)}", "value"), traits.items())
    for one, values in (
        ("audience", found["audiences"]), ("attribute", found["attributes"]),
        ("score", found["scores"]),
    ):  # fmt: skip
        if values:
            print()
            show.table((one, "member" if one == "audience" else "value"), values.items())
    if found["subject"] is not None:
        print(f"\n{show.cell(found['subject']['id'])} by itself:")
        show.table(("audience", "member"), found["subject"]["audiences"].items())
    for merge in found["merges"]:
        print(f"\nmerged: {merge['absorbed']} at {merge['at']}")


def rejections(
    limit: Limit = 100,
    before: Before = None,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """List what was sent and could not be an event, newest first."""
    found = _ask(config, lambda hub: hub.rejections(limit, before))
    if json:
        show.as_json({"rejections": found})
        return
    show.table(
        ("id", "received at", "source", "reason", "item"),
        ((r["id"], r["received_at"], r["source"], r["reason"], r["item"][:80]) for r in found),
    )


def pause(
    destination: Destination,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Shown by status.")] = "",
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Pause a destination; it keeps its events. Needs the running daemon."""
    daemon = running(read_config(config, environment()))
    asyncio.run(daemon.pause(destination, reason))
    print(f"{destination} is paused; its events are kept")


def resume(destination: Destination, config: Config = DEFAULT_CONFIG) -> None:
    """Resume a destination. Needs the running daemon."""
    daemon = running(read_config(config, environment()))
    asyncio.run(daemon.resume(destination))
    print(f"{destination} is running")


def replay(
    destination: Annotated[
        str | None, typer.Option("--destination", metavar="ID", help="Where to send again.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help='"2026-01-31T12:00:00Z", or "2h" ago.'),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Until then; now if absent.")
    ] = None,
    stop: Annotated[
        int | None, typer.Option("--stop", metavar="N", min=0, help="End replay N where it is.")
    ] = None,
    dry_run: DryRun = False,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Send again what a destination got between two times. Needs the running daemon."""
    if stop is not None:
        _stop_replay(stop, config, json)
        return
    first, last = moment(since, "--since"), moment(until, "--until")
    if destination is None or first is None:
        raise typer.BadParameter("--destination and --since say what to send again")
    daemon = running(read_config(config, environment()))
    done = asyncio.run(daemon.replay(destination, first, last, dry_run=dry_run))
    if json:
        show.as_json(done)
    elif dry_run:
        print(f"{done['events']} events would be sent to {destination} again")
    else:
        print(f"replay {done['id']} to {destination} has begun; `junctor status` shows it")


def _stop_replay(id: int, config: Path, json: bool) -> None:
    daemon = running(read_config(config, environment()))
    asyncio.run(daemon.stop_replay(id))
    if json:
        show.as_json({"id": id, "state": "stopped"})
    else:
        print(f"replay {id} has ended; what it has handed over already still goes out")


@dead_letters.command("list")
def list_dead(
    destination: DestinationFilter = None,
    code: CodeFilter = None,
    since: SinceFilter = None,
    limit: Limit = 100,
    before: Before = None,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """List dead letters, newest first."""
    at = moment(since, "--since")
    found = _ask(
        config,
        lambda hub: hub.dead_letters(destination, code=code, since=at, before=before, limit=limit),
    )
    if json:
        show.as_json({"dead_letters": found})
        return
    columns = ("id", "at", "destination", "type", "message_id", "code", "attempts", "message")
    show.table(columns, ([letter[name] for name in columns] for letter in found))


@dead_letters.command("show")
def show_dead(
    id: Annotated[int, typer.Argument(metavar="N", min=0)],
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Show one dead letter with its event."""
    found = _ask(config, lambda hub: hub.dead_letter(id))
    if json:
        show.as_json(found)
        return
    event = found.pop("event")
    show.facts(found)
    print()
    show.as_json(event)


@dead_letters.command("replay")
def replay_dead(
    destination: DestinationFilter = None,
    code: CodeFilter = None,
    since: SinceFilter = None,
    id: Ids = None,
    dry_run: DryRun = False,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Try dead letters again. Needs the running daemon."""
    ids, at = _chosen(id, destination, code, since)
    daemon = running(read_config(config, environment()))
    count = asyncio.run(daemon.replay_dead(ids, destination, code, at, dry_run=dry_run))
    _report(count, "replayed", "are tried again", dry_run, json)


@dead_letters.command("purge")
def purge_dead(
    destination: DestinationFilter = None,
    code: CodeFilter = None,
    since: SinceFilter = None,
    id: Ids = None,
    dry_run: DryRun = False,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Remove dead letters for good."""
    ids, at = _chosen(id, destination, code, since)
    count = _ask(config, lambda hub: hub.purge_dead(ids, destination, code, at, dry_run=dry_run))
    _report(count, "purged", "are removed", dry_run, json)


def _report(count: int, word: str, done: str, dry_run: bool, json: bool) -> None:
    if json:
        show.as_json({word: count, "dry_run": dry_run})
    elif dry_run:
        print(f"{count} dead letters are meant")
    else:
        print(f"{count} dead letters {done}")


def _chosen(
    ids: list[int] | None, destination: str | None, code: str | None, since: str | None
) -> tuple[list[int] | None, int | None]:
    """Return ids and time of the dead letters that are meant; a command line must say which."""
    if ids and (destination or code or since):
        raise typer.BadParameter("either --id or the filters, not both")
    if not ids and destination is None:
        raise typer.BadParameter("say which: --destination ID or --id N")
    return ids or None, moment(since, "--since")


def moment(text: str | None, option: str) -> int | None:
    """Return epoch milliseconds of a time or an age."""
    if text is None:
        return None
    from junctor.api.operations import parse_since

    at = parse_since(text, round(time.time() * 1000))
    if at is None:
        raise typer.BadParameter(
            'a time such as "2026-01-31T12:00:00Z" or an age such as "2h"', param_hint=option
        )
    return at


def _ask(config: Any, question: Callable[[Access], Awaitable[T]]) -> T:
    """Ask the daemon, or the store while none runs."""

    async def answer() -> T:
        async with reach(read_config(config, environment())) as hub:
            return await question(hub)

    work: Coroutine[Any, Any, T] = answer()
    return asyncio.run(work)
