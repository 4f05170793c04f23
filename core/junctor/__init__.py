"""junctor: a CDP connector hub in one process."""

__version__ = "0.1.0"
