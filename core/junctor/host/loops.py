"""Event loops and servers, as both processes of the hub make them."""

import asyncio
from collections.abc import Callable

from aiohttp import web


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
