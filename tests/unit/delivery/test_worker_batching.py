"""How events are put together into calls: by count, bytes and time; concurrency and rate."""

from .conftest import Start
from .world import Scripted


async def test_a_full_batch_leaves_at_once(start: Start) -> None:
    world = await start(d := Scripted(max_batch=3), flush_interval=10)
    await world.send(*[(key, f"e{key}") for key in range(7)])
    await world.settle()
    assert d.tried == [("e0", "e1", "e2"), ("e3", "e4", "e5")]
    assert d.times == [0.0, 0.0]


async def test_a_lone_event_leaves_by_the_timer(start: Start) -> None:
    world = await start(d := Scripted(max_batch=3), flush_interval=0.2)
    await world.send((1, "a"))
    await world.advance(0.1)
    await world.send((2, "b"))
    await world.advance(0.09)
    assert d.calls == []
    await world.advance(0.02)
    assert d.tried == [("a", "b")]
    assert d.times == [0.2]
