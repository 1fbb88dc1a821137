"""Playout: when each stretch of the agent's voice leaves, and how much of it the caller has heard.

In:   the speech of pieces as it is made, releases, drops, hushes, clears, and the marks that come back, with `now`.
Out:  commands for the carrier, in order, and `PlayedOut` events that say which words were heard.
Rule: nothing here knows of sockets, tasks or a clock. The carrier is believed to play from the moment audio is sent;
      its marks correct that belief, so the estimate never runs ahead of a mark that is still out.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from client_caller.audio import mulaw
from client_caller.audio.frame import LINE_HZ
from client_caller.conversation.events import PlayedOut
from client_caller.speaking.piece import Piece
from client_caller.speaking.protocol import Speech

CHUNK_S: Final = 0.040
"""Audio in one command: two line frames, which halves the messages and leaves the lead fine-grained."""

MARK_LATE_S: Final = 1.0
"""How long after its expected end audio counts as heard although its mark never came back."""

_FADE_S: Final = 0.020
"""A hush fades over so much of what would have sounded next: a cut in mid-vowel clicks."""

_HEARD_KEPT: Final = 64
"""Pieces of which it is known how much was heard, from the last back: twice what a voice is told of."""

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


@dataclass(frozen=True, slots=True)
class _Mark:
    """A mark that is still out: the place it stands at, and when the carrier should get there."""

    name: str
    place: int
    expected_at: float


class Playout:
    """The agent's voice on one line: pacing, marks, epochs.

    lead_s: seconds of audio the carrier may hold ahead of real time;  mark_every_s: seconds of audio between marks;
    marks: whether the carrier returns any. Without, the clock alone tells what was heard.
    A reply sounds once it is released, in the order of release. Every hush and every clear begins a new epoch; marks
    name theirs. A *place* counts samples, all that were sent since the epoch began.
    """

    def __init__(self, lead_s: float, mark_every_s: float, *, marks: bool = True) -> None:
        self._lead_s = lead_s
        self._chunk = max(1, int(min(CHUNK_S, lead_s) * LINE_HZ))
        self._mark_every = int(mark_every_s * LINE_HZ)
        self._has_marks = marks
        self._unsent: dict[int, deque[Piece]] = {}
        self._released: list[int] = []
        self._dropped: set[int] = set()
        self._unheard: deque[Piece] = deque()  # pieces of which something was sent, in order
        self._marks: deque[_Mark] = deque()
        self._epoch = 0
        self._marks_made = 0
        self._sent = 0
        self._since_mark = 0
        self._anchor: tuple[int, float] | None = None  # place and instant of the last mark that came back
        self._ends_at = 0.0
        self._hushed = False
        self._heard_s: dict[tuple[int, int], float | None] = {}  # of the last pieces that sounded

    @property
    def ends_at(self) -> float:
        """When the carrier will have played all that was sent."""
        return self._ends_at

    def audible(self, now: float) -> bool:
        """Whether the agent's voice is sounding now."""
        return now + _SLACK_S < self._ends_at

    # What there is to say.

    def add(self, reply: int, piece: int, text: str, speech: Speech) -> None:
        """Take the next stretch of a piece. It is not sent before the reply is released, and never once dropped."""
        if (entry := self._entry(reply, piece)) is not None:
            entry.add(text, speech)

    def finish_piece(self, reply: int, piece: int) -> None:
        """No more audio of this piece will come. A voice that gave no word times has them spread by length."""
        if (entry := self._entry(reply, piece)) is not None:
            entry.finish()

    def interject(self, reply: int, piece: int, text: str, speeches: Sequence[Speech]) -> None:
        """A piece that is whole, to sound before everything of this reply that was not sent yet."""
        if reply in self._dropped:
            return
        entry = Piece(reply, piece)
        for speech in speeches:
            entry.add(text, speech)
        entry.finish()
        self._unsent.setdefault(reply, deque()).appendleft(entry)

    def release(self, reply: int) -> None:
        """Let the caller hear this reply, after those released before it."""
        if reply not in self._dropped and reply not in self._released:
            self._released.append(reply)

    def drop(self, reply: int) -> None:
        """Forget what was not sent of this reply, now and later. What was sent still sounds and is counted."""
        self._dropped.add(reply)
        for piece in self._unsent.pop(reply, ()):
            piece.cut_short()
        if reply in self._released:
            self._released.remove(reply)

    # What goes to the carrier.

    def due(self, now: float) -> list[Send | SendMark]:
        """What to send now, in order."""
        commands: list[Send | SendMark] = []
        while not self._hushed and (piece := self._next_piece()) is not None:
            count = piece.ready(self._chunk)
            if count is None or max(self._ends_at, now) + count / LINE_HZ > now + self._lead_s + _SLACK_S:
                break
            if piece not in self._unheard:
                self._unheard.append(piece)
            if count or piece.all_sent:
                audio = piece.take(count, self._sent)
                if audio:
                    commands.append(self._send(audio, now))
            if piece.all_sent:
                self._unsent[piece.reply].remove(piece)
            if self._has_marks and (piece.all_sent or self._since_mark + self._chunk > self._mark_every):
                commands.append(self._mark())
        return commands

    def next_due(self, now: float) -> float | None:
        """When `due`, `overdue` or `progress` will next have something; None while there is nothing to wait for."""
        instants = [self._marks[0].expected_at + MARK_LATE_S] if self._marks else []
        if not self._has_marks and now < self._ends_at:
            instants.append(self._ends_at)
        if not self._hushed and (piece := self._next_piece()) and (count := piece.ready(self._chunk)) is not None:
            instants.append(self._ends_at + count / LINE_HZ - self._lead_s)
        return max(now, min(instants)) if instants else None

    def hush(self, now: float) -> list[Send]:
        """Stop within a fade and keep the rest, from the first unheard word on, until `go_on`. Ask `progress` before.

        The carrier must be told to clear, and then be sent what this returns.
        """
        fade = b"".join(piece.after(self._by_clock(now)) for piece in self._unheard)[: round(_FADE_S * LINE_HZ)]
        heard = self._place(now)
        for piece in self._unheard:
            self._note_heard(piece, heard)
        kept = [piece for piece in self._unheard if piece.reply in self._released]
        for piece in reversed(kept):
            piece.rewind(heard)
            waiting = self._unsent.setdefault(piece.reply, deque())
            if piece in waiting:
                waiting.remove(piece)
            waiting.appendleft(piece)
        self._begin_epoch(now)
        self._hushed = True
        if not fade:
            return []
        self._ends_at = now + len(fade) / LINE_HZ
        return [Send(mulaw.faded_out(fade), now)]

    def go_on(self) -> None:
        """Let what was kept by a hush be heard."""
        self._hushed = False

    def clear(self, now: float) -> list[PlayedOut]:
        """Stop: all that was not sent goes, what was sent ends here. Returns what was heard up to now.

        The carrier must be told to clear, too; marks it then returns belong to the past and prove nothing.
        """
        heard = self.progress(now)
        self._dropped.update(self._unsent, self._released)
        self._unsent.clear()
        self._released.clear()
        self._begin_epoch(now)
        self._hushed = False
        return heard

    # What the caller has heard.

    def mark_returned(self, name: str, now: float) -> list[PlayedOut]:
        """What a mark proves heard; nothing if it is of an earlier epoch or was given up."""
        if all(mark.name != name for mark in self._marks):
            return []
        while (mark := self._marks.popleft()).name != name:
            pass  # the carrier plays in order, so a mark answers for those before it
        self._anchor = (mark.place, now)
        return self.progress(now)

    def overdue(self, now: float) -> list[PlayedOut]:
        """What counts as heard because its marks are too late to be still believed in, or because there are none."""
        if not self._has_marks:
            return self.progress(now)
        late = [mark for mark in self._marks if mark.expected_at + MARK_LATE_S <= now + _SLACK_S]
        return self.mark_returned(late[-1].name, now) if late else []

    def progress(self, now: float) -> list[PlayedOut]:
        """What was heard up to now and not told before: of each piece the words, and whether it is done."""
        place, news = self._place(now), []
        for piece in list(self._unheard):
            words, done = piece.heard(place)
            self._note_heard(piece, place)
            if done:
                self._unheard.remove(piece)
            if done or words > piece.reported:
                piece.reported = max(words, piece.reported)
                news.append(PlayedOut(piece.reply, piece.number, piece.reported, done))
        return news

    def heard_s(self, reply: int, piece: int) -> float | None:
        """How much of a piece the caller had heard when that was last found out, whatever has become of it since.

        Seconds of its sound, in which a word that was said again after a hush counts once; None for all of it; 0.0 for
        a piece of which nothing sounded, and for one that is long past.
        """
        return self._heard_s.get((reply, piece), 0.0)

    def _note_heard(self, piece: Piece, place: int) -> None:
        key, heard = (piece.reply, piece.number), piece.heard_samples(place)
        known_s = self._heard_s.get(key, 0.0)
        if heard and piece.all_sent and heard == len(piece.audio):
            self._heard_s[key] = None
        elif heard and known_s is not None:
            self._heard_s[key] = max(heard / LINE_HZ, known_s)
        if len(self._heard_s) > _HEARD_KEPT:
            del self._heard_s[next(iter(self._heard_s))]

    def _entry(self, reply: int, piece: int) -> Piece | None:
        if reply in self._dropped:
            return None
        pieces = self._unsent.setdefault(reply, deque())
        entry = next((known for known in pieces if known.number == piece), None)
        if entry is None:
            entry = Piece(reply, piece)
            pieces.append(entry)
        return entry

    def _next_piece(self) -> Piece | None:
        return next((self._unsent[reply][0] for reply in self._released if self._unsent.get(reply)), None)

    def _send(self, audio: bytes, now: float) -> Send:
        self._sent += len(audio)
        self._since_mark += len(audio)
        plays_at = max(self._ends_at, now)
        self._ends_at = plays_at + len(audio) / LINE_HZ
        return Send(audio, plays_at)

    def _mark(self) -> SendMark:
        self._marks_made += 1
        self._since_mark = 0
        mark = _Mark(f"{self._epoch}.{self._marks_made}", self._sent, self._ends_at)
        self._marks.append(mark)
        return SendMark(mark.name)

    def _begin_epoch(self, now: float) -> None:
        self._unheard.clear()
        self._marks.clear()
        self._epoch += 1
        self._sent = self._since_mark = 0
        self._anchor = None
        self._ends_at = min(self._ends_at, now)

    def _by_clock(self, now: float) -> int:
        """The place that the carrier has reached if it plays without a gap."""
        return self._sent - round(max(0.0, self._ends_at - now) * LINE_HZ)

    def _place(self, now: float) -> int:
        """How many of the samples sent the caller has heard: the last mark and the time since, within what can be."""
        limit = min(self._by_clock(now), self._marks[0].place if self._marks else self._sent)
        if self._anchor is None:
            return max(0, limit)
        place, at = self._anchor
        return max(place, min(limit, place + round((now - at) * LINE_HZ)))
