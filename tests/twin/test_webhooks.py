"""How often a webhook is asked, for how long, and under which token."""

import asyncio
from typing import Any

import pytest
from fastapi import Response
from starlette.background import BackgroundTask

from client_caller.twin.account import Twin
from client_caller.twin.asgi_network import Apps
from client_caller.twin.carried import CarriedCall
from client_caller.twin.numbers import Number
from client_caller.twin.people import Person
from twin.far_end import OURS, PUBLIC, FarEnd, document, held
from virtual import run

OVER = document("<Hangup/>")
BUSY = Response(status_code=503)
NONE = Response(status_code=404)


async def slow() -> str:
    await asyncio.sleep(6.0)
    return OVER


def called(fragment: str, *answers: Any) -> tuple[CarriedCall, FarEnd]:
    end = FarEnd(
        {"/voice": [each() if callable(each) and not isinstance(each, Response) else each for each in answers]}
    )
    number = Number(OURS, f"{PUBLIC}/voice{fragment}")
    return held(end, lambda twin: twin.call_in(Person(), OURS), number=number), end


@pytest.mark.parametrize(
    ("fragment", "answers", "tries", "codes"),
    [
        ("", [BUSY], 1, [11200]),
        ("#rc=2&rp=5xx", [BUSY, BUSY, OVER], 3, []),
        ("#rc=2&rp=4xx", [BUSY], 1, [11200]),
        ("#rc=2&rp=4xx", [NONE, OVER], 2, []),
        ("#rc=1&rp=all", [BUSY, BUSY], 2, [11200]),
        ("#rc=0&rp=all", [BUSY], 1, [11200]),
    ],
)
def test_tries_are_as_many_as_the_address_says(fragment: str, answers: list[Any], tries: int, codes: list[int]) -> None:
    call, end = called(fragment, *answers)
    assert len(call.asked("voice")) == tries
    assert call.codes == codes
    assert len({each.token for each in end.seen}) == 1


def test_a_slow_answer_is_not_waited_for_longer_than_the_address_says() -> None:
    call, _ = called("#rt=3000", slow)
    assert (call.codes, call.states[-1].at) == ([11200], pytest.approx(3.0, abs=0.01))
    call, end = called("#rt=3000&rp=rt&rc=1", slow, OVER)
    assert call.codes == []
    assert len(end.seen) == 2


def test_nobody_is_asked_for_longer_than_fifteen_seconds() -> None:
    call, _ = called("#rt=6000&rp=all&rc=5", *[slow] * 6)
    assert call.states[-1].at == pytest.approx(15.0, abs=0.01)


def test_an_address_that_cannot_be_reached_is_tried_twice() -> None:
    async def main() -> CarriedCall:
        network = Apps({"https://elsewhere.example.com": FarEnd().app})
        async with Twin("AC", "t", network, numbers=[Number(OURS, f"{PUBLIC}/voice")]) as twin:
            return await twin.call_in(Person(), OURS)

    call = run(main())
    assert [each.status for each in call.asked("voice")] == [0, 0]
    assert call.errors[0].status == 0
    assert "cannot be reached" in call.errors[0].what


def test_a_server_may_appear_while_it_is_asked() -> None:
    async def main() -> CarriedCall:
        end = FarEnd({"/voice": OVER})
        network = Apps({})
        async with Twin("AC", "t", network, numbers=[Number(OURS, f"{PUBLIC}/voice#rc=5&rp=all")]) as twin:
            leg = twin.begin_call_in(Person(), OURS)
            await asyncio.sleep(1.2)
            network.apps[PUBLIC] = end.app
            await leg.over.wait()
            return leg.record

    assert run(main()).codes == []


def test_a_callback_that_fails_is_noted_and_changes_nothing() -> None:
    end = FarEnd({"/voice": OVER, "/status": BUSY})
    call = held(end, lambda twin: twin.call_in(Person(), OURS))
    assert call.codes == [11200]
    assert call.hung_up_by == "document"


def test_an_application_that_crashes_is_a_500_and_is_kept() -> None:
    def crash(form: dict[str, str]) -> str:
        raise ValueError("on purpose")

    async def main() -> tuple[CarriedCall, list[BaseException]]:
        network = Apps(FarEnd({"/voice": crash}).app)
        async with Twin("AC", "t", network, numbers=[Number(OURS, f"{PUBLIC}/voice")]) as twin:
            return await twin.call_in(Person(), OURS), network.crashes

    call, crashes = run(main())
    assert call.errors[0].status == 500
    assert [str(each) for each in crashes] == ["on purpose"]


def test_an_answer_is_there_when_it_is_out_whatever_the_server_goes_on_with() -> None:
    done: list[float] = []

    async def go_on() -> None:
        await asyncio.sleep(20.0)
        done.append(asyncio.get_running_loop().time())

    async def scene(twin: Twin) -> CarriedCall:
        call = await twin.call_in(Person(), OURS)
        await asyncio.sleep(30.0)
        return call

    said = Response(document("<Say>hello</Say>"), media_type="text/xml", background=BackgroundTask(go_on))
    call = held(FarEnd({"/voice": said}), scene)
    assert call.announcements == ["hello"]
    assert call.errors == []
    assert [round(at) for at in done] == [20]


def test_leaving_the_twin_breaks_off_what_still_runs() -> None:
    async def main() -> CarriedCall:
        end = FarEnd({"/voice": document('<Say>hello</Say><Pause length="1000"/>')})
        async with Twin("AC", "t", Apps(end.app), numbers=[Number(OURS, f"{PUBLIC}/voice")]) as twin:
            leg = twin.begin_call_in(Person(), OURS)
            await asyncio.sleep(5.0)
        assert asyncio.get_running_loop().time() < 6.0
        assert len(asyncio.all_tasks()) == 1
        return leg.record

    assert run(main()).state == "in-progress"


def test_what_a_person_raises_comes_out_of_the_twin() -> None:
    def broken(heard: bytes) -> bytes:
        raise ZeroDivisionError

    async def main() -> None:
        end = FarEnd({"/voice": document("<Say>hello</Say>")})
        async with Twin("AC", "t", Apps(end.app), numbers=[Number(OURS, f"{PUBLIC}/voice")]) as twin:
            await twin.call_in(Person(next_frame=broken), OURS)

    with pytest.raises(ExceptionGroup) as raised:
        run(main())
    assert raised.group_contains(ZeroDivisionError)
