"""Events for tests: complete, ordinary, and each one recognizable in what a connector sends."""

from collections.abc import Mapping, Sequence
from typing import Any

from junctor.sdk import Event, EventType, ProfileView, iso_time
from junctor.testkit.doubles import START


def sample_body(type: EventType, number: int = 0) -> dict[str, Any]:
    """Return a complete Segment-shaped call of `type`; `number` tells one from another."""
    body: dict[str, Any] = {
        "type": type.value,
        "messageId": f"kit-{type}-{number:05d}",
        "timestamp": iso_time(round(START * 1000) + number),
        "userId": f"user-{number:05d}",
        "anonymousId": f"anonymous-{number:05d}",
        "context": {
            "ip": "192.0.2.7",
            "locale": "en-US",
            "userAgent": "Mozilla/5.0 (X11; Linux x86_64)",
            "library": {"name": "analytics.js", "version": "2.1.0"},
            "page": {"path": "/pricing", "url": "https://shop.example/pricing"},
            "traits": {"email": f"ada-{number:05d}@example.com"},
        },
        "integrations": {},
    }
    return body | _own_fields(type, number)


def _own_fields(type: EventType, number: int) -> dict[str, Any]:
    person = {"email": f"ada-{number:05d}@example.com", "name": "Ada Lovelace", "plan": "pro"}
    order = {"order_id": f"order-{number:05d}", "revenue": 129.5, "currency": "USD"}
    page = {"path": "/pricing", "title": "Pricing", "url": "https://shop.example/pricing"}
    match type:
        case EventType.TRACK:
            return {"event": "Order Completed", "properties": order}
        case EventType.IDENTIFY:
            return {"traits": person}
        case EventType.PAGE:
            return {"name": "Pricing", "category": "Shop", "properties": page}
        case EventType.SCREEN:
            return {"name": "Pricing", "properties": {"title": "Pricing"}}
        case EventType.GROUP:
            return {"groupId": f"group-{number:05d}", "traits": {"name": "Analytical Engines"}}
        case EventType.ALIAS:
            return {"previousId": f"anonymous-{number:05d}"}
        case EventType.DELETE:
            return {}


def event_of(body: Mapping[str, Any], source: str = "kit") -> Event:
    """Return the event of a complete body, with the profile that its ids and traits make."""
    user, email = body.get("userId"), _email(body)
    identifiers: dict[str, Sequence[str]] = {}
    if isinstance(user, str) and user:
        identifiers["user_id"] = [user]
    if email:
        identifiers["email"] = [email]
    profile = ProfileView(
        id=f"profile-of-{user}", traits={"email": email} if email else {}, identifiers=identifiers
    )
    return Event.from_body(body, source=source, profile=profile)


def marks(event: Event) -> list[str]:
    """Return the texts that only this sample has: one of them shows that it arrived."""
    order = event.properties.get("order_id")
    ids = (event.message_id, event.user_id, event.anonymous_id, event.group_id)
    return [mark for mark in (*ids, _email(event.body), order) if isinstance(mark, str) and mark]


def _email(body: Mapping[str, Any]) -> str | None:
    context = body.get("context")
    nested = context.get("traits") if isinstance(context, dict) else None
    for holder in (body.get("traits"), nested):
        if isinstance(holder, dict) and isinstance(holder.get("email"), str):
            return str(holder["email"])
    return None
