"""Faults on demand: each does what it says, at the jobs it was planned for."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing

import numpy as np
import pytest

from client_caller.errors import EngineCrashed, EngineError, EngineOverloaded
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
from client_caller.speaking.protocol import Speech
from client_caller.speaking.tone import ToneVoice
from client_caller.thinking.protocol import Message
from client_caller.thinking.scripted import ScriptedModel
from virtual import run

SOUND = np.full(16_000, 0.1, np.float32)
ASKED = [Message("user", "?")]


@pytest.mark.parametrize(
    ("plan", "unwell"),
    [
        (always(crash()), [0, 1, 2, 3, 4, 5]),
        (first(2, crash()), [0, 1]),
        (every(3, crash()), [2, 5]),
        (scheduled([None, crash()]), [1]),
    ],
)
def test_a_plan_names_the_jobs(plan: Plan, unwell: list[int]) -> None:
    async def main() -> list[int]:
        engine = faulty(ScriptedTranscriber("abcdef"), plan)
        failed = []
        for job in range(6):
            try:
                await engine.transcribe(SOUND)
            except EngineCrashed:
                failed.append(job)
        return failed

    assert run(main()) == unwell


def fragments(fault: Fault, max_tokens: int = 5) -> tuple[list[tuple[float, str]], str]:
    """What comes of a reply of three words at 0.1 s each, when, and the failure."""

    async def main() -> tuple[list[tuple[float, str]], str]:
        model = ScriptedModel(lambda messages: "a b c", 0.1, 0.1)
        told, failure = [], ""
        try:
            async with aclosing(faulty(model, always(fault)).stream(ASKED, "CA1", max_tokens)) as stream:
                async for text in stream:
                    told.append((round(asyncio.get_running_loop().time(), 2), text))
        except EngineError as wrong:
            failure = type(wrong).__name__
        assert model.open_streams == 0
        return told, failure

    return run(main())


WELL = [(0.1, "a"), (0.2, " b"), (0.3, " c")]


def test_a_reply_suffers_what_was_planned() -> None:
    assert fragments(crash()) == ([], "EngineCrashed")
    assert fragments(crash(after=2)) == (WELL[:2], "EngineCrashed")
    assert fragments(crash(after=9)) == (WELL, "")
    assert fragments(Fault(Kind.LOST, after=1)) == (WELL[:1], "EngineCrashed")
    assert fragments(Fault(Kind.BUSY)) == ([], "EngineOverloaded")
    assert fragments(Fault(Kind.BROKEN)) == ([], "EngineCrashed")
    assert fragments(Fault(Kind.NOTHING)) == ([], "")
    assert fragments(Fault(Kind.NOTHING, after=2)) == (WELL[:2], "")
    assert fragments(hang(4.0, after=1)) == ([(0.1, "a"), (4.2, " b"), (4.3, " c")], "")
    assert fragments(late(4.0)) == ([(4.3, "a"), (4.3, " b"), (4.3, " c")], "")


@pytest.mark.parametrize("kind", [Kind.SIGNS, Kind.LOOP, Kind.CONTROL])
def test_a_reply_of_nonsense_ends_where_a_real_one_would(kind: Kind) -> None:
    told, failure = fragments(nonsense(kind, after=1), max_tokens=7)
    assert (told[0], failure) == ((0.1, "a"), "")
    assert len({text for _, text in told[1:]}) == 1
    assert len(told) == 8


def test_a_hang_for_ever_ends_when_it_is_cancelled() -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3_600):
                await faulty(ScriptedTurnModel([0.5]), always(hang())).p_done(SOUND)

    run(main())


SINGLE: dict[str, Callable[[Fault], object]] = {
    "transcriber": lambda fault: faulty(ScriptedTranscriber(["yes"]), always(fault)).transcribe(SOUND),
    "turn model": lambda fault: faulty(ScriptedTurnModel([0.7]), always(fault)).p_done(SOUND),
    "activity": lambda fault: faulty(LoudnessActivity(), always(fault)).probability(SOUND),
    "read ahead": lambda fault: faulty(ScriptedModel({}), always(fault)).read_ahead(ASKED, "CA1"),
}


@pytest.mark.parametrize("engine", SINGLE)
def test_an_engine_with_one_result_suffers_what_was_planned(engine: str) -> None:
    async def result(fault: Fault) -> tuple[object, float]:
        value = await SINGLE[engine](fault)  # type: ignore[misc]
        return value, round(asyncio.get_running_loop().time(), 2)

    well = run(result(hang(0.0)))
    assert run(result(hang(4.0))) == run(result(late(4.0))) == (well[0], 4.0)
    with pytest.raises(EngineCrashed):
        run(result(crash()))
    with pytest.raises(EngineOverloaded):
        run(result(Fault(Kind.BUSY)))


def test_results_may_be_nonsense() -> None:
    async def main() -> None:
        assert await faulty(ScriptedTranscriber(["yes"]), always(Fault(Kind.NOTHING))).transcribe(SOUND) == ""
        assert len(await faulty(ScriptedTranscriber(["yes"]), always(nonsense(Kind.LOOP))).transcribe(SOUND)) > 300
        assert np.isnan(await faulty(ScriptedTurnModel([0.7]), always(nonsense(Kind.NO_NUMBERS))).p_done(SOUND))
        assert np.isnan(await faulty(LoudnessActivity(), always(nonsense(Kind.NO_NUMBERS))).probability(SOUND))

    run(main())


def spoken(fault: Fault, at_most: int = 100) -> list[Speech]:
    async def main() -> list[Speech]:
        told = []
        async with aclosing(faulty(ToneVoice(0.2), always(fault)).speak("one two three")) as speeches:
            async for speech in speeches:
                told.append(speech)
                if len(told) == at_most:
                    break
        return told

    return run(main())


def test_sound_may_be_nonsense_from_some_stretch_on() -> None:
    assert np.isnan(spoken(nonsense(Kind.NO_NUMBERS, after=2))[2].samples).any()
    assert np.isinf(spoken(nonsense(Kind.INFINITE))[0].samples).all()
    assert np.mean(np.abs(spoken(nonsense(Kind.CLIPPED))[0].samples) == 1) > 0.9
    assert not any(speech.samples.any() for speech in spoken(nonsense(Kind.SILENCE)))
    assert len(spoken(nonsense(Kind.ENDLESS))) == 100
    first, second = (speech.words[0] for speech in spoken(nonsense(Kind.BACKWARDS))[:2])
    assert second.start_s < first.start_s
    whole = spoken(nonsense(Kind.NO_NUMBERS, after=3))
    assert all(np.isfinite(speech.samples).all() for speech in whole)
    assert len(whole) == 3


def test_what_is_no_engine_is_told() -> None:
    with pytest.raises(TypeError, match="dict is no engine"):
        faulty({}, always(crash()))  # type: ignore[call-overload]
