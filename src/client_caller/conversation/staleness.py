"""Which news comes too late to matter: cancelled work may still deliver.

In:   an event, and what the conversation is about now.     Out: whether to drop it.
Rule: this is the only place that asks. Whoever handles an event may believe that it is of the present.
"""

from client_caller.conversation.barge_in import Overlap
from client_caller.conversation.events import (
    Beeped,
    EngineFailed,
    Event,
    HungUp,
    Interim,
    LineResumed,
    PlayedOut,
    ReplyEnded,
    ReplyText,
    ToolAsked,
    Transcript,
    TurnScored,
    WordsScored,
)
from client_caller.conversation.pause import Pause
from client_caller.conversation.reply import Reply
from client_caller.conversation.transitions import Phase


def is_stale(event: Event, phase: Phase, pause: Pause, overlap: Overlap | None, reply: Reply | None) -> bool:
    """Whether `event` is news of a pause, a reply or a line that has been superseded."""
    if phase is Phase.ENDED:
        return True
    if phase is Phase.RESUMING:
        return not isinstance(event, LineResumed | HungUp)
    if isinstance(event, Beeped) and phase is not Phase.PROBING:
        return True
    words_awaited = phase in (Phase.PAUSED, Phase.PROBING) or (overlap is not None and not overlap.lasts)
    making = reply.number if reply and not reply.ended else None
    match event:
        case Transcript(pause=number):
            return not words_awaited or number != pause.number or pause.text is not None
        case EngineFailed(engine="transcriber", number=number):
            return not words_awaited or number != pause.number
        case TurnScored(pause=number) | EngineFailed(engine="turn model", number=number):
            return phase is not Phase.PAUSED or number != pause.number
        case Interim():
            return phase not in (Phase.LISTENING, Phase.PROBING) and (overlap is None or not overlap.lasts)
        case WordsScored():
            return phase not in (Phase.LISTENING, Phase.PAUSED)
        case EngineFailed(engine="language model", number=0):
            return phase is not Phase.PAUSED
        case ReplyText(reply=number) | ReplyEnded(reply=number) | ToolAsked(reply=number):
            return number != making
        case EngineFailed(engine="language model", number=number):
            return number != making
        case PlayedOut(reply=number) | EngineFailed(engine="voice", number=number):
            return reply is None or number != reply.number
    return False
