"""Write keys: how long an answer takes tells nothing of them."""

import hmac

import pytest

from junctor.sdk import Secret, Unauthorized
from junctor_connectors.segment.keys import WriteKeys

KEYS = ("first-key", "second", "a-third-and-longer-key")


@pytest.mark.case(9)
@pytest.mark.parametrize("presented", ["first-key", "second", "guess", "", "first-ke", "x" * 1000])
def test_every_key_is_compared_in_constant_time_whatever_is_presented(
    monkeypatch: pytest.MonkeyPatch, presented: str
) -> None:
    compared: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def watched(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    keys = WriteKeys(map(Secret, KEYS))
    assert (presented.encode() in keys) is (presented in KEYS)
    assert compared == [(presented.encode(), key.encode()) for key in KEYS]


@pytest.mark.case(9)
def test_a_refusal_names_no_key() -> None:
    with pytest.raises(Unauthorized) as refused:
        WriteKeys(map(Secret, KEYS)).require([b"a-guess"])
    assert not [key for key in (*KEYS, "a-guess") if key in str(refused.value)]
