"""Running connectors in a command: what breaks beside them is told without secrets or data."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run_quietly(work: Coroutine[Any, Any, T]) -> T:
    """Return what `work` returns; of tasks and threads that fail, kind and place are printed."""
    from junctor.telemetry.log import make_logger, quieted_libraries

    with quieted_libraries(make_logger("error")):
        return asyncio.run(work)
