"""What the caller hears, and what we believe the caller heard, must agree."""

import heapq
import random
from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from client_caller.audio import mulaw
from client_caller.conversation.events import PlayedOut
from client_caller.speaking.playout import CHUNK_S, MARK_LATE_S, Playout, Send, SendMark
from client_caller.speaking.protocol import Speech, WordTime
from client_caller.speaking.tone import tone

LEAD_S = 0.28
MARK_EVERY_S = 0.16
WORD_S = 0.25


def words(count: int, first: int = 0) -> list[Speech]:
    """Words `first` and on as a voice would give them, each a quarter of a second."""
    indices = range(first, first + count)
    return [Speech(tone(i, WORD_S), (WordTime(i, i * WORD_S, (i + 1) * WORD_S),)) for i in indices]


def text_of(count: int) -> str:
    return " ".join(f"w{i}" for i in range(count))


def say(playout: Playout, reply: int, piece: int, count: int) -> None:
    for speech in words(count):
        playout.add(reply, piece, text_of(count), speech)
    playout.finish_piece(reply, piece)


def new_playout() -> Playout:
    return Playout(LEAD_S, MARK_EVERY_S)


@dataclass
class Carrier:
    """Plays what it gets in real time, one-way delay included, and echoes marks after a delay of their own."""

    delay_s: float
    echo_delays: random.Random
    echoes: bool = True
    audio: bytearray = field(default_factory=bytearray)
    ends_at: float = 0.0
    played_spans: list[tuple[float, float, int]] = field(default_factory=list)  # begins, ends, samples before
    marks: list[tuple[float, str]] = field(default_factory=list)

    def take(self, command: Send | SendMark, now: float) -> None:
        if isinstance(command, Send):
            begins = max(self.ends_at, now + self.delay_s)
            self.ends_at = begins + len(command.mulaw) / 8000
            self.played_spans.append((begins, self.ends_at, len(self.audio)))
            self.audio += command.mulaw
        elif self.echoes:
            last = max((at for at, _ in self.marks), default=0.0)  # a socket keeps the order
            at = max(last, self.ends_at, now + self.delay_s) + self.echo_delays.uniform(0.0, 0.06)
            heapq.heappush(self.marks, (at, command.name))

    def played_s(self, now: float) -> float:
        """Seconds of all audio sent that the caller has heard by now."""
        return sum(min(max(0.0, now - begins), ends - begins) for begins, ends, _ in self.played_spans)


def run(playout: Playout, carrier: Carrier, until: float, arrivals: list[tuple[float, int, int, Speech | None, str]]):
    """Drive both to `until` in steps of 10 ms; arrivals are (at, reply, piece, speech or None at its end, text)."""
    arrivals = sorted(arrivals, key=lambda arrival: arrival[0])
    news: list[PlayedOut] = []
    for tick in range(round(until * 100) + 1):
        now = tick / 100
        while arrivals and arrivals[0][0] <= now:
            _, reply, piece, speech, text = arrivals.pop(0)
            if speech is None:
                playout.finish_piece(reply, piece)
            else:
                playout.add(reply, piece, text, speech)
        while carrier.marks and carrier.marks[0][0] <= now:
            news += playout.mark_returned(heapq.heappop(carrier.marks)[1], now)
        news += playout.overdue(now)
        for command in playout.due(now):
            carrier.take(command, now)
        assert playout.ends_at - now <= LEAD_S + 1e-5
    return news


def heard_of(news: list[PlayedOut]) -> int:
    """Words heard in all, pieces together."""
    latest = {(event.reply, event.piece): event.words for event in news}
    return sum(latest.values())


def test_a_held_reply_is_silent_until_it_is_released() -> None:
    playout = new_playout()
    say(playout, 1, 0, 2)
    assert playout.due(0.0) == []
    assert playout.next_due(0.0) is None
    playout.release(1)
    assert isinstance(playout.due(0.0)[0], Send)
    assert playout.audible(0.1)


def test_audio_is_sent_up_to_the_lead_and_then_as_time_passes() -> None:
    playout = new_playout()
    say(playout, 1, 0, 4)
    playout.release(1)
    sent = [command for command in playout.due(10.0) if isinstance(command, Send)]
    assert len(sent) == int(LEAD_S / CHUNK_S)
    assert playout.due(10.03) == []
    due_at = playout.next_due(10.03)
    assert due_at is not None
    assert abs(due_at - 10.04) < 1e-6
    assert isinstance(playout.due(due_at)[0], Send)


def test_a_piece_ends_with_a_mark_even_if_its_end_is_known_late() -> None:
    playout = new_playout()
    playout.release(1)
    playout.add(1, 0, "w0", words(1)[0])
    commands = playout.due(0.0)
    playout.finish_piece(1, 0)
    commands += playout.due(0.3)
    assert isinstance(commands[-1], SendMark)
    assert playout.mark_returned(commands[-1].name, 0.6) == [PlayedOut(1, 0, 1, True)]


def test_a_word_counts_only_when_its_end_was_played() -> None:
    playout = new_playout()
    say(playout, 1, 0, 2)
    playout.release(1)
    marks = [command.name for command in playout.due(0.0) if isinstance(command, SendMark)]
    assert playout.mark_returned(marks[0], 0.17) == []  # 0.16 s of a word of 0.25 s


def test_a_mark_of_before_the_clear_proves_nothing() -> None:
    playout = new_playout()
    say(playout, 1, 0, 8)
    playout.release(1)
    marks = [command.name for command in playout.due(0.0) if isinstance(command, SendMark)]
    playout.clear(0.1)
    assert playout.mark_returned(marks[0], 0.11) == []
    assert not playout.audible(0.11)


def test_a_clear_tells_what_was_heard_and_silences_every_reply() -> None:
    playout = new_playout()
    say(playout, 1, 0, 1)
    say(playout, 1, 1, 4)
    say(playout, 2, 0, 1)
    playout.release(1)
    carrier = Carrier(0.0, random.Random(1))
    news = run(playout, carrier, 0.80, [])
    news += playout.clear(0.81)
    assert PlayedOut(1, 0, 1, True) in news
    assert news[-1] == PlayedOut(1, 1, 2, False)
    playout.release(2)
    playout.add(1, 2, "late", words(1)[0])
    assert playout.due(0.9) == []


def test_a_piece_fully_heard_is_done_at_the_clear_although_its_mark_is_on_its_way() -> None:
    playout = new_playout()
    say(playout, 1, 0, 1)
    playout.release(1)
    marks = [command.name for command in playout.due(0.0) if isinstance(command, SendMark)]
    assert playout.mark_returned(marks[0], 0.17) == []
    assert playout.clear(0.26) == [PlayedOut(1, 0, 1, True)]


def test_what_was_sent_of_a_dropped_reply_is_still_counted() -> None:
    playout = new_playout()
    say(playout, 1, 0, 8)
    playout.release(1)
    first, *_ = [command for command in playout.due(0.0) if isinstance(command, SendMark)]
    playout.drop(1)
    assert playout.next_due(0.0) == 0.16 + MARK_LATE_S  # no audio is awaited any more, only the mark
    assert playout.due(0.2) == []
    assert playout.mark_returned(first.name, 0.17) == []
    assert playout.clear(0.3) == [PlayedOut(1, 0, 1, False)]


def test_marks_that_never_return_count_a_second_after_their_time() -> None:
    playout = new_playout()
    say(playout, 1, 0, 4)
    playout.release(1)
    news = run(playout, Carrier(0.0, random.Random(1), echoes=False), 1.0 + MARK_LATE_S + 0.02, [])
    assert news[-1] == PlayedOut(1, 0, 4, True)
    assert playout.next_due(5.0) is None


def test_a_voice_without_word_times_has_them_spread_by_length() -> None:
    playout = new_playout()
    playout.add(1, 0, "aaa b", Speech(tone(0, 0.2)))
    playout.finish_piece(1, 0)
    playout.release(1)
    first, last = [command for command in playout.due(0.0) if isinstance(command, SendMark)]
    assert playout.mark_returned(first.name, 0.16) == [PlayedOut(1, 0, 1, False)]
    assert playout.mark_returned(last.name, 0.2) == [PlayedOut(1, 0, 2, True)]


def test_a_piece_without_sound_is_done_when_its_turn_comes() -> None:
    playout = new_playout()
    playout.finish_piece(1, 0)
    playout.release(1)
    (mark,) = playout.due(1.0)
    assert isinstance(mark, SendMark)
    assert playout.mark_returned(mark.name, 1.0) == [PlayedOut(1, 0, 0, True)]


def test_what_comes_after_a_gap_is_not_counted_before_it_was_played() -> None:
    playout = new_playout()
    playout.release(1)
    playout.add(1, 0, text_of(2), words(1)[0])
    for mark in playout.due(0.0):
        if isinstance(mark, SendMark):
            playout.mark_returned(mark.name, 0.17)
    playout.add(1, 0, text_of(2), words(1, 1)[0])
    playout.finish_piece(1, 0)
    assert isinstance(playout.due(3.0)[0], Send)
    assert playout.clear(3.1) == [PlayedOut(1, 0, 1, False)]


@given(counts=st.lists(st.integers(0, 5), min_size=1, max_size=4), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_all_audio_of_a_released_reply_is_sent_once_and_in_order(counts: list[int], seed: int) -> None:
    playout, carrier = new_playout(), Carrier(0.03, random.Random(seed))
    expected = b""
    for piece, count in enumerate(counts):
        say(playout, 1, piece, count)
        expected += b"".join(mulaw.encode(speech.samples) for speech in words(count))
    playout.release(1)
    news = run(playout, carrier, sum(counts) * WORD_S + 0.5, [])
    assert bytes(carrier.audio) == expected
    assert [event.piece for event in news if event.done] == list(range(len(counts)))
    assert heard_of(news) == sum(counts)


@given(
    count=st.integers(1, 10),
    delay_s=st.floats(0.0, 0.08),
    gap_s=st.floats(0.0, 0.6),
    stop_at=st.floats(0.1, 3.5),
    seed=st.integers(0, 999),
)
@settings(max_examples=150, deadline=None)
def test_the_words_believed_heard_are_those_played_give_or_take_one(
    count: int, delay_s: float, gap_s: float, stop_at: float, seed: int
) -> None:
    playout, carrier = new_playout(), Carrier(delay_s, random.Random(seed))
    playout.release(1)
    arrivals = [(0.1 + i * gap_s, 1, 0, speech, text_of(count)) for i, speech in enumerate(words(count))]
    stop_at = round(stop_at, 2)
    news = run(playout, carrier, stop_at, arrivals)
    told = [event.words for event in news]
    assert told == sorted(told)
    news += playout.clear(stop_at)
    played = int((carrier.played_s(stop_at) + 1e-6) / WORD_S)
    assert abs(heard_of(news) - played) <= 1
    assert heard_of(news) * WORD_S * 8000 <= len(carrier.audio)


@given(steps=st.lists(st.sampled_from(["add", "release", "drop", "clear", "wait"]), max_size=40))
@settings(max_examples=100, deadline=None)
def test_nothing_of_a_dropped_or_cleared_reply_is_ever_sent(steps: list[str]) -> None:
    playout, now, newest = new_playout(), 0.0, 0
    dead: set[int] = set()
    sounds = [np.full(800, 0.9 ** (reply + 1), np.float32) for reply in range(41)]  # each reply has its own loudness
    reply_of = {mulaw.encode(sound)[0]: reply for reply, sound in enumerate(sounds)}
    for step in steps:
        for reply in range(newest + 1):
            if step == "add":
                playout.add(reply, 0, "word", Speech(sounds[reply]))
            elif step == "release":
                playout.release(reply)
        if step == "drop":
            playout.drop(newest)
            dead.add(newest)
        elif step == "clear":
            playout.add(newest, 0, "word", Speech(sounds[newest]))
            playout.clear(now)
            dead |= set(range(newest + 1))
        newest = newest + 1 if step in ("drop", "clear") else newest
        now = now + 0.1 if step == "wait" else now
        sent = [command.mulaw for command in playout.due(now) if isinstance(command, Send)]
        assert dead.isdisjoint(reply_of[audio[0]] for audio in sent)


def test_without_marks_the_clock_tells_what_was_heard_and_nothing_is_waited_for_that_has_passed() -> None:
    playout = Playout(LEAD_S, MARK_EVERY_S, marks=False)
    playout.release(1)
    for speech in words(1):
        playout.add(1, 0, text_of(2), speech)
    assert all(isinstance(command, Send) for command in playout.due(0.0)), "no mark is asked for"
    assert playout.next_due(0.1) == playout.ends_at
    playout.due(playout.ends_at)
    assert playout.overdue(0.25) == []
    assert playout.next_due(1.0) is None, "the voice is behind, and nobody knows for how long"
    playout.finish_piece(1, 0)
    assert [type(command) for command in playout.due(1.0)] == [Send], "the rest of it"
    assert playout.overdue(1.1) == [PlayedOut(1, 0, 1, True)]


def test_a_hushed_reply_goes_on_from_the_first_unheard_word_and_every_word_is_counted_once() -> None:
    playout, carrier = new_playout(), Carrier(0.0, random.Random(1))
    say(playout, 1, 0, 6)
    playout.release(1)
    news = run(playout, carrier, 0.60, [])
    news += playout.progress(0.61)
    assert heard_of(news) == 2
    (fade,) = playout.hush(0.61)
    assert len(fade.mulaw) == 160
    assert playout.due(0.7) == []
    assert playout.next_due(0.7) is None
    playout.go_on()
    after = Carrier(0.0, random.Random(1))
    for tick in range(70, 250):
        now = tick / 100
        while after.marks and after.marks[0][0] <= now:
            news += playout.mark_returned(heapq.heappop(after.marks)[1], now)
        for command in playout.due(now):
            after.take(command, now)
    assert bytes(after.audio) == mulaw.encode(np.concatenate([speech.samples for speech in words(4, 2)]))
    assert news[-1] == PlayedOut(1, 0, 6, True)


def test_a_filler_sounds_between_two_parts_of_a_piece_and_both_are_counted() -> None:
    playout = new_playout()
    playout.release(1)
    first, second = words(2)
    playout.add(1, 0, text_of(2), first)
    marks = [command.name for command in playout.due(0.0) if isinstance(command, SendMark)]
    playout.interject(1, 1, "w0", words(1))
    marks += [command.name for command in playout.due(1.0) if isinstance(command, SendMark)]
    playout.add(1, 0, text_of(2), second)
    playout.finish_piece(1, 0)
    news = [event for name in marks for event in playout.mark_returned(name, 1.6)]
    for tick in range(100, 240):
        now = tick / 100
        for command in playout.due(now):
            if isinstance(command, SendMark):
                news += playout.mark_returned(command.name, now + 0.3)
    assert PlayedOut(1, 1, 1, True) in news
    assert news[-1] == PlayedOut(1, 0, 2, True)
