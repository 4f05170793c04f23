"""From the calls as SDKs send them to Segment-shaped records. Pure; unknown keys, key order and
64-bit integers stay as they are.
"""

from collections.abc import Mapping
from typing import Any, Final

from junctor.sdk import MalformedRequest, Refused

ABSENT_IF_NULL: Final = frozenset(
    {
        "messageId", "userId", "anonymousId", "groupId", "previousId",
        "timestamp", "originalTimestamp", "sentAt", "context", "integrations",
    }
)  # fmt: skip
"""Analytics-python writes `null` for ids it does not have."""

_NO_DELETE: Final = "a write key, which everybody can read off a page, erases nobody"
NO_ENVELOPE: Final[Mapping[str, Any]] = {}


def single(call: dict[str, Any], type: str, remote: str | None) -> dict[str, Any]:
    """Return the record of a call whose `type` is said by its path; the path wins over the body."""
    return _record(call, type, NO_ENVELOPE, remote)


def batch(
    envelope: dict[str, Any], remote: str | None
) -> tuple[list[dict[str, Any]], list[Refused]]:
    """Return the records of a batch, and the items that can't be one.

    Raises:
        MalformedRequest: `batch` is missing or no list.
    """
    if "batch" not in envelope:
        raise MalformedRequest("`batch` is missing: a list of calls")
    items = envelope["batch"]
    if not isinstance(items, list):
        raise MalformedRequest("`batch` must be a list of calls")
    records: list[dict[str, Any]] = []
    refused: list[Refused] = []
    for index, item in enumerate(items):
        if isinstance(item, dict) and item.get("type") == "delete":
            refused.append(Refused(item, f"batch[{index}] is a delete: {_NO_DELETE}"))
        elif isinstance(item, dict):
            records.append(_record(item, None, envelope, remote))
        else:
            refused.append(Refused(item, f"batch[{index}] must be a JSON object"))
    return records, refused


def _record(
    call: dict[str, Any], type: str | None, envelope: Mapping[str, Any], remote: str | None
) -> dict[str, Any]:
    record = {
        key: value
        for key, value in call.items()
        if key != "writeKey" and (value is not None or key not in ABSENT_IF_NULL)
    }
    if type is not None:
        record["type"] = type
    _inherit(record, envelope)
    if "timestamp" not in record and "originalTimestamp" in record:
        # RudderStack's node SDK names the client's time so, and sends no `timestamp`.
        record["timestamp"] = record["originalTimestamp"]
    context = record.get("context")
    if isinstance(context, dict):
        if record.get("type") == "identify" and record.get("traits") is None:
            # RudderStack's Python SDK keeps the traits of an identify call there only.
            traits = context.get("traits")
            if isinstance(traits, dict):
                record["traits"] = traits
        if remote and not context.get("ip") and _is_from_the_device(context):
            record["context"] = {**context, "ip": remote}
    return record


def _inherit(record: dict[str, Any], envelope: Mapping[str, Any]) -> None:
    """Give `record` what the envelope says for all its items; the item wins.

    `context` and `integrations` are merged one level deep: half of an item's `context.page` with
    the other half from the envelope would be a page that nobody visited.
    """
    for key in ("context", "integrations"):
        shared = envelope.get(key)
        own = record.get(key, {})
        if shared and isinstance(shared, dict) and isinstance(own, dict):
            record[key] = own | {name: shared[name] for name in shared if name not in own}
    if "sentAt" not in record and envelope.get("sentAt") is not None:
        record["sentAt"] = envelope["sentAt"]


def _is_from_the_device(context: dict[str, Any]) -> bool:
    """Whether the connection is the visitor's own, so that its address is `context.ip`."""
    library = context.get("library")
    return context.get("direct") is True or (
        isinstance(library, dict) and library.get("name") == "analytics.js"
    )
