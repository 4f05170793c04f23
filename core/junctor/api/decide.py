"""`POST /v1/decide`: who somebody is right now, by any identifier of theirs.

Here is what is asked and how it is answered; who may ask, and HTTP, is in read_api.py.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from junctor.api.reads import Reading, Reads, Wanted
from junctor.model.problems import suggest
from junctor.pipeline.normalize import identifier_text
from junctor.sdk.errors import MalformedRequest, RequestTooLarge
from junctor.sdk.event import iso_time

MOST_READ: Final = 1_000
"""Most people in one call."""
_KEYS: Final = (
    "ids", "service", "audiences", "attributes", "scores", "reader", "signature", "expires",
)  # fmt: skip
_MOST_COMPARED: Final = 200
_MOST_NAME: Final = 100
_YEAR_10000: Final = 253_402_300_800_000

Body = Mapping[str, Any]


async def decide(reads: Reads, body: Body) -> dict[str, Any]:
    """Return the answer to `body`: of one person, or a list of `results` when `ids` is a list.

    Raises:
        MalformedRequest: it can't be understood, or asks for what is not defined.
        RequestTooLarge: it asks for over 1,000 people.
        StoreError: it can't be read now.
    """
    _require_keys(reads, body)
    wanted, ids = wanted_of(reads, body), body.get("ids")
    if not isinstance(ids, list):
        person = identifiers(ids, "ids")
        require_kinds(reads, person, "ids")
        (reading,) = await reads.read([person], wanted)
        return answer(reading)
    require_few(len(ids))
    people = [identifiers(one, f"ids[{place}]") for place, one in enumerate(ids)]
    for place, person in enumerate(people):
        require_kinds(reads, person, f"ids[{place}]")
    return {"results": [answer(reading) for reading in await reads.read(people, wanted)]}


def identifiers(value: Any, place: str) -> dict[str, str]:
    """Return the identifiers of one person, kind to value as text; `place` names them in errors.

    Raises:
        MalformedRequest: no object, a value that is no id, or none at all.
    """
    if not isinstance(value, dict):
        raise MalformedRequest(f'{place}: an object such as {{"user_id": "u-1"}} is needed')
    found: dict[str, str] = {}
    for kind, id in value.items():
        if id is None:
            continue
        text = identifier_text(id)
        if text is None:
            raise MalformedRequest(f"{place}.{kind}: must be text or a whole number, not empty")
        found[kind] = text
    if not found:
        raise MalformedRequest(f"{place}: at least one id is needed")
    return found


def require_kinds(reads: Reads, kinds: Iterable[str], place: str) -> None:
    """Refuse a kind of id by which nobody is ever known: a mistyped one would be answered `false`.

    Raises:
        MalformedRequest: the message names it, and what may have been meant.
    """
    for kind in kinds:
        if kind not in reads.kinds:
            there = suggest(_snake(kind[:_MOST_NAME]), reads.kinds) or "see [identity] identifiers"
            raise MalformedRequest(f'{place}: "{kind[:_MOST_NAME]}" is no kind of id here; {there}')


def _require_keys(reads: Reads, body: Body) -> None:
    """Refuse a key that is none: a mistyped one would be answered as if it were not there.

    So is a proof that can't be one, beside a key that makes it needless.
    """
    for key in body:
        if key not in _KEYS:
            name = key[:_MOST_NAME]
            there = 'an id stands in "ids"' if key in reads.kinds else suggest(name, _KEYS)
            raise MalformedRequest(f'"{name}" is no key here; {there}')
    for name in ("reader", "signature"):
        if not isinstance(body.get(name, ""), str | None):
            raise MalformedRequest(f"{name}: must be text")
    if body.get("expires") is not None and type(body["expires"]) is not int:
        raise MalformedRequest("expires: epoch seconds")


def _snake(kind: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in kind)


def require_few(people: int) -> None:
    """Refuse to read too many at once.

    Raises:
        RequestTooLarge: over 1,000.
    """
    if people > MOST_READ:
        raise RequestTooLarge(f"at most {MOST_READ} ids in a call; send several calls")


def wanted_of(reads: Reads, body: Body) -> Wanted:
    """Return what `body` asks for: names and those of a service, or without either everything.

    Raises:
        MalformedRequest: a name is not defined; the message names it and what there is.
    """
    audiences, attributes, scores = (
        names_of(body, "audiences", reads.audiences),
        names_of(body, "attributes", reads.attributes),
        names_of(body, "scores", reads.scores),
    )
    service = body.get("service")
    if service is not None:
        require_known(service, "service", reads.services)
        chosen = reads.services[service]
        return Wanted(
            _together(chosen.audiences, audiences),
            _together(chosen.attributes, attributes),
            _together(chosen.scores, scores),
        )
    if audiences is None and attributes is None and scores is None:
        return Wanted(tuple(reads.audiences), tuple(reads.attributes), tuple(reads.scores))
    return Wanted(audiences or (), attributes or (), scores or ())


def names_of(body: Body, field: str, known: Collection[str]) -> list[str] | None:
    """Return the names that `field` lists, each once; None if it is not there.

    Raises:
        MalformedRequest: no list, or a name that is not `known`.
    """
    names = body.get(field)
    if names is None:
        return None
    if not isinstance(names, list):
        raise MalformedRequest(f"{field}: a list of names")
    for name in names:
        require_known(name, field, known)
    return list(dict.fromkeys(names))


def require_known(name: Any, field: str, known: Collection[str]) -> None:
    """Refuse a name that is not `known`.

    Raises:
        MalformedRequest: the message names it, and what may have been meant.
    """
    if not isinstance(name, str):
        raise MalformedRequest(f"{field}: names are text")
    if name not in known:
        there = "none is" if not known else f"{len(known)} others are"
        if len(known) <= _MOST_COMPARED:
            there = suggest(name[:_MOST_NAME], known) or there
        raise MalformedRequest(f'{field}: "{name[:_MOST_NAME]}" is not defined; {there}')


def answer(reading: Reading) -> dict[str, Any]:
    """Return a reading as it is sent."""
    change = reading.next_change
    sent: dict[str, Any] = {
        "profile": reading.profile,
        "attributes": reading.attributes,
        "audiences": reading.audiences,
        "scores": reading.scores,
        "as_of": iso_time(reading.as_of),
        "ready": reading.ready,
        "next_change": None if change is None or change >= _YEAR_10000 else iso_time(change),
    }
    if reading.degraded:
        sent["degraded"] = list(reading.degraded)
    if reading.errors:
        sent["errors"] = reading.errors
    return sent


def _together(first: Iterable[str], more: Iterable[str] | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *(more or ()))))
