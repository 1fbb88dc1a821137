"""What a voice is told of the call: what was said and heard, in order, and nothing else."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from calls import GREETING, LONG, QUESTION, WORD_S, Caller, HeldCall, engines, hold
from client_caller.faults import faulty, scheduled
from client_caller.hearing.caller_turn import CallerTurn, Tail
from client_caller.hearing.listener import TurnAudio
from client_caller.speaking.protocol import AgentSaid, CallerSaid, Talk
from client_caller.speaking.tone import ToneVoice
from client_caller.sturdy import SturdyVoice
from client_caller.talking import Talking
from virtual import run

OBJECTION = "No, something else entirely, please."


class Heard:
    """What was heard of pieces; of one that is not there, nothing was."""

    def __init__(self) -> None:
        self.pieces: dict[tuple[int, int], float | None] = {}

    def __call__(self, reply: int, piece: int) -> float | None:
        return self.pieces.get((reply, piece), 0.0)


def audio(number: int, *, first: int = 0, ended: int = 1, seconds: float = 1.0) -> TurnAudio:
    """Sound whose samples all have the value `number`."""
    samples = np.full(round(16_000 * seconds), number, np.float32)
    return TurnAudio(samples, Tail((), 0.0, "", 0, first, ended))


def caller_says(talking: Talking, text: str, number: int = 0, seconds: float = 1.0) -> None:
    talking.decoded(talking.turn, audio(number, seconds=seconds), text)
    talking.pause()
    talking.close_turn()


def told(talk: Talk) -> list[str | tuple[int, int, float | None]]:
    return [t.text if isinstance(t, CallerSaid) else (t.reply, t.piece, t.heard_s) for t in talk.turns]


def test_the_talk_before_a_piece_is_what_was_said_before_it() -> None:
    heard = Heard()
    talking = Talking("CA1", heard)
    assert talking.says(1, 0) == Talk("CA1", 1, 0, ())
    heard.pieces[1, 0] = None
    caller_says(talking, "hello")
    assert told(talking.says(2, 0)) == [(1, 0, None), "hello"]
    heard.pieces[2, 0] = 0.7
    caller_says(talking, "wait")
    assert told(talking.says(3, 0)) == [(1, 0, None), "hello", (2, 0, 0.7), "wait"]


def test_pieces_of_the_reply_that_is_being_said_count_as_whole_and_unheard_ones_of_others_are_left_out() -> None:
    talking = Talking("CA1", Heard())
    for piece in range(3):
        talking.says(1, piece)
    assert told(talking.says(1, 3)) == [(1, 0, None), (1, 1, None), (1, 2, None)]
    assert told(talking.says(2, 0)) == []


def test_an_open_turn_is_replaced_where_it_stands_when_it_is_decoded_anew() -> None:
    heard = Heard()
    heard.pieces[1, 0] = 0.5
    talking = Talking("CA1", heard)
    talking.decoded(0, audio(1), "I would")
    talking.pause()
    first = talking.says(1, 0).turns[0]
    talking.decoded(0, audio(2, ended=2, seconds=2.0), "I would like")
    talking.pause()
    second, piece = talking.says(2, 0).turns
    assert isinstance(first, CallerSaid)
    assert isinstance(second, CallerSaid)
    assert first.id != second.id
    assert (second.text, len(second.samples), second.samples[0]) == ("I would like", 32_000, 2.0)
    assert piece == AgentSaid(1, 0, 0.5)
    talking.pause()  # nothing new was decoded
    assert talking.says(2, 1).turns[0] is second


def test_a_closed_turn_stays_and_what_is_decoded_of_it_later_is_not_a_new_one() -> None:
    talking = Talking("CA1", Heard())
    before = talking.turn
    caller_says(talking, "yes")
    talking.decoded(before, audio(9), "yes I")
    talking.pause()
    assert told(talking.says(1, 0)) == ["yes"]
    caller_says(talking, "no")
    first, second = talking.says(2, 0).turns
    assert isinstance(first, CallerSaid)
    assert isinstance(second, CallerSaid)
    assert (first.text, second.text) == ("yes", "no")
    assert first.id != second.id


def test_a_noise_leaves_no_trace() -> None:
    talking = Talking("CA1", Heard())
    caller_says(talking, "")
    talking.decoded(talking.turn, audio(1), "uh")
    talking.pause()
    talking.decoded(talking.turn, audio(1), "")
    talking.pause()
    assert told(talking.says(1, 0)) == []


def test_what_is_kept_is_bounded_and_the_older_half_goes_at_once() -> None:
    heard = Heard()
    talking = Talking("CA1", heard)
    most, before, changes = 0, ("",), 0
    for number in range(200):
        caller_says(talking, f"turn {number}", seconds=0.1)
        turns = [turn for turn in told(talking.says(number, 0)) if isinstance(turn, str)]
        heard.pieces[number, 0] = None
        most, changes = max(most, len(turns)), changes + (turns[0] != before[0])
        before = (turns[0],)
        assert turns[-1] == f"turn {number}"
        assert turns == [f"turn {n}" for n in range(number - len(turns) + 1, number + 1)]
    assert 8 <= most <= 32
    assert changes < 30  # a prefix stays what it is for many turns


def test_long_turns_are_forgotten_sooner() -> None:
    talking = Talking("CA1", Heard())
    for number in range(30):
        caller_says(talking, f"turn {number}", seconds=25.0)
        talk = talking.says(number, 0)
        seconds = sum(len(t.samples) for t in talk.turns if isinstance(t, CallerSaid)) / 16_000
        assert seconds <= 120.0
        assert talk.turns
    assert seconds >= 50.0


def test_a_turn_without_end_is_bounded_and_its_text_goes_with_its_sound() -> None:
    talking = Talking("CA1", Heard())
    for number in range(100):
        talking.decoded(0, audio(number, first=number, ended=1, seconds=5.0), f"w{number}")
        talking.pause()
    (turn,) = talking.says(1, 0).turns
    assert isinstance(turn, CallerSaid)
    assert len(turn.samples) <= 70 * 16_000
    assert turn.text.split() == [f"w{round(float(value))}" for value in turn.samples[:: 5 * 16_000]]


class Speaker:
    """A caller whose turn is followed as the listener and the engines' work follow it.

    Stretch n of the voice is the word wn, and its sound has the value n.
    """

    def __init__(self) -> None:
        self.turn = CallerTurn(0.0)
        self.talking = Talking("CA1", Heard())
        self.at_s = 0.0
        self.stretches = 0

    def speak(self, seconds: float, interim: float | None) -> None:
        """A stretch of voice; part of the way through it what was said is decoded, maybe."""
        self.turn.started(self.at_s)
        self.stretches += 1
        if interim is not None:
            self._decode(self.turn.interim_tail(self.at_s + seconds * interim))
        self.at_s += seconds
        self.turn.paused(self.at_s)

    def pause(self, seconds: float, *, decoded: bool) -> None:
        if decoded:
            if self.turn.words() is None:
                self._decode(self.turn.tail(self.at_s))
            self.talking.pause()
        self.at_s += seconds

    def _decode(self, tail: Tail) -> None:
        count = tail.ended or self.stretches - tail.first
        numbers = range(tail.first, tail.first + count)
        samples = np.repeat(np.array(numbers, np.float32), 160)
        text = " ".join(f"w{number}" for number in numbers)
        self.turn.decoded(tail, text)
        self.talking.decoded(self.talking.turn, TurnAudio(samples, tail), text)


UTTERANCES = st.lists(
    st.tuples(
        st.floats(0.1, 4.0), st.none() | st.floats(0.1, 1.0), st.floats(0.03, 2.0), st.sampled_from([True, True, False])
    ),
    min_size=1,
    max_size=12,
)


@given(UTTERANCES)
def test_text_and_sound_of_a_turn_are_whole_and_belong_together_however_it_was_decoded(
    utterances: list[tuple[float, float | None, float, bool]],
) -> None:
    speaker = Speaker()
    for seconds, interim, pause_s, decoded in utterances:
        speaker.speak(seconds, interim)
        speaker.pause(pause_s, decoded=decoded)
    speaker.pause(0.0, decoded=True)
    (said,) = speaker.talking.says(1, 0).turns
    assert isinstance(said, CallerSaid)
    assert said.text == speaker.turn.words() == " ".join(f"w{number}" for number in range(len(utterances)))
    assert [f"w{round(float(value))}" for value in said.samples[::160]] == said.text.split()


class Listening:
    """The test voice, which writes down what it is told."""

    def __init__(self) -> None:
        self.talks: list[tuple[str, Talk | None]] = []
        self.left: list[str] = []
        self._voice = ToneVoice(WORD_S, 0.02)

    def speak(self, text: str, talk: Talk | None = None):
        self.talks.append((text, talk))
        return self._voice.speak(text)

    def leave(self, call_id: str) -> None:
        self.left.append(call_id)


def hold_with(voice: Listening, tmp_path: Path, script, reply: str = LONG, texts: tuple[str, ...] = (QUESTION,)):
    async def main() -> HeldCall:
        return await hold(script, tmp_path, engines(texts, reply, scores=[0.95] * 4, voice=voice))

    return run(main())


def test_after_a_barge_in_the_talk_says_what_was_heard_and_nothing_else(tmp_path: Path) -> None:
    voice = Listening()

    async def script(caller: Caller) -> None:
        await caller.hear_out()
        await caller.say(1.0)
        await caller.hear(2.0)
        await caller.say(1.2)
        await caller.hear(0.5)

    reply = f"{LONG} And that is all there is."
    held = hold_with(voice, tmp_path, script, reply, texts=(QUESTION, OBJECTION, "", ""))
    talk = next(talk for _, talk in reversed(voice.talks) if talk and talk.piece == 0)
    greeting, question, *answers, objection = talk.turns
    assert greeting == AgentSaid(1, 0, None)
    assert isinstance(question, CallerSaid)
    assert isinstance(objection, CallerSaid)
    assert (question.text, objection.text) == (QUESTION, OBJECTION)
    lengths = [len(text.split()) for text, each in voice.talks if each and each.reply == 2]
    heard_words = 0
    for number, answer in enumerate(answers):
        assert isinstance(answer, AgentSaid)
        assert (answer.reply, answer.piece) == (2, number)
        assert (answer.heard_s is None) == (answer is not answers[-1])
        heard_words += lengths[number] if answer.heard_s is None else int(answer.heard_s / WORD_S + 1e-6)
    assert len(lengths) > len(answers)  # more was made than was heard
    assert heard_words == len(held.said_by("agent")[1].split())
    assert 0.8 < len(question.samples) / 16_000 < 1.7
    assert np.abs(question.samples).max() > 0.1
    assert len(voice.left) == 1


def test_the_voice_hears_of_earlier_pieces_of_its_reply_as_whole(tmp_path: Path) -> None:
    voice = Listening()

    async def script(caller: Caller) -> None:
        await caller.hear_out()
        await caller.say(1.0)
        await caller.hear_out()

    hold_with(voice, tmp_path, script, reply="We are open every day. Come by whenever you like. We look forward to it.")
    greeting, *answer = voice.talks
    assert greeting[0] == GREETING
    assert [told(talk)[2:] for _, talk in answer if talk] == [
        [(talk.reply, piece, None) for piece in range(talk.piece)] for _, talk in answer if talk
    ]
    assert len(answer) >= 2


def test_a_piece_that_one_voice_hands_on_has_the_same_talk_for_the_next_and_all_take_leave(tmp_path: Path) -> None:
    first, second = Listening(), Listening()
    voice = SturdyVoice([faulty(first, scheduled([])), second], 1.5, 1.5)
    unwell = SturdyVoice([_Deaf(), second], 1.5, 1.5)

    async def script(caller: Caller) -> None:
        await caller.hear_out()

    async def main(spoken: SturdyVoice, folder: Path) -> None:
        await hold(script, folder, engines(voice=spoken))

    (tmp_path / "well").mkdir()
    (tmp_path / "unwell").mkdir()
    run(main(voice, tmp_path / "well"))
    assert len(first.left) == len(second.left) == 1
    assert second.talks == []
    run(main(unwell, tmp_path / "unwell"))
    assert second.talks == first.talks


class _Deaf:
    async def speak(self, text: str, talk: Talk | None = None):
        assert talk is not None
        return
        yield

    def leave(self, call_id: str) -> None:
        pass
