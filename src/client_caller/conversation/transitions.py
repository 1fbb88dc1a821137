"""The phases of a conversation, and which event may lead from which to which.

Rule 1: every phase and every allowed change of phase is in this table; `machine.py` is checked against it at each step,
        and docs/conversation.md draws its picture from it.
Rule 2: a pair of phase and event that is not here is a bug of ours and raises LocalProtocolError.

The phases say who has the floor:

RINGING     nobody yet: the line is not open.
LISTENING   the caller: speaking, or free to speak. A draft made in a pause is kept until the words have changed.
PAUSED      the caller, who has fallen silent. A draft of the answer is made, and nobody hears it.
THINKING    the agent, who has not yet a word to say. The caller's turn is judged over.
SPEAKING    the agent: its reply may be heard.
ENDED       nobody any more.
"""

from enum import Enum

from client_caller.conversation.events import (
    CallAnswered,
    EngineFailed,
    Event,
    HungUp,
    Interim,
    KeyPressed,
    PlayedOut,
    ReplyEnded,
    ReplyText,
    SpeechPaused,
    SpeechStarted,
    Transcript,
    TurnScored,
    WordsScored,
)


class Phase(Enum):
    """Who has the floor."""

    RINGING = "ringing"
    LISTENING = "listening"
    PAUSED = "paused"
    THINKING = "thinking"
    SPEAKING = "speaking"
    ENDED = "ended"


class Deadline:
    """Stands in the table for `handle_deadline`."""


Trigger = type[Event] | type[Deadline]

TRANSITIONS: dict[Phase, dict[Trigger, tuple[Phase, ...]]] = {
    Phase.RINGING: {
        CallAnswered: (Phase.SPEAKING, Phase.LISTENING),
        HungUp: (Phase.ENDED,),
    },
    Phase.LISTENING: {
        SpeechStarted: (Phase.LISTENING,),
        SpeechPaused: (Phase.PAUSED,),
        Interim: (Phase.LISTENING,),
        WordsScored: (Phase.LISTENING,),
        ReplyText: (Phase.LISTENING,),  # of a draft, while it is open whether the caller has more to say
        ReplyEnded: (Phase.LISTENING,),
        EngineFailed: (Phase.LISTENING,),
        KeyPressed: (Phase.LISTENING,),
        Deadline: (Phase.SPEAKING,),  # the call has lasted as long as it may
        HungUp: (Phase.ENDED,),
    },
    Phase.PAUSED: {
        SpeechStarted: (Phase.LISTENING,),
        TurnScored: (Phase.PAUSED,),
        WordsScored: (Phase.PAUSED,),
        Transcript: (
            Phase.PAUSED,
            Phase.LISTENING,  # no word in it: a noise
            Phase.THINKING,  # the words came later than the decision
            Phase.SPEAKING,  # a noise had silenced the agent, who goes on
        ),
        ReplyText: (Phase.PAUSED,),
        ReplyEnded: (Phase.PAUSED,),
        EngineFailed: (Phase.PAUSED,),
        KeyPressed: (Phase.PAUSED,),
        Deadline: (Phase.PAUSED, Phase.THINKING, Phase.SPEAKING),
        HungUp: (Phase.ENDED,),
    },
    Phase.THINKING: {
        SpeechStarted: (Phase.LISTENING,),
        ReplyText: (Phase.SPEAKING,),
        ReplyEnded: (Phase.THINKING, Phase.SPEAKING),  # an empty reply is a failed one
        EngineFailed: (Phase.THINKING, Phase.SPEAKING),
        KeyPressed: (Phase.THINKING,),
        Deadline: (Phase.THINKING, Phase.SPEAKING),
        HungUp: (Phase.ENDED,),
    },
    Phase.SPEAKING: {
        SpeechStarted: (Phase.LISTENING, Phase.SPEAKING),  # a barge-in; not during the goodbye
        SpeechPaused: (Phase.SPEAKING,),  # only during the goodbye
        ReplyText: (Phase.SPEAKING,),
        ReplyEnded: (Phase.SPEAKING, Phase.LISTENING),
        PlayedOut: (Phase.SPEAKING, Phase.LISTENING, Phase.ENDED),
        EngineFailed: (Phase.SPEAKING, Phase.LISTENING, Phase.ENDED),
        KeyPressed: (Phase.SPEAKING,),
        Deadline: (Phase.SPEAKING, Phase.ENDED),
        HungUp: (Phase.ENDED,),
    },
    Phase.ENDED: {},
}


def state_diagram() -> str:
    """The table as a Mermaid state diagram, for docs/conversation.md."""
    lines = ["stateDiagram-v2", f"  [*] --> {Phase.RINGING.name}"]
    for phase, row in TRANSITIONS.items():
        reached: dict[Phase, list[str]] = {}
        for trigger, targets in row.items():
            for target in targets:
                if target is not phase:
                    reached.setdefault(target, []).append(trigger.__name__)
        lines += [f"  {phase.name} --> {target.name}: {', '.join(names)}" for target, names in reached.items()]
    return "\n".join([*lines, f"  {Phase.ENDED.name} --> [*]"])
