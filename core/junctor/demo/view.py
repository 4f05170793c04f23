"""How it looks: the live board on a terminal, plain lines elsewhere, the summary in both."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from junctor.demo.journal import Entry, Kind
from junctor.demo.picture import Picture, VendorRow

_ROOMY: Final = 90
"""Columns from which tables get wider gaps."""
_AROUND_THE_JOURNAL: Final = 24
"""Lines of the board that are not the journal."""
_MOST_ENTRIES: Final = 12
_KIND_STYLE: Final = {Kind.GOOD: "green", Kind.PLAIN: "", Kind.TROUBLE: "yellow"}
_TITLES: Final = {
    "statsig": "Statsig", "alerts": "Slack #alerts", "growth": "Slack #growth", "crm": "CRM",
}  # fmt: skip


class View:
    """Draws on one console."""

    def __init__(self, console: Console) -> None:
        """Draw with the signs that the console's encoding has."""
        self._console = console
        unicode = console.encoding.startswith("utf")
        self._dot, self._ring, self._good, self._bad = "●○✓✗" if unicode else "*o+x"
        self._micro = "µ" if unicode else "u"

    def opening(self, path: Path, configuration: str, ingest: str, admin: str) -> None:
        """Show the configuration and where the hub listens."""
        console = self._console
        console.print()
        console.print(Text("junctor demo", style="bold"))
        console.print(
            "A sample shop sends events the way Segment's SDKs do. One hub stores, resolves\n"
            "and routes them, and watches who enters and leaves three audiences. Stand-ins for\n"
            "Statsig, Slack and a CRM check every request.\n"
            "Nothing leaves this machine.",
            highlight=False,
        )
        console.print()
        text = configuration.rstrip()
        shown: RenderableType = text
        if console.is_terminal:
            syntax = Syntax(text, "toml", theme="ansi_dark", background_color="default")
            shown = Panel(
                syntax, title=path.name, title_align="left", border_style="dim", box=box.ROUNDED,
                width=min(console.width, 104),
            )  # fmt: skip
        console.print(shown, highlight=False, markup=False, soft_wrap=not console.is_terminal)
        console.print()
        console.print(f"configuration  {path}", highlight=False, soft_wrap=True)
        console.print(f"events go to   {ingest}", highlight=False)
        console.print(f"operators ask  {admin}/api/ledger", highlight=False)
        console.print()

    def board(self, picture: Picture) -> RenderableType:
        """Return the live board; its height does not change, so that nothing jumps."""
        room = max(3, min(_MOST_ENTRIES, self._console.height - _AROUND_THE_JOURNAL))
        lines = [self._line(entry) for entry in picture.entries[-room:]]
        lines += [Text()] * (room - len(lines))
        return Group(
            self._headline(picture),
            Text(),
            _sources(picture),
            Text(),
            self._destinations(picture),
            Text(),
            _audiences(picture),
            Text(),
            Text("latest", style="dim"),
            *lines,
            Text(),  # where the terminal echoes ^C
        )

    def entries(self, entries: Sequence[Entry]) -> None:
        """Print lines of the journal."""
        for entry in entries:
            self._console.print(self._line(entry), soft_wrap=True)

    def summary(self, picture: Picture, problems: Sequence[str], folder: Path) -> None:
        """Print the ledger, what the vendors saw, and the verdict."""
        console = self._console
        console.print()
        self._heading("Taken in", "duplicates: sent again by a client; rejected: no event, kept")
        console.print(_sources(picture))
        console.print()
        self._heading("The ledger", "accepted = delivered + filtered + dead + pending")
        console.print(self._ledger(picture))
        console.print()
        self._heading("Audiences", "told to the CRM and to Slack; members = entered - left")
        console.print(_audiences(picture))
        console.print()
        self._heading("What the vendors saw", "p50: from the shop's request to the vendor")
        console.print(self._vendors(picture.vendors))
        if any(row.repeats for row in picture.vendors.values()):
            note = "A repeat follows a lost answer; by its webhook-id the CRM knows it is the same."
            console.print(Text(note, style="dim"))
        console.print()
        if problems:
            console.print(Text(f"{self._bad} The books do not balance.", style="bold red"))
            for problem in problems:
                console.print(Text(f"  - {problem}", style="red"), soft_wrap=True)
            console.print(
                f"The hub's log and store are in {folder}", highlight=False, soft_wrap=True
            )
        else:
            verdict = (
                f"{self._good} The books balance: every accepted event has one fate,\n"
                "  each vendor saw exactly the events meant for it,\n"
                "  and who entered and left which audience is as the shop itself knows it."
            )
            console.print(Text(verdict, style="bold green"))
        console.print()

    def farewell(self) -> None:
        """Say what to do next."""
        lines = (
            ("Next, with your own keys:", ""),
            ("  cp config.example.toml junctor.toml", "bold"),
            ("  junctor check", "bold"),
            ("  junctor run", "bold"),
            ("Then point an SDK's host at it. `junctor connectors` lists what it speaks.", ""),
        )
        for text, style in lines:
            self._console.print(Text(text, style=style))
        self._console.print()

    # -- parts -----------------------------------------------------------------------------------

    def _heading(self, title: str, explanation: str) -> None:
        self._console.print(Text.assemble((title, "bold"), "  ", (explanation, "dim")))

    def _headline(self, picture: Picture) -> Text:
        minutes, seconds = divmod(int(picture.elapsed), 60)
        return Text.assemble(
            ("junctor demo", "bold"), f"   {minutes}:{seconds:02}   ", (picture.phase, "dim")
        )

    def _destinations(self, picture: Picture) -> Table:
        table = _table(2 if self._console.width >= _ROOMY else 1)
        table.add_column("destination", width=11)
        _numbers(table, "delivered", "retrying", "pending", "dead")
        table.add_column("breaker", width=9)
        table.add_column("vendor", width=9)
        _numbers(table, "requests", "faults")
        for row in picture.destinations:
            vendor = picture.vendors[row.id]
            up = (self._dot, "green") if vendor.up else (self._ring, "red")
            title = _TITLES[row.id].rpartition(" ")[2] if vendor.up else "down"
            table.add_row(
                row.id,
                Text(str(row.delivered), "green" if row.delivered else ""),
                _count(row.retrying, "yellow"),
                _count(row.pending, ""),
                _count(row.dead, "red"),
                Text(row.breaker.replace("_", " "), "dim" if row.breaker == "closed" else "yellow"),
                Text.assemble(up, " ", title),
                str(vendor.requests),
                _count(vendor.faults, "bold red"),
            )
        return table

    def _ledger(self, picture: Picture) -> Table:
        table = _table()
        table.add_column("destination", width=13)
        _numbers(table, "accepted", "=", "delivered", "+", "filtered", "+", "dead", "+", "pending")
        table.add_column("")
        for row in picture.destinations:
            good = row.balanced and not row.pending
            table.add_row(
                row.id, str(row.accepted), "=", str(row.delivered), "+", str(row.filtered), "+",
                str(row.dead), "+", str(row.pending),
                Text(self._good, "green") if good else Text(self._bad, "bold red"),
            )  # fmt: skip
        return table

    def _vendors(self, vendors: Mapping[str, VendorRow]) -> Table:
        table = _table()
        table.add_column("vendor", width=13)
        _numbers(table, "requests", "refused", "unique events", "repeats", "wire faults", "p50")
        for row in vendors.values():
            table.add_row(
                _TITLES[row.id],
                str(row.requests),
                _count(row.refused, "yellow"),
                str(row.events),
                _count(row.repeats, "yellow"),
                _count(row.faults, "bold red"),
                "" if row.latency is None else self._duration(row.latency),
            )
        return table

    def _duration(self, seconds: float) -> str:
        if seconds < 0.001:
            return f"{seconds * 1e6:.0f} {self._micro}s"
        return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"

    def _line(self, entry: Entry) -> Text:
        line = Text.assemble(
            (f"{entry.at:6.1f} s", "dim"),
            f"  {entry.place:<14} ",
            (str(entry), _KIND_STYLE[entry.kind]),
            overflow="ellipsis",
            no_wrap=True,
        )
        return line


def _sources(picture: Picture) -> Table:
    table = _table()
    table.add_column("source", width=13)
    _numbers(table, "accepted", "duplicates", "rejected")
    for row in picture.sources:
        table.add_row(
            row.id,
            str(row.accepted),
            _count(row.duplicates, "yellow"),
            _count(row.rejected, "yellow"),
        )
    return table


def _audiences(picture: Picture) -> Table:
    table = _table()
    table.add_column("audience", width=14)
    _numbers(table, "members", "entered", "left")
    table.add_column("last change", justify="right", width=11)
    for row in picture.audiences:
        last = "" if row.last is None else f"{row.last:.0f} s ago"
        table.add_row(
            row.id,
            Text(str(row.members), "green" if row.members else ""),
            str(row.entered),
            str(row.left),
            Text(last, "dim"),
        )
    return table


def _table(gap: int = 2) -> Table:
    return Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="dim")


def _numbers(table: Table, *names: str) -> None:
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)


def _count(number: int, style: str) -> Text:
    """Return a number that catches the eye only when there is something to see."""
    return Text(str(number), style if number else "dim")
