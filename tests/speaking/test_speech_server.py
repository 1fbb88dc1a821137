"""The client of speech servers against a stand-in: what it asks for, and what it makes of what comes."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import aclosing

import numpy as np
import pytest

from client_caller.audio.frame import LINE_HZ
from client_caller.errors import ConfigError, EngineCrashed, EngineError, EngineOverloaded
from client_caller.settings import SpeakingSettings
from client_caller.speaking.protocol import Speech
from client_caller.speaking.speech_server import SpeechServer
from csm_stand_in import ENDLESS, WORD_S
from speech_stand_in import StandIn, standing_in_for_speech

PIECE = "Good morning, this is Anna speaking."
LENGTH_S = 6 * WORD_S + 0.25  # and the pause behind a sentence


@pytest.fixture
def server() -> Iterator[StandIn]:
    with standing_in_for_speech() as standing_in:
        yield standing_in


def client_of(server: StandIn, **others: object) -> SpeechServer:
    settings = {"engine": "server", "server_url": server.url, "server_api_key": "the-key", **others}
    return SpeechServer(SpeakingSettings.model_validate(settings), "alloy")


async def said(voice: SpeechServer, text: str) -> list[Speech]:
    try:
        return [speech async for speech in voice.speak(text)]
    finally:
        await voice.close()


def length_s(speeches: list[Speech]) -> float:
    return sum(len(speech.samples) for speech in speeches) / LINE_HZ


def test_a_piece_is_asked_for_as_the_protocol_says_and_spoken_as_it_comes(server: StandIn) -> None:
    speeches = asyncio.run(said(client_of(server, server_model="kokoro"), PIECE))
    order = {"model": "kokoro", "input": PIECE, "voice": "alloy", "response_format": "pcm"}
    assert server.requests == [("/v1/audio/speech", "Bearer the-key", order)]
    assert max(np.abs(speech.samples).max(initial=0.0) for speech in speeches) < 0.5  # a byte out of step is noise
    assert length_s(speeches) == pytest.approx(LENGTH_S, abs=0.01)
    assert [word.index for speech in speeches for word in speech.words] == list(range(6))


def test_the_rate_of_the_sound_is_a_setting(server: StandIn) -> None:
    speeches = asyncio.run(said(client_of(server, server_hz=16_000), PIECE))
    assert length_s(speeches) == pytest.approx(6 * WORD_S * 24 / 16 + 0.25, abs=0.01)


def test_a_piece_given_up_closes_its_connection(server: StandIn) -> None:
    async def main() -> None:
        voice = client_of(server)
        async with aclosing(voice.speak(f"{ENDLESS} talk")) as speeches:
            assert length_s([await anext(speeches)]) > 0
        assert await asyncio.to_thread(server.dropped.wait, 5)
        await voice.close()

    asyncio.run(main())


@pytest.mark.parametrize(("status", "error"), [(400, EngineCrashed), (500, EngineCrashed), (429, EngineOverloaded)])
def test_a_refusal_is_an_engine_error_without_words(
    server: StandIn, status: int, error: type[EngineError], caplog: pytest.LogCaptureFixture
) -> None:
    server.status = status
    with caplog.at_level(logging.DEBUG, "client_caller"), pytest.raises(error, match=str(status)) as failure:
        asyncio.run(said(client_of(server), PIECE))
    assert not any(secret in f"{failure.value}{caplog.text}" for secret in ("morning", "the-key"))


def test_an_answer_that_breaks_off_has_crashed(server: StandIn) -> None:
    server.breaks = True
    with pytest.raises(EngineCrashed, match="connection"):
        asyncio.run(said(client_of(server), PIECE))


def test_half_a_sample_is_no_sound(server: StandIn) -> None:
    server.lost = 1
    with pytest.raises(EngineCrashed, match="sample"):
        asyncio.run(said(client_of(server), PIECE))


def test_a_server_that_is_not_there_has_crashed() -> None:
    voice = SpeechServer(SpeakingSettings(engine="server", server_url="http://127.0.0.1:9/v1"), "alloy")
    with pytest.raises(EngineCrashed, match="connection"):
        asyncio.run(said(voice, PIECE))


def test_settings_that_cannot_work_are_named() -> None:
    with pytest.raises(ConfigError, match="CLIENT_CALLER_SPEAKING__SERVER_URL"):
        SpeechServer(SpeakingSettings(engine="server"), "alloy")
    with pytest.raises(ConfigError, match="CLIENT_CALLER_SPEAKING__SERVER_VOICE"):
        SpeechServer(SpeakingSettings(engine="server", server_url="http://127.0.0.1:9/v1"), "")
