"""The admin listener's calls about people who are to be forgotten, in the OpenAPI document."""

from typing import Any, Final

from junctor.api.openapi_admin import admin_operation
from junctor.api.openapi_parts import (
    ADMIN,
    COUNT,
    FLAG,
    MAYBE_TEXT,
    NUMBER,
    TEXT,
    TIME,
    Schema,
    answer,
    body_of,
    in_path,
    json_answer,
    list_of,
    object_of,
    query,
    ref,
)
from junctor.model.erasure import Stage

_MAYBE_TIME: Final[Schema] = {"type": ["string", "null"], "format": "date-time"}
_STAGE: Final[Schema] = {
    "enum": [stage.value for stage in Stage],
    "description": "erasing; telling: nothing is left but what destinations are still to be told;"
    " done.",
}
_FOUND: Final[dict[str, Schema]] = {
    "events": {**COUNT, "description": "Events in the log."},
    "dead_letters": COUNT,
    "rejections": COUNT,
}
_KNOWN_BY: Final[Schema] = {
    "type": "object",
    "additionalProperties": list_of(TEXT),
    "description": "The identifiers, by kind.",
}
_ASKED: Final[dict[str, Schema]] = {
    "profile": {**MAYBE_TEXT, "description": "null: nobody is known by it."},
    "suppressed": {**list_of(TEXT), "description": "User ids that are taken in no more."},
    "destinations": {**list_of(TEXT), "description": "Those that are told."},
    "dry_run": FLAG,
}

ERASURE_SCHEMAS: Final[dict[str, Schema]] = {
    "Erasure": object_of(
        {
            "id": {**NUMBER, "description": "Offset of the delete."},
            "stage": _STAGE,
            "asked_at": TIME,
            "erased_at": {**_MAYBE_TIME, "description": "When nothing was left here but that."},
            "done_at": {**_MAYBE_TIME, "description": "When the delete itself was gone."},
            **_FOUND,
            "waits_for": {
                **list_of(TEXT), "description": "Destinations that are still to be told.",
            },
        },
        ["asked_at", "erased_at", "done_at", *_FOUND, "waits_for"],
    ),
}  # fmt: skip

ERASURE_PATHS: Final[dict[str, Any]] = {
    "/api/erasures": {
        "servers": [ADMIN],
        "get": admin_operation(
            "Erasures, newest first; with kind and value those of one identifier",
            {
                "200": json_answer("They.", object_of({"erasures": list_of(ref("Erasure"))})),
                "400": answer("kind and value name no identifier."),
            },
            parameters=[
                query("kind", TEXT),
                query("value", TEXT),
                query("limit", {"type": "integer", "default": 100}, "1 to 1000."),
                query("before", NUMBER, "Those with an id below it."),
            ],
        ),
        "post": admin_operation(
            "Forget a person",
            {
                "200": json_answer(
                    "A dry run: what would be erased.",
                    object_of({**_ASKED, "identifiers": COUNT, "known_by": _KNOWN_BY, **_FOUND}),
                ),
                "202": json_answer(
                    "It has begun.", object_of({**_ASKED, "id": NUMBER, "stage": _STAGE})
                ),
                "400": answer("Nobody can be meant by this; the message says why."),
            },
            body=body_of(
                {"kind": TEXT, "value": TEXT, "suppress": FLAG, "dry_run": FLAG},
                ["kind", "value"],
            ),
        ),
    },
    "/api/erasures/{id}": {
        "servers": [ADMIN],
        "get": admin_operation(
            "How far an erasure is",
            {
                "200": json_answer(
                    "It; while it waits for the fold, id and stage only.", ref("Erasure")
                ),
                "404": answer("There is none of this id."),
            },
            parameters=[in_path("id", "Id of an erasure.", NUMBER)],
        ),
    },
}
