"""`junctor audiences`: who is in, why, what a new one would be, and what became of its members."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from junctor.cli import audience_text, show
from junctor.cli.access import environment, read_config
from junctor.cli.audience_access import AudienceAccess, reach_audiences
from junctor.cli.operate import moment
from junctor.cli.options import DEFAULT_CONFIG, Config, Json, Limit

T = TypeVar("T")

audiences = typer.Typer(no_args_is_help=True, help="Who is in which audience, and why.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="An audience.")]


@audiences.command("list")
def list_audiences(config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """List all audiences, how many are in, and whether they serve."""
    found = _ask(config, lambda hub: hub.list())
    if json:
        show.as_json({"audiences": found})
    else:
        audience_text.show_list(found)


@audiences.command()
def members(
    name: Name,
    limit: Limit = 100,
    after: Annotated[
        str, typer.Option("--after", metavar="SUBJECT", help="Behind this one: the next page.")
    ] = "",
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """List who is in an audience."""
    found = _ask(config, lambda hub: hub.members(name, after, limit))
    _show(found, json, audience_text.show_members)


@audiences.command()
def explain(
    name: Name,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="user_id, email, session_id, …")],
    value: Annotated[str, typer.Argument(metavar="VALUE")],
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Show why somebody is in an audience, or not, and when that changes."""
    found = _ask(config, lambda hub: hub.explain(name, kind, value))
    _show(found, json, audience_text.show_explained)


@audiences.command()
def preview(
    audience: Annotated[
        str, typer.Argument(metavar="NAME|FILE", help="One of the configuration, or a file.")
    ],
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Which audience of the file.")
    ] = None,
    sample: Annotated[
        str, typer.Option("--sample", metavar="SHARE", help='Look at "1%" of all people.')
    ] = "100%",
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Show what an audience would be before it is saved; nothing is stored."""
    from junctor.cli.audience_tables import tables_of

    fraction = _fraction(sample)
    file = Path(audience) if audience.endswith((".toml", ".py")) else None
    wanted = name if file is not None else audience
    tables, wanted = tables_of(config, file, wanted)
    found = _ask(config, lambda hub: hub.preview(tables, wanted, fraction))
    _show(found, json, audience_text.show_preview)


@audiences.command()
def report(
    name: Name,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="Who entered since then; 30 days if absent."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="And before then.")
    ] = None,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Show how many of those who entered reached the goal, beside others; and size over time."""
    first, last = moment(since, "--since"), moment(until, "--until")
    found = _ask(config, lambda hub: hub.report(name, first, last))
    _show(found, json, audience_text.show_report)


@audiences.command()
def sync(
    destination: Annotated[str, typer.Argument(metavar="DESTINATION", help="One that keeps them.")],
    audience: Annotated[
        str | None,
        typer.Argument(metavar="[AUDIENCE]", help="This one; all that are sent there if absent."),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 on a difference.")] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Mend the destination's copy.")] = False,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Compare a destination's copy of audiences with the hub, and mend it if asked."""
    from junctor.cli.audience_sync import sync_audiences

    raise typer.Exit(
        sync_audiences(
            config, environment(), destination, audience, check=check, repair=repair, json=json
        )
    )


def _fraction(text: str) -> float:
    number = text.removesuffix("%")
    try:
        fraction = float(number) / (100 if number != text else 1)
    except ValueError:
        fraction = 0.0
    if not 0 < fraction <= 1:
        raise typer.BadParameter('a share such as "1%"', param_hint="--sample")
    return fraction


def _show(found: T, json: bool, as_text: Callable[[T], None]) -> None:
    if json:
        show.as_json(found)
    else:
        as_text(found)


def _ask(config: Path, question: Callable[[AudienceAccess], Awaitable[T]]) -> T:
    """Ask the daemon, or the store while none runs."""

    async def answer() -> T:
        async with reach_audiences(read_config(config, environment(), "identity")) as hub:
            return await question(hub)

    work: Coroutine[Any, Any, T] = answer()
    return asyncio.run(work)
