"""The shop's own books: what it sent, and what must come of it. The hub's are held against them."""

from collections import Counter

from junctor.demo.sdks import Post
from junctor.demo.setting import wanted
from junctor.demo.shop import is_event
from junctor.demo.shoppers import Move, Shoppers


class Books:
    """Counts what the hub answered with 200; nothing else is expected of it."""

    def __init__(self) -> None:
        """Begin empty."""
        self._known: set[tuple[str, str]] = set()
        self.counts: Counter[tuple[str, str]] = Counter()
        """Events by (source, outcome): accepted, duplicate or rejected."""
        self.expected: dict[str, set[str]] = {}
        """Keys that each destination's vendor must see."""
        self.sent: dict[str, float] = {}
        """When each key was sent first, in monotonic seconds; an entry is sent with its last click.
        """
        self.shoppers = Shoppers()
        """Who must be in which audience."""
        self.failures: Counter[str] = Counter()
        """Requests that the hub did not answer with 200, by what came instead."""

    def sending(self, post: Post, now: float) -> None:
        """Note that a request leaves at `now`, in monotonic seconds."""
        for event in filter(is_event, post.events):
            for _, key in wanted(event):
                self.sent.setdefault(key, now)
            if event.get("event") == "click":
                self.sent[str(Move("frustrated", True, event["userId"]))] = now

    def accepted(self, post: Post) -> None:
        """Note that the hub has taken a request: from now on it owes every event in it."""
        valid = [event for event in post.events if is_event(event)]
        self.counts[post.source, "rejected"] += len(post.events) - len(valid)
        for event in valid:
            known = (post.source, event["messageId"])
            if known in self._known:
                self.counts[post.source, "duplicate"] += 1
            else:
                self.counts[post.source, "accepted"] += 1
                self.shoppers.saw(event)
            self._known.add(known)
            for destination, key in wanted(event):
                self.expected.setdefault(destination, set()).add(key)

    def failed(self, reason: str) -> None:
        """Note that the hub did not take a request."""
        self.failures[reason] += 1
