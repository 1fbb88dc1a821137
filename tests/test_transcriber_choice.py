"""The settings choose the transcriber, and the agent file gives it the language and the hints."""

import asyncio
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from calls import AGENT
from client_caller.app import running_engines
from client_caller.audio.resample import resample
from client_caller.errors import EngineError, ModelUnavailable
from client_caller.settings import HearingSettings, ThinkingSettings, load_settings
from tiny_whisper import make_tiny_whisper, sounds
from transcription_stand_in import standing_in

pytestmark = pytest.mark.models

HINTED = AGENT.model_copy(update={"hints": ("Brightline",)})


def heard(hearing: HearingSettings, samples: np.ndarray) -> str:
    """What the engines of a whole process hear. Their language model is elsewhere and never asked."""
    thinking = ThinkingSettings(base_url="http://127.0.0.1:9/v1")
    settings = load_settings().model_copy(update={"hearing": hearing, "thinking": thinking})

    async def main() -> str:
        async with running_engines(settings, HINTED) as engines:
            return await engines.transcriber.transcribe(samples)

    return asyncio.run(main())


@pytest.fixture
def spoken(models: Callable[[str], Path]) -> np.ndarray:
    """Two seconds of a human voice: "Ever tried"."""
    with wave.open(str(models("beckett.wav"))) as file:
        pcm = np.frombuffer(file.readframes(2 * file.getframerate()), np.int16)
        return resample((pcm / 32_768).astype(np.float32), file.getframerate(), 16_000)


def test_a_server_is_asked_when_the_settings_say_so() -> None:
    with standing_in() as server:
        assert heard(HearingSettings(engine="server", server_url=server.url), sounds(2)[1]) == "pitch 170"
        warm_up, asked = server.requests
    assert (asked[2]["language"], asked[2]["prompt"]) == ("en", "Brightline")
    assert warm_up[2]["file"] != asked[2]["file"]


def test_whisper_is_loaded_when_the_settings_say_so(tmp_path: Path) -> None:
    folder = make_tiny_whisper(tmp_path / "tiny", seed=7)
    hearing = HearingSettings(engine="whisper", whisper_model=str(folder), whisper_device="cpu", workers=1)
    assert heard(hearing, sounds(1)[0]).isalpha()


def test_the_embedded_transcriber_stands_in_for_a_server_that_is_gone(
    spoken: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    assert "tried" in heard(HearingSettings(engine="server", server_url="http://127.0.0.1:9/v1"), spoken).lower()
    assert "a transcriber fails at its warm-up" in caplog.messages
    assert "another engine does the work now" in caplog.messages


def test_without_a_stand_in_a_server_that_is_gone_stops_the_start(spoken: np.ndarray) -> None:
    with pytest.raises(EngineError, match="transcriber"):
        heard(HearingSettings(engine="server", server_url="http://127.0.0.1:9/v1", fallback=False), spoken)


def test_a_transcriber_that_cannot_be_had_stops_the_start() -> None:
    with pytest.raises(ModelUnavailable, match="CLIENT_CALLER_HEARING__WHISPER_MODEL"):
        heard(HearingSettings(engine="whisper", whisper_model="no-such-model"), sounds(1)[0])
