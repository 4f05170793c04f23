"""Runs scenarios, all or those that are named, and prints what they found beside the budget.

`make bench BENCH="batch single --rounds 3"` runs two of them.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from benchmarks.budget import BUDGET, Budget, budget_text, read_budget, remembered
from benchmarks.figures import Figures, summaries
from benchmarks.machine import machine, machine_line
from benchmarks.report import table
from benchmarks.rounds import Failed, Round
from benchmarks.scenarios import SCENARIOS

_ROUNDS = 5
_QUICK_ROUNDS = 1


def main() -> int:
    """Run what the arguments say; return the exit code."""
    options = _options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that processes are ended
    try:
        if options.store is None:
            with tempfile.TemporaryDirectory(prefix="junctor-bench-") as folder:
                return _run(options, Path(folder))
        options.store.mkdir(parents=True, exist_ok=True)
        return _run(options, options.store.resolve())
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SCENARIOS)}")
    parser.add_argument("--rounds", type=int, help=f"default {_ROUNDS}")
    parser.add_argument(
        "--quick", action="store_true", help="small sizes, one round: shows that all works"
    )
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a target is missed")
    parser.add_argument(
        "--store", type=Path, metavar="FOLDER",
        help="where hubs keep their stores; large ones, made once, stay there for the next time",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures of all rounds")
    parser.add_argument(
        "--remember", action="store_true", help="write the medians into the budget, as what was"
    )
    options = parser.parse_args()
    if unknown := set(options.names) - SCENARIOS.keys():
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    if options.quick and options.remember:
        parser.error("--quick finds nothing that is worth remembering")
    if options.rounds is None:
        options.rounds = _QUICK_ROUNDS if options.quick else _ROUNDS
    if options.rounds < 1:
        parser.error("--rounds: at least 1")
    return options


def _run(options: argparse.Namespace, folder: Path) -> int:
    console = Console(width=120)
    here = machine(folder)
    console.print(machine_line(here))
    budget = read_budget()
    found: dict[str, list[Figures]] = {}
    failed = missed = False
    for name in options.names or SCENARIOS:
        begun, load = time.monotonic(), os.getloadavg()[0]
        try:
            rounds = [
                SCENARIOS[name](Round(number, options.quick, folder))
                for number in range(options.rounds)
            ]
        except Failed as error:
            console.print(f"[red]{name} failed:[/red] {error}")
            failed = True
            continue
        found[name] = rounds
        took = f"{time.monotonic() - begun:.0f} s, rounds: {len(rounds)}, load average {load:.1f}"
        title = f"{name}: {took}{'; too quick to tell' if options.quick else ''}"
        summary = summaries(rounds)
        console.print(table(title, summary, budget.get(name, {})))
        missed |= _is_missed(budget, name, {n: figure.median for n, figure in summary.items()})
        if options.json is not None:
            told = {"machine": here, "quick": options.quick, "figures": found}
            options.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    if options.remember:
        medians = {name: summaries(rounds) for name, rounds in found.items()}
        BUDGET.write_text(budget_text(remembered(budget, medians)), encoding="utf-8")
    return int(failed or (missed and options.strict))


def _is_missed(budget: Budget, scenario: str, medians: Figures) -> bool:
    entries = budget.get(scenario, {})
    return any(
        name not in medians or entry.is_missed(medians[name])
        for name, entry in entries.items()
        if entry.target()
    )


if __name__ == "__main__":
    sys.exit(main())
