"""structlog: JSON lines for machines, colors for people; always on standard error."""

import logging
import re
import sys
import threading
import traceback
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Final, TextIO, cast

import structlog
from structlog.typing import FilteringBoundLogger, Processor

_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_SENDERS_FAULT: Final = "aiohttp.http_exceptions"
_ARGUMENTS: Final = re.compile(r"[<(\n].*", re.DOTALL)
"""Where a library's message begins to print values: asyncio's have a task's exception in them."""


def make_logger(
    level: str = "info", format: str = "auto", stream: TextIO | None = None
) -> FilteringBoundLogger:
    """Return a logger; `format` is auto, json or pretty. No global configuration is touched."""
    out = stream if stream is not None else sys.stderr
    pretty = format == "pretty" or (format == "auto" and out.isatty())
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=out.isatty())
        if pretty
        else structlog.processors.JSONRenderer()
    )
    processors: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_text,
    ]
    return cast(
        FilteringBoundLogger,
        structlog.wrap_logger(
            structlog.WriteLogger(out),
            processors=[*processors, renderer],
            wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
            context_class=dict,
        ),
    )


def place_of(error: BaseException | None) -> str:
    """Return where an exception came from, innermost first; its text may hold event data."""
    frames = traceback.extract_tb(error.__traceback__) if error is not None else []
    return " < ".join(f"{f.filename}:{f.lineno} {f.name}" for f in reversed(frames[-6:]))


def _without_text(_: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Name an exception's type and place instead of printing it."""
    given = entry.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        entry["exception"] = type(error).__name__
        entry["place"] = place_of(error)
    return entry


def quiet_libraries(logger: FilteringBoundLogger) -> None:
    """Send what libraries say of errors (aiohttp's server, asyncio) to `logger`, without data.

    So is what nobody catches: in a thread, or while an object is thrown away.
    """
    root = logging.getLogger()
    root.handlers[:] = [_Forward(logger)]
    root.setLevel(logging.WARNING)
    sys.excepthook = lambda _, error, __: logger.error("the process broke", exc_info=error)
    threading.excepthook = lambda said: logger.error("a thread broke", exc_info=said.exc_value)
    sys.unraisablehook = lambda said: logger.error("not cleaned up", exc_info=said.exc_value)


@contextmanager
def quieted_libraries(logger: FilteringBoundLogger) -> Iterator[None]:
    """Do as `quiet_libraries` meanwhile: for a command in which connectors run."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    quiet_libraries(logger)
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        sys.excepthook, threading.excepthook, sys.unraisablehook = hooks


class _Forward(logging.Handler):
    """Passes on what went wrong and where; the values in a message may be secrets or event data."""

    def __init__(self, logger: FilteringBoundLogger) -> None:
        super().__init__(logging.WARNING)
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        said = _ARGUMENTS.sub("", str(record.msg)).strip()
        exc_info = record.exc_info if record.exc_info and record.exc_info[1] else None
        if exc_info and type(exc_info[1]).__module__ == _SENDERS_FAULT:
            return  # whoever sends what is no HTTP is answered 400, and must not fill the log
        self._logger.log(record.levelno, said, library=record.name, exc_info=exc_info)
