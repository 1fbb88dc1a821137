"""The settings choose the voice, and the agent file says whose it is. The CSM engine's server is the real one."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from calls import AGENT
from client_caller.agent import Agent, AgentVoice
from client_caller.app import running_engines
from client_caller.errors import ConfigError, EngineError
from client_caller.settings import SpeakingSettings, ThinkingSettings, load_settings
from client_caller.speaking.csm.protocol import FRAME_SAMPLES, HZ
from client_caller.speaking.csm.turns import CallerTurn, Made, OwnTurn, Utterance
from client_caller.speaking.protocol import AgentSaid, CallerSaid, Talk
from speaking.csm.csm_fakes import FakeEngine, served
from speech_stand_in import standing_in_for_speech

pytestmark = pytest.mark.models

ANNA = AGENT.model_copy(update={"voice": AgentVoice(prompt="anna")})
HELLO = CallerSaid("c0.1", "Hello?", np.full(16_000, 0.1, np.float32))
TALKS = [Talk("CA1", 1, 0, (HELLO,)), Talk("CA1", 2, 0, (HELLO, AgentSaid(1, 0, None)))]
GONE = "http://127.0.0.1:9"


class Sounding:
    """The engine's fake; its frames are a tone."""

    def __init__(self) -> None:
        self._engine = FakeEngine(frames=12)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def step(self, now: float) -> Sequence[Made]:
        tone = 0.1 * np.sin(np.arange(FRAME_SAMPLES, dtype=np.float32) * 2 * np.pi * 500 / HZ, dtype=np.float32)
        return [replace(made, sound=tone) if len(made.sound) else made for made in self._engine.step(now)]


async def spoken(speaking: SpeakingSettings, agent: Agent = AGENT) -> tuple[np.ndarray, int]:
    """What a call hears of the engines of a whole process, and how many phrases they have ready."""
    elsewhere = ThinkingSettings(base_url=f"{GONE}/v1")
    settings = load_settings().model_copy(update={"speaking": speaking, "thinking": elsewhere})
    async with running_engines(settings, agent) as engines:
        said = [speech.samples for talk in TALKS async for speech in engines.voice.speak("Good morning.", talk)]
        engines.voice.leave("CA1")
        return np.concatenate(said), len(engines.fillers.sounds)


@pytest.mark.parametrize(("agent", "voice"), [(ANNA, "anna"), (AGENT, "ben")])
def test_csm_speaks_with_the_prompt_of_the_agent_or_else_of_the_settings(agent: Agent, voice: str) -> None:
    async def main() -> tuple[np.ndarray, int, FakeEngine]:
        engine = Sounding()
        async with served(engine, key="the-key") as (address, _):  # type: ignore[arg-type]
            speaking = SpeakingSettings.model_validate(
                {"engine": "csm", "csm_url": f"http://{address}", "csm_key": "the-key", "csm_voice": "ben"}
            )
            return *await spoken(speaking, agent), engine._engine

    samples, phrases, engine = asyncio.run(main())
    assert len(samples) > 2 * 7_000
    assert phrases > 10
    assert {prompt for prompt, _ in engine.manners.values()} == {voice}
    (heard,) = [entry[2] for entry in engine.log if entry[0] == "hear"]
    assert isinstance(heard, CallerTurn)
    assert (heard.text, len(heard.sound)) == ("Hello?", HZ)
    first, second = [entry[2] for entry in engine.log if entry[0] == "speak"][-2:]
    assert isinstance(first, Utterance)
    assert (first.text, first.turns) == ("Good morning.", ("c0.1",))
    assert second.turns == ("c0.1", OwnTurn(first.id))
    assert engine.calls == {}


def test_csm_without_any_prompt_stops_the_start() -> None:
    with pytest.raises(ConfigError, match="prompt"):
        asyncio.run(spoken(SpeakingSettings(engine="csm", csm_url=GONE)))


def test_espeak_stands_in_for_an_engine_that_is_gone(caplog: pytest.LogCaptureFixture) -> None:
    samples, phrases = asyncio.run(spoken(SpeakingSettings(engine="csm", csm_url=GONE), ANNA))
    assert np.abs(samples).max() > 0.1
    assert phrases > 10
    assert "another engine does the work now" in caplog.messages


def test_without_a_stand_in_an_engine_that_is_gone_leaves_nothing_to_be_heard() -> None:
    with pytest.raises(EngineError, match="voice"):
        asyncio.run(spoken(SpeakingSettings(engine="csm", csm_url=GONE, fallback=False), ANNA))


def test_a_speech_server_speaks_when_the_settings_say_so() -> None:
    with standing_in_for_speech() as server:
        asyncio.run(spoken(SpeakingSettings(engine="server", server_url=server.url)))
        asyncio.run(spoken(SpeakingSettings(engine="server", server_url=server.url), ANNA))
        assert {order["voice"] for _, _, order in server.requests} == {"alloy", "anna"}
