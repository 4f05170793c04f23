"""The rules of the kit, with transitions of an audience as its events."""

from typing import Any

from junctor.sdk import EventType, Response
from junctor.testkit import DestinationConformance, HttpService, sample_body
from junctor_connectors.statsig_segment.destination import StatsigSegment
from tests.connectors.statsig_segment.console_api import ConsoleApi


class TestStatsigSegment(DestinationConformance):
    destination = StatsigSegment
    settings = {"console_key": "console-example"}
    ok = Response(200, b'{"message":"ok","data":{"id":"buyers","type":"id_list","count":0}}')
    exempt = {"partial-failure-mapped": "Statsig takes or refuses all ids of a request together"}

    def make_service(self) -> HttpService:
        service = HttpService(self.ok)
        service.route().mock(side_effect=ConsoleApi(key=None).take)
        return service

    def sample(self, type: EventType, number: int) -> dict[str, Any]:
        body = sample_body(type, number)
        data = "traits" if type == EventType.IDENTIFY else "properties"
        personas = {"computation_class": "audience", "computation_key": "buyers"}
        return {
            **body,
            data: {"audience_key": "buyers", "buyers": True},
            "context": {**body["context"], "personas": personas},
        }
