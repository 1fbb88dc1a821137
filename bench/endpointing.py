"""The curve of false cut-offs against response time, of our policy and of those it is compared with.

    .venv/bin/python bench/endpointing.py [--quick] [--sweep] [--cases] [--out bench/results/endpointing.json]

Human turns through three telephone lines (endpointing_takes.py) are heard once with the real models, which takes some
minutes and is kept (endpointing_ears.py); policies are then judged on what was heard, in seconds. A false cut-off is an
answer in a silence inside a turn; the response time is the dead air after its true end (endpointing_figures.py).
Every figure is given for two halves of the speakers, so that numbers tuned on one can be judged on the other. The
present ones were chosen on both.

--quick   a sixth of the clips, one line
--sweep   also: what changing each number of the policy does
--cases   also: every silence in which our agent was heard and every late answer, with words and scores
"""

import argparse
import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from client_caller.agent import Agent, load_agent
from client_caller.app import running_engines
from client_caller.conversation.policy import Manner
from client_caller.manner import manner_of
from client_caller.settings import Settings, load_settings
from common import keep, origin
from corpus import corpus_present
from endpointing_ears import Ears, hear
from endpointing_features import separation
from endpointing_figures import (
    UNANSWERED_S,
    Figures,
    Point,
    Verdict,
    at_cut_share,
    at_latency,
    cut_by,
    figures,
    frontier,
    judge,
)
from endpointing_heart import FREE, MEASURED, Costs, run_heart
from endpointing_policies import PIPECAT, SMART_TURN_SWEEP, VAD_WAITS_S, VadOnly
from endpointing_records import Fire, Heard, Truth
from endpointing_sweep import changed, variants
from endpointing_tables import show, show_cases, show_sweep
from endpointing_takes import FLOORS_DBFS, takes
from plot import plot_curves

HALVES: Final = ("tuning", "held-out", "all")
GROUPS: Final = (*HALVES, "read", "spoken")
"""What figures are given for: halves of the speakers, all of them, and the two styles of speech."""

PAUSES_S: Final = (0.5, 1.0, 2.0, 3.0)

_UNHURRIED: Final = {"first_token_s": 120.0, "slots": 1, "prefill_threads": 1, "decode_threads": 1}
"""How the language model is run: this may share the machine with anything, and nobody waits for it."""

_PIPECAT: Final = "Pipecat with Smart Turn"
_OURS_ALONE: Final = "ours, the wait alone"
_OURS: Final = "ours, with the engines' time"

_SLOW_S: Final = 1.0
_SCALES: Final = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
"""Our policy has no single threshold, so its curve is drawn by stretching every wait alike."""

Recorded = Sequence[tuple[Truth, Heard]]
Policy = Callable[[Heard], Sequence[Fire]]


async def listened(settings: Settings, agent: Agent, quick: bool) -> Recorded:
    """Every take with what was heard of it."""
    recorded = []
    unhurried = settings.thinking.model_copy(update=_UNHURRIED)
    every, floors_dbfs = (6, FLOORS_DBFS[1:2]) if quick else (1, FLOORS_DBFS)
    async with running_engines(settings.model_copy(update={"thinking": unhurried}), agent) as engines:
        for number, take in enumerate(takes(floors_dbfs, every), 1):
            recorded.append((take.truth, await hear(take, Ears(settings, agent, engines))))
            print(f"\r{number} takes heard", end="", flush=True)
    print()
    return recorded


def verdicts(recorded: Recorded, policy: Policy, group: str = "all") -> list[Verdict]:
    """One policy over all takes of a group."""
    return [judge(truth, policy(heard)) for truth, heard in recorded if group in (truth.half, truth.style, "all")]


def ours(manner: Manner, costs: Costs) -> Policy:
    """Our policy, as the caller hears it."""
    return lambda heard: run_heart(heard, manner, costs).fires


def table(recorded: Recorded, manner: Manner) -> list[dict[str, Any]]:
    """Each policy as it is used, over each group."""
    policies: dict[str, Policy] = {
        **{f"silence of {wait_s:g} s": VadOnly(wait_s).fires for wait_s in (0.3, 0.6, 1.0)},
        _PIPECAT: PIPECAT.fires,
        _OURS_ALONE: ours(manner, FREE),
        _OURS: ours(manner, MEASURED),
    }
    return [
        {"policy": name, "group": group, **_rounded(figures(verdicts(recorded, policy, group)))}
        for group in GROUPS
        for name, policy in policies.items()
    ]


def curves(recorded: Recorded, manner: Manner, half: str) -> dict[str, list[Point]]:
    """Each policy under all its numbers: mean response time against false cut-offs, in natural silences."""

    def point(name: str, policy: Policy) -> Point:
        found = figures(verdicts(recorded, policy, half))
        return Point(name, round(found.latency_mean_s, 3), round(found.cut_share, 4))

    scaled = [(scale, _stretched(manner, scale)) for scale in _SCALES]
    return {
        "silence alone": [point(f"{wait_s:g} s", VadOnly(wait_s).fires) for wait_s in VAD_WAITS_S],
        "Smart Turn at its best": frontier([point(repr(one), one.fires) for one in SMART_TURN_SWEEP]),
        "ours": [point(f"waits times {scale:g}", ours(one, FREE)) for scale, one in scaled],
    }


def _stretched(manner: Manner, scale: float) -> Manner:
    return replace(manner, quick_s=manner.quick_s * scale, patient_s=manner.patient_s * scale)


def speculation(recorded: Recorded, manner: Manner) -> dict[str, float]:
    """What speculation costs: drafts in a turn that is timed, and those of them started before its end."""
    timed = [(truth, run_heart(heard, manner, MEASURED)) for truth, heard in recorded if truth.timed]
    early = sum(at < truth.ends_s for truth, ran in timed for at in ran.drafts)
    return {
        "drafts a turn": round(sum(len(ran.drafts) for _, ran in timed) / len(timed), 2),
        "of them before its end": round(early / len(timed), 2),
    }


def long_silences(recorded: Recorded, manner: Manner) -> list[dict[str, Any]]:
    """Silences that were put in, cut off within so many seconds; by what the words before them are."""
    found = []
    for group in HALVES:
        for name, policy in ((_OURS, ours(manner, MEASURED)), (_PIPECAT, PIPECAT.fires)):
            judged = verdicts(recorded, policy, group)
            for kind in ("incomplete", "constructed"):
                cut = {f"{pause_s:g} s": cut_by(judged, kind, pause_s) for pause_s in PAUSES_S}
                found.append({"policy": name, "group": group, "words": kind, "silences and cut": cut})
    return found


def by_floor(recorded: Recorded, manner: Manner) -> dict[str, Any]:
    """Our figures for each line."""
    policy = ours(manner, MEASURED)
    floors = sorted({truth.floor_dbfs for truth, _ in recorded})
    return {
        f"{floor:g} dBFS": _rounded(figures([judge(t, policy(h)) for t, h in recorded if t.floor_dbfs == floor]))
        for floor in floors
    }


def sweep(recorded: Recorded, manner: Manner) -> list[dict[str, Any]]:
    """Each number of the policy changed: natural cut-offs, incomplete ones, mean response time, in both halves."""
    found = []
    for variant in variants(manner):
        with changed(manner, variant) as one:
            row: dict[str, Any] = {"number": variant.label}
            for half in HALVES[:2]:
                judged = verdicts(recorded, ours(one, FREE), half)
                natural, put_in = figures(judged), figures(judged, ("incomplete",))
                row[half] = (round(natural.cut_share, 3), put_in.cut_holds, round(natural.latency_mean_s, 3))
            found.append(row)
    return found


def cases(recorded: Recorded, manner: Manner) -> list[dict[str, Any]]:
    """Every silence in which our agent was heard, and every end that it left unanswered for a second or more."""
    found = []
    for truth, heard in recorded:
        verdict = judge(truth, run_heart(heard, manner, MEASURED).fires)
        for cut in verdict.cuts:
            kind = f"in {cut.span.kind}" if cut.span else "mid-speech"
            found.append(_case(truth, heard, kind, cut.fire.at, cut.age_s))
        latency_s = UNANSWERED_S if verdict.latency_s is None else verdict.latency_s
        if truth.timed and latency_s >= _SLOW_S:
            found.append(_case(truth, heard, "slow end", truth.ends_s + latency_s, latency_s))
    return found


def _case(truth: Truth, heard: Heard, kind: str, at: float, age_s: float) -> dict[str, Any]:
    """Where it was, after which words, and how sure the models were: Smart Turn and the language model."""
    pause = next(one for one in reversed(heard.pauses) if one.noticed_at <= at)
    return {
        "clip": truth.name,
        "half": truth.half,
        "line": f"{truth.floor_dbfs:g} dBFS",
        "what": kind,
        "at_s": round(at, 2),
        "age_s": round(age_s, 2),
        "p_done": heard.p_done(pause.at + 0.12),
        "p_end": pause.p_end,
        "words": (pause.text or "")[-80:],
    }


def _rounded(found: Figures) -> dict[str, float]:
    return {name: round(value, 4) for name, value in asdict(found).items()}


def at_fixed_points(points: Sequence[Point]) -> dict[str, float | None]:
    """A curve where eot-bench reads it: cut-offs at two response times, response times at two shares of cut-offs."""
    return {
        "cut at 0.3 s": at_latency(points, 0.3),
        "cut at 0.6 s": at_latency(points, 0.6),
        "s at 5 %": at_cut_share(points, 0.05),
        "s at 10 %": at_cut_share(points, 0.1),
    }


def measured(recorded: Recorded, manner: Manner) -> dict[str, Any]:
    """Everything but the sweep."""
    by_half = {half: curves(recorded, manner, half) for half in HALVES}
    return {
        **origin("response time and false cut-offs of policies, on human speech through telephone lines"),
        "corpus": corpus_present(),
        "takes": len(recorded),
        "costs_s": asdict(MEASURED),
        "table": table(recorded, manner),
        "long silences": long_silences(recorded, manner),
        "at fixed points": {
            half: {name: at_fixed_points(points) for name, points in of.items()} for half, of in by_half.items()
        },
        "features, AUC": {half: separation(recorded, half) for half in HALVES},
        "lines": by_floor(recorded, manner),
        "speculation": speculation(recorded, manner),
        "curves": {
            half: {name: [asdict(point) for point in points] for name, points in of.items()}
            for half, of in by_half.items()
        },
        "cases": cases(recorded, manner),
    }


def draw(result: Mapping[str, Any], picture: Path) -> None:
    """The curves over all takes, as a picture."""
    curves = {
        name: [(1000 * point["latency_s"], 100 * point["cut_share"]) for point in points]
        for name, points in result["curves"]["all"].items()
    }
    marks = {
        row["policy"]: (1000 * row["latency_mean_s"], 100 * row["cut_share"])
        for row in result["table"]
        if row["group"] == "all" and row["policy"] in (_PIPECAT, _OURS_ALONE)
    }
    plot_curves(curves, marks, "mean dead air after the end of a turn, ms", "silences inside turns cut off, %", picture)


def main(arguments: argparse.Namespace) -> None:
    settings = load_settings()
    agent = load_agent(settings.agent)
    manner = manner_of(agent, settings)
    recorded = asyncio.run(listened(settings, agent, arguments.quick))
    result = measured(recorded, manner)
    show(result)
    if arguments.cases:
        show_cases(result["cases"])
    if arguments.sweep:
        result["sweep"] = sweep(recorded, manner)
        show_sweep(result["sweep"])
    if arguments.quick:
        return  # what is kept is of all takes
    keep(result, arguments.out)
    draw(result, arguments.picture)
    print(f"\nwritten to {arguments.out} and {arguments.picture}")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag in ("--quick", "--sweep", "--cases"):
        options.add_argument(flag, action="store_true")
    options.add_argument("--out", type=Path, default=Path("bench/results/endpointing.json"))
    options.add_argument("--picture", type=Path, default=Path("docs/images/endpointing.png"))
    main(options.parse_args())
