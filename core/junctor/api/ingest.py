"""The application behind the ingest listener."""

from typing import Final

from aiohttp import web

from junctor.api.health import health_routes
from junctor.api.operations import Operations
from junctor.api.read_api import ReadApi
from junctor.api.sources import Ingest

ANY_PATH: Final = r"/{path:[\s\S]*}"
"""Every path, line breaks in it and all."""


def ingest_app(
    ingest: Ingest, operations: Operations, reads: ReadApi | None = None
) -> web.Application:
    """Return the application: health, reads, and the sources below every other path."""
    app = web.Application()
    app.add_routes(health_routes(operations))
    if reads is not None:
        reads.mount(app)
    app.router.add_route("*", ANY_PATH, ingest.handle)
    return app
