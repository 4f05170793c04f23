"""The admin listener's part of the OpenAPI document."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from junctor.api.openapi_parts import (
    ADMIN,
    ANY_OBJECT,
    COUNT,
    FLAG,
    MAYBE_TEXT,
    NUMBER,
    SINCE,
    TEXT,
    TIME,
    Schema,
    answer,
    body_of,
    in_path,
    json_answer,
    list_of,
    map_of,
    object_of,
    operation,
    query,
    ref,
)

_LIMIT: Final = query(
    "limit", {"type": "integer", "minimum": 0, "default": 100}, "At most so many; 1 to 1000."
)
_BEFORE: Final = query("before", COUNT, "Those with an id below this one: the next page.")
_DESTINATION: Final = in_path("id", "Id of a destination.")
_DRY_RUN: Final[Schema] = {**FLAG, "default": False, "description": "Only count."}

_JSON: Final = "`{}` is enough; without the content type a page of another site could send it."
_NO_BODY: Final = {**body_of({}), "required": True, "description": _JSON}
_CHOICE: Final = {
    **body_of(
        {
            "ids": {
                "type": ["array", "null"],
                "items": NUMBER,
                "description": "These dead letters; the filters are not looked at then.",
            },
            "destination": {**MAYBE_TEXT, "description": "Those of this destination."},
            "code": {**MAYBE_TEXT, "description": "Of them, those with this error code."},
            "since": {**SINCE, "type": ["string", "null"]},
            "dry_run": _DRY_RUN,
        }
    ),
    "description": "`ids` or `destination` must say which dead letters are meant, 10000 at most.",
    "required": True,
}

ADMIN_SCHEMAS: Final[dict[str, Schema]] = {
    "Error": object_of({"error": object_of({"code": TEXT, "message": TEXT})}),
    "Tally": {
        **object_of(
            {
                "accepted": COUNT, "delivered": COUNT, "filtered": COUNT, "dead": COUNT,
                "pending": COUNT, "balanced": FLAG,
            }
        ),
        "description": "accepted = delivered + filtered + dead + pending",
    },
    "Replay": object_of(
        {
            "id": NUMBER,
            "destination": TEXT,
            "position": {**NUMBER, "description": "Offset it has reached."},
            "until": {**NUMBER, "description": "Offset at which it ends."},
            "events": {**COUNT, "description": "Events sent again so far."},
        }
    ),
    "DestinationStatus": object_of(
        {
            "state": {"enum": ["running", "paused", "not configured"]},
            "paused": {**MAYBE_TEXT, "description": "Why it is paused."},
            "paused_by": {
                **MAYBE_TEXT, "description": "operator, error, gone or configuration.",
            },
            "trouble": {**MAYBE_TEXT, "description": "What the last call failed with."},
            "next_try": {**MAYBE_TEXT, "description": "When it is called again, ISO-8601."},
            "breaker": {"enum": ["closed", "open", "half_open", None]},
            "pending": COUNT,
            "parked": {"type": ["integer", "null"], "description": "Waiting for another try."},
            "in_flight": {**COUNT, "description": "Calls running now."},
            "cursor": NUMBER,
        }
    ),
    "Status": object_of(
        {
            "healthy": FLAG,
            "problem": MAYBE_TEXT,
            "warning": {
                **MAYBE_TEXT,
                "description": "What will become a problem if nobody looks after it.",
            },
            "now": TIME,
            "commits": {**COUNT, "description": "Transactions since the start, one fsync each."},
            "log": object_of(
                {
                    "head": {**COUNT, "description": "Newest offset."},
                    "folded": {**COUNT, "description": "Offset up to which it is processed."},
                    "behind": COUNT,
                }
            ),
            "workers": object_of(
                {
                    "wanted": {**COUNT, "description": "Worker processes there are to be."},
                    "running": {**COUNT, "description": "Those at work now."},
                }
            ),
            "sources": list_of(TEXT),
            "destinations": map_of(ref("DestinationStatus"), "By id."),
            "replays": list_of(ref("Replay")),
            "audiences": object_of(
                {
                    "defined": {**COUNT, "description": "How many the configuration defines."},
                    "building": {
                        **list_of(TEXT),
                        "description": "Those that do not serve yet, or by an older version.",
                    },
                    "progress": {
                        "type": "number", "description": "How much of the log is read, 0 to 1.",
                    },
                    "reviewing": {
                        **FLAG,
                        "description": "People are being looked at by new definitions.",
                    },
                    "failing": map_of(
                        object_of({"failures": COUNT, "failure": TEXT}),
                        "Signals whose Python function raised something, and what it was last.",
                    ),
                    "degraded": {
                        **COUNT,
                        "description": "People and the like who took over 32 KiB since the start,"
                        " so that states of theirs were dropped.",
                    },
                    "error": {**MAYBE_TEXT, "description": "What keeps a build from going on."},
                    "due_lag_seconds": {
                        "type": "number",
                        "description": "How long what is due by time alone has been waiting.",
                    },
                }
            ),
        }
    ),
    "Attempt": object_of(
        {
            "number": {**NUMBER, "description": "Tries are counted from 1."},
            "at": TIME,
            "duration_ms": COUNT,
            "outcome": {"enum": ["delivered", "retry", "dead_letter", "discarded", "filtered"]},
            "code": {**MAYBE_TEXT, "description": "The error's code; null when delivered."},
            "status": {
                "type": ["integer", "null"],
                "description": "The vendor's HTTP status, of a failed try.",
            },
            "message": MAYBE_TEXT,
            "batch": {**COUNT, "description": "Events that shared this outcome in the call."},
        }
    ),
    "EventFate": object_of(
        {
            "offset": NUMBER,
            "source": TEXT,
            "received_at": TIME,
            "profile": MAYBE_TEXT,
            "processed": FLAG,
            "event": {**ANY_OBJECT, "description": "As the client sent it."},
            "destinations": map_of(
                object_of(
                    {
                        "fate": {"enum": ["delivered", "filtered", "dead", "pending"]},
                        "reason": {**MAYBE_TEXT, "description": "Why it is filtered."},
                        "attempts": list_of(ref("Attempt")),
                    }
                ),
                "By id; empty until the event is processed.",
            ),
        }
    ),
    "Rejection": object_of(
        {
            "id": NUMBER,
            "source": TEXT,
            "received_at": TIME,
            "reason": TEXT,
            "item": {**TEXT, "description": "JSON text of what was sent, cut at 32768 bytes."},
        }
    ),
    "DeadLetter": object_of(
        {
            "id": NUMBER, "destination": TEXT, "at": TIME, "code": TEXT, "message": TEXT,
            "attempts": COUNT, "source": TEXT, "message_id": TEXT, "type": TEXT,
            "event": {**ANY_OBJECT, "description": "Only where a single one is asked for."},
        },
        optional=["event"],
    ),
    "Profile": object_of(
        {
            "id": TEXT,
            "traits": ANY_OBJECT,
            "identifiers": map_of(list_of(TEXT), "Values by kind, newest last."),
            "groups": map_of(ANY_OBJECT, "Traits by group id."),
            "audiences": map_of(FLAG),
            "attributes": ANY_OBJECT,
            "scores": map_of({"type": "number"}),
            "first_seen": TIME,
            "last_seen": TIME,
            "merges": list_of(
                object_of(
                    {
                        "absorbed": {**TEXT, "description": "Id of the profile that is no more."},
                        "offset": NUMBER,
                        "at": TIME,
                    }
                )
            ),
            "subject": {
                "anyOf": [{"type": "null"}, ref("Subject")],
                "description": "What is known of the identifier by itself, if audiences are keyed"
                " by it.",
            },
            "record": {**TEXT, "description": "As it is stored, base64; if asked for."},
            "behavior": {**TEXT, "description": "Its behavior, as stored, base64; likewise."},
        },
        optional=["record", "behavior"],
    ),
    "Subject": object_of(
        {
            "id": {**TEXT, "description": "KIND:VALUE."},
            "traits": ANY_OBJECT,
            "audiences": map_of(FLAG),
            "first_seen": TIME,
            "last_seen": TIME,
        }
    ),
}  # fmt: skip


def admin_operation(
    summary: str,
    responses: Mapping[str, Any],
    *,
    parameters: Sequence[Mapping[str, Any]] = (),
    body: Mapping[str, Any] | None = None,
    not_found: str = "",
    bad_request: bool = False,
    description: str = "",
) -> dict[str, Any]:
    """Return an operation with the errors that all of the admin side share."""
    errors: dict[str, Any] = {
        "401": {"$ref": "#/components/responses/Unauthorized"},
        "403": {"$ref": "#/components/responses/Forbidden"},
        "503": {"$ref": "#/components/responses/Unavailable"},
    }
    if body is not None:
        errors["415"] = answer("A POST needs `content-type: application/json`.")
    if body is not None:
        errors["413"] = answer("The body is over 1 MiB.")
        bad_request = True
    if bad_request:
        errors["400"] = answer("Something in the request can't be understood; the field is named.")
    if not_found:
        errors["404"] = answer(not_found)
    return operation(
        summary,
        "admin",
        {**responses, **dict(sorted(errors.items()))},
        parameters=parameters,
        body=body,
        security=[{"adminToken": []}, {}],
        description=description,
    )


_OPERATIONS: Final[dict[str, dict[str, Any]]] = {
    "/metrics": {
        "get": admin_operation(
            "Metrics for Prometheus",
            {
                "200": {
                    "description": "In the text format 0.0.4.",
                    "content": {"text/plain": {"schema": TEXT}},
                }
            },
        )
    },
    "/openapi.json": {
        "get": admin_operation("This document", {"200": json_answer("OpenAPI 3.1.", ANY_OBJECT)})
    },
    "/api/status": {
        "get": admin_operation("How the hub is", {"200": json_answer("Now.", ref("Status"))})
    },
    "/api/ledger": {
        "get": admin_operation(
            "What became of all events",
            {
                "200": json_answer(
                    "By destination.",
                    object_of({"destinations": map_of(ref("Tally"), "By id.")}),
                )
            },
        )
    },
    "/api/events/{message_id}": {
        "get": admin_operation(
            "The fate of an event at every destination, every attempt",
            {
                "200": json_answer(
                    "Several sources may have brought the same messageId.",
                    object_of({"message_id": TEXT, "events": list_of(ref("EventFate"))}),
                )
            },
            parameters=[in_path("message_id", "The event's messageId.")],
            not_found="No retained event has this messageId.",
        )
    },
    "/api/stream": {
        "get": admin_operation(
            "What happens right now, without event data",
            {
                "200": {
                    "description": "Server-sent events: `ingest` one a request, `delivery` one"
                    " a call; the data is JSON.",
                    "content": {"text/event-stream": {"schema": TEXT}},
                }
            },
        )
    },
    "/api/rejections": {
        "get": admin_operation(
            "What was sent and could not be an event, newest first",
            {
                "200": json_answer(
                    "With the reasons.", object_of({"rejections": list_of(ref("Rejection"))})
                )
            },
            parameters=[_LIMIT, _BEFORE],
            bad_request=True,
        )
    },
    "/api/dead-letters": {
        "get": admin_operation(
            "Dead letters, newest first, without their events",
            {
                "200": json_answer(
                    "Those that fit.", object_of({"dead_letters": list_of(ref("DeadLetter"))})
                )
            },
            parameters=[
                query("destination", TEXT, "Of this destination only."),
                query("code", TEXT, "With this error code only."),
                query("since", SINCE),
                _BEFORE,
                _LIMIT,
            ],
            bad_request=True,
        )
    },
    "/api/dead-letters/{id}": {
        "get": admin_operation(
            "One dead letter with its event",
            {"200": json_answer("The dead letter.", ref("DeadLetter"))},
            parameters=[in_path("id", "Its id.", COUNT)],
            not_found="There is none with this id.",
        )
    },
    "/api/dead-letters/replay": {
        "post": admin_operation(
            "Try dead letters again",
            {"200": json_answer("How many.", object_of({"replayed": COUNT}))},
            body=_CHOICE,
            not_found="There is no such destination.",
        )
    },
    "/api/dead-letters/purge": {
        "post": admin_operation(
            "Remove dead letters for good",
            {"200": json_answer("How many.", object_of({"purged": COUNT}))},
            body=_CHOICE,
            not_found="There is no such destination.",
            description="The ledger still counts them as dead.",
        )
    },
    "/api/suppressions": {
        "get": admin_operation(
            "Users whose events are not stored",
            {
                "200": json_answer(
                    "All, by id.",
                    object_of(
                        {"suppressions": list_of(object_of({"user_id": TEXT, "since": TIME}))}
                    ),
                )
            },
        ),
        "post": admin_operation(
            "Store no more events of users, or store them again",
            {"200": json_answer("Done.", object_of({"user_ids": COUNT, "suppressed": FLAG}))},
            body=body_of(
                {"user_ids": list_of({**TEXT, "pattern": r"\S"}), "suppressed": FLAG},
                ["user_ids"],
            ),
            description="Their requests are answered 200 and counted; all sources, by userId.",
        ),
    },
    "/api/replays": {
        "get": admin_operation(
            "Running replays",
            {"200": json_answer("All.", object_of({"replays": list_of(ref("Replay"))}))},
        ),
        "post": admin_operation(
            "Send again what a destination got between two times",
            {
                "200": json_answer(
                    "A dry run: how many events it would be.",
                    object_of({"destination": TEXT, "events": COUNT, "dry_run": {"const": True}}),
                ),
                "202": json_answer(
                    "It has begun.",
                    object_of({"destination": TEXT, "id": NUMBER, "dry_run": {"const": False}}),
                ),
            },
            body=body_of(
                {
                    "destination": TEXT,
                    "since": SINCE,
                    "until": {**SINCE, "type": ["string", "null"]},
                    "dry_run": _DRY_RUN,
                },
                ["destination", "since"],
            ),
            not_found="There is no such destination.",
        ),
    },
    "/api/replays/{id}/stop": {
        "post": admin_operation(
            "End a replay where it is",
            {"200": json_answer("It has ended.", object_of({"state": {"const": "stopped"}}))},
            parameters=[in_path("id", "Its number.", COUNT)],
            body=_NO_BODY,
            not_found="No such replay is under way.",
        )
    },
    "/api/profiles/{kind}/{value}": {
        "get": admin_operation(
            "A person by any identifier",
            {"200": json_answer("The person.", ref("Profile"))},
            parameters=[
                in_path("kind", "Kind of the identifier: user_id, email, anonymous_id, …"),
                in_path("value", "Its value, percent-encoded."),
                query(
                    "record",
                    {**FLAG, "default": False},
                    "Also as it is stored: what a dry run starts from.",
                ),
            ],
            not_found="Nobody has this identifier.",
            bad_request=True,
        )
    },
    "/api/destinations/{id}/pause": {
        "post": admin_operation(
            "Pause a destination; it keeps its events",
            {"200": json_answer("It is.", object_of({"state": {"const": "paused"}}))},
            parameters=[_DESTINATION],
            body={
                **body_of({"reason": {**TEXT, "description": "Shown by status; cut at 500."}}),
                "required": True,
                "description": _JSON,
            },
            not_found="There is no such destination.",
        )
    },
    "/api/destinations/{id}/resume": {
        "post": admin_operation(
            "Resume a destination, at once with what waited",
            {"200": json_answer("It is.", object_of({"state": {"const": "running"}}))},
            parameters=[_DESTINATION],
            body=_NO_BODY,
            not_found="There is no such destination.",
        )
    },
}

ADMIN_PATHS: Final[dict[str, dict[str, Any]]] = {
    path: {"servers": [ADMIN], **operations} for path, operations in _OPERATIONS.items()
}
