"""The id of an audience's segment."""

import hashlib
import re
from collections.abc import Mapping
from typing import Final

_FITTING: Final = re.compile(r"[a-zA-Z0-9_-]{3,100}")
_FOREIGN: Final = re.compile(r"[^a-zA-Z0-9_-]")
_KEPT: Final = 91
"""Characters of a key beside a hyphen and eight of its digest: 100 are allowed."""


def segment_id(audience: str, given: Mapping[str, str]) -> str:
    """Return the id of the segment: the one `given` for it, else the audience's key.

    A key that can't be an id, or is the id given for another audience, gets a digest of itself
    appended: two audiences never meet in one segment, where each would remove the other's members.
    """
    if audience in given:
        return given[audience]
    if _FITTING.fullmatch(audience) and audience not in given.values():
        return audience
    digest = hashlib.sha256(audience.encode()).hexdigest()[:8]
    return f"{_FOREIGN.sub('_', audience)[:_KEPT]}-{digest}"
