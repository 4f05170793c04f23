import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from junctor.host.catalog import connectors_table
from junctor.host.registry import Registry
from junctor.model.problems import PluginError

CONNECTOR = '''\
from collections.abc import Sequence

from junctor.sdk import Accepted, Destination, Event, InboundRequest, Manifest, PushSource
from junctor.sdk import Secret, Settings


class {name}Settings(Settings):
    """Settings."""

    url: str = "https://acme.test"
    """Where."""
    key: Secret | None = None
    """The key."""


class {name}(Destination[{name}Settings]):
    """Sends to Acme.

    In two paragraphs.
    """

    manifest = Manifest(type="{type}", title="{name}", summary="Sends to {name}.", rate="10/s")
    settings_model = {name}Settings

    async def deliver(self, events: Sequence[Event]) -> None:
        return None
'''
SOURCE = '''

class Inbox(PushSource[AcmeSettings]):
    """Is called."""

    manifest = Manifest(type="{type}", title="Inbox", summary="Is called.")
    settings_model = AcmeSettings
    mounts = ("/acme",)

    def accept(self, request: InboundRequest) -> Accepted:
        return Accepted()
'''
ACME = CONNECTOR.format(name="Acme", type="acme")
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file of a plug-in."""

    def write(name: str, text: str = ACME) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture(autouse=True)
def forget_modules() -> Iterator[None]:
    """Let no test see the modules of another."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("junctor_plugin_", "installed_")):
            del sys.modules[name]


def point(name: str, value: str, group: str = "junctor.destinations") -> EntryPoint:
    return EntryPoint(name, value, group)


def plugged(*plugins: Path) -> Registry:
    return Registry.discover(plugins, entry_points=[])


def test_what_comes_with_junctor_is_found_and_known_as_built_in() -> None:
    registry = Registry.discover()

    assert {"segment", "segment_webhook", "webhook"} <= set(registry.types("source"))
    assert {"slack", "statsig", "webhook"} <= set(registry.types("destination"))
    assert all(offer.is_built_in for offer in registry.offers if offer.origin == "junctor")
    assert registry.source("segment").manifest.type == "segment"


def test_an_installed_connector_is_imported_only_when_asked_for(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("installed_acme.py")
    monkeypatch.syspath_prepend(tmp_path)

    registry = Registry.discover(entry_points=[point("acme", "installed_acme:Acme")])

    assert "installed_acme" not in sys.modules
    assert registry.types("destination") == ["acme"]
    assert registry.destination("acme").__name__ == "Acme"
    assert [offer.is_built_in for offer in registry.offers] == [False]


def test_an_unknown_type_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        Registry.discover(entry_points=[]).destination("acme")


@pytest.mark.parametrize(
    ("text", "value", "said"),
    [
        ("import nowhere", "installed_bad:Acme",
         "installed_bad.py line 1: ModuleNotFoundError: No module named 'nowhere'"),
        ("def f(:\n", "installed_bad:Acme", "installed_bad.py line 1: SyntaxError"),
        ("raise SystemExit(3)", "installed_bad:Acme", "installed_bad.py line 1: SystemExit: 3"),
        ("", "installed_bad:Acme", "AttributeError"),
        ("Acme = 3", "installed_bad:Acme", "a int is no Destination"),
        ("class Acme: pass", "installed_bad:Acme", "Acme is no Destination"),
        (ACME.replace('type="acme"', 'type="acne"'), "installed_bad:Acme",
         'its manifest says type "acne"; it must be the entry point\'s name'),
        (ACME.replace("    manifest = ", "    manifesto = "), "installed_bad:Acme",
         "Acme has no manifest"),
        (ACME.replace("    settings_model = ", "    model = "), "installed_bad:Acme",
         "Acme has no settings_model"),
        (ACME.replace("def deliver", "def send"), "installed_bad:Acme",
         "Acme does not implement deliver"),
        (ACME.replace("10/s", "ten"), "installed_bad:Acme",
         'the rate in the manifest of Acme is not like "1/s" or "100/m"'),
    ],
)  # fmt: skip
def test_a_faulty_installed_connector_is_refused_by_name_and_cause(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, value: str, said: str
) -> None:
    write("installed_bad.py", text)
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry.discover(entry_points=[point("acme", value)])

    with pytest.raises(PluginError) as caught:
        registry.destination("acme")

    assert 'destination "acme" of installed_bad' in str(caught.value)
    assert said in str(caught.value)


def test_two_distributions_of_one_type_are_refused_until_one_goes() -> None:
    registry = Registry.discover(entry_points=[point("acme", "one:Acme"), point("acme", "two:A")])

    with pytest.raises(PluginError, match='"acme" is offered by one and two; uninstall one'):
        registry.destination("acme")


def test_a_source_and_a_destination_may_share_a_type(write: Write) -> None:
    registry = plugged(write("acme.py", ACME + SOURCE.format(type="acme")))

    assert registry.problems == ()
    assert registry.source("acme").__name__ == "Inbox"
    assert registry.destination("acme").__name__ == "Acme"


def test_a_file_brings_the_connectors_it_defines_and_not_those_it_imports(write: Write) -> None:
    write("base.py")
    text = (
        "from abc import abstractmethod\nfrom .base import Acme\n"
        "from junctor.sdk import Manifest, HttpDestination\n"
        "class Better(Acme):\n"
        '    manifest = Manifest(type="better", title="Better", summary="Better.")\n'
        "class OfOurOwn(HttpDestination):\n    ...\n"  # abstract, no manifest: a base
    )

    registry = plugged(write("better.py", text))

    assert registry.problems == ()
    assert registry.types("destination") == ["better"]


def test_a_folder_brings_every_file_and_package_in_it(write: Write, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(f"{name}.py", CONNECTOR.format(name=name.title(), type=name))
    write("three/__init__.py", "")
    write("three/destination.py", CONNECTOR.format(name="Three", type="three"))
    write("four/__init__.py", "from .destination import Four")
    write("four/destination.py", CONNECTOR.format(name="Four", type="four"))
    for name in ("test_one.py", "conftest.py", "setup.py", "_draft.py", "tests/__init__.py",
                 "data/not_a_package.py", ".hidden.py", "two_test.py"):  # fmt: skip
        write(name, "raise AssertionError")

    registry = plugged(tmp_path)

    assert registry.problems == ()
    assert registry.types("destination") == ["four", "one", "three", "two"]


def test_a_folder_that_is_a_package_itself_works_too(write: Write, tmp_path: Path) -> None:
    write("acme/__init__.py", "from .parts import NAME\n" + ACME)
    write("acme/parts.py", "NAME = 'acme'")

    registry = plugged(tmp_path / "acme")

    assert (registry.problems, registry.types("destination")) == ((), ["acme"])


def test_siblings_are_imported_relatively_and_plainly(write: Write, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write(f"{folder}/helper.py", f"TYPE = 'from_{folder}'")
        text = ACME.replace('type="acme"', "type=TYPE")
        write(f"{folder}/plain.py", "from helper import TYPE\n" + text)
        write(
            f"{folder}/relative.py",
            "from .helper import TYPE\n" + text.replace("type=TYPE", "type=TYPE + '_too'"),
        )

    registry = plugged(tmp_path / "a", tmp_path / "b")

    assert registry.problems == ()
    assert registry.types("destination") == ["from_a", "from_a_too", "from_b", "from_b_too"]
    assert "helper" not in sys.modules
    assert str(tmp_path / "a") not in sys.path


def test_a_plug_in_named_like_a_library_does_not_hide_it(write: Write) -> None:
    registry = plugged(write("json.py", "import json\njson.dumps(1)\n" + ACME))

    assert registry.problems == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\ndef f(:\n", "plug-in bad.py: bad.py: bad.py line 2: SyntaxError: invalid syntax"),
        ("import nowhere", "bad.py line 1: ModuleNotFoundError: No module named 'nowhere'"),
        ("\nraise SystemExit", "bad.py line 2: SystemExit"),
        ("", "no connector is defined there"),
        ("\0", "source code"),
        (ACME.replace("    manifest = ", "    manifesto = "), "Acme has no manifest"),
        (ACME.replace("def deliver", "def send"), "Acme does not implement deliver"),
    ],
)
def test_a_faulty_file_is_a_problem_and_harms_no_other(
    write: Write, tmp_path: Path, text: str, said: str
) -> None:
    bad, good = write("bad.py", text), write("good.py")

    registry = plugged(bad, good, tmp_path / "nowhere.py", write("notes.txt", ""))

    by_path = {problem.path: problem.message for problem in registry.problems}
    assert said in by_path["plugins[0]"]
    assert by_path["plugins[2]"].endswith("does not exist")
    assert by_path["plugins[3]"].endswith("is neither a .py file nor a folder")
    assert registry.types("destination") == ["acme"]


def test_a_type_is_not_taken_twice(write: Write) -> None:
    one, two = write("one.py"), write("two.py")

    registry = plugged(one, two)

    [problem] = registry.problems
    assert problem.path == "plugins[1]"
    assert f'destination "acme" is already offered by {one}' in problem.message
    assert registry.destination("acme").__module__.endswith(".one")


def test_a_built_in_type_is_not_taken_by_a_file(write: Write) -> None:
    file = write("mine.py", CONNECTOR.format(name="Mine", type="webhook"))

    [problem] = Registry.discover([file]).problems

    assert 'destination "webhook" is already offered by junctor' in problem.message


def test_plug_ins_are_read_afresh_each_time(write: Write) -> None:
    file = write("acme.py")
    registry = plugged(file)
    first = registry.destination("acme")
    write("acme.py", ACME + "# changed\nCHANGED = True\n")

    again = registry.with_plugins([file])

    assert again.problems == ()
    assert again.destination("acme") is not first
    assert registry.destination("acme") is first
    assert again.with_plugins([]).types("destination") == []


def test_the_table_tells_what_each_connector_is(write: Write) -> None:
    file = write("acme.py", ACME + SOURCE.format(type="acme"))
    registry = Registry.discover([file], entry_points=[point("gone", "nowhere:Gone")])

    destination, source, gone = connectors_table(registry)

    assert (destination.kind, destination.type, destination.title) == (
        "destination", "acme", "Acme",
    )  # fmt: skip
    assert destination.summary == "Sends to Acme."
    assert destination.description == "Sends to Acme.\n\nIn two paragraphs."
    assert destination.accepts == ("track", "identify", "page", "screen", "group", "alias")
    assert destination.limits["rate"] == "10/s"
    assert not destination.built_in
    rows = [(key.written, key.type, key.default, key.secret) for key in destination.settings]
    assert rows == [
        ("url", "text", '"https://acme.test"', False),
        ("key", "secret", None, True),
    ]
    assert (source.kind, source.mounts, source.pushed, source.accepts) == (
        "source", ("/acme",), True, (),
    )  # fmt: skip
    assert (gone.stability, gone.manifest) == ("broken", None)
    assert "No module named 'nowhere'" in gone.summary
    assert [row.type for row in connectors_table(registry, "gone")] == ["gone"]
