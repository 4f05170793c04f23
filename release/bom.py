"""The bill of materials of a release: every part at its pin, with a license, and no place.

    python -m release.bom BOM

The bill is CycloneDX JSON that cyclonedx-py has made of an environment with junctor and what it
needs, and has checked against the schema.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from packaging.utils import canonicalize_name

from release.pins import CONSTRAINTS, Versions, pins

ALLOWED: Final = frozenset(
    {
        "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0", "PSF-2.0",
        "Python-2.0",
    }
)  # fmt: skip
"""Licenses by their SPDX ids, beside which Apache-2.0 may be shipped and used by anybody."""
_CLASSIFIERS: Final[Mapping[str, str]] = MappingProxyType(
    {"License :: OSI Approved :: Apache Software License": "Apache-2.0"}
)
"""Of distributions that name their license by no id."""
_READ: Final[Mapping[str, str]] = MappingProxyType({"httpx-aiohttp": "BSD-3-Clause"})
"""Of distributions that only bring the text: read by us."""
_PLACE: Final = re.compile(r"\bfile:|[\"\s](?:/|[A-Z]:\\)\w+[/\\]")


def parts(bom: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield name and version of each part."""
    for part in bom["components"]:
        yield part["name"], part["version"]


def problems(text: str, pinned: Versions) -> Iterable[str]:
    """Yield what is wrong with a bill."""
    bom = json.loads(text)
    for part in bom["components"]:
        name, version = canonicalize_name(part["name"]), part["version"]
        if pinned.get(name) != version:
            yield f"{name}=={version} is not the pin, {pinned.get(name)}"
        licenses = set(_licenses(part))
        if not licenses:
            yield f"{name} has no license that can be read"
        for one in sorted(licenses - ALLOWED):
            yield f"{name} has the license {one}, which is not among those allowed"
    for place in _PLACE.findall(text):
        yield f"the bill names a place of this machine: {place.strip()}"


def _licenses(part: Mapping[str, Any]) -> Iterator[str]:
    """Yield the ids in all that a part says of its license; of alternatives each must do."""
    said = part.get("licenses", [])
    ids = [one["license"]["id"] for one in said if "id" in one.get("license", {})]
    for one in said:
        words = re.findall(r"[\w.+-]+", one.get("expression", ""))
        yield from (word for word in words if word not in ("AND", "OR"))
    names = [one["license"]["name"] for one in said if "name" in one.get("license", {})]
    yield from ids or [_CLASSIFIERS.get(name, name) for name in names]
    if not said and part["name"] in _READ:
        yield _READ[part["name"]]


def main(path: Path) -> int:
    """Print what is wrong; return the exit code."""
    text = path.read_text(encoding="utf-8")
    wrong = list(problems(text, pins(CONSTRAINTS.read_text(encoding="utf-8"))))
    for line in wrong:
        print(line)
    if not wrong:
        print(f"{path}: {len(list(parts(json.loads(text))))} parts, all pinned and licensed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
