"""How calls end, and that nothing is left of them but what is kept."""

import asyncio
from itertools import repeat
from pathlib import Path

import pytest

from calls import (
    AGENT,
    GREETING,
    LONG,
    QUESTION,
    REPLY,
    SETTINGS,
    Caller,
    HeldCall,
    Opened,
    Script,
    engines,
    heart_of,
    hold,
)
from client_caller.agent import AgentLimits
from client_caller.audio.frame import FRAME_S
from client_caller.audio.mulaw import encode
from client_caller.conversation.actions import HangUp, Turn
from client_caller.conversation.events import CallAnswered, HungUp, LineLost
from client_caller.conversation.machine import Conversation
from client_caller.conversation.transitions import Phase
from client_caller.errors import LocalProtocolError
from client_caller.line.simulated import SimulatedLine
from client_caller.manner import manner_of
from client_caller.records.flight import DeadlineEntry, EventEntry, FactEntry, read_record
from client_caller.speaking.tone import tone
from client_caller.thinking.scripted import ScriptedModel
from virtual import run


async def until_the_line_opens(caller: Caller) -> None:
    """The caller is gone as soon as the call was answered."""


async def until_asked(caller: Caller) -> None:
    await caller.hear_out()


async def until_half_said(caller: Caller) -> None:
    await caller.hear_out()
    await caller.say(0.4)


async def until_just_said(caller: Caller) -> None:
    await until_half_said(caller)
    await caller.wait(0.12)


async def until_thinking(caller: Caller) -> None:
    await until_half_said(caller)
    await caller.wait(1.2)  # a little later a filler would be heard


async def until_answered(caller: Caller) -> None:
    await until_half_said(caller)
    await caller.hear(0.5)


MOMENTS = {
    "in the greeting": (until_the_line_opens, 0.1, Phase.SPEAKING),
    "after it": (until_asked, 0.1, Phase.LISTENING),
    "while speaking": (until_half_said, 0.1, Phase.LISTENING),
    "in a pause": (until_just_said, 0.1, Phase.PAUSED),
    "while the agent thinks": (until_thinking, 5.0, Phase.THINKING),
    "in the answer": (until_answered, 0.1, Phase.SPEAKING),
}
EVERY_MOMENT = pytest.mark.parametrize(("script", "first_token_s", "phase"), MOMENTS.values(), ids=MOMENTS)


def phase_at_the_end(held: HeldCall) -> Phase:
    """Who had the floor when the call ended."""
    header, entries = read_record(held.record)
    heart = heart_of(header.conversation)
    for entry in entries:
        match entry:
            case EventEntry(event=HungUp() | LineLost()):
                return heart.phase
            case EventEntry(t, event):
                heart.handle(event, t)
            case DeadlineEntry(t):
                heart.handle_deadline(t)
    raise AssertionError("the call did not end")


@EVERY_MOMENT
def test_the_caller_may_hang_up_at_any_moment(
    tmp_path: Path, script: Script, first_token_s: float, phase: Phase
) -> None:
    slow = ScriptedModel(lambda messages: REPLY, first_token_s)
    held = run(hold(script, tmp_path, engines(language_model=slow)))
    assert held.ended_by_caller
    assert held.ended_at - held.left_at < 0.02
    assert phase_at_the_end(held) is phase


@EVERY_MOMENT
def test_a_lost_line_is_noted_and_is_no_end_of_the_call(
    tmp_path: Path, script: Script, first_token_s: float, phase: Phase
) -> None:
    async def broken(caller: Caller) -> None:
        await script(caller)
        caller.line.break_off()
        await caller.wait(0.1)

    slow = ScriptedModel(lambda messages: REPLY, first_token_s)
    held = run(hold(broken, tmp_path, engines(language_model=slow)))
    assert not held.ended_by_caller
    assert phase_at_the_end(held) is phase
    facts = [entry.name for entry in read_record(held.record)[1] if isinstance(entry, FactEntry)]
    assert "line lost" in facts
    assert held.happened(LineLost)
    assert not held.happened(HungUp)


def test_a_caller_who_was_never_there_is_no_failure(tmp_path: Path) -> None:
    line = SimulatedLine()
    line.hang_up_by_caller()
    held = run(hold(until_the_line_opens, tmp_path, engines(), line=line))
    assert held.stretches == held.remembered == []


def test_a_call_that_lasted_as_long_as_it_may_ends_when_the_goodbye_was_heard(tmp_path: Path) -> None:
    async def script(caller: Caller) -> None:
        await caller.hear_out()
        await caller.wait(4.0)
        await caller.say(0.4)  # in the goodbye, which is not stopped by it
        await caller.wait(4.0)

    agent = AGENT.model_copy(update={"limits": AgentLimits(max_call_s=4.0)})
    held = run(hold(script, tmp_path, engines(), agent=agent))
    goodbye = agent.phrases.goodbye
    assert not held.ended_by_caller
    assert len(held.did(HangUp)) == 1
    assert held.remembered == [Turn("agent", GREETING), Turn("agent", goodbye)]
    assert held.stretches[-1].begins == pytest.approx(4.0, abs=0.1)
    assert held.stretches[-1].words == pytest.approx(len(goodbye.split()))
    assert held.ended_at - held.stretches[-1].ends < 0.1


def test_a_call_that_may_last_no_longer_ends_though_the_agent_is_in_the_middle_of_an_answer(tmp_path: Path) -> None:
    async def script(caller: Caller) -> None:
        await until_answered(caller)
        await caller.wait(20.0)

    agent = AGENT.model_copy(update={"limits": AgentLimits(max_call_s=4.0)})
    held = run(hold(script, tmp_path, engines(reply=LONG), agent=agent))
    assert not held.ended_by_caller
    answer, goodbye = held.remembered[-2:]
    assert answer.cut_by
    assert LONG.startswith(answer.text)
    assert goodbye == Turn("agent", agent.phrases.goodbye)


def test_a_call_has_six_tasks_at_most_beside_the_one_that_runs_it(tmp_path: Path) -> None:
    tasks: list[int] = []

    async def count() -> None:
        while True:
            tasks.append(len(asyncio.all_tasks()))
            await asyncio.sleep(FRAME_S)

    async def script(caller: Caller) -> None:
        counting = asyncio.create_task(count())
        await until_answered(caller)
        counting.cancel()

    run(hold(script, tmp_path, engines()))
    its_caller, who_runs_it, who_counts = 1, 1, 1
    assert len(tasks) > 100
    assert max(tasks) - its_caller - who_runs_it - who_counts <= 6


def test_a_hundred_calls_in_a_row_leave_no_task_no_stream_and_no_open_file(tmp_path: Path) -> None:
    async def script(caller: Caller) -> None:
        await caller.hear_out()
        await caller.say(0.2)
        await caller.hear_out()

    async def main() -> None:
        shared = engines(repeat(QUESTION), "It is nine.")
        agent = AGENT.model_copy(update={"greeting": "Hello."})
        for number in range(100):
            held = await hold(script, tmp_path / str(number), shared, agent=agent)
            assert [turn.speaker for turn in held.remembered] == ["agent", "caller", "agent"]

    run(main())


async def cancelled_at(instant: float, steps: int, folder: Path) -> None:
    """Run a call with a question in it, and cancel it from outside at an instant, some loop steps into it."""
    line, shared, before = SimulatedLine(), engines(), asyncio.all_tasks()
    opened = Opened(folder, line, shared)
    running = asyncio.create_task(opened.call.run())
    line.say(encode(tone(4, 0.4)))
    await asyncio.sleep(instant)
    for _ in range(steps):
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert asyncio.all_tasks() == before
    assert shared.language_model.open_streams == 0
    opened.check_closed()
    assert read_record(opened.path)[1]


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_call_can_be_cancelled_at_any_step_and_leaves_nothing_behind(tmp_path: Path, steps: int) -> None:
    async def main() -> None:
        for number in range(25):
            await cancelled_at(number * 0.06, steps, tmp_path / str(number))

    run(main())


def test_an_impossible_event_ends_the_call_with_that_error_and_no_other(tmp_path: Path) -> None:
    async def main() -> None:
        before = asyncio.all_tasks()
        heart = Conversation(manner_of(AGENT, SETTINGS))
        heart.handle(CallAnswered(), 0.0)  # so that being answered again is impossible
        opened = Opened(tmp_path, SimulatedLine(), engines(), heart=heart)
        opened.recording.start(0.0)
        with pytest.raises(ExceptionGroup) as raised:
            await opened.call.run()
        (error,) = raised.value.exceptions
        assert isinstance(error, LocalProtocolError)
        assert "CallAnswered cannot happen while speaking" in str(error)
        assert asyncio.all_tasks() == before
        opened.check_closed()

    run(main())
