"""The settings choose the transcriber, and the agent file gives it the language and the hints."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from calls import AGENT
from client_caller.app import running_engines
from client_caller.errors import ModelUnavailable
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


def test_a_transcriber_that_cannot_be_had_stops_the_start() -> None:
    with pytest.raises(ModelUnavailable, match="CLIENT_CALLER_HEARING__WHISPER_MODEL"):
        heard(HearingSettings(engine="whisper", whisper_model="no-such-model"), sounds(1)[0])
