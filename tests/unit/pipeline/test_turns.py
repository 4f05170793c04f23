"""Long work leaves the loop to others between its turns."""

import asyncio

from junctor.pipeline.turns import in_turns


async def test_others_have_their_turn_between_two_pieces() -> None:
    order: list[str] = []

    async def other() -> None:
        for _ in range(2):
            order.append("other")
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    async for piece in in_turns(range(5), 2):
        order.append(str(list(piece)))
    await task
    assert order == ["[0, 1]", "other", "[2, 3]", "other", "[4]"]


async def test_nothing_takes_no_turn() -> None:
    nothing: list[int] = []
    assert [piece async for piece in in_turns(nothing)] == []
