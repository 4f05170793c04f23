"""Short ways to read pieces of a configuration."""

import tomllib
from typing import Any

from junctor.audiences.language import parse_definitions
from junctor.audiences.nodes import Audience, Condition, Definitions
from junctor.model.problems import Problem


def read(text: str) -> Definitions:
    """Return what a TOML text defines; it must have no problems."""
    definitions, problems = parse_definitions(tomllib.loads(text))
    assert problems == []
    return definitions


def refused(text: str) -> dict[str, Problem]:
    """Return the problems of a TOML text by their paths."""
    _, problems = parse_definitions(tomllib.loads(text))
    return {problem.path: problem for problem in problems}


def audience(text: str) -> Audience:
    """Return the audience that the keys in a TOML text make."""
    [found] = read(f"[audiences.x]\n{text}").audiences
    return found


def condition(text: str) -> Condition:
    """Return the condition that an inline table of TOML says."""
    found = audience(f"all = [ {text} ]").condition
    items: tuple[Any, ...] = getattr(found, "items")  # noqa: B009
    return items[0]  # type: ignore[no-any-return]
