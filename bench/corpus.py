"""Human speech for the benchmarks: clips with their words and their silences, and the telephone they go through.

In:   a folder `shared/corpus` beside the repository, where there is one; the recordings in the moonshine-voice package.
Out:  `Clip`s at 16 kHz, every one framed by its own room tone; their silences; mu-law bytes as a line would carry them.
Rule: everything is deterministic, and nothing is digital silence: a model trained on rooms behaves oddly in none.

The corpus is human speech from public repositories, with start, end and every silence over 0.5 s looked at on a plot.
The detector of shorter silences is independent of the product's: it knows levels only, and sees the clean sound.
Of the 34 silences that the corpus lists it finds 25, their edges within 50 ms in 92 % and within 100 ms in 98 %; eight
of the nine it misses lie in recordings of one noisy room. Where the corpus has a list, the list counts.
"""

import json
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from client_caller.app import speech_samples
from client_caller.audio import mulaw
from client_caller.audio.frame import LINE_HZ, Samples
from client_caller.audio.levels import at_level, level_dbfs
from client_caller.audio.resample import resample
from client_caller.rehearsal.cast import HUMAN_SENTENCES, Passage
from client_caller.rehearsal.clips import prepare, read_wav
from client_caller.settings import load_settings

CORPUS: Final = Path(__file__).resolve().parents[2] / "shared" / "corpus"
HZ: Final = 16_000

_SHORTEST_SILENCE_S: Final = 0.1
_LISTED_S: Final = 0.5
"""Silences longer than this are all in the corpus' own list; what else seems one is soft speech."""

_BLOCK_S: Final = 0.01
_SILENT_BELOW_DB: Final = 25.0
"""Below the level that 5 % of the speech exceed. At 20 dB soft word ends fall silent, at 30 dB rooms do not."""

_SHORTEST_VOICE: Final = 3  # blocks; less is a click or a breath within a silence

_ROOM_BELOW_SPEECH_DB: Final = 35.0
_QUIETEST_ROOM_DBFS: Final = -75.0  # about the noise of mu-law around zero
_FFT: Final = 512
_FADE_S: Final = 0.01

_BECKETT: Final = (
    Passage("beckett.wav", 0.10, 1.60, "Ever tried."),
    Passage("beckett.wav", 1.80, 3.00, "Ever failed."),
    Passage("beckett.wav", 3.40, 4.25, "No matter."),
    Passage("beckett.wav", 4.70, 5.70, "Try again."),
    Passage("beckett.wav", 6.50, 7.55, "Fail again."),
    Passage("beckett.wav", 7.95, 8.84, "Fail better."),
)

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Clip:
    """One turn of a human being.

    samples: shape (n,), 16 kHz;  transcript: "" where nobody wrote it down;  wer_use: "strict" (a human reference),
    "soft" (good for ranking) or "no";  timing_use: whether the edges may be trusted;  speech_start_s, speech_end_s:
    seconds from the first sample;  pauses: silences over 0.5 s within the speech;  turn_complete: False when the
    speaker is plainly unfinished at the end.
    """

    name: str
    samples: Samples
    transcript: str
    wer_use: str
    timing_use: bool
    speech_start_s: float
    speech_end_s: float
    pauses: tuple[Span, ...]
    turn_complete: bool
    speaker: str
    tags: tuple[str, ...]
    source: Literal["corpus", "package"]

    @property
    def speech_s(self) -> float:
        """From the first sound of the voice to the last."""
        return self.speech_end_s - self.speech_start_s


def corpus_present() -> bool:
    """Whether the folder `shared/corpus` is there."""
    return (CORPUS / "manifest.json").is_file()


def human_clips() -> list[Clip]:
    """Every clip there is; without the corpus only the package's. Raises ModelUnavailable when that is missing too."""
    from_corpus = [_from_corpus(entry) for entry in _manifest() if entry["file"].startswith("speech/")]
    return from_corpus + [_from_package(passage) for passage in (*HUMAN_SENTENCES, *_BECKETT)]


def noise_names() -> list[str]:
    """What `telephone` can add besides white noise; nothing without the corpus."""
    return [entry["id"] for entry in _manifest() if entry["file"].startswith("noise/")]


def silences(clip: Clip) -> list[Span]:
    """Every silence of 0.1 s and more after the voice set in; the last one begins at the true end of the speech."""
    first, last = round(clip.speech_start_s / _BLOCK_S), round(clip.speech_end_s / _BLOCK_S)
    levels = _levels(clip.samples)[first:last]
    voiced = levels > np.percentile(levels, 95) - _SILENT_BELOW_DB
    for begin, end in _runs(voiced):
        if end - begin < _SHORTEST_VOICE:
            voiced[begin:end] = False
    # A soft beginning or end is speech all the same: the outer edges were looked at.
    inner = [(begin, end) for begin, end in _runs(~voiced) if begin > 0 and end < len(voiced)]
    found = [((first + begin) * _BLOCK_S, (first + end) * _BLOCK_S) for begin, end in inner]
    short = [
        span
        for span in found
        if _SHORTEST_SILENCE_S - 1e-9 <= span[1] - span[0] <= _LISTED_S
        and not any(_overlap(span, pause) for pause in clip.pauses)
    ]
    return [*sorted([*short, *clip.pauses]), (clip.speech_end_s, len(clip.samples) / HZ)]


def speech_dbfs(samples: Samples) -> float:
    """Level of the voice while it sounds, at any rate: its silences do not count."""
    blocks = _blocks(samples, round(_BLOCK_S * HZ))
    levels = _block_levels(blocks)
    return level_dbfs(blocks[levels > np.percentile(levels, 95) - _SILENT_BELOW_DB].ravel())


def room_tone(samples: Samples, seconds: float, seed: int = 0) -> Samples:
    """Noise at 16 kHz with level and spectrum of the quietest tenth of `samples`, shape (n,) of the given length.

    Never digital zero (-75 dBFS at least), and 35 dB below the speech at most, for some clips have no quiet moment.
    """
    frames = _blocks(samples, _FFT)
    levels = _block_levels(frames)
    sounding = levels > _QUIETEST_ROOM_DBFS
    quiet = frames[sounding & (levels <= np.percentile(levels[sounding], 10))]
    shape = np.sqrt(np.mean(np.abs(np.fft.rfft(quiet * np.hanning(_FFT), axis=1)) ** 2, axis=0))
    count = round(seconds * HZ)
    length = max(count, _FFT)
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=length))
    spectrum *= np.interp(np.linspace(0, 1, len(spectrum)), np.linspace(0, 1, len(shape)), shape)
    loudest = speech_dbfs(samples) - _ROOM_BELOW_SPEECH_DB
    level = max(_QUIETEST_ROOM_DBFS, min(float(np.percentile(levels, 10)), loudest))
    return at_level(np.fft.irfft(spectrum, length)[:count].astype(np.float32), level)


def framed(clip: Clip, lead_s: float = 0.4, tail_s: float = 1.0) -> Clip:
    """With room tone where less than `lead_s` seconds come before the voice, or less than `tail_s` after it."""
    lead_s = max(0.0, lead_s - clip.speech_start_s)
    tail_s = max(0.0, tail_s - (len(clip.samples) / HZ - clip.speech_end_s))
    lead, tail = room_tone(clip.samples, lead_s, seed=1), room_tone(clip.samples, tail_s, seed=2)
    return replace(
        clip,
        samples=_joined(lead, clip.samples, tail),
        speech_start_s=clip.speech_start_s + lead_s,
        speech_end_s=clip.speech_end_s + lead_s,
        pauses=tuple(_later(pause, lead_s, 0.0) for pause in clip.pauses),
    )


def with_pause(clip: Clip, at_s: float, pause_s: float) -> Clip:
    """The same turn, silent for `pause_s` in all at `at_s`; a silence that is there already is stretched.

    It is a constructed pause, made of the clip's own room tone, and the clip is tagged so.
    Raises ValueError when `at_s` lies outside the speech, or in a longer silence than the one asked for.
    """
    if not clip.speech_start_s < at_s < clip.speech_end_s:
        raise ValueError(f"{clip.name} speaks from {clip.speech_start_s} to {clip.speech_end_s} s: not at {at_s} s")
    begin_s, end_s = next((span for span in silences(clip) if span[0] <= at_s <= span[1]), (at_s, at_s))
    added_s = pause_s - (end_s - begin_s)
    if added_s < 0:
        raise ValueError(f"{clip.name} is silent from {begin_s} to {end_s} s, longer than {pause_s} s")
    cut = round((begin_s + end_s) / 2 * HZ)
    added = room_tone(clip.samples, added_s, seed=cut)
    pauses = [_later(pause, added_s, end_s) for pause in clip.pauses if not _overlap(pause, (begin_s, end_s))]
    return replace(
        clip,
        name=f"{clip.name}, {pause_s:g} s at {at_s:.2f} s",
        samples=_joined(clip.samples[:cut], added, clip.samples[cut:]),
        speech_end_s=clip.speech_end_s + added_s,
        pauses=tuple(sorted([*pauses, (begin_s, begin_s + pause_s)])),
        tags=(*clip.tags, "constructed"),
    )


def telephone(
    samples: Samples,
    *,
    level_dbfs: float | None = None,
    noise_floor_dbfs: float | None = None,
    snr_db: float | None = None,
    noise: str = "white",
    band: bool = True,
    seed: int = 0,
) -> bytes:
    """16 kHz sound as the line carries it: 8 kHz mu-law.

    level_dbfs: of the voice while it sounds; None: as recorded.  noise_floor_dbfs or snr_db: how much of `noise`
    ("white", or one of `noise_names()`) is added, absolutely or below the voice, both within the band.  band: whether
    the sound passes 300-3400 Hz.  Raises ValueError for both at once, or an unknown noise.
    """
    if noise_floor_dbfs is not None and snr_db is not None:
        raise ValueError("give noise_floor_dbfs or snr_db, not both")
    voice_dbfs = speech_dbfs(samples) if level_dbfs is None else level_dbfs
    voice = _on_the_line(samples, band)
    sound = voice * np.float32(10 ** ((voice_dbfs - speech_dbfs(voice)) / 20))
    if snr_db is not None:
        noise_floor_dbfs = voice_dbfs - snr_db
    if noise_floor_dbfs is not None:
        sound = sound + at_level(_on_the_line(_noise(noise, len(samples), seed), band), noise_floor_dbfs)
    return mulaw.encode(sound)


@cache
def _manifest() -> list[dict[str, Any]]:
    if not corpus_present():
        return []
    entries: list[dict[str, Any]] = json.loads((CORPUS / "manifest.json").read_text(encoding="utf-8"))
    return entries


def _from_corpus(entry: dict[str, Any]) -> Clip:
    return framed(
        Clip(
            name=entry["id"],
            samples=_read(CORPUS / entry["file"]),
            transcript=entry["transcript"] or "",
            wer_use=entry["wer_use"],
            timing_use=entry["timing_use"] == "yes",
            speech_start_s=entry["speech_start_s"],
            speech_end_s=entry["speech_end_s"],
            pauses=tuple((begin, end) for begin, end in entry["pauses"]),
            turn_complete=entry.get("turn_complete", True),
            speaker=entry["speaker"],
            tags=tuple(entry["tags"]),
            source="corpus",
        )
    )


def _from_package(passage: Passage) -> Clip:
    sound = _read(speech_samples(load_settings()) / passage.file)
    cut = sound[round(passage.from_s * HZ) : round(passage.to_s * HZ)]
    levels = _levels(cut)
    voiced = levels > np.percentile(levels, 95) - _SILENT_BELOW_DB
    runs = [run for run in _runs(voiced) if run[1] - run[0] >= _SHORTEST_VOICE]
    return framed(
        Clip(
            name=f"{Path(passage.file).stem}_{passage.from_s:g}",
            samples=cut,
            transcript=passage.text,
            wer_use="strict",
            timing_use=True,
            speech_start_s=runs[0][0] * _BLOCK_S,
            speech_end_s=runs[-1][1] * _BLOCK_S,
            pauses=(),
            turn_complete=True,
            speaker=Path(passage.file).stem,
            tags=("read",),
            source="package",
        )
    )


@cache
def _read(path: Path) -> Samples:
    samples, hz = read_wav(path)
    return resample(samples, hz, HZ)


def _noise(name: str, count: int, seed: int) -> Samples:
    random = np.random.default_rng(seed)
    if name == "white":
        return random.normal(0, 0.1, count).astype(np.float32)
    if name not in noise_names():
        raise ValueError(f"there is no noise {name!r}; there are white, {', '.join(noise_names())}")
    recording = _read(CORPUS / "noise" / f"{name}.wav")
    return np.resize(np.roll(recording, -int(random.integers(len(recording)))), count)


def _on_the_line(samples: Samples, band: bool) -> Samples:
    return prepare(samples, HZ, "").samples if band else resample(samples, HZ, LINE_HZ)


def _joined(*parts: Samples) -> Samples:
    """One after the other, without clicks: every edge between two is faded over 10 ms."""
    sounding = [part for part in parts if len(part)]
    ramp = np.linspace(0, 1, round(_FADE_S * HZ), dtype=np.float32)
    faded = [part.copy() for part in sounding]
    for before, after in pairwise(faded):
        count = min(len(ramp), len(before), len(after))
        before[len(before) - count :] *= ramp[:count][::-1]
        after[:count] *= ramp[:count]
    return np.concatenate(faded)


def _later(span: Span, seconds: float, from_s: float) -> Span:
    return (span[0] + seconds, span[1] + seconds) if span[0] >= from_s else span


def _overlap(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _blocks(samples: Samples, length: int) -> Samples:
    return samples[: len(samples) // length * length].reshape(-1, length)


def _block_levels(blocks: Samples) -> NDArray[np.float64]:
    power = np.mean(np.square(blocks, dtype=np.float64), axis=1)
    return np.asarray(10 * np.log10(power + 1e-12))


def _levels(samples: Samples) -> NDArray[np.float64]:
    """dBFS of every 10 ms at 16 kHz."""
    return _block_levels(_blocks(samples, round(_BLOCK_S * HZ)))


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and past-the-last index of every stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return [(int(begin), int(end)) for begin, end in edges.reshape(-1, 2)]
