"""The OpenAPI document of both listeners."""

from typing import Any

from junctor import __version__


def openapi() -> dict[str, Any]:
    """Return the document."""
    return {"openapi": "3.1.0", "info": {"title": "junctor", "version": __version__}, "paths": {}}
