"""Barge-in: how soon the agent is silent when the caller speaks over it, and how soon it answers.

In:   a server; voices at three levels over three noises.     Out: one `BargeIn` for each interruption.
Rule: every figure begins and ends at a sample on the caller's own two channels; the record only tells what was made of
      the words, and when the draft was asked for.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path
from typing import Any, Final

from common import Row, show_times, summary
from flow_agents import answering
from flow_caller import Cue, Ending, FlowCall, FlowCaller, Made, hold, keep_example
from flow_judging import first_audible, stopped_at
from flow_sounds import at_speech_level, breaks
from wer import normalised

LEVELS_DBFS: Final = (-23.0, -35.0, -45.0)
FLOORS: Final = (-65.0, -55.0, None)
"""Noise of a good and of a usual line; None: 15 dB below the voice, which is the worst a caller would speak in."""

_BELOW_VOICE_DB: Final = 15.0
GREETING_S: Final = (0.02, 0.08, 0.6, 1.4)
"""How long the greeting has sounded when the caller breaks in; the first two lie within its first 100 ms."""

ANSWER_S: Final = (0.4, 0.6, 0.8, 1.0)

_STOP_WITHIN_S: Final = 0.3
"""After the caller's last sample an agent that only now stops has been talking over the caller."""

_SILENCERS: Final = ("Hush", "ClearPlayout")


@dataclass(frozen=True, slots=True)
class Condition:
    """How the caller sounds. floor_dbfs: of the white noise in the band."""

    level_dbfs: float
    floor_dbfs: float

    def __str__(self) -> str:
        return f"voice {self.level_dbfs:.0f}, noise {self.floor_dbfs:.0f} dBFS"


@dataclass(frozen=True, slots=True)
class BargeIn:
    """One interruption. Instants are seconds of its call.

    after_s: for how long the agent had been heard;
    silent_s: from the caller's first sample to the agent's last, None: it did not stop;
    spoke_over: it was heard again before the caller had finished;  by_itself: it had finished, nothing silenced it;
    reply_s, draft_s: from the caller's last sample to the first of the answer, and to the model being asked for it;
    filler: whether the answer began with a phrase from the bank;
    understood: the words that were answered;  lost: which of the caller's are missing in them.
    """

    condition: str
    of: str
    text: str
    at: float
    after_s: float
    silent_s: float | None
    spoke_over: bool
    by_itself: bool
    reply_s: float | None
    draft_s: float | None
    filler: bool
    understood: str
    lost: tuple[str, ...]

    @property
    def missed(self) -> bool:
        """Whether the agent talked on."""
        return self.silent_s is None


def conditions(quick: bool) -> list[Condition]:
    """Every level over every floor."""
    pairs = [(level, floor) for level in LEVELS_DBFS for floor in FLOORS]
    every = [Condition(level, level - _BELOW_VOICE_DB if floor is None else floor) for level, floor in pairs]
    return every[::4] if quick else every


async def measure(folder: Path, examples: Path, quick: bool) -> list[BargeIn]:
    """Two interruptions a call: of the greeting, then of an answer; eight in each condition."""
    clips = cycle(await breaks())
    found: list[BargeIn] = []
    async with answering(folder) as stage:
        for condition in conditions(quick):
            for early_s, late_s in list(zip(GREETING_S, ANSWER_S, strict=True))[:: 4 if quick else 1]:
                cues = [
                    Cue(at_speech_level(next(clips), condition.level_dbfs), audible_s=early_s),
                    Cue(at_speech_level(next(clips), condition.level_dbfs), audible_s=late_s),
                ]
                call = await hold(stage, FlowCaller(cues, noise_dbfs=condition.floor_dbfs, ending=Ending(within_s=5.0)))
                found += of_call(call, str(condition))
                keep_example(call, f"barge-in, {condition}", examples)
            print(f"{condition}: {len(found)} interruptions so far", flush=True)
    return found


def of_call(call: FlowCall, condition: str) -> Iterator[BargeIn]:
    """The interruptions of one call."""
    since = [0.0] + [made.ends_at for made in call.made]
    ends = [made.starts_at for made in call.made[1:]] + [len(call.agent) / 100]
    for made, begin, until in zip(call.made, since, ends, strict=False):
        yield _judged(call, made, begin, until, condition)


def _judged(call: FlowCall, made: Made, since: float, until: float, condition: str) -> BargeIn:
    stop = stopped_at(call.agent, made.starts_at, min(until, made.ends_at + _STOP_WITHIN_S))
    silenced = [t for t, _ in call.did(*_SILENCERS) if made.starts_at - 0.05 <= t <= made.ends_at + _STOP_WITHIN_S]
    again = None if stop is None else first_audible(call.agent, stop, until)
    answer = None if stop is None else first_audible(call.agent, max(stop, made.ends_at), until)
    draft, understood = voiced_draft(call, made.ends_at, answer)
    return BargeIn(
        condition,
        "greeting" if made.cue == 0 else "answer",
        made.clip.text,
        made.starts_at,
        float(call.agent[round(since * 100) : round(made.starts_at * 100)].sum()) / 100,
        None if stop is None else stop - made.starts_at,
        again is not None and again < made.ends_at,
        not silenced,
        None if answer is None else answer - made.ends_at,
        None if draft is None else draft - made.ends_at,
        answer is not None and any(made.ends_at <= t <= answer for t, _ in call.did("PlayFiller")),
        understood,
        missing(made.clip.text, understood) if answer is not None else (),
    )


def voiced_draft(call: FlowCall, ended_at: float, answer: float | None) -> tuple[float | None, str]:
    """When the reply that was heard at `answer` was asked for, and what of the caller it answers."""
    if answer is None:
        return None, ""
    released = [a.reply for t, a in call.did("Release", "PlayFiller") if ended_at - 0.5 <= t <= answer]
    for t, action in call.did("StartReply"):
        if released and action.reply == released[-1]:
            return t, action.history[-1].text if action.history and action.history[-1].speaker == "caller" else ""
    return None, ""


def missing(said: str, understood: str) -> tuple[str, ...]:
    """Words that were said and not understood, each as often as that; a transcriber's errors are among them."""
    left = normalised(understood)
    lost = []
    for word in normalised(said):
        if word in left:
            left.remove(word)
        else:
            lost.append(word)
    return tuple(lost)


def figures(found: Sequence[BargeIn]) -> dict[str, Row]:
    """The rows of the table. Whoever had finished by itself was not silenced."""
    rows: dict[str, Row] = {}
    kinds: dict[str, Sequence[BargeIn]] = {
        "all": found,
        "of the greeting": [one for one in found if one.of == "greeting"],
    }
    kinds["in its first 100 ms"] = [one for one in kinds["of the greeting"] if one.after_s <= 0.1]
    for name in dict.fromkeys(one.condition for one in found):
        kinds[name] = [one for one in found if one.condition == name]
    for name, these in kinds.items():
        rows[f"silent, {name}"] = summary([one.silent_s for one in these if not one.by_itself])
    for name, these in kinds.items():
        rows[f"answer, {name}"] = summary([one.reply_s for one in these if not one.missed])
    rows["draft, all"] = summary([one.draft_s for one in found if not one.missed])
    return rows


def counts(found: Sequence[BargeIn]) -> dict[str, Any]:
    """What summaries of times leave out."""
    silenced = [one for one in found if not one.by_itself]
    greeting = [one for one in found if one.of == "greeting" and one.reply_s is not None]
    words = sum(len(normalised(one.text)) for one in greeting)
    lost = sum(len(one.lost) for one in greeting)
    return {
        "interruptions": len(found),
        "of them too late, the agent had finished": sum(one.by_itself and not one.missed for one in found),
        "missed: the agent talked on": sum(one.missed for one in found),
        "silent within 150 ms": sum(one.silent_s is not None and one.silent_s <= 0.15 for one in silenced),
        "silent within 250 ms": sum(one.silent_s is not None and one.silent_s <= 0.25 for one in silenced),
        "heard again before the caller had finished": sum(one.spoke_over for one in found),
        "without an answer": sum(one.reply_s is None and not one.missed for one in found),
        "answers that began with a filler": sum(one.filler for one in found),
        "words said over the greeting": words,
        "of them not understood": lost,
        "of these turns, first word not understood": sum(_first_lost(one) for one in greeting),
    }


def show(result: dict[str, Any]) -> None:
    show_times(result["figures"])
    print("\n".join(f"{name}: {value}" for name, value in result["counts"].items()))


async def run(folder: Path, examples: Path, quick: bool) -> dict[str, Any]:
    """The whole part."""
    found = await measure(folder, examples, quick)
    rows, numbers = figures(found), counts(found)
    return {
        "figures": rows,
        "counts": numbers,
        "headline": [
            ("voice over the agent to silence", of_row(rows["silent, all"]), "150 / 250 ms"),
            ("its last word to the answer", of_row(rows["answer, all"]), "500 ms"),
            ("its last word to the draft", of_row(rows["draft, all"]), "200 ms"),
            ("interruptions missed", f"{numbers['missed: the agent talked on']} of {len(found)}", "0"),
        ],
        "cases": [asdict(one) for one in found],
    }


def of_row(row: Row) -> str:
    """p50 and p95 in words."""
    return f"{row['p50_ms']} / {row['p95_ms']} ms (p50 / p95 of {row['n']})"


def _first_lost(one: BargeIn) -> bool:
    words = normalised(one.text)
    return bool(words) and words[0] in one.lost
