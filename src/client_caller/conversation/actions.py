"""What a conversation asks of the world.

Out of `Conversation.handle` and `Conversation.handle_deadline`, performed in order by `call.py`.
"""

from dataclasses import dataclass
from typing import Literal

Speaker = Literal["caller", "agent", "tool"]

CutBy = Literal["caller", "line", "voice"]
"""Why the agent was not heard to its end: the caller broke in, the line was lost, or the voice failed."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one party said before the other took the floor; an agent's turn holds only what the caller heard.

    cut_by: what kept the caller from hearing the rest of it; None when there was no more.
    What a tool told the agent stands between their turns: `tool` was called with `arguments`, JSON text, and `text` is
    what came of it. Nobody heard it.
    """

    speaker: Speaker
    text: str
    cut_by: CutBy | None = None
    tool: str = ""
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Transcribe:
    """Decode all that the caller has said in this turn, as of pause number `pause`."""

    pause: int


@dataclass(frozen=True, slots=True)
class ScoreTurn:
    """Ask the turn model whether the caller has finished, as of pause number `pause`."""

    pause: int


@dataclass(frozen=True, slots=True)
class CloseTurn:
    """The caller's turn is over: what is heard from now on belongs to the next one."""


@dataclass(frozen=True, slots=True)
class ReadAhead:
    """Have the language model read the history, so that the reply to it begins sooner.

    When it ends with words of the caller, the model's verdict on them comes back as `WordsScored`.
    """

    history: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class StartReply:
    """Ask the language model for a reply. Its audio is held until `Release`."""

    reply: int
    history: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class RunTool:
    """Call a tool for this reply, once; what comes of it is told as `ToolAnswered`, whatever becomes of the reply.

    number: counts the tools of the call from 1;  arguments: JSON text, as the language model wrote it.
    """

    number: int
    reply: int
    tool: str
    arguments: str


@dataclass(frozen=True, slots=True)
class CancelReply:
    """Stop making this reply and drop all of it that has not been sent."""

    reply: int


@dataclass(frozen=True, slots=True)
class Say:
    """Have the voice speak a piece; the pieces of a reply count from 0."""

    reply: int
    piece: int
    text: str


@dataclass(frozen=True, slots=True)
class Release:
    """Let the caller hear this reply."""

    reply: int


@dataclass(frozen=True, slots=True)
class PlayFiller:
    """Let the caller hear a phrase from the bank now, as the next piece of this reply and before the rest of it."""

    reply: int
    piece: int
    text: str


@dataclass(frozen=True, slots=True)
class Hush:
    """Silence the agent now, and keep what was not heard: it is open whether the caller breaks in."""


@dataclass(frozen=True, slots=True)
class GoOn:
    """Nobody broke in: let the caller hear this reply on, from the first unheard word."""

    reply: int


@dataclass(frozen=True, slots=True)
class ClearPlayout:
    """Silence the agent now and for good: drop what the carrier still has to play, and what was kept."""


@dataclass(frozen=True, slots=True)
class Remember:
    """This turn joins the history; turns of one speaker in a row read as one."""

    turn: Turn


Noted = Literal[
    "who is calling was heard",
    "a human answered",
    "a machine answered",
    "a message was left",
    "opted out",
    "recording allowed",
    "recording refused",
]
"""What is worth keeping for ever of a call, beside its words."""


@dataclass(frozen=True, slots=True)
class Note:
    """Keep this of the call, with its time, in the ledger."""

    what: Noted


@dataclass(frozen=True, slots=True)
class StartRecording:
    """From now on the sound of the call may be kept; nothing of it was before."""


@dataclass(frozen=True, slots=True)
class SendKeys:
    """Have the carrier press keys: 0-9, *, #, A-D, and w for half a second's rest. The stream ends, and comes back."""

    keys: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """Have the carrier connect the caller to a telephone, and bring the call back if nobody there takes it.

    to: a number in E.164 form;  briefing: what that person is told before they take the call; empty: they are not
    asked, and the call simply rings there.
    """

    to: str
    briefing: str = ""


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the call; `reason` is for the record."""

    reason: str


Action = (
    Transcribe
    | ScoreTurn
    | CloseTurn
    | ReadAhead
    | StartReply
    | RunTool
    | CancelReply
    | Say
    | Release
    | PlayFiller
    | Hush
    | GoOn
    | ClearPlayout
    | Remember
    | Note
    | StartRecording
    | SendKeys
    | Transfer
    | HangUp
)
