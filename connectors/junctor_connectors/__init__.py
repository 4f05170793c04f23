"""The connectors that come with junctor; each imports `junctor.sdk` and nothing else of it."""
