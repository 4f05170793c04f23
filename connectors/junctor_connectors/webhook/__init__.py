"""Webhooks: events out to any URL, signed; and events in from anybody's hook."""
