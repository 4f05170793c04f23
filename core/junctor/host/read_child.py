"""The process of reads as the hub sees it: started, told how to read, and started again."""

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from structlog.typing import FilteringBoundLogger

from junctor.host.brief import Brief, Message, frame
from junctor.host.child import MOST_MISSED, PULSE_SECONDS, keep_running, start_process
from junctor.host.door import GIVEN
from junctor.host.read_process import READY
from junctor.sdk.context import Clock

_MOST_UNREAD: Final = 64 * 2**20
"""Bytes it may be behind with reading what it is told."""
_MODULE: Final = "junctor.host.read_process"


class ReadChild:
    """Keeps one process of reads running."""

    def __init__(
        self,
        listening: Sequence[socket.socket],
        take: Callable[[socket.socket], None],
        accepts: Callable[[bool], None],
        brief: Callable[[], Brief],
        clock: Clock,
        logger: FilteringBoundLogger,
    ) -> None:
        """Let it accept from the sockets `listening`, and `take` what is not for it.

        `accepts` is told whether there is a process that accepts; `brief` is how it is to read.
        """
        self._listening = listening
        self._take = take
        self._accepts = accepts
        self._brief = brief
        self._clock = clock
        self._logger = logger
        self._process: asyncio.subprocess.Process | None = None
        self._word: asyncio.StreamWriter | None = None
        self._closing = False
        self._ready = self._well = False
        self._running = asyncio.create_task(
            keep_running(self._live, "the process of reads", clock, logger)
        )

    def send(self, message: Message) -> None:
        """Tell it something; if it does not listen any more, it is ended, and started again."""
        if self._word is None or self._word.transport.is_closing():
            return  # the next one begins with a brief
        self._word.write(frame(message))
        if self._word.transport.get_write_buffer_size() > _MOST_UNREAD and self._process:
            self._word = None
            self._give_up(self._process)

    def _give_up(self, process: asyncio.subprocess.Process) -> None:
        self._logger.error("the process of reads does not listen; it is started again")
        with suppress(ProcessLookupError):
            process.kill()

    async def close(self, grace: float) -> None:
        """End it; what still runs after `grace` seconds is cut off."""
        self._closing, process = True, self._process
        if self._word is not None and process is not None:
            self._word.close()
            with suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await process.wait()
        self._running.cancel()
        await asyncio.wait([self._running])

    async def _live(self) -> None:
        """Start one, and wait until it ends."""
        loop = asyncio.get_running_loop()
        word, their_word = socket.socketpair()
        ear, their_ear = socket.socketpair()
        ear.setblocking(False)
        try:
            process = await start_process(_MODULE, (their_word, their_ear, *self._listening))
        except BaseException:
            word.close()
            ear.close()
            raise
        finally:
            their_word.close()
            their_ear.close()
        self._process, self._ready = process, False
        try:
            _, self._word = await asyncio.open_unix_connection(sock=word)
            self.send(self._brief())
            loop.add_reader(ear.fileno(), self._hear, ear)
            code = await self._watch(process)
            if not self._closing:
                self._logger.error("the process of reads ended; it is started again", code=code)
        finally:
            self._process, writer, self._word = None, self._word, None
            self._hear(ear)  # what it has handed over is not lost with it
            self._accepts(False)
            loop.remove_reader(ear.fileno())
            ear.close()
            if writer is not None:
                writer.close()
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    async def _watch(self, process: asyncio.subprocess.Process) -> int:
        """Return the exit code once it has ended; if it does not answer any more, end it.

        It accepts all connections: if it hangs, nobody can send events.
        """
        missed = 0
        while True:
            try:
                async with asyncio.timeout(PULSE_SECONDS):
                    return await process.wait()
            except TimeoutError:
                if self._closing or not self._ready:
                    continue  # as long as it starts, connections are accepted here
                missed = 0 if self._well else missed + 1
                self._well = False
                if missed > MOST_MISSED:
                    self._give_up(process)
                self.send(None)

    def _hear(self, ear: socket.socket) -> None:
        """Take the connections that it hands over; it says once that it is ready."""
        while True:
            try:
                said, numbers, _, _ = socket.recv_fds(ear, 1, 1)
            except BlockingIOError:
                return
            except OSError:
                said, numbers = b"", []
            if not said:
                asyncio.get_running_loop().remove_reader(ear.fileno())
                return
            self._well = True
            if said == READY:
                self._ready = True
                self._accepts(True)
            elif said == GIVEN and not numbers:
                self._logger.error("connections can't be accepted", error="too many open files")
            for number in numbers:
                os.set_inheritable(number, False)
                self._take(socket.socket(fileno=number))
