"""The phases of a conversation, and which event may lead from which to which.

Rule 1: every phase and every allowed change of phase is in this table; `machine.py` is checked against it at each step,
        and docs/conversation.md draws its picture from it.
Rule 2: a pair of phase and event that is not here is a bug of ours and raises LocalProtocolError.

The phases say who has the floor:

RINGING     nobody yet: the line is not open.
PROBING     open: on a call that we placed, who or what has answered. To a machine, what is said is said to its end.
LISTENING   the caller: speaking, or free to speak. A draft made in a pause is kept until the words have changed.
PAUSED      the caller, who has fallen silent. A draft of the answer is made, and nobody hears it.
THINKING    the agent, who has not yet a word to say. The caller's turn is judged over.
SPEAKING    the agent: its reply may be heard.
HUSHED      open: a sound of the caller has silenced the agent, and is being judged. The reply is kept.
RESUMING    nobody: the stream is gone, or was left for an errand, and a fresh one is awaited.
ENDED       nobody any more.
"""

from enum import Enum

from client_caller.conversation.events import (
    AnswererFound,
    Beeped,
    CallAnswered,
    EngineFailed,
    Event,
    HangUpOrdered,
    HungUp,
    Interim,
    KeyPressed,
    KeysOrdered,
    LineLost,
    LineResumed,
    PlayedOut,
    ReplyEnded,
    ReplyText,
    Sounding,
    SpeechPaused,
    SpeechStarted,
    ToolAnswered,
    ToolAsked,
    Transcript,
    TransferOrdered,
    TurnScored,
    WordsScored,
)


class Phase(Enum):
    """Who has the floor."""

    RINGING = "ringing"
    PROBING = "probing"
    LISTENING = "listening"
    PAUSED = "paused"
    THINKING = "thinking"
    SPEAKING = "speaking"
    HUSHED = "hushed"
    RESUMING = "resuming"
    ENDED = "ended"


class Deadline:
    """Stands in the table for `handle_deadline`."""


Trigger = type[Event] | type[Deadline]

_ORDERS: dict[Trigger, tuple[Phase, ...]] = {
    TransferOrdered: (Phase.SPEAKING, Phase.RESUMING),
    KeysOrdered: (Phase.RESUMING,),
    HangUpOrdered: (Phase.SPEAKING,),
    AnswererFound: (Phase.PROBING,),  # it was a machine after all
    ToolAnswered: (Phase.SPEAKING,),  # it was about a wish not to be called
}
"""What may come of it in every phase in which the call is held, if it does not leave that phase as it is."""


def _ordered(phase: Phase) -> dict[Trigger, tuple[Phase, ...]]:
    return {order: tuple({phase: None} | dict.fromkeys(targets)) for order, targets in _ORDERS.items()}


_MAY_TELL_WHO_ANSWERED: tuple[Trigger, ...] = (
    *(SpeechStarted, SpeechPaused, Interim, Transcript, AnswererFound, Beeped, PlayedOut, Sounding, EngineFailed),
    Deadline,
)
"""Whatever happens then: it may be found to be a human, to be a menu whose keys are pressed, or nobody to talk to."""

TRANSITIONS: dict[Phase, dict[Trigger, tuple[Phase, ...]]] = {
    Phase.RINGING: {
        CallAnswered: (Phase.SPEAKING, Phase.PROBING),
        HungUp: (Phase.ENDED,),
    },
    Phase.PROBING: {
        **dict.fromkeys(_MAY_TELL_WHO_ANSWERED, (Phase.PROBING, Phase.SPEAKING, Phase.RESUMING, Phase.ENDED)),
        ToolAnswered: (Phase.PROBING, Phase.SPEAKING),
        KeyPressed: (Phase.PROBING,),
        TransferOrdered: (Phase.PROBING, Phase.SPEAKING),
        KeysOrdered: (Phase.PROBING, Phase.RESUMING),  # or too late: a message is being left
        HangUpOrdered: (Phase.PROBING, Phase.SPEAKING),
        LineLost: (Phase.RESUMING,),
        HungUp: (Phase.ENDED,),
    },
    Phase.LISTENING: {
        **_ordered(Phase.LISTENING),
        SpeechStarted: (Phase.LISTENING,),
        SpeechPaused: (Phase.PAUSED,),
        Interim: (Phase.LISTENING,),
        WordsScored: (Phase.LISTENING,),
        ReplyText: (Phase.LISTENING,),  # of a draft, while it is open whether the caller has more to say
        ReplyEnded: (Phase.LISTENING,),
        ToolAsked: (Phase.LISTENING,),
        Sounding: (Phase.LISTENING,),
        EngineFailed: (Phase.LISTENING,),
        KeyPressed: (Phase.LISTENING, Phase.SPEAKING),  # a key that has a meaning of its own
        Deadline: (
            Phase.SPEAKING,  # the call has lasted as long as it may, or nobody has spoken for too long
            Phase.THINKING,  # the last of several keys was pressed a while ago
            Phase.PROBING,
            Phase.RESUMING,
            Phase.ENDED,
        ),
        LineLost: (Phase.RESUMING,),
        HungUp: (Phase.ENDED,),
    },
    Phase.PAUSED: {
        **_ordered(Phase.PAUSED),
        SpeechStarted: (Phase.LISTENING,),
        TurnScored: (Phase.PAUSED,),
        WordsScored: (Phase.PAUSED,),
        Transcript: (
            Phase.PAUSED,
            Phase.LISTENING,  # no word in it: a noise
            Phase.THINKING,  # the words came later than the decision
            Phase.SPEAKING,
            Phase.PROBING,  # and they were a machine's
            Phase.RESUMING,
        ),
        ReplyText: (Phase.PAUSED,),
        ReplyEnded: (Phase.PAUSED,),
        ToolAsked: (Phase.PAUSED,),
        Sounding: (Phase.PAUSED,),
        EngineFailed: (Phase.PAUSED,),
        KeyPressed: (Phase.PAUSED, Phase.SPEAKING),
        Deadline: (Phase.PAUSED, Phase.THINKING, Phase.SPEAKING, Phase.PROBING, Phase.RESUMING, Phase.ENDED),
        LineLost: (Phase.RESUMING,),
        HungUp: (Phase.ENDED,),
    },
    Phase.THINKING: {
        **_ordered(Phase.THINKING),
        SpeechStarted: (Phase.LISTENING,),
        ReplyText: (Phase.SPEAKING,),
        ReplyEnded: (
            Phase.THINKING,
            Phase.SPEAKING,  # an empty reply is a failed one
            Phase.LISTENING,  # nothing was to be said
            Phase.RESUMING,
        ),
        ToolAsked: (Phase.THINKING,),
        ToolAnswered: (Phase.THINKING, Phase.SPEAKING, Phase.LISTENING, Phase.RESUMING),
        Sounding: (Phase.THINKING,),
        EngineFailed: (Phase.THINKING, Phase.SPEAKING),
        KeyPressed: (Phase.THINKING, Phase.LISTENING, Phase.SPEAKING),
        Deadline: (Phase.THINKING, Phase.SPEAKING),
        LineLost: (Phase.RESUMING,),
        HungUp: (Phase.ENDED,),
    },
    Phase.SPEAKING: {
        **_ordered(Phase.SPEAKING),
        SpeechStarted: (
            Phase.HUSHED,
            Phase.LISTENING,  # everything had been said
            Phase.SPEAKING,  # during the goodbye, or where noises are known by now
        ),
        SpeechPaused: (Phase.SPEAKING,),  # of a sound that the agent speaks over
        Interim: (Phase.SPEAKING, Phase.LISTENING),
        Transcript: (Phase.SPEAKING, Phase.PAUSED),
        ReplyText: (Phase.SPEAKING,),
        ReplyEnded: (Phase.SPEAKING, Phase.LISTENING, Phase.PAUSED, Phase.RESUMING),
        ToolAsked: (Phase.SPEAKING,),
        ToolAnswered: (Phase.SPEAKING, Phase.LISTENING, Phase.PAUSED, Phase.RESUMING),
        PlayedOut: (
            Phase.SPEAKING,
            Phase.LISTENING,
            Phase.PAUSED,
            Phase.RESUMING,  # what was to be said before an errand was heard
            Phase.ENDED,
        ),
        Sounding: (Phase.SPEAKING,),
        EngineFailed: (Phase.SPEAKING, Phase.LISTENING, Phase.PAUSED, Phase.RESUMING, Phase.ENDED),
        KeyPressed: (Phase.SPEAKING, Phase.LISTENING),
        Deadline: (Phase.SPEAKING, Phase.LISTENING, Phase.PAUSED, Phase.RESUMING, Phase.ENDED),
        LineLost: (Phase.RESUMING,),
        HungUp: (Phase.ENDED,),
    },
    Phase.HUSHED: {
        **_ordered(Phase.HUSHED),
        SpeechStarted: (Phase.HUSHED,),
        SpeechPaused: (Phase.HUSHED, Phase.SPEAKING),
        Interim: (Phase.HUSHED, Phase.LISTENING),
        Transcript: (
            Phase.SPEAKING,  # a noise, or a sound of assent
            Phase.PAUSED,  # the caller has broken in
            Phase.LISTENING,  # and is speaking again
            Phase.HUSHED,
        ),
        ReplyText: (Phase.HUSHED,),
        ReplyEnded: (
            Phase.HUSHED,
            Phase.LISTENING,  # all of it had been heard
            Phase.PAUSED,
            Phase.SPEAKING,  # what is said last
            Phase.RESUMING,
        ),
        ToolAsked: (Phase.HUSHED,),
        ToolAnswered: (Phase.HUSHED, Phase.SPEAKING, Phase.LISTENING, Phase.PAUSED, Phase.RESUMING),
        PlayedOut: (Phase.HUSHED, Phase.LISTENING, Phase.PAUSED),
        Sounding: (Phase.HUSHED,),
        EngineFailed: (Phase.HUSHED, Phase.SPEAKING, Phase.PAUSED, Phase.LISTENING),
        KeyPressed: (Phase.HUSHED, Phase.LISTENING, Phase.SPEAKING),
        Deadline: (Phase.SPEAKING, Phase.LISTENING, Phase.PAUSED),
        LineLost: (Phase.RESUMING,),
        HungUp: (Phase.ENDED,),
    },
    Phase.RESUMING: {
        LineResumed: (
            Phase.SPEAKING,
            Phase.THINKING,
            Phase.LISTENING,
            Phase.PROBING,
            Phase.RESUMING,
            Phase.ENDED,
        ),
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
