"""Words while they are spoken: in a whole call, with a transcriber that hears exactly what it is given.

Every word of this caller is a tone of one of sixteen levels, one level louder than the word before it, so that a word
that is lost, doubled or misplaced shows. Every third word ends in a short gap.
"""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from calls import Caller, HeldCall, engines, hold
from client_caller.audio.mulaw import encode
from client_caller.conversation.events import Interim, SpeechPaused, Transcript
from client_caller.settings import HearingSettings, Settings
from virtual import run

WORD_S = 0.2
GAP_EVERY, GAP_S = 3, 0.07
"""Without a gap now and then, the softest word would be taken for the noise of the line."""

LEVELS = 0.08 * 1.07 ** np.arange(16)
"""Within 13 dB: a word softer than that would be taken for somebody behind the caller while the agent speaks."""

SETTINGS = Settings(_env_file=None, hearing=HearingSettings(interim_s=0.4, hangover_s=0.096))  # gaps are no pauses


class ExactTranscriber:
    """Finds every word of which it is given more than half; takes `pace` seconds for a second of sound."""

    def __init__(self, pace: float = 0.05) -> None:
        self.given_s: list[float] = []
        self._pace = pace

    async def transcribe(self, samples: Any) -> str:
        seconds = len(samples) / 16_000
        self.given_s.append(seconds)
        await asyncio.sleep(self._pace * seconds)
        levels = np.searchsorted(LEVELS / 1.07**0.5, np.abs(samples)) - 1
        edges = np.flatnonzero(np.diff(levels, prepend=-2, append=-2))
        long_enough = np.diff(edges) > WORD_S / 2 * 16_000
        return " ".join(f"w{level}" for level in levels[edges[:-1]][long_enough] if level >= 0)


class WordyCaller:
    """Says words that can be told apart."""

    def __init__(self, caller: Caller) -> None:
        self.said: list[str] = []
        self._caller = caller

    async def say(self, words: int) -> None:
        for _ in range(words):
            level = len(self.said) % len(LEVELS)
            self.said.append(f"w{level}")
            word = np.full(round(WORD_S * 8_000), LEVELS[level], np.float32)
            if len(self.said) % GAP_EVERY == 0:
                word[-round(GAP_S * 8_000) :] = 0.0
            self._caller.line.say(encode(word))
        await self._caller.wait(words * WORD_S)


def held(folder: Path, transcriber: ExactTranscriber, *parts: tuple[int, float]) -> tuple[HeldCall, list[str]]:
    """A call whose caller says so many words and is silent for so many seconds, for each of `parts`."""
    said: list[str] = []

    async def script(caller: Caller) -> None:
        await caller.wait(2.0)
        speaker = WordyCaller(caller)
        for words, silence_s in parts:
            await speaker.say(words)
            await caller.wait(silence_s)
        await caller.wait(4.0)
        said.extend(speaker.said)

    return run(hold(script, folder, engines(transcriber=transcriber), settings=SETTINGS)), said


PARTS = st.lists(
    st.tuples(st.integers(1, 20), st.sampled_from([0.04, 0.1, 0.16, 0.3, 0.6, 1.2])), min_size=1, max_size=5
)


@settings(max_examples=10, deadline=None)
@given(PARTS, st.sampled_from([0.0, 0.05, 0.3]))
@example([(1, 0.04), (1, 0.04), (1, 0.04), (13, 0.3), (1, 0.04)], 0.0)
def test_every_word_of_a_call_is_found_exactly_once_wherever_its_pauses_lie(parts, pace):
    with TemporaryDirectory() as folder:
        call, said = held(Path(folder), ExactTranscriber(pace), *parts)
        assert " ".join(call.said_by("caller")).split() == said


def test_words_are_told_while_they_are_spoken_and_settle_from_the_front(tmp_path: Path) -> None:
    call, said = held(tmp_path, ExactTranscriber(), (12, 1.0))
    interims = [event for _, event in call.happened(Interim)]
    assert len(interims) >= 4
    assert all(said[: event.stable] == event.text.split()[: event.stable] for event in interims)
    assert [event.stable for event in interims] == sorted(event.stable for event in interims)
    assert interims[-1].stable > 6


def test_words_that_an_interim_has_found_by_the_pause_are_not_decoded_again(tmp_path: Path) -> None:
    transcriber = ExactTranscriber(pace=0.0)
    call, said = held(tmp_path, transcriber, (2, 1.0))  # 0.4 s: an interim at the lull before the pause
    (paused_at, _), (found_at, transcript) = *call.happened(SpeechPaused), *call.happened(Transcript)
    assert transcript.text.split() == said
    assert found_at == pytest.approx(paused_at, abs=1e-3)
    assert len(transcriber.given_s) == 1


def test_an_interim_that_holds_all_voice_is_waited_for_at_the_pause(tmp_path: Path) -> None:
    transcriber = ExactTranscriber(pace=0.5)
    call, said = held(tmp_path, transcriber, (2, 2.0))
    ((_, transcript),) = call.happened(Transcript)
    assert transcript.text.split() == said
    assert len(transcriber.given_s) == 1


def test_what_is_decoded_at_a_pause_does_not_grow_with_the_turn(tmp_path: Path) -> None:
    transcriber = ExactTranscriber()
    held(tmp_path, transcriber, *[(12, 0.1)] * 8)  # 20 s with no pause to speak of
    assert max(transcriber.given_s) < 6.0 + 2.4 + 0.8  # frozen at the first lull after 6 s; a stretch; lead and trail


def test_an_interim_nobody_had_time_for_is_counted_in_the_record(tmp_path: Path) -> None:
    call, _ = held(tmp_path, ExactTranscriber(pace=1.0), (20, 1.0))
    assert '"interim dropped"' in call.record.read_text(encoding="utf-8")
