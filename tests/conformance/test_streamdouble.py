"""A caller that is not ours: streamdouble, an independent simulator of Twilio Media Streams, against a whole server.

Real sockets on a port of this machine, and engines that are fakes. How soon sound comes is measured elsewhere.
"""

import asyncio
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import repeat
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx2
import numpy as np
import pytest
import uvicorn
from streamdouble.api import EXIT_OK, CallReport
from streamdouble.metrics import compute
from streamdouble.protocol import StreamIdentity
from streamdouble.scenario import parse
from streamdouble.session import Session, SessionConfig

from calls import AGENT, LONG, QUESTION, engines
from client_caller.app import web_app
from client_caller.audio.frame import LINE_HZ, Samples
from client_caller.audio.mulaw import encode
from client_caller.conversation.events import CallAnswered, HungUp
from client_caller.house import House
from client_caller.listening import listening
from client_caller.records.flight import EventEntry, read_record
from client_caller.settings import HearingSettings, RecordSettings, Settings
from client_caller.speaking.tone import tone

pytestmark = pytest.mark.realtime

ASKED = "CA" + "7" * 32
CONFIG = SessionConfig(response_timeout_s=20.0, quiet_period_s=0.6, max_drain_s=20.0, max_call_s=60.0)


@asynccontextmanager
async def serving(folder: Path, greeting: str) -> AsyncIterator[str]:
    """The address of a server as `serve --insecure` runs it."""
    with listening("127.0.0.1", 0) as listener:
        here = f"http://127.0.0.1:{listener.getsockname()[1]}"
        settings = Settings(
            _env_file=None,
            public_url=here,
            hearing=HearingSettings(interim_s=0),
            records=RecordSettings(folder=folder),
            TWILIO_ACCOUNT_SID="",
            TWILIO_AUTH_TOKEN="",
        )
        agent = AGENT.model_copy(update={"greeting": greeting})
        house = House(settings, agent, engines(repeat(QUESTION)))
        server = uvicorn.Server(
            uvicorn.Config(
                web_app(house, insecure=True),
                ws="websockets-sansio",
                ws_max_size=65_536,
                ws_per_message_deflate=False,
                log_config=None,
            )
        )
        running = asyncio.create_task(server.serve([listener]))
        try:
            yield here
        finally:
            server.should_exit = True
            await running


async def stream_url(here: str, call: str) -> str:
    """Where Twilio would be told to open this call's stream."""
    async with httpx2.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{here}/twilio/voice", data={"CallSid": call, "AccountSid": "AC1"})
    stream = ElementTree.fromstring(answer.text).find("Connect/Stream")
    assert stream is not None, answer.text
    return stream.attrib["url"]


def called(folder: Path, greeting: str, session: Callable[..., Session]) -> CallReport:
    """What streamdouble reports of a call. It decides, by its own rules, whether that was one."""

    async def main() -> CallReport:
        async with serving(folder, greeting) as here:
            url = await stream_url(here, ASKED)
            identity = StreamIdentity(account_sid="AC" + "0" * 32, call_sid=ASKED)
            result = await session(url, config=CONFIG, identity=identity).run()
        return CallReport(result, compute(result))

    return asyncio.run(main())


def frames(samples: Samples) -> list[bytes]:
    mulaw = encode(samples)
    return [mulaw[at : at + 160] for at in range(0, len(mulaw), 160)]


def as_wav(path: Path, samples: Samples) -> str:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, LINE_HZ, 0, "NONE", ""))
        file.writeframes((np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes())
    return str(path)


def events(folder: Path) -> list[Any]:
    (record,) = folder.glob("*/record.jsonl")
    return [entry.event for entry in read_record(record)[1] if isinstance(entry, EventEntry)]


def test_a_stranger_holds_a_whole_call_and_finds_no_fault_with_our_protocol(tmp_path: Path) -> None:
    question = frames(np.concatenate((np.zeros(8_000, np.float32), tone(4, 1.0), np.zeros(16_000, np.float32))))
    report = called(tmp_path, "Hello.", lambda url, **how: Session(url, question, **how))
    assert report.violations == []
    assert report.spoke
    assert report.exit_code == EXIT_OK
    assert report.metrics.marks_received == report.metrics.marks_echoed > 0
    told = events(tmp_path)
    assert isinstance(told[0], CallAnswered)
    assert isinstance(told[-1], HungUp)


def test_a_stranger_who_breaks_in_silences_the_agent(tmp_path: Path) -> None:
    scenario = parse(
        {
            "name": "caller interrupts the greeting",
            "steps": [
                {"expect": "no clear"},
                {"wait_for": {"event": "audio", "timeout": 20}},
                {"wait": 1.0},
                {"say": as_wav(tmp_path / "interruption.wav", tone(4, 1.5))},
                {"expect": "clear"},
                {"expect": "no_violations"},
                {"wait": 0.5},
            ],
        }
    )
    report = called(tmp_path / "calls", LONG, lambda url, **how: Session(url, scenario=scenario, **how))
    assert report.result.failed_expectations == []
    assert report.violations == []
    assert report.exit_code == EXIT_OK
