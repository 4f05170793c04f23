"""Statsig segments: ID lists that are kept equal to audiences."""
