"""`junctor conformance TYPE`: the rules of the kit against one connector, as a table or JSON."""

import asyncio
import inspect
import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from pydantic import BaseModel, ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from junctor.sdk import Destination, Response

if TYPE_CHECKING:
    from junctor.testkit import Report

Lookup = Callable[[str], type[Any] | Sequence[type[Any]]]

CANNOT_RUN: Final = 2
"""Exit code when there is nothing to judge: no such connector, no settings, no pytest."""

_GROUPS: Final = ("junctor.destinations", "junctor.sources")
_STYLES: Final = {
    "passed": "green",
    "failed": "bold red",
    "exempt": "yellow",
    "not applicable": "dim",
    "unproven": "yellow",
}
_COLORS: Final = {"bronze": "#cd7f32", "silver": "#a8a9ad", "gold": "#d4af37"}


def installed_connectors(
    type: str, points: Sequence[EntryPoint] | None = None
) -> Sequence[type[Any]]:
    """Return the installed connectors of a type: a destination, a source, or one of each.

    Raises:
        LookupError: none is installed; the message says what is.
    """
    if points is None:
        points = [point for group in _GROUPS for point in entry_points(group=group)]
    found = [point.load() for point in points if point.name == type]
    if not found:
        names = sorted({point.name for point in points})
        close = get_close_matches(type, names, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(names)}"
        raise LookupError(f"no connector {type!r} is installed; {hint}")
    return found


def run_conformance(
    connector: str | type[Any],
    settings: Mapping[str, Any] | None,
    out: TextIO,
    *,
    as_json: bool = False,
    lookup: Lookup = installed_connectors,
) -> int:
    """Check a connector, given as a class or as a type for `lookup`, and print what came out.

    Without `settings` plausible ones are made from the connector's model. Exemptions and the
    vendor's usual answer are read from `rules.toml` beside the connector's module. As JSON a list
    with one object a connector is printed: type, kind, tier, rules, and `badge` in the shape of a
    shields.io endpoint.

    Returns:
        0 when no rule is broken, 1 when one is, 2 when the connector could not be tried.
    """
    console = Console(file=out, highlight=False)
    try:
        found = lookup(connector) if isinstance(connector, str) else connector
        classes = found if isinstance(found, Sequence) else [found]
        reports = [(one, _check(one, settings)) for one in classes]
    except ModuleNotFoundError as error:
        if error.name not in ("pytest", "respx"):
            raise
        console.print(
            f"The kit needs {error.name}, which is not installed: pip install 'junctor\\[testkit]'"
        )
        return CANNOT_RUN
    except (LookupError, ValueError) as error:
        console.print(escape(str(error)))
        return CANNOT_RUN
    if as_json:
        out.write(json.dumps([_as_data(*pair) for pair in reports], indent=2) + "\n")
    else:
        for one, report in reports:
            _print(console, one, report)
    return 1 if any(report.failed for _, report in reports) else 0


def _check(connector: type[Any], given: Mapping[str, Any] | None) -> "Report":
    from junctor.testkit import Report, Result, run_suite, suite_of
    from junctor.testkit.declared import secrets_in
    from junctor.testkit.plausible import plausible_settings

    model: type[BaseModel] = connector.settings_model
    settings = plausible_settings(model) if given is None else given
    try:
        valid = model.model_validate(dict(settings))
    except ValidationError as error:
        wrong = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise ValueError(f"the settings are wrong: {'; '.join(wrong)}") from None
    try:
        suite = suite_of(connector, settings=settings, **_declared(connector))
    except TypeError as error:
        raise ValueError(f"{connector.__name__}: {error}") from None
    report = asyncio.run(run_suite(suite))
    secrets = sorted(secrets_in(valid), key=len, reverse=True)
    results = [
        Result(one.rule, one.outcome, _masked(one.detail, secrets)) for one in report.results
    ]
    return Report(results, report.seconds)


def _declared(connector: type[Any]) -> dict[str, Any]:
    """Return what `rules.toml` beside the connector says of it.

    `[destination]` or `[source]` with `exempt = {RULE = REASON}`, and `reply`, the body of the
    vendor's answer when all is well.

    Raises:
        ValueError: the file can't be read.
    """
    file = Path(inspect.getfile(connector)).parent / "rules.toml"
    if not file.is_file():
        return {}
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8")).get(_kind(connector), {})
    except ValueError as error:
        raise ValueError(f"{file.name} of {connector.__name__}: {error}") from None
    declared: dict[str, Any] = {"exempt": table.get("exempt", {})}
    if "reply" in table:
        declared["ok"] = Response(200, str(table["reply"]).encode())
    return declared


def _masked(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return text


def _kind(connector: type[Any]) -> str:
    return "destination" if issubclass(connector, Destination) else "source"


def _verdict(report: "Report") -> str:
    return report.tier.value if report.tier else "no tier"


def _print(console: Console, connector: type[Any], report: "Report") -> None:
    title = f"{_kind(connector)} {connector.manifest.type}"
    table = Table(title=title, title_justify="left", box=None)
    for heading in ("rule", "tier", "outcome"):
        table.add_column(heading, no_wrap=True)
    table.add_column("", overflow="fold")
    for result in report.results:
        style = _STYLES[result.outcome]
        outcome = f"[{style}]{result.outcome}[/{style}]"
        table.add_row(result.rule.name, result.rule.tier, outcome, escape(result.detail))
    console.print(table)
    broken = f"{len(report.failed)} of {len(report.results)} rules broken"
    console.print(f"{_verdict(report)}: {broken}, {report.seconds:.2f} s\n")


def _as_data(connector: type[Any], report: "Report") -> dict[str, Any]:
    verdict = "broken" if report.failed else _verdict(report)
    return {
        "type": connector.manifest.type,
        "kind": _kind(connector),
        "tier": report.tier,
        "badge": {
            "schemaVersion": 1,
            "label": "junctor",
            "message": verdict,
            "color": "red" if report.failed else _COLORS.get(verdict, "lightgrey"),
        },
        "rules": [
            {
                "name": result.rule.name,
                "tier": result.rule.tier,
                "outcome": result.outcome,
                "detail": result.detail,
            }
            for result in report.results
        ],
    }
