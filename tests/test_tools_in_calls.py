"""Whole calls in which the model uses tools, on a clock that jumps: what the caller hears, and what was really done."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise, repeat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from calls import AGENT, GREETING, WORD_S, Caller, HeldCall, engines, heart_of, hold
from client_caller.agent import Agent, AgentTransfer
from client_caller.audio.frame import FRAME_S
from client_caller.conversation.actions import HangUp, PlayFiller, Remember, RunTool, StartReply, Transfer, Turn
from client_caller.conversation.events import EngineFailed, LineResumed, ToolAnswered
from client_caller.conversation.tool_use import LOST, RUNNING
from client_caller.errors import ToolFailed
from client_caller.faults import crash, faulty, scheduled
from client_caller.house import House
from client_caller.ledger.entries import CallNoted, Entry
from client_caller.line.protocol import Parties
from client_caller.line.simulated import SimulatedLine
from client_caller.records.flight import ActionEntry, EventEntry, read_record
from client_caller.records.replay import replay
from client_caller.settings import HearingSettings, RecordSettings, Settings
from client_caller.speaking.tone import ToneVoice
from client_caller.thinking.protocol import Message, ToolCall
from client_caller.thinking.scripted import Reply, ScriptedModel
from client_caller.tools.function_tool import CallContext, tool
from client_caller.tools.toolbox import Toolbox
from virtual import run

WISH, PRICE = "Please book me in for tomorrow at three.", "And what does it cost?"
BOOK = ToolCall("book", '{"at": "three"}')
BRIDGE = "I am writing that down."
TOO_LATE = "I do not know whether it was booked."

Model = Callable[[Sequence[Message]], Reply]


@dataclass
class Diary:
    """Where appointments are made, which takes a while; what was begun, done and broken off there."""

    takes_s: float = 0.3
    begun: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    broken_off: list[str] = field(default_factory=list)

    def box(self) -> Toolbox:
        @tool(bridge=BRIDGE)
        async def book(at: str) -> str:
            """Books an appointment."""
            self.begun.append(at)
            try:
                await asyncio.sleep(self.takes_s)
            except asyncio.CancelledError:
                self.broken_off.append(at)
                raise
            self.done.append(at)
            return f"Booked for {at}."

        return Toolbox([book.bound(CallContext("simulated", "", {}))], "simulated")


def books(messages: Sequence[Message]) -> Reply:
    """Books at once whatever is asked, tells what came of it, and knows the price."""
    last = messages[-1]
    if last.role == "tool":
        return TOO_LATE if "not known" in last.content else "It is booked."
    return "Thirty euros." if last.content.endswith(PRICE) else [BOOK]


def looks_first(messages: Sequence[Message]) -> Reply:
    """The same, with a word before."""
    reply = books(messages)
    return ["Let me see.", *reply] if isinstance(reply, list) else reply


async def one_wish(caller: Caller) -> None:
    await caller.hear_out()
    await caller.say()
    await caller.hear_out()


def held(
    folder: Path,
    diary: Diary,
    script: Callable[[Caller], Awaitable[None]] = one_wish,
    model: Model = books,
    texts: Sequence[str] = (WISH,),
) -> tuple[HeldCall, ScriptedModel]:
    """Hold a call; what the transcriber finds at each pause are `texts`."""
    scripted = ScriptedModel(model, 0.1, 0.02)
    call = run(hold(script, folder, engines(texts, language_model=scripted), toolbox=diary.box()))
    return call, scripted


def spoken(call: HeldCall) -> list[str]:
    """What the agent was heard to say, after the greeting."""
    return " ".join(call.said_by("agent")).removeprefix(GREETING).split()


def tools_in(history: Sequence[Turn]) -> list[str]:
    return [turn.text for turn in history if turn.speaker == "tool"]


# How long it takes.


def test_a_tool_that_takes_a_moment_is_not_heard_of(tmp_path: Path) -> None:
    diary = Diary(takes_s=0.3)
    call, model = held(tmp_path, diary, model=looks_first)
    assert call.did(PlayFiller) == []
    assert spoken(call) == ["Let", "me", "see.", "It", "is", "booked."]
    assert diary.done == ["three"]
    assert [turn.speaker for turn in call.remembered] == ["agent", "caller", "agent", "tool", "agent"]
    assert [message.role for message in model.asked[-1][-3:]] == ["user", "assistant", "tool"]
    assert model.asked[-1][-2] == Message("assistant", "Let me see.", BOOK)
    assert [offer.name for offer in model.offered] == ["book"]


def test_a_longer_silence_is_bridged_and_then_comes_the_answer(tmp_path: Path) -> None:
    call, _ = held(tmp_path, Diary(takes_s=2.5), lambda caller: _then(caller, 6.0), looks_first)
    assert spoken(call) == f"Let me see. {BRIDGE} It is booked.".split()
    before, bridge = call.stretches[-3:-1]
    assert before.words == pytest.approx(3, abs=0.2)
    assert 0.7 <= bridge.begins - before.ends <= 0.9


def test_who_gets_no_word_before_the_tool_hears_the_bridge_as_soon(tmp_path: Path) -> None:
    call, _ = held(tmp_path, Diary(takes_s=1.5))
    assert spoken(call) == f"{BRIDGE} It is booked.".split()
    assert 0.7 <= call.stretches[-1].begins - call.did(RunTool)[0][0] <= 0.9
    assert call.stretches[-1].words == pytest.approx(8, abs=0.2), "the answer follows on the bridge"


async def _then(caller: Caller, seconds: float) -> None:
    await caller.hear_out()
    await caller.say()
    await caller.wait(seconds)


def test_a_tool_that_hangs_is_given_up_in_its_time_and_the_caller_is_told_the_truth(tmp_path: Path) -> None:
    diary = Diary(takes_s=30.0)
    call, _ = held(tmp_path, diary, lambda caller: _then(caller, 12.0))
    (ran_at, _), ((answered_at, answered),) = call.did(RunTool)[0], call.happened(ToolAnswered)
    assert answered_at - ran_at == pytest.approx(5.0, abs=0.1)
    assert "it is not known whether it was done" in answered.text
    assert " ".join(spoken(call)).endswith(TOO_LATE)
    assert (diary.done, diary.broken_off) == ([], ["three"])
    asked_until = call.caller.spoken[0][1]
    heard = [stretch for stretch in call.stretches if stretch.ends > asked_until]
    silences = [other.begins - one.ends for one, other in pairwise(heard)]
    assert max(silences) <= 1.3, "the caller is not left in silence meanwhile"


@pytest.mark.parametrize("words", [0, 2])
def test_a_bridge_whose_voice_crashes_costs_the_caller_nothing_but_its_words(tmp_path: Path, words: int) -> None:
    voice = faulty(ToneVoice(WORD_S, 0.02), scheduled([None, crash(after=words)]))
    made_of = engines((WISH,), language_model=ScriptedModel(books, 0.1, 0.02), voice=voice)
    diary = Diary(takes_s=2.5)
    call = run(hold(lambda caller: _then(caller, 6.0), tmp_path, made_of, toolbox=diary.box()))
    assert diary.done == ["three"]
    assert len(call.happened(EngineFailed)) == 1
    heard = " ".join(BRIDGE.split()[:words])
    assert spoken(call) == f"{heard} One moment, please. It is booked.".split()


# The caller breaks in.


async def _in_mid_tool(caller: Caller) -> None:
    await caller.hear_out()
    await caller.say()
    await caller.wait(1.0)
    await caller.say()
    await caller.hear_out()


def test_who_asks_something_else_meanwhile_is_answered_and_the_result_is_known_by_then(tmp_path: Path) -> None:
    diary = Diary(takes_s=1.2)
    call, model = held(tmp_path, diary, _in_mid_tool, texts=(WISH, PRICE))
    assert diary.done == ["three"]
    assert spoken(call)[-2:] == ["Thirty", "euros."]
    prompt = model.asked[-1]
    assert [message.content for message in prompt if message.role == "tool"] == ["Booked for three."]
    assert prompt[-1].content == PRICE
    assert Turn("caller", WISH) in call.remembered
    assert Turn("tool", "Booked for three.", None, BOOK.name, BOOK.arguments) in call.remembered


def test_a_result_that_comes_later_still_is_known_to_the_answer_after_that(tmp_path: Path) -> None:
    async def two_more(caller: Caller) -> None:
        await _in_mid_tool(caller)
        await caller.wait(3.0)
        await caller.say()
        await caller.hear_out()

    call, _ = held(tmp_path, Diary(takes_s=4.0), two_more, texts=(WISH, PRICE, PRICE))
    prompts = [action.history for _, action in call.did(StartReply)]
    assert [RUNNING] in [tools_in(prompt) for prompt in prompts]
    assert tools_in(prompts[-1]) == ["Booked for three."]
    assert len(call.did(RunTool)) == 1


def test_the_same_wish_twice_is_done_once(tmp_path: Path) -> None:
    async def twice(caller: Caller) -> None:
        for _ in range(2):
            await caller.say() if caller.spoken else await one_wish(caller)
        await caller.hear_out()

    diary = Diary()
    call, _ = held(tmp_path, diary, twice, texts=(WISH, WISH))
    assert len(call.did(RunTool)) == 2
    assert diary.begun == ["three"]
    told = [event.text for _, event in call.happened(ToolAnswered)]
    assert told[1] == "book was already called with these arguments; it came to this: Booked for three."


def test_who_hangs_up_while_a_tool_runs_leaves_nothing_behind(tmp_path: Path) -> None:
    diary = Diary(takes_s=3.0)
    call, _ = held(tmp_path, diary, lambda caller: _then(caller, 1.5))
    assert diary.broken_off == ["three"]
    assert tools_in(call.remembered) == [LOST]


# Calls in a house: the tools of an agent file, the desk, a record that is gone on with.

CALL = "CA1"
THEIRS = "+12125550101"
NOW = datetime(2026, 11, 26, 10, 0, tzinfo=UTC)


@dataclass
class Kept:
    """Calls in one house, and what it kept."""

    folder: Path
    agent: Agent
    texts: Sequence[str]
    model: ScriptedModel
    entries: list[Entry] = field(default_factory=list)

    def house(self) -> House:
        settings = Settings(
            _env_file=None, hearing=HearingSettings(interim_s=0), records=RecordSettings(folder=self.folder)
        )
        made_of = engines(self.texts, language_model=self.model)
        return House(settings, self.agent, made_of, self.entries.append, now=lambda: NOW)

    def notes(self) -> list[tuple[str, Any]]:
        """What callers have left."""
        found = [entry for entry in self.entries if isinstance(entry, CallNoted) and entry.detail]
        return [(entry.what, json.loads(entry.detail)) for entry in found]

    @property
    def record(self) -> Path:
        (path,) = self.folder.glob("*/record.jsonl")
        return path

    def did(self, kind: type[Any]) -> list[Any]:
        done = [entry.action for entry in read_record(self.record)[1] if isinstance(entry, ActionEntry)]
        return [action for action in done if isinstance(action, kind)]


async def stream(
    house: House, script: Callable[[Caller], Awaitable[None]], *, back_from: str = "", lost: bool = False
) -> Caller:
    """One stream of the call; it breaks off after the script if it is to be lost, else the caller hangs up."""
    caller = Caller(SimulatedLine(CALL, parties=Parties(THEIRS, "+12125550100"), back_from=back_from))
    running = asyncio.create_task(house.answer(caller.line))
    await asyncio.sleep(FRAME_S / 2)
    await script(caller)
    (caller.line.break_off if lost else caller.line.hang_up_by_caller)()
    await running
    return caller


def in_turn(calls: dict[str, ToolCall], otherwise: str = "All right.") -> Model:
    """Calls a tool where the caller's words ask for one, and says something to whatever it tells."""

    def reply(messages: Sequence[Message]) -> Reply:
        last = messages[-1]
        if last.role == "tool":
            return otherwise
        return next(([call] for words, call in calls.items() if last.content.endswith(words)), otherwise)

    return reply


def test_a_message_and_a_call_back_reach_the_ledger(tmp_path: Path) -> None:
    message, later = "Tell them that I will be late.", "Call me back on Friday at nine."
    calls = {
        message: ToolCall("take_message", '{"message": "Ada will be late.", "name": "Ada"}'),
        later: ToolCall("schedule_callback", '{"at": "2026-11-27T09:00", "about": "the delay"}'),
    }
    agent = AGENT.model_copy(update={"built_in": ("take_message", "schedule_callback")})
    kept = Kept(tmp_path, agent, (message, later), ScriptedModel(in_turn(calls), 0.1, 0.02))

    async def both(caller: Caller) -> None:
        await one_wish(caller)
        await caller.say()
        await caller.hear_out()

    run(stream(kept.house(), both))
    assert kept.notes() == [
        ("a message was taken", {"message": "Ada will be late.", "name": "Ada"}),
        ("a call back was asked for", {"at": "2026-11-27T09:00", "about": "the delay"}),
    ]
    told = [turn.turn.text for turn in kept.did(Remember) if turn.turn.speaker == "tool"]
    assert told == [
        "The message was taken and will be read.",
        "A colleague was told to call back. Do not promise a time.",  # this house places no calls
    ]


def test_the_agent_hangs_up_once_its_goodbye_was_heard(tmp_path: Path) -> None:
    bye = "That was all, thanks."
    calls = {bye: ToolCall("hang_up", '{"reason": "done"}')}
    agent = AGENT.model_copy(update={"built_in": ("hang_up",)})
    kept = Kept(tmp_path, agent, (bye,), ScriptedModel(in_turn(calls), 0.1, 0.02))

    async def to_the_end(caller: Caller) -> None:
        await one_wish(caller)
        await caller.wait(4.0)

    run(stream(kept.house(), to_the_end))
    assert kept.did(HangUp) == [HangUp("the agent ended the call")]
    assert [turn.turn.text for turn in kept.did(Remember)][1:] == [
        bye,
        AGENT.phrases.farewell,
        "The call ends once you have said goodbye.",
    ]


def test_a_caller_is_put_through_by_the_model_and_comes_back_to_it(tmp_path: Path) -> None:
    pain = "My tooth hurts badly."
    nurse = AgentTransfer(name="the nurse", to="+12125550104", when="Pain.", briefly="A caller says: {words}")
    agent = AGENT.model_copy(update={"transfers": (nurse,), "built_in": ("transfer",)})
    calls = {pain: ToolCall("transfer", '{"to": "the nurse", "reason": "toothache"}')}
    model = ScriptedModel(in_turn(calls), 0.1, 0.02)
    kept = Kept(tmp_path, agent, (pain, "Then tell her."), model)

    async def until_gone(caller: Caller) -> None:
        await one_wish(caller)
        await caller.wait(2.0)

    async def both() -> None:
        house = kept.house()
        first = await stream(house, until_gone)
        assert first.line.errands == [Transfer("+12125550104", "A caller says: toothache")]
        await stream(house, one_wish, back_from="no-answer")

    run(both())
    assert kept.did(Transfer) == [Transfer("+12125550104", "A caller says: toothache")]
    said = [turn.turn.text for turn in kept.did(Remember) if turn.turn.speaker == "agent"]
    assert said == [GREETING, AGENT.phrases.connecting, AGENT.phrases.not_reached, "All right."]
    (told,) = [message.content for message in model.asked[-1] if message.role == "tool"]
    assert told == "The caller is connected to the nurse once you have told them so."
    assert replay(kept.record, heart_of).difference is None


FUNCTIONS = '''"""Tools of a clinic."""

import asyncio
from pathlib import Path

from client_caller.tools.function_tool import tool

LOG = Path({log!r})


@tool(bridge="I am writing that down.")
async def book(at: str) -> str:
    """Books an appointment."""
    with LOG.open("a") as log:
        print(at, file=log)
    await asyncio.sleep({takes_s})
    return f"Booked for {{at}}."
'''


@pytest.mark.parametrize("lost_when", ["when it has answered", "while it runs"])
def test_a_call_that_is_gone_on_with_knows_what_was_done_and_does_not_do_it_again(
    tmp_path: Path, lost_when: str
) -> None:
    log, file = tmp_path / "booked.txt", tmp_path / "tools.py"
    file.write_text(FUNCTIONS.format(log=str(log), takes_s=0.3 if lost_when == "when it has answered" else 3.0))
    agent = AGENT.model_copy(update={"functions": (str(file),), "built_in": ()})
    model = ScriptedModel(books, 0.1, 0.02)
    kept = Kept(tmp_path / "calls", agent, (WISH,), model)

    async def until_lost(caller: Caller) -> None:
        await caller.hear_out()
        await caller.say()
        await caller.wait(1.2)

    async def both() -> None:
        await stream(kept.house(), until_lost, lost=True)
        kept.texts = (WISH,)
        await stream(kept.house(), one_wish)  # another process: all that it knows is the record

    run(both())
    assert log.read_text().split() == ["three"]
    told = [turn.turn.text for turn in kept.did(Remember) if turn.turn.speaker == "tool"]
    known = "Booked for three." if lost_when == "when it has answered" else LOST
    assert told == [known, f"book was already called with these arguments; it came to this: {known}"]
    events = [entry.event for entry in read_record(kept.record)[1] if isinstance(entry, EventEntry)]
    assert sum(isinstance(event, LineResumed) for event in events) == 1
    assert replay(kept.record, heart_of).difference is None


# Whatever tools and callers do.

AT = ("three", "four", "five")
STEP = st.tuples(st.sampled_from(["say", "wait", "press"]), st.floats(0.1, 3.0))
DEED = st.tuples(st.sampled_from(AT), st.sampled_from([0.05, 0.3, 1.0, 4.0, 30.0]), st.sampled_from(["well", "fails"]))


@hypothesis(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(STEP, max_size=8),
    st.lists(DEED, min_size=1, max_size=6),
    st.lists(st.lists(st.integers(0, 3), max_size=3), min_size=1, max_size=6),
)
def test_whatever_tools_and_callers_do_nothing_is_done_twice_and_the_call_ends(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[str, float]],
    deeds: list[tuple[str, float, str]],
    replies: list[list[int]],
) -> None:
    """Tools of all speeds, some of which fail; a caller who speaks, breaks in, presses keys and at last hangs up."""
    done: list[str] = []
    running: set[int] = set()
    refused: set[str] = set()

    @tool(within_s=3.0)
    async def book(at: str) -> str:
        """Books an appointment."""
        number = len(done)
        _, takes_s, how = deeds[number % len(deeds)]
        done.append(at)
        running.add(number)
        try:
            await asyncio.sleep(takes_s)
        finally:
            running.remove(number)
        if how == "fails":
            refused.add(at)
            raise ToolFailed("Nothing is free.")
        return f"Booked for {at}."

    asked = [0]

    def model(messages: Sequence[Message]) -> Reply:
        wants = replies[asked[0] % len(replies)]
        asked[0] += 1
        parts: list[str | ToolCall] = ["Let me see."]
        for want in wants:
            parts.append(ToolCall("book", json.dumps({"at": AT[want % 3]})) if want < 3 else "Just a moment more.")
        return parts

    async def script(caller: Caller) -> None:
        await caller.hear_out()
        for what, seconds in steps:
            if what == "say":
                await caller.say(seconds)
            elif what == "press":
                caller.line.press("5")
            await caller.wait(seconds)

    box = Toolbox([book.bound(CallContext("simulated", "", {}))], "simulated")
    made_of = engines(repeat(WISH), language_model=ScriptedModel(model, 0.1, 0.02))
    call = run(hold(script, tmp_path_factory.mktemp("call"), made_of, toolbox=box))
    assert running == set(), "what ran is over or broken off"
    assert all(done.count(at) == 1 or at in refused for at in done), "only what was surely not done is tried again"
    orders = [action.number for _, action in call.did(RunTool)]
    assert orders == list(range(1, len(orders) + 1))
    assert len(tools_in(call.remembered)) == len(orders), "each is remembered once, with what is known of it"
