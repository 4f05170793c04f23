"""What the admin side says of erasures."""

from pathlib import Path

import pytest

from junctor.api.erasure_operations import ErasureOperations
from junctor.api.operations import NotFound
from junctor.model.erasure import Erasure
from junctor.pipeline.identify import Identifiers
from junctor.store.port import FoldResult
from junctor.store.sqlite import SqliteStore
from junctor.testkit import ManualClock
from tests.unit.store.makers import new


def unused(*_: object) -> Identifiers:
    raise AssertionError("nobody is to be identified")


async def suppress(_: object) -> None:
    raise AssertionError("nobody is to be suppressed")


async def test_an_erasure_is_known_at_any_moment_though_the_fold_goes_on(tmp_path: Path) -> None:
    """The fold is stored behind the first thing that is read."""
    store = SqliteStore.open(tmp_path)
    operations = ErasureOperations(store, unused, list, list, suppress, ManualClock())
    await store.log.append([new("delete")])
    assert await operations.erasure(1) == {"id": 1, "stage": "erasing"}
    position, get = store.state.position, store.erasures.get
    stored = False

    async def store_it() -> None:
        nonlocal stored
        if not stored:
            stored = True
            await store.state.commit(FoldResult(1, erasures=[Erasure(1, 1, (), (), ())]))

    async def position_then() -> int:
        found = await position()
        await store_it()
        return found

    async def get_then(offset: int) -> Erasure | None:
        found = await get(offset)
        await store_it()
        return found

    store.state.position = position_then  # type: ignore[method-assign]
    store.erasures.get = get_then  # type: ignore[method-assign]
    assert (await operations.erasure(1))["stage"] == "erasing"
    with pytest.raises(NotFound):
        await operations.erasure(2)
    await store.close()
