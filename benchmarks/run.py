"""Runs benchmarks and prints tables: all of them, or those that are named.

`make bench BENCH="audiences --rounds 5"` runs one with other settings.
"""

import argparse
import os
import platform
from pathlib import Path

from rich.console import Console

from benchmarks import alerts, delivery, many_audiences, million

NAMES = ("delivery", "audiences", "slack", "million")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", type=int, help="of delivery, run scenario N only, from 1")
    parser.add_argument("--people", type=int, default=1_000_000, help="of million")
    parser.add_argument(
        "--seconds", type=float, default=20, help="of slack and million, for each rate"
    )
    parser.add_argument("--store", type=Path, help="of million: the folder of its store, kept")
    options = parser.parse_args()
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    names = options.names or (NAMES if options.only is None else ("delivery",))
    console = Console(width=120)
    machine = f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} CPUs"
    console.print(machine)
    if "delivery" in names:
        delivery.run(console, options.rounds, options.only)
    if "audiences" in names:
        many_audiences.run(console, options.rounds)
    if "slack" in names:
        alerts.run(console, options.seconds)
    if "million" in names:
        million.run(console, options.people, options.seconds, options.store)


if __name__ == "__main__":
    main()
