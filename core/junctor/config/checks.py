"""Checks across sections: what each section can't know alone."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from pydantic import SecretStr

from junctor.audiences.nodes import ACCOUNT, SESSION, USER
from junctor.config.address import parse_address
from junctor.config.model import Config
from junctor.config.shapes import children
from junctor.model.problems import Problem, TomlPath, suggest, written
from junctor.model.units import parse_duration

HUB: Final = "junctor"
"""What routes call the hub as the source of events that it makes itself."""
_HAVE_PATHS_BUILT_IN: Final = ("user_id", "anonymous_id")
_BEARER: Final = re.compile(r"[!-~]+")
_EXIT: Final = "$exit"


def problems(config: Config, ids: Mapping[str, Sequence[str]]) -> list[Problem]:
    """Return what contradicts itself; `ids` are those of every section as the file has them."""
    return [
        *_references(config, ids),
        *_listeners(config),
        *_bearers(config),
        *_identifiers(config),
        *_retries(config),
        *_audiences(config, ids),
    ]


def warnings(config: Config) -> list[Problem]:
    """Return what can be run and is probably not meant."""
    return [
        *_unreached(config),
        *_identifiers_without_paths(config),
        *_exits_without_heartbeats(config),
        *_holds_that_end_too_soon(config),
    ]


def _references(config: Config, ids: Mapping[str, Sequence[str]]) -> Iterator[Problem]:
    if HUB in ids.get("sources", ()):
        path = written(("sources", HUB))
        yield Problem(path, "is the name of the hub itself", "choose another id")
    for id, route in config.routes.items():
        yield from _unknown("source", route.sources or (), ids, ("routes", id, "from"))
        yield from _unknown("destination", route.to, ids, ("routes", id, "to"))


def _unknown(
    kind: str, named: Sequence[str], ids: Mapping[str, Sequence[str]], path: TomlPath
) -> Iterator[Problem]:
    known = ids.get(f"{kind}s", ())
    for position, id in enumerate(named):
        if id not in known and (kind, id) != ("source", HUB):
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


def _bearers(config: Config) -> Iterator[Problem]:
    """Find keys that can't stand in a header: nobody could ever show them."""
    keys: list[tuple[TomlPath, SecretStr | None]] = [(("admin", "token"), config.admin.token)]
    keys += [(("readers", id, "key"), reader.key) for id, reader in config.readers.items()]
    for path, key in keys:
        if key is not None and not _BEARER.fullmatch(key.get_secret_value()):
            yield Problem(
                written(path),
                "has characters that no Bearer token has",
                "letters, digits and signs of ASCII, no white space",
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


def _audiences(config: Config, ids: Mapping[str, Sequence[str]]) -> Iterator[Problem]:
    """Find what audiences name outside of their own sections."""
    for name, named in _sends(config):
        yield from _unknown("destination", named, ids, ("audiences", name, "send"))
    kinds = {USER, SESSION, ACCOUNT, *(one.kind for one in config.identity.identifiers)}
    for name, audience in config.audiences.items():
        key = audience.get("key")
        if isinstance(key, str) and key not in kinds:
            path = written(("audiences", name, "key"))
            yield Problem(path, "there is no kind of identifier of this name", suggest(key, kinds))


def _sends(config: Config) -> Iterator[tuple[str, list[str]]]:
    """Yield the audiences that are sent somewhere, and the destinations that they name."""
    for name, audience in config.audiences.items():
        send = audience.get("send")
        if isinstance(send, list) and all(isinstance(id, str) for id in send):
            yield name, send


def _unreached(config: Config) -> Iterator[Problem]:
    """Warn of sections from which, or to which, nothing flows."""
    if not config.sources:
        yield Problem("sources", "there is no source: nothing comes in", "add [sources.ID]")
    routed: set[str] = set()
    reached: set[str] = {id for _, named in _sends(config) for id in named}
    for id, route in config.routes.items():
        path = written(("routes", id))
        if route.sources == ():
            yield Problem(f"{path}.from", "is empty: no event takes this route", "leave it out")
        routed.update(config.sources if route.sources is None else route.sources)
        reached.update(route.to)
        named = [config.destinations[to] for to in route.to if to in config.destinations]
        if named and not any(destination.enabled for destination in named):
            yield Problem(f"{path}.to", "leads to disabled destinations only")
    looked_at = config.audiences or config.signals or config.scores or config.attributes
    for id in config.sources:
        if id not in routed and not looked_at:
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


def _exits_without_heartbeats(config: Config) -> Iterator[Problem]:
    """Warn of gaps before `$exit` where no source says how long a silence ends a visit."""
    if any(source.exit_idle is not None for source in config.sources.values()):
        return
    for section in ("audiences", "signals", "scores"):
        for path in _exits_after_a_gap(getattr(config, section), (section,)):
            yield Problem(
                written(path),
                "has a gap before `$exit`, but no source has `exit_idle`: silence is no exit here,"
                " only an explicit leave event is",
                'set exit_idle = "30s" on a source that sends heartbeats',
            )


def _holds_that_end_too_soon(config: Config) -> Iterator[Problem]:
    """Warn of what is over before a silence is acted upon: nobody ever enters."""
    lag = max((one.settle_lag for one in config.sources.values() if one.enabled), default=0.0)
    for name, audience in config.audiences.items():
        for path, seconds in _holds_after_silence(audience, ("audiences", name), audience):
            if seconds <= lag:
                yield Problem(
                    written(path),
                    f"is over before anybody enters: the silence is acted upon {lag:g} s after its"
                    " end (`settle_lag` of the sources)",
                    f'make it longer: "{max(1, round(10 * lag))}s", or settle_lag shorter',
                )


def _holds_after_silence(
    value: Any, path: TomlPath, audience: Mapping[str, Any]
) -> Iterator[tuple[TomlPath, float]]:
    """Yield where it stands how long one is in behind a sequence that ends in a silence, and how
    long that is, in seconds.
    """
    steps = value.get("sequence") if isinstance(value, dict) else None
    if isinstance(steps, list) and steps and isinstance(steps[-1], dict) and "not" in steps[-1]:
        is_root = value is audience or value is audience.get("when")
        of_audience = audience.get("hold") if is_root else None
        known = [
            ((*path, "hold"), value.get("hold")), ((*path[:2], "hold"), of_audience),
            ((*path, "within"), value.get("within")),
        ]  # fmt: skip
        place, text = next((one for one in known if one[1] is not None), known[0])
        with suppress(ValueError):
            seconds = parse_duration(text)
            if isinstance(seconds, float):
                yield place, seconds
    for key, child in children(value):
        yield from _holds_after_silence(child, (*path, key), audience)


def _exits_after_a_gap(value: Any, path: TomlPath) -> Iterator[TomlPath]:
    """Yield the places of steps in `value` that wait for `$exit` with `within` or `after`."""
    if isinstance(value, dict) and ("within" in value or "after" in value):
        event = value.get("event")
        of_a_step = len(path) > 1 and path[-2] == "sequence"
        if of_a_step and _EXIT in (event if isinstance(event, list) else [event]):
            yield path
    for key, child in children(value):
        yield from _exits_after_a_gap(child, (*path, key))
