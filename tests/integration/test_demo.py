"""`junctor demo --once` in a process of its own: it ends by itself, with books that balance."""

import re
import subprocess
import sys

import pytest

_PROGRAM = "import sys; from junctor.demo import run_demo; sys.exit(run_demo(once=True))"
_LEDGER = re.compile(r"^(\w+) +(\d+) += +(\d+) +\+ +(\d+) +\+ +(\d+) +\+ +(\d+) +✓", re.MULTILINE)
_VENDOR = re.compile(
    r"^(Statsig|Slack #\w+|CRM) +(\d+) +(\d+) +(\d+) +(\d+) +(\d+) +[\d.]+ (?:s|ms)",
    re.MULTILINE,
)
_TAKEN = re.compile(r"^(?:web|segment_cloud) +(\d+) +\d+ +\d+$", re.MULTILINE)
_AUDIENCE = re.compile(r"^(\w+) +(\d+) +(\d+) +(\d+) +\d+ s ago", re.MULTILINE)


@pytest.mark.slow
def test_the_demo_ends_by_itself_with_a_balanced_ledger() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "utf8", "-c", _PROGRAM],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    ledger = {row[0]: [int(number) for number in row[1:]] for row in _LEDGER.findall(done.stdout)}
    assert ledger.keys() == {"statsig", "alerts", "growth", "crm"}
    for accepted, delivered, filtered, dead, pending in ledger.values():
        assert accepted == delivered + filtered
        assert accepted > 200
        assert (dead, pending) == (0, 0)
    vendors = {row[0]: [int(number) for number in row[1:]] for row in _VENDOR.findall(done.stdout)}
    for title, id in (
        ("Statsig", "statsig"),
        ("Slack #alerts", "alerts"),
        ("Slack #growth", "growth"),
        ("CRM", "crm"),
    ):
        _, _, unique, _, faults = vendors[title]
        assert unique == ledger[id][1]
        assert faults == 0
    assert vendors["CRM"][1] > 0, "the vendor never failed"
    audiences = {row[0]: [int(n) for n in row[1:]] for row in _AUDIENCE.findall(done.stdout)}
    assert audiences.keys() == {"high_intent", "cart_abandoner", "frustrated"}
    for members, entered, left in audiences.values():
        assert entered >= 3
        assert members == entered - left
    assert audiences["high_intent"][2] >= 1, "nobody of high intent bought"
    assert audiences["cart_abandoner"][2] >= 1, "nobody came back to the cart"
    assert audiences["frustrated"][0] == 0, "anger passes"
    assert vendors["Slack #growth"][2] == 2 * audiences["frustrated"][1]
    taken = sum(int(count) for count in _TAKEN.findall(done.stdout))
    moves = sum(entered + left for _, entered, left in audiences.values())
    assert ledger["crm"][0] == taken + moves + audiences["frustrated"][1]
    for happening in ("goes down", "to be tried again", "breaker open", "is back", "known already"):
        assert happening in done.stdout
    assert "The books balance" in done.stdout
