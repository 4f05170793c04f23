"""Checks across sections: what each section can't know alone."""

from collections.abc import Iterator, Mapping, Sequence

from junctor.config.address import parse_address
from junctor.config.model import Config
from junctor.model.problems import Problem, TomlPath, suggest, written

_HAVE_PATHS_BUILT_IN = ("user_id", "anonymous_id")


def problems(config: Config, ids: Mapping[str, Sequence[str]]) -> list[Problem]:
    """Return what contradicts itself; `ids` are those of every section as the file has them."""
    return [
        *_references(config, ids),
        *_listeners(config),
        *_identifiers(config),
        *_retries(config),
    ]


def warnings(config: Config) -> list[Problem]:
    """Return what can be run and is probably not meant."""
    return [*_unreached(config), *_identifiers_without_paths(config)]


def _references(config: Config, ids: Mapping[str, Sequence[str]]) -> Iterator[Problem]:
    for id, route in config.routes.items():
        yield from _unknown("source", route.sources or (), ids, ("routes", id, "from"))
        yield from _unknown("destination", route.to, ids, ("routes", id, "to"))


def _unknown(
    kind: str, named: Sequence[str], ids: Mapping[str, Sequence[str]], path: TomlPath
) -> Iterator[Problem]:
    known = ids.get(f"{kind}s", ())
    for position, id in enumerate(named):
        if id not in known:
            hint = suggest(id, known) or f"declare it as [{kind}s.ID]"
            yield Problem(written((*path, position)), f"there is no {kind} of this id", hint)


def _listeners(config: Config) -> Iterator[Problem]:
    server, admin = parse_address(config.server.listen), parse_address(config.admin.listen)
    if admin.collides(server):
        yield Problem(
            "admin.listen", "is the same address as server.listen", "use a port of its own"
        )
    if not admin.is_loopback and config.admin.token is None:
        yield Problem(
            "admin.listen",
            "an admin listener that others can reach needs a token",
            'set admin.token = { env = "NAME" }, or listen on 127.0.0.1',
        )


def _identifiers(config: Config) -> Iterator[Problem]:
    seen: set[str] = set()
    for position, identifier in enumerate(config.identity.identifiers):
        if identifier.kind in seen:
            path = written(("identity", "identifiers", position, "kind"))
            yield Problem(path, "this kind is in the list already")
        seen.add(identifier.kind)


def _retries(config: Config) -> Iterator[Problem]:
    for id, destination in config.destinations.items():
        retry = destination.delivery.retry
        if retry.initial > retry.max:
            path = written(("destinations", id, "delivery", "retry", "initial"))
            yield Problem(path, "is longer than `max` of the same table")


def _unreached(config: Config) -> Iterator[Problem]:
    """Warn of sections from which, or to which, nothing flows."""
    if not config.sources:
        yield Problem("sources", "there is no source: nothing comes in", "add [sources.ID]")
    routed: set[str] = set()
    reached: set[str] = set()
    for id, route in config.routes.items():
        path = written(("routes", id))
        if route.sources == ():
            yield Problem(f"{path}.from", "is empty: no event takes this route", "leave it out")
        routed.update(config.sources if route.sources is None else route.sources)
        reached.update(route.to)
        named = [config.destinations[to] for to in route.to if to in config.destinations]
        if named and not any(destination.enabled for destination in named):
            yield Problem(f"{path}.to", "leads to disabled destinations only")
    for id in config.sources:
        if id not in routed:
            yield Problem(
                written(("sources", id)), "no route starts here: its events are only kept"
            )
    for id in config.destinations:
        if id not in reached:
            yield Problem(written(("destinations", id)), "no route leads here: it gets no events")


def _identifiers_without_paths(config: Config) -> Iterator[Problem]:
    for position, identifier in enumerate(config.identity.identifiers):
        if not identifier.source_paths and identifier.kind not in _HAVE_PATHS_BUILT_IN:
            path = written(("identity", "identifiers", position, "from"))
            yield Problem(path, "has no paths: this kind is never found", 'from = ["traits.…"]')
