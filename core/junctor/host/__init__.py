"""The daemon: plug-ins, wiring, life cycle."""
