"""Segment's filter query language: parse, check, compile to a predicate."""
