"""A module beside a connector; its imports are the connector's."""


def version() -> str:
    """Return the hub's version."""
    from junctor import __version__

    return __version__
