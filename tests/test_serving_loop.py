"""The loop of a serving process: it dates what happens exactly, and wakes nobody too early again and again."""

import asyncio
import sys
from time import monotonic  # noqa: TID251 - the loop's clock is what is looked at

import pytest

from client_caller.serving_loop import run_serving

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there it is asyncio's own")


def test_it_is_the_fast_one_and_hands_on_what_its_work_comes_to() -> None:
    async def main() -> str:
        return type(asyncio.get_running_loop()).__mro__[1].__module__

    assert run_serving(main()) == "uvloop"


def test_its_clock_is_that_of_the_system() -> None:
    async def main() -> None:
        for _ in range(100):
            before, now, after = monotonic(), asyncio.get_running_loop().time(), monotonic()
            assert before <= now <= after

    run_serving(main())


def test_who_waits_for_an_instant_is_not_woken_for_nothing_time_and_again() -> None:
    async def main() -> None:
        loop, instants, woken = asyncio.get_running_loop(), 40, 0
        for number in range(instants):
            at = loop.time() + 0.001 + number * 0.00013
            while loop.time() < at:
                come = asyncio.Event()
                loop.call_at(at, come.set)
                await come.wait()
                woken += 1
        assert instants <= woken <= 2 * instants

    run_serving(main())


def test_an_error_of_the_work_is_raised_where_it_was_run() -> None:
    async def main() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        run_serving(main())
