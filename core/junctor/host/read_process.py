"""The process of reads: answers at decision time, whatever the hub is busy with.

The hub starts it with the sockets to use, and tells it over one of them how to read. It reads the
store by itself, what is committed, and ends when the hub does.
"""

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from aiohttp import web

from junctor.api.history import History
from junctor.api.ingest import ANY_PATH
from junctor.api.profile_reads import ProfileReads, Serving
from junctor.api.read_api import ReadApi
from junctor.api.relay import Relay
from junctor.audiences.engine import Engine
from junctor.audiences.language import parse_definitions
from junctor.audiences.program import Program
from junctor.config.model import Server
from junctor.host.brief import Brief, Raw, messages
from junctor.host.door import Acceptor, Door, Giver
from junctor.host.loops import loop_factory, runner_of
from junctor.sdk.context import SystemClock
from junctor.store.sqlite import open_lookup
from junctor.telemetry.log import make_logger, quiet_libraries

READY: Final = b"r"
"""What the process says when it accepts connections."""
WELL: Final = b"w"
"""What it says when it is asked whether it is well."""


def main(arguments: Sequence[str]) -> None:
    """Serve reads; `arguments` are file numbers: the hub's word, the hub's ear, listeners."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the hub tells when to end
        signal.signal(name, signal.SIG_IGN)
    word, ear, *listening = (socket.socket(fileno=int(one)) for one in arguments)
    gc.freeze()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(word, ear, listening))


async def _serve(word: socket.socket, ear: socket.socket, listening: list[socket.socket]) -> None:
    word.setblocking(False)
    ear.setblocking(False)
    reader, _ = await asyncio.open_unix_connection(sock=word)
    told = messages(reader)
    brief = await anext(told, None)
    if not isinstance(brief, Brief):
        return
    logger = make_logger(brief.log_level, brief.log_format)
    quiet_libraries(logger)
    serving = [_serving(brief)]
    lookup = open_lookup(Path(brief.store))
    reads = ProfileReads(lookup, lambda: serving[0], SystemClock())
    api = ReadApi(clock=SystemClock(), logger=logger, history=History(lookup))
    _configure(api, reads, brief)
    relay = Relay(Path(brief.relay))
    app = web.Application()
    api.mount(app)
    app.router.add_route("*", ANY_PATH, relay.handle)
    runner = runner_of(app, brief.drain_timeout)
    await runner.setup()
    keep, give = Acceptor(lambda: runner.server), Giver(ear)
    door = Door(listening, keep.serve, give.give, logger)
    ear.send(READY)
    async for message in told:
        if message is None:
            ear.send(WELL)
        elif isinstance(message, Brief):
            serving[0] = _serving(message)
            _configure(api, reads, message)
        else:
            reads.publish(message)
    await door.close()
    for one in listening:
        one.close()
    await runner.cleanup()
    await relay.close()
    await lookup.close()


def _configure(api: ReadApi, reads: ProfileReads, brief: Brief) -> None:
    reads.learn(brief.told)
    api.configure(Server(body_timeout=brief.body_timeout), reads, brief.readers)


def _serving(brief: Brief) -> Serving:
    engine = Engine(_program(brief.serving, brief))
    wanted = engine.program if brief.wanted is None else _program(brief.wanted, brief)
    return Serving(engine, wanted, brief.kinds, frozenset(brief.unfinished))


def _program(raw: Raw, brief: Brief) -> Program:
    definitions, _ = parse_definitions(raw)  # the hub runs them: there are no problems in them
    return Program(definitions, brief.idles)


if __name__ == "__main__":
    main(sys.argv[1:])
