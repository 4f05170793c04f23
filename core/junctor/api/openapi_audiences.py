"""The admin listener's calls about audiences in the OpenAPI document."""

from typing import Any, Final

from junctor.api.openapi_admin import admin_operation
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
    body_of,
    in_path,
    json_answer,
    list_of,
    map_of,
    object_of,
    query,
    ref,
)
from junctor.audiences.language import SECTIONS

_MAYBE_TIME: Final[Schema] = {"type": ["string", "null"], "format": "date-time"}
_SHARE: Final[Schema] = {"type": "number", "minimum": 0, "maximum": 1}
_NAME: Final = in_path("name", "Name of an audience.")
_LIMIT: Final = query(
    "limit", {"type": "integer", "minimum": 0, "default": 100}, "At most so many; 1 to 1000."
)
_INTERVAL: Final[Schema] = {
    "type": ["array", "null"],
    "items": {"type": "number"},
    "description": "95 % interval, lower and upper end.",
}

AUDIENCE_SCHEMAS: Final[dict[str, Schema]] = {
    "Audience": object_of(
        {
            "name": TEXT,
            "about": TEXT,
            "lever": TEXT,
            "key": {**TEXT, "description": "user, session, account or a kind of identifier."},
            "version": {**TEXT, "description": "Changes with what the definition means."},
            "state": {"enum": ["serving", "building", "waiting", "reviewing", "stopped"]},
            "progress": {**_SHARE, "description": "How much of the log is read for it."},
            "members": COUNT,
            "last_transition": {
                **_MAYBE_TIME, "description": "When somebody last came or went.",
            },
            "counts_from": {
                **_MAYBE_TIME,
                "description": "Since when events count, while it looks back further than that.",
            },
            "complete_from": {
                **_MAYBE_TIME, "description": "From when on it is exact, then; null: never.",
            },
            "send": list_of(TEXT),
        }
    ),
    "Member": object_of(
        {
            "subject": {**TEXT, "description": "As the store names it; for `after`."},
            "since": TIME,
            "profile": MAYBE_TEXT,
            "session": MAYBE_TEXT,
            "ids": map_of(TEXT, "The newest identifier of each kind."),
            "groups": list_of(TEXT),
        }
    ),
    "Explained": object_of(
        {
            "words": TEXT,
            "holds": FLAG,
            "value": {"description": "The figure compared."},
            "error": {**MAYBE_TEXT, "description": "How exact the value is; null for exact."},
            "degraded": FLAG,
            "changes_at": {**_MAYBE_TIME, "description": "When time alone changes it."},
            "by_silence": {**FLAG, "description": "Whether only if nothing happens until then."},
            "evidence": list_of(
                object_of(
                    {"offset": NUMBER, "message_id": MAYBE_TEXT, "event": MAYBE_TEXT,
                     "at": _MAYBE_TIME}
                )
            ),
            "items": list_of(ref("Explained")),
        }
    ),
    "Explanation": object_of(
        {
            "audience": TEXT,
            "version": TEXT,
            "key": TEXT,
            "subject": TEXT,
            "session": MAYBE_TEXT,
            "as_of": TIME,
            "definition": {**list_of(TEXT), "description": "In words, line by line."},
            "member": FLAG,
            "standing": {
                "enum": [
                    "in", "held", "out", "settling", "cooling", "once", "left", "kept out",
                    "about to enter",
                ]
            },
            "since": {**_MAYBE_TIME, "description": "When the hub saw it enter or leave."},
            "until": {**_MAYBE_TIME, "description": "When that ends if nothing happens."},
            "moves": {**COUNT, "description": "How often it came and went."},
            "next_look": {**_MAYBE_TIME, "description": "When time alone may change something."},
            "degraded": {**FLAG, "description": "Whether a cap was exceeded."},
            "condition": ref("Explained"),
            "exit": {"anyOf": [ref("Explained"), {"type": "null"}]},
        }
    ),
    "Preview": object_of(
        {
            "audience": TEXT,
            "version": TEXT,
            "key": TEXT,
            "as_of": TIME,
            "looked_at": {**COUNT, "description": "Subjects that were looked at."},
            "sample": {**_SHARE, "description": "Share of people that were."},
            "population": {**COUNT, "description": "Subjects that there are, by the sample."},
            "count": {**COUNT, "description": "How many would be in, scaled to the population."},
            "interval": _INTERVAL,
            "later": {**COUNT, "description": "Those of them who enter only once it has settled."},
            "criteria": list_of(
                object_of(
                    {
                        "words": TEXT,
                        "kept": {**COUNT, "description": "Whom it keeps alone."},
                        "so_far": {
                            "type": ["integer", "null"],
                            "description": "Whom it keeps together with those before it.",
                        },
                    }
                )
            ),
            "overlap": list_of(
                object_of({"audience": TEXT, "count": COUNT, "share": _SHARE})
            ),
            "users": {**list_of(ANY_OBJECT), "description": "A few, with their ids."},
            "events_read": COUNT,
            "counts_from": {
                **_MAYBE_TIME,
                "description": "The log begins here, and it looks back further.",
            },
        }
    ),
    "Reached": object_of(
        {"people": COUNT, "reached": COUNT, "share": _SHARE, "value": {"type": "number"}}
    ),
    "Report": object_of(
        {
            "audience": TEXT,
            "as_of": TIME,
            "since": TIME,
            "until": TIME,
            "outcome": {
                "anyOf": [
                    {"type": "null"},
                    object_of(
                        {
                            "goal": TEXT,
                            "within": TEXT,
                            "value": MAYBE_TEXT,
                            "recorded_since": {
                                **TIME, "description": "Goals before it are not known.",
                            },
                            "entered": {**COUNT, "description": "People, in the period."},
                            "backfilled": {
                                **COUNT, "description": "People who entered by a build only.",
                            },
                            "judged_until": {
                                **TIME,
                                "description": "Who entered by then has had the goal's time and"
                                " counts in `members`.",
                            },
                            "still_open": {
                                **object_of(
                                    {
                                        "people": COUNT, "reached": COUNT,
                                        "first": _MAYBE_TIME, "last": _MAYBE_TIME,
                                    }
                                ),
                                "description": "Those who entered later, how many of them have"
                                " reached the goal already, and when the time of the first and of"
                                " the last of them is over.",
                            },
                            "members": ref("Reached"),
                            "others": {
                                **ref("Reached"),
                                "description": "Those never in; the share weighs weeks as the"
                                " members' do.",
                            },
                            "unmatched": {
                                **COUNT, "description": "Members of weeks without others.",
                            },
                            "difference": {"type": ["number", "null"]},
                            "interval": _INTERVAL,
                            "weeks": list_of(
                                object_of(
                                    {
                                        "week": {**TEXT, "description": "First seen, ISO week."},
                                        "starts": TIME,
                                        "members": ref("Reached"),
                                        "others": ref("Reached"),
                                    }
                                )
                            ),
                        }
                    ),
                ]
            },
            "sizes": list_of(
                object_of({"day": TEXT, "members": COUNT, "entered": COUNT, "exited": COUNT})
            ),
        }
    ),
}  # fmt: skip

_UNKNOWN: Final = "There is no such audience."
_OPERATIONS: Final[dict[str, dict[str, Any]]] = {
    "/api/audiences": {
        "get": admin_operation(
            "All audiences, how they are",
            {
                "200": json_answer(
                    "In the order of the configuration.",
                    object_of({"audiences": list_of(ref("Audience"))}),
                )
            },
        )
    },
    "/api/audiences/{name}/members": {
        "get": admin_operation(
            "Who is in an audience",
            {
                "200": json_answer(
                    "A page of them.",
                    object_of(
                        {
                            "audience": TEXT,
                            "members": list_of(ref("Member")),
                            "next": {**MAYBE_TEXT, "description": "`after` of the next page."},
                        }
                    ),
                )
            },
            parameters=[_NAME, query("after", TEXT, "Behind this subject."), _LIMIT],
            not_found=_UNKNOWN,
            bad_request=True,
        )
    },
    "/api/audiences/{name}/explain/{kind}/{value}": {
        "get": admin_operation(
            "Why somebody is in an audience, or not",
            {"200": json_answer("The condition as a tree.", ref("Explanation"))},
            parameters=[
                _NAME,
                in_path("kind", "Kind of the identifier; session_id, or what it is keyed by."),
                in_path("value", "Its value, percent-encoded."),
            ],
            not_found="There is no such audience, it does not serve yet, or nobody has the id.",
        )
    },
    "/api/audiences/{name}/report": {
        "get": admin_operation(
            "What became of those who entered, and the audience's size",
            {"200": json_answer("Of the last 30 days, if not asked else.", ref("Report"))},
            parameters=[_NAME, query("since", SINCE), query("until", SINCE)],
            not_found=_UNKNOWN,
            bad_request=True,
        )
    },
    "/api/audiences/preview": {
        "post": admin_operation(
            "What an audience would be, before it is saved",
            {"200": json_answer("Nothing is stored.", ref("Preview"))},
            body=body_of(
                {
                    "audience": {**TEXT, "description": "Which of them."},
                    "tables": {
                        "type": "object",
                        "properties": {name: ANY_OBJECT for name in SECTIONS},
                        "description": "Sections of a configuration, as in TOML.",
                    },
                    "sample": {
                        "type": "number",
                        "exclusiveMinimum": 0,
                        "maximum": 1,
                        "default": 1,
                        "description": "Look at this share of people.",
                    },
                },
                ["audience", "tables"],
            ),
            not_found="The tables define no such audience.",
            description="It takes turns with live events and with other previews.",
        )
    },
}

AUDIENCE_PATHS: Final[dict[str, dict[str, Any]]] = {
    path: {"servers": [ADMIN], **operations} for path, operations in _OPERATIONS.items()
}
