"""Segment's filter query language: parse, check, compile to a predicate.

    big_order = fql.compile('type = "track" and properties.revenue >= 100')
    big_order({"type": "track", "properties": {"revenue": 120}})      # True

The language is the one Segment documents for destination filters, with its plain meaning: `and`
binds tighter than `or`, text is never converted to a number, missing and null are one. What could
never mean what is written is refused at load; where Segment's action triggers would read an
expression differently, the predicate carries a warning.
"""

from junctor.fql.errors import FqlError
from junctor.fql.predicate import Predicate, compile

__all__ = ["FqlError", "Predicate", "compile"]
