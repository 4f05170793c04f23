"""constraints.txt and the environment say the same: each distribution at its one version.

    python -m release.pins

Run by the Python of `.venv`. What is installed without a pin would be another version tomorrow; a
pin that nothing installs is a claim that nobody tests.
"""

import re
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

from packaging.utils import NormalizedName, canonicalize_name

CONSTRAINTS: Final = Path("constraints.txt")
_PIN: Final = re.compile(r"([A-Za-z0-9][\w.-]*)==([\w.!+]+)")
_BROUGHT: Final = frozenset({"junctor", "setuptools"})
"""The checkout itself, and what Python 3.11 puts into every environment."""

Versions = Mapping[NormalizedName, str]


def pins(text: str) -> Versions:
    """Return the version of each name.

    Raises:
        ValueError: a line is no comment and no `name==version`: an option, say, or an address.
    """
    found: dict[NormalizedName, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        pin = _PIN.fullmatch(line)
        if pin is None:
            raise ValueError(f"line {number} is no pin: {line}")
        found[canonicalize_name(pin[1])] = pin[2]
    return found


def installed() -> Versions:
    """Return what this Python finds, without what nobody asked for."""
    found = {canonicalize_name(one.metadata["Name"]): one.version for one in distributions()}
    return {name: version for name, version in found.items() if name not in _BROUGHT}


def problems(pinned: Versions, found: Versions) -> Iterable[str]:
    """Yield a line for each name that is not in both at the same version."""
    for name in sorted({*pinned, *found}):
        if name not in found:
            yield f"{name}=={pinned[name]} is pinned and not installed"
        elif name not in pinned:
            yield f"{name}=={found[name]} is installed and not pinned"
        elif pinned[name] != found[name]:
            yield f"{name} is pinned at {pinned[name]} and installed at {found[name]}"


def main() -> int:
    """Print what differs; return the exit code."""
    wrong = list(problems(pins(CONSTRAINTS.read_text(encoding="utf-8")), installed()))
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
