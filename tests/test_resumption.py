"""A call outlives its stream and its process: whoever answers next goes on where the record ends."""

import asyncio
import logging
import shutil
import wave
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from calls import AGENT, QUESTION, REPLY, Caller, Script, engines, heart_of
from client_caller.agent import AgentLimits
from client_caller.audio.frame import FRAME_S, LINE_HZ
from client_caller.conversation.actions import HangUp, Remember, Say
from client_caller.conversation.events import CallAnswered, Event, HungUp, LineLost, LineResumed
from client_caller.conversation.transitions import Phase
from client_caller.house import House
from client_caller.line.protocol import Past
from client_caller.line.simulated import SimulatedLine
from client_caller.records.flight import ActionEntry, Entry, EventEntry, FlightRecord, read_record
from client_caller.records.journal import find_journal
from client_caller.records.replay import replay
from client_caller.resumption import resume_call
from client_caller.settings import HearingSettings, RecordSettings, ServerSettings, Settings
from client_caller.thinking.protocol import Message
from client_caller.thinking.scripted import ScriptedModel
from virtual import run

CALL = "CA1"


def house(
    folder: Path, agent: Any = AGENT, texts: Sequence[str] = (QUESTION,), server: Any = None, **others: Any
) -> House:
    settings = Settings(
        _env_file=None,
        hearing=HearingSettings(interim_s=0),
        records=RecordSettings(folder=folder),
        server=server or ServerSettings(),
    )
    return House(settings, agent, engines(texts, **others))


async def held(where: House, script: Script, *, lost: bool = False) -> Caller:
    """One stream of the call. It breaks off after the script if it is to be lost, else the caller hangs up."""
    caller = Caller(SimulatedLine(CALL))
    running = asyncio.create_task(where.answer(caller.line))
    await asyncio.sleep(FRAME_S / 2)
    await script(caller)
    if lost:
        caller.line.break_off()
    else:
        caller.line.hang_up_by_caller()
    await running
    return caller


async def one_question(caller: Caller) -> None:
    await caller.hear_out()
    await caller.say()
    await caller.hear_out()


async def a_moment(caller: Caller) -> None:
    await caller.hear(0.4)


def records(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/record.jsonl"))


def events(entries: Sequence[Entry], *kinds: type[Event]) -> list[str]:
    return [type(e.event).__name__ for e in entries if isinstance(e, EventEntry) and isinstance(e.event, kinds)]


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The records of a call of one question and its answer, whose line was then lost."""
    folder = tmp_path_factory.mktemp("broken")
    run(held(house(folder), one_question, lost=True))
    return folder


def test_the_next_process_goes_on_in_the_same_record_knowing_what_was_said(broken: Path, tmp_path: Path) -> None:
    shutil.copytree(broken, tmp_path, dirs_exist_ok=True)
    (path,) = records(tmp_path)
    before = path.read_bytes()
    asked: list[Sequence[Message]] = []

    def answer(messages: Sequence[Message]) -> str:
        asked.append(messages)
        return "Twelve dollars."

    model = ScriptedModel(answer, 0.1, 0.02)
    run(held(house(tmp_path, texts=["And what is the price?"], language_model=model), one_question))

    assert records(tmp_path) == [path]
    assert path.read_bytes().startswith(before)
    outcome = replay(path, heart_of)
    assert outcome.difference is None
    _, entries = read_record(path)
    assert events(entries, CallAnswered, LineLost, LineResumed, HungUp) == [
        "CallAnswered",
        "LineLost",
        "LineResumed",
        "HungUp",
    ]
    assert [entry.t for entry in entries if isinstance(entry, EventEntry)] == sorted(
        entry.t for entry in entries if isinstance(entry, EventEntry)
    )
    told = [message.content for message in asked[-1]]
    assert QUESTION in told
    assert any(text.startswith(REPLY) for text in told)
    remembered = [e.action.turn.text for e in entries if isinstance(e, ActionEntry) and isinstance(e.action, Remember)]
    assert remembered[1:3] == [QUESTION, REPLY]
    assert remembered[-3].endswith(AGENT.phrases.go_on)
    assert remembered[-2:] == ["And what is the price?", "Twelve dollars."]
    with wave.open(str(path.with_name("call.wav"))) as kept:
        assert kept.getnframes() / LINE_HZ == pytest.approx(entries[-1].t, abs=0.05)


def test_a_call_may_lose_its_stream_again_and_again(tmp_path: Path) -> None:
    async def main() -> None:
        where = house(tmp_path)
        for _ in range(5):
            await held(where, a_moment, lost=True)
        await held(where, one_question)

    run(main())
    (path,) = records(tmp_path)
    assert replay(path, heart_of).difference is None
    assert events(read_record(path)[1], LineLost, LineResumed, HungUp) == ["LineLost", "LineResumed"] * 5 + ["HungUp"]


def test_a_call_that_is_over_is_not_gone_on_with(tmp_path: Path) -> None:
    async def main() -> None:
        where = house(tmp_path)
        await held(where, a_moment)
        await held(where, a_moment)

    run(main())
    assert len(records(tmp_path)) == 2


@hypothesis(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.floats(0, 1))
def test_wherever_a_kill_came_the_call_goes_on(
    broken: Path, tmp_path_factory: pytest.TempPathFactory, cut: float
) -> None:
    folder = tmp_path_factory.mktemp("killed")
    shutil.copytree(broken, folder, dirs_exist_ok=True)
    (path,) = records(folder)
    header, answered, rest = path.read_bytes().split(b"\n", 2)
    begin = header + b"\n" + answered + b"\n"
    left = begin + rest[: round(cut * len(rest))]
    path.write_bytes(left)
    last = find_journal(folder, CALL)
    assert last is not None

    resumed = run(resume_call(folder, CALL, datetime.now(UTC), audio=True))

    assert resumed is not None
    assert resumed.since >= last.ends_at
    assert resumed.conversation.phase is Phase.RESUMING
    for event in (LineResumed(), HungUp()):
        resumed.record.event(resumed.since, event)
        for action in resumed.conversation.handle(event, resumed.since):
            resumed.record.action(resumed.since, action)
    resumed.record.close()
    resumed.recording.close(resumed.since)
    assert path.read_bytes().startswith(left[: left.rfind(b"\n") + 1])
    assert replay(path, heart_of).difference is None
    assert events(read_record(path)[1], LineLost) == ["LineLost"]


def spoil(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize(
    "change",
    [
        lambda content: b"",
        lambda content: content[:20],
        lambda content: content.replace(b'"format":1', b'"format":9'),
        lambda content: content.replace(b"\n", b"\nnonsense\n", 2),
        lambda content: content.replace(b'"event":"SpeechPaused"', b'"event":"Sneezed"'),
        lambda content: content.replace(b'"action":"Say"', b'"action":"Release"', 1),
        lambda content: b"".join(line for line in content.splitlines(keepends=True) if b'"Transcribe"' not in line),
        lambda content: content.replace(b'"event":"CallAnswered"', b'"event":"LineResumed"'),
        lambda content: content.replace(b'"greeting":"', b'"greeting":"Well, '),
        lambda content: content.replace(b'"quick_s":', b'"quick_s":"soon","was":'),
        lambda content: content.replace(b'"language":"en"', b'"language":"tlh"'),
        lambda content: content.replace(b'"started":"', b'"started":"about '),
    ],
)
def test_a_journal_that_will_not_do_is_left_alone_and_the_caller_is_greeted_anew(
    broken: Path, tmp_path: Path, change: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(broken, tmp_path, dirs_exist_ok=True)
    (path,) = records(tmp_path)
    spoil(path, change)
    spoiled = path.read_bytes()
    run(held(house(tmp_path), a_moment))
    old, new = records(tmp_path)
    assert old == path
    assert old.read_bytes() == spoiled
    assert events(read_record(new)[1], CallAnswered, HungUp) == ["CallAnswered", "HungUp"]
    assert "a call could not be resumed" in [r.message for r in caplog.records if r.levelno == logging.WARNING]
    assert not [r for r in caplog.records if r.levelno > logging.WARNING]


def test_a_call_killed_before_anything_happened_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / f"20261123T150000-{CALL}" / "record.jsonl"
    where = house(tmp_path)
    run(held(where, a_moment))
    (whole,) = records(tmp_path)
    path.parent.mkdir()
    path.write_bytes(whole.read_bytes().splitlines(keepends=True)[0])
    shutil.rmtree(whole.parent)
    run(held(where, a_moment))
    assert len(records(tmp_path)) == 2


def test_a_call_goes_on_in_the_manner_in_which_it_began(broken: Path, tmp_path: Path) -> None:
    shutil.copytree(broken, tmp_path, dirs_exist_ok=True)
    phrases = AGENT.phrases.model_copy(update={"dropped": "Something else entirely."})
    other = AGENT.model_copy(update={"phrases": phrases, "greeting": "Ahoy."})
    run(held(house(tmp_path, agent=other), a_moment))
    (path,) = records(tmp_path)
    assert replay(path, heart_of).difference is None
    said = [e.action.text for e in read_record(path)[1] if isinstance(e, ActionEntry) and isinstance(e.action, Say)]
    assert AGENT.phrases.dropped in said
    assert phrases.dropped not in said


@pytest.mark.parametrize(("after_s", "gap_s"), [(7.0, 7.0), (-5.0, 0.0), (90_000.0, 0.0)])
def test_call_time_goes_on_with_the_wall_clock_unless_that_was_set(
    broken: Path, tmp_path: Path, after_s: float, gap_s: float
) -> None:
    shutil.copytree(broken, tmp_path, dirs_exist_ok=True)
    journal = find_journal(tmp_path, CALL)
    assert journal is not None
    ended = datetime.fromisoformat(journal.header.started) + timedelta(seconds=journal.ends_at)
    resumed = run(resume_call(tmp_path, CALL, ended + timedelta(seconds=after_s), audio=True))
    assert resumed is not None
    resumed.record.close()
    resumed.recording.close(resumed.since)
    assert resumed.since == pytest.approx(journal.ends_at + gap_s, abs=1e-3)
    with wave.open(str(journal.path.with_name("call.wav"))) as kept:
        assert kept.getnframes() == round(resumed.since * LINE_HZ)


def test_no_recording_is_gone_on_with_where_none_is_wanted(broken: Path, tmp_path: Path) -> None:
    shutil.copytree(broken, tmp_path, dirs_exist_ok=True)
    (path,) = records(tmp_path)
    before = path.with_name("call.wav").read_bytes()
    quiet = house(tmp_path)
    quiet.settings = quiet.settings.model_copy(update={"records": RecordSettings(folder=tmp_path, audio=False)})
    run(held(quiet, a_moment))
    assert path.with_name("call.wav").read_bytes() == before


def test_who_was_just_being_hung_up_on_is_hung_up_on(tmp_path: Path) -> None:
    brief = AGENT.model_copy(update={"limits": AgentLimits(max_call_s=3.0)})

    async def to_the_end(caller: Caller) -> None:
        await caller.wait(8.0)

    run(held(house(tmp_path, agent=brief), to_the_end))
    (path,) = records(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    (hang_up,) = [n for n, line in enumerate(lines) if b'"action":"HangUp"' in line]
    path.write_bytes(b"".join(lines[:hang_up]))

    async def main() -> bool:
        line = SimulatedLine(CALL)
        await house(tmp_path, agent=brief).answer(line)
        return [message async for message in line.receive()] == []

    assert run(main())
    assert records(tmp_path) == [path]
    outcome = replay(path, heart_of)
    assert outcome.difference is None
    entries = read_record(path)[1]
    assert events(entries, HungUp) == ["HungUp"]
    assert any(isinstance(entry, ActionEntry) and isinstance(entry.action, HangUp) for entry in entries)


def test_what_is_kept_of_a_call_is_told_to_the_line(tmp_path: Path) -> None:
    where = house(tmp_path)
    assert where.past(CALL) is None
    run(held(where, a_moment, lost=True))
    assert where.past(CALL) == Past(over=False)  # the loss of now is counted by who asks
    run(held(where, a_moment, lost=True))
    past = where.past(CALL)
    assert past is not None
    assert [0 <= ago < 60 for ago in past.lost_s_ago] == [True]
    run(held(where, a_moment))
    assert where.past(CALL) is not None
    assert where.past(CALL).over  # type: ignore[union-attr]


def test_a_record_that_cannot_be_read_tells_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / f"20261123T150000-{CALL}").mkdir()
    assert house(tmp_path).past(CALL) is None
    assert [record.message for record in caplog.records] == ["a record cannot be read"]


class Leaving:
    """A house with one running call that is told to retire, and what it then did at which second."""

    def __init__(self, folder: Path, drain_s: float) -> None:
        self.house = house(folder, server=ServerSettings(drain_s=drain_s))
        self.line = SimulatedLine(CALL)
        self.empty_at: list[float] = []

    def retire(self) -> None:
        self.house.retire(lambda: self.empty_at.append(round(asyncio.get_running_loop().time(), 1)))

    async def call(self, *, ends_at: float, retire_at: Sequence[float]) -> None:
        loop = asyncio.get_running_loop()
        for at in retire_at:
            loop.call_at(at, self.retire)
        loop.call_at(ends_at, self.line.hang_up_by_caller)
        loop.call_at(retire_at[0] + 0.1, self.look)
        await self.house.answer(self.line)
        await asyncio.sleep(1.5)

    def look(self) -> None:
        self.seen = (self.house.has_room(), self.house.ask_again_s)


@pytest.mark.parametrize(
    ("drain_s", "retire_at", "empty_at", "last"),
    [
        (300.0, [1.0], 3.0, "HungUp"),  # ends in peace
        (0.5, [1.0], 2.5, "LineLost"),  # has been waited for long enough; a second later all know
        (300.0, [1.0, 1.2], 2.2, "LineLost"),  # asked for twice
    ],
)
def test_a_house_that_retires_takes_nobody_in_and_lets_calls_end_or_hands_them_over(
    tmp_path: Path, drain_s: float, retire_at: list[float], empty_at: float, last: str
) -> None:
    leaving = Leaving(tmp_path, drain_s)
    run(leaving.call(ends_at=3.0, retire_at=retire_at))
    assert leaving.seen == (False, 0)
    assert leaving.empty_at == [empty_at]
    assert leaving.house.ask_again_s == 3
    (path,) = records(tmp_path)
    entries = read_record(path)[1]
    assert events(entries, HungUp, LineLost) == [last]
    assert replay(path, heart_of).difference is None


def test_an_empty_house_retires_at_once(tmp_path: Path) -> None:
    async def main() -> list[float]:
        leaving = Leaving(tmp_path, 300.0)
        leaving.retire()
        await asyncio.sleep(0)
        return leaving.empty_at

    assert run(main()) == [0.0]


def test_a_record_that_is_gone_on_with_is_closed_in_the_end(tmp_path: Path) -> None:
    run(held(house(tmp_path), a_moment, lost=True))
    run(held(house(tmp_path), a_moment))
    (path,) = records(tmp_path)
    size = path.stat().st_size
    FlightRecord.resume(path).close()
    assert path.stat().st_size == size


def test_a_long_call_is_taken_up_again_a_little_at_a_time(tmp_path: Path) -> None:
    async def many_questions(caller: Caller) -> None:
        await caller.hear_out()
        for _ in range(8):
            await caller.say()
            await caller.hear_out()

    run(held(house(tmp_path, texts=[f"What is number {n}, please?" for n in range(8)]), many_questions, lost=True))
    turns_of_the_loop: list[int] = []

    async def main() -> None:
        resuming = asyncio.create_task(resume_call(tmp_path, CALL, datetime.now(UTC), audio=False))
        while not resuming.done():
            turns_of_the_loop.append(1)
            await asyncio.sleep(0)
        resumed = await resuming
        assert resumed is not None
        resumed.record.close()

    run(main())
    assert len(turns_of_the_loop) > 2
