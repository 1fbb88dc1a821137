"""A voice that says things as people do: written text goes in, and the words of that text are what was heard.

In:   any voice, and how texts of a language are said.     Out: a voice.
Rule: the voice inside gets words only; whoever listens hears of the words that were written. One of them begins with
      the first word said for it and ends with the last, and is told when it is complete.
"""

from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing

import numpy as np

from client_caller.audio.frame import LINE_HZ
from client_caller.speaking.pronounce import Pronouncer, Spoken
from client_caller.speaking.protocol import Speech, Talk, Voice, WordTime
from client_caller.speaking.words import spread


class PronouncedVoice:
    """`voice`, which is given what `pronouncer` makes of a text."""

    def __init__(self, voice: Voice, pronouncer: Pronouncer) -> None:
        self._voice = voice
        self._pronouncer = pronouncer

    async def speak(self, text: str, talk: Talk | None = None) -> AsyncGenerator[Speech, None]:
        """The piece as audio. Closing the generator stops the work. Raises EngineError.

        Where the voice tells no word times, they are spread by the letters that are said, and come with the end.
        """
        spoken = self._pronouncer.spoken(text)
        if not spoken.words:
            return
        words, samples, told = _Written(spoken, len(text.split())), 0, False
        async with aclosing(self._voice.speak(spoken.text, talk)) as speeches:
            async for speech in speeches:
                samples += len(speech.samples)
                told = told or bool(speech.words)
                yield Speech(speech.samples, tuple(words.complete(speech.words)))
        if samples and not told:
            times = spread(spoken.words, 0, 0.0, samples / LINE_HZ)
            yield Speech(np.zeros(0, np.float32), tuple(words.complete(times)))

    def leave(self, call_id: str) -> None:
        """Told to the voice inside."""
        self._voice.leave(call_id)


class _Written:
    """The times of the words that were written, from those of the words that are said."""

    def __init__(self, spoken: Spoken, count: int) -> None:
        self._of = spoken.of
        self._count = count
        self._next = 0  # the first word that was not told
        self._starts_s: float | None = None  # where it began, if it has
        self._ends_s = 0.0

    def complete(self, said: Iterable[WordTime]) -> Iterator[WordTime]:
        """The written words that these complete. A silent one (a dash) takes no time, and comes with the one before."""
        for word in said:
            owner = self._of[word.index]
            yield from self._told(until=owner)
            self._starts_s = word.start_s if self._starts_s is None else self._starts_s
            self._ends_s = word.end_s
            following = self._of[word.index + 1] if word.index + 1 < len(self._of) else self._count
            if following > owner:
                yield from self._told(until=following)

    def _told(self, until: int) -> Iterator[WordTime]:
        while self._next < until:
            starts_s = self._ends_s if self._starts_s is None else self._starts_s
            yield WordTime(self._next, starts_s, self._ends_s)
            self._next, self._starts_s = self._next + 1, None
