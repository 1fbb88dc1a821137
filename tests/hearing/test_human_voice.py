"""The listener with the real models, on a human voice over a noisy telephone line."""

import asyncio
import wave
from itertools import pairwise

import numpy as np
import pytest

from client_caller.audio import mulaw
from client_caller.audio.resample import resample
from client_caller.conversation.events import SpeechPaused, SpeechStarted
from client_caller.hearing.listener import Listener
from client_caller.hearing.moonshine import MoonshinePool
from client_caller.hearing.silero import SileroModel
from client_caller.settings import HearingSettings

PHRASES_S = [(0.0, 1.55), (1.6, 2.95), (3.45, 4.2), (4.8, 5.6)]
"""Where "Ever tried. Ever failed. No matter. Try again." lies in beckett.wav, roughly."""


@pytest.mark.models
def test_a_caller_who_pauses_for_three_seconds_is_understood_without_decoding_anything_twice(models):
    with wave.open(str(models("beckett.wav"))) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        spoken = resample((pcm / 32_768).astype(np.float32), file.getframerate(), 8_000)
    parts = [np.zeros(8_000, np.float32)]
    for begin_s, end_s in PHRASES_S:
        parts += [spoken[round(begin_s * 8_000) : round(end_s * 8_000)], np.zeros(24_000, np.float32)]
    line = np.concatenate(parts)
    line += np.random.default_rng(1).normal(0, 10 ** (-55 / 20), len(line)).astype(np.float32)
    sent = mulaw.encode(line)

    pool = MoonshinePool(models("moonshine-tiny-en/encoder_model.ort").parent, 1)

    async def listen() -> tuple[list[float], list[float], str]:
        listener = Listener(SileroModel(models("silero_vad.onnx")).for_call(), HearingSettings())
        onsets, lengths, text = [], [], ""
        for start in range(0, len(sent), 160):
            for event in await listener.feed(sent[start : start + 160], start / 8_000, (start + 160) / 8_000):
                if isinstance(event, SpeechStarted):
                    onsets.append(event.at)
                if isinstance(event, SpeechPaused):
                    audio = listener.turn_audio()
                    lengths.append(len(audio.samples) / 16_000)
                    text = listener.decoded(audio, await pool.transcribe(audio.samples))
        return onsets, lengths, text

    onsets, lengths, text = asyncio.run(listen())
    pool.close()
    assert sum(later - earlier > 2 for earlier, later in pairwise(onsets)) == len(PHRASES_S) - 1
    assert max(lengths) < 3.0  # of a call of 17 s
    for words in ("ever tried", "ever fail", "no matter", "try again"):
        assert words in text.lower()
