"""Pipecat answering the telephone, wired as its guide to Twilio says; who starts it brings what calls are held with.

In:   the webhook of a call, its media socket.     Out: "Pipecat answers calls at …", and answers.
Rule: it runs in an environment of its own (scripts/peers.sh) and knows nothing of ours. What is not said here is
      Pipecat's default: its voice activity with Silero, how turns start and stop, how text is cut into sentences, how
      sound is paced.

Source: docs.pipecat.ai/guides/telephony/twilio-websockets; pipecat-examples, twilio-chatbot/inbound/bot.py. Theirs asks
for recording, and hangs up over REST; this does neither: there is nobody who would listen, and no Twilio to ask.
"""

import os
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import uvicorn
from fastapi import FastAPI, Request, Response, WebSocket
from loguru import logger
from pipecat.audio.turn.base_turn_analyzer import BaseTurnAnalyzer
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import TTSSpeakFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.runner.utils import parse_telephony_websocket
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.turns.user_stop import TurnAnalyzerUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

LINE_HZ: Final = 8_000


@dataclass(frozen=True)
class Services:
    """What one call is held with. judge: says whether a turn is over;  context: what was said before the call."""

    hears: FrameProcessor
    thinks: FrameProcessor
    speaks: FrameProcessor
    judge: BaseTurnAnalyzer
    context: LLMContext
    greeting: TTSSpeakFrame


def answer_calls(services: Callable[[], Services]) -> None:
    """Answer calls until told to stop. services: made anew for each call."""
    logger.remove()
    logger.add(sys.stderr, level="WARNING")  # at its default, DEBUG, it would pay for every word
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        _Announced(uvicorn.Config(_app(services), log_level="warning", access_log=False)).run([listener])


class _Announced(uvicorn.Server):
    """Says so once it is up."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Come up."""
        await super().startup(sockets)
        assert sockets
        print(f"Pipecat answers calls at http://127.0.0.1:{sockets[0].getsockname()[1]}", flush=True)


def _app(services: Callable[[], Services]) -> FastAPI:
    app = FastAPI()

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
        await _hold(transport, services())

    return app


async def _hold(transport: FastAPIWebsocketTransport, services: Services) -> None:
    """Hold a call to its end."""
    turns = UserTurnStrategies(stop=[TurnAnalyzerUserTurnStopStrategy(turn_analyzer=services.judge)])
    users, agents = LLMContextAggregatorPair(
        services.context,
        user_params=LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer(), user_turn_strategies=turns),
    )
    parts = [
        transport.input(),
        services.hears,
        users,
        services.thinks,
        services.speaks,
        transport.output(),
        agents,
    ]
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
        await worker.queue_frames([services.greeting])

    @transport.event_handler("on_client_disconnected")
    async def leave(transport: FastAPIWebsocketTransport, client: WebSocket) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()
