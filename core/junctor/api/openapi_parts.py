"""Building blocks of the OpenAPI document."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

Schema = dict[str, Any]

INGEST: Final = {"url": "http://127.0.0.1:8080", "description": "The ingest listener."}
ADMIN: Final = {"url": "http://127.0.0.1:8081", "description": "The admin listener."}

TEXT: Final[Schema] = {"type": "string"}
NUMBER: Final[Schema] = {"type": "integer"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
FLAG: Final[Schema] = {"type": "boolean"}
TIME: Final[Schema] = {"type": "string", "format": "date-time"}
MAYBE_TEXT: Final[Schema] = {"type": ["string", "null"]}
ANY_OBJECT: Final[Schema] = {"type": "object", "additionalProperties": True}
SINCE: Final[Schema] = {
    "type": "string",
    "description": "A time (`2026-01-31T12:00:00Z`) or an age (`2h`).",
    "examples": ["2026-01-31T12:00:00Z", "2h"],
}


def ref(name: str) -> Schema:
    """Return a reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def list_of(item: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": item}


def map_of(value: Schema, description: str = "") -> Schema:
    """Return the schema of an object with keys of the user's choice."""
    schema: Schema = {"type": "object", "additionalProperties": value}
    return {**schema, "description": description} if description else schema


def object_of(properties: Mapping[str, Schema], optional: Sequence[str] = ()) -> Schema:
    """Return the schema of an object with exactly these properties."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def body_of(
    properties: Mapping[str, Schema], required: Sequence[str] = (), *, closed: bool = False
) -> dict[str, Any]:
    """Return a JSON request body; what it does not name is ignored, or refused if `closed`."""
    schema: Schema = {"type": "object", "properties": dict(properties)}
    if closed:
        schema["additionalProperties"] = False
    if required:
        schema["required"] = list(required)
    return {"required": bool(required), "content": {"application/json": {"schema": schema}}}


def json_answer(description: str, schema: Schema, *, retry_after: bool = False) -> dict[str, Any]:
    """Return a response with a JSON body."""
    response: dict[str, Any] = {
        "description": description,
        "content": {"application/json": {"schema": schema}},
    }
    if retry_after:
        response["headers"] = {
            "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}
        }
    return response


def answer(description: str) -> dict[str, Any]:
    """Return an error of the admin side."""
    return json_answer(description, ref("Error"))


def query(name: str, schema: Schema, description: str = "") -> dict[str, Any]:
    """Return an optional query parameter."""
    parameter = {"name": name, "in": "query", "schema": schema}
    return {**parameter, "description": description} if description else parameter


def in_header(name: str, description: str) -> dict[str, Any]:
    """Return an optional header of a request."""
    return {"name": name, "in": "header", "description": description, "schema": TEXT}


def in_path(name: str, description: str, schema: Schema = TEXT) -> dict[str, Any]:
    """Return a path parameter."""
    return {
        "name": name, "in": "path", "required": True, "description": description, "schema": schema,
    }  # fmt: skip


def operation(
    summary: str,
    tag: str,
    responses: Mapping[str, Any],
    *,
    parameters: Sequence[Mapping[str, Any]] = (),
    body: Mapping[str, Any] | None = None,
    security: Sequence[Mapping[str, Any]] = (),
    description: str = "",
) -> dict[str, Any]:
    """Return one operation."""
    made: dict[str, Any] = {"summary": summary, "tags": [tag]}
    if description:
        made["description"] = description
    if parameters:
        made["parameters"] = list(parameters)
    if body is not None:
        made["requestBody"] = dict(body)
    if security:
        made["security"] = list(security)
    return {**made, "responses": dict(responses)}
