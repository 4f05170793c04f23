"""The signature of Segment's Webhooks destinations: `X-Signature`, HMAC-SHA1 in hex.

Sources: Segment's documentation of Webhooks and Webhooks (Actions); the code and tests of the
latter. A single event is signed as it is sent. Of a batch only the first event is signed, as
`JSON.stringify` wrote it: the rest is protected by nothing but the address (see `token`).
"""

import hashlib
import hmac
import json
from collections.abc import Iterable
from typing import Final

_DECODER: Final = json.JSONDecoder()
_JSON_SPACE: Final = " \t\r\n"


def verify(body: bytes, signature: str, secrets: Iterable[bytes]) -> bool:
    """Whether `signature` was made with one of `secrets`, over `body` or over its first event.

    The bytes are compared as they came: written again, a number or an escape may look different.
    Takes the same time whichever secret matches.
    """
    texts = [body]
    first = first_element(body)
    if first is not None:
        texts.append(first)
    given = signature.strip().lower().encode("utf-8", "surrogatepass")
    return any(
        [
            hmac.compare_digest(hmac.new(secret, text, hashlib.sha1).hexdigest().encode(), given)
            for secret in secrets
            for text in texts
        ]
    )


def first_element(body: bytes) -> bytes | None:
    """Return the bytes of the first element of a JSON list, or None if there is none."""
    if body[:1] not in (b"[", b" ", b"\t", b"\r", b"\n"):
        return None
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    start = _skip_space(text, 0)
    if text[start : start + 1] != "[":
        return None
    start = _skip_space(text, start + 1)
    try:
        _, end = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return text[start:end].encode()


def _skip_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in _JSON_SPACE:
        at += 1
    return at
