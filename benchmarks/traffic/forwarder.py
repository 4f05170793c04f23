"""The yardstick: aiohttp and orjson, forwarding to three receivers, keeping nothing.

Parses each request, sends its events to all three receivers at once, answers when they have.
No durability, no dedupe, no identity, no routing, no retry.
"""

import asyncio
import sys

import aiohttp
import orjson
import uvloop
from aiohttp import web


async def main(port: int, receivers: list[str]) -> None:
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=512))
    headers = {"content-type": "application/json"}

    async def forward(receiver: str, events: object) -> None:
        async with session.post(receiver, data=orjson.dumps(events), headers=headers) as reply:
            await reply.read()

    async def handle(request: web.Request) -> web.Response:
        body = orjson.loads(await request.read())
        events = body.get("batch") or [body]
        await asyncio.gather(*(forward(receiver, events) for receiver in receivers))
        return web.Response(body=b'{"success":true}', content_type="application/json")

    app = web.Application(client_max_size=2**26)
    app.router.add_post("/v1/{call}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), sys.argv[2:]))
