"""The scenes of the golden calls, played on virtual time; and the numbers that tell how a call went.

In:   a scene by name.     Out: its flight record, and numbers from the record and from what the line played.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from calls import LONG, QUESTION, REPLY, Caller, HeldCall, Script, engines, hold
from client_caller.conversation.actions import Hush, Release, Remember, StartReply
from client_caller.conversation.events import SpeechPaused, SpeechStarted
from client_caller.records.flight import ActionEntry, Entry, EventEntry, read_record
from virtual import run

HERE = Path(__file__).parent
Numbers = dict[str, float | bool]


async def plain_question(caller: Caller) -> None:
    """A question and its answer."""
    await caller.hear_out()
    await caller.say()
    await caller.hear_out()


async def three_second_pause(caller: Caller) -> None:
    """A caller who stops in mid-sentence to think, for almost as long as anybody does."""
    await caller.hear_out()
    await caller.say_with_pause(0.6, 2.9, 1.0)
    await caller.hear_out()


async def barge_in(caller: Caller) -> None:
    """A caller who has heard enough of a long answer."""
    await caller.hear_out()
    await caller.say()
    await caller.hear(1.5)
    await caller.say(0.6)
    await caller.hear(1.0)


async def noise(caller: Caller) -> None:
    """A cough in the middle of an answer."""
    await caller.hear_out()
    await caller.say()
    await caller.hear(0.8)
    await caller.say(0.2)
    await caller.hear_out()


async def two_turns(caller: Caller) -> None:
    """Two questions, one after the other."""
    for _ in range(2):
        await caller.hear_out()
        await caller.say(0.8)
    await caller.hear_out()


SCENES: dict[str, tuple[Script, list[str], str]] = {
    "plain_question": (plain_question, [QUESTION], REPLY),
    "three_second_pause": (three_second_pause, ["I would like", "I would like to cancel my order."], REPLY),
    "barge_in": (barge_in, [QUESTION, "Stop, I have another question."], LONG),
    "noise": (noise, [QUESTION, ""], REPLY),
    "two_turns": (two_turns, [QUESTION, "And what is the price?"], REPLY),
}
"""By name: what the caller does, what the transcriber finds at each pause, what the model answers."""


def played(name: str) -> tuple[bytes, Numbers]:
    """Hold the call of a scene: its record, and its numbers."""
    script, texts, reply = SCENES[name]
    with TemporaryDirectory() as folder:
        held = run(hold(script, Path(folder), engines(texts, reply)))
        numbers = from_record(read_record(held.record)[1]) | from_line(held)
        return held.record.read_bytes(), numbers


def from_record(entries: list[Entry]) -> Numbers:
    """What a flight record tells.

    turns: how often the caller was answered;  endpoint_delay_s: from the end of the caller's voice to the agent's being
    given the floor, the slowest;  barge_in_s: from the onset to the order to be silent, the slowest;  words: those of
    the agent that became history.
    """
    asked = {e.action.reply for e in entries if isinstance(e, ActionEntry) and isinstance(e.action, StartReply)}
    delays, silences, answered, words = [], [], 0, 0
    paused_at = started_at = 0.0
    for entry in entries:
        match entry:
            case EventEntry(event=SpeechPaused(at=at)):
                paused_at = at
            case EventEntry(event=SpeechStarted(at=at)):
                started_at = at
            case ActionEntry(t, Hush()):
                silences.append(t - started_at)
            case ActionEntry(t, Release(reply)) if reply in asked:
                answered += 1
                delays.append(t - paused_at)
            case ActionEntry(action=Remember(turn)) if turn.speaker == "agent":
                words += len(turn.text.split())
    numbers: Numbers = {"turns": answered, "words": words, "endpoint_delay_s": max(delays)}
    return numbers | ({"barge_in_s": max(silences)} if silences else {})


def from_line(held: HeldCall) -> Numbers:
    """What the caller's ear tells.

    cut_off: whether the agent became audible while the caller was not through;  voice_to_voice_s: from the last sample
    of the caller to the first of the agent, the slowest;  silence_s: from the first sample of an interruption to the
    agent's last, the slowest.
    """
    spoken, stretches = held.caller.spoken, held.stretches
    cut_off = any(begins < s.begins < ends for begins, ends in spoken for s in stretches)
    slowest = max(held.voice_to_voice_s(number) for number in range(len(spoken)))
    silences = [s.ends - begins for begins, _ in spoken for s in stretches if s.begins < begins < s.ends]
    numbers: Numbers = {"cut_off": cut_off, "voice_to_voice_s": slowest}
    return numbers | ({"silence_s": max(silences)} if silences else {})
