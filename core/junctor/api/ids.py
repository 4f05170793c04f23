"""Ids as readers write them, and as people and accounts are known by them."""

from collections.abc import Mapping
from typing import Final

from junctor.audiences.nodes import ACCOUNT

SESSION_ID: Final = "session_id"
Id = tuple[str, str]
"""Kind and value."""
_OTHER_NAMES: Final[Mapping[str, str]] = {"account_id": ACCOUNT, "group_id": ACCOUNT}


def as_kept(kind: str, value: str) -> Id:
    """Return an id by the name of its kind, and as it is stored: an e-mail in lower case."""
    kind = _OTHER_NAMES.get(kind, kind)
    return kind, value.lower() if kind == "email" else value
