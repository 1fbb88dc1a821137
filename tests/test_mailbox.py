"""Orders for one task: in order, within a limit, and withdrawn at any time without a sound."""

import asyncio

import pytest

from client_caller.mailbox import Mailbox
from virtual import run


async def work_off(box: Mailbox[str], finished: list[str], work_s: float = 1.0) -> None:
    """A worker that needs `work_s` for each order and writes down what it finished."""
    while True:
        async with box.take() as order:
            await asyncio.sleep(work_s)
            finished.append(order)


async def after(seconds: float, box: Mailbox[str], finished: list[str]) -> None:
    """Let a worker go on for so long, then end it."""
    try:
        async with asyncio.timeout(seconds):
            await work_off(box, finished)
    except TimeoutError:
        return


def box_of(limit: int, *orders: str) -> Mailbox[str]:
    box: Mailbox[str] = Mailbox(limit)
    for order in orders:
        box.put(order)
    return box


def test_orders_are_worked_off_as_they_came() -> None:
    async def main() -> None:
        finished: list[str] = []
        await after(3.5, box_of(3, "a", "b", "c"), finished)
        assert finished == ["a", "b", "c"]

    run(main())


def test_a_full_mailbox_loses_its_oldest_order() -> None:
    async def main() -> None:
        finished: list[str] = []
        await after(3.5, box_of(2, "a", "b", "c"), finished)
        assert finished == ["b", "c"]

    run(main())


def test_a_mailbox_of_one_holds_the_latest_while_one_is_worked_on() -> None:
    async def main() -> None:
        box, finished = box_of(1, "a"), []
        for order in ("b", "c"):
            asyncio.get_running_loop().call_later(0.5, box.put, order)
        await after(3.5, box, finished)
        assert finished == ["a", "c"]

    run(main())


def test_an_order_that_comes_while_the_worker_waits_is_begun_at_once() -> None:
    async def main() -> None:
        box, finished = box_of(1), []
        asyncio.get_running_loop().call_later(2.0, box.put, "a")
        await after(3.01, box, finished)
        assert finished == ["a"]

    run(main())


def test_what_is_withdrawn_before_it_was_begun_never_is() -> None:
    async def main() -> None:
        box, finished = box_of(2, "a", "b"), []
        box.withdraw()
        box.put("c")
        await after(3.5, box, finished)
        assert finished == ["c"]

    run(main())


def test_work_on_a_withdrawn_order_stops_quietly_and_the_worker_takes_the_next() -> None:
    async def main() -> None:
        box, finished, left_at = box_of(2, "a", "b"), [], []
        loop = asyncio.get_running_loop()
        loop.call_later(0.5, box.withdraw)
        loop.call_later(0.7, box.put, "c")
        async with box.take():
            try:
                await asyncio.sleep(10)
            finally:
                left_at.append(loop.time())
        await after(1.5, box, finished)
        assert left_at == pytest.approx([0.5])
        assert finished == ["c"]

    run(main())


def test_a_withdrawal_while_the_work_still_tidies_up_from_the_last_one_withdraws_what_came_between() -> None:
    async def main() -> None:
        box, finished, loop = box_of(1, "a"), [], asyncio.get_running_loop()

        async def tidies_up() -> None:
            async with box.take():
                try:
                    await asyncio.sleep(10)
                finally:
                    await asyncio.sleep(1)

        worker = asyncio.create_task(tidies_up())
        withdrawn: list[list[str]] = []
        loop.call_later(0.5, box.withdraw)
        loop.call_later(0.7, box.put, "b")
        loop.call_later(0.9, lambda: withdrawn.append(box.withdraw()))
        await worker
        assert withdrawn == [["b"]]
        assert loop.time() == pytest.approx(1.5)
        box.put("c")
        await after(1.5, box, finished)
        assert finished == ["c"]

    run(main())


def test_an_order_put_right_behind_a_withdrawal_is_not_withdrawn_with_it() -> None:
    async def main() -> None:
        box, finished = box_of(1, "a"), []

        def exchange() -> None:
            box.withdraw()
            box.put("b")

        asyncio.get_running_loop().call_later(0.5, exchange)
        await after(2.0, box, finished)
        assert finished == ["b"]

    run(main())


def test_withdrawing_what_is_done_touches_nothing_that_comes_after() -> None:
    async def main() -> None:
        box, finished = box_of(1, "a"), []
        await after(1.5, box, finished)
        box.withdraw()
        box.put("b")
        await after(1.5, box, finished)
        assert finished == ["a", "b"]

    run(main())


def test_a_timeout_of_the_work_itself_is_not_taken_for_a_withdrawal() -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with box_of(1, "a").take(), asyncio.timeout(0.5):
                await asyncio.sleep(10)

    run(main())


def test_an_error_of_the_work_goes_to_the_worker() -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="broken"):
            async with box_of(1, "a").take():
                raise ValueError("broken")

    run(main())


def test_it_tells_which_orders_had_to_go_for_others() -> None:
    async def main() -> None:
        box = box_of(2)
        assert [box.put(order) for order in "abc"] == [[], [], ["a"]]
        async with box.take():
            assert box.withdraw() == ["b", "c"]
            assert box.withdraw() == []
        assert box.put("d") == []

    run(main())


@pytest.mark.parametrize("orders", [(), ("a",)], ids=["while waiting", "while working"])
def test_the_end_of_its_task_is_not_swallowed(orders: tuple[str, ...]) -> None:
    async def main() -> None:
        finished: list[str] = []
        worker = asyncio.create_task(work_off(box_of(1, *orders), finished))
        await asyncio.sleep(0.5)
        worker.cancel()
        with pytest.raises(asyncio.CancelledError):
            await worker
        assert finished == []

    run(main())


def test_a_task_that_is_ended_while_its_order_is_withdrawn_still_ends() -> None:
    async def main() -> None:
        box, finished = box_of(1, "a"), []
        worker = asyncio.create_task(work_off(box, finished))
        await asyncio.sleep(0.5)
        box.withdraw()
        worker.cancel()
        with pytest.raises(asyncio.CancelledError):
            await worker

    run(main())
