"""imports-only-sdk: a destination whose helper reaches into the hub."""

from .healthy import Webhook
from .helper import version


class KnowsTheHub(Webhook):
    """Breaks with the next release."""

    hub = version()
