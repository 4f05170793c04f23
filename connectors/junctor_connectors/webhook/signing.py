"""Signatures of outgoing webhooks: Standard Webhooks, and Segment's X-Signature.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Final

PREFIX: Final = "whsec_"

_ID: Final = re.compile(r"[!-\-/-~]{1,128}")  # visible ASCII without the separator "."


def keys_of(secret: str) -> list[bytes]:
    """Return the HMAC keys of a secret: one, or two where the text can be read in two ways.

    `whsec_…` is base64 by the standard. Other text is taken as it is; if it is base64 as well, its
    decoded bytes come first, since the reference libraries decode text without the prefix too.

    Raises:
        ValueError: empty, or `whsec_` without base64; the secret is not repeated.
    """
    marked = secret.startswith(PREFIX)
    decoded = _base64(secret.removeprefix(PREFIX))
    if marked:
        if not decoded:
            raise ValueError("what follows whsec_ is no base64")
        return [decoded]
    if not secret:
        raise ValueError("the secret is empty")
    return [decoded, secret.encode()] if decoded else [secret.encode()]


def webhook_id(key: str) -> str:
    """Return an idempotency key as `webhook-id`: as it is, or a digest if it can't stand there."""
    if _ID.fullmatch(key):
        return key
    return f"id-{hashlib.sha256(key.encode()).hexdigest()[:32]}"


def standard_signature(keys: Sequence[bytes], id: str, timestamp: int, content: bytes) -> str:
    """Return `webhook-signature`: one `v1,` item a key, over `id.timestamp.content`."""
    signed = f"{id}.{timestamp}.".encode() + content
    return " ".join(
        "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in keys
    )


def segment_signature(secret: str, content: bytes) -> str:
    """Return `X-Signature` as Segment makes it: hex HMAC-SHA1 of the content."""
    return hmac.digest(secret.encode(), content, "sha1").hex()


def _base64(text: str) -> bytes | None:
    """Return what standard base64 means, its padding optional, or None."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True) or None
    except (binascii.Error, ValueError):
        return None
