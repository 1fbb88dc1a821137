"""How much of each piece was heard, as a voice is told: in seconds of its own sound, whatever came in between."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_caller.audio.frame import LINE_HZ
from client_caller.speaking.playout import Playout, Send
from client_caller.speaking.protocol import Speech, WordTime
from client_caller.speaking.tone import tone

WORD_S = 0.25
TICK_S = 0.01


class Ear:
    """A carrier that plays at once what it gets, and a caller who listens: time passes in ticks."""

    def __init__(self, *, marks: bool = True) -> None:
        self.playout = Playout(0.3, 0.16, marks=marks)
        self.now = self.ends_at = 0.0
        self.marks: list[tuple[float, str]] = []

    def say(self, reply: int, piece: int, words: int, *, ends: bool = True) -> None:
        for i in range(words):
            speech = Speech(tone(i, WORD_S), (WordTime(i, i * WORD_S, (i + 1) * WORD_S),))
            self.playout.add(reply, piece, "w " * words, speech)
        if ends:
            self.playout.finish_piece(reply, piece)

    def listen(self, seconds: float) -> None:
        for _ in range(round(seconds / TICK_S)):
            for command in self.playout.due(self.now):
                if isinstance(command, Send):
                    self.ends_at = command.plays_at + len(command.mulaw) / LINE_HZ
                else:
                    self.marks.append((self.ends_at, command.name))
            self.now = round(self.now + TICK_S, 6)
            while self.marks and self.marks[0][0] <= self.now + 1e-9:
                self.playout.mark_returned(self.marks.pop(0)[1], self.now)
        self.playout.progress(self.now)

    def hush(self) -> None:
        self.playout.progress(self.now)
        self.playout.hush(self.now)
        self.marks.clear()

    def clear(self) -> None:
        self.playout.clear(self.now)
        self.marks.clear()

    def heard_s(self, reply: int, piece: int) -> float | None:
        return self.playout.heard_s(reply, piece)


@pytest.mark.parametrize("marks", [True, False])
def test_a_piece_is_heard_bit_by_bit_and_then_whole_and_stays_so(marks: bool) -> None:
    ear = Ear(marks=marks)
    ear.say(1, 0, 4)
    ear.say(1, 1, 4)
    assert ear.heard_s(1, 0) == 0.0
    ear.playout.release(1)
    ear.listen(0.4)
    assert ear.heard_s(1, 0) == pytest.approx(0.4, abs=0.02)
    assert ear.heard_s(1, 1) == 0.0
    ear.listen(1.0)
    assert ear.heard_s(1, 0) is None
    assert ear.heard_s(1, 1) == pytest.approx(0.4, abs=0.02)
    ear.listen(1.0)
    ear.clear()
    assert (ear.heard_s(1, 0), ear.heard_s(1, 1)) == (None, None)


def test_what_a_clear_cut_off_was_not_heard_and_what_was_dropped_never_was() -> None:
    ear = Ear()
    ear.say(1, 0, 4)
    ear.say(1, 1, 4)
    ear.say(2, 0, 4)
    ear.playout.release(1)
    ear.listen(0.5)
    ear.clear()
    assert ear.heard_s(1, 0) == pytest.approx(0.5, abs=0.02)
    ear.listen(1.0)
    assert ear.heard_s(1, 0) == pytest.approx(0.5, abs=0.02)
    assert (ear.heard_s(1, 1), ear.heard_s(2, 0), ear.heard_s(7, 7)) == (0.0, 0.0, 0.0)


def test_a_dropped_reply_was_heard_as_far_as_it_was_sent() -> None:
    ear = Ear()
    ear.say(1, 0, 8)
    ear.playout.release(1)
    ear.listen(0.5)
    ear.playout.drop(1)
    ear.listen(1.0)
    assert ear.heard_s(1, 0) == pytest.approx(0.8, abs=0.05)  # what the carrier had already got


def test_a_filler_in_between_is_no_sound_of_the_piece() -> None:
    ear = Ear()
    ear.say(1, 0, 4, ends=False)
    ear.playout.release(1)
    ear.listen(0.5)
    ear.playout.interject(1, 1, "Um.", [Speech(tone(9, 0.5), (WordTime(0, 0.0, 0.5),))])
    ear.listen(0.5)
    heard_s, filler_s = ear.heard_s(1, 0), ear.heard_s(1, 1)
    assert heard_s is not None
    assert filler_s is not None
    assert heard_s + filler_s == pytest.approx(1.0, abs=0.02)
    assert 0.5 < heard_s < 0.85
    ear.listen(0.5)
    assert ear.heard_s(1, 1) is None
    ear.playout.finish_piece(1, 0)
    ear.listen(1.0)
    assert ear.heard_s(1, 0) is None


def test_after_a_hush_the_word_that_is_said_again_counts_once() -> None:
    ear = Ear()
    ear.say(1, 0, 4)
    ear.playout.release(1)
    ear.listen(0.4)
    ear.hush()
    assert ear.heard_s(1, 0) == pytest.approx(0.4, abs=0.02)
    ear.listen(1.0)
    assert ear.heard_s(1, 0) == pytest.approx(0.4, abs=0.02)
    ear.playout.go_on()  # from 0.25 s on
    ear.listen(0.1)
    assert ear.heard_s(1, 0) == pytest.approx(0.4, abs=0.02)
    ear.listen(0.2)
    assert ear.heard_s(1, 0) == pytest.approx(0.55, abs=0.03)
    ear.listen(0.5)
    assert ear.heard_s(1, 0) is None


def test_a_hush_that_becomes_a_clear_keeps_what_was_heard() -> None:
    ear = Ear()
    ear.say(1, 0, 4)
    ear.playout.release(1)
    ear.listen(0.6)
    ear.hush()
    ear.clear()
    assert ear.heard_s(1, 0) == pytest.approx(0.6, abs=0.02)


def test_a_piece_without_sound_was_not_heard() -> None:
    ear = Ear()
    ear.playout.finish_piece(1, 0)
    ear.say(1, 1, 1)
    ear.playout.release(1)
    ear.listen(0.5)
    assert (ear.heard_s(1, 0), ear.heard_s(1, 1)) == (0.0, None)


def test_only_the_last_pieces_are_remembered() -> None:
    ear = Ear()
    for reply in range(200):
        ear.playout.add(reply, 0, "w", Speech(np.zeros(80, np.float32)))
        ear.playout.finish_piece(reply, 0)
        ear.playout.release(reply)
        ear.listen(0.02)
    assert ear.heard_s(199, 0) is None
    assert ear.heard_s(150, 0) is None
    assert ear.heard_s(100, 0) == 0.0


@given(st.lists(st.tuples(st.sampled_from(["listen", "hush", "on", "fill", "end"]), st.integers(1, 60)), max_size=12))
def test_what_was_heard_never_shrinks_and_is_never_more_than_was_made(script: list[tuple[str, int]]) -> None:
    ear = Ear()
    ear.say(1, 0, 6, ends=False)
    ear.playout.release(1)
    before, fillers = 0.0, 0
    for step, ticks in script:
        if step == "hush":
            ear.hush()
        elif step == "on":
            ear.playout.go_on()
        elif step == "end":
            ear.playout.finish_piece(1, 0)
        elif step == "fill":
            fillers += 1
            ear.playout.interject(1, fillers, "Um.", [Speech(tone(9, 0.1), (WordTime(0, 0.0, 0.1),))])
        ear.listen(ticks * TICK_S)
        heard_s = ear.heard_s(1, 0)
        assert before is not None or heard_s is None
        if heard_s is not None:
            assert before <= heard_s <= 6 * WORD_S
        before = heard_s
    heard_s = before
    ear.clear()
    assert ear.heard_s(1, 0) == heard_s
    assert LINE_HZ * (heard_s or 0.0) == pytest.approx(round(LINE_HZ * (heard_s or 0.0)))
