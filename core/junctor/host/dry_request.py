"""The requests of a dry run: built as they would be sent, shown without secrets, never sent."""

import gzip
from typing import Any, NoReturn

import httpx
import orjson

from junctor.delivery.call import ConnectorBug
from junctor.host.mask import Mask
from junctor.sdk.destination import HttpDestination
from junctor.sdk.errors import DeliveryError, PartialFailure
from junctor.sdk.event import Event
from junctor.sdk.http import Request
from junctor.sdk.settings import Settings


def send_nothing(request: httpx.Request) -> NoReturn:
    """Take the place of the network, which a dry run does not reach."""
    raise httpx.ConnectError("a dry run sends nothing", request=request)


def request_of(connector: HttpDestination[Settings], event: Event, now: float) -> Request:
    """Return the request that carries the event.

    Raises:
        DeliveryError: the connector declines it.
    """
    try:
        return connector.stamp(connector.build([event]), now)
    except PartialFailure as failure:
        raise failure.errors.get(0, failure) from None
    except DeliveryError:
        raise
    except Exception as error:
        raise ConnectorBug(f"{type(error).__name__} in the connector") from error


def shown(request: Request, mask: Mask) -> dict[str, Any]:
    """Return method, url, headers and body as people read them, every secret as `***`."""
    url = request.url
    if request.params:
        url = str(httpx.Request(request.method, url, params=dict(request.params)).url)
    return {
        "method": request.method,
        "url": mask.text(url),
        "headers": {name: mask.text(value) for name, value in request.headers.items()},
        "body": _body(request, mask),
    }


def _body(request: Request, mask: Mask) -> Any:
    """Return the body as people read it: decompressed, and parsed where it is JSON."""
    content = request.content
    if not content:
        return None
    headers = {name.lower(): value for name, value in request.headers.items()}
    if headers.get("content-encoding") == "gzip":
        content = gzip.decompress(content)
    text = mask.text(content.decode("utf-8", "replace"))
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
