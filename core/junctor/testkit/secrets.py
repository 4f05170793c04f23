"""Canary secrets: planted into the settings, looked for in everything that is printed."""

import contextlib
import io
import logging
import traceback
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel, SecretStr, ValidationError

from junctor.testkit.declared import fields, is_secret

SHORTEST: Final = 8
"""A given secret below this length may be part of other text by chance."""

_OF_THE_HOST: Final = ("httpx", "httpcore", "asyncio", "aiohttp")
"""Loggers that the host silences: they print URLs, which may hold a secret."""


@dataclass(frozen=True, slots=True)
class Canaries:
    """Settings with recognizable secrets; `values` maps the field's path to the text to look for.

    `wrong` is a key that the settings don't know, holding a secret: a misspelt one.
    """

    settings: dict[str, Any]
    values: dict[str, str]

    @property
    def wrong(self) -> dict[str, str]:
        """Return a misspelt setting whose value is one of the secrets."""
        return {"misspelt_secret": next(iter(self.values.values()))}

    @classmethod
    def plant(cls, model: type[BaseModel], settings: Mapping[str, Any]) -> "Canaries":
        """Replace every Secret that takes it by a canary; others keep what was given."""
        planted = deepcopy(dict(settings))
        values: dict[str, str] = {}
        for number, (path, declared) in enumerate(fields(model)):
            if not is_secret(declared):
                continue
            *parents, name = path.split(".")
            holder: Any = planted
            for parent in parents:
                holder = holder.get(parent) if isinstance(holder, dict) else None
            if not isinstance(holder, dict):
                continue
            given, absent = _plain(holder.get(name)), name not in holder
            canary = f"canary{number}z8q4t7w2k5"
            holder[name] = _planted(given, canary)
            if _valid(model, planted):
                values[path] = canary
            elif absent:
                del holder[name]
            else:
                holder[name] = SecretStr(given) if isinstance(given, str) else given
                if isinstance(given, str) and len(given) >= SHORTEST:
                    values[path] = given
        return cls(planted, values)


@dataclass(slots=True)
class Watch:
    """Everything that was printed, as pairs of place and text."""

    texts: list[tuple[str, str]] = field(default_factory=list)

    def text(self, where: str, text: str) -> None:
        """Keep a text to be searched."""
        self.texts.append((where, text))

    def error(self, error: BaseException | None, while_: str = "validating settings") -> None:
        """Keep an error's text, repr and traceback with all its causes."""
        if error is not None:
            name = type(error).__name__
            self.text(f"text of {name} while {while_}", f"{error} {error!r}")
            self.text(
                f"traceback of {name} while {while_}", "".join(traceback.format_exception(error))
            )


@contextlib.contextmanager
def watch_output() -> Iterator[Watch]:
    """Keep what is printed or logged by the standard library meanwhile."""
    watch, output, records = Watch(), io.StringIO(), _Records()
    root = logging.getLogger()
    level = root.level
    root.addHandler(records)
    root.setLevel(logging.DEBUG)
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            yield watch
    finally:
        root.setLevel(level)
        root.removeHandler(records)
        watch.text("standard output", output.getvalue())
        watch.text("logging", "\n".join(records.lines))


class _Records(logging.Handler):
    """Keeps log records as formatted text."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith(_OF_THE_HOST):
            self.lines.append(self.format(record))


def _planted(given: Any, canary: str) -> Any:
    """Return the canary in the shape of the given value; a URL keeps its beginning."""
    if isinstance(given, dict):
        return dict.fromkeys(given, SecretStr(canary))
    if isinstance(given, list | tuple):
        return [SecretStr(canary) for _ in given]
    if isinstance(given, str) and "://" in given:
        return SecretStr(f"{given.rstrip('/')}/{canary}")
    return SecretStr(canary)


def _plain(given: Any) -> Any:
    return given.get_secret_value() if isinstance(given, SecretStr) else given


def _valid(model: type[BaseModel], settings: Mapping[str, Any]) -> bool:
    try:
        model.model_validate(settings)
    except (ValidationError, TypeError):  # the latter from a constraint that a Secret can't have
        return False
    return True
