"""A voice is made of a good recording and somebody's consent, and of nothing less."""

import re
import tomllib
import wave
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recordings import CONSENT, TEXT, hum, put, silence, speaking

from client_caller.audio.levels import level_dbfs
from client_caller.errors import ConfigError
from client_caller.speaking.csm.prompts import VoiceShelf, _line, _quoted
from client_caller.speaking.csm.recording import prepared, read_wav, speech

DAY = date(2026, 11, 30)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return put(tmp_path / "anna.wav", speaking(6))


@pytest.fixture
def shelf(tmp_path: Path) -> VoiceShelf:
    return VoiceShelf(tmp_path / "voices")


def test_a_voice_that_was_added_is_loaded_as_it_was_made(shelf: VoiceShelf, recording: Path) -> None:
    assert shelf.names() == []
    made = shelf.add("anna", recording, f"  {TEXT}\n", CONSENT, DAY)
    loaded = shelf.load("anna")
    assert shelf.names() == ["anna"]
    assert (loaded.name, loaded.text) == ("anna", TEXT)
    assert loaded.sound.dtype == np.float32
    assert np.array_equal(loaded.sound, made.sound)
    assert shelf.card("anna").consent == CONSENT
    assert shelf.card("anna").added == DAY


def test_what_lies_in_the_folder_is_24_khz_mono_trimmed_and_level(shelf: VoiceShelf, recording: Path) -> None:
    shelf.add("anna", recording, TEXT, CONSENT, DAY)
    with wave.open(str(shelf.folder / "anna" / "prompt.wav")) as file:
        assert file.getparams()[:3] == (1, 2, 24_000)
        assert 6.0 <= file.getnframes() / 24_000 <= 6.3  # of 8 s
    assert level_dbfs(shelf.load("anna").sound) == pytest.approx(-20, abs=0.1)
    card = tomllib.loads((shelf.folder / "anna" / "voice.toml").read_text())
    assert set(card) == {"text", "consent", "sha256", "added"}


@pytest.mark.parametrize("width", [2, 3, 4])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("hz", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_recordings_of_every_usual_kind_sound_alike(tmp_path: Path, width: int, channels: int, hz: int) -> None:
    expected = prepared(put(tmp_path / "expected.wav", speaking(3.5)))
    made = prepared(put(tmp_path / "made.wav", speaking(3.5, hz), hz, width, channels))
    shared = min(len(expected), len(made))
    assert abs(len(expected) - len(made)) <= 480  # one window of the trimming
    shifts = (
        np.dot(expected[480 + shift : shared - 480 + shift], made[480 : shared - 480]) for shift in range(-480, 481, 1)
    )
    power = np.dot(expected[480 : shared - 480], expected[480 : shared - 480])
    assert max(shifts) / power > 0.99


def test_a_stereo_recording_is_the_mean_of_its_channels(tmp_path: Path) -> None:
    left = hum(1)
    both = np.stack((left, np.zeros_like(left)), axis=1).ravel()
    path = put(tmp_path / "stereo.wav", both)
    data = bytearray(path.read_bytes())
    data[22:24] = (2).to_bytes(2, "little")
    data[32:34] = (4).to_bytes(2, "little")
    path.write_bytes(data)
    sound, hz = read_wav(path)
    assert (len(sound), hz) == (24_000, 24_000)
    assert np.allclose(sound, left / 2, atol=1e-4)


def test_a_loud_moment_does_not_clip_the_prompt(tmp_path: Path) -> None:
    sound = hum(5, peak=0.05)
    sound[40_000:40_040] = 0.9 * np.hanning(40)
    made = prepared(put(tmp_path / "knock.wav", sound))
    assert np.abs(made).max() <= 0.99
    assert level_dbfs(made) <= -20


@given(st.floats(0, 2), st.floats(0, 2))
def test_silence_is_cut_off_at_the_ends_and_no_speech_with_it(before: float, after: float) -> None:
    start, end = speech(speaking(3, before=before, after=after))
    first, last = round(before * 24_000), round((before + 3) * 24_000)
    assert first - 2_400 - 480 <= start <= first
    assert last - 480 <= end <= last + 2_400 + 960


def test_sound_without_speech_has_none() -> None:
    assert speech(silence(2)) == (0, 0)
    assert speech(np.zeros(0, np.float32)) == (0, 0)


@pytest.mark.parametrize(
    ("sound", "told"),
    [
        (silence(8), "is silent, or far too soft"),
        (np.zeros(100, np.float32), "is silent, or far too soft"),
        (speaking(2), r"has 2\.\d s of speech: 3 s are the least"),
        (np.clip(hum(5) * 6, -1, 1), "is clipped: record it again with less gain"),
    ],
    ids=["silent", "empty", "short", "clipped"],
)
def test_a_recording_that_makes_no_good_voice_is_refused_with_a_remedy(
    shelf: VoiceShelf, tmp_path: Path, sound: np.ndarray, told: str
) -> None:
    path = put(tmp_path / "bad.wav", sound)
    with pytest.raises(ConfigError, match=rf"bad\.wav {told}"):
        shelf.add("anna", path, TEXT, CONSENT, DAY)
    assert shelf.names() == []


def test_speech_at_full_scale_is_not_taken_for_clipped(tmp_path: Path) -> None:
    assert len(prepared(put(tmp_path / "full.wav", hum(5, peak=1.0)))) > 0


def test_a_long_recording_is_refused_with_the_place_to_cut_it(tmp_path: Path) -> None:
    sound = np.concatenate((silence(0.8), hum(11), silence(0.5), hum(8)))
    with pytest.raises(ConfigError, match=r"19\.\d s of speech.* cut it at (\d+\.\d) s") as refused:
        prepared(put(tmp_path / "long.wav", sound))
    cut_s = float(re.search(r"cut it at (\d+\.\d) s", str(refused.value))[1])
    assert 11.8 < cut_s < 12.3  # in the pause
    assert len(prepared(put(tmp_path / "cut.wav", sound[: round(cut_s * 24_000)]))) / 24_000 == pytest.approx(
        11.2, abs=0.15
    )


def test_an_hour_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = put(tmp_path / "hour.wav", hum(1, hz=8_000), 8_000)
    data = bytearray(path.read_bytes())
    data[40:44] = (3_600 * 16_000).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=r"hour\.wav is 60 min long: cut 3 to 15 s out of it"):
        read_wav(path)


@pytest.mark.parametrize(
    ("at", "value", "told"),
    [
        (24, (96_000).to_bytes(4, "little"), "has 96000 samples a second"),
        (24, (4_000).to_bytes(4, "little"), "has 4000 samples a second"),
        (34, b"\x08\x00", "has 8 bits a sample"),
        (22, b"\x06\x00", "has 6 channels"),
        (20, b"\xfe\xff", r"is no plain WAV file .* `ffmpeg"),
        (0, b"fLaC", r"is no plain WAV file .* `ffmpeg"),
    ],
)
def test_another_kind_of_file_is_refused_with_what_it_must_be(
    recording: Path, at: int, value: bytes, told: str
) -> None:
    data = bytearray(recording.read_bytes())
    data[at : at + len(value)] = value
    recording.write_bytes(data)
    with pytest.raises(ConfigError, match=rf"anna\.wav {told}"):
        read_wav(recording)


@pytest.mark.parametrize("kept", [0, 20, 44, 30_000])
def test_a_file_that_ends_early_is_refused(recording: Path, kept: int) -> None:
    recording.write_bytes(recording.read_bytes()[:kept])
    with pytest.raises(ConfigError, match=r"anna\.wav is (no plain WAV file|cut short)"):
        read_wav(recording)


def test_a_missing_recording_is_told(shelf: VoiceShelf, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.wav cannot be read \(No such file"):
        shelf.add("anna", tmp_path / "nowhere.wav", TEXT, CONSENT, DAY)


@pytest.mark.parametrize("consent", ["", "   ", "yes", "yes yes yes", "agreedagreedagreedagreed"])
def test_without_a_sentence_of_consent_there_is_no_voice(shelf: VoiceShelf, recording: Path, consent: str) -> None:
    with pytest.raises(ConfigError, match="--consent"):
        shelf.add("anna", recording, TEXT, consent, DAY)
    assert not shelf.folder.exists()


@pytest.mark.parametrize(
    "name", ["", "Anna", "7up", "a" * 33, "../anna", "an na", "anna.old", ".anna", "anna\n", "änne"]
)
def test_a_name_that_is_none_is_refused(shelf: VoiceShelf, recording: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="is no name for a voice"):
        shelf.add(name, recording, TEXT, CONSENT, DAY)
    with pytest.raises(ConfigError, match="is no name for a voice"):
        shelf.load(name)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the text is empty"),
        (" \n", "the text is empty"),
        ("Hi.", r"the text has fewer words than .*anna\.wav can hold \(3 characters in 6\.\d s\)"),
        (TEXT * 4, r"the text has more words than .*anna\.wav can hold"),
        (TEXT + "\x1b[2J", "the text holds a character that cannot be shown"),
        (TEXT + "\udcff", "the text holds a character that cannot be shown"),
    ],
)
def test_a_text_that_is_not_that_of_the_recording_is_refused(
    shelf: VoiceShelf, recording: Path, text: str, told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        shelf.add("anna", recording, text, CONSENT, DAY)


def test_a_voice_that_is_there_is_replaced_only_if_that_is_said(
    shelf: VoiceShelf, recording: Path, tmp_path: Path
) -> None:
    shelf.add("anna", recording, TEXT, CONSENT, DAY)
    other = put(tmp_path / "other.wav", hum(4))
    with pytest.raises(ConfigError, match=r"there is a voice anna already: .* --replace"):
        shelf.add("anna", other, TEXT, CONSENT, DAY)
    assert len(shelf.load("anna").sound) > 5 * 24_000
    shelf.add("anna", other, TEXT, CONSENT, DAY, replace=True)
    assert len(shelf.load("anna").sound) < 5 * 24_000
    assert [path.name for path in shelf.folder.iterdir()] == ["anna"]


def test_a_folder_that_is_no_voice_is_never_replaced(shelf: VoiceShelf, recording: Path) -> None:
    (shelf.folder / "anna").mkdir(parents=True)
    (shelf.folder / "anna" / "letters.txt").write_text("of value")
    with pytest.raises(ConfigError, match="is no voice: give another name"):
        shelf.add("anna", recording, TEXT, CONSENT, DAY, replace=True)
    assert (shelf.folder / "anna" / "letters.txt").exists()


def test_what_an_interrupted_addition_left_is_no_voice_and_in_nobodys_way(shelf: VoiceShelf, recording: Path) -> None:
    (shelf.folder / ".anna.new").mkdir(parents=True)
    (shelf.folder / ".anna.new" / "voice.toml").write_text("")
    assert shelf.names() == []
    shelf.add("anna", recording, TEXT, CONSENT, DAY)
    assert shelf.names() == ["anna"]


def test_another_recording_under_the_same_consent_is_refused(shelf: VoiceShelf, recording: Path) -> None:
    shelf.add("anna", recording, TEXT, CONSENT, DAY)
    put(shelf.folder / "anna" / "prompt.wav", hum(6))
    with pytest.raises(ConfigError, match=r"prompt\.wav is not the recording that voice\.toml was written for"):
        shelf.load("anna")


def test_a_missing_prompt_is_told(shelf: VoiceShelf, recording: Path) -> None:
    shelf.add("anna", recording, TEXT, CONSENT, DAY)
    (shelf.folder / "anna" / "prompt.wav").unlink()
    with pytest.raises(ConfigError, match=r"prompt\.wav cannot be read"):
        shelf.load("anna")


@pytest.mark.parametrize("field", ["text", "consent", "sha256", "added"])
@pytest.mark.parametrize("instead", [None, '""', "7"])
def test_a_card_that_lacks_something_is_told_with_the_field(
    shelf: VoiceShelf, recording: Path, field: str, instead: str | None
) -> None:
    shelf.add("anna", recording, TEXT, CONSENT, DAY)
    card = shelf.folder / "anna" / "voice.toml"
    kept = [line for line in card.read_text().splitlines() if not line.startswith(f"{field} =")]
    card.write_text("\n".join(kept if instead is None else [*kept, f"{field} = {instead}"]))
    with pytest.raises(ConfigError, match=rf"voice\.toml, {field}: "):
        shelf.load("anna")


def test_an_unknown_voice_is_told_with_those_there_are(shelf: VoiceShelf, recording: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no voice ben in .*: add one with `client-caller voices add`"):
        shelf.load("ben")
    shelf.add("anna", recording, TEXT, CONSENT, DAY)
    with pytest.raises(ConfigError, match=r"there is no voice ben in .*: there are anna"):
        shelf.load("ben")


def test_a_folder_that_cannot_be_written_is_told_with_its_setting(tmp_path: Path, recording: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match=r"cannot be written .* CLIENT_CALLER_SPEAKING__VOICES"):
        VoiceShelf(tmp_path / "file").add("anna", recording, TEXT, CONSENT, DAY)


@given(st.text())
def test_whatever_can_be_shown_is_read_back_from_the_card(text: str) -> None:
    try:
        line = _line("the text", text, "what is said")
    except ConfigError:
        return
    assert tomllib.loads(f"text = {_quoted(line)}")["text"] == line
