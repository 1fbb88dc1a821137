"""What can happen to a conversation.

In:   nothing but the standard library.
Out:  frozen events, handed to `Conversation.handle(event, now)` one at a time.
Rule: instants (`at`) are seconds of call time, back-dated to the audio; `pause` and `reply` are counters by which
      news of something superseded is told from news that still matters.
"""

from dataclasses import dataclass
from typing import Literal

Engine = Literal["transcriber", "turn model", "language model", "voice"]

Then = Literal["", "hang up", "transfer", "keys", "opt out"]
"""What a tool may want of the call itself; see `ToolAnswered`."""


@dataclass(frozen=True, slots=True)
class CallAnswered:
    """The line is open both ways."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The caller's voice set in at `at` (an onset)."""

    at: float


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """The caller's voice stopped at `at` (an offset); `voiced_s` seconds of it were heard since the onset."""

    at: float
    voiced_s: float


@dataclass(frozen=True, slots=True)
class Interim:
    """Words of the caller's turn decoded while the caller is still speaking.

    The first `stable` of them stay as they are in all interims of the turn; the rest may yet change.
    """

    text: str
    stable: int = 0


@dataclass(frozen=True, slots=True)
class TurnScored:
    """The turn model's probability that the caller had finished at pause number `pause` (the first is 1)."""

    pause: int
    p_done: float


@dataclass(frozen=True, slots=True)
class WordsScored:
    """The language model's probability that a sentence may end after `text`, the caller's turn as it was read ahead.

    None when the model does not tell.
    """

    text: str
    p_end: float | None


@dataclass(frozen=True, slots=True)
class Transcript:
    """Every word of the caller's turn as decoded at pause number `pause`; empty when no word was found."""

    pause: int
    text: str


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """The caller pressed a key: one of 0-9, *, #, A-D."""

    key: str


@dataclass(frozen=True, slots=True)
class ReplyText:
    """The next speakable piece of a reply."""

    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class ToolAsked:
    """The language model wants a tool called before it goes on with this reply.

    arguments: JSON text as the model wrote it, so nothing is certain of it;  reads_only: calling it changes nothing in
    the world, so it may be called for a draft.
    """

    reply: int
    tool: str
    arguments: str
    reads_only: bool = False


@dataclass(frozen=True, slots=True)
class ToolAnswered:
    """The tool that was called as number `number` is done, or has failed: `text` tells the language model which.

    then: what is to be done once the agent has been heard, if the tool was about the call itself: "hang up"; "transfer"
    to the number `to`, with `briefing` for who takes it; press the "keys" `to`; or "opt out".
    """

    number: int
    text: str
    then: Then = ""
    to: str = ""
    briefing: str = ""


@dataclass(frozen=True, slots=True)
class ReplyEnded:
    """A reply has no further piece, or none before its tools have answered."""

    reply: int


@dataclass(frozen=True, slots=True)
class PlayedOut:
    """The caller has heard the first `words` words of a piece; `done` when nothing of it is left to hear."""

    reply: int
    piece: int
    words: int
    done: bool


@dataclass(frozen=True, slots=True)
class Sounding:
    """The agent's voice has begun to sound at the carrier (`on`), or has ceased to."""

    on: bool


@dataclass(frozen=True, slots=True)
class EngineFailed:
    """An engine gave up. `number` is the pause it was decoding or the reply it was making; 0 for reading ahead."""

    engine: Engine
    number: int


@dataclass(frozen=True, slots=True)
class LineLost:
    """The stream is gone, or the process that held it: nobody hears anybody, and the call is not over."""


@dataclass(frozen=True, slots=True)
class LineResumed:
    """A stream of the same call is open both ways again.

    back_from: how the errand ended that the call was on ("keys", "busy", "no-answer", "declined", "failed"); empty when
    the line had been lost.
    """

    back_from: str = ""


@dataclass(frozen=True, slots=True)
class AnswererFound:
    """The carrier says who has answered: "human", "machine" (a greeting plays), "machine done" (it is over), "fax"."""

    who: Literal["human", "machine", "machine done", "fax", "unknown"]


@dataclass(frozen=True, slots=True)
class Beeped:
    """A tone that is no voice ended at `at`: of an answering machine, or of a fax."""

    at: float
    kind: Literal["beep", "fax"] = "beep"


@dataclass(frozen=True, slots=True)
class TransferOrdered:
    """Somebody outside the conversation wants the caller connected to a telephone.

    to: empty for the one that the agent file names;  briefing: empty for what the conversation gives.
    """

    to: str = ""
    briefing: str = ""


@dataclass(frozen=True, slots=True)
class KeysOrdered:
    """Somebody outside the conversation wants keys pressed."""

    keys: str


@dataclass(frozen=True, slots=True)
class HangUpOrdered:
    """Somebody outside the conversation wants it ended, after a goodbye; `reason` is for the record."""

    reason: str


@dataclass(frozen=True, slots=True)
class HungUp:
    """The call is over, whoever ended it."""


OutsideNews = AnswererFound | TransferOrdered | KeysOrdered | HangUpOrdered
"""What reaches a call by another way than its line."""

Event = (
    CallAnswered
    | SpeechStarted
    | SpeechPaused
    | Interim
    | TurnScored
    | WordsScored
    | Transcript
    | KeyPressed
    | ReplyText
    | ToolAsked
    | ToolAnswered
    | ReplyEnded
    | PlayedOut
    | Sounding
    | EngineFailed
    | LineLost
    | LineResumed
    | AnswererFound
    | Beeped
    | TransferOrdered
    | KeysOrdered
    | HangUpOrdered
    | HungUp
)
