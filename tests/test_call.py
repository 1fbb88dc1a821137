"""Whole calls: who is heard when, and what is remembered of it."""

import asyncio
from itertools import repeat
from math import floor
from pathlib import Path

import pytest

from calls import AGENT, GREETING, LONG, QUESTION, REPLY, SETTINGS, WORD_S, Caller, HeldCall, engines, hold
from client_caller.conversation.actions import Release, Say, StartReply, Turn
from client_caller.conversation.events import SpeechStarted
from client_caller.line.simulated import SimulatedLine
from client_caller.thinking.scripted import ScriptedModel
from virtual import run


async def ask(caller: Caller) -> None:
    """Hear the greeting, ask, hear the answer."""
    await caller.hear_out()
    await caller.say()
    await caller.hear_out()


def remembered_of(held: HeldCall, text: str, *stretches: int) -> tuple[int, int]:
    """Words of `text` in the interrupted agent's turn, and words of it that the line truly played; both whole.

    stretches: which stretches of the agent's voice it sounded in.
    """
    turn = next(turn for turn in held.remembered if turn.cut_by)
    count = len(turn.text.split())
    assert turn.text == " ".join(text.split()[:count])
    return count, sum(floor(held.stretches[number].words + 1e-6) for number in stretches)


def test_the_greeting_is_heard_at_once_and_whole(tmp_path: Path) -> None:
    held = run(hold(Caller.hear_out, tmp_path, engines()))
    (greeting,) = held.stretches
    assert greeting.begins < 0.1
    assert greeting.words == pytest.approx(len(GREETING.split()))
    assert held.remembered == [Turn("agent", GREETING)]


def test_a_question_is_answered_within_half_a_second(tmp_path: Path) -> None:
    held = run(hold(ask, tmp_path, engines()))
    assert SETTINGS.turn.quick_s < held.voice_to_voice_s(0) < 0.5
    assert held.stretches[1].words == pytest.approx(len(REPLY.split()))
    assert held.remembered == [Turn("agent", GREETING), Turn("caller", QUESTION), Turn("agent", REPLY)]


@pytest.mark.parametrize(
    ("first_s", "texts"),
    [
        (0.6, ["I would like", "I would like to cancel my order."]),
        (1.0, ["I would like", "to cancel my order."]),  # long enough to be decoded once and for all
    ],
)
def test_almost_three_seconds_of_thought_are_not_an_end_and_their_draft_leaves_no_trace(
    tmp_path: Path, first_s: float, texts: list[str]
) -> None:
    def answer(messages: object) -> str:
        return "Yes, what is it?" if messages[-1].content == "I would like" else REPLY

    async def script(caller: Caller) -> None:
        await caller.hear_out()
        await caller.say_with_pause(first_s, 2.9, 1.0)
        await caller.hear_out()

    model = ScriptedModel(answer, 0.1, 0.02)
    held = run(hold(script, tmp_path, engines(texts, language_model=model)))
    draft = next(action.reply for _, action in held.did(StartReply))
    assert draft in [action.reply for _, action in held.did(Say)]
    assert draft not in [action.reply for _, action in held.did(Release)]
    assert [stretch.words for stretch in held.stretches] == pytest.approx([len(GREETING.split()), len(REPLY.split())])
    assert held.remembered[1:] == [Turn("caller", "I would like to cancel my order."), Turn("agent", REPLY)]
    assert "what is it" not in str(model.asked)


def test_a_caller_who_goes_on_before_a_word_of_the_answer_was_heard_gets_one_answer_to_both(tmp_path: Path) -> None:
    async def script(caller: Caller) -> None:
        await caller.hear_out()
        await caller.say()
        await caller.wait(0.34)  # the turn is judged over, and the model is about to answer
        await caller.say()
        await caller.hear_out()

    held = run(hold(script, tmp_path, engines([QUESTION, "On Sunday, I mean."])))
    assert held.said_by("caller") == [f"{QUESTION} On Sunday, I mean."]
    assert held.said_by("agent") == [GREETING, REPLY]


def test_a_barge_in_silences_the_agent_and_history_ends_where_the_sound_did(tmp_path: Path) -> None:
    async def script(caller: Caller) -> None:
        await caller.hear_out()
        await caller.say()
        await caller.hear(1.5)
        await caller.say(0.6)
        await caller.hear(0.4)

    held = run(hold(script, tmp_path, engines([QUESTION, "No, thank you."], LONG)))
    assert held.stretches[2].ends - held.caller.spoken[1][0] < 0.3
    remembered, played = remembered_of(held, LONG, 1, 2)  # its two pieces
    assert abs(remembered - played) <= 1
    assert held.said_by("caller") == [QUESTION, "No, thank you."]


def test_ten_interruptions_in_a_row_keep_history_exact(tmp_path: Path) -> None:
    async def script(caller: Caller) -> None:
        await caller.hear_out()
        await caller.say(0.4)
        for number in range(10):
            await caller.hear(0.3 + 0.06 * number)
            await caller.say(0.4)

    held = run(hold(script, tmp_path, engines(repeat(QUESTION), LONG)))
    interrupted = [len(turn.text.split()) for turn in held.remembered if turn.cut_by]
    played = [floor(stretch.words + 1e-6) for stretch in held.stretches[1:11]]
    assert len(interrupted) == len(played) == 10
    assert max(abs(words - heard) for words, heard in zip(interrupted, played, strict=True)) <= 1
    assert all(turn.text == " ".join(LONG.split()[: len(turn.text.split())]) for turn in held.remembered[2::2])


@pytest.mark.parametrize("heard_s", [0.1, 0.3, 0.5])
def test_the_greeting_may_be_interrupted_from_its_first_100_ms(tmp_path: Path, heard_s: float) -> None:
    async def script(caller: Caller) -> None:
        await caller.hear(heard_s)
        await caller.say(0.6)
        await caller.hear_out()

    held = run(hold(script, tmp_path, engines(), agent=AGENT.model_copy(update={"greeting": LONG})))
    greeting = [turn for turn in held.remembered if turn.cut_by]
    remembered = sum(len(turn.text.split()) for turn in greeting)
    assert held.stretches[0].ends - held.caller.spoken[0][0] < 0.3
    assert abs(remembered - floor(held.stretches[0].words + 1e-6)) <= 1
    assert held.remembered[len(greeting) :] == [Turn("caller", QUESTION), Turn("agent", REPLY)]


def test_after_a_noise_the_agent_goes_on_from_the_first_unheard_word(tmp_path: Path) -> None:
    async def script(caller: Caller) -> None:
        await caller.hear_out()
        await caller.say()
        await caller.hear(0.8)
        await caller.say(0.2)  # a cough
        await caller.hear_out()

    held = run(hold(script, tmp_path, engines([QUESTION, ""])))
    assert len(held.stretches) == 3
    assert " ".join(held.said_by("agent")) == f"{GREETING} {REPLY}"
    assert held.said_by("caller") == [QUESTION]
    again = sum(stretch.words for stretch in held.stretches[1:]) - len(REPLY.split())
    assert 0 <= again <= 2  # the word that was cut is said anew


@pytest.mark.parametrize("after_s", [0.5, 0.51, 0.52, 0.53])
def test_nobody_hears_that_the_event_loop_stood_still_for_a_quarter_of_a_second(tmp_path: Path, after_s: float) -> None:
    async def script(caller: Caller) -> None:
        await caller.hear_out()
        await caller.say()
        await caller.hear(0.2)
        await asyncio.sleep(after_s)
        asyncio.get_running_loop().stall(0.25)
        await caller.hear_out()

    held = run(hold(script, tmp_path, engines()))
    answer = held.stretches[1]
    assert answer.words == pytest.approx(len(REPLY.split()))
    assert answer.ends - answer.begins == pytest.approx(WORD_S * answer.words, abs=0.001), "not a frame was missing"


def test_keys_silence_the_agent_and_are_one_message_to_it(tmp_path: Path) -> None:
    async def script(caller: Caller) -> None:
        await caller.hear(0.4)
        for key in "12#":
            caller.line.press(key)
        await caller.hear_out()

    held = run(hold(script, tmp_path, engines()))
    greeted, pressed, answered = held.remembered
    assert greeted.cut_by == "caller"
    assert (pressed, answered) == (Turn("caller", "[pressed 12]"), Turn("agent", REPLY))


@pytest.mark.parametrize("line", [{"lose_marks": True}, {"mark_delay_s": 0.3}], ids=["lost", "delayed"])
def test_without_punctual_marks_a_call_goes_on_and_history_claims_no_more_than_was_heard(
    tmp_path: Path, line: dict[str, float]
) -> None:
    async def script(caller: Caller) -> None:
        for _ in range(2):
            await caller.hear_out()
            await caller.wait(1.0)  # until the last mark is given up
            await caller.say()
        await caller.hear(1.4)
        await caller.say(0.6)
        await caller.hear(0.2)

    reply = " ".join(LONG.split()[:12])
    held = run(hold(script, tmp_path, engines(repeat(QUESTION), reply), line=SimulatedLine(**line)))
    assert held.remembered[:3] == [Turn("agent", GREETING), Turn("caller", QUESTION), Turn("agent", reply)]
    remembered, played = remembered_of(held, reply, 2)
    late_words = 6 if "lose_marks" in line else 3
    assert played - late_words <= remembered <= played


@pytest.mark.parametrize("late", [range(50, 75), range(80, 110)], ids=["the onset", "the end"])
def test_a_burst_of_late_sound_is_dated_by_the_sound(tmp_path: Path, late: range) -> None:
    def lateness_s(number: int) -> float:
        return 0.02 * (late.stop - number) if number in late else 0.0

    held = run(hold(ask, tmp_path, engines(), line=SimulatedLine(lateness_s=lateness_s)))
    (began,) = [event.at for _, event in held.happened(SpeechStarted)]
    assert began == pytest.approx(held.caller.spoken[0][0], abs=0.05)
    assert SETTINGS.turn.quick_s < held.voice_to_voice_s(0) < 1.0
    assert held.remembered[1:] == [Turn("caller", QUESTION), Turn("agent", REPLY)]
