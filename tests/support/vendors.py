"""The built-in destinations, set up against a receiver."""

from typing import Final

from tests.support.receiver import ACCEPTED, Receiver

STATSIG: Final = "/v1/log_event"
SLACK: Final = "/services/T0/B0/slack-hook"
CRM: Final = "/crm"
LAKE: Final = "/lake"


def vendors(receiver: Receiver, statsig: str = "") -> str:
    """Return four destinations: all events to `statsig`, `crm` (one a request) and `lake` (lists),
    and orders to `alerts`; `statsig` adds lines to that section.
    """
    receiver.always(STATSIG, ACCEPTED)
    return f"""
[destinations.statsig]
type = "statsig"
settings.server_secret = {{ env = "STATSIG_SERVER_SECRET" }}
settings.endpoint = "{receiver.address}{STATSIG}"
{statsig}
[destinations.crm]
type = "webhook"
settings.url = "{receiver.address}{CRM}"
settings.signing_secret = {{ env = "CRM_SIGNING_SECRET" }}
[destinations.lake]
type = "webhook"
settings.url = "{receiver.address}{LAKE}"
settings.batch = true
[destinations.alerts]
type = "slack"
settings.webhook_url = {{ env = "SLACK_WEBHOOK_URL" }}
settings.text = "{{{{profile.traits.email}}}} ordered for {{{{properties.revenue}}}}"
[routes.everything]
to = ["statsig", "crm", "lake"]
[routes.orders]
to = ["alerts"]
when = 'type = "track" and event = "Order Completed"'
"""


def environ(receiver: Receiver) -> dict[str, str]:
    """Return the environment that the destinations need beside the usual one."""
    return {"SLACK_WEBHOOK_URL": receiver.address + SLACK}
