"""Silero shared by calls: how often it is run, and what a failed run does."""

import asyncio

import numpy as np
import pytest

from client_caller.errors import EngineCrashed
from client_caller.hearing.silero import SileroModel
from virtual import run

WINDOW = np.zeros(256, np.float32)


class Counted:
    """The model's session: counts its runs, and fails at those whose number is given."""

    def __init__(self, failing: tuple[int, ...] = ()) -> None:
        self.rows: list[int] = []
        self._failing = failing

    def run(self, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        self.rows.append(len(inputs["input"]))
        if len(self.rows) in self._failing:
            raise EngineCrashed("voice activity model", "it is unwell")
        return [inputs["input"][:, -1:], inputs["state"] + 1]


@pytest.fixture
def model(monkeypatch):
    """A model without weights, whose probability is the last sample of the window."""
    monkeypatch.setattr("client_caller.hearing.silero.Session", lambda path, engine: Counted())
    return SileroModel("no file")


def test_whoever_waits_at_one_moment_shares_one_run_and_gets_an_own_answer(model):
    async def main() -> list[float]:
        calls = [model.for_call() for _ in range(8)]
        asked = (call.probability(WINDOW + n / 10) for n, call in enumerate(calls))
        return await asyncio.gather(*asked)

    assert run(main()) == pytest.approx([n / 10 for n in range(8)])
    assert model._session.rows == [8]


def test_a_call_alone_waits_for_nobody(model):
    async def main() -> float:
        call = model.for_call()
        for _ in range(3):
            await call.probability(WINDOW)
        return asyncio.get_running_loop().time()

    assert run(main()) < 1e-6
    assert model._session.rows == [1, 1, 1]


def test_a_failed_run_is_told_to_everyone_who_waited_and_to_nobody_after(model):
    model._session = Counted(failing=(1,))

    async def main() -> tuple[list[object], list[float]]:
        calls = [model.for_call() for _ in range(3)]
        failed = await asyncio.gather(*(call.probability(WINDOW) for call in calls), return_exceptions=True)
        return failed, await asyncio.gather(*(call.probability(WINDOW) for call in calls))

    failed, answered = run(main())
    assert [type(failure) for failure in failed] == [EngineCrashed] * 3
    assert answered == [0, 0, 0]
    assert model._session.rows == [3, 3]


def test_a_call_that_ends_while_it_waits_leaves_nothing_behind(model):
    async def main() -> float:
        ended = asyncio.ensure_future(model.for_call().probability(WINDOW))
        await asyncio.sleep(0)
        ended.cancel()
        await asyncio.wait([ended])
        return await model.for_call().probability(WINDOW + 0.5)

    assert run(main()) == 0.5
    assert model._waiting == []


async def in_step(model: SileroModel, calls: int, windows: int, apart_s: float) -> list[float]:
    """How long each window waited: every call asks one every 32 ms, one call `apart_s` after the other."""
    loop, waited = asyncio.get_running_loop(), list[float]()

    async def ask(number: int) -> None:
        call = model.for_call()
        for window in range(windows):
            await asyncio.sleep(window * 0.032 + number * apart_s - loop.time())
            asked_at = loop.time()
            assert await call.probability(WINDOW + number / 100) == pytest.approx(number / 100)
            waited.append(loop.time() - asked_at)

    await asyncio.gather(*(ask(number) for number in range(calls)))
    return waited


def test_windows_of_many_calls_wait_for_each_other_for_four_milliseconds_at_most(model):
    waited = run(in_step(model, calls=64, windows=20, apart_s=0.0005))
    assert len(waited) == 64 * 20
    assert max(waited) < 0.0041
    assert sum(model._session.rows) == 64 * 20
    assert max(model._session.rows) <= 16
    assert len(model._session.rows) < 64 * 20 / 7


def test_windows_of_few_calls_do_not_wait(model):
    assert max(run(in_step(model, calls=12, windows=20, apart_s=0.002))) < 1e-6


def test_a_call_that_catches_up_with_a_burst_neither_waits_nor_counts(model):
    async def main() -> float:
        call = model.for_call()
        for _ in range(60):
            await call.probability(WINDOW)
        return asyncio.get_running_loop().time()

    assert run(main()) < 1e-6


def test_of_many_that_wait_one_may_end_and_the_others_are_answered(model):
    async def main() -> list[float]:
        calls = [asyncio.ensure_future(model.for_call().probability(WINDOW + n / 100)) for n in range(15)]
        await asyncio.sleep(0.001)
        late = [asyncio.ensure_future(model.for_call().probability(WINDOW + n / 100)) for n in range(8)]
        await asyncio.sleep(0.001)
        late[0].cancel()
        await asyncio.gather(*calls)
        return await asyncio.gather(*late[1:])

    assert run(main()) == pytest.approx([n / 100 for n in range(1, 8)])


def test_a_failed_run_is_told_to_those_who_waited_for_each_other(model):
    model._session = Counted(failing=(1,))

    async def main() -> list[object]:
        return await asyncio.gather(*(model.for_call().probability(WINDOW) for _ in range(20)), return_exceptions=True)

    failed = run(main())
    assert sum(isinstance(failure, EngineCrashed) for failure in failed) == model._session.rows[0]
    assert sum(failure == 0 for failure in failed) == 20 - model._session.rows[0]
