"""The report is one page that needs nothing else, and says what report.json says."""

import io
import json
import re
import wave
from base64 import b64decode
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rehearsed import TURNS, write_record

from client_caller.audio import mulaw
from client_caller.audio.frame import LINE_HZ
from client_caller.records.flight import read_record
from client_caller.rehearsal.report import CallReport, Headline, headline, write_report
from client_caller.rehearsal.timeline import join

LOUD = 0x80  # mu-law of the largest sample


def report(folder: Path, title: str = "A table for four", seconds: int = 30) -> CallReport:
    """A call of which each second has sound in its first half, the caller's in even seconds."""
    half, quiet = bytes([LOUD]) * (LINE_HZ // 2), bytes([mulaw.SILENCE]) * (LINE_HZ // 2)
    even = (half + quiet + quiet + quiet) * (seconds // 2)
    timeline = join(TURNS, read_record(write_record(folder / "record.jsonl"))[1])
    return CallReport(title, "2026-11-23T14:00:00Z", "2 cores", ("one call",), timeline, even, even[LINE_HZ:])


def data_in(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    content: dict[str, Any] = json.loads(found[1])
    return content


def test_the_headline_sums_up_what_the_ear_measured(tmp_path: Path) -> None:
    assert headline(report(tmp_path).timeline.turns) == Headline(
        turns=4,
        answered=2,
        voice_to_voice_p50_s=0.512,
        voice_to_voice_p95_s=0.75,
        cut_offs=1,
        barge_ins=1,
        silenced=1,
        barge_in_silence_p50_s=0.31,
        barge_in_silence_max_s=0.31,
    )


def test_a_call_without_turns_has_no_percentiles() -> None:
    assert headline(()) == Headline(0, 0, None, None, 0, 0, 0, None, None)


def test_the_page_carries_the_figures_of_the_json_file(tmp_path: Path) -> None:
    page = write_report(report(tmp_path), tmp_path / "out").read_text(encoding="utf-8")
    figures = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    shown = data_in(page)
    assert {name: shown[name] for name in figures} == figures
    assert figures["headline"]["voice_to_voice_p50_s"] == 0.512
    assert figures["turns"][1]["agent_cut"] == "four at eight, thank you."


def test_the_page_needs_nothing_beside_itself(tmp_path: Path) -> None:
    page = write_report(report(tmp_path), tmp_path).read_text(encoding="utf-8")
    without_svg_names = page.replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r'https?://|<link|<img|@import|url\(|src="', without_svg_names)
    assert "{{" not in page


def test_nothing_said_on_the_telephone_can_become_markup(tmp_path: Path) -> None:
    page = write_report(report(tmp_path, title="</script><script>alert(1)</script> & co"), tmp_path).read_text()
    assert "<script>alert" not in page
    assert data_in(page)["title"] == "</script><script>alert(1)</script> & co"


def test_the_sound_is_in_the_page_the_caller_left(tmp_path: Path) -> None:
    page = write_report(report(tmp_path), tmp_path).read_text(encoding="utf-8")
    with wave.open(io.BytesIO(b64decode(data_in(page)["audio"]))) as wav:
        sound = np.frombuffer(wav.readframes(wav.getnframes()), "<i2").reshape(-1, 2)
    assert len(sound) == 30 * LINE_HZ
    assert np.abs(sound[: LINE_HZ // 2]).min(axis=0).tolist() == [np.abs(sound).max(), 0]


def test_the_peaks_follow_the_sound_every_five_milliseconds(tmp_path: Path) -> None:
    shown = data_in(write_report(report(tmp_path), tmp_path).read_text(encoding="utf-8"))
    caller = b64decode(shown["peaks"]["caller"])
    assert shown["peaks_hz"] == 200
    assert len(caller) == 30 * 200
    assert caller[99] > 240
    assert caller[100] == 0


def test_a_call_too_long_for_a_page_goes_without_sound_but_is_still_drawn(tmp_path: Path) -> None:
    shown = data_in(write_report(report(tmp_path, seconds=260), tmp_path).read_text(encoding="utf-8"))
    assert shown["audio"] is None
    assert len(b64decode(shown["peaks"]["caller"])) == 260 * 200


def test_a_call_of_no_length_still_gives_a_page(tmp_path: Path) -> None:
    full = report(tmp_path)
    silent = CallReport(
        full.title, full.started, full.machine, (), join((), read_record(tmp_path / "record.jsonl")[1]), b"", b""
    )
    assert data_in(write_report(silent, tmp_path).read_text(encoding="utf-8"))["duration_s"] == 0


@pytest.mark.parametrize("name", ["report.html", "report.css", "report.js"])
def test_no_part_of_the_page_outgrows_its_file(name: str) -> None:
    source = Path(__file__).parents[2] / "src/client_caller/rehearsal" / name
    assert len(source.read_text(encoding="utf-8").splitlines()) <= 400
