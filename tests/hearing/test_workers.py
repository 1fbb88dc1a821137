"""Workers: cancelled jobs leave them usable, too many are refused, hung threads are replaced."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from client_caller.errors import EngineCrashed, EngineOverloaded
from client_caller.hearing.workers import Workers


@pytest.fixture
def workers():
    workers = Workers("transcriber", 1)
    yield workers
    workers.close()


def test_a_job_cancelled_before_it_began_never_begins(workers):
    begun, go, done = threading.Event(), threading.Event(), []

    def hold() -> str:
        begun.set()
        go.wait(5)
        return "held"

    async def main() -> None:
        first = asyncio.ensure_future(workers.run(hold))
        await asyncio.to_thread(begun.wait, 5)
        second = asyncio.ensure_future(workers.run(done.append, 2))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        go.set()
        assert await first == "held"
        await workers.run(done.append, 3)

    asyncio.run(main())
    assert done == [3]


def test_a_job_cancelled_while_it_runs_leaves_the_worker_usable(workers):
    begun, go = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        go.wait(5)

    async def main() -> int:
        job = asyncio.ensure_future(workers.run(hold))
        await asyncio.to_thread(begun.wait, 5)
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)
        go.set()
        return await workers.run(len, "abc")

    assert asyncio.run(main()) == 3


def test_more_jobs_than_may_wait_are_refused_and_the_rest_are_done(workers):
    go = threading.Event()

    async def main() -> list[object]:
        jobs = [asyncio.ensure_future(workers.run(go.wait, 5)) for _ in range(12)]
        await asyncio.sleep(0)
        go.set()
        return await asyncio.gather(*jobs, return_exceptions=True)

    outcomes = asyncio.run(main())
    assert outcomes[:9] == [True] * 9
    assert all(isinstance(outcome, EngineOverloaded) for outcome in outcomes[9:])


def test_closed_workers_say_so():
    workers = Workers("turn model", 1)
    workers.close()
    with pytest.raises(EngineCrashed, match="turn model: it has been closed"):
        asyncio.run(workers.run(len, "abc"))


def test_what_the_work_raises_is_raised(workers):
    with pytest.raises(ZeroDivisionError):
        asyncio.run(workers.run(lambda: 1 // 0))
    assert asyncio.run(workers.run(len, "abc")) == 3


async def hang_up_on(workers: Workers, hold: Callable[[], object], begun: threading.Semaphore) -> None:
    """Begin a job and give it up while it runs."""
    job = asyncio.ensure_future(workers.run(hold))
    await asyncio.to_thread(begun.acquire, timeout=5)
    job.cancel()
    await asyncio.wait([job])


@pytest.fixture
def stuck():
    """Work that hangs until the test is over, and tells that it has begun."""
    begun, go = threading.Semaphore(0), threading.Event()

    def hold() -> None:
        begun.release()
        go.wait(30)

    hold.begun, hold.go = begun, go
    yield hold
    go.set()


def test_threads_that_hang_are_replaced_and_end_when_they_come_back(stuck, caplog):
    workers = Workers("transcriber", 2, hung_s=0.02)

    async def main() -> None:
        for _ in range(2):
            await hang_up_on(workers, stuck, stuck.begun)
        async with asyncio.timeout(5):
            assert await workers.run(len, "abc") == 3
            await asyncio.sleep(0.05)
            both_at_once = threading.Barrier(2)
            await asyncio.gather(workers.run(both_at_once.wait, 5), workers.run(both_at_once.wait, 5))
            assert threads() == 4
            stuck.go.set()
            while threads() > 2:  # noqa: ASYNC110 - a thread's end is no event
                await asyncio.sleep(0.001)
            await asyncio.gather(workers.run(both_at_once.wait, 5), workers.run(both_at_once.wait, 5))

    def threads() -> int:
        return sum(thread.name == "transcriber" for thread in threading.enumerate())

    asyncio.run(main())
    assert [record.msg for record in caplog.records] == ["a worker hangs"] * 2
    workers.close()
    assert threads() == 0


def test_a_job_that_ends_soon_after_it_was_given_up_costs_no_thread(stuck, caplog):
    workers = Workers("transcriber", 1, hung_s=0.05)

    async def main() -> None:
        await hang_up_on(workers, stuck, stuck.begun)
        stuck.go.set()
        await workers.run(len, "abc")
        await asyncio.sleep(0.08)

    asyncio.run(main())
    assert caplog.records == []
    workers.close()


def test_only_so_many_threads_are_replaced(stuck, caplog):
    workers = Workers("transcriber", 1, hung_s=0.0)

    async def main() -> None:
        for _ in range(5):
            await hang_up_on(workers, stuck, stuck.begun)
            await asyncio.sleep(0.01)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await workers.run(len, "abc")
        stuck.go.set()
        async with asyncio.timeout(5):
            assert await workers.run(len, "abc") == 3

    asyncio.run(main())
    assert [record.replaced for record in caplog.records] == [True] * 4 + [False]
    workers.close()


def test_neither_closing_nor_the_end_of_the_process_waits_for_a_hung_thread():
    program = """
import asyncio, threading, client_caller.hearing.workers as module
module._CLOSE_S = 0.05
workers = module.Workers("transcriber", 2, hung_s=0.01)
async def main():
    for _ in range(2):
        try:
            async with asyncio.timeout(0.05):
                await workers.run(threading.Event().wait)
        except TimeoutError:
            await asyncio.sleep(0.02 * _)
asyncio.run(main())
workers.close()
print("closed")
"""
    began = time.monotonic()  # noqa: TID251 - it is about the wall's clock
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True)
    assert ended.stdout == "closed\n"
    assert time.monotonic() - began < 10  # noqa: TID251
