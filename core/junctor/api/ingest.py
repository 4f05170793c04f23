"""The application behind the ingest listener."""

from aiohttp import web

from junctor.api.health import health_routes
from junctor.api.operations import Operations
from junctor.api.sources import Ingest


def ingest_app(ingest: Ingest, operations: Operations) -> web.Application:
    """Return the application: health, and the sources below every other path."""
    app = web.Application()
    app.add_routes(health_routes(operations))
    app.router.add_route("*", "/{path:.*}", ingest.handle)
    return app
