"""The OpenAPI 3.1 document of both listeners, served at `GET /openapi.json` of the admin side."""

from typing import Any, Final

from junctor import __version__
from junctor.api.openapi_admin import ADMIN_PATHS, ADMIN_SCHEMAS
from junctor.api.openapi_audiences import AUDIENCE_PATHS, AUDIENCE_SCHEMAS
from junctor.api.openapi_decide import DECIDE_PATHS, DECIDE_SCHEMAS
from junctor.api.openapi_erasures import ERASURE_PATHS, ERASURE_SCHEMAS
from junctor.api.openapi_ingest import INGEST_PATHS, INGEST_SCHEMAS
from junctor.api.openapi_parts import ADMIN, INGEST, answer, json_answer, object_of, operation

_DESCRIPTION: Final = """\
junctor has two listeners. The ingest listener (`server.listen`) is for the public: every source
answers there, and so do the reads at decision time. The admin listener (`admin.listen`) is for
operators. Each path names its listener by its server; health is answered on both."""

_HEALTH: Final[dict[str, Any]] = {
    "/health/live": {
        "servers": [INGEST, ADMIN],
        "get": operation(
            "Whether the process answers",
            "health",
            {"200": json_answer("It does.", object_of({"status": {"const": "live"}}))},
        ),
    },
    "/health/ready": {
        "servers": [INGEST, ADMIN],
        "get": operation(
            "Whether events can be made durable and are processed",
            "health",
            {
                "200": json_answer(
                    "They can; a warning says what will become a problem if it is left alone.",
                    object_of(
                        {"status": {"const": "ready"}, "warning": {"type": "string"}}, ["warning"]
                    ),
                ),
                "503": json_answer(
                    "They can't: disk full, read-only, I/O error, or a part of the hub ended.",
                    object_of({"status": {"const": "not ready"}, "problem": {"type": "string"}}),
                    retry_after=True,
                ),
            },
        ),
    },
}


def openapi() -> dict[str, Any]:
    """Return the document as plain data."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "junctor",
            "version": __version__,
            "summary": "A CDP connector hub.",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [INGEST, ADMIN],
        "tags": [
            {"name": "ingest", "description": "Events in. Answered once they are durable."},
            {"name": "reads", "description": "Audiences, attributes and scores of a person, now."},
            {"name": "health", "description": "For load balancers and supervisors."},
            {"name": "admin", "description": "How the hub is, and what an operator may do."},
        ],
        "paths": {
            **INGEST_PATHS,
            **DECIDE_PATHS,
            **_HEALTH,
            **ADMIN_PATHS,
            **AUDIENCE_PATHS,
            **ERASURE_PATHS,
        },
        "components": {
            "schemas": {
                **INGEST_SCHEMAS,
                **DECIDE_SCHEMAS,
                **ADMIN_SCHEMAS,
                **AUDIENCE_SCHEMAS,
                **ERASURE_SCHEMAS,
            },
            "responses": {
                "Unauthorized": answer("The Bearer token of `admin.token` is missing or wrong."),
                "Forbidden": answer(
                    "Asked by a page of another origin, or without a token by another name than"
                    " loopback."
                ),
                "Unavailable": answer("The store can't do it now."),
            },
            "securitySchemes": {
                "writeKey": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "The write key as user name, an empty password."
                    " It may also stand in the body as `writeKey`.",
                },
                "readKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The `key` of a reader. Browsers sign ids instead.",
                },
                "adminToken": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "`admin.token`; needed when it is configured.",
                },
            },
        },
    }
