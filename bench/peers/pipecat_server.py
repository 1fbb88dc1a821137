"""Pipecat answering the telephone, wired as its guide to Twilio says; its models are the fakes that ours has, too.

    .peers/pipecat/bin/python bench/peers/pipecat_server.py SCRIPT      SCRIPT: a `Script` of peers/sides.py, as JSON

In:   the webhook of a call, its media socket.     Out: "Pipecat answers calls at …", and answers.
Rule: it runs in an environment of its own (scripts/peers.sh) and knows nothing of ours but the file beside it. What is
      not said here is Pipecat's default: its voice activity with Silero, how turns start and stop, how text is cut into
      sentences, how sound is paced. Where the default asks Smart Turn, a fake stands in its place, as with ours, unless
      the script asks for Smart Turn.

Source: docs.pipecat.ai/guides/telephony/twilio-websockets; pipecat-examples, twilio-chatbot/inbound/bot.py. Theirs asks
for recording, and hangs up over REST; this does neither: there is nobody who would listen, and no Twilio to ask.
"""

import asyncio
import audioop
import json
import os
import socket
import sys
from collections.abc import AsyncGenerator
from itertools import count
from typing import Any, Final

import uvicorn
from fastapi import FastAPI, Request, Response, WebSocket
from loguru import logger
from numbering import words
from pipecat.audio.turn.base_turn_analyzer import BaseTurnAnalyzer, BaseTurnParams, EndOfTurnState
from pipecat.audio.turn.smart_turn.local_smart_turn_v3 import LocalSmartTurnAnalyzerV3
from pipecat.audio.vad.silero import SileroVADAnalyzer
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
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.processors.frame_processor import FrameDirection
from pipecat.runner.utils import parse_telephony_websocket
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings, STTSettings, TTSSettings
from pipecat.services.stt_service import SegmentedSTTService
from pipecat.services.tts_service import TTSService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.turns.user_stop import TurnAnalyzerUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.utils.time import time_now_iso8601
from pipecat.workers.runner import WorkerRunner

LINE_HZ: Final = 8_000
SCRIPT: Final[dict[str, Any]] = json.loads(sys.argv[1])
PIECES: Final = count()

app = FastAPI()


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


def turn_strategies() -> UserTurnStrategies:
    """Pipecat's defaults, with who judges turns."""
    judge = LocalSmartTurnAnalyzerV3() if SCRIPT["smart_turn"] else TurnIsOver()
    return UserTurnStrategies(stop=[TurnAnalyzerUserTurnStopStrategy(turn_analyzer=judge)])


@app.post("/twilio/voice")
async def voice(request: Request) -> Response:
    """Connect the call to the media socket. Pipecat checks no signatures."""
    stream = f"ws://{request.headers['host']}/ws"
    document = f'<Response><Connect><Stream url="{stream}"/></Connect></Response>'
    return Response(document, media_type="application/xml")


@app.post("/twilio/status")
async def status() -> Response:
    """Be told that a call is over."""
    return Response(status_code=204)


@app.get("/healthz")
async def health() -> dict[str, int]:
    """Which process this is."""
    return {"process": os.getpid()}


@app.websocket("/ws")
async def media(websocket: WebSocket) -> None:
    """One call."""
    await websocket.accept()
    _, call = await parse_telephony_websocket(websocket)
    serializer = TwilioFrameSerializer(
        stream_sid=call["stream_id"],
        call_sid=call["call_id"],
        params=TwilioFrameSerializer.InputParams(auto_hang_up=False),
    )
    transport = FastAPIWebsocketTransport(
        websocket=websocket,
        params=FastAPIWebsocketParams(
            audio_in_enabled=True, audio_out_enabled=True, add_wav_header=False, serializer=serializer
        ),
    )
    await hold(transport)


async def hold(transport: FastAPIWebsocketTransport) -> None:
    """Hold a call to its end."""
    users, agents = LLMContextAggregatorPair(
        LLMContext(),
        user_params=LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer(), user_turn_strategies=turn_strategies()),
    )
    parts = [transport.input(), Question(), users, Answer(), NumberedVoice(), transport.output(), agents]
    worker = PipelineWorker(
        Pipeline(parts),
        params=PipelineParams(
            audio_in_sample_rate=LINE_HZ,
            audio_out_sample_rate=LINE_HZ,
            enable_metrics=True,
            enable_usage_metrics=True,
        ),
    )

    @transport.event_handler("on_client_connected")
    async def greet(transport: FastAPIWebsocketTransport, client: WebSocket) -> None:
        await worker.queue_frames([TTSSpeakFrame(SCRIPT["greeting"])])

    @transport.event_handler("on_client_disconnected")
    async def leave(transport: FastAPIWebsocketTransport, client: WebSocket) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


class Announced(uvicorn.Server):
    """Says so once it is up."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Come up."""
        await super().startup(sockets)
        assert sockets
        print(f"Pipecat answers calls at http://127.0.0.1:{sockets[0].getsockname()[1]}", flush=True)


def main() -> None:
    logger.remove()
    logger.add(sys.stderr, level="WARNING")  # at its default, DEBUG, it would pay for every word
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        Announced(uvicorn.Config(app, log_level="warning", access_log=False)).run([listener])


if __name__ == "__main__":
    main()
