"""The way of an event through the hub, one file a stage; flow.py shows the whole."""
