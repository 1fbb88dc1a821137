"""The caller's turn: what is decoded again, and what is settled."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.hearing.caller_turn import CallerTurn, Tail

PREROLL_S = 0.3


def spoken(*stretches: tuple[float, float]) -> CallerTurn:
    """A turn with these stretches of voice."""
    turn = CallerTurn(PREROLL_S)
    for starts_s, ends_s in stretches:
        turn.started(starts_s)
        turn.paused(ends_s)
    return turn


def test_before_the_first_onset_there_is_nothing_to_decode():
    assert CallerTurn(PREROLL_S).tail(5.0).cuts == ()


def test_the_sound_just_before_the_onset_is_decoded_with_it():
    assert spoken((2.0, 3.0)).tail(3.1).cuts == ((1.7, 3.1),)


def test_waiting_at_a_pause_does_not_lengthen_what_is_decoded():
    assert spoken((2.0, 3.0)).tail(9.0).cuts == ((1.7, 3.3),)


def test_silence_that_has_not_come_yet_is_not_waited_for():
    assert spoken((2.0, 3.0)).tail(3.1).silence_s == pytest.approx(0.2)
    assert spoken((2.0, 3.0)).tail(9.0).silence_s == pytest.approx(0.0)


def test_while_the_caller_speaks_all_up_to_now_is_decoded():
    turn = CallerTurn(PREROLL_S)
    turn.started(2.0)
    tail = turn.tail(4.0)
    assert tail.cuts == ((1.7, 4.0),)
    assert (tail.ended, tail.silence_s) == (0, 0.0)


def test_a_short_silence_is_kept_and_a_long_one_cut_down():
    assert spoken((1.0, 1.3), (1.8, 2.1)).tail(2.2).cuts == ((0.7, 2.2),)
    parted = spoken((1.0, 1.3), (4.3, 4.6)).tail(4.7).cuts
    assert parted == ((0.7, pytest.approx(1.45)), (pytest.approx(4.1), 4.7))


def test_what_was_decoded_is_not_decoded_again_once_the_caller_goes_on():
    turn = spoken((1.0, 3.0))
    assert turn.decoded(turn.tail(3.1), "My name is") == "My name is"
    turn.started(4.0)
    turn.paused(5.0)
    tail = turn.tail(5.1)
    assert tail.cuts == ((3.7, 5.1),)
    assert turn.decoded(tail, "Alice.") == "My name is Alice."


def test_words_that_arrive_when_the_caller_has_gone_on_are_settled_too():
    turn = spoken((1.0, 3.0))
    early = turn.tail(3.1)
    turn.started(4.0)
    turn.decoded(early, "My name is")
    assert turn.tail(4.5).frozen == "My name is"


def test_a_breath_between_words_settles_nothing():
    turn = spoken((1.0, 3.0))
    turn.decoded(turn.tail(3.1), "My name")
    turn.started(3.3)
    assert turn.tail(3.5).frozen == ""


def test_a_word_alone_is_decoded_with_what_follows_it():
    turn = spoken((1.0, 1.4))
    turn.decoded(turn.tail(1.5), "Well,")
    turn.started(3.0)
    assert turn.tail(3.5).frozen == ""
    assert len(turn.tail(3.5).cuts) == 2


def test_a_word_alone_is_settled_when_it_lies_long_ago():
    turn = spoken((1.0, 1.4))
    turn.decoded(turn.tail(1.5), "Well,")
    turn.started(9.0)
    assert turn.tail(9.5).frozen == "Well,"


@pytest.mark.parametrize(("spoken_s", "silence_s"), [(1.5, 0.5), (3.0, 0.2), (4.0, 0.1), (6.0, 0.04)])
def test_the_longer_the_tail_the_shorter_a_silence_settles_it_and_no_sound_is_lost(spoken_s, silence_s):
    def frozen_after(silence_s: float) -> Tail:
        turn = spoken((1.0, 1.0 + spoken_s))
        turn.decoded(turn.tail(1.0 + spoken_s), "So")
        turn.started(1.0 + spoken_s + silence_s)
        return turn.tail(9.0)

    if silence_s > 0.05:
        assert frozen_after(silence_s - 0.05).frozen == ""
    settled = frozen_after(silence_s + 0.01)
    assert settled.frozen == "So"
    assert 1.0 + spoken_s < settled.cuts[0][0] < 1.0 + spoken_s + silence_s + 0.02


def test_an_interim_of_a_long_turn_reads_up_to_the_last_lull_so_that_its_words_can_be_settled():
    turn = spoken((1.0, 5.1))
    turn.started(5.2)
    tail = turn.interim_tail(5.6)
    assert tail.cuts == ((0.7, 5.2),)
    turn.decoded(tail, "So I said")
    assert turn.interim_tail(5.6).frozen == "So I said"
    assert turn.interim_tail(5.6).cuts == ((5.2, 5.6),)


def test_an_interim_of_a_short_turn_reads_up_to_now():
    turn = spoken((1.0, 2.1))
    turn.started(2.2)
    assert turn.interim_tail(2.6).cuts == ((0.7, 2.6),)


def test_the_words_are_known_until_more_voice_is_heard():
    turn = spoken((1.0, 3.0))
    at_the_lull = turn.tail(3.04)
    assert turn.words() is None
    assert turn.holds_all(at_the_lull)
    turn.decoded(at_the_lull, "My name is")
    turn.paused(2.95)  # the same stop, dated better
    assert turn.words() == "My name is"
    turn.started(3.1)
    assert not turn.holds_all(at_the_lull)
    assert turn.words() is None


def test_late_words_of_less_voice_undo_nothing():
    turn = spoken((1.0, 1.4))
    early = turn.tail(1.5)
    turn.started(1.7)
    turn.paused(2.2)
    turn.decoded(turn.tail(2.3), "Yes, please")
    assert turn.decoded(early, "Yes") == "Yes"
    assert turn.words() == "Yes, please"


def test_words_that_break_off_in_the_middle_are_not_all_words():
    turn = CallerTurn(PREROLL_S)
    turn.started(1.0)
    partial = turn.tail(2.0)
    turn.decoded(partial, "I wa")
    turn.paused(2.5)
    assert not turn.holds_all(partial)
    assert turn.words() is None


def test_what_was_agreed_on_in_one_turn_is_nothing_to_the_next():
    turn = spoken((1.0, 3.0))
    stale = turn.tail(3.1)
    assert [turn.agreed(stale, "Good morning").stable for _ in range(2)] == [0, 2]
    turn.close()
    assert turn.agreed(stale, "Good morning Anna").stable == 0
    turn.started(4.0)
    assert turn.agreed(turn.tail(4.5), "I have").text == "I have"


def test_words_decoded_while_the_caller_spoke_are_never_settled():
    turn = CallerTurn(PREROLL_S)
    turn.started(1.0)
    partial = turn.tail(2.0)
    turn.paused(3.0)
    turn.decoded(partial, "I wa")
    turn.started(4.0)
    assert turn.tail(5.0).frozen == ""


def test_the_next_turn_knows_nothing_of_the_last():
    turn = spoken((1.0, 3.0), (4.0, 6.0))
    stale = turn.tail(6.1)
    turn.close()
    assert turn.decoded(stale, "Goodbye") == "Goodbye"
    turn.started(6.2)
    turn.paused(8.0)
    turn.started(9.0)
    tail = turn.tail(9.5)
    assert tail.frozen == ""
    assert tail.cuts[0][0] >= 6.15


def test_a_stop_that_is_noticed_only_when_the_turn_was_closed_in_it_belongs_to_the_past():
    turn = spoken((1.0, 3.0))
    turn.close()
    turn.paused(2.95)  # the same stop, dated better
    assert turn.tail(3.5).cuts == ()
    assert turn.words() is None
    turn.started(4.0)
    assert turn.tail(5.0).cuts == ((3.7, 5.0),)


def test_an_utterance_that_has_begun_when_the_turn_closes_is_the_next_turns():
    turn = spoken((1.0, 3.0))
    turn.started(4.0)
    turn.close()
    assert turn.tail(5.0).cuts == ((3.7, 5.0),)


WORD_S = 0.3


@dataclass
class Speech:
    """What a caller says, word by word, and a perfect transcriber of it: it finds a word where it hears its middle."""

    turn: CallerTurn = field(default_factory=lambda: CallerTurn(PREROLL_S))
    now_s: float = 0.0
    middles: list[float] = field(default_factory=list)
    first: int = 0  # word of this turn
    underway: list[tuple[int, Tail, str, str]] = field(default_factory=list)

    def speak(self, words: int) -> None:
        for _ in range(words):
            self.middles.append(self.now_s + WORD_S / 2)
            self.now_s += WORD_S

    def said(self, first: int, until_s: float) -> str:
        return " ".join(str(n) for n, at in enumerate(self.middles) if n >= first and at < until_s)

    def read(self, tail: Tail) -> str:
        heard = (n for n, at in enumerate(self.middles) if any(a <= at < b for a, b in tail.cuts))
        return " ".join(str(n) for n in heard)

    def decode(self, tail: Tail, due: int) -> None:
        """Begin a decode of `tail` whose words arrive at step `due`."""
        assert all(a <= b for a, b in tail.cuts)
        self.underway.append((due, tail, self.read(tail), self.said(self.first, tail.cuts[-1][1])))

    def arrive(self, step: int) -> None:
        for job in [job for job in self.underway if job[0] <= step]:
            _, tail, text, whole = job
            assert self.turn.decoded(tail, text) == whole
            self.underway.remove(job)

    def check(self) -> None:
        """The words of the turn are known, or a decode of its tail finds them."""
        whole = self.said(self.first, self.now_s)
        assert self.turn.words() in (None, whole)
        tail = self.turn.tail(self.now_s)
        assert self.turn.decoded(tail, self.read(tail)) == whole

    def close(self) -> None:
        self.turn.close()
        self.first = len(self.middles)


STEPS = st.lists(
    st.tuples(
        st.sampled_from([0.03, 0.1, 0.25, 0.6, 3.0]),
        st.integers(1, 12),
        st.lists(st.integers(0, 3), max_size=3),  # interims in the middle, each arriving so many steps late
        st.sampled_from(["", "decode", "decode", "check"]),
        st.integers(0, 3),
        st.sampled_from(["", "", "", "close in the silence", "close in the lull", "close in the voice"]),
    ),
    max_size=12,
)


@given(STEPS)
def test_no_word_is_lost_or_doubled_whatever_is_decoded_and_frozen_and_however_late_it_arrives(steps):
    speech = Speech()
    for step, (silence_s, words, interims, at_the_end, late, close) in enumerate(steps):
        speech.now_s += silence_s
        speech.turn.started(speech.now_s)
        speech.arrive(step)
        if close == "close in the voice":
            speech.close()
        for interim in interims:
            speech.speak(words)
            speech.decode(speech.turn.interim_tail(speech.now_s), step + interim)
            speech.arrive(step)
        speech.speak(words)
        speech.turn.paused(speech.now_s)
        if at_the_end == "decode":
            speech.decode(speech.turn.tail(speech.now_s), step + late)
        elif at_the_end == "check":
            speech.check()
        if close in ("close in the silence", "close in the lull"):
            speech.close()
        if close == "close in the lull":
            speech.turn.paused(speech.now_s)  # which only now turns out to be a pause
    speech.check()
