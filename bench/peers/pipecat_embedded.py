"""Pipecat with the embedded models, those that we have: what is measured is what is made of them.

    .peers/pipecat/bin/python bench/peers/pipecat_embedded.py MODELS    MODELS: a `Models` of peers/embedded.py, as JSON

Rule: engines are ours, to the file: Moonshine tiny, eSpeak NG and the same llama.cpp server; Silero and Smart Turn are
      those that Pipecat ships, as it calls them. Of our package only what calls Moonshine and eSpeak is taken; the
      language model is asked by Pipecat's own service. Pipecat's own for Moonshine wants a later library, whose
      models are fetched from a hub; this one does the same with this one.
"""

import json
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

import numpy as np
from pipecat.audio.turn.smart_turn.local_smart_turn_v3 import LocalSmartTurnAnalyzerV3
from pipecat.frames.frames import Frame, TranscriptionFrame, TTSAudioRawFrame, TTSSpeakFrame
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.services.settings import STTSettings, TTSSettings
from pipecat.services.stt_service import SegmentedSTTService
from pipecat.services.tts_service import TTSService
from pipecat.utils.time import time_now_iso8601
from pipecat_wiring import LINE_HZ, Services, answer_calls

from client_caller.audio.resample import Resampler
from client_caller.hearing.moonshine import MoonshinePool
from client_caller.speaking.espeak import EspeakVoice

MODELS: Final[dict[str, Any]] = json.loads(sys.argv[1])
MOONSHINE_HZ: Final = 16_000
FULL_SCALE: Final = 32_768

TRANSCRIBED_WITHIN_S: Final = 0.7
"""After the end of speech, as Pipecat is told (`ttfs_p99_latency`). It waits no longer where words do not come at all;
they are taken when they come, which is sooner."""

transcriber = MoonshinePool(Path(MODELS["moonshine"]), workers=1)
voice = EspeakVoice(MODELS["voice"], MODELS["words_per_minute"], MODELS["pitch"])


class Moonshine(SegmentedSTTService):
    """What was said, once the caller has stopped."""

    def __init__(self) -> None:
        super().__init__(ttfs_p99_latency=TRANSCRIBED_WITHIN_S, settings=STTSettings(model=None, language=None))

    @property
    def wants_wav_segments(self) -> bool:
        """Samples alone will do."""
        return False

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame, None]:
        """The words, if any."""
        line = np.frombuffer(audio, np.int16).astype(np.float32) / FULL_SCALE
        raised = Resampler(LINE_HZ, MOONSHINE_HZ)
        if text := await transcriber.transcribe(np.concatenate((raised.feed(line), raised.finish()))):
            yield TranscriptionFrame(text, "", time_now_iso8601())


class Espeak(TTSService):
    """A sentence, as it is made."""

    def __init__(self) -> None:
        settings = TTSSettings(model=None, voice=None, language=None)
        super().__init__(push_start_frame=True, push_stop_frames=True, sample_rate=LINE_HZ, settings=settings)

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame, None]:
        """Its sound, in stretches of 0.2 s."""
        async with aclosing(voice.speak(text)) as speech:
            async for stretch in speech:
                pcm = np.clip(stretch.samples * FULL_SCALE, -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
                yield TTSAudioRawFrame(pcm.tobytes(), LINE_HZ, 1, context_id=context_id)


def services() -> Services:
    """One call's."""
    settings = OpenAILLMService.Settings(
        model=MODELS["model"],
        temperature=MODELS["temperature"],
        max_tokens=MODELS["max_tokens"],
        extra={"extra_body": MODELS["options"]},
    )
    server = {"base_url": MODELS["base_url"], "api_key": MODELS["api_key"]}
    return Services(
        hears=Moonshine(),
        thinks=OpenAILLMService(**server, default_headers={"Connection": "close"}, settings=settings),
        speaks=Espeak(),
        judge=LocalSmartTurnAnalyzerV3(),
        context=LLMContext(list(MODELS["messages"])),
        greeting=TTSSpeakFrame(MODELS["greeting"], append_to_context=False),  # the messages have it
    )


if __name__ == "__main__":
    answer_calls(services)
