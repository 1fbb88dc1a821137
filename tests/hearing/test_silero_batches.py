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
