"""Calls that leave their stream for a while: callers are put through, keys are pressed, and the talk goes on."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from client_caller.agent import Agent, AgentKeys, AgentOutbound
from client_caller.conversation.actions import HangUp, SendKeys, Transfer
from client_caller.conversation.events import LineLost, LineResumed
from client_caller.twin.carried import CarriedCall
from client_caller.twin.faults import Faults, RestFault
from client_caller.twin.leg import Leg
from client_caller.twin.people import KeyPress, Person
from telephone.world import (
    ADA,
    AGENT,
    CALLER,
    COLLEAGUE,
    OURS,
    REPLY,
    Telephone,
    engines,
    hear_out,
    leaving,
    person,
    say,
    stay,
    telephone,
    wait,
)
from virtual import run

PHRASES = AGENT.phrases
OPENING = "Hello, this is Ruth, the automated assistant of Harbour Clinic. How can I help you?"
WISH = "i want to talk to a human please"
QUESTION = "what are your opening hours"

COLD = AGENT.model_copy(update={"transfer_to": COLLEAGUE})
WARM = AGENT.model_copy(update={"transfer_to": COLLEAGUE, "transfer_briefly": "A caller for you, who says: {words}"})


def is_update(method: str, path: str) -> bool:
    """Whether a REST request changes a call."""
    return method == "POST" and "/Calls/" in path


def insistent() -> Person:
    """Wants a human; whoever is then heard, asks a question of their own after that, and hangs up after the answer."""
    return person(hear_out(), say(WISH), hear_out(), hear_out(), say(QUESTION), hear_out())


def held(
    folder: Path,
    agent: Agent,
    caller: Person,
    colleague: Callable[[], Person],
    check: Callable[[Telephone, CarriedCall], Any],
    **options: Any,
) -> None:
    """Hold one call, with a colleague at their telephone, and look at it before the world ends."""

    async def scene() -> None:
        async with telephone(folder, agent=agent, people=lambda number: colleague(), **options) as at:
            call = await at.call(caller)
            await asyncio.sleep(10)  # what is still to be told
            check(at, call)

    run(scene())


def check_came_back(at: Telephone, call: CarriedCall, how: str) -> None:
    """Nobody took the call: the caller was told so, and the conversation has gone on with its history."""
    assert at.happened(call, LineResumed) == [LineResumed(how)]
    assert at.happened(call, LineLost) == []
    assert at.said(call) == [OPENING, PHRASES.connecting, PHRASES.not_reached, REPLY]
    assert at.said(call, "caller") == [WISH, QUESTION]
    assert call.streams == 2
    asked = at.engines.language_model.asked[-1]  # type: ignore[attr-defined]
    assert any(message.content.startswith(WISH) for message in asked if message.role == "user")


# Put through at once.


def test_who_asks_for_a_human_is_connected_and_that_is_all(tmp_path: Path) -> None:
    def check(at: Telephone, call: CarriedCall) -> None:
        assert at.said(call) == [OPENING, PHRASES.connecting]
        assert at.did(call, Transfer) == [Transfer(COLLEAGUE)]
        (leg,) = at.legs(COLLEAGUE)
        assert (leg.from_, leg.state, leg.hung_up_by) == (CALLER, "completed", "person")
        assert call.streams == 1
        assert call.hung_up_by == "document"  # when the colleague had hung up

    talk = lambda: person(say("front desk how can i help"), wait(20))  # noqa: E731
    held(tmp_path, COLD, person(hear_out(), say(WISH), stay()), talk, check)


async def outcome_of(at: Telephone, call: CarriedCall) -> str:
    return str((await at.kept(call))["call"]["outcome"])


def test_a_call_that_was_put_through_is_kept_as_transferred(tmp_path: Path) -> None:
    async def scene() -> str:
        people = lambda number: person(say("front desk"), wait(5))  # noqa: E731
        async with telephone(tmp_path, agent=COLD, people=people) as at:
            call = await at.call(person(hear_out(), say(WISH), stay()))
            await asyncio.sleep(10)
            return await outcome_of(at, call)

    assert run(scene()) == "transferred"


def test_a_callee_who_was_put_through_is_kept_as_transferred_too(tmp_path: Path) -> None:
    calling = COLD.model_copy(update={"outbound": AgentOutbound(reason="Your appointment is tomorrow.")})

    def people(number: str) -> Person:
        if number == COLLEAGUE:
            return person(say("front desk"), wait(5))
        return person(say("hello"), hear_out(), say(WISH), stay())

    async def scene() -> None:
        async with telephone(tmp_path, agent=calling, people=people) as at:
            order = await at.office.call(ADA, "answering", {}, consent="by telephone")
            await asyncio.sleep(60)
            assert (await at.office.order(order) or {})["outcome"] == "transferred"
            (call,) = at.legs(ADA)
            assert (await outcome_of(at, call), at.legs(COLLEAGUE)[0].from_) == ("transferred", OURS)

    run(scene())


def test_one_key_connects_to_a_human(tmp_path: Path) -> None:
    agent = COLD.model_copy(update={"keys": AgentKeys(human="0")})

    def check(at: Telephone, call: CarriedCall) -> None:
        assert at.said(call)[-1] == PHRASES.connecting
        assert call.dialled == [COLLEAGUE]

    talk = lambda: person(say("front desk"), wait(5))  # noqa: E731
    held(tmp_path, agent, person(stay(), keys=(KeyPress(5.0, "0"),)), talk, check)


@pytest.mark.parametrize("how", ["busy", "no-answer", "failed"])
def test_a_colleague_who_does_not_answer_leaves_the_caller_with_the_agent(tmp_path: Path, how: Any) -> None:
    away = lambda: Person(outcome=how)  # noqa: E731
    held(tmp_path, COLD, insistent(), away, lambda at, call: check_came_back(at, call, how))


# Put through with a briefing.


def test_a_colleague_is_told_what_it_is_about_and_takes_the_call_by_a_key(tmp_path: Path) -> None:
    heard: list[str] = []

    def choose(prompt: str) -> str:
        heard.append(prompt)
        return "1"

    def check(at: Telephone, call: CarriedCall) -> None:
        (leg,) = at.legs(COLLEAGUE)
        assert heard == [f"A caller for you, who says: {WISH} Press 1 to take the call, or 2 to decline."]
        assert (leg.from_, leg.direction, leg.state) == (OURS, "outbound-api", "completed")
        assert len(call.dialled) == 1  # the room in which both meet
        assert leg.dialled == call.dialled
        assert at.said(call) == [OPENING, PHRASES.connecting]
        assert call.streams == 1

    talk = lambda: Person(next_frame=person(wait(8), say("front desk"), wait(10)).next_frame, responds=choose)  # noqa: E731
    held(tmp_path, WARM, person(hear_out(), say(WISH), stay()), talk, check)


@pytest.mark.parametrize(("key", "how"), [("2", "declined"), ("", "declined")])
def test_a_colleague_who_will_not_or_is_a_machine_leaves_the_caller_with_the_agent(
    tmp_path: Path, key: str, how: str
) -> None:
    away = lambda: person(stay(), responds=lambda prompt: key)  # noqa: E731
    held(tmp_path, WARM, insistent(), away, lambda at, call: check_came_back(at, call, how))


@pytest.mark.parametrize("how", ["busy", "no-answer", "failed"])
def test_a_colleague_who_cannot_be_briefed_leaves_the_caller_with_the_agent(tmp_path: Path, how: Any) -> None:
    away = lambda: Person(outcome=how)  # noqa: E731
    held(tmp_path, WARM, insistent(), away, lambda at, call: check_came_back(at, call, how))


def test_a_caller_who_hangs_up_on_hold_is_not_offered_to_the_colleague(tmp_path: Path) -> None:
    def check(at: Telephone, call: CarriedCall) -> None:
        (leg,) = at.legs(COLLEAGUE)
        assert leg.state == "canceled"  # it still rang
        assert call.hung_up_by == "person"

    slow = lambda: person(stay(), ring_s=15)  # noqa: E731
    held(tmp_path, WARM, person(hear_out(), say(WISH), hear_out(), wait(5)), slow, check)


def test_a_colleague_who_hangs_up_while_being_briefed_leaves_the_caller_with_the_agent(tmp_path: Path) -> None:
    away = lambda: person(wait(2))  # noqa: E731
    held(tmp_path, WARM, insistent(), away, lambda at, call: check_came_back(at, call, "declined"))


@pytest.mark.parametrize("key", ["1", "2"])
def test_callers_who_hang_up_in_every_moment_of_a_transfer_leave_no_colleague_on_the_line(
    tmp_path: Path, key: str
) -> None:
    """Each colleague would stay for ever, and each caller who is not put through talks on until they hang up."""
    moments, terse = 16, WARM.model_copy(update={"identity": "", "greeting": "Hello."})

    async def scene() -> None:
        people = lambda number: person(stay(), ring_s=1.0, responds=lambda prompt: key)  # noqa: E731
        async with telephone(tmp_path, agent=terse, people=people, server={"calls_at_once": moments}) as at:
            legs = []
            for n in range(moments):
                caller = leaving(1.3 * n, hear_out(0.1), say("a human please"), stay())
                legs.append(at.twin.begin_call_in(caller, OURS, CALLER))
                await asyncio.sleep(0.1)
            for leg in legs:
                await leg.over.wait()
            await asyncio.sleep(10)
            colleagues = at.legs(COLLEAGUE)
            assert len(colleagues) > moments / 2
            assert {leg.state for leg in colleagues} <= {"completed", "canceled"}
            outcomes = {(await at.kept(leg.sid))["call"]["outcome"] for leg in legs if at.records(leg.sid)}
            assert outcomes == {"talked", "transferred"}

    run(scene())


# What the operator asks for while a call runs.


async def during(at: Telephone, caller: Person, after_s: float, do: Callable[[Leg], bool]) -> CarriedCall:
    """Hold a call, in which this is done so long after its beginning."""
    leg = at.twin.begin_call_in(caller, OURS, CALLER)
    await asyncio.sleep(after_s)
    assert do(leg)
    await leg.over.wait()
    return leg.record


def test_keys_are_pressed_on_order_and_the_conversation_goes_on_as_if_nothing_were(tmp_path: Path) -> None:
    async def scene() -> None:
        async with telephone(tmp_path) as at:
            caller = person(hear_out(), say("hello there"), hear_out(), wait(3), say(QUESTION), hear_out())
            call = await during(at, caller, 8, lambda leg: at.office.press(leg.sid, "12w34#"))
            assert at.did(call, SendKeys) == [SendKeys("12w34#")]
            assert call.keys_heard == "1234#"
            assert call.streams == 2
            assert at.happened(call, LineResumed) == [LineResumed("keys")]
            assert at.said(call) == [OPENING, REPLY, REPLY]
            assert at.said(call, "caller") == ["hello there", QUESTION]

    run(scene())


def test_an_answer_that_keys_have_cut_is_said_to_its_end(tmp_path: Path) -> None:
    async def scene() -> None:
        async with telephone(tmp_path) as at:
            caller = person(hear_out(), say(QUESTION), hear_out(2.0))
            call = await during(at, caller, 7.0, lambda leg: at.office.press(leg.sid, "1"))
            cut, rest = at.remembered(call)[-2:]
            assert cut.cut_by == "line"
            assert REPLY.endswith(rest.text)
            assert rest.text.endswith(REPLY.removeprefix(cut.text).strip())
            assert PHRASES.dropped not in " ".join(at.said(call))

    run(scene())


def test_the_end_of_a_call_on_order_comes_after_a_goodbye(tmp_path: Path) -> None:
    async def scene() -> None:
        async with telephone(tmp_path) as at:
            call = await during(at, person(stay()), 5, lambda leg: at.office.hang_up(leg.sid, "the shop closes"))
            assert at.said(call) == [OPENING, PHRASES.farewell]
            assert at.did(call, HangUp) == [HangUp("the shop closes")]
            assert call.hung_up_by == "document"

    run(scene())


def test_a_transfer_on_order_leads_where_it_was_ordered(tmp_path: Path) -> None:
    async def scene() -> None:
        people = lambda number: person(say("front desk"), wait(5))  # noqa: E731
        async with telephone(tmp_path, people=people) as at:
            call = await during(at, person(stay()), 5, lambda leg: at.office.transfer(leg.sid, COLLEAGUE, ""))
            assert at.said(call) == [OPENING, PHRASES.connecting]
            assert call.dialled == [COLLEAGUE]

    run(scene())


def test_nothing_is_ordered_of_a_call_that_there_is_not(tmp_path: Path) -> None:
    async def scene() -> None:
        async with telephone(tmp_path) as at:
            assert not at.office.press("CA0", "1")
            assert not at.office.transfer("CA0", COLLEAGUE, "")
            assert not at.office.hang_up("CA0", "")

    run(scene())


# When the carrier takes no requests.


def broken(method: str, path: str) -> RestFault | None:
    """Whatever changes a call fails."""
    return RestFault() if is_update(method, path) else None


def test_keys_are_pressed_though_the_carrier_takes_no_requests(tmp_path: Path) -> None:
    """The stream is closed instead, and then Twilio asks what is next."""

    async def scene() -> None:
        async with telephone(tmp_path, faults=Faults(rest=broken)) as at:
            caller = person(hear_out(), wait(20), say(QUESTION), hear_out())
            call = await during(at, caller, 5, lambda leg: at.office.press(leg.sid, "5"))
            assert call.keys_heard == "5"
            assert at.happened(call, LineResumed) == [LineResumed("keys")]
            assert at.said(call)[-1] == REPLY
            assert PHRASES.dropped not in " ".join(at.said(call))

    run(scene())


def test_a_caller_is_put_through_though_the_carrier_takes_no_requests(tmp_path: Path) -> None:
    def check(at: Telephone, call: CarriedCall) -> None:
        assert call.dialled == [COLLEAGUE]
        assert at.legs(COLLEAGUE)[0].state == "completed"

    talk = lambda: person(say("front desk"), wait(5))  # noqa: E731
    held(tmp_path, COLD, person(hear_out(), say(WISH), stay()), talk, check, faults=Faults(rest=broken))


def test_a_colleague_who_cannot_be_rung_up_leaves_the_caller_with_the_agent(tmp_path: Path) -> None:
    def refused(method: str, path: str) -> RestFault | None:
        return RestFault(400, 21_210) if method == "POST" and path.endswith("/Calls.json") else None

    faults = Faults(rest=refused)
    caller = person(hear_out(), say(WISH), hear_out(), say(QUESTION), hear_out())  # it is tried and over at once
    held(tmp_path, WARM, caller, Person, lambda at, call: check_came_back(at, call, "failed"), faults=faults)


def test_a_caller_on_hold_is_led_back_once_the_carrier_takes_requests_again(tmp_path: Path) -> None:
    tries: list[str] = []

    def at_first(method: str, path: str) -> RestFault | None:
        if not is_update(method, path):
            return None
        tries.append(path)
        return RestFault() if 1 < len(tries) <= 7 else None  # the first leads the caller to hold

    def check(at: Telephone, call: CarriedCall) -> None:
        check_came_back(at, call, "busy")
        assert len(tries) == 8

    busy = lambda: Person(outcome="busy")  # noqa: E731
    held(tmp_path, WARM, insistent(), busy, check, faults=Faults(rest=at_first), made_of=engines())
