"""Agreement with mapping-kit, case by case.

`golden.json` was recorded by `transform` of `@segment/actions-core` 3.170.0: `[mapping, payload,
outcome]`, where a payload of null stands for the shared event and the outcome is the result or why
there is none: `missing`, `error` (with this payload) or `invalid` (with any).
"""

import json
from pathlib import Path
from typing import Any

import pytest

from junctor.sdk.mapping import MISSING, MappingError, MappingRunError, compile_mapping

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text(encoding="utf-8"))


def outcome_of(mapping: Any, payload: Any) -> Any:
    try:
        shape = compile_mapping(mapping)
    except MappingError:
        return "invalid"
    try:
        result = shape(payload)
    except MappingRunError:
        return "error"
    return "missing" if result is MISSING else {"result": result}


def canonical(value: Any) -> str:
    """Write JSON so that true differs from 1, and 1 does not differ from 1.0."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{k!r}:{canonical(value[k])}" for k in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(float(value) + 0.0)
    return repr(value)


@pytest.mark.case(19)
@pytest.mark.parametrize("number", range(len(GOLDEN["cases"])))
def test_agrees_with_mapping_kit(number: int) -> None:
    mapping, payload, expected = GOLDEN["cases"][number]
    event = GOLDEN["event"] if payload is None else payload
    assert canonical(outcome_of(mapping, event)) == canonical(expected), mapping
