"""The requests of `corpus/`: read from its tables and written as bytes. See its README."""

import gzip
import json
import tomllib
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.client import basic
from tests.support.hub import WRITE_KEY

FOLDER: Final = Path(__file__).parent / "corpus"
KEY: Final = basic(WRITE_KEY)["authorization"]
_CALL: Final = {"messageId": "$ID", "userId": "u-1", "event": "Tested"}


def _raw_deflate(text: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(text) + packer.flush()


def _two_members(text: bytes) -> bytes:
    middle = len(text) // 2
    return gzip.compress(text[:middle]) + gzip.compress(text[middle:])


_CODINGS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "deflate": _raw_deflate,
    "two members": _two_members,
    "half": lambda text: text[: len(text) // 2],
    "wrong end": lambda text: text[:-8] + b"\0" * 8,
    "more behind": lambda text: text + b"more",
}


@dataclass(frozen=True)
class Hostile:
    """A request, and what has to come of it.

    `content` is the body before it is coded; `stored` is None where that may be either way.
    """

    name: str
    table: Mapping[str, Any]

    @property
    def id(self) -> str:
        """The message id that is the case's own."""
        return f"hostile {self.name}"

    @property
    def statuses(self) -> Sequence[int]:
        status = self.table["status"]
        return status if isinstance(status, list) else [status]

    @property
    def says(self) -> str:
        return str(self.table.get("says", ""))

    @property
    def stored(self) -> int | None:
        posts = self.table.get("method", "POST") == "POST"
        stored = self.table.get("stored", int(self.statuses == [200] and posts))
        return None if stored == "any" else stored

    @property
    def rejected(self) -> int:
        return int(self.table.get("rejected", 0))

    @property
    def content(self) -> bytes:
        table = self.table
        if "body" in table:
            return self._text(table["body"])
        if "value" in table:
            text = json.dumps({**_CALL, "properties": {"x": "HERE"}}).replace("$ID", self.id)
            return text.encode().replace(b'"HERE"', self._text(table["value"]))
        if "fields" in table:
            call = _without({**_CALL, **json.loads(table["fields"])}, table.get("without", ()))
            return json.dumps(call).replace("$ID", self.id).encode()
        if "batch" in table:
            return b'{"batch":[%b]}' % self._text(table["batch"])
        return b""

    def request(self) -> bytes:
        """Return the request as it is sent."""
        table = self.table
        if "raw" in table:
            return self._text(table["raw"])
        body = self.content
        for coding in table.get("as", ()):
            body = _coded(body, coding)
        lines = [f"{table.get('method', 'POST')} {table.get('path', '/v1/track')} HTTP/1.1"]
        lines += ["Host: hub.example", *table.get("headers", ())]
        if table.get("key", True):
            lines.append(f"Authorization: {KEY}")
        chunk = table.get("chunk")
        lines.append(f"Content-Length: {len(body)}" if not chunk else "Transfer-Encoding: chunked")
        head = "\r\n".join([*lines, "", ""]).encode()
        return head + (body if not chunk else b"".join(_chunks(body, chunk)))

    def _text(self, pieces: Sequence[Any]) -> bytes:
        return b"".join(map(self._piece, pieces))

    def _piece(self, piece: Any) -> bytes:
        if isinstance(piece, str):
            return self._named(piece).encode()
        if "hex" in piece:
            return bytes.fromhex(piece["hex"])
        if "repeat" in piece:
            return bytes(piece["repeat"].encode() * piece["times"])
        text = self._named(piece["count"])
        return "".join(text.replace("#", str(n)) for n in range(piece["times"])).encode()

    def _named(self, text: str) -> str:
        return text.replace("$ID", self.id).replace("$KEY", KEY)


def _without(call: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in call.items() if name not in names}


def _coded(body: bytes, coding: Any) -> bytes:
    if isinstance(coding, dict):
        return body * int(coding["times"])
    if coding in _CODINGS:
        return _CODINGS[coding](body)
    return body.decode().encode(coding)


def _chunks(body: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(body), size):
        piece = body[start : start + size]
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def cases(file: str) -> list[Hostile]:
    """Return the requests of one table."""
    tables = tomllib.loads((FOLDER / f"{file}.toml").read_text("utf-8"))
    return [Hostile(name, table) for name, table in tables.items()]


# -- what was sent, to the digit -----------------------------------------------------------------


@dataclass(frozen=True)
class Number:
    """A number as its text says: integers of 64 bits to the digit, all others as doubles."""

    text: str


def exact(text: bytes | str) -> Any:
    """Return the value of JSON `text`: objects as lists of pairs, so that their order counts."""
    return json.loads(
        text,
        object_pairs_hook=lambda pairs: [*{_whole(key): value for key, value in pairs}.items()],
        parse_int=_integer,
        parse_float=lambda digits: Number(repr(float(digits))),
    )


def whole(value: Any) -> Any:
    """Return an exact value with U+FFFD for each half of a surrogate pair."""
    if isinstance(value, str):
        return _whole(value)
    if isinstance(value, list):
        return [whole(one) for one in value]
    if isinstance(value, tuple):
        return tuple(whole(one) for one in value)
    return value


def _integer(digits: str) -> Number:
    number = int(digits)
    return Number(str(number) if -(2**63) <= number < 2**64 else repr(float(digits)))


def _whole(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
