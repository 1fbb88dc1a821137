"""eSpeak NG: a voice that needs no model file, no GPU and next to no time (under a millisecond to its first sound).

In:   text.     Out: speech at 8 kHz as it is made, with the time of every word.
Rule: the library has one global voice and is not re-entrant, so one worker thread per process does all its work, piece
      after piece. The event loop only ever waits for what that thread hands over.

Source of the functions, structures and numbers of the library: espeak-ng 1.52, `speak_lib.h`.
"""

import asyncio
import ctypes
import re
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from threading import Event
from typing import Any, Final

import espeakng_loader
import numpy as np

from client_caller.audio.frame import LINE_HZ, Samples
from client_caller.audio.levels import level_dbfs
from client_caller.audio.resample import Resampler
from client_caller.errors import ConfigError, EngineCrashed
from client_caller.speaking.protocol import Speech, Talk, WordTime
from client_caller.speaking.words import PAUSE_S, pause_after, spread

_LEVEL_DBFS: Final = -20.0
_PEAK: Final = 0.7  # of the calibration sentence, which leaves 3 dB for a louder one
_SILENT: Final = 0.003  # -50 dBFS; eSpeak's pauses are digital silence, its softest consonants are louder
_CHUNK_MS: Final = 200  # audio per hand-over: about 0.3 ms of work
_LONGEST_S: Final = 60.0  # nobody says more in one piece; it bounds the queue
_WAITING: Final = 512  # hand-overs that may wait: more than _LONGEST_S can make
_LETTER_A: Final = re.compile(r"(?<=[^.!?] )A(?=[\s,.;:!?]|$)|^A(?= [A-Z]\b)")
"""A capital A that is a letter and no article, as in "option A"; eSpeak says the article."""

_CALIBRATION: Final = "Good morning, this is the number you have called. How may I help you today?"

_SYNCHRONOUS: Final = 2
_DONT_EXIT: Final = 0x8000
_UTF8: Final = 1
_RATE, _PITCH = 1, 3
_EVENT_END, _EVENT_WORD = 0, 1


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),  # in characters, the first is 1
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))

_worker: Final = ThreadPoolExecutor(1, thread_name_prefix="espeak")


@dataclass(frozen=True, slots=True)
class _Manner:
    """How to speak: what must be set in the library before each piece."""

    voice: str
    words_per_minute: int
    pitch: int


class EspeakVoice:
    """One way of speaking. Any number of them may speak at once; they take turns piece by piece.

    voice: a name of eSpeak's, with an optional variant ("en-us", "en+f3");  words_per_minute: 80-450;
    pitch: 0-99.   Raises ConfigError for a voice that does not exist, EngineCrashed if the library will not start.
    """

    def __init__(self, voice: str, words_per_minute: int, pitch: int) -> None:
        self._manner = _Manner(voice, words_per_minute, pitch)
        self._gain = _worker.submit(_gain_of, self._manner).result()

    async def speak(self, text: str, talk: Talk | None = None) -> AsyncGenerator[Speech, None]:
        """The piece in stretches of about 0.2 s. Raises EngineCrashed."""
        loop = asyncio.get_running_loop()
        made: asyncio.Queue[Speech | None] = asyncio.Queue(_WAITING)
        stop = Event()

        def hand_over(speech: Speech | None) -> None:
            loop.call_soon_threadsafe(made.put_nowait, speech)

        work = loop.run_in_executor(_worker, _speak, self._manner, self._gain, text, hand_over, stop)
        try:
            while (speech := await made.get()) is not None:
                yield speech
            await work
        finally:
            stop.set()
            if not work.cancel():
                await asyncio.wait([work])  # at most one chunk: the thread must not outlive the loop it reports to

    def leave(self, call_id: str) -> None:
        """Nothing is kept of a call."""


class _Shaper:
    """Turns the library's chunks and events into speech for the line: 8 kHz, one gain, no silence at the ends."""

    def __init__(self, text: str, gain: float, from_hz: int) -> None:
        self._resampler = Resampler(from_hz, LINE_HZ)
        self._gain = np.float32(gain)
        self._words = text.split()
        self._word_starts = [word.start() for word in re.finditer(r"\S+", text)]
        self._pause = round(pause_after(text) * LINE_HZ)
        self._held: Samples = np.zeros(0, np.float32)  # silence that may turn out to be the end
        self._skipped: int | None = None  # samples of silence before the first sound, once it is known
        self._given = 0
        self._word, self._word_at = 0, 0.0

    def sound(self, samples: Samples) -> Samples:
        """The part of the next chunk that is surely not the silence at an end."""
        made = np.concatenate((self._held, self._resampler.feed(samples) * self._gain))
        loud = np.flatnonzero(np.abs(made) > _SILENT)
        if len(loud) == 0:
            self._held = made
            return made[:0]
        begin, end = (int(loud[0]) if self._skipped is None else 0), int(loud[-1]) + 1
        self._skipped = begin if self._skipped is None else self._skipped
        self._held = made[end:]
        self._given += end - begin
        return made[begin:end]

    def rest(self) -> Speech:
        """The end of the sound, the pause that the last character deserves, and the words that nothing ended."""
        tail = np.concatenate((self._held, self._resampler.finish() * self._gain))[: self._pause]
        words = self._until(len(self._words), self._given / LINE_HZ)
        return Speech(np.pad(tail, (0, self._pause - len(tail))), words)

    def word_began(self, text_position: int, at_s: float) -> tuple[WordTime, ...]:
        """The words that this one ends. text_position: in characters, the first is 1;  at_s: in the library's audio."""
        word = sum(start < text_position for start in self._word_starts) - 1
        return self._until(word, max(self._word_at, at_s - (self._skipped or 0) / LINE_HZ))

    def _until(self, word: int, at_s: float) -> tuple[WordTime, ...]:
        """End the words before `word`, which begins at `at_s`. eSpeak may announce several ("I am") as one."""
        if word <= self._word:
            return ()
        ended = spread(self._words[self._word : word], self._word, self._word_at, at_s)
        self._word, self._word_at = word, at_s
        return tuple(ended)


def _speak(manner: _Manner, gain: float, text: str, hand_over: Callable[[Speech | None], None], stop: Event) -> None:
    """Worker thread: speak `text` until `stop`, handing over speech and at the end None."""
    hz = _library()[1]
    text = _LETTER_A.sub("eh", text)
    shaper = _Shaper(text, gain, hz)
    limit = _LONGEST_S * hz

    def chunk(samples: Samples, words: list[tuple[int, int]]) -> bool:
        nonlocal limit
        limit -= len(samples)
        sound = shaper.sound(samples)
        times = [time for position, sample in words for time in shaper.word_began(position, sample / hz)]
        if len(sound) or times:
            hand_over(Speech(sound, tuple(times)))
        return limit <= 0 or stop.is_set()

    try:
        if not stop.is_set() and text.strip():
            _synthesise(manner, text, chunk)
            hand_over(shaper.rest())
    finally:
        hand_over(None)


def _synthesise(manner: _Manner, text: str, chunk: Callable[[Samples, list[tuple[int, int]]], bool]) -> None:
    """Worker thread: have the library speak. `chunk` gets samples and (text position, sample) of words; True stops."""

    def take(wave: Any, count: int, events: Any) -> int:
        words = []
        for event in events:  # an endless pointer: it ends at the first event of type 0
            if event.type == _EVENT_END:
                break
            if event.type == _EVENT_WORD:
                words.append((event.text_position, event.sample))
        # Not as an array of ctypes, which keeps a type for ever for each length that there was.
        samples = np.frombuffer(ctypes.string_at(wave, 2 * count) if count else b"", np.int16)
        return int(chunk(samples.astype(np.float32) / np.float32(32_768), words))

    library = _library()[0]
    _set_manner(manner)
    callback = _Callback(take)
    library.espeak_SetSynthCallback(callback)
    # A piece cut from the middle of a sentence gets the tone of one that goes on.
    spoken = (text if text.rstrip()[-1] in PAUSE_S else text + ",").encode()
    if library.espeak_Synth(spoken, len(spoken) + 1, 0, 0, 0, _UTF8, None, None) != 0:
        raise EngineCrashed("voice", "eSpeak could not speak a piece")


def _set_manner(manner: _Manner) -> None:
    library = _library()[0]
    if library.espeak_SetVoiceByName(manner.voice.encode()) != 0:
        raise ConfigError(
            f"agent file, [voice] name: eSpeak has no voice {manner.voice!r}; "
            "try en-us, en (British), de, fr, es, or one with a variant, such as en-us+f3"
        )
    library.espeak_SetParameter(_RATE, manner.words_per_minute, 0)
    library.espeak_SetParameter(_PITCH, manner.pitch, 0)


def _gain_of(manner: _Manner) -> float:
    """Worker thread: the factor that brings this voice to the level of the line."""
    chunks: list[Samples] = []

    def keep(samples: Samples, _: list[tuple[int, int]]) -> bool:
        chunks.append(samples)
        return False

    _synthesise(manner, _CALIBRATION, keep)
    said = np.concatenate(chunks)
    return float(min(10 ** ((_LEVEL_DBFS - level_dbfs(said)) / 20), _PEAK / np.abs(said).max()))


@cache
def _library() -> tuple[ctypes.CDLL, int]:
    """Worker thread: the library, started, and its sampling rate."""
    try:
        library = ctypes.CDLL(espeakng_loader.get_library_path())
    except OSError as broken:
        raise EngineCrashed("voice", f"eSpeak's library cannot be loaded: {broken}") from broken
    hz = library.espeak_Initialize(_SYNCHRONOUS, _CHUNK_MS, espeakng_loader.get_data_path().encode(), _DONT_EXIT)
    if hz <= 0:
        raise EngineCrashed("voice", "eSpeak cannot be started with its voice data")
    return library, hz
