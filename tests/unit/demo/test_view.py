"""The view: it fits an 80 by 24 terminal, keeps its height, and speaks plainly without one."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from junctor.demo.journal import Journal, Kind
from junctor.demo.picture import AudienceRow, DestinationRow, Picture, SourceRow, VendorRow
from junctor.demo.view import View


def picture(lines: int) -> Picture:
    journal = Journal()
    for number in range(lines):
        journal.write(float(number), "crm (vendor)", f"line {number} " + "x" * 90, Kind.TROUBLE)
    return Picture(
        83.4,
        "trading; Ctrl-C ends it",
        [SourceRow("web", 123456, 78, 9), SourceRow("segment_cloud", 4321, 0, 0)],
        [
            DestinationRow("statsig", 127777, 117777, 10000, 0, 0, 0, "closed"),
            DestinationRow("alerts", 127777, 12, 127765, 0, 0, 0, "half_open"),
            DestinationRow("growth", 127777, 34, 127743, 0, 0, 0, "closed"),
            DestinationRow("crm", 127777, 11111, 116626, 1, 39, 17, "open"),
        ],
        {
            "statsig": VendorRow("statsig", True, 2345, 0, 117777, 0, 0, 0.2164),
            "alerts": VendorRow("alerts", True, 12, 0, 12, 0, 0, None),
            "growth": VendorRow("growth", True, 34, 0, 34, 0, 0, 0.0151),
            "crm": VendorRow("crm", False, 11133, 21, 11111, 1, 2, 1.25),
        },
        journal.last(40),
        [
            AudienceRow("high_intent", 1204, 1501, 297, 3.2),
            AudienceRow("cart_abandoner", 0, 0, 0, None),
            AudienceRow("frustrated", 2, 371, 369, 0.4),
        ],
    )


def drawn(width: int, height: int, lines: int) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, height=height, force_terminal=True, no_color=True)
    console.print(View(console).board(picture(lines)))
    text = Console(file=io.StringIO()).render_str(out.getvalue()).plain
    return text.splitlines()


@pytest.mark.parametrize("lines", [0, 3, 40])
def test_the_board_fits_a_small_terminal_and_keeps_its_height(lines: int) -> None:
    board = drawn(80, 24, lines)
    assert len(board) == len(drawn(80, 24, 1)) <= 23
    text = "\n".join(board)
    for header in ("delivered", "retrying", "pending", "dead", "breaker", "requests", "faults"):
        assert header in text
    for header in ("members", "entered", "left", "last change"):
        assert header in text
    assert "half open" in text
    assert "#growth" in text
    assert "cart_abandoner" in text
    assert "down" in text
    assert "1:23" in text


def test_the_summary_shows_the_ledger_as_sums_and_the_verdict() -> None:
    out = io.StringIO()
    console = Console(file=out, width=80)
    view = View(console)
    view.summary(picture(0), ["crm: 39 events are still pending"], Path("/tmp/x"))
    lines = [" ".join(line.split()) for line in out.getvalue().splitlines()]
    assert "crm 127777 = 11111 + 116626 + 1 + 39 ✗" in lines
    assert "alerts 127777 = 12 + 127765 + 0 + 0 ✓" in lines
    assert "Slack #growth 34 0 34 0 0 15 ms" in lines
    assert "high_intent 1204 1501 297 3 s ago" in lines
    assert "cart_abandoner 0 0 0" in lines
    assert "CRM 11133 21 11111 1 2 1.2 s" in lines
    assert "Statsig 2345 0 117777 0 0 216 ms" in lines
    assert any("do not balance" in line for line in lines)
    assert "- crm: 39 events are still pending" in lines
    assert not any("The books balance" in line for line in lines)


def test_without_problems_the_books_balance() -> None:
    out = io.StringIO()
    View(Console(file=out, width=80)).summary(picture(0), [], Path("/tmp/x"))
    assert "The books balance" in out.getvalue()
    assert "do not balance" not in out.getvalue()


def test_a_console_without_unicode_gets_plain_signs() -> None:
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding="ascii") as out:
        view = View(Console(file=out, width=80))
        view.summary(picture(0), [], Path("/tmp/x"))
        out.flush()
        assert b"+ The books balance" in raw.getvalue()
