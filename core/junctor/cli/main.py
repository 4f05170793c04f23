"""The command `junctor`. What a command needs is imported when it runs, so that all start fast."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from junctor import __version__
from junctor.cli import erase, operate, show
from junctor.cli.access import environment
from junctor.cli.audiences import audiences
from junctor.cli.errors import CommandError
from junctor.cli.options import DEFAULT_CONFIG, Config, Json
from junctor.model.problems import ConfigError

app = typer.Typer(
    name="junctor",
    help="A CDP connector hub: events in, destinations fed, nothing lost.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """Run the command that the arguments name.

    Exit codes: 0 done, 1 it failed (standard error says why), 2 the arguments are wrong.
    """
    try:
        app()
    except CommandError as error:
        print(f"junctor: {error}", file=sys.stderr)
        sys.exit(1)
    except ConfigError as error:
        show.problems(error.problems, to_stderr=True)
        print("junctor: the configuration can't be used; see above", file=sys.stderr)
        sys.exit(1)
    except Exception as error:  # its text, and what a traceback shows, may be a secret or data
        from junctor.telemetry.log import place_of

        said = f"{type(error).__name__} in junctor or a plug-in, at {place_of(error)}"
        print(f"junctor: {said}", file=sys.stderr)
        sys.exit(1)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"junctor {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


@app.command()
def run(config: Config = DEFAULT_CONFIG) -> None:
    """Run the hub; SIGTERM drains and exits, SIGHUP reloads the configuration."""
    from junctor.host.run import CannotStart, run_hub

    try:
        run_hub(config, environment())
    except CannotStart as error:
        raise CommandError(str(error)) from None


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop after one round of traffic.")] = False,
) -> None:
    """Try it: a hub, stand-in vendors on loopback, sample traffic, a live view."""
    from junctor.demo import run_demo

    raise typer.Exit(run_demo(once=once))


@app.command()
def check(
    online: Annotated[
        bool, typer.Option("--online", help="Also ask every destination for its credentials.")
    ] = False,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Show everything that is wrong with the configuration."""
    from junctor.cli.check import check

    raise typer.Exit(check(config, environment(), online=online, json=json))


@app.command()
def explain(
    event: Annotated[str, typer.Argument(metavar="EVENT.json", help="The event; - reads it.")],
    source: Annotated[
        str | None,
        typer.Option("--source", metavar="ID", help="The source that brings it; junctor: the hub."),
    ] = None,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Show what would become of an event, without storing or sending anything."""
    from junctor.cli.explain import explain_event

    explain_event(event, config, environment(), source=source, as_json=json)


@app.command()
def connectors(
    type: Annotated[str | None, typer.Argument(metavar="[TYPE]")] = None,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """List the connectors, or show one's settings, accepted events and limits."""
    from junctor.cli.connectors import list_connectors

    list_connectors(config, type, json=json)


@app.command()
def new(
    kind: Annotated[Literal["destination", "source"], typer.Argument(metavar="destination|source")],
    name: Annotated[str, typer.Argument(metavar="NAME")],
    folder: Annotated[
        Path, typer.Option("--folder", metavar="DIR", help="Where to write it.")
    ] = Path(),
) -> None:
    """Write the scaffold of a plug-in, with a test that passes."""
    from junctor.cli.new import ScaffoldError, new_connector

    try:
        files = new_connector(kind, name, folder)
    except ScaffoldError as error:
        raise CommandError(str(error)) from None
    for file in files:
        print(file)


@app.command()
def conformance(
    type: Annotated[str, typer.Argument(metavar="TYPE")],
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
) -> None:
    """Check a connector against the rules of the kit."""
    from junctor.cli.conformance import run_conformance
    from junctor.cli.plugins import classes_of, registry_of

    registry = registry_of(config)
    raise typer.Exit(
        run_conformance(
            type, None, sys.stdout, as_json=json, lookup=lambda type: classes_of(registry, type)
        )
    )


for command in (
    operate.status,
    operate.ledger,
    operate.profile,
    operate.rejections,
    operate.pause,
    operate.resume,
    operate.replay,
    erase.erase,
):
    app.command()(command)
app.add_typer(operate.dead_letters, name="dead-letters")
app.add_typer(audiences, name="audiences")


if __name__ == "__main__":
    main()
