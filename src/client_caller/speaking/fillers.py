"""Phrases whose sound is made beforehand: they cost nothing when they are needed, and no engine can fail at them.

In:   a voice and phrases, at start-up.     Out: the sound of each phrase, at once.
Rule: a phrase that could not be made is missing, and whoever wants it has it spoken as usual.
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from client_caller.errors import EngineError
from client_caller.speaking.protocol import Speech, Voice

log = logging.getLogger("client_caller.speaking")


@dataclass(frozen=True, slots=True)
class Fillers:
    """The bank of phrases that are ready to be played."""

    sounds: Mapping[str, Sequence[Speech]] = field(default_factory=dict)

    def sound(self, text: str) -> Sequence[Speech] | None:
        """The phrase as audio, 8 kHz, with the times of its words; None when the bank does not hold it."""
        return self.sounds.get(text)


async def rendered(voice: Voice, phrases: Sequence[str]) -> Fillers:
    """The bank of these phrases, in this voice. What the voice fails at is logged and left out."""
    sounds: dict[str, Sequence[Speech]] = {}
    for number, phrase in enumerate(dict.fromkeys(phrases), 1):
        try:
            async with aclosing(voice.speak(phrase)) as speeches:
                made = [speech async for speech in speeches]
        except EngineError as failure:
            log.warning("a phrase could not be made beforehand", extra={"phrase": number, "why": str(failure)})
        else:
            if made:
                sounds[phrase] = tuple(made)
    return Fillers(sounds)
