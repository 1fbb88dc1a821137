"""What a conversation asks of the world.

Out of `Conversation.handle` and `Conversation.handle_deadline`, performed in order by `call.py`.
"""

from dataclasses import dataclass
from typing import Literal

Speaker = Literal["caller", "agent"]


@dataclass(frozen=True, slots=True)
class Turn:
    """What one party said before the other took the floor; an agent's turn holds only what the caller heard."""

    speaker: Speaker
    text: str
    interrupted: bool = False


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
class ClearPlayout:
    """Silence the agent now: drop what the carrier still has to play."""


@dataclass(frozen=True, slots=True)
class Remember:
    """This turn joins the history; turns of one speaker in a row read as one."""

    turn: Turn


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
    | CancelReply
    | Say
    | Release
    | ClearPlayout
    | Remember
    | HangUp
)
