"""Behavior over time: the language of audiences, and the engine that keeps them current."""
