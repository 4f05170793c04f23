"""Who may read: the holder of a key, and a browser for the one id that was signed for it."""

import hashlib
import hmac

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from junctor.api.readers import Forbidden, ReaderKeys, Readers, SignedId, sign
from junctor.sdk.errors import MalformedRequest, SourceError, Unauthorized

from .people import KEY, READERS, SECRET, SHOP

READ = Readers(READERS)
NOW = 1_767_225_600.0


def signed(
    value: str = "u-1",
    *,
    reader: str = "site",
    secret: str = SECRET,
    kind: str = "user_id",
    expires: int | None = None,
) -> SignedId:
    return SignedId(reader, kind, value, sign(secret, kind, value, expires), expires)


def passes(claim: SignedId, origin: str | None = SHOP, now: float = NOW) -> bool:
    try:
        READ.require_signature(claim, origin, now)
    except SourceError:
        return False
    return True


@pytest.mark.parametrize("header", [f"Bearer {KEY}", f"bearer {KEY}", "Bearer  blog-key "])
def test_the_key_of_any_reader_reads(header: str) -> None:
    READ.require_key(header)


@pytest.mark.parametrize(
    "header", ["", KEY, "Bearer", "Bearer ", f"Basic {KEY}", f"Bearer {KEY}x", "Bearer é\ud800"]
)
def test_anything_else_does_not(header: str) -> None:
    with pytest.raises(Unauthorized):
        READ.require_key(header)


def test_without_readers_the_refusal_says_what_to_configure() -> None:
    with pytest.raises(Unauthorized, match=r"\[readers\.NAME\]"):
        Readers({}).require_key(f"Bearer {KEY}")
    with pytest.raises(Unauthorized, match=r"\[readers\.NAME\]"):
        Readers({}).require_signature(None, None, NOW)


def test_a_signature_is_what_any_language_can_make() -> None:
    made = hmac.new(SECRET.encode(), b"user_id:u-1", hashlib.sha256).hexdigest()
    assert sign(SECRET, "user_id", "u-1") == made
    made = hmac.new(SECRET.encode(), b"1767225601:user_id:u-1", hashlib.sha256).hexdigest()
    assert sign(SECRET, "user_id", "u-1", 1_767_225_601) == made


def test_a_signed_id_reads_from_the_readers_own_pages_and_outside_of_browsers() -> None:
    assert passes(signed())
    assert passes(signed(), origin=None)
    assert passes(SignedId("site", "user_id", "u-1", signed().signature.upper()))
    with pytest.raises(Forbidden, match=r"\[readers\.site\] origins"):
        READ.require_signature(signed(), "https://blog.example", NOW)


def test_a_signature_ends_when_it_says() -> None:
    assert passes(signed(expires=int(NOW) + 1))
    with pytest.raises(Unauthorized, match="expired"):
        READ.require_signature(signed(expires=int(NOW)), SHOP, NOW)


@pytest.mark.parametrize(
    "claim",
    [
        signed(reader="app"),
        signed(reader="nobody"),
        signed(reader="blog"),
        signed(secret=""),
        signed(reader="app", secret=""),
        signed(reader="nobody", secret=""),
        signed(secret=KEY),
        SignedId("site", "user_id", "u-2", signed("u-1").signature),
        SignedId("site", "anonymous_id", "u-1", signed("u-1").signature),
        SignedId("site", "user_id", "u-1", signed(expires=int(NOW) + 9).signature),
        SignedId("site", "user_id", "u-1", signed(expires=int(NOW) + 9).signature, int(NOW) + 99),
        SignedId("site", "user_id", "u-1", signed().signature, int(NOW) + 99),
        SignedId("site", "user_id", "u-1", "é"),
    ],
)
def test_a_signature_of_something_else_does_not_read(claim: SignedId) -> None:
    assert not passes(claim)


def test_a_signed_text_can_not_be_read_as_that_of_another_id() -> None:
    # The text of an id without an end, and that of another one with an end.
    assert not passes(SignedId("site", "1767225699", "user_id:u-1", _of("1767225699:user_id:u-1")))
    assert not passes(SignedId("site", "9:user_id", "u-1", _of("9:user_id:u-1")))
    with pytest.raises(MalformedRequest, match="can't be signed"):
        READ.require_signature(signed(kind="12"), SHOP, NOW)


def _of(text: str) -> str:
    return hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()


@settings(max_examples=200)
@given(
    st.tuples(st.text("ab:1", min_size=1), st.text("ab:1", min_size=1)),
    st.tuples(st.text("ab:1", min_size=1), st.text("ab:1", min_size=1)),
    st.none() | st.integers(2_000_000_000, 2_000_000_011),
    st.none() | st.integers(2_000_000_000, 2_000_000_011),
)
def test_a_signature_opens_one_id_only(
    one: tuple[str, str], other: tuple[str, str], end: int | None, other_end: int | None
) -> None:
    assume((one, end) != (other, other_end))
    first = signed(one[1], kind=one[0], expires=end)
    assume(passes(first))
    assert not passes(SignedId("site", *other, first.signature, other_end))


def test_secrets_are_in_no_text_of_a_reader() -> None:
    assert SECRET not in repr(READERS["site"])
    assert "site-key" not in repr(READERS["site"])


def test_readers_are_equal_when_the_same_may_read() -> None:
    assert Readers(READERS) == READ
    assert Readers({"app": ReaderKeys("another")}) != READ
