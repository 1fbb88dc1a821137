"""The voices of agents, each with the bank of its phrases, made when the agent first speaks.

In:   an agent.     Out: a voice that says what is written as a person would, and the phrases that it has ready.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from client_caller.agent import Agent, AgentVoice
from client_caller.settings import SpeakingSettings
from client_caller.speaking.fillers import Fillers, rendered
from client_caller.speaking.pronounce import Pronouncer
from client_caller.speaking.pronounced import PronouncedVoice
from client_caller.speaking.protocol import Voice
from client_caller.sturdy import SturdyVoice

_BANKS: Final = 16
"""Banks of phrases that are kept, of about 2 MB each."""


class Voices:
    """Makes voices. engines: makes what sounds, the best first; it may take a moment, and raises ConfigError for what
    there is not."""

    def __init__(self, engines: Callable[[AgentVoice], Sequence[Voice]], settings: SpeakingSettings) -> None:
        self._engines = engines
        self._settings = settings
        self._made: dict[AgentVoice, Voice] = {}
        self._banks: dict[tuple[AgentVoice, tuple[str, ...], tuple[tuple[str, str], ...]], Fillers] = {}

    async def of(self, agent: Agent) -> tuple[Voice, Fillers]:
        """This agent's. Raises ConfigError for a voice that there is not."""
        how, names = agent.voice, tuple(agent.pronounce.items())
        if how not in self._made:
            engines = await asyncio.to_thread(self._engines, how)
            self._made[how] = SturdyVoice(engines, self._settings.first_sound_s, self._settings.next_sound_s)
        voice = PronouncedVoice(self._made[how], Pronouncer(_dialect(agent), agent.pronounce))
        bank = how, tuple(known_phrases(agent)), names
        if bank not in self._banks:
            if len(self._banks) == _BANKS:
                del self._banks[next(iter(self._banks))]
            self._banks[bank] = await rendered(voice, bank[1])
        return voice, self._banks[bank]


def _dialect(agent: Agent) -> str:
    """A British voice reads 3/4 as the third of April."""
    return "en-gb" if agent.voice.name.startswith("en-gb") else agent.language


def known_phrases(agent: Agent) -> list[str]:
    """What will be said word for word, whatever the call; not what differs from one call of the agent to the next."""
    phrases = agent.phrases
    when_unwell = (phrases.repeat, phrases.trouble, phrases.offer, phrases.goodbye)
    when_resumed = (phrases.dropped, phrases.as_i_said, phrases.so_far, phrases.go_on)
    when_ending = (phrases.still_there, phrases.farewell, phrases.opted_out, phrases.connecting, phrases.not_reached)
    when_waiting = (*phrases.fillers, phrases.tool_bridge, *(tool.bridge for tool in agent.tools))
    opening = () if agent.outbound else (agent.identity, agent.recording.phrase, agent.greeting)
    return [text for text in (*opening, *when_waiting, *when_unwell, *when_resumed, *when_ending) if text]
