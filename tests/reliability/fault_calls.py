"""Calls in which an engine or the line fails, on virtual time; and what the caller makes of each.

In:   a fault, by name.     Out: what was heard after the question, when, and what was lost.
Rule: everything is told by the line and the record. The engines are the shipped fakes, unwell as `faults.py` can make
      them, behind the same watchdogs and chains as real ones.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise, repeat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from calls import AGENT, GREETING, QUESTION, REPLY, SETTINGS, WORD_S, Caller, HeldCall, engines, heart_of, hold
from client_caller.agent import Agent
from client_caller.conversation.events import HungUp
from client_caller.conversation.transitions import Phase
from client_caller.engines import Engines
from client_caller.faults import Fault, Kind, Plan, always, crash, faulty, first, hang, late, nonsense
from client_caller.hearing.scripted import LoudnessActivity, ScriptedTranscriber, ScriptedTurnModel
from client_caller.records.flight import DeadlineEntry, EventEntry, read_record
from client_caller.speaking.fillers import rendered
from client_caller.speaking.tone import ToneVoice
from client_caller.sturdy import SturdyModel, SturdyTranscriber, SturdyTurnModel, SturdyVoice, sturdy_activity
from client_caller.thinking.protocol import LanguageModel, Message, ToolCall, ToolOffer
from client_caller.thinking.scripted import ScriptedModel
from virtual import run

HERE = Path(__file__).parent
PATIENCE_S = 9.0
"""How long the caller waits after the question."""

BRIDGE = "I am asking the office."
CANNOT = "I cannot find that out."
"""What is said of a tool that takes its time, and of one that fails."""


@dataclass(frozen=True, slots=True)
class Unwell:
    """Which engine suffers, and what; and whether another of its kind stands behind it."""

    engine: str
    plan: Plan
    has_second: bool = False


class RepliesOf:
    """A language model whose replies come from one model, while another reads ahead."""

    def __init__(self, replies: LanguageModel, reads: LanguageModel) -> None:
        self._replies = replies
        self.read_ahead = reads.read_ahead
        self.write = reads.write

    async def stream(
        self, messages: Sequence[Message], call_id: str, max_tokens: int, tools: Sequence[ToolOffer] = ()
    ) -> AsyncGenerator[str | ToolCall, None]:
        async with aclosing(self._replies.stream(messages, call_id, max_tokens, tools)) as fragments:
            async for fragment in fragments:
                yield fragment


async def unwell_engines(unwell: Sequence[Unwell], agent: Agent = AGENT) -> Engines:
    """The fakes behind watchdogs; those that are named do not feel well."""
    model = ScriptedModel(lambda messages: REPLY, 0.1, 0.02)
    voice = ToneVoice(WORD_S, 0.02)
    kinds: dict[str, list[Any]] = {
        "voice activity": [LoudnessActivity()],
        "turn model": [ScriptedTurnModel([0.9], 0.05)],
        "transcriber": [ScriptedTranscriber(repeat(QUESTION), 0.1)],
        "language model": [model],
        "voice": [voice],
    }
    for fault in unwell:
        sound = kinds[fault.engine][0]
        broken = faulty(sound, fault.plan)
        if fault.engine == "language model":
            broken = RepliesOf(broken, sound)
        kinds[fault.engine] = [broken, sound] if fault.has_second else [broken]
    phrases = (*agent.phrases.fillers, BRIDGE, agent.phrases.trouble, agent.phrases.offer)
    thinking, speaking = SETTINGS.thinking, SETTINGS.speaking
    return replace(
        engines(),
        activity=sturdy_activity(lambda: kinds["voice activity"][0]),
        turn_model=SturdyTurnModel(kinds["turn model"][0]),
        transcriber=SturdyTranscriber(kinds["transcriber"], SETTINGS.hearing.words_within_s),
        language_model=SturdyModel(kinds["language model"], thinking.first_token_s, thinking.next_token_s),
        voice=SturdyVoice(kinds["voice"], speaking.first_sound_s, speaking.next_sound_s),
        fillers=await rendered(voice, phrases),
    )


def longest_silence_s(held: HeldCall) -> float:
    """The longest silence on the line, in seconds, while the agent had the floor."""
    quiet = [(one.ends, other.begins) for one, other in pairwise(held.stretches)]
    quiet.append((held.stretches[-1].ends if held.stretches else 0.0, held.ended_at))
    floor = [(begins, ends) for begins, ends, phase in phases(held) if phase in (Phase.THINKING, Phase.SPEAKING)]
    return max((min(e, f) - max(b, s) for b, e in quiet for s, f in _joined(floor) if min(e, f) > max(b, s)), default=0)


def phases(held: HeldCall) -> list[tuple[float, float, Phase]]:
    """Who had the floor from when to when, as the heart itself says when the record is run again."""
    header, entries = read_record(held.record)
    heart, spans = heart_of(header.conversation), []
    since, phase = 0.0, heart.phase
    for entry in entries:
        if isinstance(entry, EventEntry):
            heart.handle(entry.event, entry.t)
        elif isinstance(entry, DeadlineEntry):
            heart.handle_deadline(entry.t)
        else:
            continue
        if heart.phase is not phase:
            spans.append((since, entry.t, phase))
            since, phase = entry.t, heart.phase
        if isinstance(entry, EventEntry) and isinstance(entry.event, HungUp):
            break
    return spans


def _joined(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Spans that touch, as one: thinking and speaking are one floor."""
    joined: list[tuple[float, float]] = []
    for begins, ends in spans:
        if joined and joined[-1][1] == begins:
            joined[-1] = (joined[-1][0], ends)
        else:
            joined.append((begins, ends))
    return joined


NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the question.

    heard: what the agent said after it, in order;  first_s, answer_s: from the caller's last sample to the first sound
    of the agent, and to the first word of the answer (None: it never came);  silence_s: the longest silence while the
    agent had the floor;  lost: what was.
    """

    heard: str
    first_s: float | None
    answer_s: float | None
    silence_s: float
    lost: str


async def one_question(caller: Caller) -> None:
    """Hear the greeting, ask, wait."""
    await caller.wait(1.6)
    await caller.say()
    await caller.wait(PATIENCE_S)


@cache
def played(name: str) -> tuple[HeldCall, Outcome]:
    """Hold the call of a fault. The call's folder is gone afterwards; what is told of it is not."""
    with TemporaryDirectory() as folder:

        async def main() -> HeldCall:
            return await hold(one_question, Path(folder), await unwell_engines(FAULTS[name]))

        held = run(main())
        return held, outcome(held)


def outcome(held: HeldCall) -> Outcome:
    """What became of the only question of a call."""
    asked_until = held.caller.spoken[0][1]
    after = [stretch for stretch in held.stretches if stretch.ends > asked_until]
    said = " ".join(held.said_by("agent")).removeprefix(GREETING).strip()
    answer_at = None
    if REPLY.split()[0] in said.split():
        words_before = said.split().index(REPLY.split()[0])
        answer_at = _begin_of_word(after, words_before) - asked_until
    lost = [] if QUESTION in " ".join(held.said_by("caller")) else ["the question"]
    heard_of_reply = _common_words(said, REPLY)
    if heard_of_reply < len(REPLY.split()):
        lost.append("the answer" if heard_of_reply == 0 else f"the answer after {heard_of_reply} words")
    first = after[0].begins - asked_until if after else None
    return Outcome(_in_parts(said), first, answer_at, longest_silence_s(held), " and ".join(lost) or NOTHING)


def _begin_of_word(stretches: list[Any], number: int) -> float:
    """When word `number` of what was heard began to sound; every word lasts as long."""
    for stretch in stretches:
        if number < round(stretch.words):
            return float(stretch.begins + number * WORD_S)
        number -= round(stretch.words)
    return float(stretches[-1].ends)


def _common_words(said: str, reply: str) -> int:
    words = reply.split()
    return next((count for count in range(len(words), 0, -1) if " ".join(words[:count]) in said), 0)


def _in_parts(said: str) -> str:
    """What was said, by its kinds."""
    phrases = AGENT.phrases
    names = {phrase: "filler" for phrase in phrases.fillers}
    names |= {REPLY: "answer", phrases.trouble: "apology", phrases.offer: "offer", phrases.repeat: "asked to repeat"}
    names |= {BRIDGE: "bridge", CANNOT: "that it cannot be found out"}
    parts: list[str] = []
    while said:
        phrase = next((known for known in names if said.startswith(known)), "")
        if phrase:
            parts.append(names[phrase])
            said = said[len(phrase) :].strip()
            continue
        count = next((n for n in range(len(REPLY.split()), 0, -1) if said.startswith(" ".join(REPLY.split()[:n]))), 0)
        if count:
            parts.append(f"{count} words of the answer")
            said = " ".join(said.split()[count:])
            continue
        parts.append(f"“{said.split()[0]} …”")
        break
    return ", ".join(parts) or "nothing"


def later(plan: Plan) -> Plan:
    """The same, but for the first job, which is the greeting's."""
    return lambda job: plan(job - 1) if job else None


def _each(engine: str, faults: dict[str, Fault], plan: Callable[[Fault], Plan]) -> dict[str, Sequence[Unwell]]:
    return {f"{engine} {what}": [Unwell(engine, plan(fault))] for what, fault in faults.items()}


def _for_good(fault: Fault) -> Plan:
    return later(always(fault))


COMMON = {
    "crashes": crash(),
    "hangs": hang(),
    "refuses (429)": Fault(Kind.BUSY),
    "fails (500)": Fault(Kind.BROKEN),
    "loses its process": Fault(Kind.LOST),
    "returns nothing": Fault(Kind.NOTHING),
    "answers 3 s late": late(3.0),
}

FAULTS: dict[str, Sequence[Unwell]] = {
    **{f"{name}, once": unwell for name, unwell in _each("transcriber", COMMON, lambda f: first(1, f)).items()},
    **{f"{name}, for good": unwell for name, unwell in _each("transcriber", COMMON, always).items()},
    "transcriber repeats itself, once": [Unwell("transcriber", first(1, nonsense(Kind.LOOP)))],
    "transcriber hangs for good, another behind it": [Unwell("transcriber", always(hang()), has_second=True)],
    **_each("turn model", {key: COMMON[key] for key in ("crashes", "hangs", "answers 3 s late")}, always),
    "turn model returns no number": [Unwell("turn model", always(nonsense(Kind.NO_NUMBERS)))],
    **_each("voice activity", {key: COMMON[key] for key in ("crashes", "hangs")}, always),
    "voice activity returns no number": [Unwell("voice activity", always(nonsense(Kind.NO_NUMBERS)))],
    **{f"{name}, once": unwell for name, unwell in _each("language model", COMMON, lambda f: first(1, f)).items()},
    **{f"{name}, for good": unwell for name, unwell in _each("language model", COMMON, always).items()},
    "language model stalls for 1 s in the answer": [Unwell("language model", always(hang(1.0, after=4)))],
    "language model hangs in the answer": [Unwell("language model", always(hang(after=6)))],
    "language model crashes in the answer": [Unwell("language model", always(crash(after=6)))],
    "language model writes signs": [Unwell("language model", always(nonsense(Kind.SIGNS)))],
    "language model writes control characters": [Unwell("language model", always(nonsense(Kind.CONTROL)))],
    "language model repeats itself": [Unwell("language model", always(nonsense(Kind.LOOP)))],
    "language model hangs for good, another behind it": [Unwell("language model", always(hang()), has_second=True)],
    **{
        f"{name}, for good": unwell
        for name, unwell in _each(
            "voice", {k: COMMON[k] for k in ("crashes", "hangs", "returns nothing")}, _for_good
        ).items()
    },
    "voice crashes for good, another behind it": [Unwell("voice", later(always(crash())), has_second=True)],
    "voice hangs for good, another behind it": [Unwell("voice", later(always(hang())), has_second=True)],
    "voice stalls for 1 s in a piece": [Unwell("voice", later(always(hang(1.0, after=3))))],
    "voice stalls for 4 s in a piece, another behind it": [
        Unwell("voice", later(always(hang(4.0, after=3))), has_second=True)
    ],
    "voice crashes in a piece, another behind it": [Unwell("voice", later(always(crash(after=3))), has_second=True)],
    "voice loses its process in a piece, another behind it": [
        Unwell("voice", later(always(Fault(Kind.LOST, after=3))), has_second=True)
    ],
    "voice refuses (429) for good, another behind it": [
        Unwell("voice", later(always(Fault(Kind.BUSY))), has_second=True)
    ],
    "voice makes no numbers, another behind it": [
        Unwell("voice", later(always(nonsense(Kind.NO_NUMBERS))), has_second=True),
    ],
    "voice is silent without end, another behind it": [
        Unwell("voice", later(always(nonsense(Kind.SILENCE))), has_second=True),
    ],
    "voice gives word times that run backwards": [Unwell("voice", later(always(nonsense(Kind.BACKWARDS))))],
    "everything hangs once": [
        *(Unwell(engine, first(1, hang())) for engine in ("transcriber", "turn model", "language model")),
        Unwell("voice", later(first(1, hang()))),
    ],
}
"""By name: who suffers what."""
