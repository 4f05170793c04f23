"""Importing connectors from a file or a folder that is no installed package.

The folder becomes a package of a private name, so that its files may import each other relatively
(`from .helper import x`) and never meet an installed module of the same name. While it is imported,
plain imports of siblings (`import helper`) work as well; installed modules go first.
"""

import hashlib
import importlib
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Final

_HERE: Final = Path(__file__).parent
_NOT_CONNECTORS: Final = ("setup", "conftest", "noxfile", "__main__")


@dataclass(frozen=True)
class PluginFile:
    """One Python file of a plug-in: the classes it defines, or why it can't be imported.

    `name` is its path within the plug-in.
    """

    path: Path
    name: str
    classes: tuple[type, ...] = ()
    error: str | None = None


def import_plugin(path: Path) -> list[PluginFile]:
    """Import a file, or every Python file and package of a folder, afresh.

    Tests and packaging files are left out, and so is what begins with `.` or `_`. An error in one
    file, also a `SystemExit`, does not keep the others from being imported.
    """
    path = path.resolve()
    if path.is_file() and path.suffix == ".py":
        folder, files = path.parent, [path]
    elif path.is_dir():
        folder, files = path, sorted(_python_files(path))
        if (path / "__init__.py").is_file():
            files.insert(0, path / "__init__.py")
    else:
        what = "is neither a .py file nor a folder" if path.exists() else "does not exist"
        return [PluginFile(path, path.name, error=what)]
    package = _make_package(folder)
    with _siblings_of(folder):
        return [_import(file, folder, package) for file in files]


def blame(error: BaseException, folder: Path | None = None) -> str:
    """Return the error in one line with the place it comes from: "acme.py line 3: …".

    The place is the innermost one in `folder`; without a folder the innermost of all.
    """
    said = " ".join(str(error).split())
    if isinstance(error, SyntaxError):
        file, line, said = error.filename, error.lineno, error.msg
    else:
        frames = [
            frame
            for frame in traceback.extract_tb(error.__traceback__)
            if "importlib" not in frame.filename
            and Path(frame.filename).parent != _HERE
            and (folder is None or folder in Path(frame.filename).parents)
        ]
        file, line = (frames[-1].filename, frames[-1].lineno) if frames else (None, None)
    message = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return f"{Path(file).name} line {line}: {message}" if file and line else message


def _python_files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name.startswith((".", "_", "test_")) or path.stem.endswith("_test"):
            continue
        if path.suffix == ".py" and path.stem not in _NOT_CONNECTORS:
            yield path
        elif (path / "__init__.py").is_file() and path.name != "tests":
            yield path / "__init__.py"
            yield from _python_files(path)


def _make_package(folder: Path) -> str:
    """Register the folder as a package and return its name; what was there is forgotten."""
    name = f"junctor_plugin_{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
    for known in [known for known in sys.modules if known.split(".")[0] == name]:
        del sys.modules[known]
    importlib.invalidate_caches()
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    sys.modules[name] = module_from_spec(spec)
    return name


@contextmanager
def _siblings_of(folder: Path) -> Iterator[None]:
    """Let files of the folder be imported by their plain names, for this folder only."""
    before = set(sys.modules)
    sys.path.append(str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file and not name.startswith("junctor_plugin_") and folder in Path(file).parents:
                del sys.modules[name]


def _import(file: Path, folder: Path, package: str) -> PluginFile:
    name = file.relative_to(folder).as_posix()
    try:
        module = _module(file, folder, package)
    except (Exception, SystemExit) as error:
        return PluginFile(file, name, error=blame(error, folder))
    defined = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__
    ]
    return PluginFile(file, name, tuple(dict.fromkeys(defined)))


def _module(file: Path, folder: Path, package: str) -> ModuleType:
    parts = file.relative_to(folder).with_suffix("").parts
    if parts == ("__init__",):  # of the folder itself, whose package exists already
        spec = spec_from_file_location(package, file, submodule_search_locations=[str(folder)])
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[package] = module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    if parts[-1] == "__init__":
        parts = parts[:-1]
    return importlib.import_module(".".join((package, *parts)))
