"""Events as an SDK would send them."""

import itertools
from typing import Any

_numbers = itertools.count(1)


def track(**fields: Any) -> dict[str, Any]:
    """Return a track call with a message id of its own; `fields` win, None takes one away."""
    call: dict[str, Any] = {
        "type": "track",
        "messageId": f"test-{next(_numbers)}",
        "userId": "u-1",
        "event": "Tested",
        **fields,
    }
    return {name: value for name, value in call.items() if value is not None}
