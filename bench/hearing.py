"""Hearing, measured: how soon a pause is noticed and its words are there, how many are wrong, what it costs.

    .venv/bin/python bench/hearing.py [--only timing|words|cost] [--quick] [--out bench/results/hearing.json]

timing  One real call for each utterance of at most six seconds, in real time, over a line in memory with noise at
        -55 dBFS. From the true end of the speech to the event that notices it, and to the words.
words   Word error rate of every speech-to-text engine that is configured, in 17 ways for sound to arrive.
cost    Processor and wall time of the ears, of the turn model and of decoding.

It takes about a quarter of an hour; with --quick, a few of everything, a minute. The machine must be idle. Prints one
table per part; writes one JSON with every value. The human voices are those of a folder shared/corpus
beside the repository and of the moonshine-voice package.

The words of Moonshine are always measured, those of another engine when it is configured as for serving:
CLIENT_CALLER_HEARING__ENGINE=whisper (with ..._WHISPER_MODEL), or CLIENT_CALLER_HEARING__SERVER_URL.
"""

import argparse
import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Final

import hearing_cost
import hearing_timing
import hearing_words
from client_caller.app import running_engines
from client_caller.audio.frame import FRAME_S
from client_caller.engines import Engines
from client_caller.settings import HearingSettings, Settings, load_settings
from common import Row, keep, origin, show_times, summary
from corpus import corpus_present
from hearing_timing import Timing
from hearing_words import ALONE, LISTENED, Reading
from wer import Errors, errors

PARTS: Final = ("timing", "words", "cost")
ENGINES: Final = ("moonshine", "whisper", "server")

_NOBODY: Final = "http://127.0.0.1:9"
"""A language model that is never asked: so none is started."""

Result = dict[str, object]
WordFigures = dict[str, dict[str, Row]]
"""By condition, then by way and use of the reference: word error rate in percent, errors, words."""


async def main(parts: Sequence[str], quick: bool, out: Path) -> None:
    settings = load_settings()
    result: Result = {**origin("hearing"), "quick": quick, "corpus": corpus_present()}
    print(f"{result['machine']}; commit {result['commit']}{'; a few of everything' if quick else ''}")
    if not corpus_present():
        print("no shared/corpus beside the repository: only the recordings of the moonshine-voice package are measured")
    async with engines_of(settings) as engines:
        if "timing" in parts:
            result["timing"] = await timing(engines, settings, quick)
        if "cost" in parts:
            result["cost"] = await cost(engines, settings.hearing, quick)
    if "words" in parts:
        result["words"] = {engine: await words(engine, settings, quick) for engine in ENGINES}
    keep(result, out)
    print(f"\nwritten to {out}")


@asynccontextmanager
async def engines_of(settings: Settings) -> AsyncIterator[Engines]:
    """The engines of hearing as they serve; the language model is not to be used."""
    thinking = settings.thinking.model_copy(update={"base_url": _NOBODY})
    async with running_engines(settings.model_copy(update={"thinking": thinking}), hearing_timing.AGENT) as engines:
        yield engines


async def timing(engines: Engines, settings: Settings, quick: bool) -> Result:
    human, synthetic = hearing_timing.human_utterances(), await hearing_timing.synthetic_utterances()
    utterances = [*human[:: 10 if quick else 1], *synthetic[:: 5 if quick else 1]]
    with tempfile.TemporaryDirectory() as folder:
        timings = await hearing_timing.measure(utterances, engines, settings, Path(folder))
    rows = {
        f"{what}, {kind}": summary([getattr(t, field) for t in timings if t.kind == kind])
        for what, field in (("end noticed", "noticed_s"), ("words ready", "words_s"))
        for kind in ("human", "synthetic")
    }
    counts = timing_counts(timings)
    show_times(rows)
    print("\n".join(f"{name}: {value}" for name, value in counts.items()))
    return {"figures": rows, "counts": counts, "utterances": [asdict(t) for t in timings]}


def timing_counts(timings: Sequence[Timing]) -> dict[str, object]:
    """What summaries of times leave out."""
    known = [t for t in timings if t.said]
    found = sum((errors(t.said, t.understood) for t in known), start=Errors())
    return {
        "utterances": len(timings),
        "whose end was not noticed": sum(t.noticed_s is None for t in timings),
        "noticed, but without words in time": sum(t.noticed_s is not None and t.words_s is None for t in timings),
        "words known within 20 ms of noticing": sum(_at_once(t) for t in timings),
        "noticed before the true end": sum((t.noticed_s or 0) < 0 for t in timings),
        "taken up again after the true end": sum(t.resumed for t in timings),
        "pauses noticed in all": sum(t.pauses for t in timings),
        "word error rate in these calls, %": _percent(found),
    }


async def words(engine: str, settings: Settings, quick: bool) -> Result | str:
    """The readings of one engine, or why there are none."""
    if reason := not_configured(engine, settings.hearing):
        print(f"\n{engine}: not run, {reason}")
        return f"not run, {reason}"
    hearing = settings.hearing.model_copy(update={"engine": engine, "fallback": False, "words_within_s": 60.0})
    clips = hearing_words.clips_with_words()[:: 9 if quick else 1]
    conditions = hearing_words.conditions()[:: 4 if quick else 1]
    readings: list[Reading] = []
    async with engines_of(settings.model_copy(update={"hearing": hearing})) as engines:
        for condition in conditions:
            readings += await hearing_words.read(clips, condition, engines, hearing)
    figures = word_figures(readings)
    show_words(engine, figures)
    return {
        "figures": figures,
        "clips": {clip.name: clip.transcript for clip in clips},
        "readings with errors": [asdict(reading) for reading in readings if reading.errors.count],
    }


def not_configured(engine: str, hearing: HearingSettings) -> str:
    """Why this engine cannot be measured; empty if it can."""
    if engine == "server" and not hearing.server_url:
        return "CLIENT_CALLER_HEARING__SERVER_URL names no server"
    if engine == "whisper" and hearing.engine != "whisper":
        return "CLIENT_CALLER_HEARING__ENGINE is not whisper"
    return ""


def word_figures(readings: Sequence[Reading]) -> WordFigures:
    """How many words were wrong, by condition, way and use of the reference."""
    table: WordFigures = {}
    for condition in dict.fromkeys(reading.condition for reading in readings):
        for way in (ALONE, LISTENED):
            for use in ("strict", "soft"):
                found = hearing_words.rate(readings, condition, way, use)
                table.setdefault(condition, {})[f"{way}, {use}"] = {
                    "wer_percent": _percent(found),
                    "errors": found.count,
                    "words": found.words,
                }
    return table


def show_words(engine: str, figures: WordFigures) -> None:
    columns = list(next(iter(figures.values())))
    print(f"\n{engine}: word error rate, % (of so many words)")
    print(" " * 36 + "".join(f"{column:>18}" for column in columns))
    for condition, row in figures.items():
        cells = (f"{c['wer_percent']:.1f} ({c['words']})" if c["words"] else "-" for c in row.values())
        print(f"{condition:<36}" + "".join(f"{cell:>18}" for cell in cells))


async def cost(engines: Engines, hearing: HearingSettings, quick: bool) -> list[Result]:
    costs = await hearing_cost.measure(engines, hearing, repeats=3 if quick else 20)
    print(f"\n{'milliseconds':<36}{'per':<20}{'processor':>10}{'wall':>8}")
    for each in costs:
        print(f"{each.name:<36}{each.unit:<20}{each.cpu_ms:>10.2f}{each.wall_ms:>8.2f}")
    return [asdict(each) for each in costs]


def _at_once(one: Timing) -> bool:
    return one.noticed_s is not None and one.words_s is not None and one.words_s - one.noticed_s < FRAME_S


def _percent(found: Errors) -> float | None:
    return None if found.rate is None else round(100 * found.rate, 1)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--only", choices=PARTS)
    arguments.add_argument("--quick", action="store_true")
    arguments.add_argument("--out", type=Path, default=Path("bench/results/hearing.json"))
    given = arguments.parse_args()
    asyncio.run(main([given.only] if given.only else PARTS, given.quick, given.out))
