"""Workers: cancelled jobs leave them usable, too many are refused."""

import asyncio
import threading

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
