"""Templates: `{{ path }}` and `{{{ path }}}` in text (`@template`)."""

import re
from collections.abc import Callable
from typing import Any

from junctor.sdk.mapping.errors import check_growth
from junctor.sdk.mapping.js_text import WHITE_SPACE, join_surrogates, js_text
from junctor.sdk.mapping.path import Steps, parse_bare_path, walk
from junctor.sdk.mapping.values import MISSING

_TRIPLE = re.compile(r"\{\{\{([^}]+)\}\}\}")
_DOUBLE = re.compile(r"\{\{([^}]+)\}\}")

Renderer = Callable[[Any], str]


def compile_template(text: str) -> Renderer:
    """Parse a template once; the result takes a payload and always returns text.

    Triple braces are filled in first, and the double braces of what they inserted are filled in
    too; text inserted by double braces is never looked at again. Raises `MappingRunError` (when
    rendering) if the text grows too long.
    """
    triple = _renderer(text, _TRIPLE)
    if triple is None:
        return _renderer(text, _DOUBLE) or (lambda payload: text)

    def render(payload: Any) -> str:
        filled = triple(payload)
        double = _renderer(filled, _DOUBLE)
        return double(payload) if double else filled

    return render


def _renderer(text: str, placeholder: re.Pattern[str]) -> Renderer | None:
    """Return a function that fills the placeholders of one kind in; None if there are none."""
    pieces = placeholder.split(text)  # text, path, text, path, …, text
    if len(pieces) == 1:
        return None
    parts: list[str | Steps] = [
        parse_bare_path(piece.strip(WHITE_SPACE)) if position % 2 else piece
        for position, piece in enumerate(pieces)
    ]

    def render(payload: Any) -> str:
        root = {} if payload is MISSING else payload
        texts = [part if isinstance(part, str) else js_text(walk(root, part)) for part in parts]
        check_growth(sum(map(len, texts)))
        return join_surrogates("".join(texts))

    return render
