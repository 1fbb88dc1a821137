"""Moonshine tiny-en: the caller's words, on the CPU.

In:   samples at 16 kHz, one stretch of speech.     Out: its words.
Rule: a transcriber works for one thread at a time, from the call of the library to the copying of its result.

The library is called directly: its Python package opens the sound card on import, copies audio by way of a list (20 to
58 ms for 10 s), and hands out text whose memory the next call, from whichever thread, frees.
Source of names and layouts: Moonshine Voice 0.0.73 (MIT), `moonshine-c-api.h`, version 20000, 64 bit.
"""

import ctypes
import importlib.util
import os
import sys
from math import inf
from pathlib import Path
from queue import Empty, Full, Queue
from typing import Final

import numpy as np

from client_caller.audio.frame import Samples
from client_caller.audio.levels import at_level
from client_caller.errors import EngineCrashed, ModelUnavailable
from client_caller.hearing.plausible import LEVEL_DBFS, believed, holds_voice
from client_caller.hearing.workers import Workers

_ENGINE: Final = "transcriber"
_HZ: Final = 16_000

_GRID: Final = ((2.0, 0.1), (5.0, 0.25), (inf, 0.5))
"""Sound up to so many seconds is lengthened with silence to a multiple of these. For each length that it has not met
the library keeps some 20 kB for good: from the 50th to the 400th decode of 0.5 to 4 s it grew by 7 MB, in steps of
0.1 s by 2 MB, in steps of 0.5 s not at all."""

_TINY: Final = 0
_HEADER_VERSION: Final = 20_000
_OPTIONS: Final = {
    b"vad_threshold": b"0.0",  # we cut the speech ourselves; it shall decode all of it
    b"return_audio_data": b"false",
}


class _Option(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("value", ctypes.c_char_p))


class _Line(ctypes.Structure):
    """transcript_line_t; 88 bytes, of which we read the text."""

    _fields_ = (("text", ctypes.c_char_p), ("rest", ctypes.c_uint64 * 10))


class _Transcript(ctypes.Structure):
    _fields_ = (("lines", ctypes.POINTER(_Line)), ("line_count", ctypes.c_uint64))


class MoonshinePool:
    """`workers` transcribers, each about 95 MB, that decode as many stretches at once.

    folder: holds encoder_model.ort, decoder_model_merged.ort and tokenizer.bin.
    Raises ModelUnavailable when they or the library are missing or cannot be loaded.
    """

    def __init__(self, folder: Path, workers: int) -> None:
        self._library = _load_library()
        self._folder = folder
        self._idle: Queue[int] = Queue(workers)  # a handle per worker
        for _ in range(workers):
            self._idle.put(self._load(folder))
        self._workers = Workers(_ENGINE, workers)

    async def transcribe(self, samples: Samples) -> str:
        """The words in `samples` (shape (n,), 16 kHz, [-1, 1]), or "" when there are none. Raises EngineError."""
        if not holds_voice(samples, _HZ):
            return ""
        return believed(await self._workers.run(self._decode, samples))

    def close(self) -> None:
        """End the workers and free the models."""
        self._workers.close()
        while not self._idle.empty():
            self._library.moonshine_free_transcriber(self._idle.get())

    def _load(self, folder: Path) -> int:
        options = (_Option * len(_OPTIONS))(*(_Option(name, value) for name, value in _OPTIONS.items()))
        handle: int = self._library.moonshine_load_transcriber_from_files(
            str(folder).encode(), _TINY, options, len(options), _HEADER_VERSION
        )
        if handle < 0:
            raise ModelUnavailable(f"the {_ENGINE} cannot be loaded from {folder}: {self._what(handle)}")
        return handle

    def _decode(self, samples: Samples) -> str:
        sound = np.pad(at_level(samples, LEVEL_DBFS).astype(np.float32), (0, _missing(len(samples))))
        found = ctypes.POINTER(_Transcript)()
        handle = self._free_handle()
        try:
            error = self._library.moonshine_transcribe_without_streaming(
                handle, sound.ctypes.data_as(ctypes.POINTER(ctypes.c_float)), len(sound), _HZ, 0, ctypes.byref(found)
            )
            if error < 0:
                raise EngineCrashed(_ENGINE, self._what(error))
            return _words(found)
        finally:
            self._give_back(handle)

    def _free_handle(self) -> int:
        """One that nobody uses; a new one when a worker that hangs has taken its own with it."""
        try:
            return self._idle.get_nowait()
        except Empty:
            try:
                return self._load(self._folder)
            except ModelUnavailable as gone:
                raise EngineCrashed(_ENGINE, str(gone)) from gone

    def _give_back(self, handle: int) -> None:
        try:
            self._idle.put_nowait(handle)
        except Full:  # a worker that hung has come back, and others have been loaded since
            self._library.moonshine_free_transcriber(handle)

    def _what(self, error: int) -> str:
        sentence: bytes | None = self._library.moonshine_error_to_string(error)
        return sentence.decode() if sentence else f"error {error}"


def _missing(length: int) -> int:
    """Samples from this length to the next on the grid."""
    step_s = next(step_s for up_to_s, step_s in _GRID if length <= up_to_s * _HZ)
    return -length % round(step_s * _HZ)


def _words(found: "ctypes._Pointer[_Transcript]") -> str:
    """A copy of the text; the library's own memory lives only until the transcriber's next call."""
    if not found:
        return ""
    transcript = found.contents
    lines = (transcript.lines[n].text or b"" for n in range(transcript.line_count))
    return " ".join(line.decode(errors="ignore").strip() for line in lines).strip()


def _load_library() -> ctypes.CDLL:
    package = importlib.util.find_spec("moonshine_voice")
    if package is None or package.origin is None:
        raise ModelUnavailable("the transcriber is missing; install it: pip install moonshine-voice==0.0.73")
    # The library heeds only the C environment, and only what is there before it loads. Left alone, each transcriber
    # takes every core.
    os.putenv("MOONSHINE_ORT_SINGLE_THREAD", "1")
    path = Path(package.origin).with_name("libmoonshine.dylib" if sys.platform == "darwin" else "libmoonshine.so")
    try:
        library = ctypes.CDLL(str(path))
    except OSError as broken:
        raise ModelUnavailable(f"the {_ENGINE}'s library cannot be loaded: {broken}") from broken
    library.moonshine_error_to_string.restype = ctypes.c_char_p
    library.moonshine_error_to_string.argtypes = [ctypes.c_int32]
    library.moonshine_free_transcriber.restype = None
    library.moonshine_free_transcriber.argtypes = [ctypes.c_int32]
    library.moonshine_load_transcriber_from_files.restype = ctypes.c_int32
    library.moonshine_load_transcriber_from_files.argtypes = [
        ctypes.c_char_p,
        ctypes.c_uint32,
        ctypes.POINTER(_Option),
        ctypes.c_uint64,
        ctypes.c_int32,
    ]
    library.moonshine_transcribe_without_streaming.restype = ctypes.c_int32
    library.moonshine_transcribe_without_streaming.argtypes = [
        ctypes.c_int32,
        ctypes.POINTER(ctypes.c_float),
        ctypes.c_uint64,
        ctypes.c_int32,
        ctypes.c_uint32,
        ctypes.POINTER(ctypes.POINTER(_Transcript)),
    ]
    return library
