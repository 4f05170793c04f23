"""Kinds of state: each keeps what its leaves need of the events, and merges."""
