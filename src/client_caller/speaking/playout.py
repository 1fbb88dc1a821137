"""Playout: when each stretch of the agent's voice leaves, and how much of it the caller has heard.

In:   the speech of pieces as it is made, releases, drops, clears, and the marks that come back, each with `now`.
Out:  commands for the carrier, in order, and `PlayedOut` events that say which words were heard.
Rule: nothing here knows of sockets, tasks or a clock. The carrier is believed to play from the moment audio is sent;
      its marks correct that belief, so the estimate never runs ahead of a mark that is still out.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from client_caller.audio import mulaw
from client_caller.audio.frame import LINE_HZ
from client_caller.conversation.events import PlayedOut
from client_caller.speaking.protocol import Speech, WordTime
from client_caller.speaking.words import spread

CHUNK_S: Final = 0.040
"""Audio in one command: two line frames, which halves the messages and leaves the lead fine-grained."""

MARK_LATE_S: Final = 1.0
"""How long after its expected end audio counts as heard although its mark never came back."""

_SLACK_S: Final = 1e-6  # a millionth of a second: float rounding, far below one sample


@dataclass(frozen=True, slots=True)
class Send:
    """Queue audio at the carrier.

    mulaw: G.711 mu-law bytes at 8 kHz;  plays_at: when its first byte should sound.
    """

    mulaw: bytes
    plays_at: float


@dataclass(frozen=True, slots=True)
class SendMark:
    """Have the carrier say when all audio sent so far was played."""

    name: str


@dataclass(slots=True)
class _Piece:
    """One piece on its way out. Counts are samples, which are bytes of mu-law."""

    reply: int
    number: int
    text: str = ""
    audio: bytearray = field(default_factory=bytearray)
    words: list[WordTime] = field(default_factory=list)
    finished: bool = False
    sent: int = 0
    begins: int = 0  # place of its first sample among all samples sent since the last clear
    reported: int = 0

    @property
    def all_sent(self) -> bool:
        return self.finished and self.sent == len(self.audio)

    def words_before(self, count: int) -> int:
        """How many words have ended within the first `count` samples."""
        return sum(word.end_s <= count / LINE_HZ + _SLACK_S for word in self.words)


@dataclass(frozen=True, slots=True)
class _Mark:
    """A mark that is still out: the place it stands at, and when the carrier should get there."""

    name: str
    place: int
    expected_at: float


class Playout:
    """The agent's voice on one line: pacing, marks, epochs.

    lead_s: seconds of audio the carrier may hold ahead of real time;  mark_every_s: seconds of audio between marks.
    A reply sounds once it is released, in the order of release. Every clear begins a new epoch; marks name theirs.
    """

    def __init__(self, lead_s: float, mark_every_s: float) -> None:
        self._lead_s = lead_s
        self._chunk = max(1, int(min(CHUNK_S, lead_s) * LINE_HZ))
        self._mark_every = int(mark_every_s * LINE_HZ)
        self._unsent: dict[int, deque[_Piece]] = {}
        self._released: list[int] = []
        self._dropped: set[int] = set()
        self._unheard: deque[_Piece] = deque()  # pieces of which something was sent, in order
        self._marks: deque[_Mark] = deque()
        self._epoch = 0
        self._marks_made = 0
        self._sent = 0
        self._since_mark = 0
        self._anchor: tuple[int, float] | None = None  # place and instant of the last mark that came back
        self._ends_at = 0.0

    @property
    def ends_at(self) -> float:
        """When the carrier will have played all that was sent."""
        return self._ends_at

    def audible(self, now: float) -> bool:
        """Whether the agent's voice is sounding now."""
        return now < self._ends_at

    def add(self, reply: int, piece: int, text: str, speech: Speech) -> None:
        """Take the next stretch of a piece. It is not sent before the reply is released, and never once dropped."""
        if (entry := self._entry(reply, piece)) is not None:
            entry.text = text
            entry.audio += mulaw.encode(speech.samples)
            entry.words += speech.words

    def finish_piece(self, reply: int, piece: int) -> None:
        """No more audio of this piece will come. A voice that gave no word times has them spread by length."""
        if (entry := self._entry(reply, piece)) is not None:
            entry.finished = True
            entry.words = entry.words or spread(entry.text.split(), 0, 0.0, len(entry.audio) / LINE_HZ)

    def release(self, reply: int) -> None:
        """Let the caller hear this reply, after those released before it."""
        if reply not in self._dropped and reply not in self._released:
            self._released.append(reply)

    def drop(self, reply: int) -> None:
        """Forget what was not sent of this reply, now and later. What was sent still sounds and is counted."""
        self._dropped.add(reply)
        for piece in self._unsent.pop(reply, ()):
            del piece.audio[piece.sent :]
            piece.finished = False  # its end will never be heard
        if reply in self._released:
            self._released.remove(reply)

    def due(self, now: float) -> list[Send | SendMark]:
        """What to send now, in order."""
        commands: list[Send | SendMark] = []
        while (piece := self._next_piece()) is not None:
            count = self._ready(piece)
            if count is None or max(self._ends_at, now) + count / LINE_HZ > now + self._lead_s + _SLACK_S:
                break
            if piece.sent == 0:
                piece.begins = self._sent
                self._unheard.append(piece)
            if count:
                commands.append(self._send(piece, count, now))
            if piece.all_sent:
                self._unsent[piece.reply].popleft()
            if piece.all_sent or self._since_mark + self._chunk > self._mark_every:
                commands.append(self._mark())
        return commands

    def next_due(self, now: float) -> float | None:
        """When `due` or `overdue` will next have something; None while there is nothing to wait for."""
        instants = [self._marks[0].expected_at + MARK_LATE_S] if self._marks else []
        if (piece := self._next_piece()) is not None and (count := self._ready(piece)) is not None:
            instants.append(self._ends_at + count / LINE_HZ - self._lead_s)
        return max(now, min(instants)) if instants else None

    def mark_returned(self, name: str, now: float) -> list[PlayedOut]:
        """What a mark proves heard; nothing if it is of an earlier epoch or was given up."""
        if all(mark.name != name for mark in self._marks):
            return []
        while (mark := self._marks.popleft()).name != name:
            pass  # the carrier plays in order, so a mark answers for those before it
        self._anchor = (mark.place, now)
        return self.progress(now)

    def overdue(self, now: float) -> list[PlayedOut]:
        """What counts as heard because its marks are too late to be still believed in."""
        late = [mark for mark in self._marks if mark.expected_at + MARK_LATE_S <= now + _SLACK_S]
        return self.mark_returned(late[-1].name, now) if late else []

    def progress(self, now: float) -> list[PlayedOut]:
        """What was heard up to now and not told before: of each piece the words, and whether it is done."""
        place, news = self._place(now), []
        for piece in list(self._unheard):
            words = piece.words_before(place - piece.begins)
            done = piece.all_sent and place >= piece.begins + piece.sent
            if done:
                self._unheard.remove(piece)
            if done or words > piece.reported:
                piece.reported = words
                news.append(PlayedOut(piece.reply, piece.number, words, done))
        return news

    def clear(self, now: float) -> list[PlayedOut]:
        """Stop: all that was not sent goes, what was sent ends here. Returns what was heard up to now.

        The carrier must be told to clear, too; marks it then returns belong to the past and prove nothing.
        """
        heard = self.progress(now)
        self._dropped.update(self._unsent, self._released)
        for pending in (self._unsent, self._released, self._unheard, self._marks):
            pending.clear()
        self._epoch += 1
        self._sent = self._since_mark = 0
        self._anchor = None
        self._ends_at = min(self._ends_at, now)
        return heard

    def _entry(self, reply: int, piece: int) -> _Piece | None:
        if reply in self._dropped:
            return None
        pieces = self._unsent.setdefault(reply, deque())
        if not pieces or pieces[-1].number != piece:
            pieces.append(_Piece(reply, piece))
        return pieces[-1]

    def _next_piece(self) -> _Piece | None:
        return next((self._unsent[reply][0] for reply in self._released if self._unsent.get(reply)), None)

    def _ready(self, piece: _Piece) -> int | None:
        """Samples that can go next: a whole chunk, or a finished piece's last ones; None while the voice is behind."""
        left = len(piece.audio) - piece.sent
        return min(left, self._chunk) if piece.finished or left >= self._chunk else None

    def _send(self, piece: _Piece, count: int, now: float) -> Send:
        audio = bytes(piece.audio[piece.sent : piece.sent + count])
        piece.sent += count
        self._sent += count
        self._since_mark += count
        plays_at = max(self._ends_at, now)
        self._ends_at = plays_at + count / LINE_HZ
        return Send(audio, plays_at)

    def _mark(self) -> SendMark:
        self._marks_made += 1
        self._since_mark = 0
        mark = _Mark(f"{self._epoch}.{self._marks_made}", self._sent, self._ends_at)
        self._marks.append(mark)
        return SendMark(mark.name)

    def _place(self, now: float) -> int:
        """How many of the samples sent the caller has heard: the last mark and the time since, within what can be."""
        by_clock = self._sent - round(max(0.0, self._ends_at - now) * LINE_HZ)
        limit = min(by_clock, self._marks[0].place if self._marks else self._sent)
        if self._anchor is None:
            return max(0, limit)
        place, at = self._anchor
        return max(place, min(limit, place + round((now - at) * LINE_HZ)))
