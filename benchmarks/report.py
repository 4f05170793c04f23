"""What was found, as a table beside the budget."""

from collections.abc import Mapping

from rich.table import Table

from benchmarks.budget import Entry
from benchmarks.figures import Summary


def table(title: str, found: Mapping[str, Summary], entries: Mapping[str, Entry]) -> Table:
    """Return a row for every figure: its median and spread, its target, what it was."""
    made = Table(title=title, title_justify="left")
    made.add_column("figure")
    for column in ("median", "spread", "target", "", "was", "change"):
        made.add_column(column, justify="right")
    for name, figure in found.items():
        entry = entries.get(name, Entry())
        made.add_row(
            name,
            number(figure.median),
            f"{number(figure.least)} to {number(figure.most)}",
            entry.target(),
            _verdict(entry, figure.median),
            "" if entry.was is None else number(entry.was),
            _change(entry, name, figure.median),
        )
    return made


def number(figure: float) -> str:
    """Return a figure with three digits that count, or all before the point."""
    if figure == 0 or abs(figure) >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.3g}"


def _verdict(entry: Entry, figure: float) -> str:
    if not entry.target():
        return ""
    return "[red]MISSED[/red]" if entry.is_missed(figure) else "[green]met[/green]"


def _change(entry: Entry, name: str, figure: float) -> str:
    change = entry.change(figure)
    if change is None:
        return ""
    worse = " [red]WORSE[/red]" if entry.is_worse(name, figure) else ""
    return f"{change * 100:+.0f} %{worse}"
