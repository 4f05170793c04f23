"""References: `{ env = "NAME" }` and `{ file = "PATH" }` in place of a value."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from junctor.config.shapes import children, inside, may_be_secret, secret_only
from junctor.model.problems import TELLING, Problem, TomlPath, closest, written

_KINDS: Final = ("env", "file")
_MAX_FILE_BYTES: Final = 1_048_576
# Only what is clearly a variable's name is repeated: somebody may paste the secret itself here.
_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9_]*")
_STAND_IN: Final = "unresolved"
_BY_REFERENCE: Final = 'secrets are given by reference: { env = "NAME" } or { file = "PATH" }'


def is_reference(value: Any) -> bool:
    """Whether `value` is a table of exactly one key, `env` or `file`."""
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in _KINDS


@dataclass
class Resolved:
    """A value with its references replaced; a faulty one by a stand-in, with a problem.

    `texts` are all values that came from references or stood in a secret's place: no message may
    repeat them.
    """

    value: Any = None
    problems: list[Problem] = field(default_factory=list)
    texts: list[str] = field(default_factory=list, repr=False)

    def clean(self, message: str) -> str:
        """Return `message` without any of `texts`."""
        for text in sorted(self.texts, key=len, reverse=True):
            if len(text) >= TELLING:
                message = message.replace(text, "…")
        return message


@dataclass(frozen=True)
class Resolver:
    """Looks up references. `folder` is the configuration file's: relative files start there."""

    environ: Mapping[str, str] = field(repr=False)
    folder: Path

    def resolve(
        self, value: Any, annotation: Any, path: TomlPath, *, everywhere: bool = True
    ) -> Resolved:
        """Replace the references in `value`, which stands at `path`.

        `annotation` is the model that the value is checked against later; text where it wants a
        `Secret` is a problem. With `everywhere` off only references to a `Secret` are replaced, so
        that `env` may be an ordinary key elsewhere.
        """
        resolved = Resolved()
        resolved.value = self._walk(value, [annotation], path, resolved, everywhere)
        return resolved

    def _walk(
        self,
        value: Any,
        annotations: list[Any],
        path: TomlPath,
        resolved: Resolved,
        everywhere: bool,
    ) -> Any:
        secret = may_be_secret(annotations)
        if is_reference(value) and (secret or everywhere):
            [(kind, name)] = value.items()
            text = self._look_up(kind, name, path)
            if isinstance(text, Problem):
                resolved.problems.append(text)
                text = _STAND_IN
            resolved.texts.append(text)
            return SecretStr(text) if secret else text
        if secret_only(annotations, value):
            resolved.texts.append(str(value))
            said = "a secret is written out"
            if isinstance(value, dict):
                said = "this is no reference to a secret"
            resolved.problems.append(Problem(written(path), said, _BY_REFERENCE))
            return SecretStr(_STAND_IN)
        if not isinstance(value, dict | list):
            return value
        copy: Any = value.copy()
        for key, child in children(value):
            below = [deeper for one in annotations for deeper in inside(one, key)]
            copy[key] = self._walk(child, below, (*path, key), resolved, everywhere)
        return copy

    def _look_up(self, kind: Any, name: Any, path: TomlPath) -> str | Problem:
        """Return what a reference stands for, or what is wrong with it; never the name of a file.

        The name of a variable is told when it is written in capitals, as such names are.
        """
        if not isinstance(name, str):
            return Problem(written(path), f"`{kind}` must be text")
        return self._variable(name, path) if kind == "env" else self._file(name, path)

    def _variable(self, name: str, path: TomlPath) -> str | Problem:
        value = self.environ.get(name)
        if value:
            return value
        state = "is not set" if value is None else "is empty"
        if not _VARIABLE.fullmatch(name):
            hint = "`env` names a variable, in capitals as a rule; it does not hold the value"
            return Problem(written(path), f"the environment variable {state}", hint)
        similar = closest(name, filter(_VARIABLE.fullmatch, self.environ))
        if similar and value is None:
            hint = f'did you mean "{similar}"?'
        else:
            hint = f"set it before the start: {name}=…"
        return Problem(written(path), f"environment variable {name} {state}", hint)

    def _file(self, name: str, path: TomlPath) -> str | Problem:
        """Return the text of a file without the line end that editors leave behind."""
        try:
            with (self.folder / name).open("rb") as file:
                content = file.read(_MAX_FILE_BYTES + 1)
            text = content.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            return Problem(written(path), "the file is not UTF-8 text")
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "not a path"
            hint = f"relative paths start in {self.folder}"
            return Problem(written(path), f"the file can't be read ({why})", hint)
        if len(content) > _MAX_FILE_BYTES:
            return Problem(written(path), "the file is over 1 MiB, too large for a value")
        return text or Problem(written(path), "the file is empty")
