"""Batches: what waits is done together, to each its own."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from client_caller.errors import EngineCrashed, EngineOverloaded
from client_caller.hearing.batches import Batches


class Held:
    """Work that squares, notes its batches, and holds the first until `go`."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self.batches: list[list[int]] = []

    def __call__(self, items: list[int]) -> list[int]:
        self.batches.append(items)
        self.begun.set()
        self.go.wait(5)
        if 13 in items:
            raise EngineCrashed("transcriber", "unlucky")
        return [item * item for item in items]


@pytest.fixture
def made() -> Iterator[Callable[[Callable[[list[int]], list[int]]], Batches[int, int]]]:
    """Makes batches of at most four, closed in the end."""
    opened: list[Batches[int, int]] = []

    def make(work: Callable[[list[int]], list[int]]) -> Batches[int, int]:
        opened.append(Batches("transcriber", work, 4))
        return opened[-1]

    yield make
    for batches in opened:
        batches.close()


async def first_held(batches: Batches[int, int], work: Held) -> asyncio.Future[int]:
    """A first item, whose batch is being held."""
    first = asyncio.ensure_future(batches.run(1))
    await asyncio.to_thread(work.begun.wait, 5)
    return first


def test_what_comes_while_a_batch_is_done_is_done_together_next_as_far_as_there_is_room(made):
    work = Held()

    async def main() -> list[int]:
        batches = made(work)
        first = await first_held(batches, work)
        rest = [asyncio.ensure_future(batches.run(item)) for item in (2, 3, 4, 5, 6, 7)]
        await asyncio.sleep(0)
        work.go.set()
        return await asyncio.gather(first, *rest)

    assert asyncio.run(main()) == [1, 4, 9, 16, 25, 36, 49]
    assert work.batches == [[1], [2, 3, 4, 5], [6, 7]]


def test_an_idle_worker_waits_for_what_comes_within_a_moment(made, monkeypatch):
    work = Held()
    work.go.set()
    waits, passed = threading.Event(), threading.Event()

    def moment(seconds: float) -> None:
        assert seconds <= 0.005
        waits.set()
        passed.wait(5)

    monkeypatch.setattr("client_caller.hearing.batches.time", SimpleNamespace(sleep=moment))

    async def main() -> None:
        batches = made(work)
        first = asyncio.ensure_future(batches.run(1))
        await asyncio.to_thread(waits.wait, 5)
        second = asyncio.ensure_future(batches.run(2))
        await asyncio.sleep(0)
        passed.set()
        await asyncio.gather(first, second)

    asyncio.run(main())
    assert work.batches == [[1, 2]]


def test_what_was_given_up_while_it_waited_is_left_out(made):
    work = Held()

    async def main() -> list[int]:
        batches = made(work)
        first = await first_held(batches, work)
        rest = [asyncio.ensure_future(batches.run(item)) for item in (2, 3, 4, 5, 6)]
        await asyncio.sleep(0)
        for given_up in rest[::2]:
            given_up.cancel()
        await asyncio.sleep(0)
        work.go.set()
        return await asyncio.gather(first, *rest[1::2])

    assert asyncio.run(main()) == [1, 9, 25]
    assert work.batches == [[1], [3, 5]]


def test_a_failure_is_that_of_the_whole_batch_and_of_no_other(made):
    work = Held()

    async def main() -> list[object]:
        batches = made(work)
        first = await first_held(batches, work)
        rest = [asyncio.ensure_future(batches.run(item)) for item in (12, 13, 14, 15, 16)]
        await asyncio.sleep(0)
        work.go.set()
        return await asyncio.gather(first, *rest, return_exceptions=True)

    first, *failed, after = asyncio.run(main())
    assert (first, after) == (1, 256)
    assert [str(failure) for failure in failed] == ["transcriber: unlucky"] * 4


def test_more_than_two_batches_that_wait_are_refused_and_the_rest_are_done(made):
    work = Held()

    async def main() -> list[object]:
        batches = made(work)
        first = await first_held(batches, work)
        rest = [asyncio.ensure_future(batches.run(item)) for item in range(20, 30)]
        await asyncio.sleep(0)
        work.go.set()
        return await asyncio.gather(first, *rest, return_exceptions=True)

    outcomes = asyncio.run(main())
    assert outcomes[:9] == [1, *(item * item for item in range(20, 28))]
    assert all(isinstance(outcome, EngineOverloaded) for outcome in outcomes[9:])


def test_closed_batches_say_so(made):
    batches = made(list)
    batches.close()
    with pytest.raises(EngineCrashed, match="transcriber: it has been closed"):
        asyncio.run(batches.run(1))


def test_when_the_thread_hangs_another_does_what_of_its_batch_is_still_awaited():
    first, hung = Held(), Held()
    after: list[list[int]] = []

    def work(items: list[int]) -> list[int]:
        if not first.batches:
            return first(items)
        if not hung.batches:
            return hung(items)
        after.append(items)
        return [item * item for item in items]

    async def main() -> list[int]:
        batches = Batches("transcriber", work, 4, hung_s=0.02)
        held = await first_held(batches, first)
        jobs = [asyncio.ensure_future(batches.run(item)) for item in (2, 3)]
        await asyncio.sleep(0)
        first.go.set()
        await asyncio.to_thread(hung.begun.wait, 5)
        jobs[0].cancel()  # its watchdog has fired; the other's has not yet
        async with asyncio.timeout(4):
            found = [await held, await jobs[1], await batches.run(4)]
        hung.go.set()
        batches.close()
        return found

    assert asyncio.run(main()) == [1, 9, 16]
    assert (hung.batches, after) == ([[2, 3]], [[3], [4]])
