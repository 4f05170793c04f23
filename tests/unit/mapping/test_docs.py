import json
import re
import tomllib
from pathlib import Path

import pytest

from junctor.sdk.mapping import transform

PAGE = (Path(__file__).parents[3] / "docs" / "mapping.md").read_text(encoding="utf-8")
EVENT = json.loads(re.findall(r"^```json\n(.*?)^```", PAGE, re.M | re.S)[0])
EXAMPLES = re.findall(r"^```toml\n(.*?)^# (.*?)\n```", PAGE, re.M | re.S)


def test_the_page_has_an_example_for_every_directive() -> None:
    shown = {name for source, _ in EXAMPLES for name in re.findall(r"@[a-zA-Z]+", source)}
    assert set(re.findall(r"^## (@\w+)", PAGE, re.M)) <= shown
    assert len(EXAMPLES) == PAGE.count("```toml")


@pytest.mark.parametrize(("source", "result"), EXAMPLES)
def test_every_example_gives_the_result_it_shows(source: str, result: str) -> None:
    assert transform(tomllib.loads(source), EVENT) == json.loads(result)
