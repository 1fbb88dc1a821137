"""Where calls are answered: the house, its room, and the application around it."""

import asyncio
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from fastapi.testclient import TestClient
from twilio.request_validator import RequestValidator

from calls import AGENT, GREETING, WORD_S, engines
from client_caller.app import web_app
from client_caller.audio.frame import LINE_HZ
from client_caller.hearing.scripted import LoudnessActivity
from client_caller.house import House
from client_caller.line.protocol import Phrases
from client_caller.line.simulated import SimulatedLine
from client_caller.settings import RecordSettings, ServerSettings, Settings
from virtual import run

PUBLIC = "http://127.0.0.1:1234"
TOKEN = "an auth token"
ACCOUNT = "AC" + "0" * 32
CALL = "CA" + "1" * 32
STREAM = "MZ" + "2" * 32


class Broken:
    """An activity model with a bug that nobody foresaw."""

    async def probability(self, window: np.ndarray) -> float:
        raise ZeroDivisionError("a bug")

    def reset(self) -> None:
        """Nothing to forget."""


def settings(folder: Path, **server: Any) -> Settings:
    return Settings(
        _env_file=None,
        public_url=PUBLIC,
        server=ServerSettings(**server),
        records=RecordSettings(folder=folder),
        TWILIO_AUTH_TOKEN=TOKEN,
    )


async def answered(house: House, line: SimulatedLine, for_s: float) -> None:
    """A call on this line, which the caller ends."""
    asyncio.get_running_loop().call_later(for_s, line.hang_up_by_caller)
    await house.answer(line)


def words_heard(line: SimulatedLine) -> float:
    return sum(len(mulaw) for _, mulaw in line.heard) / LINE_HZ / WORD_S


def test_a_house_has_room_for_so_many_calls_and_has_it_again_afterwards(tmp_path: Path) -> None:
    async def main() -> None:
        house = House(settings(tmp_path, calls_at_once=2), AGENT, engines())
        room = [house.has_room()]
        async with asyncio.TaskGroup() as calls:
            for name in ("one", "two"):
                calls.create_task(answered(house, SimulatedLine(name), 0.5))
                await asyncio.sleep(0.1)
                room.append(house.has_room())
        assert [*room, house.has_room()] == [True, True, False, True]

    run(main())


def test_a_caller_for_whom_there_is_no_room_hears_the_agents_own_sentence(tmp_path: Path) -> None:
    phrases = House(settings(tmp_path), AGENT.model_copy(update={"transfer_to": "+15550100009"}), engines()).phrases
    said = AGENT.phrases
    assert phrases == Phrases(
        said.busy, said.wait, said.dropped_for_good, "+15550100009", when_full="hang up", queued=said.queued
    )


def test_every_call_leaves_its_record_and_recording_in_a_folder_of_its_own(tmp_path: Path) -> None:
    async def main() -> None:
        house = House(settings(tmp_path), AGENT, engines())
        for name in ("one", "two"):
            await answered(house, SimulatedLine(name), 0.5)

    run(main())
    folders = sorted(tmp_path.iterdir(), key=lambda path: path.name)
    assert [folder.name.rpartition("-")[2] for folder in folders] == ["one", "two"]
    for folder in folders:
        assert {path.name for path in folder.iterdir()} == {"record.jsonl", "call.wav"}


def test_no_recording_is_kept_where_none_is_wanted(tmp_path: Path) -> None:
    quiet = settings(tmp_path).model_copy(update={"records": RecordSettings(folder=tmp_path, audio=False)})
    run(answered(House(quiet, AGENT, engines()), SimulatedLine(), 0.5))
    assert [path.name for path in tmp_path.glob("*/*")] == ["record.jsonl"]


def test_a_call_that_fails_is_logged_once_and_touches_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ears: Iterator[Any] = iter([Broken(), LoudnessActivity()])
    lines = [SimulatedLine("broken"), SimulatedLine("sound")]

    async def main() -> None:
        house = House(settings(tmp_path, calls_at_once=1), AGENT, engines(activity=lambda: next(ears)))
        async with asyncio.TaskGroup() as calls:
            for line in lines:
                calls.create_task(answered(house, line, 1.5))
        assert house.has_room()

    with caplog.at_level(logging.ERROR):
        run(main())
    (failure,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert failure.message == "a call failed"
    assert failure.call == "broken"
    assert words_heard(lines[0]) < 1
    assert words_heard(lines[1]) == pytest.approx(len(GREETING.split()))


def sign(url: str, form: dict[str, str]) -> dict[str, str]:
    return {"X-Twilio-Signature": RequestValidator(TOKEN).compute_signature(url, form)}


def ring(client: TestClient, **headers: str) -> Any:
    """What Twilio asks when a call comes in."""
    return client.post("/twilio/voice", data={"AccountSid": ACCOUNT, "CallSid": CALL}, headers=headers)


def stream_url(document: str) -> str:
    stream = ElementTree.fromstring(document).find("Connect/Stream")
    assert stream is not None, document
    return stream.attrib["url"]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    """The application of a house with room for one call."""
    with TestClient(web_app(House(settings(tmp_path, calls_at_once=1), AGENT, engines()))) as client:
        yield client


def test_the_server_says_that_it_lives_and_takes_calls(client: TestClient) -> None:
    assert client.get("/healthz").json()["process"] == os.getpid()
    assert client.get("/readyz").status_code == 200


def test_a_signed_webhook_is_answered_with_a_stream(client: TestClient) -> None:
    answer = ring(client, **sign(f"{PUBLIC}/twilio/voice", {"AccountSid": ACCOUNT, "CallSid": CALL}))
    assert answer.status_code == 200
    assert stream_url(answer.text).startswith("ws://127.0.0.1:1234/twilio/media/")


def test_an_unsigned_webhook_is_refused(client: TestClient) -> None:
    assert ring(client).status_code == 403


def test_a_server_that_is_full_says_so_and_greets_the_one_it_has(client: TestClient) -> None:
    answer = ring(client, **sign(f"{PUBLIC}/twilio/voice", {"AccountSid": ACCOUNT, "CallSid": CALL}))
    url = stream_url(answer.text)
    form = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    start = {"accountSid": ACCOUNT, "streamSid": STREAM, "callSid": CALL, "mediaFormat": form}
    with client.websocket_connect(url.removeprefix("ws://127.0.0.1:1234"), headers=sign(url, {})) as socket:
        socket.send_text(json.dumps({"event": "start", "sequenceNumber": "1", "start": start, "streamSid": STREAM}))
        assert socket.receive_json()["event"] == "media"
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 200
