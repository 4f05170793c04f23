"""The ingest listener's part of the OpenAPI document: hooks, and the tracking API of Segment.

The tracking API is there when a source of type `segment` is configured [Segment, HTTP tracking
API]; the short paths are those of analytics.js.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from junctor.api.openapi_parts import (
    FLAG,
    INGEST,
    MAYBE_TEXT,
    TEXT,
    Schema,
    in_path,
    json_answer,
    list_of,
    object_of,
    operation,
    query,
    ref,
)

_TYPES: Final = ("track", "identify", "page", "screen", "group", "alias")
_SHORT: Final = {"t": "track", "i": "identify", "p": "page", "s": "screen", "g": "group",
                 "a": "alias"}  # fmt: skip
_BATCHES: Final = ("batch", "import", "b")
_NEEDS: Final = {
    "track": ("event",),
    "group": ("groupId",),
    "alias": ("userId", "previousId"),
}
_ID: Final[Schema] = {
    "description": "Text, or a whole number, which becomes text; all else counts as absent.",
    "examples": ["u-1", 7],
}
_OBJECT_OR_NULL: Final[Schema] = {"type": ["object", "null"]}
_ACCEPTED: Final = json_answer("The events are durable.", ref("Accepted"))

INGEST_SCHEMAS: Final[dict[str, Schema]] = {
    "Accepted": object_of({"success": {"const": True}}),
    "IngestError": object_of(
        {
            "success": {"const": False},
            "code": {**TEXT, "description": "For machines: unauthorized, invalid_request, …"},
            "message": {**TEXT, "description": "For people; it names the field."},
            "error": {**TEXT, "description": "The same, where older clients look for it."},
        }
    ),
    "Call": {
        "type": "object",
        "description": "A call of Segment's spec; unknown keys are kept. A userId or an anonymousId"
        " is needed.",
        "properties": {
            "messageId": {
                "maxLength": 255,
                "description": "Text, the same one sent again is a duplicate; all else counts as"
                " absent.",
            },
            "userId": _ID,
            "anonymousId": _ID,
            "event": {"description": "Name of a track call, as text."},
            "name": {"description": "Name of a page or screen."},
            "category": {"description": "Category of a page or screen."},
            "groupId": _ID,
            "previousId": _ID,
            "properties": _OBJECT_OR_NULL,
            "traits": _OBJECT_OR_NULL,
            "context": _OBJECT_OR_NULL,
            "integrations": _OBJECT_OR_NULL,
            "timestamp": {"description": "When it happened, by the client's clock."},
            "originalTimestamp": {"description": "The same, as some SDKs name it."},
            "sentAt": {"description": "When it was sent, by the same clock; corrects it."},
            "writeKey": {
                **MAYBE_TEXT, "description": "Where no Basic authorization is sent.",
            },
        },
        "additionalProperties": True,
    },
    "Batch": {
        "type": "object",
        "properties": {
            "batch": {
                **list_of({}),
                "description": "Calls, each with its `type`. One that can't be an event is kept as"
                " a rejection; the others go on.",
            },
            "writeKey": MAYBE_TEXT,
            "sentAt": {"description": "As in a call, for all of them."},
            "context": {
                "description": "An object: merged into every call, and the call wins. What is no"
                " object is left out.",
            },
            "integrations": {"description": "As `context`."},
        },
        "required": ["batch"],
        "additionalProperties": True,
    },
    "ProjectSettings": {
        "type": "object",
        "description": "What analytics.js and the mobile SDKs load first.",
        "properties": {
            "integrations": {
                "type": "object",
                "properties": {
                    "Segment.io": object_of(
                        {
                            "apiKey": TEXT,
                            "apiHost": TEXT,
                            "protocol": {"enum": ["http", "https"]},
                            "addBundledMetadata": FLAG,
                        }
                    )
                },
            },
        },
        "required": ["integrations"],
        "additionalProperties": True,
    },
}  # fmt: skip

_ERRORS: Final[dict[str, tuple[str, bool]]] = {
    "400": ("No JSON, or a single call that can't be an event.", False),
    "401": ("The key or the signature is missing or wrong.", False),
    "404": ("No source has this address.", False),
    "405": ("Not with this method.", False),
    "408": ("The body did not come within `server.body_timeout`; send again.", False),
    "413": ("Over `server.max_body` or `server.max_decompressed`.", False),
    "500": ("A bug; nothing was stored, send again.", False),
    "503": ("Events can't be made durable now, or too many wait; send again.", True),
}


def _errors(*statuses: str) -> dict[str, Any]:
    return {
        status: json_answer(_ERRORS[status][0], ref("IngestError"), retry_after=_ERRORS[status][1])
        for status in statuses
    }


_OPTIONS: Final = operation(
    "CORS preflight",
    "ingest",
    {"204": {"description": "Any origin may send; the answer lasts a day."}},
)
_CORS: Final = {"options": _OPTIONS}


def _posted(
    summary: str,
    schema: Schema,
    *,
    security: Sequence[Mapping[str, Any]] = (),
    description: str = "",
) -> dict[str, Any]:
    body = {
        "required": True,
        "description": "Any content type; gzip and deflate are understood.",
        "content": {"application/json": {"schema": schema}},
    }
    return operation(
        summary,
        "ingest",
        {"200": _ACCEPTED, **_errors(*_ERRORS)},
        body=body,
        security=security,
        description=description,
    )


_KEY: Final[Sequence[Mapping[str, Any]]] = ({"writeKey": []}, {})


def _call(type: str) -> dict[str, Any]:
    needed: Schema = {"required": list(_NEEDS[type])} if type in _NEEDS else {}
    if type == "track":
        needed["properties"] = {"event": {**TEXT, "pattern": r"\S"}}
    schema = {"allOf": [ref("Call"), needed]} if needed else ref("Call")
    return {"post": _posted(f"One {type} call", schema, security=_KEY), **_CORS}


_BATCH: Final = {
    "post": _posted(
        "Many calls at once",
        ref("Batch"),
        security=_KEY,
        description="Answers 200 also when some calls are no events: see /api/rejections.",
    ),
    **_CORS,
}
_METRICS: Final = {
    "post": operation(
        "What analytics.js counts of itself; answered and dropped",
        "ingest",
        {
            "200": json_answer("Dropped.", ref("Accepted")),
            **_errors("404", "405", "408", "413", "503"),
        },
    ),
    **_CORS,
}
_PIXEL: Final = {
    "parameters": [in_path("call", f"Type of the call: {', '.join((*_TYPES, *_SHORT))}.")],
    "get": operation(
        "A call in the query of an image address",
        "ingest",
        {
            "200": {
                "description": "A transparent GIF, whatever was wrong with the call.",
                "content": {
                    "image/gif": {"schema": {"type": "string", "contentMediaType": "image/gif"}}
                },
            },
            **_errors("404", "405", "413", "500", "503"),
        },
        parameters=[
            query("data", TEXT, "The call as base64 of JSON, its `writeKey` included."),
            query(
                "writeKey",
                TEXT,
                "Without `data`: the key, beside the call's fields as dotted parameters"
                " (`properties.subject=Hello`).",
            ),
        ],
    ),
    **_CORS,
}
_SETTINGS: Final = {
    method: operation(
        "Settings that SDKs load first",
        "ingest",
        {
            "200": json_answer("The settings.", ref("ProjectSettings")),
            **_errors("400", "401", "404", "405", "503"),
        },
    )
    for method in ("get", "head")
}
_PROJECT: Final = {
    "parameters": [in_path("writeKey", "The write key.")],
    **_SETTINGS,
    **_CORS,
}
_SOURCE: Final = in_path("source", "Id of a push source.")
_TOKEN: Final = in_path("token", "The secret end of the address, where the source has one.")


def _hook(*parameters: dict[str, Any]) -> dict[str, Any]:
    description = "What the body must be, and how it is signed, is the source's: see its type."
    post = _posted("Events of a push source", {}, description=description)
    return {"parameters": list(parameters), "post": post, **_CORS}


_OPERATIONS: Final[dict[str, dict[str, Any]]] = {
    **{f"/v1/{type}": _call(type) for type in _TYPES},
    **{f"/v1/{letter}": _call(type) for letter, type in _SHORT.items()},
    **{f"/v1/{name}": _BATCH for name in _BATCHES},
    "/v1/m": _METRICS,
    "/v1/pixel/{call}": _PIXEL,
    "/v1/projects/{writeKey}/settings": _PROJECT,
    "/hooks/{source}": _hook(_SOURCE),
    "/hooks/{source}/{token}": _hook(_SOURCE, _TOKEN),
}

INGEST_PATHS: Final[dict[str, dict[str, Any]]] = {
    path: {"servers": [INGEST], **operations} for path, operations in _OPERATIONS.items()
}
