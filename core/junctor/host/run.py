"""The daemon: a hub from its first signal to its last.

SIGTERM and SIGINT drain, a second one ends at once; SIGHUP reads the configuration again.
"""

import asyncio
import gc
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from structlog.typing import FilteringBoundLogger

from junctor.config.load import LoadedConfig, load_config
from junctor.host.hub import Hub
from junctor.host.loops import calm_interpreter, collect_now_and_then, loop_factory
from junctor.host.registry import Registry
from junctor.host.watch import watching
from junctor.host.workers import worker_count
from junctor.model.problems import ConfigError
from junctor.store.port import StoreError
from junctor.telemetry.log import make_logger, quiet_libraries

AT_ONCE: Final = 1
"""Exit code when a second signal cut the drain short: something may be sent again."""

Wish = Literal["stop", "reload"]


class CannotStart(Exception):
    """The hub can't start; the message says what to do."""


def run_hub(path: Path, environ: Mapping[str, str]) -> None:
    """Run the hub of the configuration file `path` until it is told to stop.

    Raises:
        ConfigError: the configuration can't be used.
        CannotStart: the store or an address can't be used.
    """
    loaded = load_config(path, Registry.discover(), environ)
    logger = make_logger(loaded.config.log.level, loaded.config.log.format)
    quiet_libraries(logger)
    calm_interpreter()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(loaded, environ, logger))


async def _serve(
    loaded: LoadedConfig, environ: Mapping[str, str], logger: FilteringBoundLogger
) -> None:
    wishes = _listen_to_signals(logger)
    for warning in loaded.warnings:
        logger.warning("configuration", problem=str(warning))
    workers = worker_count(loaded.config.runtime.workers)
    hub = Hub(loaded, logger, reads_apart=True, workers=workers)
    try:
        await hub.start()
    except StoreError as error:
        raise CannotStart(str(error)) from None
    except OSError as error:
        raise CannotStart(
            f"can't listen: {error.strerror or error}; stop the program that listens there,"
            " or change server.listen or admin.listen"
        ) from None
    collecting = asyncio.create_task(collect_now_and_then())
    with watching(lambda: hub.loaded.functions):
        while await wishes.get() == "reload":
            await _reload(hub, environ, logger)
    collecting.cancel()
    logger.info("stopping", drain_seconds=loaded.config.server.drain_timeout)
    await hub.stop()


def _listen_to_signals(logger: FilteringBoundLogger) -> asyncio.Queue[Wish]:
    wishes: asyncio.Queue[Wish] = asyncio.Queue()
    stopping = asyncio.Event()

    def stop() -> None:
        if stopping.is_set():
            logger.warning("stopped at once, by a second signal")
            os._exit(AT_ONCE)
        stopping.set()
        wishes.put_nowait("stop")

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop)
    loop.add_signal_handler(signal.SIGINT, stop)
    loop.add_signal_handler(signal.SIGHUP, wishes.put_nowait, "reload")
    return wishes


async def _reload(hub: Hub, environ: Mapping[str, str], logger: FilteringBoundLogger) -> None:
    """Go over to the file as it is now; with problems in it the old configuration stays."""
    try:
        loaded = load_config(hub.loaded.path, Registry.discover(), environ)
    except ConfigError as error:
        for problem in error.problems:
            logger.error("configuration", problem=str(problem))
        logger.error("not reloaded: the old configuration stays", problems=len(error.problems))
        return
    for warning in loaded.warnings:
        logger.warning("configuration", problem=str(warning))
    try:
        await hub.reload(loaded)
    except Exception:  # a connector that can't be made must not end the hub
        logger.exception("not reloaded: the old configuration stays")
    gc.collect()  # what served before is in circles, and has a window of events
