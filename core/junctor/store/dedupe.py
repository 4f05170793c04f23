"""The key by which duplicates are found."""

from hashlib import blake2b


def dedupe_key(source: str, message_id: str) -> int:
    """Return a signed 64-bit digest of source and message id; equal digests are looked at again."""
    digest = blake2b(f"{source}\0{message_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
