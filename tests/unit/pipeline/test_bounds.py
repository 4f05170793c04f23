"""What one client may cost: bounded, whatever it sends."""

from typing import Any

import pytest

from junctor.config.model import Identity
from junctor.model.profile import Profile
from junctor.pipeline.identify import Identifiers
from junctor.pipeline.ingest import MOST_ITEMS, Intake
from junctor.pipeline.normalize import parse_time
from junctor.pipeline.profile import update_profile
from junctor.pipeline.traits import MOST_BYTES, MOST_TRAIT_BYTES
from junctor.sdk import RequestTooLarge


def body(**fields: Any) -> dict[str, Any]:
    event = {"type": "track", "event": "Viewed", "userId": "u-1", "messageId": "m-1"}
    return {**event, **fields}


def identify(**traits: Any) -> dict[str, Any]:
    return body(type="identify", traits=traits)


def test_a_request_of_very_many_items_is_refused_as_a_whole() -> None:
    with pytest.raises(RequestTooLarge, match="at most"):
        Intake(10**6).records("web", [0] * (MOST_ITEMS + 1), [], 1, corrects_clock=True)


def test_of_many_bad_items_the_first_are_kept_and_the_others_counted() -> None:
    records, kept = Intake(10**6).records("web", [0] * 5_000, [], 1, corrects_clock=True)
    assert records == []
    assert len(kept) == 101
    assert kept[-1].reason == "and 4900 more of this request"


def test_equal_events_without_message_id_in_one_request_are_several_and_a_retry_is_none() -> None:
    def names() -> list[str]:
        bodies = [body(messageId=None, timestamp="2026-01-02T03:04:05Z") for _ in range(3)]
        records, _ = Intake(10**6).records("web", bodies, [], 1, corrects_clock=True)
        return [record.message_id for record in records]

    assert len(set(names())) == 3
    assert names() == names()


def test_only_so_many_external_ids_are_read_off_an_event() -> None:
    ids = [{"id": f"{n}@x.test", "type": "email", "collection": "users"} for n in range(10_000)]
    event = body(context={"externalIds": ids})
    assert len(Identifiers(Identity()).of(event)) < 100


def test_a_text_that_is_too_long_for_a_time_is_none() -> None:
    assert parse_time("2026-01-02T03:04:05Z" + " " * 100) is None


def test_a_very_large_trait_is_not_learned_and_the_others_are() -> None:
    profile = Profile(1)
    update_profile(profile, identify(big="x" * (MOST_TRAIT_BYTES + 1), plan="pro"), 1)
    assert set(profile.traits) == {"plan"}


def test_a_profile_learns_no_more_when_it_is_full_but_goes_on_replacing() -> None:
    profile = Profile(1)
    for n in range(100):
        update_profile(profile, identify(**{f"t{n}": "x" * 10_000}), n + 1)
    assert len(profile.encode()) <= MOST_BYTES + 1_000
    full = len(profile.traits)
    assert 20 <= full < 100
    for n in range(100):
        update_profile(profile, identify(t0=f"{n}" * 100), 1_000 + n)
    assert profile.traits["t0"] == ("99" * 100, 1_099)
    assert len(profile.traits) == full
