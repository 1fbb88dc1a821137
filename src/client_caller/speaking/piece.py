"""One piece of a reply on its way out: its sound, what of it was sent, and what of it was heard.

In:   speech as it is made.     Out: audio to send; words heard, by the place that the carrier has reached.
Rule: counts are samples, which are bytes of mu-law. A *place* counts all samples sent since the carrier was last
      cleared; what is sent of a piece may lie there in several runs, for a filler can sound in between.
"""

from dataclasses import dataclass, field
from typing import Final

from client_caller.audio import mulaw
from client_caller.audio.frame import LINE_HZ
from client_caller.speaking.protocol import Speech, WordTime
from client_caller.speaking.words import spread

_SLACK_S: Final = 1e-6  # a millionth of a second: float rounding, far below one sample


@dataclass(slots=True)
class _Run:
    """`count` samples from `offset` on in the piece that lie at `place`."""

    place: int
    offset: int
    count: int


@dataclass(slots=True, eq=False)
class Piece:
    """Piece `number` of a reply."""

    reply: int
    number: int
    text: str = ""
    audio: bytearray = field(default_factory=bytearray)
    words: list[WordTime] = field(default_factory=list)
    finished: bool = False  # no more audio will come
    sent: int = 0
    reported: int = 0  # words that were told to be heard
    runs: list[_Run] = field(default_factory=list)

    @property
    def all_sent(self) -> bool:
        """Whether its end was sent."""
        return self.finished and self.sent == len(self.audio)

    def add(self, text: str, speech: Speech) -> None:
        """The next stretch of its sound."""
        self.text = text
        self.audio += mulaw.encode(speech.samples)
        self.words += speech.words

    def finish(self) -> None:
        """Its sound is whole. Without word times they are spread by length."""
        self.finished = True
        self.words = self.words or spread(self.text.split(), 0, 0.0, len(self.audio) / LINE_HZ)

    def cut_short(self) -> None:
        """What was not sent of it never will be."""
        del self.audio[self.sent :]
        self.finished = False

    def ready(self, chunk: int) -> int | None:
        """Samples that can go next: a whole chunk, or its last ones; None while the voice is behind."""
        left = len(self.audio) - self.sent
        return min(left, chunk) if self.finished or left >= chunk else None

    def take(self, count: int, place: int) -> bytes:
        """The next `count` samples, which will lie at `place`."""
        audio = bytes(self.audio[self.sent : self.sent + count])
        last = self.runs[-1] if self.runs else None
        if last and last.place + last.count == place:
            last.count += count
        else:
            self.runs.append(_Run(place, self.sent, count))
        self.sent += count
        return audio

    def heard(self, place: int) -> tuple[int, bool]:
        """How many words have ended when the carrier has reached `place`, and whether nothing is left to hear."""
        done = self.all_sent and bool(self.runs) and place >= self.runs[-1].place + self.runs[-1].count
        return self._words_before(self.heard_samples(place)), done

    def heard_samples(self, place: int) -> int:
        """How many of its samples lie before `place`."""
        for run in reversed(self.runs):
            if place > run.place:
                return run.offset + min(place - run.place, run.count)
        return self.runs[0].offset if self.runs else 0

    def after(self, place: int) -> bytes:
        """What of its sound was sent and lies behind `place`."""
        return bytes(self.audio[self.heard_samples(place) : self.sent]) if self.runs else b""

    def rewind(self, place: int) -> None:
        """The carrier has been cleared at `place`: go back to the beginning of the first word that was not heard."""
        count = self.heard_samples(place)
        words = self._words_before(count)
        begins = round(self.words[words].start_s * LINE_HZ) if words < len(self.words) else count
        self.sent = max(0, min(begins, count))
        self.runs.clear()

    def _words_before(self, count: int) -> int:
        """How many words have ended within the first `count` samples."""
        return sum(word.end_s <= count / LINE_HZ + _SLACK_S for word in self.words)
