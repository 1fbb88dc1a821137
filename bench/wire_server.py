"""The server that the benchmark of the line calls: the whole of it, but for its engines, which are fakes.

    python wire_server.py [--silero] [--talks] [--port N]   the supervisor; settings come from the environment
    python wire_server.py [--silero] [--talks] --listen-fd N   the serving process, as the supervisor starts it

Supervisor, web server, webhooks, media sockets, calls, records and ledger are those of `client-caller serve`. The ears
take loud for voice, the transcriber finds the same question after 100 ms, the model gives the same answer after 100 ms,
and the voice numbers its frames: what is measured is the line. With --silero the real model looks for voices, too.
"""

import sys
from contextlib import AsyncExitStack
from itertools import repeat
from typing import Final

from starlette.types import ASGIApp

from client_caller.agent import Agent, AgentLimits
from client_caller.app import check_carrier, web_app, working
from client_caller.engines import Engines
from client_caller.fleet.fleet import Fleet
from client_caller.heap import keep_giving_back, keep_heap_small, settle
from client_caller.hearing.scripted import LoudnessActivity, ScriptedTranscriber, ScriptedTurnModel
from client_caller.hearing.silero import SileroModel
from client_caller.house import House
from client_caller.joining import joined
from client_caller.ledger.ledger import open_ledger
from client_caller.listening import inherited, listening
from client_caller.logs import set_up_logging
from client_caller.models.store import ModelStore
from client_caller.server import answer_calls
from client_caller.serving_loop import run_serving
from client_caller.settings import load_settings
from client_caller.sturdy import sturdy_activity
from client_caller.supervisor import supervise
from client_caller.thinking.scripted import ScriptedModel
from wire_frames import NumberedVoice

QUESTION: Final = "What are your opening hours?"
ANSWER: Final = "We are open Monday to Friday. We open at eight. We close at six in the evening."
"""Three pieces, 3.4 s."""

AGENT: Final = Agent(
    name="Anna",
    company="Brightline",
    greeting="Hello, this is Anna.",
    persona="You are Anna.",
    limits=AgentLimits(max_call_s=7_200, silence_s=60),
)

TALKS: Final = AGENT.model_copy(update={"greeting": "We are open Monday to Friday from nine to five. " * 5})
"""Talks for 10 s of its own accord; with more, a piece would be longer than the numbered voice can say."""


def engines(silero: SileroModel | None = None) -> Engines:
    """The shipped fakes, at the pace of good engines."""
    return Engines(
        activity=sturdy_activity(silero.for_call) if silero else LoudnessActivity,
        turn_model=ScriptedTurnModel([0.9], 0.05),
        transcriber=ScriptedTranscriber(repeat(QUESTION), 0.1),
        language_model=ScriptedModel(lambda messages: ANSWER, 0.1, 0.02),
        voice=NumberedVoice(),
    )


async def serve(descriptor: int) -> None:
    """Answer calls until told to stop."""
    with inherited(descriptor) as listener:
        here = f"http://127.0.0.1:{listener.getsockname()[1]}"
        settings = load_settings().model_copy(update={"public_url": load_settings().public_url or here})
        async with AsyncExitStack() as stack:
            ledger = open_ledger(settings.ledger.url.get_secret_value())
            stack.push_async_callback(ledger.close)
            await stack.enter_async_context(working(keep_giving_back(), "memory"))
            store = ModelStore(settings.models)
            silero = SileroModel(store.path("silero_vad.onnx")) if "--silero" in sys.argv else None
            house = House(settings, TALKS if "--talks" in sys.argv else AGENT, engines(silero), ledger.note)
            settle()
            print(f"{AGENT.name} answers calls at {here}", flush=True)
            app: ASGIApp | None = None
            if settings.fleet.address:
                fleet, check = Fleet(settings.fleet, ledger, house), check_carrier(settings, insecure=False)
                app = await stack.enter_async_context(joined(web_app(house), fleet, ledger, house, None, check))
            await answer_calls(house, listener, lifeline=0, app=app)


def main() -> None:
    set_up_logging()
    if "--listen-fd" in sys.argv:
        keep_heap_small()
        run_serving(serve(int(sys.argv[sys.argv.index("--listen-fd") + 1])))
        return
    port = int(sys.argv[sys.argv.index("--port") + 1]) if "--port" in sys.argv else 0
    with listening("127.0.0.1", port) as listener:
        sys.exit(supervise([sys.executable, *sys.argv], listener))


if __name__ == "__main__":
    main()
