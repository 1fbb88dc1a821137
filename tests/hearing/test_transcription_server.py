"""The client of a transcription server, against one that does as it is told."""

import asyncio
import io
import logging
import wave
from collections.abc import Iterator

import numpy as np
import pytest

from client_caller.audio.levels import level_dbfs
from client_caller.errors import ConfigError, EngineCrashed, EngineOverloaded, EngineTimeout
from client_caller.hearing.transcription_server import TranscriptionServer
from client_caller.settings import HearingSettings
from tiny_whisper import sounds
from transcription_stand_in import StandIn, standing_in

(TONE,) = sounds(1)  # of 85 Hz


@pytest.fixture
def server() -> Iterator[StandIn]:
    with standing_in() as running:
        yield running


def settings(url: str, **changes: object) -> HearingSettings:
    return HearingSettings(server_url=url, server_model="tiny", server_api_key="hush", **changes)


def heard(url: str, samples: np.ndarray = TONE, hints: tuple[str, ...] = (), **changes: object) -> str:
    async def main() -> str:
        engine = TranscriptionServer(settings(url, **changes), "en", hints)
        try:
            return await engine.transcribe(samples)
        finally:
            await engine.close()

    return asyncio.run(main())


def test_a_stretch_becomes_one_form_with_every_field_of_the_protocol(server):
    assert heard(server.url, hints=("Brightline", "Anna Kovač")) == "pitch 85"
    ((path, authorization, form),) = server.requests
    assert (path, authorization) == ("/v1/audio/transcriptions", "Bearer hush")
    assert form.pop("file")[:4] == b"RIFF"
    assert form == {
        "model": "tiny",
        "language": "en",
        "prompt": "Brightline, Anna Kovač",
        "response_format": "json",
        "temperature": "0",
    }


def test_without_hints_there_is_no_prompt(server):
    heard(server.url)
    assert "prompt" not in server.requests[0][2]


@pytest.mark.parametrize("gain", [0.002, 1.0, 30.0])  # from the softest that mu-law can tell from its rounding
def test_whatever_the_level_of_the_caller_the_server_gets_the_same(server, gain):
    heard(server.url, np.float32(gain) * TONE)
    with wave.open(io.BytesIO(server.requests[0][2]["file"])) as file:
        sent = np.frombuffer(file.readframes(file.getnframes()), "<i2") / np.float32(32_768)
    assert abs(level_dbfs(sent) + 20) < 0.1


def test_sound_too_peaky_for_the_level_is_clipped_and_does_not_wrap_around(server):
    peaky = np.zeros(32_000, np.float32)
    peaky[10_000:10_960:48] = 1.0
    heard(server.url, peaky)
    with wave.open(io.BytesIO(server.requests[0][2]["file"])) as file:
        assert np.frombuffer(file.readframes(file.getnframes()), "<i2").min() >= 0


@pytest.mark.parametrize(
    ("status", "error"), [(429, EngineOverloaded), (503, EngineOverloaded), (400, EngineCrashed), (500, EngineCrashed)]
)
def test_a_refusal_is_an_engine_error_with_its_status(server, status, error):
    server.answer = lambda form: (status, b'{"error": {"message": "my number is 555"}}')
    with pytest.raises(error, match=f"status {status}$"):
        heard(server.url)


@pytest.mark.parametrize("body", [b"", b"pitch 85", b'{"words": []}', b'{"text": 5}', b'{"text": "\xff"}'])
def test_an_answer_that_is_none_is_a_crash(server, body):
    server.answer = lambda form: (200, body)
    with pytest.raises(EngineCrashed, match="answer is not what the protocol says"):
        heard(server.url)


def test_a_server_that_is_not_there_is_a_crash():
    with standing_in() as gone:
        url = gone.url
    with pytest.raises(EngineCrashed, match="connection to the server failed"):
        heard(url)


def test_a_server_that_takes_too_long_is_a_timeout_and_its_connection_is_closed(server):
    server.hold.clear()
    with pytest.raises(EngineTimeout, match="CLIENT_CALLER_HEARING__SERVER_WITHIN_S"):
        heard(server.url, server_within_s=0.2)
    assert server.dropped.wait(5)


def test_a_cancelled_request_closes_its_connection(server):
    server.hold.clear()

    async def main() -> None:
        engine = TranscriptionServer(settings(server.url), "en")
        asked = asyncio.ensure_future(engine.transcribe(TONE))
        await asyncio.to_thread(server.holding.wait, 5)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        assert await asyncio.to_thread(server.dropped.wait, 5)
        await engine.close()

    asyncio.run(main())


def test_silence_and_hiss_are_not_sent(server):
    hiss = np.random.default_rng(1).normal(0, 0.05, 32_000).astype(np.float32)
    assert heard(server.url, hiss) == heard(server.url, np.zeros(32_000, np.float32)) == ""
    assert server.requests == []


def test_what_is_made_up_is_left_out(server):
    server.answer = lambda form: (200, b'{"text": "I need help. Thanks for watching!"}')
    assert heard(server.url) == "I need help."


@pytest.mark.parametrize("url", ["", "127.0.0.1:8001/v1"])
def test_an_address_that_is_none_is_named_with_its_setting(url):
    with pytest.raises(ConfigError, match=r"set CLIENT_CALLER_HEARING__SERVER_URL to http"):
        TranscriptionServer(settings(url), "en")


def test_no_key_and_no_word_gets_into_the_log(server, caplog):
    caplog.set_level(logging.DEBUG)
    heard(server.url, hints=("Brightline",))
    server.answer = lambda form: (500, b'{"error": "pitch 85"}')
    with pytest.raises(EngineCrashed):
        heard(server.url, hints=("Brightline",))
    assert not any(secret in caplog.text for secret in ("hush", "pitch", "Brightline"))
