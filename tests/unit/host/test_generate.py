import os
import tomllib
from pathlib import Path

import pytest

from junctor.config.load import load_config
from junctor.config.model import Config
from junctor.config.reference import keys
from junctor.host.generate import example, generated, main
from junctor.host.registry import Registry

ROOT = Path(__file__).parents[3]
ENVIRON = {
    "WEB_WRITE_KEY": "web-write-key",
    "SEGMENT_SHARED_SECRET": "segment-shared-secret",
    "STATSIG_SERVER_SECRET": "secret-statsig",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T0/B0/x",
    "CRM_SIGNING_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.discover()


def test_the_example_loads_as_it_is(tmp_path: Path, registry: Registry) -> None:
    path = tmp_path / "config.example.toml"
    path.write_text(example(), encoding="utf-8")

    loaded = load_config(path, registry, ENVIRON)

    assert list(loaded.warnings) == []
    assert list(loaded.sources) == ["web", "segment_cloud"]
    assert list(loaded.destinations) == ["statsig", "alerts", "crm"]
    assert loaded.config.destinations["statsig"].delivery.flush_interval == 0.2


def test_the_audience_in_comments_loads_beside_the_rest(tmp_path: Path, registry: Registry) -> None:
    before, heading, block = example().partition("# [audiences.")
    lines, rest = block.partition("\n\n")[::2]
    lines = (heading + lines).replace("\n# ", "\n").removeprefix("# ")
    path = tmp_path / "config.example.toml"
    path.write_text(f"{before}{lines}\n\n{rest}", encoding="utf-8")

    loaded = load_config(path, registry, ENVIRON)

    assert list(loaded.warnings) == []
    [evaluating] = loaded.definitions.audiences
    assert (evaluating.name, evaluating.send) == ("evaluating", ("crm",))


def test_the_keys_in_comments_are_all_there_are_with_their_defaults() -> None:
    commented = [
        line.removeprefix("# ") for line in example().splitlines() if line.startswith("# ")
    ]
    first = next(index for index, line in enumerate(commented) if line.startswith("plugins"))
    raw = tomllib.loads("\n".join(commented[first:]))
    raw["admin"].pop("token")  # a reference; the model is given what it stands for
    raw.pop("readers", None)

    config = Config.model_validate(raw)

    for name in ("server", "admin", "egress", "log", "identity", "store"):
        assert getattr(config, name) == getattr(Config(), name)
    text = example()
    for key in keys(Config):
        assert f"# {key.path[-1]} = " in text or f"## - {key.path[-1]}: " in text


def test_every_key_and_every_setting_is_explained(registry: Registry) -> None:
    pages = {path.as_posix(): text for path, text in generated(registry).items()}

    for key in keys(Config):
        assert key.description, key.written
        assert f"| `{key.path[-1]}` |" in pages["docs/configuration.md"]
    for offer in registry.offers:
        if offer.is_built_in:
            for key in keys(offer.load().settings_model):
                assert key.description, f"{offer.type}: {key.written}"
                page = pages[f"docs/connectors/{offer.type}.md"]
                assert f"| `settings.{key.written}` |" in page


@pytest.mark.skipif(not (ROOT / "pyproject.toml").is_file(), reason="not in a checkout")
def test_generated_files_are_fresh(registry: Registry) -> None:
    stale = [
        path.as_posix()
        for path, text in generated(registry).items()
        if not (ROOT / path).is_file() or (ROOT / path).read_text(encoding="utf-8") != text
    ]

    assert stale == [], "run make generate"


def test_the_command_writes_once_and_checks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path)

    assert main(["--check", folder]) == 1
    assert not os.listdir(tmp_path)
    assert main([folder]) == 0
    assert (tmp_path / "docs/connectors/slack.md").is_file()
    capsys.readouterr()
    assert main(["--check", folder]) == 0
    assert capsys.readouterr().out == ""
