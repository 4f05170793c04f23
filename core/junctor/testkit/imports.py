"""What a connector imports, by reading its source and that of its own modules."""

import ast
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any


def imported_names(connector: type[Any]) -> set[str] | None:
    """Return the dotted names that a connector's module imports, directly or by its siblings.

    Modules of the same top-level package are followed, as far as they are loaded. `from a.b import
    c` counts as `a.b` and `a.b.c`, but `from junctor import sdk` as `junctor.sdk` only. None when
    the source can't be read.
    """
    package = connector.__module__.partition(".")[0]
    names: set[str] = set()
    seen: set[str] = set()
    waiting = [connector.__module__]
    while waiting:
        module = sys.modules.get(waiting.pop())
        if module is None or module.__name__ in seen:
            continue
        seen.add(module.__name__)
        try:
            tree = ast.parse(inspect.getsource(module))
        except (OSError, TypeError):
            if module.__name__ == connector.__module__:
                return None
            continue
        for name in _imports(tree, module):
            if name.partition(".")[0] == package and package != "junctor":
                waiting.append(name)
            else:
                names.add(name)
    return names


def _imports(tree: ast.AST, module: ModuleType) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if node.level:
                relative = "." * node.level + source
                source = importlib.util.resolve_name(relative, module.__package__ or "")
            if source != "junctor":
                yield source
            yield from (f"{source}.{alias.name}" for alias in node.names)
