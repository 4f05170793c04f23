"""A round: what a scenario is told, and where it keeps its stores."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Figures


class Failed(Exception):
    """A scenario could not be measured; the message says why."""


@dataclass(frozen=True)
class Round:
    """One run of a scenario. Whatever is compared takes turns inside it."""

    number: int
    quick: bool
    folder: Path
    """Where stores are made. What is expensive to make stays there for the next round."""

    def size(self, full: int, quick: int) -> int:
        """Return how much there is to be of something."""
        return quick if self.quick else full

    def kept(self, name: str, make: Callable[[Path], None]) -> Path:
        """Return a folder that an earlier round made, or that `make` makes now."""
        folder = self.folder / name
        if not folder.exists():
            part = folder.with_name(f"{name}.part")  # what an interrupted run left is made anew
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            make(part)
            part.rename(folder)
        return folder


Scenario = Callable[[Round], Figures]
