"""Reads as Snowplow Signals' SDKs send and understand them [snowplow-signals 0.4.10].

`POST /api/v1/get-online-attributes` answers in columns: an attribute's name to its values, one for
each identifier in order. `GET /api/v1/interventions` streams the audiences that somebody enters.
The SDK works with its sandbox mode: `api_url` is the hub's, `sandbox_token` a read key.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from junctor.api.decide import Body, identifiers, require_few, require_known
from junctor.api.ids import as_kept
from junctor.api.reads import Reads, Transition, Wanted
from junctor.sdk.errors import MalformedRequest

_KINDS: Final[Mapping[str, str]] = {
    "domain_userid": "anonymous_id",
    "domain_sessionid": "session_id",
}
_TABLES: Final = ("attributes", "scores", "audiences")
"""Where a name is looked for, in this order."""
_VERSION: Final = 1


def kind_of(attribute_key: str) -> str:
    """Return the kind of identifier that Signals calls `attribute_key`."""
    return _KINDS.get(attribute_key, attribute_key)


async def online_attributes(reads: Reads, body: Body) -> dict[str, list[Any]]:
    """Return the columns that `body` asks for: of a service, or named as `GROUP_vN:NAME`.

    An audience or a score is read like an attribute. Groups and versions are Signals' own: only
    the name counts. `full_attribute_names` gives the columns the names that were asked for.

    Raises:
        MalformedRequest: it can't be understood, or asks for what is not defined.
        RequestTooLarge: it asks for over 1,000 people.
        StoreError: it can't be read now.
    """
    columns = _columns(reads, body)
    people = _people(body.get("attribute_keys"))
    wanted = Wanted(
        **{table: [name for of, name in columns.values() if of == table] for table in _TABLES}
    )
    readings = await reads.read(people, wanted)
    return {
        column: [getattr(reading, table).get(name) for reading in readings]
        for column, (table, name) in columns.items()
    }


def intervention(transition: Transition, ids: Sequence[tuple[str, str]]) -> bytes | None:
    """Return the stream's text for whoever asked for `ids`, None for an exit.

    An intervention tells somebody to act, and Signals sends it when its rule becomes true; an exit
    sent as one would be acted upon too. Its attributes are text: the SDK refuses numbers.
    """
    if not transition.entered:
        return None
    key, value = next((key, value) for key, value in ids if _is_of(transition, key, value))
    sent = {
        "intervention_id": f"{transition.profile}:{transition.audience}:{transition.at}",
        "name": transition.audience,
        "version": _VERSION,
        "target_attribute_key": {"name": key, "id": value},
        "attributes": {
            "audience": transition.audience,
            "profile": transition.profile,
            "reason": transition.reason,
        },
    }
    return b"data: %b\n\n" % orjson.dumps(sent)


def _is_of(transition: Transition, key: str, value: str) -> bool:
    kind, id = as_kept(kind_of(key), value)
    return id in transition.ids.get(kind, ())


def _columns(reads: Reads, body: Body) -> dict[str, tuple[str, str]]:
    """Return the columns of the answer, each with the table of a reading and the name there."""
    service, attributes = body.get("service"), body.get("attributes")
    columns: dict[str, tuple[str, str]] = {}
    if service is not None:
        require_known(service, "service", reads.services)
        for table in _TABLES:
            for name in getattr(reads.services[service], table):
                columns.setdefault(name, (table, name))
        return columns
    if not isinstance(attributes, list):
        raise MalformedRequest("service, or attributes: one of them is needed")
    full = body.get("full_attribute_names") is True
    for asked in attributes:
        if not isinstance(asked, str):
            raise MalformedRequest("attributes: names are text")
        name = asked.rpartition(":")[2]
        tables = [table for table in _TABLES if name in getattr(reads, table)]
        if not tables:
            require_known(name, "attributes", reads.attributes)
        columns[asked if full else name] = (tables[0], name)
    return columns


def _people(keys: Any) -> list[dict[str, str]]:
    """Return the identifiers of each row; several keys are several identifiers of one person."""
    if not isinstance(keys, dict) or not keys:
        example = '{"domain_userid": ["…"]}'
        raise MalformedRequest(f"attribute_keys: an object such as {example} is needed")
    for key, values in keys.items():
        if not isinstance(values, list):
            raise MalformedRequest(f"attribute_keys.{key}: a list of ids")
    rows = {len(values) for values in keys.values()}
    if len(rows) > 1:
        raise MalformedRequest("attribute_keys: the lists must be of the same length")
    require_few(max(rows))
    return [
        identifiers({kind_of(key): keys[key][row] for key in keys}, f"attribute_keys[{row}]")
        for row in range(max(rows))
    ]
