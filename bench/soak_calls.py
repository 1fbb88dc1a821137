"""Short calls of all kinds, and whether each went as it must.

In:   a seed, clips;  a call that is over, from both ends.     Out: what the callers do;  what was wrong, in words.
Rule: a call is judged by the caller's ear and by its flight record, and a fault of either is a failed call.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from client_caller.conversation.actions import Remember
from client_caller.conversation.events import HungUp
from client_caller.records.flight import ActionEntry, Entry, EventEntry
from client_caller.rehearsal.clips import Clip
from client_caller.rehearsal.measure import HeardCall
from client_caller.rehearsal.script import HangUp, Interrupt, Say, Step
from client_caller.twin.carried import CarriedCall
from client_caller.twin.stream import CLOSED

KINDS: Final = {
    "one question": 5,
    "two questions": 3,
    "breaks in": 4,
    "leaves in the answer": 3,
    "the agent hangs up": 3,
    "the stream breaks": 2,
}
"""How often each, of twenty."""

PATIENCE_S: Final = 20.0
_LONG_S: Final = 15.0
"""How long a caller is silent who has said goodbye; the agent hangs up long before that."""

_BREAKS_AT_S: Final = (2.0, 9.0)
"""In the greeting, or in what follows it."""


@dataclass(frozen=True, slots=True)
class Clips:
    """What callers say."""

    questions: Sequence[Clip]
    interruptions: Sequence[Clip]
    goodbye: Clip


@dataclass(frozen=True, slots=True)
class Plan:
    """One call. breaks_at: when its stream breaks, in seconds of the call; None: never."""

    kind: str
    steps: Sequence[Step]
    breaks_at: float | None = None


def plans(count: int, clips: Clips, seed: int) -> list[Plan]:
    """The same for the same seed."""
    chance = Random(seed)
    return [_plan(kind, clips, chance) for kind in chance.choices(list(KINDS), list(KINDS.values()), k=count)]


def _plan(kind: str, clips: Clips, chance: Random) -> Plan:
    question = Say(chance.choice(clips.questions))
    match kind:
        case "two questions":
            return Plan(kind, [question, Say(chance.choice(clips.questions)), HangUp()])
        case "breaks in":
            return Plan(kind, [Interrupt(chance.choice(clips.interruptions), chance.uniform(0.4, 2.0)), HangUp()])
        case "leaves in the answer":
            return Plan(kind, [question, HangUp(after_agent_quiet_s=0.0)])
        case "the agent hangs up":
            return Plan(kind, [Say(clips.goodbye), HangUp(after_agent_quiet_s=_LONG_S)])
        case "the stream breaks":
            return Plan(kind, [question, HangUp()], chance.uniform(*_BREAKS_AT_S))
    return Plan(kind, [question, HangUp()])


def wrongs(plan: Plan, call: CarriedCall, heard: HeardCall, entries: Sequence[Entry]) -> list[str]:
    """What was wrong with a call that is over."""
    broke = plan.breaks_at is not None and call.streams > 1
    hung_up = call.hung_up_by == "document" and call.codes == [CLOSED]  # that is how we end a stream
    events = [entry.event for entry in entries if isinstance(entry, EventEntry)]
    turns = [
        entry.action.turn for entry in entries if isinstance(entry, ActionEntry) and isinstance(entry.action, Remember)
    ]
    found = {
        "it was not answered": heard.greeting_at is None,
        "nothing that the caller said was answered": all(turn.agent_audible_at is None for turn in heard.turns),
        "no word of the caller was understood": not any(turn.speaker == "caller" and turn.text for turn in turns),
        "no word of the agent was heard": not any(turn.speaker == "agent" and turn.text for turn in turns),
        f"it was ended by: {call.hung_up_by or 'nobody'}": call.hung_up_by not in ("person", "document"),
        f"its record ends with {type(events[-1]).__name__ if events else 'nothing'}": not events
        or not isinstance(events[-1], HungUp),
        f"it took {call.streams} streams": call.streams != 1 + broke,
        f"the carrier objected: {call.violations}": bool(call.violations),
        f"the carrier noted {call.codes}": bool(call.codes) and not broke and not hung_up,
    }
    return [what for what, is_so in found.items() if is_so]
