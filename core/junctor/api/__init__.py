"""The two HTTP listeners: ingest and admin."""
