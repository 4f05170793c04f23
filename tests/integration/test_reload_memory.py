"""What a reload replaces does not stay in memory: the daemon's collector seldom looks at it."""

import gc
import os
import weakref
from pathlib import Path

from structlog.testing import LogCapture

from junctor.host.run import _reload
from junctor.testkit.doubles import capturing_log
from tests.support.hub import ENVIRON, WRITE_KEY, config_text, everything_to, running_hub, webhook
from tests.support.receiver import receiving


async def test_after_a_reload_nothing_is_left_of_what_delivered_before(tmp_path: Path) -> None:
    async with receiving() as receiver:
        sink = webhook("sink", receiver.address, batch=True)
        async with running_hub(tmp_path, config_text(sink + everything_to("sink"))) as running:
            await running.client.batch([{"type": "page", "userId": "u-1"}], WRITE_KEY)
            await running.client.settled()
            window = weakref.ref(running.hub._dispatcher._recent)
            gc.disable()
            try:
                await _reload(running.hub, {**os.environ, **ENVIRON}, capturing_log(LogCapture()))
                assert window() is None
            finally:
                gc.enable()
