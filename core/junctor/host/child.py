"""Processes that the hub starts: how one is started, and kept running."""

import asyncio
import os
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from structlog.typing import FilteringBoundLogger

from junctor.sdk.context import Clock

_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 5.0
"""Seconds before it is started again, doubled with each time that it ends early."""
_LONG_LIFE: Final = 60.0
"""Seconds after which an end is no longer early."""
PULSE_SECONDS: Final = 2.0
"""How often a process is asked whether it is well."""
MOST_MISSED: Final = 3
"""Questions whether it is well that may go unanswered, one after another."""


async def start_process(module: str, sockets: Sequence[socket.socket]) -> Process:
    """Start a module of junctor with `sockets`, whose file numbers are its arguments.

    Raises:
        OSError: it can't be started.
    """
    numbers = [one.fileno() for one in sockets]
    return await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", module, *map(str, numbers), pass_fds=numbers,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip


async def keep_running(
    live: Callable[[], Awaitable[None]], what: str, clock: Clock, logger: FilteringBoundLogger
) -> None:
    """Call `live`, which starts a process and waits for its end, again and again.

    `what` names the process in the log.
    """
    wait = _FIRST_WAIT
    while True:
        began = clock.monotonic()
        try:
            await live()
        except OSError as error:
            logger.error(f"{what} can't be started", error=str(error))
        except Exception as error:  # whatever it is, there must be another one
            logger.error(f"{what} can't be started", exc_info=error)
        if clock.monotonic() - began > _LONG_LIFE:
            wait = _FIRST_WAIT
        await clock.sleep(wait)
        wait = min(_LONGEST_WAIT, wait * 2)
