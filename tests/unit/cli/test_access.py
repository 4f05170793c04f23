"""What a command makes of a daemon that answers oddly."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from junctor.cli.access import Daemon, NotThere
from junctor.cli.errors import CommandError
from junctor.config.model import Admin, Config

LIVE = (200, b'{"status":"live"}')
Serve = Callable[[dict[str, tuple[int, bytes]]], Daemon]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return a function that serves answers by path and returns the daemon they stand for."""
    servers: list[tuple[HTTPServer, threading.Thread]] = []

    def start(answers: dict[str, tuple[int, bytes]]) -> Daemon:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = answers[self.path]
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        servers.append((server, thread))
        return daemon_at(server.server_port)

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def daemon_at(port: int, host: str = "127.0.0.1") -> Daemon:
    return Daemon(Config(admin=Admin(listen=f"{host}:{port}")))


@pytest.mark.parametrize(
    ("status", "body", "error", "message"),
    [
        (401, b'{"error":{"message":"x"}}', CommandError, "refuses this admin.token"),
        (404, b'{"error":{"message":"nobody"}}', NotThere, "nobody"),
        (503, b'{"error":{"message":"disk full"}}', CommandError, "disk full"),
        (404, b'{"error":"no source"}', CommandError, "is not the admin side"),
        (200, b"[]", CommandError, "answered HTTP 200 and no JSON"),
        (502, b"<html>", CommandError, "answered HTTP 502 and no JSON"),
    ],
)
def test_every_refusal_is_one_clear_message(
    serve: Serve, status: int, body: bytes, error: type[Exception], message: str
) -> None:
    daemon = serve({"/api/ledger": (status, body)})
    with pytest.raises(error, match=message):
        asyncio.run(daemon.ledger())


def test_a_daemon_runs_where_one_says_so(serve: Serve) -> None:
    assert serve({"/health/live": LIVE}).runs()


@pytest.mark.parametrize("answer", [(200, b"hello"), (404, b"{}"), (200, b'{"status":"x"}')])
def test_something_else_that_answers_is_no_daemon(serve: Serve, answer: tuple[int, bytes]) -> None:
    with pytest.raises(CommandError, match="is no junctor"):
        serve({"/health/live": answer}).runs()


def test_what_cuts_the_connection_is_said(serve: Serve) -> None:
    daemon = serve({"/health/live": LIVE})
    with pytest.raises(CommandError, match="does not answer"):
        daemon._request("GET", "/health/live\r\n")


def test_where_nothing_listens_no_daemon_runs(serve: Serve) -> None:
    assert not daemon_at(9).runs()
    assert not daemon_at(0).runs(), "port 0 is any port: it can't be asked"


def test_a_wildcard_address_is_reached_on_loopback(serve: Serve) -> None:
    port = serve({"/health/live": LIVE})._port
    assert daemon_at(port, "0.0.0.0").runs()
