"""Word times for a voice that tells none: how far they are off, and what they say was heard when a caller breaks in.

    .venv/bin/python bench/word_times.py [--cuts 5] [--out bench/results/word_times.json]

eSpeak speaks the pieces that the agents of this repository say, in voices and at speeds other than those by which
`speaking/word_times.py` was fitted, and only every other piece, which were not fitted either (its thresholds were
chosen on these pieces, though in other voices). eSpeak's own word events are the truth; a word that a pause follows
ends where its sound does. Four ways to know them without:

plain          the whole sound is there, and the words share it by their letters
fixed rate     as the sound comes, at 14 characters a second
streaming      `WordTimer`, told the same 14 characters a second
voice known    `WordTimer`, told what it found in the voice's piece before

Sound is made 0.3 s ahead of the listener, as an engine does; a piece is cut at random instants, and the words told by
then that end before it are compared with those that did. eSpeak speaks evenly and its pauses are digital silence: a
voice that breathes is harder. Prints one table, writes one JSON. Takes a minute.
"""

import argparse
import asyncio
import json
import random
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from client_caller.audio.frame import FRAME_SAMPLES, LINE_HZ, Samples
from client_caller.rehearsal.figures import percentile
from client_caller.speaking.espeak import EspeakVoice
from client_caller.speaking.pronounce import Pronouncer
from client_caller.speaking.protocol import WordTime
from client_caller.speaking.word_times import WordTimer
from client_caller.speaking.words import spread
from client_caller.thinking.sentences import PieceCutter
from common import keep, origin

ROOT: Final = Path(__file__).parents[1]
CORPUS: Final = ROOT.parent / "shared" / "corpus" / "manifest.json"
VOICES: Final = (("en-us+f2", 150), ("en+m1", 175), ("en-us+m7", 205), ("en+f4", 130), ("en-us", 165))
SPOKEN: Final = {
    *("agent", "caller", "say", "opening", "greeting", "identity", "facts", "goodbye", "farewell", "connecting"),
    *("not_reached", "repeat", "trouble", "busy", "tool_bridge"),
}
AHEAD_S: Final = 0.3
USUAL: Final = 14.0


class Told(NamedTuple):
    """A word's end, and how much sound there was when it was told."""

    ends_s: float
    known_s: float


@dataclass
class Score:
    """What came of one way over all pieces."""

    errors_s: list[float] = field(default_factory=list)
    off: list[int] = field(default_factory=list)  # words too many that were thought to be heard, at each cut

    def add(self, told: Sequence[Told], truth: Sequence[float], cuts: Sequence[float]) -> None:
        self.errors_s += [abs(word.ends_s - ends_s) for word, ends_s in zip(told, truth, strict=True)]
        for at_s in cuts:
            heard = sum(word.ends_s <= at_s and word.known_s <= at_s + AHEAD_S for word in told)
            self.off.append(heard - sum(ends_s <= at_s for ends_s in truth))

    def row(self) -> dict[str, float | int | None]:
        share = {count: sum(abs(off) == count for off in self.off) / len(self.off) for count in (0, 1)}
        errors = [1000 * error for error in self.errors_s]
        return {
            "words": len(errors),
            "p50_ms": round(percentile(errors, 0.50) or 0),
            "p95_ms": round(percentile(errors, 0.95) or 0),
            "cuts": len(self.off),
            "exact": round(share[0], 3),
            "one_off": round(share[1], 3),
            "more_off": round(1 - share[0] - share[1], 3),
            "mean_off": round(sum(self.off) / len(self.off), 2),
        }


def strings(value: Any, key: str = "") -> Iterator[str]:
    """Sentences of an agent file, in order."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from strings(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner, key)
    elif isinstance(value, str) and key in SPOKEN:
        yield value


def pieces() -> list[str]:
    """What agents say, as a voice gets it, each once."""
    files = sorted([*ROOT.glob("agents/**/*.toml"), *ROOT.glob("src/client_caller/agent/templates/*.toml")])
    texts = [text for path in files for text in strings(tomllib.loads(path.read_text(encoding="utf-8")))]
    cases = (ROOT / "tests/speaking/pronounce_cases.txt").read_text(encoding="utf-8").splitlines()
    texts += [case.split("=>")[1].strip() for case in cases if "=>" in case]
    pronouncer, found = Pronouncer("en", {}), dict[str, None]()
    for text in texts:
        cutter = PieceCutter(99)
        for piece in [*cutter.feed(text.translate({ord("{"): None, ord("}"): None})), *cutter.finish()]:
            found.setdefault(pronouncer.spoken(piece).text)
    return [piece for piece in found if len(piece.split()) > 1]


async def spoken(voice: EspeakVoice, text: str) -> tuple[Samples, list[float]]:
    """The sound of a piece, and where each of its words ends in it."""
    speeches = [speech async for speech in voice.speak(text)]
    samples = np.concatenate([speech.samples for speech in speeches])
    sounding = np.flatnonzero(samples)
    ends = []
    for word in (word for speech in speeches for word in speech.words):
        last = int(np.searchsorted(sounding, round(word.end_s * LINE_HZ))) - 1
        ends.append(min(word.end_s, (int(sounding[max(0, last)]) + 1) / LINE_HZ))
    return samples, ends


def plain(text: str, samples: Samples) -> list[Told]:
    """Known at the end, and then for the whole piece: the most that can be said of it."""
    return [Told(word.end_s, 0.0) for word in spread(text.split(), 0, 0.0, len(samples) / LINE_HZ)]


def fixed(text: str, samples: Samples) -> list[Told]:
    """Each word when its place at the usual speed has come; what is left, with the end."""
    length_s = len(samples) / LINE_HZ
    ends = np.cumsum([len(word) + 1 for word in text.split()]) / USUAL
    return [Told(min(float(end), length_s), min(float(end), length_s)) for end in ends]


def streamed(timer: WordTimer, samples: Samples) -> list[Told]:
    """What a `WordTimer` tells as frames come."""
    told: list[Told] = []

    def add(words: Sequence[WordTime], known: int) -> None:
        told.extend(Told(word.end_s, known / LINE_HZ) for word in words)

    for start in range(0, len(samples), FRAME_SAMPLES):
        frame = samples[start : start + FRAME_SAMPLES]
        add(timer.feed(frame), start + len(frame))
    add(timer.finish(), len(samples))
    return told


def measured(cuts: int) -> dict[str, Score]:
    """All ways, over all voices."""
    scores = {name: Score() for name in ("plain", "fixed rate", "streaming", "voice known")}
    chance = random.Random(0)
    for name, words_per_minute in VOICES:
        voice, rate = EspeakVoice(name, words_per_minute, 50), USUAL
        for text in pieces()[1::2]:
            samples, truth = asyncio.run(spoken(voice, text))
            if len(truth) != len(text.split()):
                continue
            known = WordTimer(text, rate)
            ways: dict[str, Callable[[], list[Told]]] = {
                "plain": lambda text=text, samples=samples: plain(text, samples),
                "fixed rate": lambda text=text, samples=samples: fixed(text, samples),
                "streaming": lambda text=text, samples=samples: streamed(WordTimer(text, USUAL), samples),
                "voice known": lambda known=known, samples=samples: streamed(known, samples),
            }
            instants = [chance.uniform(0, len(samples) / LINE_HZ) for _ in range(cuts)]
            for way, told in ways.items():
                scores[way].add(told(), truth, instants)
            rate = known.letters_per_s
    return scores


def marks() -> str:
    """Whether people's speech can be measured, too."""
    if not CORPUS.exists():
        return "no corpus of human speech beside the repository"
    clips = json.loads(CORPUS.read_text(encoding="utf-8"))
    return "the corpus of human speech has no marks of words" if not any("words" in clip for clip in clips) else ""


def show(rows: dict[str, dict[str, float | int | None]]) -> None:
    print(f"\n{'':<14}{'words':>7}{'p50 ms':>8}{'p95 ms':>8}{'cuts':>7}", end="")
    print(f"{'exact':>8}{'1 off':>8}{'more':>8}{'mean off':>10}")
    for name, row in rows.items():
        shares = "".join(f"{100 * (row[key] or 0):>7.1f}%" for key in ("exact", "one_off", "more_off"))
        print(
            f"{name:<14}{row['words']:>7}{row['p50_ms']:>8}{row['p95_ms']:>8}{row['cuts']:>7}{shares}{row['mean_off']:>10}"
        )


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--cuts", type=int, default=5, help="of each piece, at random")
    arguments.add_argument("--out", type=Path, default=Path("bench/results/word_times.json"))
    given = arguments.parse_args()
    table = {name: score.row() for name, score in measured(given.cuts).items()}
    show(table)
    facts = {"voices": [f"{name} at {speed} words a minute" for name, speed in VOICES], "ahead_s": AHEAD_S}
    people = marks() or "marks of words in human speech are there and not yet used"
    print(f"\n{people}; written to {given.out}")
    keep({**origin("word times without word events"), **facts, "people": people, "ways": table}, given.out)
