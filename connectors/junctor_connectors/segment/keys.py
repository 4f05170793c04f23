"""Which write key a request presents, and whether it is one of ours."""

import base64
import hmac
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from junctor.sdk import InboundRequest, MalformedRequest, Secret, Unauthorized


class WriteKeys:
    """The write keys of one source; membership takes the same time for every guess."""

    def __init__(self, keys: Iterable[Secret]) -> None:
        """Take the keys that are accepted."""
        self._keys = tuple(key.get_secret_value().encode() for key in keys)

    def __contains__(self, presented: bytes) -> bool:
        """Compare with every key, also after a match."""
        return any([hmac.compare_digest(presented, key) for key in self._keys])

    def require(self, presented: Iterable[bytes]) -> None:
        """Return when at least one key is presented and each is one of ours.

        Raises:
            Unauthorized: none is presented, or one of them is not ours.
        """
        missing = True
        for key in presented:
            missing = False
            if key not in self:
                raise Unauthorized("unknown write key")
        if missing:
            raise Unauthorized(
                "no write key: send it as the user name of Basic authorization, "
                "or as `writeKey` in the body"
            )


def presented_keys(request: InboundRequest) -> Iterator[bytes]:
    """Yield the key of the Basic header, then the body's `writeKey`; what is absent is skipped.

    Lazy: the body is parsed only for a caller who asks for the second key. A Bearer token is not
    looked at; Segment's SDKs send the write key in the body beside it.

    Raises:
        Unauthorized: a Basic header that can't be decoded.
        MalformedRequest: the body is no JSON object.
    """
    key = _basic_user(request.headers.get("authorization", ""))
    if key:
        yield key
    yield from key_of(json_object(request))


def key_of(call: Mapping[str, Any]) -> Iterator[bytes]:
    """Yield the `writeKey` of a call or envelope, if it has one."""
    key = call.get("writeKey")
    if key is not None and key != "":
        yield key_bytes(key)


def key_bytes(key: object) -> bytes:
    """Return a presented key for comparison; what is no text equals no key."""
    return key.encode("utf-8", "surrogatepass") if isinstance(key, str) else b""


def json_object(request: InboundRequest) -> dict[str, Any]:
    """Return the body as a dict.

    Raises:
        MalformedRequest: it is no JSON, or no object.
    """
    body = request.json
    if not isinstance(body, dict):
        raise MalformedRequest("the body must be a JSON object")
    return body


def decode_base64(text: str) -> bytes:
    """Decode base64 of either alphabet, padded or not.

    Raises:
        ValueError: it is no base64.
    """
    # A `+` that a query parser took for a space is still a `+`.
    plain = text.translate(str.maketrans("-_ ", "+/+")).rstrip("=")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)


def _basic_user(header: str) -> bytes | None:
    """Return the user name of a Basic header, with or without the colon, else None."""
    scheme, _, credentials = header.strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return decode_base64(credentials.strip()).partition(b":")[0]
    except ValueError:
        raise Unauthorized("the Basic authorization header can't be decoded") from None
