"""Who may read: holders of a read key, and browsers with a signed id.

A browser can keep no key secret, and a bare id is no secret either. So the site's own server signs
the id of the visitor it knows, and the browser reads that one person only. The signature is
HMAC-SHA256, in hex, of `KIND:VALUE`, or of `EXPIRES:KIND:VALUE` when it is to end (epoch seconds).
Neither text can be mistaken for the other: no kind that is signed is a number or has a colon.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from junctor.sdk.errors import MalformedRequest, SourceError, Unauthorized


class Forbidden(SourceError):
    """The reader is known and may not do this."""

    code: ClassVar[str] = "forbidden"
    status: ClassVar[int] = 403


@dataclass(frozen=True, slots=True)
class ReaderKeys:
    """What one reader proves itself by.

    `origins` are those of the pages that may read with a signed id (`https://shop.example`).
    """

    key: str = field(repr=False)
    origins: tuple[str, ...] = ()
    signing_secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SignedId:
    """One id, and the claim that `reader` signed it; `expires` in epoch seconds."""

    reader: str
    kind: str
    value: str
    signature: str
    expires: int | None = None


def sign(secret: str, kind: str, value: str, expires: int | None = None) -> str:
    """Return the signature of an id; it ends at `expires` (epoch seconds), if that is given."""
    text = f"{kind}:{value}" if expires is None else f"{expires}:{kind}:{value}"
    return hmac.digest(secret.encode(), text.encode(), "sha256").hex()


class Readers:
    """The readers of the present configuration."""

    def __init__(self, readers: Mapping[str, ReaderKeys]) -> None:
        """Let these read, each by its name."""
        self._readers = dict(readers)
        self._expected = [f"Bearer {keys.key}".encode() for keys in readers.values()]
        self.origins = frozenset(origin for keys in readers.values() for origin in keys.origins)
        """The origins of all readers."""

    def __eq__(self, other: object) -> bool:
        """Whether the same may read by the same proofs."""
        return isinstance(other, Readers) and self._readers == other._readers

    __hash__ = None  # type: ignore[assignment]

    def require_key(self, authorization: str) -> None:
        """Let the holder of a read key pass.

        Raises:
            Unauthorized: the header is not `Bearer` with the key of a reader.
        """
        scheme, _, key = authorization.partition(" ")
        given = f"{scheme.capitalize()} {key.strip()}".encode("utf-8", "replace")
        known = False
        for expected in self._expected:  # all of them: how long it takes tells nothing
            known |= hmac.compare_digest(given, expected)
        if not known:
            raise Unauthorized(self._what_is_needed())

    def require_signature(self, signed: SignedId | None, origin: str | None, now: float) -> None:
        """Let a signed id pass; `origin` is that of the page, None outside of browsers.

        Raises:
            Unauthorized: no signature, not of this id by this reader, or no longer valid at `now`.
            Forbidden: the page is none of the reader's origins.
        """
        if signed is None:
            raise Unauthorized(self._what_is_needed())
        if signed.kind.isdigit() or ":" in signed.kind:
            raise MalformedRequest("ids: a kind that is a number or has a colon can't be signed")
        keys = self._readers.get(signed.reader)
        secret = keys.signing_secret if keys is not None else None
        right = sign(secret or "", signed.kind, signed.value, signed.expires)
        given = signed.signature.lower().encode("utf-8", "replace")
        if not hmac.compare_digest(given, right.encode()) or keys is None or not secret:
            raise Unauthorized("the signature is not that of this id by this reader")
        if signed.expires is not None and now >= signed.expires:
            raise Unauthorized("the signature has expired; sign the id anew")
        if origin is not None and origin not in keys.origins:
            message = f"pages of this origin may not read; see [readers.{signed.reader}] origins"
            raise Forbidden(message)

    def _what_is_needed(self) -> str:
        if not self._readers:
            return "nobody may read yet: configure a [readers.NAME] with its key"
        return "the key of a reader is needed (Authorization: Bearer KEY), or a signed id"
