"""What is measured: the daemon, and the bare forwarder that it is measured against."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from benchmarks.processes import asked, free_port, running
from benchmarks.rounds import Failed, Round

KEY: Final = "bench"
_HEAD: Final = """
[server]
listen = "127.0.0.1:{port}"
[admin]
listen = "127.0.0.1:{admin}"
[egress]
allow = ["127.0.0.0/8"]
[log]
level = "warning"
[sources.web]
type = "segment"
settings.write_key = {{ env = "BENCH_KEY" }}
"""
READERS: Final = """
[readers.app]
key = { env = "BENCH_KEY" }
"""
KEPT: Final = """
[store]
dedupe_window = "3650d"
[store.retention]
age = "3650d"
size = "100GiB"
"""
"""For a store that is kept from one day to the next: nothing in it gets too old."""
DATABASE: Final = Path("junctor-data", "junctor.db")
"""Where a store is in its folder."""
_STATSIG: Final = """
[destinations.statsig]
type = "statsig"
settings.server_secret = {{ env = "BENCH_KEY" }}
settings.endpoint = "{url}"
"""
_WEBHOOK: Final = """
[destinations.{id}]
type = "webhook"
settings.url = "{url}"
settings.batch = true
{more}
"""
_ROUTE: Final = """
[routes.all]
to = [{ids}]
"""
_PATIENCE = 60.0
"""Seconds that a hub gets for what it does by itself."""


def three(urls: Sequence[str]) -> str:
    """Return the configuration of the usual destinations: Statsig, and webhooks with batches."""
    first, second, third = urls
    parts = (
        _STATSIG.format(url=first),
        _WEBHOOK.format(id="crm", url=second, more=""),
        _WEBHOOK.format(id="lake", url=third, more=""),
        _ROUTE.format(ids='"statsig", "crm", "lake"'),
    )
    return "".join(parts)


def webhooks(urls: Sequence[str], more: str = "") -> str:
    """Return the configuration of webhooks w0, w1, … that get everything, with `more` settings."""
    ids = [f"w{number}" for number in range(len(urls))]
    parts = [_WEBHOOK.format(id=id, url=url, more=more) for id, url in zip(ids, urls, strict=True)]
    return "".join(parts) + _ROUTE.format(ids=", ".join(f'"{id}"' for id in ids))


class Hub:
    """The daemon, ready."""

    def __init__(self, pid: int, port: int, client: httpx.Client, begun: float) -> None:
        """Talk to the daemon by `client`; it was started at `begun` on the monotonic clock."""
        self.pid = pid
        self.port = port
        self._client = client
        self._wait(self._is_ready, "does not get ready", pause=0.01)
        self.ready_seconds = time.monotonic() - begun
        self._wait(self._has_workers, "has no workers")

    def _is_ready(self) -> bool:
        try:
            ready = self._client.get(f"http://127.0.0.1:{self.port}/health/ready")
        except httpx.HTTPError:
            return False
        return ready.status_code == 200

    def _has_workers(self) -> bool:
        workers = self.status()["workers"]
        return bool(workers["running"] == workers["wanted"])

    def wait_folded(self) -> None:
        """Wait until all that was accepted is folded."""
        self._wait(lambda: self.status()["log"]["behind"] == 0, "does not catch up", 5 * _PATIENCE)

    def wait_settled(self) -> None:
        """Wait until the ledger knows of no event that is still to be delivered."""
        self._wait(lambda: not any(one["pending"] for one in self.ledger()), "does not settle")

    def _wait(
        self,
        is_so: Callable[[], bool],
        problem: str,
        seconds: float = _PATIENCE,
        pause: float = 0.05,
    ) -> None:
        deadline = time.monotonic() + seconds
        while not is_so():
            if time.monotonic() > deadline or not Path(f"/proc/{self.pid}/exe").exists():
                raise Failed(f"the hub {problem}")
            time.sleep(pause)

    def commits(self) -> float:
        """Return how often it committed, each with one fsync of the write-ahead log.

        Checkpoints are not among them: one in 16 MB of the log.
        """
        return float(self.status()["commits"])

    def status(self) -> dict[str, Any]:
        """Return what `junctor status` shows."""
        return self._ask("GET", "/api/status")

    def ledger(self) -> list[dict[str, Any]]:
        """Return the tallies of every destination."""
        return list(self._ask("GET", "/api/ledger")["destinations"].values())

    def replay(self, destination: str) -> None:
        """Begin to send everything in the log to a destination again."""
        wish = {"destination": destination, "since": "1970-01-02T00:00:00Z"}
        self._ask("POST", "/api/replays", wish)

    def _ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        try:
            answer = self._client.request(method, path, json=body).raise_for_status()
        except httpx.HTTPError as error:
            raise Failed(f"{method} {path}: {error!r}") from None
        found: dict[str, Any] = answer.json()
        return found


@contextmanager
def hub(config: str, folder: Path) -> Iterator[Hub]:
    """Run the daemon on the store in a folder."""
    port, admin = free_port(), free_port()
    (folder / "junctor.toml").write_text(_HEAD.format(port=port, admin=admin) + config)
    command = ["junctor.cli.main", "run", "--config", "junctor.toml"]
    begun = time.monotonic()
    with (
        running(command, talks=False, folder=folder, environ={"BENCH_KEY": KEY}) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{admin}", timeout=_PATIENCE) as client,
    ):
        yield Hub(process.pid, port, client, begun)


@contextmanager
def new_hub(config: str, round: Round) -> Iterator[Hub]:
    """Run the daemon on a store of its own, which is removed afterwards."""
    with (
        tempfile.TemporaryDirectory(
            prefix="hub-", dir=round.folder, ignore_cleanup_errors=True
        ) as folder,
        hub(config, Path(folder)) as running_hub,
    ):
        yield running_hub


class Bare:
    """The bare forwarder."""

    def __init__(self, pid: int, port: int) -> None:
        """Take the process and the port that it listens on."""
        self.pid = pid
        self.port = port

    def commits(self) -> float:
        """Return 0: it keeps nothing."""
        return 0.0


@contextmanager
def bare(urls: Sequence[str]) -> Iterator[Bare]:
    """Run the bare forwarder, which sends everything to all of `urls`."""
    port = free_port()
    with running(["benchmarks.traffic.forwarder", str(port), *urls]) as process:
        asked(process)
        yield Bare(process.pid, port)


Subject = Hub | Bare
