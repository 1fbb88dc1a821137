"""What the language model has done by its tools, seen from the carrier: transfers, keys, opting out, calling back."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from client_caller.agent import Agent, AgentOutbound, AgentTransfer
from client_caller.conversation.actions import HangUp, SendKeys, Transfer
from client_caller.conversation.events import LineResumed
from client_caller.dialler import NotAllowedError
from client_caller.thinking.protocol import Message, ToolCall
from client_caller.thinking.scripted import Reply
from client_caller.twin.carried import CarriedCall
from client_caller.twin.people import Person
from outbound_calls import NOON
from telephone.world import (
    AGENT,
    CALLER,
    COLLEAGUE,
    REPLY,
    Telephone,
    engines,
    hear_out,
    person,
    say,
    stay,
    telephone,
    wait,
)
from virtual import run

PAIN, MENU = "my tooth hurts", "press one for sales"
FORGET, LATER = "just forget my number", "phone me at half past one"
OPENING = "Hello, this is Ruth, the automated assistant of Harbour Clinic. How can I help you?"
AT = "2026-06-02T17:30+00:00"
"""Half past one in New York, where it is noon now."""

NURSE = AgentTransfer(name="the nurse", to=COLLEAGUE, when="Pain.", briefly="A patient: {words}")
TOOLED = AGENT.model_copy(
    update={
        "transfers": (NURSE,),
        "built_in": ("hang_up", "transfer", "send_digits", "opt_out", "schedule_callback"),
        "outbound": AgentOutbound(reason="You asked us to call you back."),
    }
)
CALLS = {
    PAIN: ToolCall("transfer", '{"to": "the nurse", "reason": "their tooth hurts"}'),
    MENU: ToolCall("send_digits", '{"digits": "1w2"}'),
    FORGET: ToolCall("opt_out", "{}"),
    LATER: ToolCall("schedule_callback", f'{{"at": "{AT}", "about": "an appointment"}}'),
}


def answers(messages: Sequence[Message]) -> Reply:
    """Calls the tool that the caller's words ask for, and answers everything else."""
    said = messages[-1].content
    call = next((call for words, call in CALLS.items() if messages[-1].role == "user" and said.endswith(words)), None)
    return [call] if call else REPLY


def held(
    folder: Path,
    caller: Person,
    check: Callable[[Telephone, CarriedCall], Any],
    people: Callable[[str], Person] = lambda number: Person(outcome="failed"),
    agent: Agent = TOOLED,
) -> None:
    """Hold one call, and look at it before the world ends."""

    async def scene() -> None:
        async with telephone(folder, agent=agent, people=people, made_of=engines(answers)) as at:
            call = await at.call(caller)
            await asyncio.sleep(10)  # what is still to be told
            looked = check(at, call)
            if looked is not None:
                await looked

    run(scene())


def test_the_model_puts_a_caller_through_to_somebody_of_its_file_who_is_told_why(tmp_path: Path) -> None:
    heard: list[str] = []

    def choose(prompt: str) -> str:
        heard.append(prompt)
        return "1"

    def check(at: Telephone, call: CarriedCall) -> None:
        (leg,) = at.legs(COLLEAGUE)
        assert heard == ["A patient: their tooth hurts Press 1 to take the call, or 2 to decline."]
        assert leg.state == "completed"
        assert leg.dialled == call.dialled, "both meet in one room"
        assert at.said(call) == [OPENING, AGENT.phrases.connecting]
        assert at.did(call, Transfer) == [Transfer(COLLEAGUE, "A patient: their tooth hurts")]

    nurse = person(wait(8), say("this is the nurse"), wait(10), responds=choose)
    held(tmp_path, person(hear_out(), say(PAIN), stay()), check, lambda number: nurse)


def test_a_caller_whom_nobody_takes_is_back_with_the_agent_and_told_so(tmp_path: Path) -> None:
    def check(at: Telephone, call: CarriedCall) -> None:
        assert at.happened(call, LineResumed) == [LineResumed("declined")]
        assert at.said(call) == [OPENING, AGENT.phrases.connecting, AGENT.phrases.not_reached, REPLY]
        asked = at.engines.language_model.asked[-1]  # type: ignore[attr-defined]
        assert [message.call for message in asked if message.call] == [CALLS[PAIN]]

    caller = person(hear_out(), say(PAIN), hear_out(), hear_out(), say("then what are your hours"), hear_out())
    nurse = person(stay(), responds=lambda prompt: "2")
    held(tmp_path, caller, check, lambda number: nurse)


def test_the_model_presses_keys_and_the_conversation_goes_on(tmp_path: Path) -> None:
    def check(at: Telephone, call: CarriedCall) -> None:
        assert at.did(call, SendKeys) == [SendKeys("1w2")]
        assert call.keys_heard == "12"
        assert at.happened(call, LineResumed) == [LineResumed("keys")]
        assert at.said(call) == [OPENING, REPLY]
        assert at.said(call, "caller") == [MENU, "what are your hours"]

    held(tmp_path, person(hear_out(), say(MENU), wait(8), say("what are your hours"), hear_out()), check)


def test_who_is_opted_out_by_the_model_is_told_so_and_never_called_again(tmp_path: Path) -> None:
    async def check(at: Telephone, call: CarriedCall) -> None:
        assert at.said(call)[-1] == AGENT.phrases.opted_out
        assert at.did(call, HangUp) == [HangUp("opted out")]
        assert (await at.kept(call))["call"]["outcome"] == "opted out"
        (entry,) = await at.office.forbidden()
        assert (entry["number"], entry["source"]) == (CALLER, "caller said so")
        with pytest.raises(NotAllowedError):
            await at.office.call(CALLER, "answering", {}, consent="yes")

    held(tmp_path, person(hear_out(), say(FORGET), stay()), check)


def test_who_asks_for_a_call_back_at_an_hour_is_called_then_and_not_before(tmp_path: Path) -> None:
    async def scene() -> None:
        callee = person(say("hello"), hear_out(), say("thanks"), hear_out())
        began_at = asyncio.get_running_loop().time()
        async with telephone(
            tmp_path, agent=TOOLED, people=lambda number: callee, made_of=engines(answers), records={"audio": False}
        ) as at:
            call = await at.call(person(hear_out(), say(LATER), hear_out()))
            await asyncio.sleep(1.4 * 3600)
            noted = {entry.get("what"): entry.get("detail") for entry in (await at.kept(call))["entries"]}
            assert noted["a call back was asked for"] == f'{{"at": "{AT}", "about": "an appointment"}}'
            assert at.legs(CALLER) == []
            await asyncio.sleep(0.3 * 3600)
            (leg,) = at.legs(CALLER)
            placed = NOON + timedelta(seconds=leg.states[0].at - began_at)
            assert "17:30" <= f"{placed:%H:%M}" <= "17:32"
            assert leg.state == "completed"
            assert "You asked us to call you back." in " ".join(at.said(leg))

    run(scene())


def test_no_call_back_is_promised_by_an_agent_who_cannot_make_one(tmp_path: Path) -> None:
    """Its reason to call needs a word that only an order brings along."""
    named = TOOLED.model_copy(update={"outbound": AgentOutbound(reason="I am calling about {what}.")})

    async def check(at: Telephone, call: CarriedCall) -> None:
        (told,) = [turn.text for turn in at.remembered(call) if turn.speaker == "tool"]
        assert told == "A colleague was told to call back. Do not promise a time."
        assert "a call back was asked for" in {entry.get("what") for entry in (await at.kept(call))["entries"]}
        assert await at.office.campaigns() == []

    held(tmp_path, person(hear_out(), say(LATER), hear_out()), check, agent=named)
