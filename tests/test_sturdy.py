"""Sturdy engines: each fault of each engine, what comes out all the same, and after how long."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from client_caller.audio.frame import LINE_HZ
from client_caller.errors import EngineCrashed, EngineError, EngineOverloaded, EngineTimeout
from client_caller.faults import (
    Fault,
    Kind,
    Plan,
    always,
    crash,
    every,
    faulty,
    first,
    hang,
    late,
    nonsense,
    scheduled,
)
from client_caller.hearing.scripted import LoudnessActivity, ScriptedTranscriber, ScriptedTurnModel
from client_caller.speaking.protocol import Speech, Talk, Voice
from client_caller.speaking.tone import ToneVoice
from client_caller.sturdy import SturdyModel, SturdyTranscriber, SturdyTurnModel, SturdyVoice, sturdy_activity
from client_caller.thinking.protocol import Message, ToolCall, ToolOffer
from client_caller.thinking.scripted import ScriptedModel
from virtual import run

ASKED = [Message("user", "When are you open?")]
TEXT = "one two three four five six"
WELL: Plan = scheduled([])
LOUD = np.full(256, 0.3, np.float32)
QUIET = np.full(256, 0.0005, np.float32)


@dataclass
class Outcome:
    """What came, when each of it came, and the failure that ended it."""

    items: list[Any] = field(default_factory=list)
    at: list[float] = field(default_factory=list)
    failure: EngineError | None = None
    ended_at: float = 0.0


async def outcome(stream: AsyncGenerator[Any, None]) -> Outcome:
    told, clock = Outcome(), asyncio.get_running_loop().time
    began = clock()
    try:
        async with aclosing(stream):
            async for item in stream:
                told.items.append(item)
                told.at.append(clock() - began)
    except EngineError as failure:
        told.failure = failure
    told.ended_at = clock() - began
    return told


async def timed(job: Awaitable[Any]) -> tuple[Any, float]:
    """The result or the failure, and how long it took."""
    began = asyncio.get_running_loop().time()
    try:
        result = await job
    except EngineError as failure:
        result = failure
    return result, asyncio.get_running_loop().time() - began


def speaking_model(reply: str) -> ScriptedModel:
    return ScriptedModel(lambda messages: reply, 0.1, 0.05)


def sturdy_model(*plans: Plan) -> tuple[SturdyModel, list[ScriptedModel]]:
    """A chain of models; the first answers "from 1 …", the second "from 2 …"."""
    models = [speaking_model(f"from {number} come these words") for number in range(1, len(plans) + 1)]
    return SturdyModel([faulty(m, plan) for m, plan in zip(models, plans, strict=True)], 2.0, 1.5), models


def answer(*plans: Plan) -> Outcome:
    model, models = sturdy_model(*plans)
    told = run(outcome(model.stream(ASKED, "CA1", 20)))
    assert [m.open_streams for m in models] == [0] * len(models)
    return told


BEFORE_A_WORD = {
    "hangs": (hang(), 2.0),
    "is late": (late(3.0), 2.0),
    "crashes": (crash(), 0.0),
    "is gone": (Fault(Kind.LOST), 0.0),
    "refuses": (Fault(Kind.BUSY), 0.0),
    "breaks": (Fault(Kind.BROKEN), 0.0),
    "says nothing": (Fault(Kind.NOTHING), 0.0),
    "says signs": (nonsense(Kind.SIGNS), 0.8),  # 20 of them, twice
    "says control characters": (nonsense(Kind.CONTROL), 0.04),
}


@pytest.mark.parametrize(("fault", "lost_s"), BEFORE_A_WORD.values(), ids=BEFORE_A_WORD)
def test_a_model_that_fails_before_its_first_word_is_replaced_by_the_next(fault: Fault, lost_s: float) -> None:
    told = answer(always(fault), WELL)
    assert "".join(told.items) == "from 2 come these words"
    assert told.at[0] == pytest.approx(lost_s + 0.1, abs=0.001)


@pytest.mark.parametrize("fault", [crash(), Fault(Kind.BUSY), Fault(Kind.NOTHING)])
def test_a_model_alone_is_tried_once_more_at_once(fault: Fault) -> None:
    told = answer(first(1, fault))
    assert "".join(told.items) == "from 1 come these words"
    assert told.at[0] == pytest.approx(0.1, abs=0.001)


def test_a_model_that_was_too_slow_is_not_tried_again() -> None:
    told = answer(first(1, hang()))
    assert isinstance(told.failure, EngineTimeout)
    assert told.ended_at == pytest.approx(2.0, abs=0.001)


def test_both_tries_of_a_model_share_its_time() -> None:
    class SlowToCrash:
        async def stream(self, messages: Any, call_id: str, max_tokens: int, tools: Any) -> AsyncGenerator[str, None]:
            await asyncio.sleep(1.2)
            yield "..."
            raise EngineCrashed("language model", "it crashed")

    told = run(outcome(SturdyModel([SlowToCrash()], 2.0, 1.5).stream(ASKED, "CA1", 20)))  # type: ignore[list-item]
    assert told.items == []
    assert told.ended_at == pytest.approx(2.0, abs=0.001)


def test_the_last_failure_is_raised_when_all_models_fail() -> None:
    told = answer(always(hang()), always(Fault(Kind.BUSY)))
    assert isinstance(told.failure, EngineOverloaded)
    assert told.ended_at == pytest.approx(2.0, abs=0.001)


@pytest.mark.parametrize(
    ("fault", "ended_s"),
    [
        (crash(after=2), 0.15),
        (hang(after=2), 0.15 + 1.5),
        (nonsense(Kind.CONTROL, after=2), 0.17),
        (nonsense(Kind.LOOP, after=2), 0.15 + 21 * 0.02),
    ],
)
def test_what_was_said_stands_when_a_model_fails_later(fault: Fault, ended_s: float) -> None:
    model, models = sturdy_model(always(fault), WELL)
    told = run(outcome(model.stream(ASKED, "CA1", 100)))
    assert told.items[:2] == ["from", " 1"]
    assert told.failure is not None
    assert models[1].asked == []
    assert told.ended_at == pytest.approx(ended_s, abs=0.001)


def test_a_stall_shorter_than_the_limit_is_waited_through() -> None:
    told = answer(always(hang(1.4, after=2)), WELL)
    assert "".join(told.items) == "from 1 come these words"
    assert told.failure is None


def test_signs_before_a_word_are_part_of_the_reply() -> None:
    model = SturdyModel([speaking_model("- well, yes")], 2.0, 1.5)
    assert run(outcome(model.stream(ASKED, "CA1", 20))).items == ["- well,", " yes"]


@pytest.mark.parametrize("after_s", [0.05, 0.12, 0.27])
def test_a_cancelled_reply_frees_its_slot_and_is_no_failure(after_s: float) -> None:
    async def main() -> None:
        model, models = sturdy_model(WELL, WELL)
        for _ in range(4):
            job = asyncio.ensure_future(outcome(model.stream(ASKED, "CA1", 20)))
            await asyncio.sleep(after_s)
            job.cancel()
            await asyncio.wait([job])
            assert job.cancelled()
            assert models[0].open_streams == 0
        assert (await outcome(model.stream(ASKED, "CA1", 20))).items[1] == " 1"
        assert models[1].asked == []

    run(main())


def test_a_reply_of_which_enough_was_heard_frees_its_slot() -> None:
    async def main() -> None:
        model, models = sturdy_model(WELL)
        async with aclosing(model.stream(ASKED, "CA1", 20)) as stream:
            assert await anext(stream) == "from"
        assert models[0].open_streams == 0

    run(main())


CALL = ToolCall("look_up", "{}")
TOOLS = (ToolOffer("look_up", "Looks up.", {}),)


class Parts:
    """A language model that sends these parts, each after so many seconds."""

    def __init__(self, *parts: tuple[float, str | ToolCall]) -> None:
        self._parts = parts

    async def stream(
        self, messages: Any, call_id: str, max_tokens: int, tools: Any
    ) -> AsyncGenerator[str | ToolCall, None]:
        for after_s, part in self._parts:
            await asyncio.sleep(after_s)
            yield part


def answer_in(*parts: tuple[float, str | ToolCall]) -> Outcome:
    return run(outcome(SturdyModel([Parts(*parts)], 2.0, 1.5).stream(ASKED, "CA1", 20)))  # type: ignore[list-item]


def test_a_tool_call_is_an_answer_and_tools_are_offered_to_whoever_is_asked() -> None:
    models = [ScriptedModel(lambda messages: [CALL]), ScriptedModel(lambda messages: [CALL])]
    model = SturdyModel([faulty(models[0], first(2, crash())), models[1]], 2.0, 1.5)
    assert run(outcome(model.stream(ASKED, "CA1", 20, TOOLS))).items == [CALL]
    assert [m.offered for m in models] == [(), TOOLS]


def test_signs_before_a_tool_call_are_no_answer_but_stand() -> None:
    assert answer_in((0.0, "..."), (0.0, CALL)).items == ["...", CALL]
    assert answer_in((0.0, CALL), (0.0, " So.")).items == [CALL, " So."]
    assert answer_in((0.0, "...")).failure is not None


def test_a_tool_call_may_take_longer_than_a_word_as_long_as_it_goes_on() -> None:
    told = answer_in(*[(1.4, "")] * 5, (1.4, CALL))
    assert (told.items, told.at) == ([CALL], [pytest.approx(6 * 1.4, abs=0.001)])
    told = answer_in((0.1, "Let me see."), *[(1.4, "")] * 5, (1.4, CALL))
    assert told.items == ["Let me see.", CALL]
    told = answer_in((1.9, ""), (1.6, CALL))
    assert isinstance(told.failure, EngineTimeout)


def test_a_tool_call_without_end_is_a_crash() -> None:
    told = answer_in(*[(0.001, "")] * 5_000)
    assert isinstance(told.failure, EngineCrashed)


def writer(text: str) -> ScriptedModel:
    return ScriptedModel({}, writes=lambda messages: text)


WRITTEN_WRONG = {
    "crashes": (crash(), 0.0),
    "refuses": (Fault(Kind.BUSY), 0.0),
    "hangs": (hang(), 20.0),
    "writes nothing": (Fault(Kind.NOTHING), 0.0),
    "writes signs": (nonsense(Kind.SIGNS), 0.0),
    "repeats itself": (nonsense(Kind.LOOP), 0.0),
    "writes control characters": (nonsense(Kind.CONTROL), 0.0),
}


@pytest.mark.parametrize(("fault", "lost_s"), WRITTEN_WRONG.values(), ids=WRITTEN_WRONG)
@pytest.mark.parametrize("schema", [None, {"type": "object"}], ids=["text", "JSON"])
def test_what_one_model_fails_to_write_the_next_writes(fault: Fault, lost_s: float, schema: dict | None) -> None:
    async def main() -> None:
        model = SturdyModel([faulty(writer('{"a": 1}'), always(fault)), writer('{"a": 2}')], 2.0, 1.5)
        text, took_s = await timed(model.write(ASKED, "CA1", 20, schema))
        assert text == '{"a": 2}'
        assert took_s == pytest.approx(lost_s, abs=0.001)
        alone = SturdyModel([faulty(writer("{}"), always(fault))], 2.0, 1.5, write_within_s=3.0)
        failure, took_s = await timed(alone.write(ASKED, "CA1", 20, schema))
        assert isinstance(failure, EngineError)
        assert took_s == pytest.approx(min(lost_s, 3.0), abs=0.001)

    run(main())


def test_what_a_model_fails_to_write_is_not_held_against_its_talk() -> None:
    async def main() -> None:
        model, models = sturdy_model(first(9, crash()), WELL)
        for _ in range(9):
            with pytest.raises(KeyError):  # the second model has no script of what to write
                await model.write(ASKED, "CA1", 20)
        assert (await outcome(model.stream(ASKED, "CA1", 20))).items[1] == " 1"
        assert models[1].asked == []

    run(main())


def test_reading_ahead_is_limited_and_never_held_against_a_model() -> None:
    async def main() -> None:
        model, models = sturdy_model(first(9, hang()), WELL)
        for _ in range(9):
            failure, took_s = await timed(model.read_ahead(ASKED, "CA1"))
            assert isinstance(failure, EngineTimeout)
            assert took_s == pytest.approx(2.0, abs=0.001)
        assert (await outcome(model.stream(ASKED, "CA1", 20))).items[1] == " 1"
        assert models[1].warmed == []

    run(main())


def test_a_model_that_failed_three_times_rests_for_ten_seconds_and_then_gets_one_trial(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def asked(model: SturdyModel) -> tuple[str, float]:
        told = await outcome(model.stream(ASKED, "CA1", 20))
        return told.items[1].strip(), round(told.at[0], 1)

    async def main() -> None:
        model, _ = sturdy_model(first(4, hang()), WELL)
        assert [await asked(model) for _ in range(3)] == [("2", 2.1)] * 3
        assert [await asked(model) for _ in range(3)] == [("2", 0.1)] * 3  # it rests
        await asyncio.sleep(10)
        trials = await asyncio.gather(asked(model), asked(model), asked(model))
        assert trials == [("2", 2.1), ("2", 0.1), ("2", 0.1)]  # one trial, which fails
        await asyncio.sleep(9)
        assert await asked(model) == ("2", 0.1)
        await asyncio.sleep(1)
        assert [await asked(model) for _ in range(2)] == [("1", 0.1)] * 2  # the next one does not

    with caplog.at_level(logging.WARNING):
        run(main())
    switches = [(r.before, r.place) for r in caplog.records if r.msg == "another engine does the work now"]  # type: ignore[attr-defined]
    assert switches == [(1, 2), (2, 1)]
    assert len([r for r in caplog.records if r.msg == "an engine failed at a job"]) == 4


def test_a_reply_of_which_enough_was_heard_ends_a_row_of_failures() -> None:
    async def main() -> None:
        model, models = sturdy_model(scheduled([hang(), hang(), None, hang(), hang()]), WELL)
        for _ in range(5):
            async with aclosing(model.stream(ASKED, "CA1", 20)) as stream:
                await anext(stream)
        assert (await outcome(model.stream(ASKED, "CA1", 20))).items[1] == " 1"
        assert len(models[1].asked) == 4

    run(main())


def test_a_model_alone_never_rests() -> None:
    async def main() -> None:
        model, _ = sturdy_model(first(8, crash()))
        for _ in range(4):
            assert (await outcome(model.stream(ASKED, "CA1", 20))).failure is not None
        assert (await outcome(model.stream(ASKED, "CA1", 20))).failure is None

    run(main())


def transcribed(seconds: float, *plans: Plan) -> tuple[Any, float]:
    chain = [faulty(ScriptedTranscriber([f"words {n}"], 0.1), plan) for n, plan in enumerate(plans, 1)]
    sound = np.full(round(seconds * 16_000), 0.1, np.float32)
    return run(timed(SturdyTranscriber(chain, 2.0).transcribe(sound)))


@pytest.mark.parametrize("seconds", [1.0, 10.0])
@pytest.mark.parametrize("fault", [hang(), late(30.0), crash(), Fault(Kind.BUSY)])
def test_the_next_transcriber_finds_the_words(fault: Fault, seconds: float) -> None:
    words, took_s = transcribed(seconds, always(fault), WELL)
    assert words == "words 2"
    waited_s = 2.0 + 0.5 * seconds if fault.kind in {Kind.HANG, Kind.LATE} else 0.0
    assert took_s == pytest.approx(waited_s + 0.1, abs=0.001)


def test_without_another_transcriber_the_failure_is_raised() -> None:
    failure, took_s = transcribed(1.0, always(hang()))
    assert isinstance(failure, EngineTimeout)
    assert took_s == pytest.approx(2.5, abs=0.001)
    assert isinstance(transcribed(1.0, always(crash()))[0], EngineCrashed)


@pytest.mark.parametrize(
    ("fault", "kind", "after_s"),
    [(hang(), EngineTimeout, 1.0), (crash(), EngineCrashed, 0.0), (nonsense(Kind.NO_NUMBERS), EngineCrashed, 0.05)],
)
def test_a_turn_model_judges_within_a_second_or_not_at_all(
    fault: Fault, kind: type[EngineError], after_s: float
) -> None:
    async def main() -> None:
        model = SturdyTurnModel(faulty(ScriptedTurnModel([0.7], 0.05), first(1, fault)))
        failure, took_s = await timed(model.p_done(LOUD))
        assert isinstance(failure, kind)
        assert took_s == pytest.approx(after_s, abs=0.001)
        assert await model.p_done(LOUD) == 0.7

    run(main())


@pytest.mark.parametrize("fault", [hang(), crash(), late(5.0), nonsense(Kind.NO_NUMBERS)])
def test_without_voice_activity_loudness_tells_voice_from_quiet(fault: Fault) -> None:
    async def main() -> list[float]:
        activity = sturdy_activity(lambda: faulty(LoudnessActivity(), always(fault)))()
        windows = [QUIET] * 60 + [LOUD] * 10 + [QUIET] * 10
        return [await activity.probability(window) for window in windows]

    told = run(main())
    assert [p > 0.5 for p in told] == [False] * 60 + [True] * 10 + [False] * 10


def test_a_voice_activity_model_that_hangs_costs_one_window_and_then_rests_for_all_calls() -> None:
    async def main() -> None:
        plan = first(1, hang())
        shared = faulty(LoudnessActivity(), plan)
        new_activity = sturdy_activity(lambda: shared)
        one, other = new_activity(), new_activity()
        assert (await timed(one.probability(LOUD)))[1] == pytest.approx(0.5, abs=0.001)
        assert await timed(other.probability(LOUD)) == (0.8, pytest.approx(0.0, abs=0.001))
        await asyncio.sleep(10)
        assert await one.probability(LOUD) == 0.99  # the model again
        assert await other.probability(LOUD) == 0.99

    run(main())


def test_a_voice_activity_model_begins_afresh_when_it_has_missed_windows() -> None:
    class Counting:
        """Says how many windows it remembers, in hundredths."""

        def __init__(self) -> None:
            self._heard = 0

        async def probability(self, window: np.ndarray) -> float:
            self._heard += 1
            return self._heard / 100

        def reset(self) -> None:
            self._heard = 0

    async def main() -> list[float]:
        activity = sturdy_activity(lambda: faulty(Counting(), scheduled([None, None, crash(), None])))()
        return [await activity.probability(QUIET) for _ in range(5)]

    assert run(main()) == [0.01, 0.02, 0.05, 0.01, 0.02]


def test_one_crash_of_voice_activity_costs_one_window() -> None:
    async def main() -> list[float]:
        activity = sturdy_activity(lambda: faulty(LoudnessActivity(), every(3, crash())))()
        return [await activity.probability(LOUD) for _ in range(6)]

    assert run(main()) == [0.99, 0.99, 0.8, 0.99, 0.99, 0.8]


def said(*plans: Plan, text: str = TEXT, voices: Sequence[Voice] | None = None) -> Outcome:
    """A chain of voices: the first takes 0.2 s a word, the second 0.3 s."""
    voices = voices or [ToneVoice(0.1 + 0.1 * number, 0.05) for number in range(1, len(plans) + 1)]
    chain = [faulty(voice, plan) for voice, plan in zip(voices, plans, strict=True)]
    return run(outcome(SturdyVoice(chain, 1.5, 1.5).speak(text)))


def times(speeches: list[Speech]) -> list[tuple[int, float, float]]:
    return [(w.index, round(w.start_s, 3), round(w.end_s, 3)) for speech in speeches for w in speech.words]


def length_s(speeches: list[Speech]) -> float:
    return sum(len(speech.samples) for speech in speeches) / LINE_HZ


IN_THE_MIDDLE = {
    "crashes": (crash(after=2), 0.0),
    "hangs": (hang(after=2), 1.5),
    "is gone": (Fault(Kind.LOST, after=2), 0.0),
    "makes no numbers": (nonsense(Kind.NO_NUMBERS, after=2), 0.0),
    "is infinite": (nonsense(Kind.INFINITE, after=2), 0.0),
    "shrieks": (nonsense(Kind.CLIPPED, after=2), 0.0),
    "dies in silence": (nonsense(Kind.SILENCE, after=2), 16 * 0.02),
}


@pytest.mark.parametrize(("fault", "lost_s"), IN_THE_MIDDLE.values(), ids=IN_THE_MIDDLE)
def test_the_next_voice_says_the_rest_and_goes_on_counting(fault: Fault, lost_s: float) -> None:
    told = said(always(fault), WELL)
    assert told.failure is None
    both = [(0, 0.0, 0.2), (1, 0.2, 0.4), (2, 0.4, 0.7), (3, 0.7, 1.0), (4, 1.0, 1.3), (5, 1.3, 1.6)]
    assert times(told.items) == both
    assert length_s(told.items) == pytest.approx(1.6)
    assert told.at[2] == pytest.approx(0.05 + lost_s + 0.05, abs=0.001)


@pytest.mark.parametrize(
    ("fault", "lost_s"),
    [(hang(), 1.5), (late(3.0), 1.5), (crash(), 0.0), (Fault(Kind.BUSY), 0.0), (Fault(Kind.NOTHING), 0.0)],
)
def test_the_next_voice_says_a_piece_that_the_first_did_not_begin(fault: Fault, lost_s: float) -> None:
    told = said(always(fault), WELL)
    assert times(told.items)[-1] == (5, 1.5, 1.8)
    assert told.at[0] == pytest.approx(lost_s + 0.05, abs=0.001)


@pytest.mark.parametrize(("fault", "second_is_asked"), [(Fault(Kind.BUSY), 5), (crash(), 6)])
def test_a_voice_without_room_for_some_pieces_is_asked_for_the_next_and_one_that_fails_rests(
    fault: Fault, second_is_asked: int
) -> None:
    async def main() -> list[float]:
        voices = [faulty(ToneVoice(0.2, 0.05), first(5, fault)), ToneVoice(0.3, 0.05)]
        sturdy = SturdyVoice(voices, 1.5, 1.5)
        return [length_s([speech async for speech in sturdy.speak("word")]) for _ in range(6)]

    assert sum(length == pytest.approx(0.3) for length in run(main())) == second_is_asked


def test_a_voice_that_does_not_end_is_stopped() -> None:
    told = said(always(nonsense(Kind.ENDLESS, after=2)), WELL)
    assert length_s(told.items) == pytest.approx(60.0 + 4 * 0.3, abs=0.4)
    assert times(told.items)[-1][0] == 5


@pytest.mark.parametrize("fault", [crash(after=3), hang(after=3), crash()])
def test_a_voice_alone_is_tried_once_more(fault: Fault) -> None:
    told = said(first(1, fault))
    assert [word[0] for word in times(told.items)] == [0, 1, 2, 3, 4, 5]
    assert told.failure is None


def test_the_failure_is_raised_when_no_voice_is_left_and_what_was_said_stands() -> None:
    told = said(always(hang(after=1)))
    assert [word[0] for word in times(told.items)] == [0, 1]
    assert isinstance(told.failure, EngineTimeout)
    assert told.ended_at == pytest.approx(2 * (0.05 + 1.5), abs=0.001)


def test_a_voice_that_fails_behind_its_last_word_has_said_all() -> None:
    told = said(always(hang(after=6)))
    assert told.failure is None
    assert len(told.items) == 6


def test_word_times_that_run_backwards_are_left_to_the_playout() -> None:
    told = said(always(nonsense(Kind.BACKWARDS)))
    assert times(told.items) == []
    assert length_s(told.items) == pytest.approx(1.2)


def test_word_times_that_turn_backwards_are_spread_over_what_sounds() -> None:
    told = said(always(nonsense(Kind.BACKWARDS, after=2)), text="aa bb cc dd")
    assert times(told.items) == [(0, 0.0, 0.2), (1, 0.2, 0.4), (2, 0.4, 0.6), (3, 0.6, 0.8)]


def test_nothing_to_say_is_no_failure() -> None:
    for text in ("", " — "):

        class Mute:
            async def speak(self, text: str, talk: Talk | None = None) -> AsyncGenerator[Speech, None]:
                return
                yield

        assert said(WELL, text=text, voices=[Mute()]) == Outcome()


@dataclass
class Counted:
    """A voice that counts the pieces it has in work."""

    open: int = 0

    async def speak(self, text: str, talk: Talk | None = None) -> AsyncGenerator[Speech, None]:
        self.open += 1
        try:
            for _ in range(3):
                await asyncio.sleep(0.1)
                yield Speech(LOUD)
        finally:
            self.open -= 1


def test_a_voice_is_closed_when_its_piece_was_given_up_and_when_it_talked_nonsense() -> None:
    async def main() -> None:
        counted = Counted()
        async with aclosing(SturdyVoice([counted], 1.5, 1.5).speak(TEXT)) as speeches:
            await anext(speeches)
        assert counted.open == 0
        shrieking = faulty(counted, always(nonsense(Kind.CLIPPED)))
        assert (await outcome(SturdyVoice([shrieking], 1.5, 1.5).speak(TEXT))).failure is not None
        assert counted.open == 0

    run(main())


def test_a_piece_given_up_is_no_failure() -> None:
    async def main() -> None:
        voice = SturdyVoice([faulty(ToneVoice(0.2, 0.05), WELL), faulty(ToneVoice(0.3), always(crash()))], 1.5, 1.5)
        for _ in range(4):
            async with aclosing(voice.speak(TEXT)) as speeches:
                await anext(speeches)
            job = asyncio.ensure_future(outcome(voice.speak(TEXT)))
            await asyncio.sleep(0.02)
            job.cancel()
            await asyncio.wait([job])
        assert times((await outcome(voice.speak(TEXT))).items)[-1] == (5, 1.0, 1.2)

    run(main())


def test_an_engine_that_hangs_in_its_own_clean_up_is_left(caplog: pytest.LogCaptureFixture) -> None:
    class Stuck:
        async def speak(self, text: str, talk: Talk | None = None) -> AsyncGenerator[Speech, None]:
            try:
                await asyncio.sleep(60)
                yield Speech(LOUD)
            finally:
                await asyncio.sleep(60)

    told = said(WELL, WELL, voices=[Stuck(), ToneVoice(0.3)])
    assert times(told.items)[-1] == (5, 1.5, 1.8)
    assert told.at[0] == pytest.approx(2.0, abs=0.001)


NEVER_TOLD = ("one two", "from 1", "open?")


@pytest.mark.parametrize("use", [lambda: said(always(crash(after=1)), WELL), lambda: answer(always(crash()), WELL)])
def test_no_text_gets_into_the_log(use: Callable[[], Outcome], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        use()
    assert caplog.records
    assert not any(text in str(vars(record)) for text in NEVER_TOLD for record in caplog.records)
