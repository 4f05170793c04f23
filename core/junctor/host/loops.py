"""Event loops, servers and the collector, as all processes of the hub have them."""

import asyncio
import gc
import sys
from collections.abc import Callable
from typing import Final

from aiohttp import web

_SWITCH_INTERVAL: Final = 0.0002
"""Seconds a thread may hold the interpreter: neither reads nor the store's writer wait for long."""
_GC_THRESHOLDS: Final = (2_000, 5, 2**30)
"""Small collections only: a large one stops all threads for tens of milliseconds; see ADR 0017."""
_COLLECT_SECONDS: Final = 600.0
"""Between two collections of everything: events are trees, not cycles, and leave little."""


def calm_interpreter() -> None:
    """Let threads take quick turns, and the collector never stop all of them for long."""
    sys.setswitchinterval(_SWITCH_INTERVAL)
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


async def collect_now_and_then() -> None:
    """Collect everything every ten minutes, for ever: whoever calms the interpreter has to."""
    while True:
        await asyncio.sleep(_COLLECT_SECONDS)
        gc.collect()


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes the loop: uvloop where it is installed, else None for asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def runner_of(app: web.Application, drain_timeout: float) -> web.AppRunner:
    """Return what serves `app`; connections get `drain_timeout` seconds to end."""
    return web.AppRunner(
        app, access_log=None, auto_decompress=False, handle_signals=False,
        shutdown_timeout=drain_timeout, keepalive_timeout=75,
    )  # fmt: skip
