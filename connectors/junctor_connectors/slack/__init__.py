"""Slack: a message per event, through an incoming webhook or chat.postMessage."""
