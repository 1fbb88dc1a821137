"""The report of a rehearsed call: one page to look at, one file to compute with.

In:   the call as the caller's ear and the flight record have it; both voices.
Out:  `report.html`, self-contained, and `report.json`.
Rule: the page shows what `report.json` says and nothing else; its script draws, it does not measure.
"""

from base64 import b64encode
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from client_caller.audio import mulaw
from client_caller.audio.frame import LINE_HZ
from client_caller.records.recording import wav_header
from client_caller.rehearsal.figures import percentile
from client_caller.rehearsal.timeline import Timeline, TurnFigures

_PEAK_SAMPLES: Final = 40
"""Samples behind one column of the drawn waveform: 5 ms."""

_AUDIO_LIMIT_BYTES: Final = 8_000_000
"""Of WAV embedded in the page: 250 s. Beyond it a browser gets slow and a mail server refuses the page."""


@dataclass(frozen=True, slots=True)
class CallReport:
    """One rehearsed call.

    title: what was called;  started: ISO 8601;  machine: what it ran on, in words;  notes: what else a reader must
    know to judge the figures;  caller_mulaw, agent_mulaw: G.711 mu-law at 8 kHz from the caller's first frame on, as
    they passed the caller's mouth and ear.
    """

    title: str
    started: str
    machine: str
    notes: tuple[str, ...]
    timeline: Timeline
    caller_mulaw: bytes
    agent_mulaw: bytes


@dataclass(frozen=True, slots=True)
class Headline:
    """The call in a few numbers; durations at the caller's ear.

    answered: turns that were answered after their end;  barge_ins: turns that broke in on the agent, of which
    `silenced` made it fall silent.
    """

    turns: int
    answered: int
    voice_to_voice_p50_s: float | None
    voice_to_voice_p95_s: float | None
    cut_offs: int
    barge_ins: int
    silenced: int
    barge_in_silence_p50_s: float | None
    barge_in_silence_max_s: float | None


def headline(turns: tuple[TurnFigures, ...]) -> Headline:
    """The turns, summed up. Percentiles are nearest-rank."""
    waits = [turn.voice_to_voice_s for turn in turns if turn.voice_to_voice_s is not None]
    silences = [turn.barge_in_silence_s for turn in turns if turn.barge_in_silence_s is not None]
    return Headline(
        turns=len(turns),
        answered=len(waits),
        voice_to_voice_p50_s=percentile(waits, 0.50),
        voice_to_voice_p95_s=percentile(waits, 0.95),
        cut_offs=sum(turn.cut_off for turn in turns),
        barge_ins=sum(turn.kind == "interrupt" for turn in turns),
        silenced=len(silences),
        barge_in_silence_p50_s=percentile(silences, 0.50),
        barge_in_silence_max_s=max(silences, default=None),
    )


def write_report(report: CallReport, folder: Path) -> Path:
    """Write `report.html` and `report.json` into `folder`, made if need be; gives the path of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = _figures(report)
    (folder / "report.json").write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=2) + b"\n")
    page = folder / "report.html"
    page.write_text(_page(report, figures), encoding="utf-8")
    return page


def _figures(report: CallReport) -> dict[str, object]:
    return {
        "title": report.title,
        "started": report.started,
        "machine": report.machine,
        "notes": report.notes,
        "duration_s": max(len(report.caller_mulaw), len(report.agent_mulaw)) / LINE_HZ,
        "headline": headline(report.timeline.turns),
        "turns": report.timeline.turns,
        "marks": report.timeline.marks,
        "conversation": report.timeline.conversation,
    }


def _page(report: CallReport, figures: dict[str, object]) -> str:
    """The template with style, script, figures and sound put in, so that the page needs nothing beside itself."""
    drawn = figures | {
        "peaks_hz": LINE_HZ // _PEAK_SAMPLES,
        "peaks": {"caller": _peaks(report.caller_mulaw), "agent": _peaks(report.agent_mulaw)},
        "audio": _audio(report.caller_mulaw, report.agent_mulaw),
    }
    # Inside <script> a browser looks for "</"; as an escape it is the same JSON and cannot end the element.
    data = msgspec.json.encode(drawn).decode().replace("<", "\\u003c")
    page = _asset("report.html")
    for place, content in (
        ("{{style}}", _asset("report.css")),
        ("{{script}}", _asset("report.js")),
        ("{{title}}", escape(report.title)),
        ("{{data}}", data),  # last: what callers said is never searched for places
    ):
        page = page.replace(place, content)
    return page


def _asset(name: str) -> str:
    return files("client_caller.rehearsal").joinpath(name).read_text(encoding="utf-8")


def _peaks(sound: bytes) -> str:
    """The loudest of every 5 ms, 0-255, as base64."""
    samples = np.abs(mulaw.decode(sound + bytes([mulaw.SILENCE]) * (-len(sound) % _PEAK_SAMPLES)))
    loudest = samples.reshape(-1, _PEAK_SAMPLES).max(axis=1, initial=0.0)
    return b64encode(np.rint(loudest * 255).astype(np.uint8).tobytes()).decode()


def _audio(caller: bytes, agent: bytes) -> str | None:
    """Both voices as a stereo WAV in base64, or None when the call is too long to carry it."""
    count = max(len(caller), len(agent))
    wav = np.zeros((count, 2), "<i2")
    for channel, sound in enumerate((caller, agent)):
        wav[: len(sound), channel] = mulaw.decode(sound) * 32_768
    data = wav_header(count) + wav.tobytes()
    return b64encode(data).decode() if len(data) < _AUDIO_LIMIT_BYTES else None
