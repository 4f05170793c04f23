"""The junctor command."""
