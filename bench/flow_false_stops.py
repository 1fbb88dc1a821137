"""False stops: what sounds while the agent speaks and is no reason to stop.

In:   a server whose agent has fifty seconds to say; sounds, one every few seconds.     Out: one `Case` for each.
Rule: a false stop is what a caller would call one: a silence of more than 0.4 s beyond the voice's own, words left out
      or said from the start again, other words than those begun, or no more words. Shorter silences are hesitations.

A sound that came too late in the text, or after the agent had been stopped for good, is made again in another call.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

from client_caller.agent import AgentPhrases
from client_caller.audio.mulaw import decode
from client_caller.demo import render_with_espeak
from client_caller.rehearsal.cast import Line, spoken
from client_caller.rehearsal.clips import Clip
from client_caller.rehearsal.stage import Stage
from common import Row, show_times, summary
from corpus import noise_names
from flow_agents import LONG, QUESTION, STORY, answering, text_of
from flow_caller import Cue, Ending, FlowCall, FlowCaller, Made, hold, keep_example
from flow_judging import Follower, Judgement, Text, first_audible
from flow_sounds import (
    at_speech_level,
    backchannels,
    click,
    cough,
    door,
    music,
    of_human,
    recorded_noise,
    second_voices,
    trimmed,
    typing,
)

BELOW_CALLER_DB: Final = (15, 20, 25)
_CALLER_DBFS: Final = -23.0
_SECOND_S: Final = 2.5
_APART_S: Final = 3.0
_TRIES: Final = 3
_SOUNDS_A_CALL: Final = 12
_FRESH: Final = 3
"""An agent may learn from false alarms; so those of the first sounds are told apart."""

_LAST_S: Final = 2.5
"""A sound in the last seconds of the text is made again: whether the agent would have gone on is hard to tell there."""

_LONG_ENDING: Final = Ending(audible_s=2.5, quiet_s=3.0, within_s=7.0)

Sound = tuple[str, Clip]
"""Its kind, and the sound."""


@dataclass(frozen=True, slots=True)
class Case:
    """One sound. nth: which of its call, the first is 1;  hushed: whether the heart took it for a voice at first;
    why: what a caller would complain of;  the rest: see `Judgement`.
    """

    kind: str
    nth: int
    sound: str
    at: float
    hushed: bool
    stop: bool
    hesitation: bool
    longest_s: float
    goes_on: bool
    followed: bool
    lost: int
    repeated: int
    likeness: float
    why: str


@dataclass(frozen=True, slots=True)
class ShortAnswer:
    """A short word after the agent's question. reply_s: until the agent is heard, None: it was not."""

    word: str
    voice: str
    reply_s: float | None
    reply: str
    answered: bool


async def sounds(quick: bool) -> list[Sound]:
    """All that is made over the long text, well mixed, and the caller's own voice first."""
    made: list[Sound] = []
    for maker, count in ((cough, 10), (click, 6), (typing, 6), (door, 6), (music, 6)):
        made += [(clip.name, clip) for clip in (maker(seed) for seed in range(1 if quick else count))]
    for name in [name for name in noise_names() if not name.startswith("music")][:: 3 if quick else 1]:
        clips = [recorded_noise(name, seed, -32.0 + 3 * seed) for seed in range(1 if quick else 3)]
        made += [(f"noise: {clip.name}", clip) for clip in clips]
    short = [(f'"{clip.text}"', clip) for clip in await backchannels()]
    return interleaved(short[:: 6 if quick else 1], made)


def interleaved(short: Sequence[Sound], others: Sequence[Sound]) -> list[Sound]:
    """A short word of the caller, a few other sounds, the next short word, …; kinds follow each other."""
    by_kind: dict[str, list[Sound]] = {}
    for sound in others:
        by_kind.setdefault(sound[0], []).append(sound)
    dealt = [sound for row in zip_longest(*by_kind.values()) for sound in row if sound]
    each = -(-len(dealt) // max(1, len(short)))
    mixed: list[Sound] = []
    for number, word in enumerate(short):
        mixed += [word, *dealt[number * each : (number + 1) * each]]
    return mixed


async def over_long_text(stage: Stage, wanted: Sequence[Sound], text: Text, examples: Path) -> list[Case]:
    """Calls until every sound was made while the agent spoke, or was tried often enough."""
    pending = [(sound, _TRIES) for sound in wanted]
    found: list[Case] = []
    while pending:
        now, pending = pending[:_SOUNDS_A_CALL], pending[_SOUNDS_A_CALL:]
        cues = [
            Cue(clip, after_s=_APART_S, audible_s=0.5) if number else Cue(clip, audible_s=1.5)
            for number, ((_, clip), _) in enumerate(now)
        ]
        call = await hold(stage, FlowCaller(cues, ending=_LONG_ENDING))
        cases = list(of_call(call, [sound for sound, _ in now], text))
        for case in cases:
            keep_example(call, f"false stop, {case.kind}" if case.stop else f"goes on, {case.kind}", examples)
        found += cases
        left = now[len(cases) :]
        # The first one left is why the call went no further, unless the text was over.
        again = [(sound, tries - (not cases)) for sound, tries in left]
        pending = [one for one in again if one[1] > 0] + pending
        print(f"{len(found)} of {len(wanted)} sounds, {sum(case.stop for case in found)} false stops", flush=True)
    return found


def of_call(call: FlowCall, wanted: Sequence[Sound], text: Text) -> Iterator[Case]:
    """The sounds of one call, up to the first that could not be judged or that stopped the agent for good."""
    follower = Follower(text, decode(call.played))
    ends = [made.starts_at for made in call.made[1:]] + [len(call.agent) / 100]
    for (kind, _), made, until in zip(wanted, call.made, ends, strict=False):
        place = follower.place(made.starts_at)
        if place is None or place > text.seconds - _LAST_S:
            return
        case = _case(kind, made, follower.judge(made.starts_at, until), call, until)
        yield case
        if not case.goes_on or not case.followed:
            return


def _case(kind: str, made: Made, judged: Judgement, call: FlowCall, until: float) -> Case:
    at = made.starts_at
    why = [
        "never went on" * (not judged.goes_on),
        "went on with other words" * (not judged.followed),
        f"{judged.lost} words lost" * (judged.lost > 0),
        f"{judged.repeated} words again" * (judged.repeated > 2),
        f"{judged.longest_s:.2f} s silent" * (judged.longest_s > 0.1),
    ]
    return Case(
        kind,
        made.cue + 1,
        made.clip.text or made.clip.name,
        at,
        any(at - 0.05 <= t < until for t, _ in call.did("Hush", "ClearPlayout")),
        judged.is_stop,
        judged.is_hesitation,
        judged.longest_s,
        judged.goes_on,
        judged.followed,
        judged.lost,
        judged.repeated,
        round(judged.likeness, 2),
        ", ".join(filter(None, why)),
    )


async def second_voice_cases(stage: Stage, examples: Path, quick: bool) -> list[Case]:
    """The caller asks, at -23 dBFS; while the agent answers, somebody else talks in the background.

    An answer may wait for its own words, so here only an agent that was hushed can have been stopped.
    """
    questions = [await spoken(Line(asked, 140), render_with_espeak) for asked, _ in STORY]
    voices = [trimmed(of_human(clip, _SECOND_S)) for clip in second_voices()]
    wanted = 1 if quick else 9
    found: list[Case] = []
    for number in range(2 * wanted):
        below_db = BELOW_CALLER_DB[len(found) % len(BELOW_CALLER_DB)]
        voice = at_speech_level(voices[len(found) * 5 % len(voices)], _CALLER_DBFS - below_db)
        cues = [Cue(questions[number % len(questions)], audible_s=0.6), Cue(voice, after_s=0.5, steady_s=1.2)]
        call = await hold(stage, FlowCaller(cues, ending=_LONG_ENDING))
        if case := await _second_voice(call, f"second voice, {below_db} dB below"):
            keep_example(call, case.kind, examples)
            found.append(case)
        if len(found) == wanted:
            break
    return found


async def _second_voice(call: FlowCall, kind: str) -> Case | None:
    """The second sound of the call; None when it was never made, or at the end of the answer."""
    if len(call.made) < 2:
        return None
    made, until = call.made[1], len(call.agent) / 100
    text = await text_of(said_at(call, made.starts_at))
    follower = Follower(text, decode(call.played))
    place = follower.place(made.starts_at)
    if place is None or place > text.seconds - _LAST_S:
        return None
    judged = follower.judge(made.starts_at, until)
    case = _case(kind, made, judged, call, until)
    return case if case.hushed else _case(kind, made, Judgement(), call, until)


def said_at(call: FlowCall, at: float) -> list[str]:
    """The pieces of the reply that the caller was hearing at `at`."""
    heard = [action.reply for t, action in call.did("Release") if t <= at]
    return [action.text for _, action in call.did("Say") if heard and action.reply == heard[-1]]


async def short_answers(folder: Path, examples: Path, quick: bool) -> list[ShortAnswer]:
    """The same short words after a question, where they are answers."""
    found: list[ShortAnswer] = []
    async with answering(folder, QUESTION) as stage:
        for clip in (await backchannels())[:: 8 if quick else 2]:
            call = await hold(stage, FlowCaller([Cue(clip, quiet_s=0.6)], ending=Ending(audible_s=0.6, quiet_s=4.5)))
            if not call.made:
                continue
            ended = call.made[0].ends_at
            answer = first_audible(call.agent, ended, len(call.agent) / 100)
            reply = "" if answer is None else " ".join(said_at(call, answer))
            fine = answer is not None and reply != AgentPhrases().repeat
            reply_s = None if answer is None else answer - ended
            found.append(ShortAnswer(clip.text, clip.name, reply_s, reply, fine))
            keep_example(call, "short answer to a question", examples)
    return found


def by_kind(cases: Sequence[Case]) -> dict[str, dict[str, float | int]]:
    """How many of each kind, and of all."""
    kinds = {kind: [case for case in cases if case.kind == kind] for kind in dict.fromkeys(c.kind for c in cases)}
    ordinal = {
        "all, the first three of a call": [case for case in cases if case.nth <= _FRESH],
        "all, the later ones": [case for case in cases if case.nth > _FRESH],
    }
    return {
        name: {
            "n": len(these),
            "hushed": sum(case.hushed for case in these),
            "stops": sum(case.stop for case in these),
            "hesitations": sum(case.hesitation for case in these),
            "stops_percent": round(100 * sum(case.stop for case in these) / max(1, len(these)), 1),
        }
        for name, these in {**kinds, "all": cases, **ordinal}.items()
    }


def figures(cases: Sequence[Case], answers: Sequence[ShortAnswer]) -> dict[str, Row]:
    return {
        "silence beyond the voice's own": summary([case.longest_s for case in cases if case.longest_s > 0]),
        "answer to a short word": summary([each.reply_s for each in answers if each.answered]),
    }


def show(result: dict[str, Any]) -> None:
    print(f"\n{'while the agent speaks':<36}{'n':>5}{'hushed':>8}{'stops':>7}{'hesit.':>8}{'stops, %':>10}")
    for name, row in result["kinds"].items():
        cells = f"{row['n']:>5}{row['hushed']:>8}{row['stops']:>7}{row['hesitations']:>8}{row['stops_percent']:>10}"
        print(f"{name:<36}{cells}")
    show_times(result["figures"])
    print(f"\nshort words after a question: {result['answered']} of {len(result['answers'])} answered")


async def run(folder: Path, examples: Path, quick: bool) -> dict[str, Any]:
    """The whole part."""
    async with answering(folder / "long", LONG) as stage:
        cases = await over_long_text(stage, await sounds(quick), await text_of([LONG]), examples)
    async with answering(folder / "story") as stage:
        cases += await second_voice_cases(stage, examples, quick)
    answers = await short_answers(folder / "question", examples, quick)
    answered = sum(each.answered for each in answers)
    kinds = by_kind(cases)
    return {
        "kinds": kinds,
        "figures": figures(cases, answers),
        "answered": answered,
        "headline": [
            ("false stops", f"{kinds['all']['stops_percent']} % of {kinds['all']['n']}", "at most 5 %"),
            ("short words after a question answered", f"{answered} of {len(answers)}", ""),
        ],
        "cases": [asdict(case) for case in cases],
        "answers": [asdict(each) for each in answers],
    }
