"""The part of the OpenAPI document about reads at decision time."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from junctor.api.openapi_parts import (
    FLAG,
    INGEST,
    MAYBE_TEXT,
    TEXT,
    TIME,
    Schema,
    body_of,
    in_header,
    json_answer,
    list_of,
    map_of,
    object_of,
    operation,
    query,
    ref,
)

_NAMES: Final = list_of(TEXT)
_MAYBE_NAMES: Final[Schema] = {**_NAMES, "type": ["array", "null"]}
_ID: Final[Schema] = {"type": ["string", "number", "null"], "description": "A number is its text."}
_VALUE: Final[Schema] = {"description": "Of the attribute's own type; null where there is none."}

DECIDE_SCHEMAS: Final[dict[str, Schema]] = {
    "Ids": {
        **map_of(_ID),
        "description": "Identifiers of one person by kind, `session_id` among them. Of several the"
        " first that is known decides; nulls are left out.",
        "examples": [{"user_id": "u-1"}, {"session_id": 1767225600000}],
    },
    "Reading": object_of(
        {
            "profile": {**MAYBE_TEXT, "description": "null: nobody has such an id."},
            "attributes": map_of(_VALUE),
            "audiences": map_of(FLAG, "Whether the person is in it."),
            "scores": map_of({"type": "number"}),
            "as_of": {**TIME, "description": "The moment of which all of it is true."},
            "ready": {**FLAG, "description": "false while some of it is still being built."},
            "next_change": {
                "type": ["string", "null"],
                "format": "date-time",
                "description": "The earliest time at which an answer may change although nothing"
                " happens: until then, or until an event comes, it may be kept.",
            },
            "degraded": {**_NAMES, "description": "What exceeded a cap and may not be exact."},
            "errors": map_of(TEXT, "How exact a figure is, where it is not exact."),
        },
        optional=("degraded", "errors"),
    ),
    "Readings": object_of({"results": list_of(ref("Reading"))}),
}

_STATUSES: Final[dict[str, str]] = {
    "400": "No JSON, or something asked for is not defined; the message names it.",
    "401": "No key of a reader, no right signature, or one that has expired.",
    "403": "The page's origin is none of the reader's `origins`.",
    "405": "Not with this method.",
    "408": "The body did not come within `server.body_timeout`.",
    "413": "Over 1,000 ids, or a body over 256 KiB.",
    "500": "A bug; ask again.",
    "503": "Profiles can't be read now, or too many streams are open; ask again.",
}
_TOO_MANY: Final = "10 streams of this signed id are open already."
_KEY: Final[Mapping[str, Any]] = {"readKey": []}
_KEY_OR_SIGNATURE: Final[Sequence[Mapping[str, Any]]] = (_KEY, {})


def _errors(*left_out: str) -> dict[str, Any]:
    return {
        status: json_answer(text, ref("IngestError"), retry_after=status == "503")
        for status, text in _STATUSES.items()
        if status not in left_out
    }


_PREFLIGHT: Final = operation(
    "CORS preflight",
    "reads",
    {"204": {"description": "Headers of CORS for the origins of readers, none for others."}},
)
_SIGNATURE: Final = (
    "hex HMAC-SHA256, by the reader's `signing_secret`, of `KIND:VALUE`; with `expires` of"
    " `EXPIRES:KIND:VALUE`"
)
_STREAM: Final = {"content": {"text/event-stream": {"schema": TEXT}}}
_SIGNED: Final = [
    query("reader", TEXT, "Without a key: whose secret signed the id."),
    query("signature", TEXT, f"Without a key: {_SIGNATURE}; then exactly one id."),
    query("expires", TEXT, "Epoch seconds until which the signature may begin a stream."),
]


def _id(name: str) -> dict[str, Any]:
    schema = {**list_of(TEXT), "examples": [["u-1"]]}
    return query(name, schema, "An id of the person; any other kind may stand there as well.")


DECIDE_PATHS: Final[dict[str, dict[str, Any]]] = {
    "/v1/decide": {
        "servers": [INGEST],
        "post": operation(
            "Who somebody is right now",
            "reads",
            {
                "200": json_answer(
                    "One reading; for a list of `ids` one each, in its order.",
                    {"anyOf": [ref("Reading"), ref("Readings")]},
                ),
                **_errors(),
            },
            body=body_of(
                {
                    "ids": {"anyOf": [ref("Ids"), {**list_of(ref("Ids")), "maxItems": 1000}]},
                    "service": {**MAYBE_TEXT, "description": "All that this service has."},
                    "audiences": {**_MAYBE_NAMES, "description": "These, beside the service's."},
                    "attributes": {**_MAYBE_NAMES, "description": "These, beside the service's."},
                    "scores": {**_MAYBE_NAMES, "description": "These, beside the service's."},
                    "reader": {
                        **MAYBE_TEXT,
                        "description": "Whose secret signed; or header X-Junctor-Reader.",
                    },
                    "signature": {**MAYBE_TEXT, "description": f"Instead of a key: {_SIGNATURE}."},
                    "expires": {"type": ["integer", "null"], "description": "Epoch seconds."},
                },
                required=["ids"],
                closed=True,
            ),
            security=_KEY_OR_SIGNATURE,
            description="Without a service and without names: everything that is defined."
            " A browser reads with a signed id: one id that the site's own server has signed.",
        ),
        "options": _PREFLIGHT,
    },
    "/v1/stream": {
        "servers": [INGEST],
        "get": operation(
            "What audiences somebody enters and leaves, as it happens",
            "reads",
            {
                "200": {
                    "description": "Server-sent events `transition`; the data is JSON: audience,"
                    " entered, at, reason, profile. A comment every 15 s. A client that does not"
                    " keep up is cut off: it listens again. With the header `Last-Event-ID` it is"
                    " first sent what it missed, of more than 1,000 transitions the newest.",
                    **_STREAM,
                },
                **_errors("408", "413"),
                "429": json_answer(_TOO_MANY, ref("IngestError")),
            },
            parameters=[
                _id("user_id"),
                _id("anonymous_id"),
                in_header("Last-Event-ID", "Id of the last event that the client got."),
                *_SIGNED,
            ],
            security=_KEY_OR_SIGNATURE,
        ),
        "options": _PREFLIGHT,
    },
    "/api/v1/get-online-attributes": {
        "servers": [INGEST],
        "post": operation(
            "Attributes in columns, as Snowplow Signals answers",
            "reads",
            {
                "200": json_answer(
                    "Name to values, one for each identifier in order.", map_of(list_of(_VALUE))
                ),
                **_errors("403"),
            },
            body=body_of(
                {
                    "service": TEXT,
                    "attributes": {**_NAMES, "description": "`GROUP_vN:NAME`; NAME counts."},
                    "attribute_keys": map_of(
                        list_of(_ID),
                        "`domain_userid` stands for anonymous_id, `domain_sessionid` for"
                        " session_id, all others for themselves. Several lists, of one length, are"
                        " several identifiers of each person.",
                    ),
                    "full_attribute_names": FLAG,
                },
                required=["attribute_keys"],
            ),
            security=(_KEY,),
        ),
        "options": _PREFLIGHT,
    },
    "/api/v1/interventions": {
        "servers": [INGEST],
        "get": operation(
            "The audiences somebody enters, as Snowplow Signals streams interventions",
            "reads",
            {
                "200": {
                    "description": "Server-sent events; the data is an intervention of the"
                    " audience's name.",
                    **_STREAM,
                },
                **_errors("408", "413"),
                "429": json_answer(_TOO_MANY, ref("IngestError")),
            },
            parameters=[_id("domain_userid"), _id("domain_sessionid"), _id("user_id"), *_SIGNED],
            security=_KEY_OR_SIGNATURE,
        ),
        "options": _PREFLIGHT,
    },
}  # fmt: skip
