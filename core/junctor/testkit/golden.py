"""Golden requests: the exact request of one event as a readable file."""

import gzip
import json
import os
from pathlib import Path
from typing import Any, Final

import orjson
from pydantic import BaseModel

from junctor.sdk import Request
from junctor.testkit.declared import secrets_in
from junctor.testkit.secrets import SHORTEST

_GZIP: Final = b"\x1f\x8b"

UPDATE: Final = "JUNCTOR_UPDATE_GOLDEN"
"""Environment variable: when set, golden files are written instead of compared."""


def plain(request: Request, settings: BaseModel) -> dict[str, Any]:
    """Return the request as plain data, each secret of the settings replaced by `<secret>`.

    Secrets below eight characters stay: they would be found in other text by chance.
    """
    raw = request.content
    if raw.startswith(_GZIP):
        raw = gzip.decompress(raw)
    body = raw.decode("utf-8", "replace")
    try:
        content: Any = {"json": orjson.loads(raw)}
    except orjson.JSONDecodeError:
        content = {"text": body} if body else {}
    data = {
        "method": request.method,
        "url": request.url,
        "params": dict(request.params),
        "headers": dict(request.headers),
        **content,
    }
    text = json.dumps({key: value for key, value in data.items() if value != {}})
    for secret in sorted(secrets_in(settings), key=len, reverse=True):
        if len(secret) >= SHORTEST:
            text = text.replace(json.dumps(secret)[1:-1], "<secret>")
    masked: dict[str, Any] = json.loads(text)
    return masked


def difference(file: Path, request: dict[str, Any]) -> str | None:
    """Return how a request differs from its golden file, None when it does not.

    With `JUNCTOR_UPDATE_GOLDEN` in the environment the file is written first.
    """
    text = json.dumps(request, indent=2, ensure_ascii=False) + "\n"
    if os.environ.get(UPDATE):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    if not file.exists():
        return f"{file.name} is missing from the golden folder; {UPDATE}=1 writes it"
    expected = json.loads(file.read_text(encoding="utf-8"))
    places = [
        key
        for key in {**expected, **request}
        if _exact(expected.get(key)) != _exact(request.get(key))
    ]
    if not places:
        return None
    return f"{file.name}: {', '.join(places)} changed; {UPDATE}=1 writes the new request"


def _exact(value: Any) -> str:
    """Return JSON text that differs where Python's == does not: 1, 1.0 and true."""
    return json.dumps(value, sort_keys=True)
