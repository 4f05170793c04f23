"""Frozen nouns of the way of an event."""
