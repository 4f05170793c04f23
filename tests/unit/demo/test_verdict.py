"""The verdict: good books pass, and every way of cooking them is found."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from junctor.demo.books import Books
from junctor.demo.picture import AudienceRow, DestinationRow, Picture, SourceRow
from junctor.demo.sdks import Post
from junctor.demo.shoppers import Move
from junctor.demo.vendors import Crm, Slack, Statsig, Vendor
from junctor.demo.verdict import problems
from junctor.testkit.doubles import ManualClock

ORDER = {
    "type": "track",
    "event": "Order Completed",
    "messageId": "m-2",
    "properties": {"revenue": 300, "order_id": "o-1"},
}
NAMELESS = {"type": "track", "messageId": "m-3"}


@dataclass
class Scene:
    """Two events of one source, the first sent twice, and a third that is none."""

    books: Books
    statsig: Statsig
    slack: Slack
    crm: Crm
    growth: Slack | None = None
    audiences: list[AudienceRow] = field(default_factory=list)
    sources: list[SourceRow] = field(
        default_factory=lambda: [SourceRow("web", accepted=2, duplicates=1, rejected=1)]
    )
    destinations: dict[str, DestinationRow] = field(
        default_factory=lambda: {
            "statsig": DestinationRow("statsig", 2, 2, 0, 0, 0, 0, "closed"),
            "alerts": DestinationRow("alerts", 2, 1, 1, 0, 0, 0, "closed"),
            "crm": DestinationRow("crm", 2, 1, 1, 0, 0, 0, "closed"),
        }
    )

    @property
    def vendors(self) -> Sequence[Vendor]:
        vendors = (self.statsig, self.slack, self.crm)
        return vendors if self.growth is None else (*vendors, self.growth)

    def change(self, id: str, **columns: Any) -> None:
        self.destinations[id] = replace(self.destinations[id], **columns)

    def problems(self) -> list[str]:
        rows = list(self.destinations.values())
        picture = Picture(1.0, "", self.sources, rows, {}, (), self.audiences)
        return problems(picture, self.books, self.vendors)


@pytest.fixture
def scene() -> Scene:
    clock = ManualClock()
    books = Books()
    page = Post("web", "/v1/p", b"", {}, [{"type": "page", "messageId": "m-1"}])
    batch = Post("web", "/v1/batch", b"", {}, [ORDER, NAMELESS])
    for post in (page, batch, page.again()):
        books.sending(post, 3.0)
        books.accepted(post)
    scene = Scene(
        books, Statsig(clock, "x"), Slack(clock, "/services/x"), Crm(clock, "whsec_aGlkZGVu")
    )
    scene.statsig.arrived = {"m-1": 4.0, "m-2": 4.0}
    scene.slack.arrived = {"o-1": 4.0}
    scene.crm.arrived = {"m-2": 4.0}
    return scene


def test_good_books_have_no_problems(scene: Scene) -> None:
    assert scene.problems() == []


def test_the_books_know_when_what_was_sent(scene: Scene) -> None:
    assert scene.books.sent == {"m-1": 3.0, "m-2": 3.0, "o-1": 3.0}
    assert scene.books.expected == {
        "statsig": {"m-1", "m-2"}, "alerts": {"o-1"}, "crm": {"m-2"}
    }  # fmt: skip


def lose_a_row(scene: Scene) -> None:
    scene.change("crm", filtered=0)


def leave_pending(scene: Scene) -> None:
    scene.change("crm", filtered=0, pending=1)


def claim_delivery(scene: Scene) -> None:
    scene.change("crm", delivered=2, filtered=0)


def overlook_an_event(scene: Scene) -> None:
    scene.change("crm", accepted=1, filtered=0)


def bury(scene: Scene) -> None:
    scene.change("statsig", delivered=1, dead=1)
    del scene.statsig.arrived["m-2"]


def send_to_the_wrong_vendor(scene: Scene) -> None:
    scene.crm.arrived["m-1"] = 4.0
    scene.change("crm", delivered=2, filtered=0)


def swap(scene: Scene) -> None:
    scene.crm.arrived = {"m-1": 4.0}


def break_the_format(scene: Scene) -> None:
    scene.statsig.faults["user is missing"] += 2


def repeat_for_nothing(scene: Scene) -> None:
    scene.statsig.repeats = 1


def repeat_more_than_needed(scene: Scene) -> None:
    scene.crm.lost_answers, scene.crm.repeats = 1, 2


def refuse_a_request(scene: Scene) -> None:
    scene.books.failed("HTTP 503")


def miscount_duplicates(scene: Scene) -> None:
    scene.sources = [SourceRow("web", accepted=2, duplicates=0, rejected=1)]


def reject_silently(scene: Scene) -> None:
    scene.sources = [SourceRow("web", accepted=2, duplicates=1, rejected=0)]


@pytest.mark.parametrize(
    ("cook", "found"),
    [
        (lose_a_row, "crm: 2 events accepted, but 1 have a fate"),
        (leave_pending, "crm: 1 events are still pending"),
        (claim_delivery, "crm: 2 events delivered, but the vendor saw 1"),
        (overlook_an_event, "crm: 1 events in the ledger, but 2 were accepted and 0 made of them"),
        (bury, "statsig: 1 events never reached the vendor"),
        (send_to_the_wrong_vendor, "crm: the vendor saw 1 events that were not meant for it"),
        (swap, "crm: 1 events never reached the vendor"),
        (break_the_format, "statsig: wire format, 2 times: user is missing"),
        (repeat_for_nothing, "statsig: 1 events came twice, 0 had to"),
        (repeat_more_than_needed, "crm: 2 events came twice, 1 had to"),
        (refuse_a_request, "the hub failed to take 1 requests: HTTP 503"),
        (miscount_duplicates, "source web: 0 events duplicate, but the shop knows 1"),
        (reject_silently, "source web: 0 events rejected, but the shop knows 1"),
    ],
)
def test_cooked_books_are_found(scene: Scene, cook: Callable[[Scene], None], found: str) -> None:
    cook(scene)
    assert found in scene.problems()


def test_a_repeat_after_a_lost_answer_is_as_it_must_be(scene: Scene) -> None:
    scene.crm.lost_answers = scene.crm.repeats = 1
    assert scene.problems() == []


def test_a_hub_that_took_nothing_does_not_balance() -> None:
    picture = Picture(1.0, "", [], [], {}, ())
    assert "nothing was accepted" in problems(picture, Books(), [])


# -- audiences -------------------------------------------------------------------------------------

ENTERED, LEFT = Move("frustrated", True, "u-8"), Move("frustrated", False, "u-8")


@pytest.fixture
def crowd(scene: Scene) -> Scene:
    """The scene, and somebody who clicked in anger: three events, a signal, and two moves."""
    for number in range(3):
        click = {
            "type": "track",
            "event": "click",
            "messageId": f"c-{number}",
            "userId": "u-8",
            "anonymousId": "a-8",
            "timestamp": f"2026-11-21T21:00:00.{number}00Z",
        }
        post = Post("web", "/v1/t", b"", {}, [click])
        scene.books.sending(post, 5.0 + number)
        scene.books.accepted(post)
        scene.statsig.arrived[f"c-{number}"] = 8.0
    scene.sources = [SourceRow("web", accepted=5, duplicates=1, rejected=1)]
    scene.growth = Slack(ManualClock(), "/services/y", "growth")
    scene.growth.moves = {str(move): move for move in (ENTERED, LEFT)}
    scene.growth.arrived = dict.fromkeys(scene.growth.moves, 8.0)
    scene.audiences = [AudienceRow("frustrated", 0, 1, 1, 0.5)]
    for id, delivered in (("statsig", 5), ("alerts", 1), ("crm", 1), ("growth", 2)):
        scene.destinations[id] = DestinationRow(id, 8, delivered, 8 - delivered, 0, 0, 0, "closed")
    return scene


def test_a_crowd_that_the_shop_knows_has_no_problems(crowd: Scene) -> None:
    assert crowd.problems() == []


def test_an_entry_was_sent_with_the_last_click(crowd: Scene) -> None:
    assert crowd.books.sent[str(ENTERED)] == 7.0


def growth(scene: Scene) -> Slack:
    assert scene.growth is not None
    return scene.growth


def keep_somebody_in(scene: Scene) -> None:
    scene.audiences = [AudienceRow("frustrated", 1, 1, 0, 0.5)]


def let_a_stranger_in(scene: Scene) -> None:
    scene.audiences = [AudienceRow("frustrated", 1, 2, 1, 0.5)]


def forget_a_member(scene: Scene) -> None:
    scene.audiences = [AudienceRow("frustrated", 1, 1, 1, 0.5)]


def lose_the_exit(scene: Scene) -> None:
    del growth(scene).moves[str(LEFT)]
    del growth(scene).arrived[str(LEFT)]


def tell_of_somebody_else(scene: Scene) -> None:
    growth(scene).moves[str(LEFT)] = Move("frustrated", False, "u-9")


def tell_the_wrong_vendor(scene: Scene) -> None:
    scene.crm.moves["m-9"] = ENTERED
    scene.crm.arrived["m-9"] = 8.0


def signal_twice(scene: Scene) -> None:
    scene.change("statsig", accepted=9, filtered=4)


@pytest.mark.parametrize(
    ("cook", "found"),
    [
        (keep_somebody_in, "frustrated: 0 people left, but the shop knows 1"),
        (let_a_stranger_in, "frustrated: 2 people entered, but the shop knows 1"),
        (forget_a_member, "frustrated: 1 members, but 1 people entered and 1 left"),
        (lose_the_exit, "growth: 1 entries and exits never reached the vendor"),
        (tell_of_somebody_else, "growth: the vendor heard of 1 entries and exits that were none"),
        (tell_the_wrong_vendor, "crm: the vendor heard of 1 entries and exits that were none"),
        (signal_twice, "statsig: 9 events in the ledger, but 5 were accepted and 3 made of them"),
    ],
)
def test_a_cooked_crowd_is_found(crowd: Scene, cook: Callable[[Scene], None], found: str) -> None:
    cook(crowd)
    assert found in crowd.problems()
