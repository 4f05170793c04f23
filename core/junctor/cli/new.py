"""`junctor new`: the scaffold of a plug-in package, with a test that passes at once."""

import keyword
import re
from pathlib import Path
from string import Template
from typing import Final, Literal

from junctor import __version__, sdk

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
_LONGEST_NAME: Final = 40

PYPROJECT: Final = Template("""\
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "$distribution"
version = "0.1.0"
description = "A $kind of junctor: $title."
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["junctor>=$version"]

[project.optional-dependencies]
dev = ["junctor[testkit]>=$version"]

[project.entry-points."junctor.${kind}s"]
$type = "$package.$kind:$class_name"

[tool.hatch.build.targets.wheel]
packages = ["src/$package"]

[tool.pytest.ini_options]
addopts = ["--import-mode=importlib"]
asyncio_default_fixture_loop_scope = "function"
pythonpath = ["src"]
testpaths = ["tests"]

[tool.ruff]
line-length = 100
""")

README: Final = Template("""\
# $distribution

A $kind of junctor, the connector hub: $title.

```sh
pip install -e '.[dev]'
# the conformance kit: every rule is a test
pytest
# the same rules as a table, and the tier they prove
junctor conformance $type
```

```toml
[${kind}s.$type]
type = "$type"
$settings
```

Next: $next Every test is named after a rule; `docs/rules.md` of junctor says why it matters.
""")

DESTINATION: Final = Template('''\
"""Events to $title."""

from collections.abc import Sequence

from junctor.sdk import Event, HttpDestination, Manifest, Request, Secret, Settings


class ${class_name}Settings(Settings):
    """Where $title listens, and the key to it."""

    url: str
    """The endpoint that receives the events."""
    api_key: Secret
    """Key of the account, sent as a bearer token."""


class $class_name(HttpDestination[${class_name}Settings]):
    """Posts each event as JSON."""

    manifest = Manifest(type="$type", title="$title", summary="Send events to $title.")
    settings_model = ${class_name}Settings

    def build(self, events: Sequence[Event]) -> Request:
        """Return the request for one event (`max_batch` is 1).

        The body carries `messageId`, by which a repeated delivery can be recognized.
        """
        headers = {
            "authorization": f"Bearer {self.settings.api_key.get_secret_value()}",
            "content-type": "application/json",
        }
        return Request("POST", self.settings.url, content=events[0].json, headers=headers)
''')

DESTINATION_TEST: Final = Template('''\
"""$class_name keeps the promises of a junctor destination."""

from junctor.testkit import DestinationConformance

from $package.destination import $class_name


class Test$class_name(DestinationConformance):
    """Every rule is one test; `exempt = {"rule": "reason"}` where $title can't keep it."""

    destination = $class_name
    settings = {"url": "https://vendor.example/events", "api_key": "a key"}
''')

SOURCE: Final = Template('''\
"""Webhooks of $title, signed with HMAC-SHA256 over the body."""

import hashlib
import hmac

from junctor.sdk import (
    Accepted,
    InboundRequest,
    Manifest,
    PushSource,
    Refused,
    Secret,
    Settings,
    Unauthorized,
)


class ${class_name}Settings(Settings):
    """How $title signs."""

    signing_secret: Secret
    """Shared key of the signature in the `x-signature` header."""


class $class_name(PushSource[${class_name}Settings]):
    """Turns each call, or each of a list of calls, into a track event."""

    manifest = Manifest(type="$type", title="$title", summary="Webhooks of $title.")
    settings_model = ${class_name}Settings

    def accept(self, request: InboundRequest) -> Accepted:
        """Verify the signature, then translate.

        Raises:
            Unauthorized: the signature is missing or wrong.
            MalformedRequest: the body is no JSON.
        """
        key = self.settings.signing_secret.get_secret_value().encode()
        expected = hmac.new(key, request.body, hashlib.sha256).hexdigest().encode()
        given = request.headers.get("x-signature", "").encode(errors="replace")
        if not hmac.compare_digest(expected, given):
            raise Unauthorized("the x-signature header is missing or wrong")
        calls = request.json if isinstance(request.json, list) else [request.json]
        records = [_record(call) for call in calls if _is_call(call)]
        wrong = [call for call in calls if not _is_call(call)]
        return Accepted(records, [Refused(call, "id, user, event are needed") for call in wrong])


def _is_call(call: object) -> bool:
    """Whether a call says what happened, to whom, and under which id."""
    if not isinstance(call, dict):
        return False
    return all(isinstance(call.get(key), str) and call[key] for key in ("id", "user", "event"))


def _record(call: dict[str, object]) -> dict[str, object]:
    """Return the Segment-shaped record; the caller's id makes a repeated call recognizable."""
    return {
        "type": "track",
        "messageId": f"$type-{call['id']}",
        "userId": call["user"],
        "event": call["event"],
        "properties": call,
    }
''')

SOURCE_TEST: Final = Template('''\
"""$class_name keeps the promises of a junctor source."""

import hashlib
import hmac

from junctor.sdk import InboundRequest
from junctor.testkit import PushSourceConformance

from $package.source import $class_name


class Test$class_name(PushSourceConformance):
    """Every rule is one test; `exempt = {"rule": "reason"}` where $title can't keep it."""

    source = $class_name
    settings = {"signing_secret": "a key"}
    body = b'{"id": "1", "user": "u-1", "event": "Invoice Paid", "amount": 12.5}'

    def request(self, body: bytes) -> InboundRequest:
        """Sign as $title does."""
        signature = hmac.new(b"a key", body, hashlib.sha256).hexdigest()
        return InboundRequest("POST", "", body, {"x-signature": signature})
''')

_PARTS: Final = {
    "destination": (
        DESTINATION,
        DESTINATION_TEST,
        'settings.url = "https://vendor.example/events"\n'
        'settings.api_key = { env = "$env_API_KEY" }',
        "shape the request in `build`, read the vendor's answers in `interpret`, and prove the "
        "key in `check`.",
    ),
    "source": (
        SOURCE,
        SOURCE_TEST,
        'settings.signing_secret = { env = "$env_SIGNING_SECRET" }',
        "verify as the vendor signs, and translate its calls in `_record`.",
    ),
}


class ScaffoldError(Exception):
    """The scaffold can't be written; the message says why and what to do."""


def new_connector(kind: Literal["destination", "source"], name: str, folder: Path) -> list[Path]:
    """Write the package `junctor-NAME` into `folder` and return its files.

    `name` is in lower case, words joined by `-` or `_`; the connector's type is the same with `_`.
    A source is a push source: one that is called by a webhook.

    Raises:
        ScaffoldError: the name can't be used, or the package's folder exists.
    """
    _check_name(name)
    words = re.split("[-_]", name)
    target = folder / f"junctor-{'-'.join(words)}"
    if target.exists():
        raise ScaffoldError(f"{target} exists already; choose another name, or remove it")
    code, test, settings, following = _PARTS[kind]
    values = {
        "kind": kind,
        "type": "_".join(words),
        "title": " ".join(word.capitalize() for word in words),
        "class_name": _class_name(name),
        "package": f"junctor_{'_'.join(words)}",
        "distribution": target.name,
        "version": ".".join(__version__.split(".")[:2]),
        "settings": settings.replace("$env", "_".join(words).upper()),
        "next": following,
    }
    package = Path("src") / values["package"]
    contents = {
        Path("pyproject.toml"): PYPROJECT,
        Path("README.md"): README,
        package / "__init__.py": Template('"""$title for junctor."""\n'),
        package / "py.typed": Template(""),
        package / f"{kind}.py": code,
        Path("tests") / f"test_{values['type']}.py": test,
    }
    for path, template in contents.items():
        file = target / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(template.substitute(values), encoding="utf-8")
    return [target / path for path in contents]


def _check_name(name: str) -> None:
    """Raise ScaffoldError for what can't be a type, a package and a class at once."""
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise ScaffoldError(
            f"{name!r} is no name for a connector: use lower-case letters and digits, words joined "
            f"by - or _, at most {_LONGEST_NAME} characters, for example acme_crm"
        )
    class_name = _class_name(name)
    if keyword.iskeyword(class_name) or class_name in sdk.__all__:
        raise ScaffoldError(f"{name!r} is a word of Python or of the SDK: choose another name")


def _class_name(name: str) -> str:
    return "".join(word.capitalize() for word in re.split("[-_]", name))
