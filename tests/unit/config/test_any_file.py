"""Laws for whatever somebody may write."""

from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from junctor.config.connectors import Connectors
from junctor.config.load import load_config
from junctor.config.reference import toml, toml_key
from junctor.model.problems import ConfigError

CANARY = "cAnArY-5f3a"
GOOD: dict[str, Any] = {
    "server": {"listen": "127.0.0.1:8080", "max_body": "5MiB"},
    "admin": {"listen": "127.0.0.1:8081", "token": {"env": "SECRET"}},
    "store": {"path": "data", "retention": {"age": "7d"}},
    "egress": {"allow": ["127.0.0.0/8"]},
    "plugins": [],
    "audience_files": [],
    "identity": {"identifiers": [{"kind": "user_id", "limit": 1}], "blocked": ["x"]},
    "sources": {"web": {"type": "hook", "settings": {"write_key": {"env": "SECRET"}}}},
    "destinations": {
        "crm": {
            "type": "crm",
            "settings": {
                "url": "https://crm.test",
                "signing_secret": {"env": "SECRET"},
                "old_secrets": [{"env": "SECRET"}],
                "keys": {"a": {"env": "SECRET"}},
                "auth": {"password": {"env": "SECRET"}},
            },
            "delivery": {"concurrency": 4, "retry": {"max": "5m"}},
        },
    },
    "routes": {"all": {"from": ["web"], "to": ["crm"], "when": 'type = "track"'}},
}
KEYS = st.sampled_from(
    ["type", "settings", "env", "file", "url", "from", "to", "delivery", "a b", "", "kind", "x"]
)
VALUES = st.recursive(
    st.one_of(
        st.just(CANARY),
        st.just({"env": "SECRET"}),
        st.just({"env": CANARY}),
        st.just({"file": CANARY}),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=4,
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return every table or list in `value` with a key in it."""
    if not isinstance(value, dict | list):
        return []
    children = list(value.items() if isinstance(value, dict) else enumerate(value))
    return [(value, key) for key, _ in children] + [
        place for _, child in children for place in places(child)
    ]


def copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: copied(child) for key, child in value.items()}
    return [copied(child) for child in value] if isinstance(value, list) else value


@st.composite
def files(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the good file with a few values replaced, taken away or put in."""
    raw = copied(GOOD)
    for _ in range(draw(st.integers(1, 3))):
        holder, key = draw(st.sampled_from(places(raw)))
        change = draw(st.sampled_from(["replace", "remove", "add"]))
        if change == "remove":
            del holder[key]
        elif change == "add" and isinstance(holder, dict):
            holder[draw(KEYS)] = copied(draw(VALUES))
        else:
            holder[key] = copied(draw(VALUES))
        if not places(raw):
            break
    return dict(raw)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(raw=files())
def test_any_file_loads_or_is_refused_in_words_and_keeps_its_secrets(
    tmp_path: Path, stub: Connectors, raw: dict[str, Any]
) -> None:
    path = tmp_path / "junctor.toml"
    path.write_text(
        "".join(f"{toml_key(key)} = {toml(value)}\n" for key, value in raw.items()),
        encoding="utf-8",
    )
    refused: ConfigError | None = None
    try:
        loaded = load_config(path, stub, {"SECRET": f"{CANARY}-of-the-environment"})
    except ConfigError as error:
        refused = error

    if refused is None:
        assert f"{CANARY}-of-the-environment" not in f"{loaded!r}{loaded.config!r}{loaded.warnings}"
    else:
        assert refused.problems
        assert CANARY not in f"{refused}{refused!r}{refused.problems}"
