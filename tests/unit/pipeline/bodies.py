"""Events for the pipeline's tests: plain ones by hand, any JSON by hypothesis."""

from collections.abc import Sequence
from datetime import UTC
from typing import Any

import orjson
from hypothesis import strategies as st

from junctor.model.record import NewRecord, Record
from junctor.pipeline.ingest import Intake

T0 = 1_700_000_000_000
"""2023-11-14T22:13:20Z in epoch milliseconds."""
TYPES = ("track", "identify", "page", "screen", "group", "alias", "delete")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
integers = st.integers(-(2**63), 2**64 - 1)
finite = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | integers | finite | texts
odd_texts = st.sampled_from(
    ["", " ", "\0", "null", "0000", "2024-01-01T00:00:00Z", "1970-01-01", "1e400", "-1", "Ä\u200b"]
)


def _wider(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(children, max_size=3) | st.dictionaries(texts, children, max_size=3)


json_values = st.recursive(scalars | odd_texts, _wider, max_leaves=6)
objects = st.none() | st.dictionaries(texts, json_values, max_size=4)
ids = st.text("abc12", min_size=1, max_size=3) | st.integers(1, 2**63) | st.just(" padded ")
times = (
    st.none()
    | odd_texts
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.integers(0, 4_000_000_000_000)
    | st.datetimes().map(lambda moment: moment.isoformat())
    | st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.isoformat())
    | st.lists(st.booleans(), max_size=2)
)


@st.composite
def event_bodies(draw: st.DrawFn) -> dict[str, Any]:
    """Any JSON object that can be an event, keys in any order."""
    type = draw(st.sampled_from(TYPES))
    body: dict[str, Any] = draw(st.dictionaries(texts, json_values, max_size=4))
    fields: dict[str, Any] = {
        "type": type,
        "userId": draw(ids),
        "anonymousId": draw(st.none() | ids | json_values),
        "messageId": draw(st.text("abc", max_size=4)),
    }
    if type == "alias":
        fields["previousId"] = draw(ids)
    if type == "group":
        fields["groupId"] = draw(ids)
    if type == "track":
        fields["event"] = draw(st.text("abc", min_size=1))
    for name in ("properties", "traits", "context", "integrations"):
        if draw(st.booleans()):
            fields[name] = draw(objects)
    for name in ("timestamp", "originalTimestamp", "sentAt", "receivedAt"):
        if draw(st.booleans()):
            fields[name] = draw(times)
    body |= fields
    order = draw(st.permutations(list(body)))
    # As it comes off the wire: what JSON can't say (NaN, infinity) has become null.
    return dict(orjson.loads(orjson.dumps({key: body[key] for key in order})))


def track(user: str | None = "u-1", *, anonymous: str | None = None, **more: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"type": "track", "event": "Seen"}
    if user is not None:
        body["userId"] = user
    if anonymous is not None:
        body["anonymousId"] = anonymous
    return body | more


def named(body: dict[str, Any], n: int) -> dict[str, Any]:
    return {"messageId": f"m-{n}", **body}


def new_records(
    bodies: Sequence[dict[str, Any]], *, at: int = T0, corrects_clock: bool = False
) -> list[NewRecord]:
    """Return what ingest makes of the bodies."""
    intake = Intake(10**6)
    return [
        intake.record("web", named(body, n), at, corrects_clock=corrects_clock)
        for n, body in enumerate(bodies)
    ]


def record(
    body: dict[str, Any], *, at: int = T0, corrects_clock: bool = False, offset: int = 1
) -> Record:
    """Return a record as read from the log."""
    name = str(body.get("messageId", "m-1"))
    return Record(offset, "web", name, at, corrects_clock, orjson.dumps(body))
