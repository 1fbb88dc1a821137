"""Engines fail, calls go on: whatever crashes or hangs, nobody is hung up on and something is said."""

from itertools import repeat
from pathlib import Path

import pytest

from calls import AGENT, GREETING, QUESTION, REPLY, Caller, HeldCall, engines, hold
from client_caller.conversation.actions import HangUp
from client_caller.conversation.events import EngineFailed
from client_caller.engines import Engines
from client_caller.faults import Fault, Kind, always, crash, faulty, first, hang, nonsense
from client_caller.hearing.scripted import LoudnessActivity, ScriptedTranscriber, ScriptedTurnModel
from client_caller.speaking.protocol import Talk
from client_caller.speaking.tone import ToneVoice
from client_caller.sturdy import SturdyModel, SturdyTranscriber, SturdyVoice, sturdy_activity
from client_caller.thinking.scripted import ScriptedModel
from virtual import run

SOUND = {
    "transcriber": lambda: ScriptedTranscriber(repeat(QUESTION), 0.1),
    "turn_model": lambda: ScriptedTurnModel([0.9], 0.05),
    "language_model": lambda: ScriptedModel(lambda messages: REPLY, 0.1, 0.02),
    "voice": lambda: ToneVoice(0.2, 0.02),
}
HANG_S = 20.0


def unwell(part: str, times: int, hang_s: float | None) -> Engines:
    """Sound engines but for one, which fails at its first jobs."""
    return engines(repeat(QUESTION), **{part: faulty(SOUND[part](), first(times, ill(hang_s)))})


def ill(hang_s: float | None) -> Fault:
    return crash() if hang_s is None else hang(hang_s)


def held_with(folder: Path, those: Engines, answered_within_s: float) -> HeldCall:
    """A call in which the caller asks once, a while after the greeting was due, and waits."""

    async def script(caller: Caller) -> None:
        await caller.wait(1.2)
        await caller.say()
        await caller.wait(answered_within_s)

    held = run(hold(script, folder, those))
    assert held.ended_by_caller
    assert held.did(HangUp) == []
    return held


def answers(held: HeldCall) -> list[str]:
    """What was said to the caller after the greeting."""
    return [text for text in held.said_by("agent") if text != GREETING]


@pytest.mark.parametrize("hang_s", [None, HANG_S], ids=["crashes", "hangs"])
def test_without_words_the_caller_is_asked_to_repeat(tmp_path: Path, hang_s: float | None) -> None:
    held = held_with(tmp_path, unwell("transcriber", 1, hang_s), answered_within_s=9.5)
    assert answers(held) == [AGENT.phrases.repeat]


def test_a_transcriber_that_recovers_is_believed_again(tmp_path: Path) -> None:
    async def script(caller: Caller) -> None:
        await caller.hear_out()
        await caller.say()
        await caller.hear_out()
        await caller.say()
        await caller.hear_out()

    held = run(hold(script, tmp_path, unwell("transcriber", 1, None)))
    assert answers(held) == [AGENT.phrases.repeat, REPLY]
    assert held.said_by("caller") == [QUESTION]


@pytest.mark.parametrize("hang_s", [None, HANG_S], ids=["crashes", "hangs"])
def test_without_a_verdict_the_words_alone_decide(tmp_path: Path, hang_s: float | None) -> None:
    held = held_with(tmp_path, unwell("turn_model", 1_000, hang_s), answered_within_s=4.0)
    assert answers(held) == [REPLY]
    assert held.voice_to_voice_s(0) < 0.8


@pytest.mark.parametrize("hang_s", [None, HANG_S], ids=["crashes", "hangs"])
def test_a_language_model_that_fails_for_good_is_apologised_for(tmp_path: Path, hang_s: float | None) -> None:
    held = held_with(tmp_path, unwell("language_model", 1_000, hang_s), answered_within_s=17.0)
    (said,) = answers(held)
    assert said.endswith(AGENT.phrases.trouble)
    assert (AGENT.phrases.fillers[0] in said) == (hang_s is not None), "silence is explained"


@pytest.mark.parametrize("hang_s", [None, 3.0], ids=["crashes", "hangs"])
def test_a_language_model_that_fails_at_the_warm_up_still_answers(tmp_path: Path, hang_s: float | None) -> None:
    held = held_with(tmp_path, unwell("language_model", 1, hang_s), answered_within_s=4.0)
    assert answers(held) == [REPLY]


def test_one_failed_reply_is_tried_again_without_a_word_about_it(tmp_path: Path) -> None:
    held = held_with(tmp_path, unwell("language_model", 2, None), answered_within_s=4.0)
    assert len(held.happened(EngineFailed)) == 2  # the warm-up and the first reply
    assert answers(held) == [REPLY]


def test_a_model_with_nothing_to_say_is_apologised_for(tmp_path: Path) -> None:
    held = held_with(tmp_path, engines(reply=""), answered_within_s=6.0)
    assert answers(held) == [AGENT.phrases.trouble]


@pytest.mark.parametrize("hang_s", [None, HANG_S], ids=["crashes", "hangs"])
def test_a_voice_that_fails_at_the_greeting_speaks_the_answer(tmp_path: Path, hang_s: float | None) -> None:
    held = held_with(tmp_path, unwell("voice", 1, hang_s), answered_within_s=4.0)
    assert held.said_by("caller") == [QUESTION]
    assert held.said_by("agent")[-1] == REPLY


def test_a_voice_that_hangs_in_an_answer_gives_the_floor_back_and_what_was_heard_is_kept(tmp_path: Path) -> None:
    class Halting:
        """Halts for longer than is waited for in every answer, after two words."""

        def speak(self, text: str, talk: Talk | None = None):
            return ToneVoice(0.2, stall_after_words=None if text == GREETING else 2, stall_s=20.0).speak(text)

        def leave(self, call_id: str) -> None:
            pass

    held = held_with(tmp_path, engines(voice=Halting()), answered_within_s=15.0)
    assert answers(held)[0] == "We are"


def test_a_voice_that_is_gone_ends_no_call_and_claims_nothing(tmp_path: Path) -> None:
    held = held_with(tmp_path, unwell("voice", 1_000, None), answered_within_s=4.0)
    assert held.stretches == []
    assert held.said_by("agent") == []


def sturdy(part: str, fault: Fault) -> Engines:
    """Engines as they are composed: one kind always fails in its first engine, and has another behind it."""
    unwell, well = faulty(SOUND[part](), always(fault)), SOUND[part]()
    chains = {
        "transcriber": lambda: SturdyTranscriber([unwell, well], 2.0),
        "language_model": lambda: SturdyModel([unwell, well], 2.0, 1.5),
        "voice": lambda: SturdyVoice([unwell, well], 1.5, 1.5),
    }
    return engines(repeat(QUESTION), **{part: chains[part]()})


@pytest.mark.parametrize("part", ["transcriber", "language_model", "voice"])
@pytest.mark.parametrize(
    "fault", [crash(), hang(), Fault(Kind.BUSY), Fault(Kind.LOST)], ids=lambda fault: fault.kind.name
)
def test_with_a_fallback_the_caller_is_answered_whatever_fails(tmp_path: Path, part: str, fault: Fault) -> None:
    held = held_with(tmp_path, sturdy(part, fault), answered_within_s=14.0)
    assert REPLY in " ".join(answers(held))  # and whatever was said while the caller waited
    assert held.said_by("caller") == [QUESTION]


@pytest.mark.parametrize("fault", [crash(after=3), hang(after=3)], ids=lambda fault: fault.kind.name)
def test_a_sentence_that_one_voice_began_another_ends(tmp_path: Path, fault: Fault) -> None:
    held = held_with(tmp_path, sturdy("voice", fault), answered_within_s=14.0)
    assert REPLY in " ".join(answers(held))


@pytest.mark.parametrize("fault", [crash(), hang(), nonsense(Kind.NO_NUMBERS)], ids=lambda fault: fault.kind.name)
def test_without_voice_activity_the_caller_is_still_heard_and_answered(tmp_path: Path, fault: Fault) -> None:
    deaf = sturdy_activity(lambda: faulty(LoudnessActivity(), always(fault)))
    held = held_with(tmp_path, engines(repeat(QUESTION), activity=deaf), answered_within_s=6.0)
    assert answers(held) == [REPLY]
