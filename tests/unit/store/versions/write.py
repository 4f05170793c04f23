"""Write the store of the present version: `python -m tests.unit.store.versions.write`.

Do it with the code from before the change of the schema, once.
"""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from junctor.sdk.context import SystemClock
from tests.support.client import until
from tests.support.hub import WRITE_KEY, config_text, running_hub, webhook
from tests.support.receiver import Answer, receiving
from tests.unit.store.versions import MADE_AT

PORT = 9911
DOWN = 'retry = { initial = "1h", max = "1h" }'
ROUTES = """
[routes.everything]
to = ["works", "down"]
[routes.orders]
to = ["refuses"]
when = 'event = "Order Completed"'
"""


class Then(SystemClock):
    """Shows the time at which all stores were made."""

    def __init__(self) -> None:
        """Begin there."""
        self._ahead = MADE_AT - super().now()

    def now(self) -> float:
        """Return the wall time, epoch seconds."""
        return super().now() + self._ahead


def events() -> list[dict[str, Any]]:
    """Return the events of a few people, of whom two turn out to be one."""
    people = [{"userId": f"u-{n % 4}"} for n in range(8)]
    calls: list[dict[str, Any]] = [{"type": "track", "event": "Seen", **who} for who in people]
    calls += [
        {
            "type": "identify", "userId": "u-0", "anonymousId": "a-0",
            "traits": {"email": "u0@example.com", "plan": "free"},
        },
        {"type": "track", "event": "Seen", "anonymousId": "a-1"},
        {"type": "identify", "userId": "u-1", "anonymousId": "a-1"},
        {"type": "track", "event": "Order Completed", "userId": "u-3"},
    ]  # fmt: skip
    return [{**call, "messageId": f"m-{n}"} for n, call in enumerate(calls)]


async def written(folder: Path) -> str:
    """Return a store with these events, as SQL."""
    async with receiving(PORT) as receiver:
        receiver.always("/refuses", Answer(400))
        receiver.always("/down", Answer(503))
        vendors = "".join(
            webhook(id, f"{receiver.address}/{id}", delivery=DOWN if id == "down" else "")
            for id in ("works", "refuses", "down")
        )
        async with running_hub(folder, config_text(vendors + ROUTES), clock=Then()) as running:
            for event in events():
                assert (await running.client.batch([event], WRITE_KEY)).status == 200
            await running.client.batch([{"type": "nonsense"}], WRITE_KEY)

            async def done() -> bool:
                ledger = await running.client.ledger()
                return (ledger["works"]["delivered"], ledger["refuses"]["dead"]) == (12, 1)

            await until(done)
    with closing(sqlite3.connect(folder / "data" / "junctor.db")) as store:
        (version,) = store.execute("pragma user_version").fetchone()
        return "\n".join([*store.iterdump(), f"pragma user_version = {version};", ""])


if __name__ == "__main__":
    with TemporaryDirectory() as place:
        text = asyncio.run(written(Path(place)))
    number = int(text.split()[-1].rstrip(";"))
    Path(__file__).with_name(f"version_{number}.sql").write_text(text, "utf-8")
