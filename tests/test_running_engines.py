"""The engines of a whole process: watched, with their fallbacks, and with what is known to be said made beforehand."""

import asyncio

import pytest

from calls import AGENT
from client_caller.agent import answering
from client_caller.app import running_engines
from client_caller.engines import Engines
from client_caller.settings import Settings, ThinkingSettings, load_settings
from client_caller.thinking.protocol import Message

pytestmark = pytest.mark.models

NOBODY = "http://127.0.0.1:9/v1"
ASKED = [Message("user", "Who are you?")]


def settings(**thinking: object) -> Settings:
    """Slots are few, for each is warmed; limits are wide, for the machine may be busy."""
    unhurried = ThinkingSettings(slots=1, first_token_s=30, next_token_s=30, **thinking)  # type: ignore[arg-type]
    return load_settings().model_copy(update={"thinking": unhurried})


def test_with_everything_embedded_a_reply_is_made_and_the_phrases_are_ready() -> None:
    async def main() -> Engines:
        async with running_engines(settings(), AGENT) as engines:
            assert [text async for text in engines.language_model.stream(ASKED, "CA1", 4)]
            return engines

    fillers = asyncio.run(main()).fillers
    for phrase in (AGENT.greeting, *AGENT.phrases.fillers, AGENT.phrases.trouble, AGENT.phrases.repeat):
        sound = fillers.sound(phrase)
        assert sound is not None
        assert [word.index for speech in sound for word in speech.words] == list(range(len(phrase.split())))


def test_no_phrase_is_made_when_a_call_begins_that_the_answering_agent_has_with_it() -> None:
    agent = AGENT.model_copy(update={"identity": "Hello, this is {agent}, the automated assistant of {company}."})

    async def main() -> None:
        async with running_engines(settings(), agent) as engines:
            said = answering(agent)
            assert engines.fillers.sound(said.identity) is not None
            assert (await engines.speaking_as(said)).fillers is engines.fillers

    asyncio.run(main())


def test_the_embedded_model_stands_in_for_a_server_that_is_gone(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with running_engines(settings(base_url=NOBODY, fallback="embedded"), AGENT) as engines:
            assert [text async for text in engines.language_model.stream(ASKED, "CA1", 4)]

    asyncio.run(main())
    assert caplog.messages.count("an engine failed at a job") == 2
    assert caplog.messages.count("another engine does the work now") == 1
