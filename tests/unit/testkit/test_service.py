"""The stand-in behaves like a vendor and like a transport."""

import asyncio
import gzip

import httpx
import pytest

from junctor.sdk import Response
from junctor.testkit import Fault, HttpService, Service, client
from junctor.testkit.service import fingerprint, text_of

URL = "https://acme.test/in"


async def test_everything_is_answered_and_recorded() -> None:
    service = HttpService(Response(202, b"taken"))
    assert isinstance(service, Service)
    async with client(service) as http:
        reply = await http.post(URL, content=b"x")
    assert (reply.status_code, reply.content) == (202, b"taken")
    assert [str(request.url) for request in service.received()] == [URL]


async def test_routes_of_the_tests_own_come_before_the_usual_answer() -> None:
    service = HttpService()
    service.post(URL).respond(201)
    async with client(service) as http:
        assert (await http.post(URL)).status_code == 201
        service.fail_with(503)
        assert (await http.post(URL)).status_code == 503
    assert len(service.received()) == 2


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.REFUSED, httpx.ConnectError),
        (Fault.RESET, httpx.ReadError),
        (Fault.TIMEOUT, httpx.ReadTimeout),
    ],
)
async def test_faults_are_httpx_own_errors(fault: Fault, error: type[Exception]) -> None:
    service = HttpService()
    service.fail_with(fault)
    async with client(service) as http:
        with pytest.raises(error):
            await http.post(URL)
        service.fail_with(None)
        assert (await http.post(URL)).status_code == 200
    assert len(service.received()) == 2


async def test_a_hanging_service_takes_and_never_answers() -> None:
    service = HttpService()
    service.hang()
    async with client(service) as http:
        task = asyncio.ensure_future(http.post(URL))
        _, pending = await asyncio.wait({task}, timeout=0.01)
        assert pending
        assert len(service.received()) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("value", ["a\r\nb", "a\nb", "a\0b"])
async def test_a_header_that_no_transport_sends_is_refused(value: str) -> None:
    service = HttpService()
    async with client(service) as http:
        with pytest.raises(httpx.LocalProtocolError):
            await http.post(URL, headers={"x-name": value})
    assert service.received() == []


async def test_a_stand_in_without_http_refuses_every_address() -> None:
    async with client(object()) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(URL)


def test_texts_show_the_decompressed_body_and_fingerprints_the_bytes() -> None:
    headers = {"content-encoding": "gzip", "x-key": "k"}
    request = httpx.Request("POST", URL, content=gzip.compress(b'{"a":1}'), headers=headers)
    assert '{"a":1}' in text_of(request)
    assert "x-key: k" in text_of(request)
    assert fingerprint(request) == fingerprint(request)
    assert fingerprint(request) != fingerprint(httpx.Request("POST", URL, headers=headers))
    assert text_of(b"caf\xc3\xa9") == "café"
