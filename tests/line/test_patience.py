"""Waits with a limit: the promises of `asyncio.timeout_at`, kept with one timer for many waits."""

import asyncio
from math import inf

import pytest

from client_caller.line.patience import Patience
from client_caller.serving_loop import run_serving
from virtual import run


async def after(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "it came"


def now() -> float:
    return asyncio.get_running_loop().time()


def test_what_comes_in_time_is_given_and_what_comes_late_is_not():
    async def main() -> float:
        patience = Patience()
        assert await patience.wait(after(1), 2.0) == "it came"
        with pytest.raises(TimeoutError):
            await patience.wait(after(5), 3.0)
        return now()

    assert run(main()) == pytest.approx(3.0, abs=1e-6)


@pytest.mark.parametrize("limit_s", [0.03, 1.0])
def test_a_limit_that_is_put_off_again_and_again_holds_to_the_instant_in_the_end(limit_s):
    async def main() -> float:
        patience = Patience()
        for _ in range(500):
            await patience.wait(after(0.02), now() + limit_s)
        began = now()
        with pytest.raises(TimeoutError):
            await patience.wait(after(60), began + limit_s)
        return now() - began

    assert run(main()) == pytest.approx(limit_s, abs=1e-6)


def test_a_limit_that_comes_forward_is_held():
    async def main() -> float:
        patience = Patience()
        await patience.wait(after(0.1), 100.0)
        with pytest.raises(TimeoutError):
            await patience.wait(after(60), 0.5)
        return now()

    assert run(main()) == pytest.approx(0.5, abs=1e-6)


def test_what_is_there_at_once_is_given_even_when_the_limit_is_past():
    async def main() -> str:
        await asyncio.sleep(1)
        return await Patience().wait(asyncio.sleep(0, "it was there"), 0.5)

    assert run(main()) == "it was there"


def test_five_hundred_waits_leave_one_timer(monkeypatch):
    async def main() -> int:
        patience, armed, loop = Patience(), [], asyncio.get_running_loop()
        call_at = loop.call_at
        monkeypatch.setattr(
            loop, "call_at", lambda when, *rest, **more: armed.append(when) or call_at(when, *rest, **more)
        )
        for _ in range(500):
            await patience.wait(asyncio.sleep(0), now() + 10)
        patience.rest()
        return len(armed)

    assert run(main()) == 1


def test_who_is_told_to_give_up_does_so_at_once_and_may_wait_again():
    async def main() -> float:
        patience = Patience()
        patience.give_up()  # nobody waits
        asyncio.get_running_loop().call_later(1, patience.give_up)
        with pytest.raises(TimeoutError):
            await patience.wait(after(60), 50.0)
        assert now() == pytest.approx(1.0, abs=1e-6)
        await patience.wait(after(1), 50.0)
        return now()

    assert run(main()) == pytest.approx(2.0, abs=1e-6)


def test_a_task_that_is_cancelled_is_cancelled_even_as_its_patience_ends():
    async def main() -> list[bool]:
        ended = []
        for also_out in (False, True):
            patience = Patience()
            task = asyncio.ensure_future(patience.wait(after(60), now() + 50))
            await asyncio.sleep(1)
            if also_out:
                patience.give_up()
            task.cancel()
            await asyncio.wait([task])
            ended.append(task.cancelled())
        return ended

    assert run(main()) == [True, True]


def test_one_that_will_not_be_cancelled_is_heard_out_and_leaves_no_cancellation_behind():
    async def stubborn() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "after all"
        return "in time"

    async def main() -> int:
        assert await Patience().wait(stubborn(), 1.0) == "after all"
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    assert run(main()) == 0


def test_what_takes_too_long_to_tidy_up_is_told_once_more():
    ended = []

    async def tidies_up() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            try:
                await asyncio.sleep(60)
            finally:
                ended.append(now())

    async def main() -> int:
        task = asyncio.current_task()
        assert task is not None
        patience = Patience(tidy_up_s=0.5)
        with pytest.raises(TimeoutError):
            await patience.wait(tidies_up(), 2.0)
        await patience.wait(after(5), inf)  # and nobody else is
        return task.cancelling()

    assert run(main()) == 0
    assert ended == [pytest.approx(2.5, abs=1e-6)]


def test_what_may_tidy_up_for_as_long_as_it_likes_is_not_told_again_when_its_limit_comes():
    ended = []

    async def tidies_up() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(10)
            ended.append(now())

    async def main() -> None:
        patience = Patience()
        asyncio.get_running_loop().call_later(1, patience.give_up)
        with pytest.raises(TimeoutError):
            await patience.wait(tidies_up(), 2.0)

    run(main())
    assert ended == [pytest.approx(11.0, abs=1e-6)]


def test_without_a_limit_it_waits_until_it_is_told_to_give_up():
    async def main() -> float:
        patience = Patience()
        assert await patience.wait(after(100_000), inf) == "it came"
        await patience.wait(after(1), now() + 2)  # whose timer is still there
        asyncio.get_running_loop().call_later(50, patience.give_up)
        with pytest.raises(TimeoutError):
            await patience.wait(after(60), inf)
        return now()

    assert run(main()) == pytest.approx(100_051.0, abs=1e-6)


def test_a_limit_that_is_past_already_leaves_no_trace_on_the_loop_that_serves():
    async def main() -> list[str]:
        async def at_once() -> str:
            return "it was there"

        patience = Patience()
        given = [await patience.wait(at_once(), now() + limit_s) for limit_s in (-1.0, 50.0, 0.0, 60.0)]
        with pytest.raises(TimeoutError):
            await patience.wait(after(60), now() - 1)
        patience.rest()
        return given

    assert run_serving(main()) == ["it was there"] * 4
