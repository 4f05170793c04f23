"""The hub's configuration in the demo: the file, its secrets, and what the vendors should get."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from string import Template
from typing import Any, Final

BIG_ORDER: Final = 250
"""Revenue from which an order is told to Slack, which takes one message a second."""
COMPARED: Final = 3
"""Products that somebody has looked at whose intent is high."""
SILENCE: Final = 2.0
"""Seconds after which a cart counts as abandoned."""
TOLD: Final = {"high_intent": "crm", "cart_abandoner": "crm", "frustrated": "growth"}
"""The audiences, and the destination that is told who enters and leaves."""

_FILE: Final = Template('''\
[server]                                  # for SDKs and Segment
listen = "127.0.0.1:0"                    # 0: any free port
[admin]                                   # status, ledger, metrics
listen = "127.0.0.1:0"
[store]
path = "./junctor-data"
[egress]
allow = ["127.0.0.0/8"]                   # private ranges are refused else

[sources.web]
type = "segment"                          # SDKs and the HTTP tracking API
settings.write_key = { env = "WEB_WRITE_KEY" }
[sources.segment_cloud]
type = "segment_webhook"                  # Segment's Webhooks destination
settings.shared_secret = { env = "SEGMENT_SHARED_SECRET" }

[identity]
identifiers = [
  { kind = "user_id", limit = 1 },
  { kind = "email", from = ["traits.email", "context.traits.email"], limit = 5 },
  { kind = "anonymous_id", limit = 100 },
]

[destinations.statsig]
type = "statsig"
settings.server_secret = { env = "STATSIG_SERVER_SECRET" }
settings.endpoint = "$statsig/v1/log_event"
settings.audiences = ["high_intent", "cart_abandoner", "frustrated"]
settings.attributes = ["cart_value"]      # both with every event of the person
delivery = { max_batch = 500, flush_interval = "200ms", concurrency = 4 }
[destinations.alerts]
type = "slack"
settings.webhook_url = { env = "SLACK_WEBHOOK_URL" }
settings.text = """{{profile.traits.email}} ordered for {{properties.revenue}}: \\
{{properties.note}} (order {{properties.order_id}})"""
[destinations.growth]
type = "slack"                            # another channel
settings.webhook_url = { env = "GROWTH_WEBHOOK_URL" }
settings.text = """{{event}}: {{properties.audience_key}}, {{profile.traits.email}} with \\
{{attributes.cart_value}} in the cart (user {{userId}})"""
[destinations.crm]
type = "webhook"
settings.url = "$crm/crm"
settings.signing_secret = { env = "CRM_SIGNING_SECRET" }
[destinations.crm.delivery]               # hastier than in earnest
retry = { initial = "500ms", max = "2s", give_up_after = "24h" }
breaker = { failures = 3, cooldown = "1s" }

[routes.everything]
from = ["web", "segment_cloud"]
to = ["statsig"]
[routes.customers]
to = ["crm"]
when = 'type = "identify" or event = "Order Completed"'
[routes.big_orders]
to = ["alerts"]
when = 'event = "Order Completed" and properties.revenue >= $big_order'

[attributes.cart_value]
agg = "sum"
event = "Product Added"
prop = "price"
[signals.rage_click]                      # each time it happens, an event signal:rage_click
event = "click"
count = ">=3"
within = "1s"
same = ["element", "path"]

[audiences.high_intent]
about = "Compares products and has not bought"
all = [
  { event = "Product Viewed", count = ">=$compared", within = "24h" },
  { event = "Order Completed", count = 0, within = "24h" },
]
send = ["crm"]
[audiences.cart_abandoner]
about = "Left a full cart behind"         # hastier than in earnest, too
sequence = [
  { event = "Product Added" },
  { not = { event = ["Product Added", "Checkout Started", "Order Completed"] }, for = "$silence" },
]
hold = "24h"
exit = { event = "Order Completed" }
send = ["crm"]
[audiences.frustrated]
about = "Clicks in anger right now"
event = "signal:rage_click"
within = "3s"
send = ["growth"]
''')


@dataclass(frozen=True)
class Secrets:
    """Made up for one run; good for nothing elsewhere."""

    write_key: str = field(repr=False)
    segment_secret: str = field(repr=False)
    statsig_key: str = field(repr=False)
    alerts_path: str = field(repr=False)
    crm_secret: str = field(repr=False)
    growth_path: str = field(repr=False)

    @classmethod
    def made_by(cls, random: Random) -> "Secrets":
        """Draw them, each in the form that its vendor gives out."""
        return cls(
            write_key=random.randbytes(16).hex(),
            segment_secret=random.randbytes(16).hex(),
            statsig_key=f"secret-{random.randbytes(22).hex()}",
            alerts_path=f"/services/T0DEM0/B0DEM0/{random.randbytes(12).hex()}",
            crm_secret="whsec_" + base64.b64encode(random.randbytes(24)).decode(),
            growth_path=f"/services/T0DEM0/B0DEM1/{random.randbytes(12).hex()}",
        )


def configuration(*, statsig: str, crm: str) -> str:
    """Return `junctor.toml` for vendors at these addresses, `http://HOST:PORT`."""
    return _FILE.substitute(
        statsig=statsig, crm=crm, big_order=BIG_ORDER, compared=COMPARED, silence=f"{SILENCE:g}s"
    )


def environment(secrets: Secrets, *, alerts: str, growth: str) -> dict[str, str]:
    """Return the variables that the configuration refers to; Slack's channels have addresses."""
    return {
        "WEB_WRITE_KEY": secrets.write_key,
        "SEGMENT_SHARED_SECRET": secrets.segment_secret,
        "STATSIG_SERVER_SECRET": secrets.statsig_key,
        "SLACK_WEBHOOK_URL": alerts + secrets.alerts_path,
        "GROWTH_WEBHOOK_URL": growth + secrets.growth_path,
        "CRM_SIGNING_SECRET": secrets.crm_secret,
    }


def wanted(event: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (destination, key) for each vendor that must see a valid event.

    The routes once more, in Python: what the vendors saw is held against this, not against what
    the hub says. The key is the messageId; Slack has no ids, there it is the order's number.
    """
    is_order = event["type"] == "track" and event["event"] == "Order Completed"
    if event["type"] != "identify":  # carries traits, not something that happened
        yield "statsig", event["messageId"]
    if event["type"] == "identify" or is_order:
        yield "crm", event["messageId"]
    if is_order and event["properties"]["revenue"] >= BIG_ORDER:
        yield "alerts", event["properties"]["order_id"]
