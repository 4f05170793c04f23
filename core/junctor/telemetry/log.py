"""structlog: JSON lines for machines, colors for people; always on standard error."""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any, Final, TextIO, cast

import structlog
from structlog.typing import FilteringBoundLogger, Processor

_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}


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
    """Send what libraries say of errors (aiohttp's server, asyncio) to `logger`, without data."""
    root = logging.getLogger()
    root.handlers[:] = [_Forward(logger)]
    root.setLevel(logging.WARNING)


class _Forward(logging.Handler):
    def __init__(self, logger: FilteringBoundLogger) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, Any] = {"library": record.name}
        if record.exc_info and record.exc_info[0] is not None:
            fields["exception"] = record.exc_info[0].__name__
        self._logger.log(record.levelno, record.getMessage(), **fields)
