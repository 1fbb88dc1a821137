"""Pipecat with the fakes that our own server has in bench/wire_server.py: what is measured is the line.

    .peers/pipecat/bin/python bench/peers/pipecat_fakes.py SCRIPT      SCRIPT: a `Script` of peers/sides.py, as JSON

Rule: where Pipecat's default asks Smart Turn, a fake stands in its place, as with ours, unless the script asks for it.
"""

import asyncio
import audioop
import json
import sys
from collections.abc import AsyncGenerator
from itertools import count
from typing import Any, Final

from numbering import words
from pipecat.audio.turn.base_turn_analyzer import BaseTurnAnalyzer, BaseTurnParams, EndOfTurnState
from pipecat.audio.turn.smart_turn.local_smart_turn_v3 import LocalSmartTurnAnalyzerV3
from pipecat.audio.vad.vad_analyzer import VAD_STOP_SECS
from pipecat.frames.frames import (
    Frame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings, STTSettings, TTSSettings
from pipecat.services.stt_service import SegmentedSTTService
from pipecat.services.tts_service import TTSService
from pipecat.utils.time import time_now_iso8601
from pipecat_wiring import LINE_HZ, Services, answer_calls

SCRIPT: Final[dict[str, Any]] = json.loads(sys.argv[1])
PIECES: Final = count()


class Question(SegmentedSTTService):
    """Hears the same question in whatever is said."""

    def __init__(self) -> None:
        after_speech_s = VAD_STOP_SECS + SCRIPT["transcript_s"]
        super().__init__(ttfs_p99_latency=after_speech_s, settings=STTSettings(model=None, language=None))

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame, None]:
        """The question, after a while."""
        await asyncio.sleep(SCRIPT["transcript_s"])
        yield TranscriptionFrame(SCRIPT["question"], "", time_now_iso8601())


class Answer(LLMService):
    """Gives the same answer to everything, word by word."""

    def __init__(self) -> None:
        blank = ("temperature", "max_tokens", "top_p", "top_k", "frequency_penalty", "presence_penalty", "seed")
        told = dict.fromkeys(("model", "system_instruction", "user_turn_completion_config", *blank))
        super().__init__(settings=LLMSettings(**told, filter_incomplete_user_turns=False))

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Answer a context; hand on everything else."""
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        try:
            await self.push_frame(LLMFullResponseStartFrame())
            await asyncio.sleep(SCRIPT["first_token_s"])
            for index, word in enumerate(SCRIPT["answer"].split()):
                if index:
                    await asyncio.sleep(SCRIPT["token_s"])
                await self._push_llm_text(f" {word}" if index else word)
        finally:
            await self.push_frame(LLMFullResponseEndFrame())


class NumberedVoice(TTSService):
    """Says frames that are numbered, as fast as they can be taken."""

    def __init__(self) -> None:
        settings = TTSSettings(model=None, voice=None, language=None)
        super().__init__(push_start_frame=True, push_stop_frames=True, sample_rate=LINE_HZ, settings=settings)

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame, None]:
        """One frame of Pipecat's for each word."""
        for sound in words(next(PIECES), len(text.split())):
            yield TTSAudioRawFrame(audioop.ulaw2lin(sound, 2), LINE_HZ, 1, context_id=context_id)


class TurnIsOver(BaseTurnAnalyzer):
    """Finds every turn complete, after a while."""

    @property
    def speech_triggered(self) -> bool:
        """Whether there was speech: it does not matter here."""
        return False

    @property
    def params(self) -> BaseTurnParams:
        """None."""
        return BaseTurnParams()

    def append_audio(self, buffer: bytes, is_speech: bool) -> EndOfTurnState:
        """Keep nothing."""
        return EndOfTurnState.INCOMPLETE

    async def analyze_end_of_turn(self) -> tuple[EndOfTurnState, None]:
        """Complete."""
        await asyncio.sleep(SCRIPT["turn_s"])
        return EndOfTurnState.COMPLETE, None

    def clear(self) -> None:
        """Nothing is kept."""


def services() -> Services:
    """One call's."""
    return Services(
        hears=Question(),
        thinks=Answer(),
        speaks=NumberedVoice(),
        judge=LocalSmartTurnAnalyzerV3() if SCRIPT["smart_turn"] else TurnIsOver(),
        context=LLMContext(),
        greeting=TTSSpeakFrame(SCRIPT["greeting"]),
    )


if __name__ == "__main__":
    answer_calls(services)
