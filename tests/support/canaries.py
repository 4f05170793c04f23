"""A configuration in which every secret there is can be recognized, and a search for them."""

import base64
import html
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import quote, quote_plus

_SECRETS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "admin.token": "adm1n/Canary+Q7x=8Lm&2",
        "readers.key": "re4der/Canary+W3e=9Rt&5",
        "readers.signing_secret": "s1gn/Canary+Z8u=4Io&6",
        "source segment.write_key": "wr1te/Canary+A5s=7Df&3",
        "source segment.write_keys": "wr2te/Canary+G9h=1Jk&4",
        "source segment_webhook.shared_secret": "sh1re/Canary+C2v=6Bn&8",
        "source segment_webhook.shared_secrets": "sh2re/Canary+M4q=3We&7",
        "source segment_webhook.token": "t1kenCanaryR6tY8uI0p",
        "source webhook.secret": "ho1k/Canary+S1d=5Fg&9",
        "source webhook.secrets": "ho2k/Canary+H3j=7Kl&1",
        "source webhook.token": "t2kenCanaryX9cV5bN2m",
        "destination slack.webhook_url": "sl1ckCanaryP4oI6uY8t",
        "destination slack.token": "xoxb-1-CanaryE5wQ3aS7d",
        "destination statsig.server_secret": "secret-Canary+F8g=2Hj&4",
        "destination statsig_segment.console_key": "console-Canary+K6l=9Zx&3",
        "destination webhook.url": "ur1CanaryN7bV4cX2z",
        "destination webhook.headers": "Bearer he1d/Canary+Q2w=8Er&5",
        "destination webhook.signing_secret": "s2gn/Canary+T7y=3Ui&6",
        "destination webhook.shared_secret": "sh3re/Canary+O1p=4As&9",
        "destination leaky.key": "le1k/Canary+D6f=5Gh&2",
    }
)
CANARIES: Final = _SECRETS
"""The secret that stands at each setting. What stands in an address has nothing to be encoded."""

_IN_FILES: Final = ("readers.key", "source segment.write_keys", "destination slack.webhook_url")

LEAKY: Final = '''
import asyncio
import base64
import threading
from collections.abc import Sequence

from junctor.sdk import (
    AuthenticationFailed, Destination, Event, InvalidPayload, Manifest, Secret, Settings,
)


class LeakySettings(Settings):
    """How it fails."""

    key: Secret
    """What it tells whenever it can."""
    fails: str = "never"
    """Where: made, started or never."""


class Leaky(Destination[LeakySettings]):
    """Puts its secret into every error there is."""

    manifest = Manifest(type="leaky", title="Leaky", summary="Tells its secret.")
    settings_model = LeakySettings

    def __init__(self, settings, ctx):
        super().__init__(settings, ctx)
        self.key = settings.key.get_secret_value()
        if settings.fails == "made":
            self.fail()

    def fail(self):
        raise RuntimeError(f"can't connect with {self.key}")

    async def start(self):
        if self.settings.fails == "started":
            raise AuthenticationFailed(f"{self.key} is refused")

        async def connect():
            self.fail()

        await asyncio.wait([asyncio.create_task(connect())])
        thread = threading.Thread(target=self.fail)
        thread.start()
        thread.join()

    async def check(self):
        raise AuthenticationFailed(f"you sent {self.key!r}")

    async def deliver(self, events: Sequence[Event]):
        for event in events:
            if event.event == "Bug":
                try:
                    self.fail()
                except RuntimeError as error:
                    self.ctx.log.exception("it failed")
                    raise ValueError(f"{error}: {self.key}") from error
            packed = base64.b64encode(self.key.encode()).decode()
            raise InvalidPayload(f"{self.key[:-1]} and {packed} and {self.key}")
'''
"""A plug-in with the worst habits."""


def variable(setting: str) -> str:
    """Return the environment variable that holds a secret."""
    return "CANARY_" + "".join(c if c.isalnum() else "_" for c in setting).upper()


def plant(folder: Path, values: Mapping[str, str] = CANARIES) -> dict[str, str]:
    """Write the secrets that stand in files, and the plug-in; return variables for the others."""
    (folder / "leaky.py").write_text(LEAKY)
    environ = {}
    for setting, value in values.items():
        if setting in _IN_FILES:
            (folder / variable(setting)).write_text(value + "\n")
        else:
            environ[variable(setting)] = value
    return environ


def addressed(vendor: str) -> dict[str, str]:
    """Return the secrets as they are set, where some are parts of addresses of `vendor`."""
    hook = f"{vendor}/services/T0/B0/{CANARIES['destination slack.webhook_url']}"
    key = CANARIES["destination webhook.url"]
    url = f"{vendor}/crm/{key}/{{{{userId | nobody}}}}?key={key}"
    return {**CANARIES, "destination slack.webhook_url": hook, "destination webhook.url": url}


def config_text(vendor: str, ports: tuple[int, int], *, leaky: str = "never") -> str:
    """Return a configuration in which everything is set that is a secret."""

    def of(setting: str) -> str:
        kind = "file" if setting in _IN_FILES else "env"
        return f'{{ {kind} = "{variable(setting)}" }}'

    delivery = 'delivery = { max_batch = 1, retry = { initial = "20ms", max = "20ms" } }'
    return f"""
plugins = ["leaky.py"]
[server]
listen = "127.0.0.1:{ports[0]}"
[admin]
listen = "127.0.0.1:{ports[1]}"
token = {of("admin.token")}
[store]
path = "data"
[egress]
allow = ["127.0.0.0/8"]
[log]
level = "debug"
[runtime]
workers = 1
[readers.app]
key = {of("readers.key")}
signing_secret = {of("readers.signing_secret")}
[sources.web]
type = "segment"
settings.write_key = {of("source segment.write_key")}
settings.write_keys = [{of("source segment.write_keys")}]
[sources.cloud]
type = "segment_webhook"
settings.shared_secret = {of("source segment_webhook.shared_secret")}
settings.shared_secrets = [{of("source segment_webhook.shared_secrets")}]
settings.token = {of("source segment_webhook.token")}
[sources.hook]
type = "webhook"
settings.verify = "hmac"
settings.signature_header = "x-signature"
settings.secret = {of("source webhook.secret")}
settings.secrets = [{of("source webhook.secrets")}]
settings.token = {of("source webhook.token")}
[destinations.channel]
type = "slack"
settings.webhook_url = {of("destination slack.webhook_url")}
{delivery}
[destinations.app]
type = "slack"
settings.token = {of("destination slack.token")}
settings.channel = "C1"
settings.api_url = "{vendor}/slack"
{delivery}
[destinations.statsig]
type = "statsig"
settings.server_secret = {of("destination statsig.server_secret")}
settings.endpoint = "{vendor}/statsig"
{delivery}
[destinations.segments]
type = "statsig_segment"
settings.console_key = {of("destination statsig_segment.console_key")}
settings.api_url = "{vendor}"
{delivery}
[destinations.crm]
type = "webhook"
settings.url = {of("destination webhook.url")}
settings.headers.authorization = {of("destination webhook.headers")}
settings.headers.x-user = "{{{{userId}}}}"
settings.signing_secret = [{of("destination webhook.signing_secret")}]
settings.shared_secret = {of("destination webhook.shared_secret")}
{delivery}
[destinations.leaky]
type = "leaky"
settings.key = {of("destination leaky.key")}
settings.fails = "{leaky}"
{delivery}
[routes.all]
to = ["channel", "app", "statsig", "crm", "leaky"]
[audiences.buyers]
event = "*"
count = ">=1"
within = "1d"
send = ["segments"]
"""


def spellings(secret: str) -> Iterator[bytes]:
    """Yield how a secret may be written; of base64 what does not depend on what stands around."""
    texts = {
        secret, quote(secret), quote(secret, safe=""), quote_plus(secret), html.escape(secret),
        json.dumps(secret)[1:-1], json.dumps(secret)[1:-1].replace("/", "\\/"), secret.lower(),
    }  # fmt: skip
    yield from (text.encode() for text in texts)
    for before in range(3):
        packed = base64.b64encode(b"\0" * before + secret.encode())
        whole = len(packed) - 4 if packed.endswith(b"=") else len(packed)
        inside = packed[4 if before else 0 : whole]
        yield inside
        yield inside.translate(bytes.maketrans(b"+/", b"-_"))


def told(text: bytes) -> set[str]:
    """Return the settings whose secrets a text tells, all of them or more than half."""
    return {
        setting
        for setting, secret in CANARIES.items()
        if any(one in text for one in spellings(secret))
        or secret[: len(secret) * 2 // 3].encode() in text
    }
