"""The source `segment` keeps every rule of the kit."""

from dataclasses import replace
from typing import ClassVar

from junctor.sdk import InboundRequest
from junctor.testkit import PushSourceConformance
from junctor_connectors.segment.source import Segment


class TestSegment(PushSourceConformance):
    source = Segment
    settings: ClassVar = {"write_key": "wk-test"}
    empty = (b'{"batch":[]}',)

    def request(self, body: bytes) -> InboundRequest:
        path = "/batch" if body in self.empty else "/track"
        headers = {"authorization": "Basic d2stdGVzdDo="}
        return replace(super().request(body), path=path, headers=headers)
